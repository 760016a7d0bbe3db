//! The oracle: random schemas, rows, roles, policies and requests, answered by SQLite and by PostgreSQL with its
//! own policies. Status, code and rows must be equal.
//!
//! `ROADBED_TEST_ORACLE_SEED` takes another seed, or `random`; `ROADBED_TEST_ORACLE_REQUESTS` makes it longer (the long mode).

mod compare;
mod request;
mod schema;
mod words;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::harness::{Answer, On, Setup, World, engines, runtime, say, variable};
use compare::{Verdict, judge};
use request::Request;
use schema::Model;

/// Where a run starts that is not told another seed, so that every change is judged by the same questions.
const SEED: u64 = 1;

/// Requests to one schema; then another is made.
const REQUESTS_PER_SCHEMA: usize = 100;

#[test]
fn sqlite_answers_as_postgresql_does() {
    if engines("the oracle: random schemas and requests").len() < 2 {
        return;
    }
    let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
    let seed = match variable("ROADBED_TEST_ORACLE_SEED").as_deref() {
        Some("random") => rand::random(),
        _ => number("ROADBED_TEST_ORACLE_SEED").unwrap_or(SEED),
    };
    let requests = number("ROADBED_TEST_ORACLE_REQUESTS").unwrap_or(5_000);
    say(&format!("oracle: seed {seed}, {requests} requests"));
    let tally = runtime().block_on(run(seed, requests));
    say(&format!("oracle: {tally:?}"));
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
}

async fn run(seed: u64, requests: u64) -> Tally {
    let mut tally = Tally::default();
    let mut seeds = StdRng::seed_from_u64(seed);
    // The first schema has the run's own seed, so that a failure's seed repeats that schema first.
    let mut next = seed;
    while tally.compared < requests {
        play(next, &mut tally).await;
        next = seeds.random();
    }
    tally
}

#[derive(Default)]
struct Tally {
    compared: u64,
    succeeded: u64,
    refused: u64,
    failures: Vec<String>,
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} compared ({} succeeded, {} refused), {} differ",
            self.compared,
            self.succeeded,
            self.refused,
            self.failures.len()
        )
    }
}

/// One schema with its requests. A difference ends it: from then on the rows may differ.
async fn play(seed: u64, tally: &mut Tally) {
    let mut rng = StdRng::seed_from_u64(seed);
    let model = Model::random(&mut rng);
    let setup = Setup::new(model.migration()).rows(model.rows(&mut rng));
    let (sqlite, postgres) = (World::new(On::Sqlite, &setup).await, World::new(On::Postgres, &setup).await);
    for number in 1..=REQUESTS_PER_SCHEMA {
        let request = Request::random(&mut rng, &model);
        let (ours, truth) = (sqlite.ask(&request.ask()).await, postgres.ask(&request.ask()).await);
        tally.compared += 1;
        if truth.status < 400 {
            tally.succeeded += 1
        } else {
            tally.refused += 1
        }
        if let Verdict::Different(what) = judge(&request, &ours, &truth) {
            let shown =
                |answer: &Answer| format!("{} {:?} {}", answer.status, answer.header("content-range"), answer.text());
            tally.failures.push(format!(
                "ROADBED_TEST_ORACLE_SEED={seed}, request {number}: {what}\n{request}\nsqlite:   {}\npostgres: {}\n{}",
                shown(&ours),
                shown(&truth),
                model.describe(&request),
            ));
            break;
        }
    }
    sqlite.end().await;
    postgres.end().await;
}
