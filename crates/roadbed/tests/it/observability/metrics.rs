//! `/metrics`: its form, its numbers, who may read it, and that it does not grow with what callers write.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

use axum::http::Method;
use openmetrics_parser::openmetrics::parse_openmetrics;

use crate::harness::{Ask, Caller, On, Setup, World, api_keys, each_engine, runtime, say};
use crate::process::{Program, until};

const SCHEMA: &str = "
    create table authors (id int primary key, name text);
    create table books (id int primary key, author int references authors);
    grant select, insert on authors, books to anon;
    create function twice(n int) returns int language sql immutable as 'select n * 2';
    grant execute on function twice to anon;
";

fn setup() -> Setup {
    let rows = "insert into authors values (1, 'a'), (2, 'b'); insert into books values (1, 1), (2, 1), (3, 2);";
    let settings = "[telemetry]\nmetrics = \"main\"\n".to_owned();
    Setup { settings, ..Setup::new(SCHEMA).rows(rows) }
}

/// The metrics of `world`, which are valid.
async fn metrics(world: &World) -> String {
    let answer = world.ask(&Ask::get("//metrics").header("apikey", api_keys().secret())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let form = answer.header("content-type").unwrap_or_default();
    assert!(form.starts_with("application/openmetrics-text; version=1.0.0"), "{form}");
    let text = answer.text().to_owned();
    parse_openmetrics(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    text
}

/// The value of the series that is written so; none is zero.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().unwrap_or_else(|error| panic!("{series}: {error}: {value}")))
}

/// The series, without their values and the limits of buckets.
fn series(text: &str) -> HashSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket"));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn counts_are_those_of_the_requests_that_were_made() {
    each_engine("metrics agree with requests", async |on| {
        let world = World::new(on, &setup()).await;
        let mut sent = 0;
        for path in ["/authors?id=eq.1", "/authors", "/books", "/books?select=id,authors(name)"] {
            let answer = world.ask(&Ask::get(path)).await;
            assert_eq!(answer.status, 200, "on {on}: {}", answer.text());
            sent += answer.body.len();
        }
        for path in ["/nothing", "/authors?nothing=eq.1"] {
            let answer = world.ask(&Ask::get(path)).await;
            assert!(answer.status == 404 || answer.status == 400, "on {on}: {path} {}", answer.text());
            sent += answer.body.len();
        }
        let row = r#"{"id":3,"name":"c"}"#;
        assert_eq!(world.ask(&Ask::post("/authors", row)).await.status, 201);
        assert_eq!(world.ask(&Ask::get("/rpc/twice?n=4")).await.text(), "8");
        assert_eq!(world.ask(&Ask::new(Method::from_bytes(b"WISH").unwrap(), "/authors")).await.status, 405);
        let text = metrics(&world).await;
        let relation = "route=\"/rest/v1/{relation}\"";
        let requests = |labels: &str| value(&text, &format!("roadbed_requests_total{{{labels}}}"));
        assert_eq!(requests(&format!("{relation},method=\"GET\",status=\"2xx\"")), 4.0, "on {on}: {text}");
        assert_eq!(requests(&format!("{relation},method=\"GET\",status=\"4xx\"")), 2.0);
        assert_eq!(requests(&format!("{relation},method=\"POST\",status=\"2xx\"")), 1.0);
        assert_eq!(requests(&format!("{relation},method=\"other\",status=\"4xx\"")), 1.0);
        assert_eq!(requests("route=\"/rest/v1/rpc/{function}\",method=\"GET\",status=\"2xx\""), 1.0);
        let timed = format!("roadbed_request_seconds_count{{{relation},method=\"GET\"}}");
        assert_eq!(value(&text, &timed), 6.0);
        assert_eq!(value(&text, &format!("roadbed_rows_total{{{relation}}}")), 1.0 + 2.0 + 3.0 + 3.0 + 1.0);
        assert_eq!(value(&text, &format!("roadbed_received_bytes_total{{{relation}}}")), row.len() as f64);
        let told = value(&text, &format!("roadbed_sent_bytes_total{{{relation}}}"));
        assert!(told >= sent as f64, "on {on}: {told} bytes, of which {sent} were read");
        assert_eq!(value(&text, "roadbed_requests_running"), 1.0, "that for the metrics itself");
        for (stage, least) in [("identify", 9.0), ("parse", 8.0), ("plan", 7.0), ("run", 6.0), ("respond", 6.0)] {
            let count = value(&text, &format!("roadbed_stage_seconds_count{{stage=\"{stage}\"}}"));
            assert!(count >= least, "on {on}: `{stage}` was timed {count} times");
        }
        let of_stage = |stage: &str| value(&text, &format!("roadbed_stage_seconds_sum{{stage=\"{stage}\"}}"));
        let sum = value(&text, &format!("roadbed_request_seconds_sum{{{relation},method=\"GET\"}}"))
            + value(&text, &format!("roadbed_request_seconds_sum{{{relation},method=\"POST\"}}"))
            + value(&text, "roadbed_request_seconds_sum{route=\"/rest/v1/rpc/{function}\",method=\"GET\"}");
        assert!(of_stage("run") > 0.0 && of_stage("run") + of_stage("plan") + of_stage("wait") < sum, "{text}");
        let build = format!("roadbed_build_info{{version=\"{}\",engine=\"{on}\"}}", env!("CARGO_PKG_VERSION"));
        assert_eq!(value(&text, &build), 1.0);
        assert!(value(&text, "process_resident_memory_bytes") > 1e6 || !cfg!(target_os = "linux"));
        assert_accepted_by_promtool(&text);
        world.end().await;
    });
}

