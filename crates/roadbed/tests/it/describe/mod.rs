//! What the program tells of its API: the documents, what they leave out, and what other programs make of them.

mod page;
mod programs;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::harness::On;
use crate::harness::{Ask, Caller, Setup, World, each_engine, runtime, say};

const SHOP: &str = include_str!("../../described/shop.sql");

fn callers() -> [Caller; 3] {
    [Caller::Anonymous, Caller::user(1), Caller::role("service_role")]
}

/// Everything that a caller is told: OpenAPI 3.1, and Swagger 2.0.
async fn told(world: &World, caller: &Caller) -> [Json; 2] {
    let mut told = Vec::new();
    for path in ["//openapi.json", "/"] {
        let answer = world.ask(&Ask::get(path).by(caller.clone())).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        told.push(answer.json());
    }
    told.try_into().expect("there are two")
}

fn keys(json: &Json) -> Vec<&str> {
    json.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn both_engines_describe_the_same_api_in_the_same_words() {
    let described = std::cell::RefCell::new(Vec::<(On, Vec<String>)>::new());
    each_engine("both engines describe the same API", async |on| {
        let world = World::new(on, &Setup::new(SHOP)).await;
        let mut texts = Vec::new();
        for caller in callers() {
            for path in ["//openapi.json", "/"] {
                texts.push(world.ask(&Ask::get(path).by(caller.clone())).await.text().to_owned());
            }
        }
        world.end().await;
        described.borrow_mut().push((on, texts));
    });
    let described = described.into_inner();
    let Some((_, first)) = described.first() else { return };
    for (on, texts) in &described {
        for (a, b) in first.iter().zip(texts) {
            assert_eq!(pretty(a), pretty(b), "on {on}");
        }
    }
}

fn pretty(text: &str) -> String {
    let json: Json = serde_json::from_str(text).expect("it is JSON");
    // The address of a test's server is one of its own.
    format!("{json:#}")
}

#[test]
fn only_what_the_role_may_reach_is_told() {
    each_engine("only what the role may reach is told", async |on| {
        let world = World::new(on, &Setup::new(SHOP)).await;
        let [open, swagger] = told(&world, &Caller::Anonymous).await;
        let paths = [
            "/customers",
            "/odd%20name",
            "/open_orders",
            "/orders",
            "/rpc/add",
            "/rpc/orders_of",
            "/rpc/totals",
            "/batch/v1",
        ];
        assert_eq!(keys(&open["paths"]), paths, "on {on}");
        assert_eq!(keys(&open["paths"]["/orders"]), ["get", "post"]);
        assert_eq!(keys(&open["paths"]["/customers"]), ["get"]);
        let schemas = &open["components"]["schemas"];
        assert_eq!(keys(&schemas["customers"]["properties"]), ["id", "name", "tags", "settings", "created_at"]);
        assert_eq!(keys(&schemas["orders.insert"]["properties"]), ["customer_id", "state"]);
        assert!(!open.to_string().contains("secret") && !open.to_string().contains("hidden"), "on {on}");
        assert!(!swagger.to_string().contains("secret") && !swagger.to_string().contains("hidden"), "on {on}");

        let [open, swagger] = told(&world, &Caller::user(1)).await;
        assert_eq!(
            keys(&open["paths"]["/customers"]),
            ["get", "post", "patch", "delete"],
            "the key is always generated"
        );
        assert_eq!(keys(&open["paths"]["/odd%20name"]), ["get", "post", "put", "patch", "delete"]);
        assert!(
            open["paths"].get("/rpc/not_for_anon").is_some() && swagger["paths"].get("/rpc/not_for_anon").is_some()
        );
        let names: Vec<&str> = open["paths"]["/odd%20name"]["get"]["parameters"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(names, ["id", "a.b c"], "a filter must not be taken for another parameter");
        world.end().await;
    });
}

#[test]
fn types_defaults_and_comments_are_told() {
    each_engine("types, defaults and comments are told", async |on| {
        let world = World::new(on, &Setup::new(SHOP)).await;
        let [open, swagger] = told(&world, &Caller::user(1)).await;
        assert_eq!(open["info"]["title"], "The shop");
        let customers = &open["paths"]["/customers"]["get"];
        assert_eq!(customers["summary"], "Who buys");
        assert!(customers["description"].as_str().expect("a text").starts_with("One row for each person"));
        let columns = &open["components"]["schemas"]["orders"]["properties"];
        let expected = json!({
            "state": { "type": "string", "enum": ["new", "paid", "sent"], "default": "new" },
            "amount": { "type": "number", "minimum": -99_999_999.99, "maximum": 99_999_999.99, "default": 0 },
            "ratio": { "type": ["number", "null"], "format": "double", "default": 0.5 },
            "is_gift": { "type": "boolean", "default": false },
            "code": { "type": ["string", "null"], "maxLength": 4 },
            "paid_at": { "type": ["string", "null"], "format": "date-time-local" },
            "amount_with_tax": { "type": ["number", "null"], "readOnly": true },
            "history": { "type": ["array", "null"], "items": { "type": ["string", "null"], "enum": ["new", "paid", "sent", null] } },
        });
        for (name, expected) in expected.as_object().expect("an object") {
            let (mut found, mut expected) = (columns[name].clone(), expected.clone());
            // `0` and `0.00` are the same number, but not the same text.
            let defaults = [&mut found, &mut expected].map(|schema| schema["default"].take().as_f64());
            assert_eq!((found.to_string(), defaults[0]), (expected.to_string(), defaults[1]), "{name} on {on}");
        }
        let schemas = &open["components"]["schemas"];
        assert_eq!(schemas["customers"]["properties"]["settings"]["default"], json!({ "letters": true }));
        assert_eq!(schemas["orders.insert"]["required"], json!(["customer_id"]));
        assert_eq!(schemas["customers.insert"]["required"], json!(["name"]));
        let add = &open["paths"]["/rpc/add"];
        assert_eq!((&add["get"]["summary"], &add["get"]["description"]), (&json!("Adds"), &json!("Two numbers.")));
        assert_eq!(add["post"]["requestBody"]["content"]["application/json"]["schema"]["required"], json!(["a"]));

        let definition = &swagger["definitions"]["orders"];
        assert_eq!(definition["properties"]["id"]["default"], "gen_random_uuid()");
        assert_eq!(definition["properties"]["id"]["description"], "Note:\nThis is a Primary Key.<pk/>");
        let link = "Note:\nThis is a Foreign Key to `customers.id`.<fk table='customers' column='id'/>";
        assert_eq!(definition["properties"]["customer_id"]["description"], link);
        assert_eq!(definition["properties"]["state"]["format"], "public.state");
        assert_eq!(definition["properties"]["history"]["items"], json!({ "type": "string" }));
        assert_eq!(definition["required"], json!(["id", "customer_id", "state", "amount", "is_gift"]));
        world.end().await;
    });
}

#[test]
fn a_document_is_made_anew_when_the_schema_changes_and_not_sent_twice() {
    each_engine("a document is made anew when the schema changes", async |on| {
        let world =
            World::new(on, &Setup::new("create table t (id int primary key); grant select on t to anon;")).await;
        let first = world.ask(&Ask::get("//openapi.json")).await;
        let tag = first.header("etag").expect("it has a tag");
        let again = world.ask(&Ask::get("//openapi.json").header("If-None-Match", tag)).await;
        assert_eq!((again.status, again.text()), (304, ""), "on {on}");
        let file = |name: &str, sql: &str| roadbed_plan::engine::Migration {
            name: name.into(),
            path: name.into(),
            sql: sql.into(),
        };
        let schema = "create table t (id int primary key); grant select on t to anon;";
        world
            .migrate(&[file("schema", schema), file("schema_2", "revoke select on t from anon;")])
            .await
            .expect("it applies");
        let after = world.ask(&Ask::get("//openapi.json").header("If-None-Match", tag)).await;
        assert_eq!((after.status, keys(&after.json()["paths"])), (200, vec!["/batch/v1"]), "on {on}");
        world.end().await;
    });
}

#[test]
fn documents_can_be_turned_off_and_widened() {
    let schema = "create table t (id int primary key); create table u (id int primary key); grant select on t to anon;";
    each_engine("documents can be turned off", async |on| {
        let off = "[server]\ndocs-enabled = false\n[rest]\nopenapi-mode = \"disabled\"\n".to_owned();
        let world = World::new(on, &Setup { settings: off, ..Setup::new(schema) }).await;
        assert_eq!(world.ask(&Ask::get("//openapi.json")).await.status, 404, "on {on}");
        assert_eq!(world.ask(&Ask::get("/")).await.status, 404, "on {on}");
        world.end().await;
        let wide = "[rest]\nopenapi-mode = \"ignore-privileges\"\nopenapi-security-active = true\n".to_owned();
        let world = World::new(on, &Setup { settings: wide, ..Setup::new(schema) }).await;
        let [open, swagger] = told(&world, &Caller::Anonymous).await;
        assert_eq!(keys(&open["paths"]), ["/t", "/batch/v1"], "on {on}");
        assert_eq!(keys(&swagger["paths"]), ["/", "/t", "/u"], "on {on}");
        assert_eq!(swagger["security"], json!([{ "JWT": [] }]));
        world.end().await;
    });
}

/// A folder with Python's own tools, with what the file of requirements names. Kept from run to run.
pub(crate) fn python(name: &str, requirements: &str) -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/described").join(requirements);
    let wanted = std::fs::read_to_string(&file).expect("the requirements are there");
    let installed = place.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Some(place.join("bin/python"));
    }
    let run = |program: &Path, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(())
    };
    run(Path::new("python3"), &["-m", "venv", place.to_str()?])?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", file.to_str()?];
    run(&place.join("bin/python"), &pip)?;
    std::fs::write(installed, wanted).ok()?;
    Some(place.join("bin/python"))
}

#[test]
fn a_validator_finds_nothing_wrong_with_the_documents() {
    let Some(python) = python("validator", "requirements.txt") else {
        return say(
            "1 TEST NOT RUN: PIP CANNOT INSTALL OPENAPI-SPEC-VALIDATOR HERE, SO NOBODY VALIDATED THE DOCUMENTS",
        );
    };
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let examples = ["../../examples/todo", "../../examples/chinook"].map(|example| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(example).join("migrations");
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).expect("it is there").flatten().map(|e| e.path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).expect("it is text")).collect::<String>()
    });
    let mut files = Vec::new();
    runtime().block_on(async {
        for (number, schema) in [SHOP, &examples[0], &examples[1], ""].iter().enumerate() {
            let world = World::new(On::Sqlite, &Setup::new(*schema)).await;
            for (of, caller) in callers().iter().enumerate() {
                for (form, document) in told(&world, caller).await.iter().enumerate() {
                    let file = folder.path().join(format!("{number}-{of}-{form}.json"));
                    std::fs::write(&file, document.to_string()).expect("it can be written");
                    files.push(file);
                }
            }
            world.end().await;
        }
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/described/validate.py");
    let output = Command::new(python).arg(script).args(&files).output().expect("it was installed");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
