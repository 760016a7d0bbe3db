//! What commands print: answers on standard output, errors with the place in the file on standard error.

use std::io::Write;
use std::process::ExitCode;

use miette::{Diagnostic, LabeledSpan, NamedSource, Report, Severity, SourceCode};
use roadbed_plan::engine::{MigrationError, SqlError};
use roadbed_plan::schema::lint::Level;

use crate::assemble::StartError;

/// One line on standard output. A reader that has gone away is no error.
pub(super) fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The error on standard error, and the exit code that says so.
pub(super) fn failed(error: &Report) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "{error:?}");
    ExitCode::FAILURE
}

/// As [`failed`], for commands whose 1 means something else.
pub(super) fn failed_with_2(error: &Report) -> ExitCode {
    failed(error);
    ExitCode::from(2)
}

/// A fault in a SQL file, with an excerpt.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct SqlDiagnostic {
    message: String,
    source_text: NamedSource<String>,
    span: std::ops::Range<usize>,
    sqlstate: Option<String>,
    help: Option<String>,
    severity: Severity,
}

impl Diagnostic for SqlDiagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.sqlstate.as_ref().map(|code| Box::new(code) as Box<dyn std::fmt::Display>)
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source_text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::underline(self.span.clone()))))
    }
}

/// A fault in a SQL file, as people read it.
pub(super) fn sql(error: &SqlError) -> Report {
    Report::new(sql_diagnostic(error, Severity::Error))
}

/// What a lint has to say, on standard error.
pub(super) fn remark(remark: &SqlError, lint: &'static str, level: Level) {
    let severity = match level {
        Level::Warning => Severity::Warning,
        Level::Error => Severity::Error,
    };
    let diagnostic = SqlDiagnostic { sqlstate: Some(lint.to_owned()), ..sql_diagnostic(remark, severity) };
    let _ = writeln!(std::io::stderr().lock(), "{:?}", Report::new(diagnostic));
}

fn sql_diagnostic(error: &SqlError, severity: Severity) -> SqlDiagnostic {
    let end = (error.offset + error.length.max(1)).min(error.source_text.len());
    SqlDiagnostic {
        message: error.message.clone(),
        source_text: NamedSource::new(&error.path, error.source_text.clone()).with_language("sql"),
        span: error.offset.min(end)..end,
        sqlstate: error.sqlstate.clone(),
        help: error.help.clone(),
        severity,
    }
}

/// An engine's migration error as people read it.
pub(super) fn migration(error: &MigrationError) -> Report {
    match error {
        MigrationError::Sql(error) => sql(error),
        MigrationError::Changed { path, .. } => miette::miette!(
            help = "put the file back as it was, and write the change as a new migration (`roadbed migrate new`); in development, `roadbed db reset` starts over",
            "`{path}` was changed after it was applied"
        ),
        MigrationError::Gone { name } => miette::miette!(
            help = "put the file back; in development, `roadbed db reset` starts over",
            "migration `{name}` was applied, but its file is gone"
        ),
        MigrationError::OutOfOrder { name, latest } => miette::miette!(
            help = "give the file a name that sorts last (`roadbed migrate new` does)",
            "migration `{name}` sorts before `{latest}`, which was applied"
        ),
        MigrationError::Engine(error) => miette::miette!("{error}"),
    }
}

/// Any reason not to start, as people read it.
pub(super) fn start(error: StartError) -> Report {
    match error {
        StartError::Migration(error) => migration(&error),
        StartError::Listen { address, source } => miette::miette!(
            help = "choose another with `--listen 127.0.0.1:PORT`",
            "cannot listen on `{address}`: {source}"
        ),
        other => miette::miette!("{other}"),
    }
}
