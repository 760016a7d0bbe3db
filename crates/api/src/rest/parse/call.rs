//! Calls of functions: `/rpc/{function}`. Which parameters are arguments goes by their values: what begins with an
//! operator is a filter.

use axum::body::Bytes;
use http::Method;
use http::request::Parts;
use roadbed_plan::query::{Arguments, Call, Query, Target, WholeBody};

use super::super::error::RestError;
use super::super::settings::RestSettings;
use super::{Asked, Offer, Reply, Verb, Wanted, address, body, csv, filter, media, preferences, rows_wanted, schema};

/// Understands a call to which nothing special is offered.
pub(in super::super) fn request(settings: &RestSettings, parts: &Parts, body: Bytes) -> Result<Wanted, RestError> {
    request_with(settings, parts, body, |_, _| Offer::default())
}

/// Understands a call; `offer` says what else than the usual forms of answers there is for these arguments.
pub(in super::super) fn request_with(
    settings: &RestSettings,
    parts: &Parts,
    body: Bytes,
    offer: impl FnOnce(&Target, &Arguments) -> Offer,
) -> Result<Wanted, RestError> {
    let (schema, profile) = schema(settings, parts);
    let posted = match parts.method {
        Method::GET | Method::HEAD | Method::OPTIONS => false,
        Method::POST => true,
        _ => return Err(RestError::CallMethod { method: parts.method.clone() }),
    };
    let all = address::parameters(parts.uri.query().unwrap_or_default())?;
    let (given, parameters): (Vec<_>, Vec<_>) =
        if posted { (Vec::new(), all) } else { all.into_iter().partition(is_argument) };
    let asked = Asked::of(&parameters)?;
    let range = parts.headers.get("range").filter(|_| parts.method == Method::GET);
    let page = asked.spans.top(range.and_then(|value| value.to_str().ok()))?;
    let name = address::relation(parts.uri.path())?;
    let mut preferences = preferences::preferences(&parts.headers)?;
    if !settings.tx_end.may_be_chosen() {
        preferences.ending = None;
    }
    let arguments = match posted {
        true => posted_arguments(parts, body, asked.columns.clone())?,
        false => Arguments::Texts {
            pairs: given.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect(),
            posted: false,
        },
    };
    let target = Target { schema, name: name.clone() };
    let media = media::accepted(&parts.headers, &asked.fitting(offer(&target, &arguments)))?;
    let rows_wanted = rows_wanted(Verb::Call, &media, &preferences);
    let offset = page.offset;
    let count = preferences.count;
    let reply = Reply {
        verb: Verb::Call,
        relation: name,
        canonical: String::new(),
        offset,
        media,
        has_key: true,
        profile,
        preferences,
        rows_wanted,
    };
    let (mut selection, filter) = asked.selection(page)?;
    selection.filter = filter;
    let query = Query::Call(Call { target, arguments, read_only: !posted, selection, count, rows: rows_wanted });
    Ok(Wanted { query, reply })
}

/// Whether a parameter of a query string is an argument: its name is no word of the grammar and no place in an embed,
/// and its value is no test.
fn is_argument((key, value): &(String, Option<String>)) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    let reserved = matches!(key.as_str(), "select" | "columns" | "on_conflict")
        || matches!(last, "order" | "limit" | "offset" | "and" | "or");
    value.as_ref().is_some_and(|value| !reserved && !filter::is_test(value))
}

fn posted_arguments(parts: &Parts, content: Bytes, columns: Option<Vec<String>>) -> Result<Arguments, RestError> {
    let whole = |kind| Ok(Arguments::Whole { body: content.clone(), kind });
    match media::name_of_body(&parts.headers).as_str() {
        "text/plain" => whole(WholeBody::Text),
        "text/xml" => whole(WholeBody::Xml),
        "application/octet-stream" => whole(WholeBody::Bytes),
        "application/x-www-form-urlencoded" => {
            let text = String::from_utf8_lossy(&content);
            let pairs = address::parameters(&text)?;
            let pairs = pairs.into_iter().map(|(key, value)| (key, value.unwrap_or_default()));
            Ok(Arguments::Texts { pairs: pairs.collect(), posted: true })
        }
        _ => {
            if media::of_body(&parts.headers)? == media::BodyForm::Csv {
                return Ok(Arguments::Json(body::rows(csv::csv_to_json(&content)?, columns)?));
            }
            let content = if content.is_empty() { Bytes::from_static(b"{}") } else { content };
            Ok(Arguments::Json(body::rows(content, columns)?))
        }
    }
}
