//! One request of a batch.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LOCATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use roadbed_plan::Session;
use roadbed_plan::session::RequestSettings;
use serde::Deserialize;
use serde_json::Value as Json;

use super::super::super::error::RestError;
use super::super::super::parse::{self, Verb, Wanted};
use super::super::super::routes::RestSettings;
use super::super::tag::{Conditions, read_of};
use super::reference::{self, Reference};

/// The headers that a step may have; others are those of the whole request.
pub(crate) const HEADERS: [&str; 8] =
    ["accept", "accept-profile", "content-profile", "content-type", "if-match", "if-none-match", "prefer", "range"];

/// The forms of a step's answer.
const FORMS: [&str; 7] = [
    "",
    "*/*",
    "application/json",
    "application/vnd.pgrst.array",
    "application/vnd.pgrst.array+json",
    "application/vnd.pgrst.object",
    "application/vnd.pgrst.object+json",
];

/// What a URL cannot hold.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'#');

/// A step, checked as far as it can be before those before it have answered.
pub(super) struct Step {
    number: usize,
    parts: Parts,
    /// The path as it was written, less its query.
    path: String,
    is_call: bool,
    references: Vec<Reference>,
    body: Json,
}

/// What a step asks for.
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    pub(super) condition: Option<(Conditions, Wanted)>,
}

/// A step as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    method: String,
    path: String,
    #[serde(default)]
    headers: indexmap::IndexMap<String, String>,
    #[serde(default)]
    body: Json,
}

fn wrong(reason: impl Into<String>) -> RestError {
    RestError::Body { reason: reason.into() }
}

impl Step {
    /// Reads the step that has this number.
    pub(super) fn read(json: Json, number: usize) -> Result<Self, RestError> {
        let written: Written =
            serde_json::from_value(json).map_err(|error| wrong(format!("The step cannot be read: {error}")))?;
        let method = match written.method.as_str() {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            other => return Err(wrong(format!("A step cannot have the method `{other}`"))),
        };
        let (address, references) = reference::marked(&written.path, number)?;
        reference::check(&written.body, number)?;
        let mut request = Request::builder().method(method).uri(utf8_percent_encode(&address, ESCAPED).to_string());
        for (name, value) in &written.headers {
            let name = name.to_ascii_lowercase();
            if !HEADERS.contains(&name.as_str()) {
                return Err(wrong(format!("A step cannot have the header `{name}`")));
            }
            check_header(&name, value)?;
            request = request.header(name, value);
        }
        let parts =
            request.body(()).map_err(|error| wrong(format!("The step cannot be read: {error}")))?.into_parts().0;
        let path = parts.uri.path().to_owned();
        let is_call = is_call(&path)?;
        Ok(Self { number, parts, path, is_call, references, body: written.body })
    }

    /// Whether it puts one row in its place.
    pub(super) fn is_put(&self) -> bool {
        self.parts.method == Method::PUT
    }

    /// Whether it tests what is there before it writes.
    pub(super) fn is_conditional(&self) -> bool {
        !Conditions::of(&self.parts.headers).is_empty()
    }

    /// The caller, as policies and functions see this step.
    pub(super) fn session(&self, session: &Session) -> Session {
        let request = RequestSettings {
            method: self.parts.method.to_string(),
            path: self.path.clone(),
            ..(*session.request).clone()
        };
        Session { request: Arc::new(request), ..session.clone() }
    }

    /// What it asks for, now that the steps before it have answered.
    pub(super) fn wanted(&self, settings: &RestSettings, answers: &[Response<Bytes>]) -> Result<Asked, RestError> {
        let (parts, body) = self.content(answers)?;
        let mut wanted = match self.is_call {
            true => parse::call(settings, &parts, body)?,
            false => parse::request(settings, &parts, body)?,
        };
        reference::bind(&mut wanted.query, &self.references, answers)?;
        let conditions = Conditions::of(&parts.headers);
        if conditions.is_empty() {
            return Ok(Asked { wanted, condition: None });
        }
        if wanted.reply.verb == Verb::Read {
            return Err(wrong("A step that reads cannot be conditional"));
        }
        let mut read = read_of(settings, &parts)?;
        reference::bind(&mut read.query, &self.references, answers)?;
        Ok(Asked { wanted, condition: Some((conditions, read)) })
    }

    /// The answer as it stands in the list.
    pub(super) fn finished(&self, mut answer: Response<Bytes>) -> Response<Bytes> {
        if !self.references.is_empty() {
            // It would show where the values were bound.
            answer.headers_mut().remove(CONTENT_LOCATION);
        }
        if self.parts.method == Method::HEAD { answer.map(|_| Bytes::new()) } else { answer }
    }

    /// The body as bytes: JSON, or a text that the step says to be something else.
    fn content(&self, answers: &[Response<Bytes>]) -> Result<(Parts, Bytes), RestError> {
        let mut parts = self.parts.clone();
        if matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE) || self.body.is_null() {
            return Ok((parts, Bytes::new()));
        }
        let kind = parts.headers.get(CONTENT_TYPE).map_or(&b"json"[..], HeaderValue::as_bytes);
        let is_json = kind.windows(4).any(|word| word.eq_ignore_ascii_case(b"json"));
        if let (false, Json::String(text)) = (is_json, &self.body) {
            return Ok((parts, Bytes::from(text.clone())));
        }
        if !parts.headers.contains_key(CONTENT_TYPE) {
            parts.headers.insert(HeaderName::from_static("content-type"), HeaderValue::from_static("application/json"));
        }
        let body = reference::filled(&self.body, self.number, answers)?;
        Ok((parts, body.to_string().into()))
    }
}

/// Refuses what asks for another form than JSON, or for terms that a part of a transaction cannot have.
fn check_header(name: &str, value: &str) -> Result<(), RestError> {
    let mut words = value.split(',').map(str::trim);
    match name {
        "accept" if !words.all(|wish| FORMS.contains(&wish.split(';').next().unwrap_or_default().trim())) => {
            Err(wrong(format!("A step answers JSON; it cannot accept `{value}`")))
        }
        "prefer" => match words.find(|wish| wish.starts_with("timezone=") || *wish == "tx=rollback") {
            Some(wish) => Err(wrong(format!("A step cannot prefer `{wish}`"))),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// `/films` is a relation, `/rpc/add` a function; nothing else is a step's path.
fn is_call(path: &str) -> Result<bool, RestError> {
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or_default().split('/').collect();
    match segments[..] {
        [relation] if !relation.is_empty() => Ok(false),
        ["rpc", function] if !function.is_empty() => Ok(true),
        _ => Err(RestError::UnknownPath),
    }
}
