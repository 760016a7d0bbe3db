//! The oracle: random schemas, rows, roles, policies and requests, answered by SQLite and by PostgreSQL with its own
//! policies. Status, code, words and rows must be equal, and so must all tables after each write.
//!
//! `ROADBED_TEST_ORACLE_SEED` takes another seed, or `random`; `ROADBED_TEST_ORACLE_REQUESTS` makes it longer (the long mode).

mod aggregates;
mod calls;
mod compare;
mod conditions;
mod filters;
mod functions;
mod request;
mod schema;
mod selection;
mod topics;
mod words;
mod writes;

use std::collections::BTreeMap;
use std::fmt;

use axum::http::Method;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use crate::harness::{Answer, Ask, Caller, On, Setup, World, engines, runtime, say, variable};
use compare::{Verdict, error_code, judge};
use request::Request;
use schema::Model;
use topics::{TOPICS, tells};

/// Where a run starts that is not told another seed, so that every change is judged by the same questions.
const SEED: u64 = 3;

/// Comparisons in a run that is not told to be longer.
const REQUESTS: u64 = 20_000;

/// Requests to one schema; then another is made.
const REQUESTS_PER_SCHEMA: u64 = 200;

/// Schemas that are played at once.
const AT_ONCE: usize = 2;

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
    assert!(tally.failures.is_empty(), "{} differences are told above", tally.failures.len());
    assert!(tally.compared >= requests, "the oracle has stopped early");
    if requests >= REQUESTS {
        tally.assert_nothing_is_left_out();
    }
}

async fn run(seed: u64, requests: u64) -> Tally {
    let mut seeds = StdRng::seed_from_u64(seed);
    // The first schema has the run's own seed, so that a failure's seed repeats that schema first.
    let mut next = seed;
    let mut left = requests.div_ceil(REQUESTS_PER_SCHEMA);
    let (mut tally, mut playing) = (Tally::default(), JoinSet::new());
    loop {
        while left > 0 && playing.len() < AT_ONCE {
            playing.spawn(play(next, requests.min(REQUESTS_PER_SCHEMA)));
            next = seeds.random();
            left -= 1;
        }
        match playing.join_next().await {
            Some(played) => tally.add(played.expect("a schema is played to its end")),
            None => return tally,
        }
    }
}

#[derive(Default)]
struct Tally {
    compared: u64,
    succeeded: u64,
    failures: Vec<String>,
    /// Of each topic: how often it was asked, and how often the answer told something.
    topics: BTreeMap<&'static str, (u64, u64)>,
    codes: BTreeMap<String, u64>,
}

impl Tally {
    fn fail(&mut self, what: String) {
        say(&what);
        self.failures.push(what);
    }

    fn count(&mut self, request: &Request, model: &Model, truth: &Answer) {
        self.compared += 1;
        if truth.status < 400 {
            self.succeeded += 1;
        } else {
            *self.codes.entry(error_code(truth)).or_default() += 1;
        }
        for topic in TOPICS.iter().filter(|topic| (topic.is_in)(request, model)) {
            let (asked, told) = self.topics.entry(topic.name).or_default();
            *asked += 1;
            *told += u64::from(tells(truth));
        }
    }

    fn add(&mut self, other: Self) {
        self.compared += other.compared;
        self.succeeded += other.succeeded;
        self.failures.extend(other.failures);
        for (topic, (asked, told)) in other.topics {
            let sum = self.topics.entry(topic).or_default();
            *sum = (sum.0 + asked, sum.1 + told);
        }
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
    }

    /// Each topic is asked about once in 200 requests or more, and one answer in ten tells something.
    fn assert_nothing_is_left_out(&self) {
        for topic in &TOPICS {
            let (asked, told) = self.topics.get(topic.name).copied().unwrap_or_default();
            assert!(asked * 200 >= self.compared, "{} are asked about {asked} times only", topic.name);
            assert!(told * 10 >= asked, "{} are answered with nothing: {told} of {asked} times not", topic.name);
        }
        assert!(self.codes.len() >= 30, "there are {} kinds of errors only", self.codes.len());
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compared, succeeded, failures, topics, codes } = self;
        let refused = compared - succeeded;
        writeln!(
            formatter,
            "{compared} compared ({succeeded} succeeded, {refused} refused), {} differ",
            failures.len()
        )?;
        for (topic, (asked, told)) in topics {
            writeln!(formatter, "  {topic}: {asked} asked, {told} told something")?;
        }
        write!(formatter, "  errors:")?;
        codes.iter().try_for_each(|(code, count)| write!(formatter, " {code} {count}"))
    }
}