/// Prometheus' own reader, where it is installed. It knows only the older form, in which this is valid as well.
fn assert_accepted_by_promtool(text: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else {
        say("1 TEST WITHOUT PROMTOOL, WHICH IS NOT INSTALLED: the form of metrics");
        return;
    };
    promtool.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("it ends");
    // 1 is a text that cannot be read; 3 are remarks on the style of names.
    let remarks = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{remarks}");
}

#[test]
fn metrics_beside_the_api_are_for_holders_of_the_secret_key() {
    runtime().block_on(async {
        let world = World::new(On::Sqlite, &setup()).await;
        let askers = [
            Ask::get("//metrics"),
            Ask::get("//metrics").by(Caller::user(1)),
            Ask::get("//metrics").header("apikey", api_keys().publishable()),
            Ask::get("//metrics").header("Authorization", "Bearer nonsense"),
        ];
        for ask in askers {
            let answer = world.ask(&ask).await;
            assert!(answer.status == 404 && !answer.text().contains("roadbed_"), "{ask:?}: {}", answer.text());
        }
        assert!(metrics(&world).await.contains("roadbed_requests_total"));
        let bearer = Ask::get("//metrics").header("Authorization", &format!("Bearer {}", api_keys().secret()));
        assert_eq!(world.ask(&bearer).await.status, 200);
        world.end().await;
        let silent = World::new(On::Sqlite, &Setup::new(SCHEMA)).await;
        let answer = silent.ask(&Ask::get("//metrics").header("apikey", api_keys().secret())).await;
        assert_eq!(answer.status, 404, "nobody is told by default");
        silent.end().await;
    });
}

#[test]
fn ten_thousand_urls_make_no_more_series_than_ten() {
    runtime().block_on(async {
        let world = World::new(On::Sqlite, &setup()).await;
        let ask = async |n: usize| {
            let method = ["GET", "POST", "PATCH", "DELETE", "WISH"][n / 5 % 5];
            let method = if n % 50 == 49 { format!("WISH{n}") } else { method.to_owned() };
            let path = match n % 5 {
                0 => format!("/authors?id=eq.{n}"),
                1 => format!("/table{n}?x=eq.{n}"),
                2 => format!("/rpc/function{n}"),
                3 => format!("//page/{n}/{n}"),
                _ => format!("/books/{n}/{n}"),
            };
            let method = Method::from_bytes(method.as_bytes()).expect("it is a word");
            world.ask(&Ask::new(method, path).header("X-Request-Id", &format!("id-{n}"))).await;
        };
        for n in 0..100 {
            ask(n).await;
        }
        let few = series(&metrics(&world).await);
        for n in 100..10_000 {
            ask(n).await;
        }
        let text = metrics(&world).await;
        let many = series(&text);
        let new: Vec<_> = many.difference(&few).filter(|series| !series.contains("/metrics")).collect();
        assert!(new.is_empty(), "{new:?}");
        assert!(many.len() < 200, "{} series", many.len());
        world.end().await;
    });
}

