//! The form of story files: stories of steps, each with the answer that is written below it.

use std::str::FromStr;

use axum::http::Method;

use crate::harness::{Ask, Caller, On};

pub(super) struct Story {
    pub(super) name: String,
    pub(super) settings: String,
    pub(super) steps: Vec<Step>,
}

pub(super) struct Step {
    pub(super) act: Act,
    /// Of what is done, from 0.
    pub(super) line: usize,
    /// Where the answer stands or is to be written, from 0; and how many lines it has.
    pub(super) answer_at: (usize, usize),
    pub(super) answer: Option<String>,
    /// What an engine answers instead, for the reason that the story tells.
    pub(super) instead: Option<(On, String)>,
}

pub(super) enum Act {
    /// A migration that is applied.
    Migrate(String),
    /// A migration that is refused; the answer is why.
    Refuse(String),
    Seed(String),
    RefuseSeed(String),
    Ask(Box<Ask>),
}

impl Step {
    /// What `on` is to answer.
    pub(super) fn expected(&self, on: On) -> &str {
        match &self.instead {
            Some((engine, answer)) if *engine == on => answer,
            Some(_) | None => self.answer.as_deref().unwrap_or_default(),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Story>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut stories: Vec<Story> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if let Some(name) = line.strip_prefix("=== ") {
            stories.push(Story { name: name.to_owned(), settings: String::new(), steps: Vec::new() });
            at += 1;
            continue;
        }
        let Some(mark) = line.strip_prefix("--- ") else {
            at += 1;
            continue;
        };
        let story = stories.last_mut().ok_or("a file begins with `=== `")?;
        at = block(story, mark, &lines, at + 1).map_err(|error| format!("line {}: {error}", at + 1))?;
    }
    Ok(stories)
}

/// Reads what stands under a mark, and returns where the next mark is.
fn block(story: &mut Story, mark: &str, lines: &[&str], from: usize) -> Result<usize, String> {
    let is_mark = |line: &&str| line.starts_with("--- ") || line.starts_with("=== ");
    let end = lines[from..].iter().position(is_mark).map_or(lines.len(), |length| from + length);
    let sql_end = lines[from..end].iter().position(|line| is_answer(line)).map_or(end, |length| from + length);
    let sql = lines[from..sql_end].join("\n");
    let act = match mark {
        "settings" => {
            story.settings = sql;
            return Ok(end);
        }
        "migration" => Act::Migrate(sql),
        "refused" => Act::Refuse(sql),
        "rows" => Act::Seed(sql),
        "refused rows" => Act::RefuseSeed(sql),
        who => {
            requests(story, who, lines, (from, end))?;
            return Ok(end);
        }
    };
    let blank = lines[from..sql_end].iter().rev().take_while(|line| line.trim().is_empty()).count();
    let at = if sql_end == end { sql_end - blank } else { sql_end };
    story.steps.push(step(act, from, lines, (at, end)));
    Ok(end)
}

fn is_answer(line: &str) -> bool {
    line.starts_with("= ") || line.starts_with("=sqlite ")
}

/// A step whose answer begins at the first line of `range`, if it is there.
fn step(act: Act, line: usize, lines: &[&str], range: (usize, usize)) -> Step {
    let answers: Vec<&str> = lines[range.0..range.1].iter().copied().take_while(|line| is_answer(line)).collect();
    let answer = answers.iter().find_map(|line| line.strip_prefix("= ")).map(str::to_owned);
    let instead = answers.iter().find_map(|line| line.strip_prefix("=sqlite "));
    let instead = instead.map(|answer| (On::Sqlite, answer.to_owned()));
    Step { act, line, answer_at: (range.0, usize::from(answer.is_some())), answer, instead }
}

/// `METHOD PATH`, with a body after a blank, each followed by its answer.
fn requests(story: &mut Story, who: &str, lines: &[&str], range: (usize, usize)) -> Result<(), String> {
    let (who, profile) = who.split_once(" in ").map_or((who, None), |(who, schema)| (who, Some(schema)));
    let caller = caller(who)?;
    for at in range.0..range.1 {
        let mut parts = lines[at].splitn(3, ' ');
        let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if !path.starts_with('/') {
            continue;
        }
        let method = Method::from_str(method).map_err(|error| error.to_string())?;
        let mut ask = Ask::new(method.clone(), path).by(caller.clone());
        ask.body = parts.next().unwrap_or_default().to_owned().into();
        if method != Method::GET {
            ask = ask.header("Prefer", "return=representation");
        }
        if let Some(profile) = profile {
            let name = if method == Method::GET { "Accept-Profile" } else { "Content-Profile" };
            ask = ask.header(name, profile);
        }
        story.steps.push(step(Act::Ask(Box::new(ask)), at, lines, (at + 1, range.1)));
    }
    Ok(())
}

fn caller(text: &str) -> Result<Caller, String> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match (kind, rest) {
        ("anon", "") => Caller::Anonymous,
        ("user", id) => id.parse().map(Caller::user).map_err(|_| "`user` is followed by a number")?,
        ("role", name) => Caller::role(name),
        ("claims", json) => Caller::Claims(serde_json::from_str(json).map_err(|error| error.to_string())?),
        _ => return Err(format!("`{text}` is no step: migration, refused, rows, refused rows, or who asks")),
    })
}
