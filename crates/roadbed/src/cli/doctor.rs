//! `roadbed doctor`.

use std::process::ExitCode;

use clap::Args;
use miette::IntoDiagnostic;

use super::{Common, report};
use crate::config::{Flags, load};
use crate::doctor::{Finding, State, examine};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    common: Common,
    /// As JSON: a list of check, state (good, doubtful, bad), message, advice
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(doctor: &Doctor) -> miette::Result<ExitCode> {
    let Common { folder, database, listen } = &doctor.common;
    let flags = Flags { database: database.clone(), listen: listen.clone() };
    let findings = examine(load(folder, &flags)).await;
    if doctor.json {
        report::line(serde_json::to_string_pretty(&findings).into_diagnostic()?);
    } else {
        findings.iter().for_each(show);
    }
    let is_bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(finding: &Finding) {
    let sign = match finding.state {
        State::Good => "good",
        State::Doubtful => "look",
        State::Bad => "BAD ",
    };
    report::line(format!("{sign}  {:12} {}", finding.check, finding.message));
    if let Some(advice) = &finding.advice {
        report::line(format!("                   -> {advice}"));
    }
}
