//! `roadbed migrate new|up|status|lint|diff`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use miette::IntoDiagnostic;
use roadbed_plan::Engine;

use super::{Common, lint, migrate_diff, report};
use crate::assemble::connect;
use crate::config::Settings;
use crate::files::read_migrations;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(subcommand)]
    command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Make an empty migration that sorts last
    New {
        /// What it does, in a few words
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Apply what is new; servers that run take it over by themselves
    Up(Common),
    /// List migrations and whether they are applied
    Status {
        #[command(flatten)]
        common: Common,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Look for open tables, lost rows and long locks in migrations; docs/lint.md lists what is looked for
    #[command(after_help = "Example: roadbed migrate lint shop --from 0007 --strict")]
    Lint(lint::Lint),
    /// Write the migration from what migrations make so far to what a folder of SQL declares
    #[command(after_help = "Example: roadbed migrate diff shop --schema shop/schema --name add_tags")]
    Diff(migrate_diff::Diff),
}

pub(super) async fn run(migrate: &Migrate) -> miette::Result<ExitCode> {
    let done = match &migrate.command {
        MigrateCommand::Lint(lint) => return Ok(lint::run(lint).unwrap_or_else(|error| report::failed_with_2(&error))),
        MigrateCommand::Diff(diff) => migrate_diff::run(diff),
        MigrateCommand::New { name, common } => new(name, &common.settings()?),
        MigrateCommand::Up(common) => {
            let settings = common.settings_and_logs()?;
            let engine = connect(&settings).map_err(report::start)?;
            let applied = up(&settings, &*engine).await;
            engine.close().await;
            match applied?.as_slice() {
                [] => report::line("nothing is new"),
                names => names.iter().for_each(|name| report::line(format!("applied {name}"))),
            }
            Ok(())
        }
        MigrateCommand::Status { common, json } => status(&common.settings_and_logs()?, *json).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Applies what is new in the folder; the names of what was applied.
pub(super) async fn up(settings: &Settings, engine: &dyn Engine) -> miette::Result<Vec<String>> {
    let migrations = read_migrations(&settings.migrations_folder()).into_diagnostic()?;
    engine.migrate(&migrations).await.map_err(|error| report::migration(&error))
}

fn new(name: &str, settings: &Settings) -> miette::Result<()> {
    let file = new_file(name, settings)?;
    std::fs::write(&file, format!("-- {name}\n")).into_diagnostic()?;
    report::line(file.display());
    Ok(())
}

/// Where a new migration goes: it sorts last.
pub(super) fn new_file(name: &str, settings: &Settings) -> miette::Result<PathBuf> {
    let words: String = name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let words = words.trim_matches('_');
    if words.is_empty() {
        return Err(miette::miette!("`{name}` has no letter or digit to name a file by"));
    }
    let folder = settings.migrations_folder();
    std::fs::create_dir_all(&folder).into_diagnostic()?;
    Ok(folder.join(format!("{}_{words}.sql", next_number(&folder)?)))
}

/// One more than the last migration's digits, as wide as they are.
fn next_number(folder: &Path) -> miette::Result<String> {
    let migrations = read_migrations(folder).into_diagnostic()?;
    let digits = |name: &str| name.chars().take_while(char::is_ascii_digit).collect::<String>();
    let last = migrations.last().map(|migration| digits(&migration.name)).unwrap_or_default();
    let number: u64 = last.parse().unwrap_or(0) + 1;
    Ok(format!("{number:0width$}", width = last.len().max(4)))
}

async fn status(settings: &Settings, json: bool) -> miette::Result<()> {
    let engine = connect(settings).map_err(report::start)?;
    let applied = engine.applied().await.map_err(|error| report::migration(&error));
    engine.close().await;
    let applied: HashMap<String, String> = applied?.into_iter().map(|m| (m.name, m.checksum)).collect();
    let migrations = read_migrations(&settings.migrations_folder()).into_diagnostic()?;
    let state = |name: &str, checksum: &str| match applied.get(name) {
        None => "new",
        Some(done) if done == checksum => "applied",
        Some(_) => "changed",
    };
    let rows: Vec<_> = migrations.iter().map(|m| (m.name.clone(), state(&m.name, &m.checksum()))).collect();
    if json {
        let list: Vec<_> =
            rows.iter().map(|(name, state)| serde_json::json!({ "name": name, "state": state })).collect();
        report::line(serde_json::Value::Array(list));
    } else {
        rows.iter().for_each(|(name, state)| report::line(format!("{state:8} {name}")));
    }
    Ok(())
}
