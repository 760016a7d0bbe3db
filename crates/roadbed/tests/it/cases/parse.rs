//! The form of case files: a setup, then cases, each a sentence with requests and their answers.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use axum::http::Method;
use serde_json::{Map, Value as Json};

use crate::harness::{Ask, Caller, On, Setup, api_keys};

pub(crate) struct CaseFile {
    pub(crate) path: PathBuf,
    pub(crate) setup: Setup,
    pub(crate) cases: Vec<Case>,
}

pub(crate) struct Case {
    /// The behaviour, as a sentence.
    pub(crate) name: String,
    pub(crate) line: usize,
    /// The one engine that has what the case is about.
    pub(crate) only: Option<On>,
    pub(crate) steps: Vec<Step>,
}

pub(crate) struct Step {
    pub(crate) ask: Ask,
    pub(crate) answers: Vec<Expected>,
}

/// A written answer.
pub(crate) struct Expected {
    /// The engine that answers so; all of them where it is empty.
    pub(crate) on: Option<On>,
    /// Empty where the answer is yet to be written.
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    /// Less line breaks and the blanks around them.
    pub(crate) body: String,
    /// Of its lines in the file, from 0: the first, and the one after the last.
    pub(crate) lines: (usize, usize),
}

impl Case {
    /// Whether a request may change the database.
    pub(crate) fn writes(&self) -> bool {
        self.steps.iter().any(|step| ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&step.ask.method))
    }

    /// Whether the engines answer it differently, or one of them does not have what it is about.
    pub(crate) fn hangs_on_the_engine(&self) -> bool {
        self.only.is_some() || self.steps.iter().flat_map(|step| &step.answers).any(|answer| answer.on.is_some())
    }
}

impl Step {
    /// What `on` is to answer.
    pub(crate) fn expected(&self, on: On) -> &Expected {
        let own = self.answers.iter().find(|answer| answer.on == Some(on));
        own.or_else(|| self.answers.iter().find(|answer| answer.on.is_none())).unwrap_or(&self.answers[0])
    }
}

/// Reads a case file.
pub(crate) fn read(path: &Path) -> Result<CaseFile, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut reader = Reader { lines: &lines, at: 0 };
    let read = reader.file(path);
    read.map_err(|error| format!("{}:{}: {error}", path.display(), reader.at.min(lines.len()) + 1))
}

struct Reader<'a> {
    lines: &'a [&'a str],
    at: usize,
}

