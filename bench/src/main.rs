//! The yardstick: the same questions to Roadbed and to hand-written axum handlers on the same drivers, in turns
//! within one run. Roadbed has its row policies on and verifies a token; the handlers check nothing.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its result")]

mod by_hand;
mod client;
mod cpu;
mod load;
mod report;
mod run;
mod servers;
mod work;
mod world;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Plays get by key, 20 rows filtered and ordered, and a single insert, and prints rates, latencies, CPU time
/// and the ratio of Roadbed to a hand-written server.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The engines to measure
    #[arg(long, value_enum, default_value_t = Engines::All)]
    engine: Engines,
    /// Numbers of connections that ask at the same time
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    clients: Vec<usize>,
    /// Seconds that each contestant is asked in each round
    #[arg(long, default_value_t = 0.8)]
    seconds: f64,
    /// Rounds; what is printed is their median
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Posts in the table
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// One short round over few rows, to see that everything still works
    #[arg(long)]
    smoke: bool,
    /// A PostgreSQL on this machine whose user may create databases; its database `roadbed_bench` is replaced
    #[arg(long, env = "ROADBED_BENCH_POSTGRES", value_name = "URL")]
    postgres: Option<String>,
    /// The program to measure, if not the `roadbed` beside this one
    #[arg(long, value_name = "FILE")]
    roadbed: Option<PathBuf>,
    /// Also write FILE.json and FILE.md
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engines {
    Sqlite,
    Postgres,
    All,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Be the hand-written server (started by the run itself)
    #[command(hide = true)]
    ByHand {
        #[arg(value_enum)]
        engine: work::Engine,
        /// The SQLite file or the PostgreSQL address
        database: String,
        listen: String,
    },
}

impl Options {
    fn effective(mut self) -> Self {
        if self.smoke {
            self.rounds = 1;
            self.seconds = self.seconds.min(0.5);
            self.rows = self.rows.min(2_000);
            self.clients = vec![4];
        }
        self
    }
}

fn main() -> miette::Result<()> {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::ByHand { engine, database, listen }) => by_hand::serve(engine, &database, &listen),
        None => run::run(&cli.options.effective()),
    }
}
