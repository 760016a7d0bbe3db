//! `POST /batch/v1`: a list of requests in one transaction. Later ones may use what earlier ones answered; the first
//! that fails undoes all.

mod reference;
mod step;

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use roadbed_plan::query::RowsWanted;
use roadbed_plan::transaction::{Asking, Failure, Isolation, Script, Stop};
use roadbed_plan::{Session, nested};
use serde_json::{Map, Value as Json};

use super::super::error::{RangeError, RestError};
use super::super::parse::Verb;
use super::super::respond;
use super::super::routes::{Rest, RestSettings, refuse_with_care};
use super::{Sent, is_overtaken, kept, key, transact};
use step::Step;

pub(crate) use step::HEADERS as STEP_HEADERS;

/// Carries out the list in `sent`.
pub(in super::super) async fn batch(rest: &Rest, sent: Sent<'_>) -> Result<Response, RestError> {
    if sent.parts.method != Method::POST {
        return Err(RestError::BatchMethod { method: sent.parts.method.clone() });
    }
    refuse_rollback(sent.parts)?;
    let steps = steps(&rest.settings, sent.parts, sent.body)?;
    let key = key::of(&sent.parts.headers)?;
    let isolation = if steps.iter().any(Step::is_conditional) { Isolation::Snapshot } else { Isolation::Each };
    let verbs: Vec<Verb> = steps.iter().map(|step| if step.is_put() { Verb::Put } else { Verb::Read }).collect();
    let limits = &rest.settings.safe;
    let limit = if key.is_some() { limits.kept_bytes.min(limits.batch_bytes) } else { limits.batch_bytes };
    let script = Batch { session: sent.session.clone(), settings: rest.settings.clone(), steps, limit };
    transact(rest, sent, key, isolation, script).await.map_err(|failure| match failure {
        Failure::Script(error) => error,
        Failure::Run { error, place } => {
            let overtaken = isolation == Isolation::Snapshot && is_overtaken(&error);
            let wanted = place.rows_wanted.unwrap_or(RowsWanted::Any);
            let verb = place.step.and_then(|step| verbs.get(step)).copied().unwrap_or(Verb::Read);
            let error = if overtaken { RestError::Precondition } else { RestError::of_run(error, wanted, verb) };
            let error = error.at(&place.path);
            match place.step {
                Some(step) => error.in_step(step),
                None => error,
            }
        }
    })
}

/// A caller that wants nothing to stay must not be surprised.
fn refuse_rollback(parts: &Parts) -> Result<(), RestError> {
    let wishes = parts.headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    match wishes.flat_map(|value| value.split(',')).any(|wish| wish.trim() == "tx=rollback") {
        true => Err(RestError::Body { reason: "A batch cannot prefer `tx=rollback`".into() }),
        false => Ok(()),
    }
}

fn steps(settings: &RestSettings, parts: &Parts, body: &Bytes) -> Result<Vec<Step>, RestError> {
    super::super::parse::check_json(&parts.headers)?;
    let wrong = |reason: String| RestError::Body { reason };
    let steps: Vec<Json> = serde_json::from_slice(body)
        .map_err(|_| wrong("A batch is a JSON list of steps: {\"method\", \"path\", \"headers\", \"body\"}".into()))?;
    let limit = settings.safe.batch_steps;
    if steps.len() > limit {
        return Err(wrong(format!("A batch has {limit} steps at most; this one has {}", steps.len())));
    }
    let read = |(number, json)| Step::read(json, number).map_err(|error: RestError| error.in_step(number));
    steps.into_iter().enumerate().map(read).collect()
}

struct Batch {
    session: Session,
    settings: RestSettings,
    steps: Vec<Step>,
    /// Most bytes of the whole answer.
    limit: usize,
}

impl Script for Batch {
    type Error = RestError;

    fn run(&self, asking: &mut Asking<'_>) -> Result<Bytes, Stop<RestError>> {
        let mut answers: Vec<http::Response<Bytes>> = Vec::with_capacity(self.steps.len());
        let mut size = 0;
        for (number, step) in self.steps.iter().enumerate() {
            asking.place.step = Some(number);
            let answer = self.step(step, &answers, asking).map_err(|stop| match stop {
                Stop::GaveUp(error) => Stop::GaveUp(error.in_step(number)),
                Stop::Waiting(waiting) => Stop::Waiting(waiting),
            })?;
            size += answer.body().len();
            if size > self.limit {
                return Err(Stop::GaveUp(RestError::AnswerTooLarge { limit: self.limit }.in_step(number)));
            }
            answers.push(answer);
        }
        let answer = kept::bytes(&whole(answers));
        match answer.len() > self.limit {
            true => Err(Stop::GaveUp(RestError::AnswerTooLarge { limit: self.limit })),
            false => Ok(answer),
        }
    }
}

impl Batch {
    fn step(
        &self,
        step: &Step,
        answers: &[http::Response<Bytes>],
        asking: &mut Asking<'_>,
    ) -> Result<http::Response<Bytes>, Stop<RestError>> {
        let session = step.session(&self.session);
        let asked = step.wanted(&self.settings, answers).map_err(Stop::GaveUp)?;
        refuse_with_care(&self.settings, &asked.wanted.reply).map_err(Stop::GaveUp)?;
        if let Some((conditions, read)) = &asked.condition {
            let outcome = asking.ask(&session, read.query.clone())?;
            conditions.test_write(&outcome, &read.reply).map_err(Stop::GaveUp)?;
        }
        let outcome = nested::ask(asking, &session, asked.wanted.query)?;
        let (offset, total) = (asked.wanted.reply.offset, outcome.total);
        match total.filter(|total| offset > *total) {
            Some(total) => Err(Stop::GaveUp(RestError::Range(RangeError::OutOfBounds { offset, total }))),
            None => {
                let answer = respond::response(outcome, &asked.wanted.reply).map_err(Stop::GaveUp)?;
                Ok(step.finished(answer))
            }
        }
    }
}

/// A list of `{"status", "headers", "body"}`.
fn whole(answers: Vec<http::Response<Bytes>>) -> http::Response<Bytes> {
    let mut body = vec![b'['];
    for (index, answer) in answers.into_iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(b",\n ");
        }
        let headers: Map<String, Json> = answer
            .headers()
            .iter()
            .filter(|(name, _)| *name != CONTENT_LENGTH)
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        let status = answer.status().as_u16();
        body.extend_from_slice(
            format!("{{\"status\":{status},\"headers\":{},\"body\":", Json::Object(headers)).as_bytes(),
        );
        match (answer.body().is_empty(), is_json(&answer)) {
            (true, _) => body.extend_from_slice(b"null"),
            (false, true) => body.extend_from_slice(answer.body()),
            (false, false) => {
                let text = Json::from(String::from_utf8_lossy(answer.body()));
                body.extend_from_slice(text.to_string().as_bytes());
            }
        }
        body.push(b'}');
    }
    body.push(b']');
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// Whether the body can stand in JSON as it is.
fn is_json(answer: &http::Response<Bytes>) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.ends_with(b"json") && serde_json::from_slice::<serde::de::IgnoredAny>(answer.body()).is_ok()
}
