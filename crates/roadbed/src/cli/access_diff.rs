//! `roadbed access diff`: what the migrations since a revision newly allow or forbid.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Args;
use miette::IntoDiagnostic;
use roadbed_plan::Schema;
use roadbed_plan::engine::Migration;
use roadbed_plan::planner::{AccessChange, Direction, access_changes};
use roadbed_plan::schema::read_sql::{PassedOver, fold_known};

use super::lint::sql_file;
use super::{Common, report};
use crate::assemble::BOOTSTRAP;
use crate::files::read_migrations;

#[derive(Debug, Args)]
#[command(after_help = "Example: roadbed access diff main shop")]
pub(super) struct Diff {
    /// A revision of git: a commit, branch or tag
    revision: String,
    #[command(flatten)]
    common: Common,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// 0: nothing widened; 1: something did. A failure is 2.
pub(super) fn run(diff: &Diff) -> miette::Result<ExitCode> {
    let settings = diff.common.settings()?;
    let folder = settings.migrations_folder();
    let old = read_revision(&diff.revision, &folder)?;
    let new = read_migrations(&folder).into_diagnostic()?;
    let (before, unread_before) = fold(&old)?;
    let (after, unread_after) = fold(&new)?;
    let mut changes = access_changes(&before, &after, &settings.rest.schemas);
    changes.extend(newly_unread(&unread_before, &unread_after));
    if diff.json {
        print_json(&changes);
    } else {
        print_text(&changes);
    }
    let widened = changes.iter().any(|change| change.direction == Direction::Widened);
    Ok(ExitCode::from(u8::from(widened)))
}

fn fold(migrations: &[Migration]) -> miette::Result<(Schema, Vec<PassedOver>)> {
    let files = std::iter::once(BOOTSTRAP).chain(migrations.iter().map(sql_file)).collect::<Vec<_>>();
    fold_known(&files).map_err(|error| report::sql(&error))
}

/// What cannot be understood here may allow anything.
fn newly_unread(before: &[PassedOver], after: &[PassedOver]) -> Vec<AccessChange> {
    let known: HashSet<&str> = before.iter().map(|passed| passed.text.as_str()).collect();
    let new = after.iter().filter(|passed| !known.contains(passed.text.as_str()));
    new.map(|passed| AccessChange {
        direction: Direction::Widened,
        subject: format!("{}:{}", passed.reason.path, passed.reason.position().0),
        text: format!("not looked into, and so counted: {}", passed.reason.message),
    })
    .collect()
}

/// The migrations as they were at `revision`.
fn read_revision(revision: &str, folder: &Path) -> miette::Result<Vec<Migration>> {
    let parent = folder.parent().filter(|parent| parent.is_dir()).unwrap_or(Path::new("."));
    let commit =
        git(parent, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])
            .map_err(|error| match error {
                GitError::Missing(report) => report,
                GitError::Failed(text) if text.is_empty() || text.contains("revision") => {
                    miette::miette!("`{revision}` is no revision of the repository at `{}`", parent.display())
                }
                GitError::Failed(text) => miette::miette!("`{revision}` cannot be read: {text}"),
            })?;
    let commit = commit.trim();
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ran = |arguments: &[&str]| git(parent, arguments).map_err(GitError::into_report);
    let listed = ran(&["ls-tree", "-z", "--name-only", commit, &format!("{name}/")])?;
    let mut migrations = Vec::new();
    for path in listed.split('\0').filter(|path| Path::new(path).extension().is_some_and(|end| end == "sql")) {
        let sql = ran(&["show", &format!("{commit}:./{path}")])?;
        let stem = Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        migrations.push(Migration { name: stem, path: format!("{revision}:{path}"), sql });
    }
    migrations.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(migrations)
}

enum GitError {
    /// The program is not there.
    Missing(miette::Report),
    /// It refused, with these words.
    Failed(String),
}

impl GitError {
    fn into_report(self) -> miette::Report {
        match self {
            Self::Missing(report) => report,
            Self::Failed(text) => miette::miette!("git: {text}"),
        }
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, GitError> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().map_err(|error| {
        let help = "install git, and run this in a repository";
        GitError::Missing(miette::miette!(help = help, "`git` cannot be run: {error}"))
    })?;
    if !output.status.success() {
        return Err(GitError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    String::from_utf8(output.stdout).map_err(|_| GitError::Failed("a migration is not UTF-8".into()))
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Widened => "allows",
        Direction::Narrowed => "forbids",
        Direction::Neutral => "changes",
    }
}

fn print_json(changes: &[AccessChange]) {
    let list = changes.iter().map(|change| {
        serde_json::json!({
            "direction": word(change.direction), "subject": change.subject, "text": change.text,
        })
    });
    report::line(serde_json::Value::Array(list.collect()));
}

fn print_text(changes: &[AccessChange]) {
    if changes.is_empty() {
        report::line("access is the same");
    }
    for change in changes {
        let mark = match change.direction {
            Direction::Widened => '+',
            Direction::Narrowed => '-',
            Direction::Neutral => '~',
        };
        report::line(format!("{mark} {}: {}", change.subject, change.text));
    }
}
