//! `roadbed migrate lint`.

use std::process::ExitCode;

use clap::Args;
use miette::IntoDiagnostic;
use roadbed_plan::engine::Migration;
use roadbed_plan::schema::lint::{Finding, Findings, Level, lint_files};
use roadbed_plan::schema::read_sql::SqlFile;

use super::{Common, report};
use crate::assemble::BOOTSTRAP;
use crate::files::read_migrations;

#[derive(Debug, Args)]
pub(super) struct Lint {
    #[command(flatten)]
    common: Common,
    /// Only migrations from this one on, by the beginning of its name; what is open in the end is told anyway
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// Exit with 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// 0: nothing that must be looked at; 1: an error, or with `--strict` anything. A failure is 2.
pub(super) fn run(lint: &Lint) -> miette::Result<ExitCode> {
    let settings = lint.common.settings()?;
    let migrations = read_migrations(&settings.migrations_folder()).into_diagnostic()?;
    let files: Vec<SqlFile<'_>> = migrations.iter().map(sql_file).collect();
    let found = lint_files(&BOOTSTRAP, &files, &settings.rest.schemas).map_err(|error| report::sql(&error))?;
    let shown = |finding: &&Finding| {
        let Some(from) = &lint.from else { return true };
        let file = migrations.iter().find(|file| file.path == finding.remark.path);
        finding.lint.is_about_the_end() || file.is_none_or(|file| file.name.as_str() >= from.as_str())
    };
    let findings: Vec<&Finding> = found.findings.iter().filter(shown).collect();
    if lint.json {
        print_json(&findings, &found);
    } else {
        print_text(&findings, &found);
    }
    let fails = findings.iter().any(|finding| lint.strict || finding.lint.level == Level::Error);
    Ok(ExitCode::from(u8::from(fails)))
}

pub(super) fn sql_file(migration: &Migration) -> SqlFile<'_> {
    SqlFile { path: &migration.path, text: &migration.sql }
}

fn level(finding: &Finding) -> &'static str {
    match finding.lint.level {
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn print_json(findings: &[&Finding], found: &Findings) {
    let list: Vec<_> = findings
        .iter()
        .map(|finding| {
            let (line, column) = finding.remark.position();
            serde_json::json!({
                "lint": finding.lint.name, "level": level(finding), "file": finding.remark.path, "line": line,
                "column": column, "message": finding.remark.message, "help": finding.remark.help,
            })
        })
        .collect();
    let passed_over: Vec<_> = found
        .passed_over
        .iter()
        .map(|passed| {
            let (line, column) = passed.reason.position();
            serde_json::json!({
                "file": passed.reason.path, "line": line, "column": column, "reason": passed.reason.message,
            })
        })
        .collect();
    report::line(serde_json::json!({ "findings": list, "passed_over": passed_over }));
}

fn print_text(findings: &[&Finding], found: &Findings) {
    for finding in findings {
        report::remark(&finding.remark, finding.lint.name, finding.lint.level);
    }
    let errors = findings.iter().filter(|finding| finding.lint.level == Level::Error).count();
    report::line(format!("{errors} errors, {} warnings", findings.len() - errors));
    if !found.passed_over.is_empty() {
        let places: Vec<_> = found
            .passed_over
            .iter()
            .map(|passed| format!("{}:{}", passed.reason.path, passed.reason.position().0))
            .collect();
        report::line(format!("not looked into, as only PostgreSQL can do it: {}", places.join(", ")));
    }
}