fn is_request(line: &str) -> bool {
    let Some((method, path)) = line.split_once(' ') else { return false };
    path.starts_with('/') && method.len() > 2 && method.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.at += 1;
        Some(line)
    }

    /// Lines up to one that `ends`, joined.
    fn until(&mut self, ends: impl Fn(&str) -> bool) -> Vec<&'a str> {
        let from = self.at;
        while self.peek().is_some_and(|line| !ends(line)) {
            self.at += 1;
        }
        self.lines[from..self.at].to_vec()
    }

    fn skip_blank(&mut self) {
        while self.peek().is_some_and(|line| line.trim().is_empty()) {
            self.at += 1;
        }
    }

    fn file(&mut self, path: &Path) -> Result<CaseFile, String> {
        let is_mark = |line: &str| line.starts_with("--- ") || line.starts_with("=== ");
        let about = self.until(is_mark);
        if about.iter().all(|line| line.trim().is_empty()) {
            return Err("a case file begins with a sentence that says what it is about".into());
        }
        let mut setup = Setup::default();
        while let Some(part) = self.peek().and_then(|line| line.strip_prefix("--- ")) {
            self.at += 1;
            let text = self.until(is_mark).join("\n");
            match part.trim() {
                "schema" => setup.schema = text,
                "rows" => setup.rows = text,
                "settings" => setup.settings = text,
                other => return Err(format!("`{other}` is no part of a setup: schema, rows, settings")),
            }
        }
        let mut cases = Vec::new();
        while self.peek().is_some() {
            cases.push(self.case()?);
        }
        if cases.is_empty() { Err("no case".into()) } else { Ok(CaseFile { path: path.to_owned(), setup, cases }) }
    }

    fn case(&mut self) -> Result<Case, String> {
        let line = self.at + 1;
        let name = self.next().and_then(|line| line.strip_prefix("=== ")).ok_or("a case begins with `=== `")?;
        let mut case = Case { name: name.trim().to_owned(), line, only: None, steps: Vec::new() };
        let remarks = self.until(|line| is_request(line) || line.starts_with("=== "));
        for remark in remarks.iter().filter_map(|remark| remark.strip_prefix("only: ")) {
            case.only = Some(engine(remark.split([',', ' ']).next().unwrap_or_default())?);
        }
        while self.peek().is_some_and(is_request) {
            case.steps.push(self.step()?);
        }
        if case.steps.is_empty() { Err("a case has a request".into()) } else { Ok(case) }
    }

    fn step(&mut self) -> Result<Step, String> {
        let (method, path) = self.next().and_then(|line| line.split_once(' ')).ok_or("a request")?;
        let method = Method::from_str(method).map_err(|error| error.to_string())?;
        let mut ask = Ask::new(method, path.trim_end());
        while let Some(line) = self.peek().filter(|line| !line.trim().is_empty() && !line.starts_with("->")) {
            let (name, value) = line.split_once(':').ok_or("expected `header: value`, a blank line or `->`")?;
            match name {
                "as" => ask.caller = caller(value.trim())?,
                name => ask.headers.push((name.to_owned(), with_keys(value.trim()))),
            }
            self.at += 1;
        }
        self.skip_blank();
        let body = self.until(|line| line.starts_with("->") || line.starts_with("=== ") || is_request(line)).join("\n");
        ask.body = body.trim_end().to_owned().into();
        let mut answers = Vec::new();
        while self.peek().is_some_and(|line| line.starts_with("->")) {
            answers.push(self.answer()?);
        }
        if answers.is_empty() { Err("a request has an answer: `-> 200`".into()) } else { Ok(Step { ask, answers }) }
    }

    fn answer(&mut self) -> Result<Expected, String> {
        let first = self.at;
        let mark = self.next().and_then(|line| line.strip_prefix("->")).unwrap_or_default().trim();
        let (status, on) = match mark.split_once("on ") {
            Some((status, on)) => (status.trim(), Some(engine(on.trim())?)),
            None => (mark, None),
        };
        let status = (!status.is_empty()).then(|| status.parse().map_err(|_| "a status is a number")).transpose()?;
        let mut headers = Vec::new();
        while let Some(line) = self.peek().filter(|line| !line.trim().is_empty() && !line.starts_with(['=', '-'])) {
            let (name, value) = line.split_once(':').ok_or("expected `header: value` or a blank line")?;
            headers.push((name.to_owned(), value.trim().to_owned()));
            self.at += 1;
        }
        let body = self.until(|line| line.starts_with("->") || line.starts_with("=== ") || is_request(line));
        let blank = body.iter().rev().take_while(|line| line.trim().is_empty()).count();
        let body = body.iter().map(|line| line.trim()).collect();
        Ok(Expected { on, status, headers, body, lines: (first, self.at - blank) })
    }
}

fn engine(name: &str) -> Result<On, String> {
    On::ALL.into_iter().find(|on| on.name() == name).ok_or_else(|| format!("`{name}` is no engine"))
}

/// `anon`, `user 1`, `user UUID`, `role NAME`, `claims {…}`.
fn caller(text: &str) -> Result<Caller, String> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match (kind, rest) {
        ("anon", "") => Caller::Anonymous,
        ("user", id) => id.parse().map_or_else(|_| Caller::User(id.to_owned()), Caller::user),
        ("role", name) => Caller::role(name),
        ("claims", json) => Caller::Claims(serde_json::from_str(json).map_err(|error| error.to_string())?),
        _ => return Err(format!("`{text}` is nobody: anon, user N, role NAME, claims {{…}}")),
    })
}

/// `{publishable}` and `{secret}` are the API keys of every world, `{token NAME}` is a token of a role.
fn with_keys(value: &str) -> String {
    let keys = api_keys();
    let mut text = value.replace("{publishable}", keys.publishable()).replace("{secret}", keys.secret());
    while let Some((before, rest)) = text.split_once("{token ") {
        let Some((role, after)) = rest.split_once('}') else { break };
        let claims = Map::from_iter([("role".to_owned(), Json::from(role))]);
        let token = Caller::Claims(claims).token().unwrap_or_default();
        text = format!("{before}{token}{after}");
    }
    text
}
