//! `roadbed db seed|reset`.

use std::path::Path;

use clap::{Args, Subcommand};
use miette::IntoDiagnostic;
use roadbed_plan::Engine;

use super::{Common, migrate, report};
use crate::assemble::connect;
use crate::config::Settings;
use crate::files::read_script;

#[derive(Debug, Args)]
pub(super) struct Db {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Load seed.sql, all of it or nothing
    Seed(Common),
    /// Delete the SQLite file, then apply migrations and seed again
    Reset {
        #[command(flatten)]
        common: Common,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(db: &Db) -> miette::Result<()> {
    match &db.command {
        DbCommand::Seed(common) => {
            let settings = common.settings_and_logs()?;
            let engine = connect(&settings).map_err(report::start)?;
            let seeded = seed(&settings, &*engine).await;
            engine.close().await;
            if !seeded? {
                return Err(miette::miette!("there is no `{}`", settings.seed_file().display()));
            }
            report::line("seed loaded");
            Ok(())
        }
        DbCommand::Reset { common, yes } => reset(&common.settings_and_logs()?, *yes).await,
    }
}

/// Loads the folder's seed; false when it has none.
pub(super) async fn seed(settings: &Settings, engine: &dyn Engine) -> miette::Result<bool> {
    let file = settings.seed_file();
    if !file.is_file() {
        return Ok(false);
    }
    let script = read_script(&file).into_diagnostic()?;
    engine.seed(&script).await.map_err(|error| report::migration(&error))?;
    Ok(true)
}

async fn reset(settings: &Settings, yes: bool) -> miette::Result<()> {
    let url = settings.database_url();
    let Some(file) = url.strip_prefix("sqlite:") else {
        return Err(miette::miette!(
            help =
                "drop and create it with `dropdb` and `createdb`, then run `roadbed migrate up` and `roadbed db seed`",
            "`db reset` deletes SQLite files only, never a PostgreSQL database"
        ));
    };
    if !yes && !confirmed(file)? {
        return Err(miette::miette!("nothing was changed"));
    }
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{file}{suffix}");
        if Path::new(&path).exists() {
            std::fs::remove_file(&path).into_diagnostic()?;
        }
    }
    let engine = connect(settings).map_err(report::start)?;
    let applied = migrate::up(settings, &*engine).await?;
    let seeded = seed(settings, &*engine).await?;
    engine.close().await;
    report::line(format!("{} migrations applied{}", applied.len(), if seeded { ", seed loaded" } else { "" }));
    Ok(())
}

fn confirmed(file: &str) -> miette::Result<bool> {
    use std::io::{BufRead, IsTerminal};
    if !std::io::stdin().is_terminal() {
        return Err(miette::miette!(help = "say `--yes`", "this deletes `{file}`"));
    }
    report::line(format!("This deletes `{file}`. Type yes to go on:"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).into_diagnostic()?;
    Ok(answer.trim() == "yes")
}
