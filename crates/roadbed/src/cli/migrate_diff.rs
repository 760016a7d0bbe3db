//! `roadbed migrate diff`.

use std::path::{Path, PathBuf};

use clap::Args;
use miette::IntoDiagnostic;
use roadbed_plan::schema::diff::{Written, diff};
use roadbed_plan::schema::read_sql::SqlFile;

use super::lint::sql_file;
use super::{Common, migrate, report};
use crate::assemble::BOOTSTRAP;
use crate::files::read_migrations;

#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    common: Common,
    /// The folder of *.sql files that declare what there should be
    #[arg(long, value_name = "FOLDER")]
    schema: Option<PathBuf>,
    /// Write a migration of this name, rather than to standard output
    #[arg(long)]
    name: Option<String>,
    /// Write what loses data as statements, not as comments
    #[arg(long)]
    allow_drop: bool,
}

pub(super) fn run(asked: &Diff) -> miette::Result<()> {
    let settings = asked.common.settings()?;
    let folder = asked.schema.clone().unwrap_or_else(|| settings.folder.join("schema"));
    let declared = read_migrations(&folder).into_diagnostic()?;
    if declared.is_empty() {
        let help = "put the declarations of tables, grants and policies there, or name another folder with `--schema`";
        return Err(miette::miette!(help = help, "`{}` has no *.sql file", folder.display()));
    }
    let migrations = read_migrations(&settings.migrations_folder()).into_diagnostic()?;
    let files: Vec<SqlFile<'_>> = migrations.iter().map(sql_file).collect();
    let wanted: Vec<SqlFile<'_>> = declared.iter().map(sql_file).collect();
    let written = diff(&BOOTSTRAP, (&files, &wanted), asked.allow_drop).map_err(|error| report::sql(&error))?;
    if written.is_empty() {
        report::line("-- nothing differs");
        return Ok(());
    }
    let text = script(&written, &folder);
    match &asked.name {
        Some(name) => {
            let file = migrate::new_file(name, &settings)?;
            std::fs::write(&file, format!("-- {name}\n\n{text}")).into_diagnostic()?;
            report::line(file.display());
        }
        None => report::line(text.trim_end()),
    }
    Ok(())
}

fn script(written: &[Written], folder: &Path) -> String {
    let mut text = format!("-- What `{}` declares and the migrations before do not make.\n", folder.display());
    for part in written {
        let commented = |lines: &str| lines.lines().map(|line| format!("-- {line}\n")).collect::<String>();
        text.push('\n');
        match part {
            Written::Statement(statement) => {
                text.push_str(statement);
                text.push('\n');
            }
            Written::Destructive(statement) => {
                text.push_str(&commented(&format!("destructive, written with --allow-drop:\n{statement}")));
            }
            Written::Note(note) => text.push_str(&commented(note)),
        }
    }
    text
}
