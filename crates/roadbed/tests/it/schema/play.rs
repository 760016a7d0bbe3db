//! Does what a story tells, and compares what came with what is written.

use std::path::Path;

use roadbed_plan::engine::{Migration, MigrationError};

use super::story::{Act, Step, Story};
use crate::harness::{On, Setup, World, say};

/// What a step was answered.
pub(super) struct Told<'a> {
    story: &'a str,
    step: &'a Step,
    expected: String,
    found: String,
}

impl Told<'_> {
    pub(super) fn holds(&self) -> bool {
        // What PostgreSQL tells beyond its message, behind a colon, need not be told by all.
        let is_shorter = || !self.found.is_empty() && self.expected.starts_with(&format!("{}: ", self.found));
        self.expected == self.found || (!matches!(self.step.act, Act::Ask(_)) && is_shorter())
    }

    /// Puts the answer into the file's lines.
    pub(super) fn write(&self, lines: &mut Vec<String>) {
        let (at, length) = self.step.answer_at;
        let text = (!self.found.is_empty()).then(|| format!("= {}", self.found));
        lines.splice(at..at + length, text);
    }

    pub(super) fn show(&self, path: &Path, on: On) -> String {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let what = match &self.step.act {
            Act::Ask(ask) => format!("{} {}", ask.method, ask.path),
            Act::Migrate(_) | Act::Refuse(_) => "migration".to_owned(),
            Act::Seed(_) | Act::RefuseSeed(_) => "rows".to_owned(),
        };
        let (line, story) = (self.step.line + 1, self.story);
        format!("{file}:{line} ({on}) {story}: {what}\n    wanted {}\n    was    {}", self.expected, self.found)
    }
}

/// Plays a story to its end, or to the first migration that does not go as told.
pub(super) async fn play<'a>(on: On, story: &'a Story) -> Vec<Told<'a>> {
    let setup = Setup { settings: story.settings.clone(), ..Setup::default() };
    let world = World::new(on, &setup).await;
    let mut applied: Vec<Migration> = Vec::new();
    let mut told = Vec::new();
    for step in &story.steps {
        let found = act(&world, &mut applied, &step.act).await;
        let expected = step.expected(on).to_owned();
        let stop = match step.act {
            Act::Migrate(_) => !found.is_empty(),
            Act::Refuse(_) => found.is_empty(),
            Act::Seed(_) | Act::RefuseSeed(_) | Act::Ask(_) => false,
        };
        told.push(Told { story: &story.name, step, expected, found });
        if stop {
            say(&format!("the rest of `{}` is not played on {on}", story.name));
            break;
        }
    }
    let roles = made_roles(&applied);
    if on == On::Postgres && !roles.is_empty() {
        world.end_and_run(&roles).await;
    } else {
        world.end().await;
    }
    told
}

/// What came of it; nothing where a file was applied.
async fn act(world: &World, applied: &mut Vec<Migration>, act: &Act) -> String {
    let result = match act {
        Act::Ask(ask) => {
            let answer = world.ask(ask).await;
            return format!("{} {}", answer.status, answer.text()).trim_end().to_owned();
        }
        Act::Seed(sql) | Act::RefuseSeed(sql) => world.seed(sql).await,
        Act::Migrate(sql) | Act::Refuse(sql) => {
            let name = format!("{:04}", applied.len() + 1);
            applied.push(Migration { path: format!("{name}.sql"), name, sql: sql.clone() });
            let result = world.migrate(applied).await.map(drop);
            if result.is_err() {
                applied.pop();
            }
            result
        }
    };
    result.err().map(|error| reason(&error)).unwrap_or_default()
}

/// SQLSTATE, line and message.
fn reason(error: &MigrationError) -> String {
    match error {
        MigrationError::Sql(error) => {
            let state = error.sqlstate.as_deref().unwrap_or("-");
            let message = error.message.lines().next().unwrap_or_default();
            format!("{state} line {}: {message}", error.position().0)
        }
        other => other.to_string(),
    }
}

/// Takes away the roles that a story made: PostgreSQL keeps them for the whole server.
fn made_roles(applied: &[Migration]) -> String {
    let mut statements = String::new();
    for migration in applied {
        for rest in migration.sql.split("create role ").skip(1) {
            let name = rest.split([' ', ';', '\n']).next().unwrap_or_default();
            statements.push_str(&format!("drop role if exists {name};"));
        }
        for rest in migration.sql.split(" rename to role_").skip(1) {
            let name = rest.split([' ', ';', '\n']).next().unwrap_or_default();
            statements.push_str(&format!("drop role if exists role_{name};"));
        }
    }
    statements
}