#[test]
fn an_address_of_its_own_serves_metrics_and_nothing_else() {
    let folder = tempfile::tempdir().expect("there is room");
    std::fs::create_dir(folder.path().join("migrations")).expect("there is room");
    std::fs::write(folder.path().join("roadbed.toml"), "[telemetry]\nmetrics = \"127.0.0.1:0\"\n").expect("and more");
    let program = Program::serve(folder.path(), &[]);
    let own = program.address_in("serving metrics");
    runtime().block_on(async {
        let get = async |url: String| {
            let answer = reqwest::get(url).await.expect("it serves");
            (answer.status().as_u16(), answer.text().await.expect("bodies end"))
        };
        assert_eq!(get(format!("{}/healthz", program.url)).await.0, 200);
        assert_eq!(get(format!("{}/metrics", program.url)).await.0, 404);
        let (status, text) = get(format!("{own}/metrics")).await;
        assert_eq!(status, 200);
        parse_openmetrics(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let alive = "roadbed_requests_total{route=\"/healthz\",method=\"GET\",status=\"2xx\"}";
        assert_eq!(value(&text, alive), 1.0, "{text}");
        for path in ["/healthz", "/rest/v1/", "/"] {
            assert_eq!(get(format!("{own}{path}")).await.0, 404, "{path}");
        }
    });
}

#[test]
fn a_connection_that_works_and_requests_that_wait_are_seen() {
    for on in crate::harness::engines("metrics of a pool").into_iter().filter(|on| *on == On::Postgres) {
        runtime().block_on(async {
            let schema = "create view slow as select 1 as one from pg_sleep(20); grant select on slow to anon;";
            let settings = "[database]\npool-size = 1\n[telemetry]\nmetrics = \"main\"\n".to_owned();
            let world = World::new(on, &Setup { settings, ..Setup::new(schema) }).await;
            let ask = Ask::get("/slow");
            let slow = async || {
                tokio::join!(world.ask(&ask), world.ask(&ask), world.ask(&ask));
            };
            let seen = until("a full pool", async || {
                let text = metrics(&world).await;
                (value(&text, "roadbed_connections_waiting") == 2.0).then_some(text)
            });
            tokio::select! {
                () = slow() => panic!("they sleep longer than that"),
                text = seen => {
                    assert_eq!(value(&text, "roadbed_connections_in_use"), 1.0);
                    assert_eq!(value(&text, "roadbed_connections"), 1.0);
                    assert_eq!(value(&text, "roadbed_requests_running"), 4.0);
                }
            }
            let text = metrics(&world).await;
            let gone = "roadbed_requests_total{route=\"/rest/v1/{relation}\",method=\"GET\",status=\"gone\"}";
            assert_eq!(value(&text, gone), 3.0, "their callers have not waited");
            assert_eq!(value(&text, "roadbed_requests_running"), 1.0);
            world.end().await;
        });
    }
}

#[test]
fn writes_that_wait_for_sqlites_writer_are_seen() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().expect("there is room");
        let file = folder.path().join("data.sqlite");
        let world = World::in_file(&file, &setup()).await;
        let mut other = rusqlite::Connection::open(&file).expect("it is there");
        let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).expect("it is free");
        let asks: Vec<_> = (10..14).map(|n| Ask::post("/authors", format!("{{\"id\":{n}}}"))).collect();
        let first = world.ask(&asks[0]);
        let waiting = async {
            until("writes that wait", async || {
                let text = metrics(&world).await;
                (value(&text, "roadbed_writes_waiting") >= 3.0).then_some(())
            })
            .await;
            held.rollback().expect("nothing was done");
        };
        let later = async {
            // The writer has taken the first, and waits for the other program with it.
            tokio::task::yield_now().await;
            until("the first write's start", async || {
                let text = metrics(&world).await;
                (value(&text, "roadbed_requests_running") == 2.0 && value(&text, "roadbed_writes_waiting") == 0.0)
                    .then_some(())
            })
            .await;
            tokio::join!(world.ask(&asks[1]), world.ask(&asks[2]), world.ask(&asks[3]))
        };
        let (first, later, ()) = tokio::join!(first, later, waiting);
        for answer in [first, later.0, later.1, later.2] {
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
        world.end().await;
    });
}
