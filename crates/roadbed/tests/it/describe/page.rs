//! `/docs` in a real browser.

use std::path::Path;

use base64::Engine as _;
use roadbed_auth::issue;
use serde_json::{Map, Value as Json, json};

use crate::browser::{Browser, is_installed};
use crate::harness::{Ask, EmptyDatabase, On, Setup, World, each_engine, engines, runtime, say};
use crate::process::{PROCESS_SECRET, Program, as_argument, roadbed, until};

#[test]
fn the_page_is_of_this_server_alone_and_can_be_turned_off() {
    each_engine("the page of the description", async |on| {
        let world = World::new(on, &Setup::default()).await;
        for (path, media, zipped) in [
            ("//docs", "text/html; charset=utf-8", None),
            ("//docs/start.js", "text/javascript; charset=utf-8", None),
            ("//docs/swagger-ui.css", "text/css; charset=utf-8", Some("gzip")),
            ("//docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8", Some("gzip")),
        ] {
            let answer = world.ask(&Ask::get(path)).await;
            let found = (answer.status, answer.header("content-type"), answer.header("content-encoding"));
            assert_eq!(found, (200, Some(media), zipped), "{path} on {on}");
            let policy = answer.header("content-security-policy").expect("it has one");
            assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
            assert!(!answer.body.windows(8).any(|part| part == b"https://"), "{path} names another server");
        }
        assert_eq!(world.ask(&Ask::get("//docs/other.js")).await.status, 404);
        world.end().await;
        let settings = "[server]\ndocs-enabled = false\n".to_owned();
        let world = World::new(on, &Setup { settings, ..Setup::default() }).await;
        assert_eq!(world.ask(&Ask::get("//docs")).await.status, 404, "on {on}");
        world.end().await;
    });
}

#[test]
fn the_page_authorizes_executes_and_shows_the_row_in_a_browser() {
    if !is_installed("chromedriver") {
        return say("1 TEST NOT RUN: CHROMEDRIVER IS NOT INSTALLED, SO NO BROWSER OPENED THE PAGE /docs");
    }
    for on in engines("the page /docs in a browser") {
        runtime().block_on(async {
            let database = match on {
                On::Postgres => Some(EmptyDatabase::new().await),
                On::Sqlite => None,
            };
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/todo");
            let file = format!("sqlite:{}/data.sqlite", as_argument(folder.path()));
            let url = database.as_ref().map_or(file.as_str(), EmptyDatabase::url);
            let arguments = ["dev", as_argument(&example), "--listen", "127.0.0.1:0", "--database", url];
            let program = Program::start(roadbed().args(arguments));
            try_it_out(&program.url, on).await;
            drop(program);
            if let Some(database) = database {
                database.end().await;
            }
        });
    }
}

async fn try_it_out(url: &str, on: On) {
    let browser = Browser::start().await;
    browser.open(&format!("{url}/docs")).await;
    operations(
        &browser,
        &json!(["GET /lists", "GET /todos", "POST /todos", "PATCH /todos", "DELETE /todos", "POST /batch/v1"]),
    )
    .await;

    browser.click(".auth-wrapper .authorize").await;
    browser.write("#auth-bearer-value", &token()).await;
    browser.click(".auth-container:has(#auth-bearer-value) .auth-btn-wrapper .authorize").await;
    // It may have closed with the description that it was opened over.
    browser.script("document.querySelector('.modal-ux .close-modal')?.click()").await;
    // The description is now that of the role that has signed in.
    operations(
        &browser,
        &json!([
            "GET /lists",
            "POST /lists",
            "PATCH /lists",
            "DELETE /lists",
            "GET /todos",
            "POST /todos",
            "PATCH /todos",
            "DELETE /todos",
            "POST /batch/v1"
        ]),
    )
    .await;

    let (status, _) = execute(&browser, r#".opblock-post:has([data-path="/lists"])"#).await;
    assert_eq!(status, "201", "on {on}");
    let (status, body) = execute(&browser, r#".opblock-get:has([data-path="/lists"])"#).await;
    assert_eq!(status, "200", "on {on}: {body}");
    let rows: Json = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let mine = rows.as_array().expect("rows").iter().find(|row| row["name"] == "text");
    assert_eq!(mine.expect("the row that was inserted")["owner_id"], USER, "on {on}");

    let picture = base64::engine::general_purpose::STANDARD.decode(browser.picture().await).expect("it is base64");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{on}.png"));
    std::fs::write(file, picture).expect("there is room for a picture");
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:#?}");
}

const USER: &str = "00000000-0000-0000-0000-000000000001";

fn token() -> String {
    let claims = [("role", "authenticated"), ("sub", USER)].map(|(name, value)| (name.to_owned(), Json::from(value)));
    issue(&Map::from_iter(claims), PROCESS_SECRET.as_bytes()).expect("a map of claims can be signed")
}

/// Waits until the page shows these operations.
async fn operations(browser: &Browser, expected: &Json) {
    let script = "return [...document.querySelectorAll('.opblock')].map(block =>
        block.querySelector('.opblock-summary-method').textContent + ' ' +
        block.querySelector('.opblock-summary-path').dataset.path)";
    until(&format!("{expected}"), async || (browser.script(script).await == *expected).then_some(())).await;
}

/// Opens an operation and executes it; the status and the body that the page then shows.
async fn execute(browser: &Browser, operation: &str) -> (String, String) {
    let open = format!(
        "const block = document.querySelector('{operation}');
        block.scrollIntoView(); block.querySelector('.opblock-summary-control').click()"
    );
    browser.script(&open).await;
    let execute = format!("{operation} .execute");
    let ready = format!("return document.querySelector('{execute}') !== null");
    until("the button", async || (browser.script(&ready).await == true).then_some(())).await;
    browser.script(&format!("document.querySelector('{execute}').click()")).await;
    let shown = format!(
        "const status = document.querySelector('{operation} .live-responses-table tbody .response-col_status');
         const body = document.querySelector('{operation} .live-responses-table .highlight-code code')
             ?? document.querySelector('{operation} .live-responses-table .highlight-code pre');
         return status === null ? null : [status.firstChild.textContent.trim(), body?.textContent ?? '']"
    );
    let found = until("an answer", async || {
        let found = browser.script(&shown).await;
        (!found.is_null()).then_some(found)
    })
    .await;
    let text = |at: usize| found[at].as_str().unwrap_or_default().to_owned();
    (text(0), text(1))
}
