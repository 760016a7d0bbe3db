//! What migrations do that PostgreSQL accepts and their author may regret: open tables, lost rows, long locks.
//! Each lint is a line of [`LINTS`] and an example in `docs/lint.md`.

mod state;
mod statements;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::read_sql::{self, PassedOver, Reviewed, SqlFile};
use super::{RelationId, Schema};
use crate::engine::SqlError;

/// How much a lint matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It may be meant.
    Warning,
    /// Rows are open to strangers, or are lost.
    Error,
}

/// One thing that is looked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    pub name: &'static str,
    pub level: Level,
    pub help: &'static str,
}

impl Lint {
    /// Whether it is about what all migrations leave, rather than about one of them.
    pub fn is_about_the_end(&self) -> bool {
        matches!(
            self.name,
            "table-without-row-security" | "view-without-security-invoker" | "definer-without-search-path"
        )
    }
}

const fn lint(name: &'static str, level: Level, help: &'static str) -> Lint {
    Lint { name, level, help }
}

/// All lints, by name.
pub const LINTS: [Lint; 22] = [
    lint(
        "constraint-without-not-valid",
        Level::Warning,
        "on a large table add it `not valid`, and run `validate constraint` in a migration of its own",
    ),
    lint(
        "definer-without-search-path",
        Level::Error,
        "add `set search_path = ''` and write the schema of each name: callers choose their own path otherwise",
    ),
    lint(
        "deleted-rows",
        Level::Error,
        "every row goes: write which rows are meant, or say so with `-- roadbed: allow deleted-rows`",
    ),
    lint(
        "domain-constraint",
        Level::Warning,
        "every column of this type is read under a lock: add it `not valid`, and validate it in a migration of its own",
    ),
    lint("dropped-column", Level::Error, "its values are lost: say so with `-- roadbed: allow dropped-column`"),
    lint("dropped-index", Level::Warning, "queries that use it become slow, and writes wait while it goes"),
    lint(
        "dropped-not-null",
        Level::Warning,
        "clients that rely on a value meet null: they must be able to before rows have it",
    ),
    lint("dropped-table", Level::Error, "its rows are lost: say so with `-- roadbed: allow dropped-table`"),
    lint(
        "foreign-key-without-index",
        Level::Warning,
        "add an index that begins with these columns: deleting what they refer to reads the whole table otherwise",
    ),
    lint("grant-to-public", Level::Warning, "name the roles: `public` is every role, those made later included"),
    lint(
        "index-not-concurrently",
        Level::Warning,
        "writes wait meanwhile: where the table is large, run `create index concurrently` by hand before, and \
         write `if not exists` here",
    ),
    lint(
        "narrowing-type-change",
        Level::Error,
        "values that do not fit the new type fail or lose a part of themselves",
    ),
    lint("not-null-without-default", Level::Error, "it fails where the table has rows: give it a default"),
    lint("policy-always-true", Level::Error, "every row may be written by these roles: write whose rows are theirs"),
    lint("renamed-column", Level::Warning, "clients that name it break: add the new one beside it first"),
    lint("renamed-table", Level::Warning, "clients that name it break: leave a view under the old name"),
    lint("rewriting-type-change", Level::Warning, "the whole table is written anew while nobody can read it"),
    lint(
        "set-not-null",
        Level::Warning,
        "the whole table is read while nobody can write: add `check (… is not null) not valid` and validate it first",
    ),
    lint(
        "table-without-row-security",
        Level::Error,
        "write `alter table … enable row level security` and policies, or revoke the grants",
    ),
    lint("truncated-table", Level::Error, "every row is lost: say so with `-- roadbed: allow truncated-table`"),
    lint(
        "view-without-security-invoker",
        Level::Error,
        "write `with (security_invoker = true)`: the view reads with its owner's rights, whom policies do not bind",
    ),
    lint("volatile-default", Level::Warning, "each row gets a value of its own: the whole table is written anew"),
];

/// A lint that was found, and where.
#[derive(Clone, Debug)]
pub struct Finding {
    pub lint: &'static Lint,
    /// Message, help and place, as of a fault in a migration.
    pub remark: SqlError,
}

/// What was found, and the statements that could not be looked into.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub findings: Vec<Finding>,
    pub passed_over: Vec<PassedOver>,
}

/// Looks through `files` in their order. `base` is read before them and not looked at; `schemas` are the exposed ones.
///
/// # Errors
/// When a file is not SQL.
#[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
pub fn lint_files(base: &SqlFile<'_>, files: &[SqlFile<'_>], schemas: &[String]) -> Result<Findings, SqlError> {
    let mut schema = Arc::new(Schema::initial());
    read_sql::fold(&mut schema, base)?;
    let mut watch = Watch::default();
    let mut passed_over = Vec::new();
    for file in files {
        watch.old = schema.relations.keys().copied().collect();
        passed_over.append(&mut read_sql::review(&mut schema, file, &mut |reviewed| watch.look(reviewed))?);
    }
    watch.look_at_all(&schema, schemas);
    let place = |finding: &Finding| {
        let at = files.iter().position(|file| file.path == finding.remark.path);
        (at, finding.remark.offset, finding.lint.name)
    };
    watch.findings.sort_by_key(place);
    Ok(Findings { findings: watch.findings, passed_over })
}

/// A finding that later statements may make void.
struct Pending {
    remark: SqlError,
    allowed: Vec<String>,
}

/// What is known between two statements.
#[derive(Default)]
struct Watch {
    findings: Vec<Finding>,
    /// Relations that earlier files made: they may hold rows, and clients may know them.
    old: HashSet<RelationId>,
    /// Where each relation was made, for what can only be told at the end.
    made: BTreeMap<RelationId, Pending>,
    /// Where each foreign key was added.
    keys: BTreeMap<(RelationId, String), Pending>,
    /// Security definer functions without a path, by schema and name.
    definers: BTreeMap<String, Pending>,
}

impl Watch {
    fn look(&mut self, reviewed: &Reviewed<'_>) {
        self.remember(reviewed);
        self.look_at_statement(reviewed);
    }

    fn find(&mut self, reviewed: &Reviewed<'_>, name: &'static str, place: (i32, &str), message: String) {
        let pending = Pending {
            remark: reviewed.remark(place, message, named(name).map_or("", |lint| lint.help)),
            allowed: reviewed.allowed(),
        };
        self.report(name, pending);
    }

    fn report(&mut self, name: &'static str, pending: Pending) {
        if pending.allowed.iter().any(|allowed| allowed == name) {
            return;
        }
        if let Some(lint) = named(name) {
            self.findings.push(Finding { lint, remark: pending.remark });
        }
    }
}

fn named(name: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.name == name)
}
