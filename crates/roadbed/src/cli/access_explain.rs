//! `roadbed access explain`: which grant or policy allows or hides each row of one request. Nothing is changed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::Request;
use clap::Args;
use miette::IntoDiagnostic;
use roadbed_api::rest::{RestSettings, query_of};
use roadbed_plan::engine::ProbedRow;
use roadbed_plan::planner::{Explanation, Gate, RightExplained, RowTest, RowsTested};
use roadbed_plan::session::RequestSettings;
use roadbed_plan::{Database, Query, Session};
use serde_json::{Value as Json, json};

use super::{Common, report};
use crate::assemble::{connect, planner_limits, session_as};
use crate::config::Settings;

#[derive(Debug, Args)]
#[command(after_help = "Example: roadbed access explain shop --as authenticated GET '/orders?id=eq.7'\n\
    A write needs its body: --body '{\"text\":\"x\"}'. Nothing is written.")]
pub(super) struct Explain {
    /// The folder, where it is not this one; the method; and the path with its query
    #[arg(required = true, num_args = 2..=3, value_names = ["FOLDER", "METHOD", "PATH"])]
    request: Vec<String>,
    /// Who asks: claims as JSON, a role, a token or an API key
    #[arg(long = "as", value_name = "WHO")]
    who: String,
    /// The body of a write, as JSON
    #[arg(long, value_name = "JSON")]
    body: Option<String>,
    /// The `Prefer` header
    #[arg(long)]
    prefer: Option<String>,
    /// Most rows to look at
    #[arg(long, default_value_t = 20)]
    rows: u64,
    /// `sqlite:FILE` or `postgres://…`; overrides `database.url`
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// 0: everything is allowed; 1: something is hidden or refused. A failure is 2.
pub(super) async fn run(explain: &Explain) -> miette::Result<ExitCode> {
    let (folder, method, path) = match explain.request.as_slice() {
        [folder, method, path] => (folder.as_str(), method, path),
        [method, path] => (".", method, path),
        _ => return Err(miette::miette!("a method and a path are needed")),
    };
    let common = Common { folder: PathBuf::from(folder), database: explain.database.clone(), listen: None };
    let settings = common.settings_and_logs()?;
    let mut session = session_as(&settings, &explain.who)?;
    let query = read_request(&settings, (method, path), explain)?;
    session.request = Arc::new(RequestSettings {
        method: method.to_uppercase(),
        path: path.split('?').next().unwrap_or_default().to_owned(),
        headers: "{}".into(),
        cookies: "{}".into(),
    });
    let engine = connect(&settings).map_err(report::start)?;
    let told = ask(&settings, engine.clone(), (&session, &query, explain.rows)).await;
    engine.close().await;
    let told = told?;
    let most = usize::try_from(explain.rows).unwrap_or(usize::MAX);
    let hidden = if explain.json { print_json(&told, most) } else { print_text(&told, most) };
    Ok(ExitCode::from(u8::from(told.refused.is_some() || hidden)))
}

async fn ask(
    settings: &Settings,
    engine: Arc<dyn roadbed_plan::Engine>,
    (session, query, most): (&Session, &Query, u64),
) -> miette::Result<Explanation> {
    let database = Database::open(engine, planner_limits(settings)).await.map_err(|error| report::migration(&error))?;
    database.explain(session, query, most).await.into_diagnostic()
}

/// The request as a client would send it.
fn read_request(settings: &Settings, (method, path): (&str, &str), explain: &Explain) -> miette::Result<Query> {
    let path = path.strip_prefix("/rest/v1").unwrap_or(path);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(escaped(&path));
    if let Some(prefer) = &explain.prefer {
        request = request.header("prefer", prefer);
    }
    let body = Bytes::from(explain.body.clone().unwrap_or_default());
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let (parts, ()) = request.body(()).into_diagnostic()?.into_parts();
    let rest = RestSettings {
        schemas: settings.rest.schemas.clone(),
        anonymous_role: settings.rest.anon_role.clone(),
        ..RestSettings::default()
    };
    query_of(&rest, &parts, body).map_err(|error| miette::miette!("the request cannot be read: {error}"))
}

/// The path with what no URL may hold written as its bytes.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f.. | 0..0x20 => {
                text.push_str(&format!("%{byte:02X}"));
            }
            other => text.push(char::from(other)),
        }
    }
    text
}

