//! Writes answers into case files.

use std::path::Path;

use super::play::{Difference, body_text};

/// Lines of a file, from 0, and what takes their place.
pub(super) struct Rewrite {
    lines: (usize, usize),
    text: String,
}

/// Headers that a new answer is written with, where they say something.
const TELLING: &[&str] = &[
    "allow",
    "content-profile",
    "content-range",
    "content-type",
    "idempotency-replayed",
    "location",
    "preference-applied",
    "retry-after",
    "www-authenticate",
];

/// Header values that go without saying.
const USUAL: &[&str] = &["application/json; charset=utf-8", "*/*"];

/// Longest line of a body.
const WIDTH: usize = 110;

pub(super) fn rewrite(difference: &Difference<'_>) -> Rewrite {
    let Difference { expected, answer, .. } = difference;
    let on = expected.on.map(|on| format!(" on {on}")).unwrap_or_default();
    let mut text = format!("-> {}{on}\n", answer.status);
    for (name, _) in &expected.headers {
        text.push_str(&format!("{name}: {}\n", answer.header(name).unwrap_or("(none)")));
    }
    if expected.status.is_none() {
        let named = |name: &&&str| expected.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let found = TELLING.iter().filter(|name| !named(name)).filter_map(|name| Some((name, answer.header(name)?)));
        for (name, value) in found.filter(|(name, value)| says_something(name, value)) {
            text.push_str(&format!("{}: {value}\n", capitalized(name)));
        }
    }
    if !answer.body.is_empty() {
        text.push_str(&format!("\n{}\n", broken(&body_text(answer))));
    }
    Rewrite { lines: expected.lines, text }
}

/// A range that starts at the first row and counts nothing is that of every answer.
fn says_something(name: &str, value: &str) -> bool {
    let from_the_first = name == "content-range" && value.ends_with("/*") && value.starts_with("0-");
    !USUAL.contains(&value) && !from_the_first
}

fn capitalized(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        if word == "www" { "WWW".to_owned() } else { first.to_uppercase() + rest }
    });
    words.collect::<Vec<_>>().join("-")
}

/// A long array with a line for each of its items.
fn broken(body: &str) -> String {
    if body.len() <= WIDTH || !body.starts_with('[') {
        return body.to_owned();
    }
    let mut text = String::new();
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for character in body.chars() {
        text.push(character);
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 1 => text.push_str("\n "),
            _ => {}
        }
    }
    text
}

pub(super) fn apply(path: &Path, mut rewrites: Vec<Rewrite>) {
    if rewrites.is_empty() {
        return;
    }
    let text = std::fs::read_to_string(path).expect("it was read before");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the last, so that the places of the others stay.
    rewrites.sort_by_key(|rewrite| std::cmp::Reverse(rewrite.lines.0));
    for rewrite in rewrites {
        lines.splice(rewrite.lines.0..rewrite.lines.1, rewrite.text.lines().map(str::to_owned));
    }
    std::fs::write(path, lines.join("\n") + "\n").expect("case files can be written");
}
