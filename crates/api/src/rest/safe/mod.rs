//! Writes that are more than one statement, in one transaction: under an `Idempotency-Key`, under a condition, with
//! nested rows, or a list of requests.
//! Each is a `Script`; its answer, finished to the last header, is what the engine keeps under the key.

mod batch;
mod kept;
mod key;
mod tag;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use roadbed_plan::query::RowsWanted;
use roadbed_plan::transaction::{Asking, Failure, Isolation, Script, Stop, Terms};
use roadbed_plan::{EngineError, Query, RunError, Session, nested};

use super::error::RestError;
use super::parse::Wanted;
use super::respond;
use super::routes::{Rest, RestSettings};

pub(crate) use batch::STEP_HEADERS;
pub(super) use batch::batch;
pub(super) use tag::{Conditions, put as put_tag};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What bounds safe writes.
#[derive(Clone, Debug)]
pub struct SafeLimits {
    /// How long an answer is kept under its key.
    pub key_seconds: u64,
    /// The largest answer that is kept.
    pub kept_bytes: usize,
    /// The most steps of a batch, and the largest answer of all of them.
    pub batch_steps: usize,
    pub batch_bytes: usize,
}

impl Default for SafeLimits {
    fn default() -> Self {
        Self { key_seconds: 86_400, kept_bytes: 1 << 20, batch_steps: 100, batch_bytes: 10 << 20 }
    }
}

/// What a request asks for beside its write.
pub(super) struct Care {
    key: Option<String>,
    /// What must hold, and the read that tells.
    condition: Option<(Conditions, Wanted)>,
}

impl Care {
    /// What `parts`, which are those of a write, ask for.
    ///
    /// # Errors
    /// When the key is none, or a condition cannot be tested.
    pub(super) fn of(settings: &RestSettings, parts: &Parts) -> Result<Self, RestError> {
        let conditions = Conditions::of(&parts.headers);
        let condition = match conditions.is_empty() {
            true => None,
            false => Some((conditions, tag::read_of(settings, parts)?)),
        };
        Ok(Self { key: key::of(&parts.headers)?, condition })
    }

    /// Whether the write is one as any other.
    pub(super) fn is_none(&self) -> bool {
        self.key.is_none() && self.condition.is_none()
    }

    fn isolation(&self) -> Isolation {
        if self.condition.is_some() { Isolation::Snapshot } else { Isolation::Each }
    }
}

/// Who asks, and what was sent.
pub(super) struct Sent<'r> {
    pub(super) session: &'r Session,
    pub(super) parts: &'r Parts,
    pub(super) body: &'r Bytes,
}

/// Carries out a write with care.
pub(super) async fn write(rest: &Rest, sent: Sent<'_>, wanted: Wanted, care: Care) -> Result<Response, RestError> {
    let (isolation, key) = (care.isolation(), care.key.clone());
    let (session, limits) = (sent.session.clone(), rest.settings.safe.clone());
    let verb = wanted.reply.verb;
    let script = Write {
        session,
        query: wanted.query.clone(),
        wanted,
        condition: care.condition,
        limits,
        is_kept: key.is_some(),
    };
    let done = transact(rest, sent, key, isolation, script).await;
    done.map_err(|failure| match failure {
        Failure::Script(error) => error,
        Failure::Run { error, .. } if isolation == Isolation::Snapshot && is_overtaken(&error) => {
            RestError::Precondition
        }
        Failure::Run { error, place } => {
            RestError::of_run(error, place.rows_wanted.unwrap_or(RowsWanted::Any), verb).at(&place.path)
        }
    })
}

async fn transact<S: Script>(
    rest: &Rest,
    sent: Sent<'_>,
    key: Option<String>,
    isolation: Isolation,
    script: S,
) -> Result<Response, Failure<S::Error>> {
    let now = rest.database.now();
    let claim = key.map(|key| key::claim(key, &sent, now, rest.settings.safe.key_seconds));
    let observed = Arc::clone(&sent.session.observed);
    let finished = rest.database.transact(Arc::new(script), Terms { isolation, claim, observed }).await?;
    let mut response = kept::response(&finished.answer).map(Body::from);
    if finished.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Whether somebody else changed what a transaction had seen.
fn is_overtaken(error: &RunError) -> bool {
    matches!(error, RunError::Engine(EngineError::Database(error)) if error.sqlstate == "40001")
}

/// One write, after its condition was tested.
struct Write {
    session: Session,
    query: Query,
    wanted: Wanted,
    condition: Option<(Conditions, Wanted)>,
    limits: SafeLimits,
    is_kept: bool,
}

impl Script for Write {
    type Error = RestError;

    fn run(&self, asking: &mut Asking<'_>) -> Result<Bytes, Stop<RestError>> {
        if let Some((conditions, read)) = &self.condition {
            let outcome = asking.ask(&self.session, read.query.clone())?;
            conditions.test_write(&outcome, &read.reply).map_err(Stop::GaveUp)?;
        }
        let outcome = nested::ask(asking, &self.session, self.query.clone())?;
        let answer = kept::bytes(&respond::response(outcome, &self.wanted.reply).map_err(Stop::GaveUp)?);
        if self.is_kept && answer.len() > self.limits.kept_bytes {
            return Err(Stop::GaveUp(RestError::AnswerTooLarge { limit: self.limits.kept_bytes }));
        }
        Ok(answer)
    }
}
