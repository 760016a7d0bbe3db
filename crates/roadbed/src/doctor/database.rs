//! The database: whether it answers, its clock, the login's rights, and migrations that wait.

use roadbed_plan::engine::{MigrationError, pending_migrations};
use roadbed_plan::health::{Fault, Health, Needs};
use roadbed_plan::{Clock, Engine};

use super::Finding;
use crate::config::Settings;
use crate::files::read_migrations;

/// Seconds that clocks may differ; tokens are given as much.
const CLOCK_SECONDS: u64 = 5;
/// Seconds from which on tokens are refused, or taken when they are over.
const WRONG_CLOCK_SECONDS: u64 = 30;

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    // Opening an embedded database would make it.
    let url = settings.database_url();
    let file = url.strip_prefix("sqlite:").filter(|file| !file.is_empty() && *file != ":memory:");
    if let Some(file) = file
        && !std::path::Path::new(file).is_file()
    {
        let message = format!("there is no file `{file}` yet; it is made when migrations are applied");
        return vec![Finding::doubtful("database", message, "roadbed migrate up")];
    }
    let engine = match crate::connect(settings) {
        Ok(engine) => engine,
        Err(error) => return vec![Finding::bad("database", error.to_string(), "correct `database.url`")],
    };
    let mut findings = Vec::new();
    match engine.health(&needs(settings)).await {
        Ok(health) => {
            findings.extend(told(&health));
            findings.extend(clock(&health));
            findings.push(migrations(settings, &*engine).await);
        }
        Err(error) => findings.push(Finding::bad(
            "database",
            error.to_string(),
            "see that it runs, that `database.url` names it, and that its log tells of the login",
        )),
    }
    engine.close().await;
    findings
}

fn needs(settings: &Settings) -> Needs {
    let mut roles: Vec<String> = ["anon", "authenticated", "service_role"].map(str::to_owned).into();
    if !settings.rest.anon_role.is_empty() && !roles.contains(&settings.rest.anon_role) {
        roles.push(settings.rest.anon_role.clone());
    }
    let migrations = read_migrations(&settings.migrations_folder()).unwrap_or_default();
    let extensions = migrations.iter().flat_map(|migration| extensions(&migration.sql)).collect();
    Needs { roles, extensions, connections: settings.database.pool_size }
}

/// Names after `create extension`. What is quoted or in a comment is looked for as well: better once too often.
fn extensions(sql: &str) -> Vec<String> {
    let words: Vec<&str> = sql.split(|c: char| c.is_whitespace() || c == ';').filter(|word| !word.is_empty()).collect();
    let is = |word: Option<&&str>, wanted: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    let mut names = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        if is(pair.first(), "create") && is(pair.get(1), "extension") {
            let skipped = if is(words.get(at + 2), "if") { 5 } else { 2 };
            names.extend(words.get(at + skipped).map(|name| name.trim_matches('"').to_owned()));
        }
    }
    names
}

fn told(health: &Health) -> Vec<Finding> {
    let finding = |fault: &Fault| match fault.is_serious {
        true => Finding::bad(fault.check, &fault.message, &fault.advice),
        false => Finding::doubtful(fault.check, &fault.message, &fault.advice),
    };
    let good = Finding::good("database", format!("{} answers", health.version));
    std::iter::once(good).chain(health.faults.iter().map(finding)).collect()
}

fn clock(health: &Health) -> Option<Finding> {
    let apart = health.now?.abs_diff(Clock::System.unix_micros()) / 1_000_000;
    let message = format!("this machine's clock and the database's are {apart} seconds apart");
    let advice = "let both machines ask a time server (`timedatectl set-ntp true`)";
    Some(if apart <= CLOCK_SECONDS {
        Finding::good("clock", "it agrees with the database's")
    } else if apart < WRONG_CLOCK_SECONDS {
        Finding::doubtful("clock", message, advice)
    } else {
        Finding::bad("clock", message, advice)
    })
}

async fn migrations(settings: &Settings, engine: &dyn Engine) -> Finding {
    let files = match read_migrations(&settings.migrations_folder()) {
        Ok(files) => files,
        Err(error) => return Finding::bad("migrations", error.to_string(), "let the server's user read the folder"),
    };
    let applied = match engine.applied().await {
        Ok(applied) => applied,
        Err(error) => return Finding::bad("migrations", error.to_string(), "roadbed migrate status"),
    };
    let pending = match pending_migrations(&applied, &files) {
        Ok(pending) => pending,
        Err(error) => return Finding::bad("migrations", error.to_string(), advice(&error)),
    };
    match pending.first() {
        None => Finding::good("migrations", format!("all {} are applied", files.len())),
        Some(first) => Finding::doubtful(
            "migrations",
            format!("{} are not applied, the first being `{}`", pending.len(), first.name),
            "roadbed migrate up",
        ),
    }
}

fn advice(error: &MigrationError) -> &'static str {
    match error {
        MigrationError::Changed { .. } => "put the file back as it was, and write the change as a new migration",
        MigrationError::Gone { .. } => "put the file back",
        MigrationError::OutOfOrder { .. } => "give the file a name that sorts last",
        MigrationError::Sql(_) | MigrationError::Engine(_) => "roadbed migrate status",
    }
}

#[cfg(test)]
mod tests {
    use roadbed_plan::Clock;
    use roadbed_plan::health::Health;

    use super::super::State;
    use super::{clock, extensions};

    #[test]
    fn clocks_may_differ_by_a_little() {
        let state = |seconds: i64| {
            let now = Some(Clock::System.unix_micros() + seconds * 1_000_000);
            clock(&Health { now, ..Health::default() }).expect("it has a clock").state
        };
        assert_eq!([0, -4, 12, -20, 60, -4000].map(state), {
            use State::{Bad, Doubtful, Good};
            [Good, Good, Doubtful, Doubtful, Bad, Bad]
        });
        assert_eq!(clock(&Health::default()), None, "SQLite has no clock of its own");
    }

    #[test]
    fn extensions_are_found_in_migrations() {
        let sql =
            "create extension if not exists \"uuid-ossp\"; CREATE EXTENSION\n postgis with schema x;create table t()";
        assert_eq!(extensions(sql), ["uuid-ossp", "postgis"]);
    }
}
