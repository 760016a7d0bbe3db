//! What a sudden end of the program leaves behind in an SQLite file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rand::Rng;
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use crate::harness::runtime;
use crate::process::{Program, as_argument, run_well};

const ROUNDS: usize = 20;
const CLIENTS: usize = 8;

const SCHEMA: &str = "
    create table entries (
      id bigint generated always as identity primary key,
      batch text not null,
      place int not null,
      size int not null,
      unique (batch, place)
    );
    create index entries_batch_idx on entries (batch, size desc);
    create table orders (id bigint generated always as identity primary key, number text not null);
    grant select, insert on entries, orders to anon;
";

/// The batches that the program said it has, with the number of their rows.
#[derive(Default)]
struct Acknowledged {
    batches: Mutex<HashMap<String, usize>>,
    grown: Notify,
}

/// A folder with the schema, and its file with the tables.
fn migrated() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::create_dir(folder.path().join("migrations")).expect("and for one in it");
    std::fs::write(folder.path().join("migrations/0001_entries.sql"), SCHEMA).expect("and for a file");
    run_well(&["migrate", "up", as_argument(folder.path())]);
    folder
}

#[test]
fn every_acknowledged_row_survives_a_kill_during_inserts() {
    let folder = migrated();
    runtime().block_on(async {
        let acknowledged = Arc::new(Acknowledged::default());
        let mut program = Program::serve(folder.path(), &[]);
        for round in 0..ROUNDS {
            storm(&mut program, round, &acknowledged).await;
            program = Program::serve(folder.path(), &[]);
            check(&program, &acknowledged, round).await;
            check_integrity(&folder.path().join(".roadbed/data.sqlite"), round);
        }
    });
}

/// A caller that got no answer sends the same request again, under the same key; so does one that got one.
#[test]
fn every_insert_that_is_repeated_under_its_key_is_there_once() {
    let folder = migrated();
    runtime().block_on(async {
        let mut program = Program::serve(folder.path(), &[]);
        let mut sent: Vec<String> = Vec::new();
        for round in 0..ROUNDS / 2 {
            let begun = Arc::new(Notify::new());
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let name = format!("{round}-{client}");
                    tokio::spawn(order_until_killed(program.url.clone(), name, Arc::clone(&begun)))
                })
                .collect();
            for _ in 0..rand::rng().random_range(1..40) {
                begun.notified().await;
            }
            program.kill();
            for client in clients {
                sent.extend(client.await.expect("clients do not panic"));
            }
            program = Program::serve(folder.path(), &[]);
            let client = reqwest::Client::new();
            for number in &sent {
                let answer = order(&client, &program.url, number).await.expect("it serves again");
                assert_eq!(answer.status(), 201, "round {round}: {:?}", answer.text().await);
            }
            let url = format!("{}/rest/v1/orders?select=number&order=number", program.url);
            let rows: Vec<Json> = reqwest::get(url).await.expect("it serves").json().await.expect("rows are JSON");
            let mut expected = sent.clone();
            expected.sort();
            let found: Vec<&str> = rows.iter().filter_map(|row| row["number"].as_str()).collect();
            assert_eq!(found, expected, "round {round}: each order is there once");
        }
    });
}

async fn order(client: &reqwest::Client, url: &str, number: &str) -> reqwest::Result<reqwest::Response> {
    let request = client.post(format!("{url}/rest/v1/orders")).header("Idempotency-Key", number);
    request.json(&json!({ "number": number })).send().await
}

/// The numbers of all orders that were sent, the last of which had no answer.
async fn order_until_killed(url: String, name: String, begun: Arc<Notify>) -> Vec<String> {
    let client = reqwest::Client::new();
    let mut sent = Vec::new();
    for place in 0.. {
        let number = format!("{name}-{place:04}");
        sent.push(number.clone());
        match order(&client, &url, &number).await {
            Ok(answer) => assert_eq!(answer.status(), 201, "{:?}", answer.text().await),
            Err(_killed) => return sent,
        }
        begun.notify_one();
    }
    sent
}

/// Lets clients insert until some batches are acknowledged, then kills the program under them.
async fn storm(program: &mut Program, round: usize, acknowledged: &Arc<Acknowledged>) {
    let enough = acknowledged.batches.lock().expect("no holder panics").len() + rand::rng().random_range(1..60);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let name = format!("{round}-{client}");
            tokio::spawn(insert_until_killed(program.url.clone(), name, Arc::clone(acknowledged)))
        })
        .collect();
    loop {
        let grown = acknowledged.grown.notified();
        if acknowledged.batches.lock().expect("no holder panics").len() >= enough {
            break;
        }
        grown.await;
    }
    program.kill();
    for client in clients {
        client.await.expect("clients do not panic");
    }
}

async fn insert_until_killed(url: String, name: String, acknowledged: Arc<Acknowledged>) {
    let client = reqwest::Client::new();
    for number in 0.. {
        let batch = format!("{name}-{number}");
        let size = rand::rng().random_range(1..=12);
        let rows: Vec<Json> = (0..size).map(|place| json!({ "batch": batch, "place": place, "size": size })).collect();
        let sent = client.post(format!("{url}/rest/v1/entries")).json(&rows).send().await;
        match sent {
            Ok(answer) => assert_eq!(answer.status(), 201, "{:?}", answer.text().await),
            Err(_killed) => return,
        }
        acknowledged.batches.lock().expect("no holder panics").insert(batch, size);
        acknowledged.grown.notify_one();
    }
}

async fn check(program: &Program, acknowledged: &Acknowledged, round: usize) {
    let url = format!("{}/rest/v1/entries?select=batch,size", program.url);
    let answer = reqwest::get(url).await.expect("it serves again");
    let rows: Vec<Json> = answer.json().await.expect("rows are JSON");
    let mut found: HashMap<&str, usize> = HashMap::new();
    for row in &rows {
        *found.entry(row["batch"].as_str().expect("it is text")).or_default() += 1;
    }
    for row in &rows {
        let batch = row["batch"].as_str().expect("it is text");
        assert_eq!(row["size"], found[batch], "round {round}: half of the request `{batch}` is there");
    }
    for (batch, size) in acknowledged.batches.lock().expect("no holder panics").iter() {
        let there = found.get(batch.as_str());
        assert_eq!(there, Some(size), "round {round}: `{batch}` was acknowledged and is lost");
    }
}

fn check_integrity(file: &Path, round: usize) {
    let database = rusqlite::Connection::open(file).expect("it is a database");
    let verdict: String = database.query_row("pragma integrity_check", (), |row| row.get(0)).expect("it can be read");
    assert_eq!(verdict, "ok", "round {round}");
}
