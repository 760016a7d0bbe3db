//! The oracle: random schemas, rows, roles, policies and requests, answered by SQLite and by PostgreSQL with its own
//! policies. Status, code, words and rows must be equal, and so must all tables after each write.
//!
//! `ROADBED_TEST_ORACLE_SEED` takes another seed, or `random`; `ROADBED_TEST_ORACLE_REQUESTS` makes it longer (the long mode).

mod compare;
mod conditions;
mod filters;
mod request;
mod schema;
mod selection;
mod words;
mod writes;

use std::fmt;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::harness::{Answer, Ask, Caller, On, Setup, World, engines, runtime, say, variable};
use compare::{Verdict, judge};
use request::Request;
use schema::Model;

/// Where a run starts that is not told another seed, so that every change is judged by the same questions.
const SEED: u64 = 3;

/// Comparisons in a run that is not told to be longer.
const REQUESTS: u64 = 5_000;

/// Requests to one schema; then another is made.
const REQUESTS_PER_SCHEMA: usize = 100;

#[test]
fn sqlite_answers_as_postgresql_does() {
    if engines("the oracle: random schemas and requests").len() < On::ALL.len() {
        return;
    }
    let number = |name: &str| {
        variable(name).map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
    };
    let seed = match variable("ROADBED_TEST_ORACLE_SEED").as_deref() {
        Some("random") => rand::random(),
        _ => number("ROADBED_TEST_ORACLE_SEED").unwrap_or(SEED),
    };
    let requests = number("ROADBED_TEST_ORACLE_REQUESTS").unwrap_or(REQUESTS);
    say(&format!("oracle: seed {seed}, {requests} requests"));
    let tally = runtime().block_on(run(seed, requests));
    say(&format!("oracle: {tally}"));
    assert!(tally.compared >= requests, "the oracle has stopped early");
    assert!(tally.failures.is_empty(), "{} differences are told above", tally.failures.len());
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

impl Tally {
    fn fail(&mut self, what: String) {
        say(&what);
        self.failures.push(what);
    }

    fn count(&mut self, truth: &Answer) {
        self.compared += 1;
        if truth.status < 400 {
            self.succeeded += 1;
        } else {
            self.refused += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compared, succeeded, refused, failures } = self;
        write!(formatter, "{compared} compared ({succeeded} succeeded, {refused} refused), {} differ", failures.len())
    }
}

/// The same schema and rows on both engines.
struct Worlds {
    sqlite: World,
    postgres: World,
}

impl Worlds {
    async fn new(setup: &Setup) -> Result<Self, String> {
        let (sqlite, postgres) = (World::try_new(On::Sqlite, setup).await, World::try_new(On::Postgres, setup).await);
        match (sqlite, postgres) {
            (Ok(sqlite), Ok(postgres)) => Ok(Self { sqlite, postgres }),
            (sqlite, postgres) => {
                let said = |made: Result<World, String>| made.err().unwrap_or_else(|| "accepted".into());
                Err(format!("sqlite:   {}\npostgres: {}", said(sqlite), said(postgres)))
            }
        }
    }

    async fn ask(&self, ask: &Ask) -> (Answer, Answer) {
        (self.sqlite.ask(ask).await, self.postgres.ask(ask).await)
    }

    /// The first table of which the engines do not keep the same rows, with its rows on both.
    async fn differing_table(&self, model: &Model) -> Option<String> {
        for table in model.tables.iter().filter(|table| !table.is_view()) {
            let path = format!("/{}?order={}", table.name, table.key_columns().join(","));
            let (ours, truth) = self.ask(&Ask::get(path).by(Caller::role("service_role"))).await;
            if ours.text() != truth.text() {
                return Some(format!("{}\nsqlite:   {}\npostgres: {}", table.name, ours.text(), truth.text()));
            }
        }
        None
    }

    async fn end(self) {
        self.sqlite.end().await;
        self.postgres.end().await;
    }
}

/// One schema with its requests. A difference ends it: from then on the rows may differ.
async fn play(seed: u64, tally: &mut Tally) {
    let mut rng = StdRng::seed_from_u64(seed);
    let model = Model::random(&mut rng, seed);
    let setup = Setup::new(model.migration()).rows(model.rows(&mut rng));
    let worlds = match Worlds::new(&setup).await {
        Ok(worlds) => worlds,
        Err(refused) => {
            // Counted, so that a run ends also where no schema is accepted.
            tally.compared += 1;
            tally.fail(format!("ROADBED_TEST_ORACLE_SEED={seed}, schema\n{refused}\n{}", model.migration()));
            return;
        }
    };
    for number in 1..=REQUESTS_PER_SCHEMA {
        let request = Request::random(&mut rng, &model);
        let (ours, truth) = worlds.ask(&request.ask()).await;
        tally.count(&truth);
        if let Some(what) = difference(&worlds, &model, &request, (&ours, &truth)).await {
            let description = model.describe(&request);
            tally.fail(format!(
                "ROADBED_TEST_ORACLE_SEED={seed}, request {number}: {what}\n{request}\nsqlite:   {}\npostgres: {}\n{description}",
                shown(&ours),
                shown(&truth),
            ));
            break;
        }
    }
    worlds.end().await;
}

async fn difference(
    worlds: &Worlds,
    model: &Model,
    request: &Request,
    (ours, truth): (&Answer, &Answer),
) -> Option<String> {
    if let Verdict::Different(what) = judge(request, ours, truth) {
        return Some(what.to_owned());
    }
    let table = if request.writes() { worlds.differing_table(model).await } else { None };
    table.map(|table| format!("table afterwards\n{table}"))
}

fn shown(answer: &Answer) -> String {
    format!("{} {:?} {}", answer.status, answer.header("content-range"), answer.text())
}
