//! Asks a case's requests, and compares what came with what is written.

use super::parse::{Case, Expected};
use crate::harness::{Answer, Ask, On, World};

/// An answer that is not the written one.
pub(super) struct Difference<'a> {
    pub(super) ask: &'a Ask,
    pub(super) expected: &'a Expected,
    pub(super) answer: Answer,
}

/// The steps that were not answered as written.
pub(super) async fn play<'a>(world: &World, on: On, case: &'a Case) -> Vec<Difference<'a>> {
    let mut differences = Vec::new();
    for step in &case.steps {
        let expected = step.expected(on);
        let answer = world.ask(&step.ask).await;
        if !holds(expected, &answer) {
            differences.push(Difference { ask: &step.ask, expected, answer });
        }
    }
    differences
}

fn holds(expected: &Expected, answer: &Answer) -> bool {
    expected.status == Some(answer.status)
        && expected.headers.iter().all(|(name, value)| {
            let found = answer.header(name).unwrap_or("(none)");
            matches(value, found)
        })
        && matches(&expected.body, &body_text(answer))
}

/// The body as case files write it: on one line.
pub(super) fn body_text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).lines().map(str::trim).collect()
}

/// Whether `text` is what `pattern` says; `…` in it stands for any text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

#[test]
fn an_ellipsis_stands_for_any_text() {
    assert!(matches("a…c", "abc") && matches("…", "") && matches("a…b…c", "a1b2c") && matches("abc", "abc"));
    assert!(!matches("a…c", "ab") && !matches("ab", "abc") && !matches("a…b…c", "ac"));
}