/// What becomes of one row, and why.
struct RowVerdict {
    key: String,
    passes: bool,
    /// One for each gate: the policies that let it in, or those that kept it out.
    reasons: Vec<String>,
}

/// The verdicts on the rows that are shown, and whether there are more.
fn verdicts(test: &RowTest, most: usize) -> (Vec<RowVerdict>, bool) {
    let verdict = |row: &ProbedRow| {
        let mut holds = row.holds.iter();
        let mut passes = true;
        let mut reasons = Vec::new();
        for gate in &test.gates {
            let held: Vec<bool> = gate.rules.iter().map(|_| holds.next() == Some(&Some(true))).collect();
            let (passed, reason) = through(gate, &held);
            passes &= passed;
            reasons.push(reason);
        }
        // Engines write JSON with spaces or without.
        let key = serde_json::from_str::<Json>(&row.key).map_or_else(|_| row.key.clone(), |key| key.to_string());
        RowVerdict { key, passes, reasons }
    };
    (test.found.iter().take(most).map(verdict).collect(), test.found.len() > most)
}

/// Whether a row comes through a gate, and which policies say so.
fn through(gate: &Gate, held: &[bool]) -> (bool, String) {
    let named = |permissive: bool, holds: bool| {
        let policies = gate.rules.iter().zip(held);
        let names = policies.filter(|(policy, held)| policy.permissive == permissive && **held == holds);
        names.map(|(policy, _)| format!("\"{}\"", policy.name)).collect::<Vec<_>>().join(", ")
    };
    let (letting, keeping, closed) = (named(true, true), named(false, false), named(true, false));
    let command = gate.command;
    match (letting.is_empty(), keeping.is_empty()) {
        (false, true) => (true, format!("{command}: let in by {letting}")),
        (false, false) => (false, format!("{command}: let in by {letting}, but kept out by restrictive {keeping}")),
        (true, _) if closed.is_empty() => (false, format!("{command}: no permissive policy is for this role")),
        (true, true) => (false, format!("{command}: no permissive policy lets it in, {closed} does not")),
        (true, false) => {
            (false, format!("{command}: no permissive policy lets it in, and restrictive {keeping} keeps it out"))
        }
    }
}

fn heading(rows: RowsTested) -> &'static str {
    match rows {
        RowsTested::Existing => "rows that the filter finds",
        RowsTested::Changed => "the same rows as the update would leave them",
        RowsTested::New => "rows of the body, what the database fills in taken as null",
        RowsTested::Conflicting => "rows that exist under the keys of the body",
        RowsTested::Merged => "the same rows as the upsert would leave them",
    }
}

fn word(rows: RowsTested, passes: bool) -> &'static str {
    match (rows, passes) {
        (RowsTested::Existing, true) => "visible",
        (RowsTested::Existing, false) => "hidden",
        (RowsTested::Changed | RowsTested::New | RowsTested::Conflicting | RowsTested::Merged, true) => "allowed",
        (RowsTested::Changed | RowsTested::New | RowsTested::Conflicting | RowsTested::Merged, false) => "refused",
    }
}

