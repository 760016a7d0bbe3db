//! One run: for each engine, fill the databases, see that both contestants answer alike, and measure them in turns.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use miette::{IntoDiagnostic, Result, miette};

use crate::client::Connection;
use crate::load::{Load, Measured, measure};
use crate::report::{self, Cell, Facts};
use crate::servers::Servers;
use crate::work::{Caller, Contestant, Engine, Work, requests};
use crate::world::World;
use crate::{Engines, Options};

/// Requests whose answers are compared before anything is measured.
const COMPARED: usize = 64;

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    let began = Instant::now();
    let world = World::new(options.rows)?;
    let mut cells = Vec::new();
    for engine in engines(options) {
        cells.extend(runtime.block_on(measure_engine(engine, &world, options))?);
    }
    let facts = Facts::gather(options);
    print!("{}", report::markdown(&facts, &cells));
    println!("\n{:.0} seconds in all.", began.elapsed().as_secs_f64());
    match &options.save {
        Some(file) => report::save(file, &facts, &cells).into_diagnostic(),
        None => Ok(()),
    }
}

fn engines(options: &Options) -> Vec<Engine> {
    let wanted = match options.engine {
        Engines::Sqlite => vec![Engine::Sqlite],
        Engines::Postgres => vec![Engine::Postgres],
        Engines::All => vec![Engine::Sqlite, Engine::Postgres],
    };
    let (possible, left_out): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|engine| *engine != Engine::Postgres || options.postgres.is_some());
    if !left_out.is_empty() {
        eprintln!("POSTGRESQL IS LEFT OUT: give `--postgres URL`, or start this by `bench/run`.");
    }
    possible
}

/// The program to measure: given, or built beside this one.
fn roadbed(options: &Options) -> Result<PathBuf> {
    let beside = || Ok(std::env::current_exe()?.with_file_name("roadbed"));
    let file = options.roadbed.clone().map_or_else(beside, Ok::<_, std::io::Error>).into_diagnostic()?;
    if !file.is_file() {
        return Err(miette!(help = "build it: cargo build --release -p roadbed", "`{}` is not there", file.display()));
    }
    Ok(file)
}

async fn measure_engine(engine: Engine, world: &World, options: &Options) -> Result<Vec<Cell>> {
    eprintln!("{}: loading {} posts", report::engine_title(engine), options.rows);
    let servers = Servers::start(engine, world, &roadbed(options)?, options.postgres.as_deref()).await?;
    let mut cells = Vec::new();
    for work in Work::ALL {
        let contests: Vec<Contest> = work.callers().iter().map(|caller| Contest::new(world, work, *caller)).collect();
        for contest in &contests {
            contest.compare(&servers).await?;
        }
        for &clients in &options.clients {
            eprintln!("{}: {}, {clients} clients", report::engine_title(engine), work.title());
            let time = Duration::from_secs_f64(options.seconds);
            for contest in &contests {
                let rounds = contest.play(&servers, (clients, time), options.rounds).await?;
                cells.push(Cell::new(engine, work, contest.caller, clients, rounds));
            }
        }
    }
    Ok(cells)
}

/// One kind of question to both contestants.
struct Contest {
    work: Work,
    caller: Caller,
    to_roadbed: Rc<Vec<Vec<u8>>>,
    to_by_hand: Rc<Vec<Vec<u8>>>,
}

impl Contest {
    fn new(world: &World, work: Work, caller: Caller) -> Self {
        let of = |contestant| Rc::new(requests(world, work, caller, contestant));
        Self { work, caller, to_roadbed: of(Contestant::Roadbed), to_by_hand: of(Contestant::ByHand) }
    }

    fn requests(&self, contestant: Contestant) -> &Rc<Vec<Vec<u8>>> {
        match contestant {
            Contestant::Roadbed => &self.to_roadbed,
            Contestant::ByHand => &self.to_by_hand,
        }
    }

    /// Fails unless both give the same status and body.
    async fn compare(&self, servers: &Servers) -> Result<()> {
        let mut roadbed = Connection::open(servers.of(Contestant::Roadbed).address).await.into_diagnostic()?;
        let mut by_hand = Connection::open(servers.of(Contestant::ByHand).address).await.into_diagnostic()?;
        let step = (self.to_roadbed.len() / COMPARED).max(1);
        for (ours, theirs) in self.to_roadbed.iter().zip(self.to_by_hand.iter()).step_by(step) {
            let ours = roadbed.ask(ours).await.into_diagnostic()?;
            let theirs = by_hand.ask(theirs).await.into_diagnostic()?;
            let wanted = self.work.status();
            if (ours.status, theirs.status) != (wanted, wanted) || ours.body != theirs.body {
                return Err(miette!(
                    "the contestants do not agree on `{}`:\n{} {}\n{} {}",
                    self.work.title(),
                    ours.status,
                    String::from_utf8_lossy(ours.body),
                    theirs.status,
                    String::from_utf8_lossy(theirs.body),
                ));
            }
        }
        Ok(())
    }

    /// The rounds' measurements of Roadbed and of the hand-written server.
    async fn play(
        &self,
        servers: &Servers,
        (clients, time): (usize, Duration),
        rounds: usize,
    ) -> Result<Vec<(Measured, Measured)>> {
        let mut all = Vec::with_capacity(rounds);
        for round in 0..rounds {
            let ours = |contestant| self.measure(servers, contestant, (clients, time));
            // Who comes first changes with each round.
            let measured = if round % 2 == 0 {
                let by_hand = ours(Contestant::ByHand).await?;
                (ours(Contestant::Roadbed).await?, by_hand)
            } else {
                (ours(Contestant::Roadbed).await?, ours(Contestant::ByHand).await?)
            };
            all.push(measured);
        }
        Ok(all)
    }

    async fn measure(
        &self,
        servers: &Servers,
        contestant: Contestant,
        (clients, time): (usize, Duration),
    ) -> Result<Measured> {
        let load = Load {
            address: servers.of(contestant).address,
            requests: self.requests(contestant).clone(),
            status: self.work.status(),
            clients,
            time,
        };
        let before = self.rows_if_inserting(servers, contestant).await?;
        let (measured, answers) = measure(&load, servers.watched(contestant)).await.into_diagnostic()?;
        let after = self.rows_if_inserting(servers, contestant).await?;
        let inserted = after.zip(before).map(|(after, before)| after - before);
        if inserted.is_some_and(|inserted| inserted != answers) {
            return Err(miette!("{contestant:?} answered {answers} inserts and has {inserted:?} new rows"));
        }
        Ok(measured)
    }

    async fn rows_if_inserting(&self, servers: &Servers, contestant: Contestant) -> Result<Option<usize>> {
        match self.work {
            Work::GetByKey | Work::TwentyRows => Ok(None),
            Work::Insert => servers.posts(contestant).await.map(Some),
        }
    }
}
