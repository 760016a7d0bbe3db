//! Statements that take long are told to the log, with the engine's plan. Their text has placeholders, and no value.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use roadbed_plan::plan::{DeletePlan, InsertPlan, Node, ReturningPlan, UpdatePlan, Work};
use roadbed_plan::{Observed, Schema};

/// For this long the same statement is not told of again.
const PAUSE: Duration = Duration::from_secs(60);
/// Statements that are told of within that time.
const MOST: usize = 30;

/// From when on a statement is slow, and which were told of lately.
#[derive(Debug, Default)]
pub(crate) struct SlowQueries {
    /// Zero: none is.
    from: Duration,
    told: Mutex<VecDeque<(u64, Instant)>>,
}

impl SlowQueries {
    pub(crate) fn new(from: Duration) -> Self {
        Self { from, told: Mutex::default() }
    }

    pub(crate) fn are_told(&self) -> bool {
        !self.from.is_zero()
    }

    /// Whether `sql`, which took so long, is to be told of now. Whoever is told yes does so.
    pub(crate) fn admits(&self, sql: &str, took: Duration) -> bool {
        self.are_told() && took >= self.from && self.is_new(sql, Instant::now())
    }

    fn is_new(&self, sql: &str, now: Instant) -> bool {
        let mut hasher = DefaultHasher::new();
        sql.hash(&mut hasher);
        let hash = hasher.finish();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        while told.front().is_some_and(|(_, at)| now.duration_since(*at) >= PAUSE) {
            told.pop_front();
        }
        let is_new = told.len() < MOST && told.iter().all(|(known, _)| *known != hash);
        if is_new {
            told.push_back((hash, now));
        }
        is_new
    }
}

/// The line about a slow statement. `plan` is how the engine carries it out, where it has said so. Nothing of the caller's
/// stands in it: neither `words` nor what is a string.
pub(crate) fn tell(observed: &Observed, took: Duration, (sql, plan): (&str, Option<&str>), words: &HashSet<String>) {
    let (id, role) = (observed.id(), observed.role());
    let ms = (took.as_secs_f64() * 100_000.0).round() / 100.0;
    let (sql, plan) = (masked(sql, words), plan.map(|plan| masked(plan.trim_end(), words)));
    tracing::warn!(id, role, ms, sql, plan, "slow query");
}

/// The names in an answer that a caller has made up.
pub(crate) fn callers_names(schema: &Schema, work: &Work) -> HashSet<String> {
    let mut names = HashSet::new();
    match work {
        Work::Read { node, .. } => collect(schema, node, &mut names),
        Work::Call(call) => collect(schema, &call.node, &mut names),
        Work::Insert(InsertPlan { returning, .. })
        | Work::Update(UpdatePlan { returning, .. })
        | Work::Delete(DeletePlan { returning, .. }) => {
            if let ReturningPlan::Rows(node) = returning {
                collect(schema, node, &mut names);
            }
        }
    }
    names
}

fn collect(schema: &Schema, node: &Node, names: &mut HashSet<String>) {
    let relation = schema.relation(node.relation);
    // What is embedded has the name of its relation, unless the caller gives it one.
    let is_relation = |name: &str| schema.relations.values().any(|relation| relation.name == name);
    let is_column = |name: &str| relation.columns.iter().any(|column| column.name == name);
    let is_made_up = |name: &&str| !is_column(name) && !is_relation(name);
    names.extend(node.keys().into_iter().filter(is_made_up).map(str::to_owned));
    for embed in node.embeds() {
        collect(schema, &embed.node, names);
    }
}

/// `text` with a dot in place of each string, and of each name among `words`.
fn masked(text: &str, words: &HashSet<String>) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' | '"' => quoted_end(rest, first),
            _ if is_name(first) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        let name = token.trim_matches('"');
        match first {
            '\'' => told.push_str("'·'"),
            _ if words.contains(name) || words.contains(&name.replace("\"\"", "\"")) => told.push('·'),
            _ => told.push_str(token),
        }
        rest = after;
    }
    told
}

/// Where the quoted text that `text` begins with ends; a doubled quote is part of it.
fn quoted_end(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(found) = text[at..].find(quote) {
        at += found + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{MOST, PAUSE, SlowQueries, masked};

    #[test]
    fn what_a_caller_wrote_is_masked() {
        let words = ["mine", "an \"odd\" one"].map(str::to_owned).into();
        let sql = "select t1.\"name\" as \"mine\", mine.x ->> 'it''s \"mine\"' as \"an \"\"odd\"\" one\" from \"mineral\" where é = $1";
        let told = "select t1.\"name\" as ·, ·.x ->> '·' as · from \"mineral\" where é = $1";
        assert_eq!(masked(sql, &words), told);
        assert_eq!(masked("'open", &words), "'·'");
    }

    #[test]
    fn a_statement_is_told_of_once_a_minute_and_not_too_many_are() {
        let slow = SlowQueries::new(Duration::from_millis(5));
        assert!(!slow.admits("a", Duration::from_millis(4)));
        assert!(slow.admits("a", Duration::from_millis(5)));
        assert!(!slow.admits("a", Duration::from_millis(50)));
        let others = (0..100).filter(|n| slow.admits(&format!("b{n}"), Duration::from_secs(1))).count();
        assert_eq!(others, MOST - 1);
        assert!(slow.is_new("a", Instant::now() + PAUSE));
        assert!(!SlowQueries::new(Duration::ZERO).admits("a", Duration::from_secs(100)));
    }
}
