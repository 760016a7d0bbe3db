//! `raise sqlstate 'PGRST'`: a function of the database says the whole answer. Its message is the body as JSON, its
//! detail the status and headers.

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use indexmap::IndexMap;
use roadbed_plan::DatabaseError;
use serde::Deserialize;

use super::Answer;

pub(super) const SQLSTATE: &str = "PGRST";

#[derive(Deserialize)]
struct Message {
    code: String,
    message: String,
    details: Option<String>,
    hint: Option<String>,
}

#[derive(Deserialize)]
struct Detail {
    status: u16,
    headers: IndexMap<String, String>,
}

pub(super) fn answer(error: &DatabaseError) -> Answer {
    let Ok(message) = serde_json::from_str::<Message>(&error.message) else {
        let hint = "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: \
                    'details', 'hint'.";
        return unreadable(format!("Invalid JSON value for MESSAGE: '{}'", error.message), hint);
    };
    let hint =
        "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.";
    let Some(text) = &error.details else {
        return unreadable("DETAIL is missing in the RAISE statement".to_owned(), hint);
    };
    let status = detail(error).and_then(|detail| StatusCode::from_u16(detail.status).ok());
    let status = status.filter(|status| !status.is_informational());
    let Some(status) = status else {
        return unreadable(format!("Invalid JSON value for DETAIL: '{text}'"), hint);
    };
    let answer = Answer::new(status, message.code, message.message).hint(message.hint);
    match message.details {
        Some(details) => answer.details(details),
        None => answer,
    }
}

/// The headers that the function wants; those that are none are left out.
pub(super) fn put_headers(error: &DatabaseError, headers: &mut HeaderMap) {
    let wanted = Some(error).filter(|error| error.sqlstate == SQLSTATE).and_then(detail);
    for (name, value) in wanted.into_iter().flat_map(|detail| detail.headers) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

fn detail(error: &DatabaseError) -> Option<Detail> {
    serde_json::from_str(error.details.as_deref()?).ok()
}

fn unreadable(details: String, hint: &str) -> Answer {
    let message = "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error";
    Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "PGRST121", message).details(details).hint(hint.to_owned())
}
