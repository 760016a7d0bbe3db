//! The command line: one file per command. Exit codes: 0 done, 1 failed, 2 called wrongly. Commands that answer a
//! question say yes or no with 0 and 1, and fail with 2.

mod access;
mod access_diff;
mod access_explain;
mod completions;
mod db;
mod describe;
mod dev;
mod doctor;
mod init;
mod keys;
mod lint;
mod migrate;
mod migrate_diff;
mod report;
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Flags, Settings, load};

/// A folder of plain SQL becomes a secured REST API, on SQLite and on PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "roadbed", version, max_term_width = 100)]
#[command(after_help = "Example: roadbed init shop && roadbed dev shop")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new folder with a first migration, a seed and settings
    #[command(after_help = "Example: roadbed init shop")]
    Init(init::Init),
    /// Serve a folder for development: migrations are applied, and applied again when new ones appear
    #[command(after_help = "Example: roadbed dev examples/todo --listen 127.0.0.1:3000")]
    Dev(Common),
    /// Serve a folder in production: the database is used as it is
    #[command(after_help = "Example: roadbed serve shop --database postgres://shop@db.internal/shop")]
    Serve(serve::Serve),
    /// Make, apply, list or look through migrations
    #[command(after_help = "Example: roadbed migrate up shop --database sqlite:shop.sqlite")]
    Migrate(migrate::Migrate),
    /// Load seed.sql, or start a database over
    #[command(after_help = "Example: roadbed db reset shop --yes")]
    Db(db::Db),
    /// Print the API keys of a folder
    #[command(after_help = "Example: roadbed keys shop --json")]
    Keys(keys::Keys),
    /// Show who may do what, and what a change of migrations does to it
    #[command(after_help = "Example: roadbed access show shop")]
    Access(access::Access),
    /// Write the API down as OpenAPI 3.1
    #[command(name = "openapi", after_help = "Example: roadbed openapi shop --role anon > openapi.json")]
    OpenApi(describe::OpenApi),
    /// Write a Postman collection and its environment
    #[command(after_help = "Example: roadbed postman shop --role service_role --output .")]
    Postman(describe::Postman),
    /// Write types for programs that call the API
    #[command(after_help = "Example: roadbed types typescript shop > database.ts")]
    Types(describe::Types),
    /// Look for what would keep a folder from being served well, and say what to do; exit code 1 if something is bad
    #[command(after_help = "Example: roadbed doctor shop --json")]
    Doctor(doctor::Doctor),
    /// Print a completion script for a shell
    #[command(after_help = "Example: roadbed completions bash > /etc/bash_completion.d/roadbed")]
    Completions(completions::Completions),
}

/// What most commands take.
#[derive(Debug, Args)]
struct Common {
    /// The folder with roadbed.toml, migrations/ and seed.sql
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// `sqlite:FILE` or `postgres://…`; overrides `database.url`
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Address and port; overrides `server.listen`
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl Common {
    fn settings(&self) -> miette::Result<Settings> {
        let flags = Flags { database: self.database.clone(), listen: self.listen.clone() };
        Ok(load(&self.folder, &flags)?)
    }

    /// The settings, with logs going as they say.
    fn settings_and_logs(&self) -> miette::Result<Settings> {
        let settings = self.settings()?;
        crate::observe::start_logs(&settings.log);
        Ok(settings)
    }
}

/// Runs the program with `arguments`, the first being its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command_line = match CommandLine::try_parse_from(arguments) {
        Ok(command_line) => command_line,
        Err(error) => {
            // What cannot be printed cannot be helped.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report::failed(&miette::miette!("cannot start threads: {error}")),
    };
    match runtime.block_on(run_command(command_line.command)) {
        Ok(code) => code,
        Err(error) => report::failed(&error),
    }
}

async fn run_command(command: Command) -> miette::Result<ExitCode> {
    match command {
        Command::Init(init) => init::run(&init),
        Command::Dev(common) => dev::run(&common).await,
        Command::Serve(serve) => serve::run(&serve).await,
        Command::Migrate(migrate) => return migrate::run(&migrate).await,
        Command::Db(db) => db::run(&db).await,
        Command::Keys(keys) => keys::run(&keys),
        Command::Access(access) => return access::run(&access).await,
        Command::OpenApi(asked) => describe::run_openapi(&asked).await,
        Command::Postman(asked) => describe::run_postman(&asked).await,
        Command::Types(types) => describe::run_types(&types).await,
        Command::Doctor(doctor) => return doctor::run(&doctor).await,
        Command::Completions(completions) => completions::run(&completions),
    }
    .map(|()| ExitCode::SUCCESS)
}