/// Whether a row is hidden or refused.
fn print_text(told: &Explanation, most: usize) -> bool {
    report::line(format!("{} as {}", told.verb, told.role));
    told.membership.iter().for_each(|path| report::line(format!("  {path}")));
    if !told.rights.is_empty() {
        report::line("rights");
    }
    print_rights(&told.rights);
    if !told.row_security.is_empty() {
        report::line(&told.row_security);
    }
    if let Some(refused) = &told.refused {
        report::line(format!("refused: {refused}"));
    }
    let mut hidden = print_tests(&told.tests, most);
    for part in &told.parts {
        report::line(&part.name);
        print_rights(&part.rights);
        part.told.iter().for_each(|line| report::line(format!("  {line}")));
        hidden |= print_tests(&part.tests, most);
    }
    hidden
}

fn print_rights(rights: &[RightExplained]) {
    for right in rights {
        let how = match (right.granted_to.as_slice(), right.missing.as_slice()) {
            ([], []) => "MISSING".to_owned(),
            ([], missing) => format!("MISSING on {}", missing.join(", ")),
            (granted, _) => format!("granted to {}", granted.join(", ")),
        };
        report::line(format!("  {}: {how}", right.right));
    }
}

fn print_tests(tests: &[RowTest], most: usize) -> bool {
    let mut hidden = false;
    for test in tests {
        let (rows, more) = verdicts(test, most);
        for gate in &test.gates {
            report::line(format!("policies for {} on {}", gate.command, heading(test.rows)));
            gate.rules.iter().for_each(|policy| report::line(format!("  {}", policy.text)));
            if gate.rules.is_empty() {
                report::line("  none is for this role: nothing passes");
            }
        }
        report::line(format!("{}: {}{}", heading(test.rows), rows.len(), if more { " and more" } else { "" }));
        for row in &rows {
            let reasons = row.reasons.join("; ");
            report::line(format!("  {} {}  {reasons}", word(test.rows, row.passes), row.key).trim_end());
        }
        hidden |= rows.iter().any(|row| !row.passes);
    }
    hidden
}

/// Whether a row is hidden or refused.
fn print_json(told: &Explanation, most: usize) -> bool {
    let mut hidden = false;
    let mut tests = |tests: &[RowTest]| -> Vec<Json> {
        let tests = tests.iter().map(|test| {
            let (rows, more) = verdicts(test, most);
            hidden |= rows.iter().any(|row| !row.passes);
            test_json(test, &rows, more)
        });
        tests.collect()
    };
    let own = tests(&told.tests);
    let mut parts = Vec::new();
    for part in &told.parts {
        let tests = tests(&part.tests);
        parts
            .push(json!({ "name": part.name, "rights": rights_json(&part.rights), "told": part.told, "tests": tests }));
    }
    report::line(json!({
        "role": told.role, "membership": told.membership, "verb": told.verb, "relation": told.relation,
        "rights": rights_json(&told.rights), "row_security": told.row_security, "refused": told.refused,
        "tests": own, "parts": parts,
    }));
    hidden
}

fn rights_json(rights: &[RightExplained]) -> Vec<Json> {
    let right = |right: &RightExplained| json!({ "right": right.right, "granted_to": right.granted_to, "missing": right.missing });
    rights.iter().map(right).collect()
}

fn test_json(test: &RowTest, rows: &[RowVerdict], more: bool) -> Json {
    let policies = test.gates.iter().flat_map(|gate| {
        gate.rules.iter().map(|policy| {
            json!({ "for": gate.command, "name": policy.name, "permissive": policy.permissive, "text": policy.text })
        })
    });
    let rows = rows.iter().map(|row| {
        let key: Json = serde_json::from_str(&row.key).unwrap_or_default();
        json!({ "key": key, "passes": row.passes, "reasons": row.reasons })
    });
    let which = match test.rows {
        RowsTested::Existing => "existing",
        RowsTested::Changed => "changed",
        RowsTested::New => "new",
        RowsTested::Conflicting => "conflicting",
        RowsTested::Merged => "merged",
    };
    json!({
        "which": which, "policies": policies.collect::<Vec<_>>(), "rows": rows.collect::<Vec<_>>(), "more": more,
    })
}
