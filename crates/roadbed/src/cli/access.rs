//! `roadbed access show|explain|diff`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use roadbed_plan::planner::{AccessRow, access_table};

use super::{Common, access_diff, access_explain, report};
use crate::assemble::connect;

#[derive(Debug, Args)]
pub(super) struct Access {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// Role by table by verb by columns, with the policies that apply; then the functions that it may run
    Show {
        #[command(flatten)]
        common: Common,
        /// Only this role
        #[arg(long)]
        role: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Which grant or policy allows or hides each row of a request; exits with 1 when something is hidden or refused
    Explain(access_explain::Explain),
    /// What the migrations since a revision of git newly allow or forbid; exits with 1 when anything widened
    Diff(access_diff::Diff),
}

pub(super) async fn run(access: &Access) -> miette::Result<ExitCode> {
    match &access.command {
        AccessCommand::Show { common, role, json } => {
            show(common, role.as_ref(), *json).await.map(|()| ExitCode::SUCCESS)
        }
        AccessCommand::Explain(explain) => {
            Ok(access_explain::run(explain).await.unwrap_or_else(|error| report::failed_with_2(&error)))
        }
        AccessCommand::Diff(diff) => Ok(access_diff::run(diff).unwrap_or_else(|error| report::failed_with_2(&error))),
    }
}

async fn show(common: &Common, role: Option<&String>, json: bool) -> miette::Result<()> {
    let settings = common.settings_and_logs()?;
    let engine = connect(&settings).map_err(report::start)?;
    let schema = engine.schema().await.map_err(|error| report::migration(&error));
    engine.close().await;
    let mut rows = access_table(&schema?, &settings.rest.schemas);
    rows.retain(|row| role.is_none_or(|role| *role == row.role));
    if json {
        print_json(&rows)
    } else {
        print_text(&rows)
    }
    Ok(())
}

fn print_json(rows: &[AccessRow]) {
    let list = rows.iter().map(|row| {
        serde_json::json!({
            "role": row.role, "schema": row.schema, "table": row.table, "verb": row.verb,
            "columns": row.columns, "policies": row.policies,
        })
    });
    report::line(serde_json::Value::Array(list.collect()));
}

fn print_text(rows: &[AccessRow]) {
    let header = ["role", "table", "verb", "columns"].map(str::to_owned);
    let cells = |row: &AccessRow| {
        let columns = row.columns.as_ref().map_or_else(|| "all".to_owned(), |names| names.join(", "));
        [row.role.clone(), format!("{}.{}", row.schema, row.table), row.verb.to_owned(), columns]
    };
    let width = |at: usize| {
        let widths = rows.iter().map(|row| cells(row)[at].chars().count());
        widths.chain([header[at].len()]).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let print = |cells: &[String; 4], policies: &str| {
        let [role, table, verb, columns] = cells;
        let [a, b, c, d] = widths;
        report::line(format!("{role:a$}  {table:b$}  {verb:c$}  {columns:d$}  {policies}").trim_end());
    };
    print(&header, "rows");
    for row in rows {
        // PostgreSQL breaks a condition into lines of its own.
        let policies: Vec<_> = row.policies.split_whitespace().collect();
        print(&cells(row), &policies.join(" "));
    }
}
