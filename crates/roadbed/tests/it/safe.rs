//! Safe writes under concurrency and over time: what cases, which ask one thing after the other, cannot show.

use std::sync::Arc;

use axum::http::Method;
use roadbed_plan::Clock;
use serde_json::json;

use crate::harness::{Answer, Ask, On, Setup, World, each_engine, engines, runtime};

const SCHEMA: &str = "
    create table entries (id bigint generated always as identity primary key, text text not null);
    create table counters (id int primary key, n int not null);
    grant select, insert, update on entries, counters to anon;
";

fn setup() -> Setup {
    Setup::new(SCHEMA).rows("insert into counters values (1, 0);")
}

fn insert(key: &str, text: &str) -> Ask {
    Ask::post("/entries?select=text", json!({ "text": text }).to_string())
        .header("Idempotency-Key", key)
        .header("Prefer", "return=representation")
}

async fn rows(world: &World, path: &str) -> usize {
    world.ask(&Ask::get(path)).await.json().as_array().expect("rows are a list").len()
}

/// Asks all at once, each of the worlds in turn.
async fn at_once(worlds: &[Arc<World>], asks: Vec<Ask>) -> Vec<Answer> {
    let asking = asks.into_iter().enumerate().map(|(index, ask)| {
        let world = Arc::clone(&worlds[index % worlds.len()]);
        tokio::spawn(async move { world.ask(&ask).await })
    });
    let asking: Vec<_> = asking.collect();
    let mut answers = Vec::new();
    for answer in asking {
        answers.push(answer.await.expect("asking does not panic"));
    }
    answers
}

async fn end(worlds: Vec<Arc<World>>) {
    for world in worlds.into_iter().rev() {
        Arc::into_inner(world).expect("all have asked").end().await;
    }
}

/// Each of these is done, or told to come again while the first is done.
fn assert_one_answer(answers: &[Answer], text: &str) {
    let body = json!([{ "text": text }]).to_string();
    for answer in answers {
        match answer.status {
            201 => assert_eq!(answer.text(), body),
            409 => {
                assert_eq!(answer.header("retry-after"), Some("1"));
                assert_eq!(answer.json()["code"], "RB409");
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    let first = answers.iter().filter(|answer| answer.status == 201 && answer.header("idempotency-replayed").is_none());
    assert_eq!(first.count(), 1, "one of them was the one that wrote");
}

/// Rounds of requests with one key each, put to all of the worlds at once.
async fn race(worlds: &[Arc<World>]) {
    for round in 0..20 {
        let text = format!("round {round}");
        let answers = at_once(worlds, vec![insert(&format!("key-{round}"), &text); 12]).await;
        assert_one_answer(&answers, &text);
        assert_eq!(rows(&worlds[0], &format!("/entries?text=eq.{text}")).await, 1);
        let again = worlds[0].ask(&insert(&format!("key-{round}"), &text)).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    }
}

#[test]
fn of_requests_with_one_key_at_once_one_writes() {
    each_engine("of requests with one key at once one writes", async |on| {
        let worlds = vec![Arc::new(World::new(on, &setup()).await)];
        race(&worlds).await;
        end(worlds).await;
    });
}

#[test]
fn of_requests_with_one_key_at_two_servers_one_writes() {
    if !engines("of requests with one key at two servers one writes").contains(&On::Postgres) {
        return;
    }
    runtime().block_on(async {
        let first = World::new(On::Postgres, &setup()).await;
        let second = first.beside().await;
        let worlds = vec![Arc::new(first), Arc::new(second)];
        race(&worlds).await;
        end(worlds).await;
    });
}

#[test]
fn of_different_requests_with_one_key_at_once_one_is_done() {
    each_engine("of different requests with one key at once one is done", async |on| {
        let worlds = vec![Arc::new(World::new(on, &setup()).await)];
        for round in 0..10 {
            let asks = (0..8).map(|n| insert(&format!("key-{round}"), &format!("round {round}: {n}")));
            let answers = at_once(&worlds, asks.collect()).await;
            assert!(answers.iter().all(|answer| [201, 409, 422].contains(&answer.status)));
            assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
            assert_eq!(rows(&worlds[0], &format!("/entries?text=like.round {round}:*")).await, 1);
        }
        end(worlds).await;
    });
}

#[test]
fn a_key_is_free_again_after_its_time() {
    each_engine("a key is free again after its time", async |on| {
        let clock = Clock::manual(1_700_000_000);
        let setup = setup();
        let world = World::new(on, &setup).await.with_clock(&setup, clock.clone()).await;
        let answer = world.ask(&insert("k", "first")).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, None));
        clock.advance(86_399);
        assert_eq!(world.ask(&insert("k", "first")).await.header("idempotency-replayed"), Some("true"));
        assert_eq!(world.ask(&insert("k", "second")).await.status, 422);
        clock.advance(1);
        let answer = world.ask(&insert("k", "second")).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, None));
        assert_eq!(world.ask(&insert("k", "first")).await.status, 422);
        assert_eq!(rows(&world, "/entries").await, 2);
        world.end().await;
    });
}

#[test]
fn answers_whose_time_is_over_go_when_others_come() {
    each_engine("answers whose time is over go when others come", async |on| {
        let (clock, setup) = (Clock::manual(1_700_000_000), setup());
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let file = folder.path().join("data.sqlite");
        let world = match on {
            On::Postgres => World::new(on, &setup).await,
            On::Sqlite => World::in_file(&file, &setup).await,
        };
        let world = world.with_clock(&setup, clock.clone()).await;
        for n in 0..5 {
            assert_eq!(world.ask(&insert(&format!("old-{n}"), "a")).await.status, 201);
        }
        clock.advance(90_000);
        assert_eq!(world.ask(&insert("new", "b")).await.status, 201);
        let kept = match world.database_url() {
            Some(url) => kept_in_postgres(&url).await,
            None => {
                let database = rusqlite::Connection::open(&file).expect("it is a database");
                let count = database.query_row("select count(*) from \"roadbed.answers\"", (), |row| row.get(0));
                count.expect("the table is there")
            }
        };
        assert_eq!(kept, 1);
        world.end().await;
    });
}

async fn kept_in_postgres(url: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("it runs");
    let connection = tokio::spawn(connection);
    let row = client.query_one("select count(*) from roadbed.answers", &[]).await.expect("the table is there");
    drop(client);
    // The connection ends with its client; how is of no interest.
    let _ = connection.await;
    row.get(0)
}

#[test]
fn no_update_under_if_match_is_lost() {
    const CLIENTS: usize = 6;
    const STEPS: usize = 8;
    each_engine("no update under If-Match is lost", async |on| {
        let world = Arc::new(World::new(on, &setup()).await);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    for _ in 0..STEPS {
                        count_up(&world).await;
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("clients do not panic");
        }
        let counted = world.ask(&Ask::get("/counters?id=eq.1")).await.json();
        assert_eq!(counted[0]["n"], CLIENTS * STEPS);
        end(vec![world]).await;
    });
}

/// Reads the counter and writes one more, until nobody was faster.
async fn count_up(world: &World) {
    loop {
        let read = world.ask(&Ask::get("/counters?id=eq.1")).await;
        let n = read.json()[0]["n"].as_i64().expect("it is a number");
        let mut ask =
            Ask::new(Method::PATCH, "/counters?id=eq.1").header("If-Match", read.header("etag").expect("one row"));
        ask.body = json!({ "n": n + 1 }).to_string().into();
        match world.ask(&ask).await.status {
            204 => return,
            412 => {}
            other => panic!("{other}"),
        }
    }
}
