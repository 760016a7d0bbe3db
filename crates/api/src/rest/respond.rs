//! From an outcome to a response: status, headers, and the bytes that the engine wrote.

mod wishes;

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use http::{Response, StatusCode};
use roadbed_plan::Outcome;
use roadbed_plan::plan::Shape;
use roadbed_plan::query::{Count, Resolution};
use roadbed_plan::terms::Ending;

use super::error::{self, RangeError, RestError};
use super::parse::{Handling, Media, Missing, Nulls, Reply, Representation, Verb, escaped};
use super::safe;
use super::strip_nulls::strip_nulls;
use wishes::Wishes;

const LONGEST_LOCATION: usize = 4096;

/// # Errors
/// When a function of the database wants a status or headers that are none.
pub(super) fn response(mut outcome: Outcome, reply: &Reply) -> Result<Response<Bytes>, RestError> {
    if let Media::Plan { .. } = reply.media {
        return Ok(plan(outcome.body, reply));
    }
    let wishes = Wishes::of(std::mem::take(&mut outcome.response))?;
    let mut headers = HeaderMap::new();
    let shows_one = outcome.rows == 1 && matches!(reply.verb, Verb::Read | Verb::Insert | Verb::Update);
    let (status, body) = match reply.verb {
        Verb::Read => read(outcome, reply, &mut headers),
        Verb::Insert => inserted(outcome, reply, &mut headers),
        Verb::Put => put_row(outcome, reply, &mut headers),
        Verb::Update | Verb::Delete => changed(outcome, reply, &mut headers),
        Verb::Call => called(outcome, reply, &mut headers),
    };
    if let Some(applied) = preferences_applied(reply) {
        put(&mut headers, HeaderName::from_static("preference-applied"), &applied);
    }
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    // What a deletion shows is gone, what a function gives is no row that could be written.
    if shows_one && !body.is_empty() && matches!(status, StatusCode::OK | StatusCode::CREATED) {
        safe::put_tag(&mut headers, &body);
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    wishes.fulfil(&mut response);
    Ok(response)
}

fn plan(body: Bytes, reply: &Reply) -> Response<Bytes> {
    let mut response = Response::new(body);
    put(response.headers_mut(), CONTENT_TYPE, &reply.media.content_type());
    response
}

fn read(outcome: Outcome, reply: &Reply, headers: &mut HeaderMap) -> (StatusCode, Bytes) {
    put_content(headers, reply);
    let query = if reply.canonical.is_empty() { String::new() } else { format!("?{}", reply.canonical) };
    let location = format!("/{}{query}", escaped(&reply.relation));
    // Clients refuse answers with long headers; Node's limit is 16 KiB for all of them.
    if location.len() <= LONGEST_LOCATION {
        put(headers, CONTENT_LOCATION, &location);
    }
    let span = (outcome.rows > 0).then(|| (reply.offset, reply.offset + outcome.rows - 1));
    put_range(headers, span, outcome.total);
    match outcome.total {
        Some(total) if reply.offset > total => {
            let error = RestError::Range(RangeError::OutOfBounds { offset: reply.offset, total });
            (StatusCode::RANGE_NOT_SATISFIABLE, error::payload(&error).into())
        }
        Some(total) if outcome.rows < total => (StatusCode::PARTIAL_CONTENT, in_form(outcome.body, reply)),
        Some(_) | None => (StatusCode::OK, in_form(outcome.body, reply)),
    }
}

fn called(outcome: Outcome, reply: &Reply, headers: &mut HeaderMap) -> (StatusCode, Bytes) {
    let span = (outcome.rows > 0).then(|| (reply.offset, reply.offset + outcome.rows - 1));
    put_range(headers, span, outcome.total);
    if outcome.shape == Shape::Nothing {
        return (StatusCode::NO_CONTENT, Bytes::new());
    }
    put_content(headers, reply);
    match outcome.total {
        Some(total) if reply.offset > total => {
            let error = RestError::Range(RangeError::OutOfBounds { offset: reply.offset, total });
            (StatusCode::RANGE_NOT_SATISFIABLE, error::payload(&error).into())
        }
        Some(total) if outcome.rows < total => (StatusCode::PARTIAL_CONTENT, answer_of(outcome, reply)),
        Some(_) | None => (StatusCode::OK, answer_of(outcome, reply)),
    }
}

/// What a function returned: an array, or the one thing in it.
fn answer_of(outcome: Outcome, reply: &Reply) -> Bytes {
    let one = || match outcome.body.len() {
        0..=2 => Bytes::from_static(b"null"),
        length => outcome.body.slice(1..length - 1),
    };
    match (&reply.media, outcome.shape) {
        (Media::Csv | Media::Plan { .. } | Media::Handled { .. }, _)
        | (Media::Json(_) | Media::Object(_), Shape::Rows | Shape::Values) => in_form(outcome.body, reply),
        (Media::Json(Nulls::Kept) | Media::Object(Nulls::Kept), Shape::Row | Shape::Value | Shape::Nothing) => one(),
        (Media::Json(Nulls::Stripped) | Media::Object(Nulls::Stripped), _) => strip_nulls(&one()).into(),
    }
}

fn inserted(outcome: Outcome, reply: &Reply, headers: &mut HeaderMap) -> (StatusCode, Bytes) {
    if !outcome.key.is_empty() {
        let pairs: Vec<String> =
            outcome.key.iter().map(|(column, value)| format!("{}=eq.{}", escaped(column), escaped(value))).collect();
        put(headers, LOCATION, &format!("/{}?{}", escaped(&reply.relation), pairs.join("&")));
    }
    put_range(headers, None, written_total(&outcome, reply));
    let merged = reply.preferences.resolution == Some(Resolution::Merge) && outcome.inserted == 0;
    let status = if merged { StatusCode::OK } else { StatusCode::CREATED };
    (status, representation(outcome.body, reply, headers).unwrap_or_default())
}

fn put_row(outcome: Outcome, reply: &Reply, headers: &mut HeaderMap) -> (StatusCode, Bytes) {
    let status = if outcome.inserted > 0 { StatusCode::CREATED } else { StatusCode::OK };
    match representation(outcome.body, reply, headers) {
        Some(body) => (status, body),
        None => (StatusCode::NO_CONTENT, Bytes::new()),
    }
}

fn changed(outcome: Outcome, reply: &Reply, headers: &mut HeaderMap) -> (StatusCode, Bytes) {
    let span = (reply.verb == Verb::Update && outcome.rows > 0).then(|| (0, outcome.rows - 1));
    put_range(headers, span, written_total(&outcome, reply));
    match representation(outcome.body, reply, headers) {
        Some(body) => (StatusCode::OK, body),
        None => (StatusCode::NO_CONTENT, Bytes::new()),
    }
}

/// The written rows, where they were asked for.
fn representation(body: Bytes, reply: &Reply, headers: &mut HeaderMap) -> Option<Bytes> {
    match reply.preferences.representation {
        Some(Representation::Full) => {
            put_content(headers, reply);
            Some(in_form(body, reply))
        }
        Some(Representation::Minimal | Representation::HeadersOnly) | None => None,
    }
}

fn written_total(outcome: &Outcome, reply: &Reply) -> Option<u64> {
    match reply.preferences.count {
        Some(Count::Exact | Count::Estimated) => Some(outcome.rows),
        Some(Count::Planned) | None => None,
    }
}

/// The array that the engine wrote, or the one object in it.
fn in_form(body: Bytes, reply: &Reply) -> Bytes {
    let nothing = body.is_empty() || body == "[]"[..];
    match reply.media {
        Media::Csv if nothing => Bytes::from_static(b"\n"),
        Media::Json(_) | Media::Object(_) if nothing => Bytes::from_static(b"[]"),
        Media::Json(Nulls::Kept) | Media::Csv | Media::Plan { .. } | Media::Handled { .. } => body,
        Media::Json(Nulls::Stripped) => strip_nulls(&body).into(),
        Media::Object(Nulls::Kept) => body.slice(1..body.len() - 1),
        Media::Object(Nulls::Stripped) => strip_nulls(&body[1..body.len() - 1]).into(),
    }
}

fn put_content(headers: &mut HeaderMap, reply: &Reply) {
    put(headers, CONTENT_TYPE, &reply.media.content_type());
    if let Some(profile) = &reply.profile {
        put(headers, HeaderName::from_static("content-profile"), profile);
    }
}

/// `0-24/3573`; `*` for rows or a total that there are not.
fn put_range(headers: &mut HeaderMap, span: Option<(u64, u64)>, total: Option<u64>) {
    let rows = match span.filter(|_| total != Some(0)) {
        Some((from, to)) => format!("{from}-{to}"),
        None => "*".to_owned(),
    };
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    put(headers, CONTENT_RANGE, &format!("{rows}/{total}"));
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The preferences that made a difference.
fn preferences_applied(reply: &Reply) -> Option<String> {
    let preferences = &reply.preferences;
    let writes = !matches!(reply.verb, Verb::Read | Verb::Call);
    let resolution = preferences.resolution.filter(|_| reply.verb == Verb::Insert && reply.has_key);
    let resolution = resolution.map(|resolution| match resolution {
        Resolution::Merge => "resolution=merge-duplicates",
        Resolution::Ignore => "resolution=ignore-duplicates",
    });
    let takes_rows = matches!(reply.verb, Verb::Insert | Verb::Update);
    let missing = preferences.missing.filter(|_| takes_rows).map(|missing| match missing {
        Missing::Default => "missing=default",
        Missing::Null => "missing=null",
    });
    let representation = preferences.representation.filter(|_| writes).map(|representation| match representation {
        Representation::Full => "return=representation",
        Representation::Minimal => "return=minimal",
        Representation::HeadersOnly => "return=headers-only",
    });
    let count = preferences.count.map(|count| match count {
        Count::Exact => "count=exact",
        Count::Planned => "count=planned",
        Count::Estimated => "count=estimated",
    });
    let handling = preferences.handling.map(|handling| match handling {
        Handling::Strict => "handling=strict",
        Handling::Lenient => "handling=lenient",
    });
    let limited = matches!(reply.verb, Verb::Update | Verb::Delete) && preferences.handling == Some(Handling::Strict);
    let max_affected = preferences.max_affected.filter(|_| limited).map(|most| format!("max-affected={most}"));
    let ending = preferences.ending.map(|ending| match ending {
        Ending::Commit => "tx=commit",
        Ending::Rollback => "tx=rollback",
    });
    let zone = preferences.zone.as_ref().map(|zone| format!("timezone={}", zone.name()));
    let words = [resolution, missing, representation, count, ending, handling].into_iter().flatten().map(str::to_owned);
    let applied: Vec<String> = words.chain(zone).chain(max_affected).collect();
    (!applied.is_empty()).then(|| applied.join(", "))
}

#[cfg(test)]
mod tests;