/// The same schema and rows on both engines.
struct Worlds {
    sqlite: World,
    postgres: World,
}

impl Worlds {
    async fn new(setup: &Setup) -> Result<Self, String> {
        let (sqlite, postgres) = (World::try_once(On::Sqlite, setup).await, World::try_once(On::Postgres, setup).await);
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
        let tables: Vec<_> = model.tables.iter().filter(|table| !table.is_view()).collect();
        let step =
            |name: &str, order: &[String]| format!(r#"{{"method":"GET","path":"/{name}?order={}"}}"#, order.join(","));
        let steps: Vec<_> = tables.iter().map(|table| step(&table.name, &table.key_columns())).collect();
        let all = Ask::new(Method::POST, "/batch/v1").by(Caller::role("service_role"));
        let all = Ask { body: format!("[{}]", steps.join(",")).into(), ..all };
        let (ours, truth) = self.ask(&all).await;
        assert_eq!(truth.status, 200, "the rows of all tables can be had: {}", truth.text());
        if ours.text() == truth.text() {
            return None;
        }
        let (ours, truth) = (ours.json(), truth.json());
        let at = (0..tables.len()).find(|at| ours[*at] != truth[*at]).unwrap_or(0);
        Some(format!("{}\nsqlite:   {}\npostgres: {}", tables[at].name, ours[at], truth[at]))
    }

    async fn end(self, role: &str) {
        self.sqlite.end().await;
        // Another run of the same seed, that was cut short, may have left a database that has the role.
        let drop = format!("drop role if exists {role}; exception when dependent_objects_still_exist then null;");
        self.postgres.end_and_run(&format!("do $$ begin {drop} end $$")).await;
    }
}

/// One schema with its requests. A difference ends it: from then on the rows may differ.
async fn play(seed: u64, requests: u64) -> Tally {
    let mut tally = Tally::default();
    let mut rng = StdRng::seed_from_u64(seed);
    let model = Model::random(&mut rng, seed);
    let setup = Setup::new(model.migration()).rows(model.rows(&mut rng)).settings_text(SETTINGS);
    let worlds = match Worlds::new(&setup).await {
        Ok(worlds) => worlds,
        Err(refused) => {
            tally.fail(format!("ROADBED_TEST_ORACLE_SEED={seed}, schema\n{refused}\n{}", model.migration()));
            return tally;
        }
    };
    for number in 1..=requests {
        let request = Request::random(&mut rng, &model);
        let (ours, truth) = worlds.ask(&request.ask()).await;
        tally.count(&request, &model, &truth);
        let last = number == requests;
        if let Some(what) = difference(&worlds, &model, &request, last, (&ours, &truth)).await {
            let description = model.describe(&request);
            tally.fail(format!(
                "ROADBED_TEST_ORACLE_SEED={seed}, request {number}: {what}\n{request}\nsqlite:   {}\npostgres: {}\n{description}",
                shown(&ours),
                shown(&truth),
            ));
            break;
        }
    }
    worlds.end(&model.role).await;
    tally
}

const SETTINGS: &str = "[rest]\naggregates-enabled = true\n";

async fn difference(
    worlds: &Worlds,
    model: &Model,
    request: &Request,
    last: bool,
    (ours, truth): (&Answer, &Answer),
) -> Option<String> {
    if let Verdict::Different(what) = judge(request, ours, truth) {
        return Some(what.to_owned());
    }
    // What a refused write has changed is seen after the next one that is not, or at the end.
    let may_differ = last || (request.writes() && truth.status < 400);
    let table = if may_differ { worlds.differing_table(model).await } else { None };
    table.map(|table| format!("table afterwards\n{table}"))
}

fn shown(answer: &Answer) -> String {
    format!("{} {:?} {}", answer.status, answer.header("content-range"), answer.text())
}
