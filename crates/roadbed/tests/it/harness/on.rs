//! The engines that tests run on.

use std::fmt;

use super::{postgres, say};

/// An engine to run a test on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Postgres,
    /// In memory: one connection reads and writes.
    Sqlite,
}

impl On {
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::Sqlite];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

impl fmt::Display for On {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The engines that can be had here; what does not run is said in capitals.
pub(crate) fn engines(test: &str) -> Vec<On> {
    let here = |on: &On| match on {
        On::Sqlite => true,
        On::Postgres => postgres::server().is_some(),
    };
    let found: Vec<On> = On::ALL.into_iter().filter(here).collect();
    if !found.contains(&On::Postgres) {
        say(&format!("1 TEST NOT RUN ON POSTGRESQL, WHICH CANNOT BE HAD: {test}"));
    }
    found
}

/// Runs `test` on every engine, one after the other, inside a runtime of its own.
pub(crate) fn each_engine(name: &str, test: impl AsyncFn(On)) {
    for on in engines(name) {
        runtime().block_on(test(on));
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("threads can be had")
}
