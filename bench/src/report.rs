//! The result: one table per engine for people, the same numbers as JSON for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::Options;
use crate::load::Measured;
use crate::work::{Caller, Engine, Work};

/// What the numbers hold for. Nothing that names the machine.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    cores: usize,
    processor: String,
    version: &'static str,
    sqlite: &'static str,
    rows: usize,
    seconds: f64,
    rounds: usize,
}

/// One kind of work with one number of clients: medians over the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    engine: Engine,
    work: Work,
    caller: Caller,
    clients: usize,
    roadbed: Measured,
    by_hand: Measured,
    /// Roadbed's requests per second by those of the hand-written server, round by round.
    ratio: f64,
    rounds: Vec<(Measured, Measured)>,
}

impl Facts {
    pub(crate) fn gather(options: &Options) -> Self {
        let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: model.map_or("unknown", |(_, model)| model.trim()).to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            sqlite: rusqlite::version(),
            rows: options.rows,
            seconds: options.seconds,
            rounds: options.rounds,
        }
    }
}

impl Cell {
    pub(crate) fn new(
        engine: Engine,
        work: Work,
        caller: Caller,
        clients: usize,
        rounds: Vec<(Measured, Measured)>,
    ) -> Self {
        let ratio = median(rounds.iter().map(|(ours, theirs)| ours.requests_per_second / theirs.requests_per_second));
        let (ours, theirs): (Vec<_>, Vec<_>) = rounds.iter().copied().unzip();
        let (roadbed, by_hand) = (medians(&ours), medians(&theirs));
        Self { engine, work, caller, clients, roadbed, by_hand, ratio, rounds }
    }
}

fn medians(rounds: &[Measured]) -> Measured {
    let of = |field: fn(&Measured) -> f64| median(rounds.iter().map(field));
    let database: Vec<f64> = rounds.iter().filter_map(|round| round.database_cpu).collect();
    Measured {
        requests_per_second: of(|round| round.requests_per_second),
        p50: of(|round| round.p50),
        p99: of(|round| round.p99),
        server_cpu: of(|round| round.server_cpu),
        database_cpu: (!database.is_empty()).then(|| median(database.into_iter())),
        load_cpu: of(|round| round.load_cpu),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn engine_title(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    }
}

/// Writes `file` with the endings `.json` and `.md`.
pub(crate) fn save(file: &Path, facts: &Facts, cells: &[Cell]) -> std::io::Result<()> {
    let json = serde_json::to_string_pretty(&json!({ "facts": facts, "cells": cells }))?;
    std::fs::write(file.with_extension("json"), json + "\n")?;
    std::fs::write(file.with_extension("md"), markdown(facts, cells))
}

pub(crate) fn markdown(facts: &Facts, cells: &[Cell]) -> String {
    let Facts { cores, processor, version, sqlite, rows, seconds, rounds } = facts;
    let mut text = format!(
        "# Roadbed and hand-written handlers\n\n\
         Roadbed {version}, SQLite {sqlite}, {rows} posts; {cores} cores ({processor}) shared by servers, database and \
         load; {rounds} rounds in turns of {seconds} s each, medians. In each pair Roadbed stands first, the \
         hand-written server second. Roadbed has row policies on, verifies a token with each request of a user, and \
         logs each request; the hand-written server does none of it. CPU is per request.\n"
    );
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let cells: Vec<&Cell> = cells.iter().filter(|cell| cell.engine == engine).collect();
        if !cells.is_empty() {
            table(&mut text, engine, &cells);
        }
    }
    text
}

fn table(text: &mut String, engine: Engine, cells: &[&Cell]) {
    let mut lines = vec![
        ["work", "caller", "clients", "ratio", "requests/s", "p50 ms", "p99 ms", "server µs", "database µs", "load µs"]
            .map(str::to_owned),
    ];
    lines.extend(cells.iter().map(|cell| line(cell)));
    let widths: Vec<usize> =
        (0..lines[0].len()).map(|at| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0)).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n## {}\n", engine_title(engine));
    for (number, line) in lines.iter().enumerate() {
        for (field, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {field:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| text.push_str(&format!("| {} ", "-".repeat(*width))));
            text.push_str("|\n");
        }
    }
}

fn line(cell: &Cell) -> [String; 10] {
    let Cell { roadbed: ours, by_hand: theirs, .. } = cell;
    let pair =
        |field: fn(&Measured) -> f64, digits: usize| format!("{:.digits$} / {:.digits$}", field(ours), field(theirs));
    let database = match (ours.database_cpu, theirs.database_cpu) {
        (Some(ours), Some(theirs)) => format!("{ours:.0} / {theirs:.0}"),
        _ => "in the server".to_owned(),
    };
    [
        cell.work.title().to_owned(),
        cell.caller.title().to_owned(),
        cell.clients.to_string(),
        format!("{:.2}", cell.ratio),
        pair(|measured| measured.requests_per_second, 0),
        pair(|measured| measured.p50 / 1000.0, 2),
        pair(|measured| measured.p99 / 1000.0, 2),
        pair(|measured| measured.server_cpu, 0),
        database,
        pair(|measured| measured.load_cpu, 0),
    ]
}
