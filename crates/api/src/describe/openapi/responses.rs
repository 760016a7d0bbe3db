//! Answers and their headers.

use serde_json::{Map, Value as Json, json};

use super::reference;

/// What can be refused, with what it means.
const REFUSALS: [(&str, &str, &str); 12] = [
    ("400", "BadRequest", "The request does not follow the grammar, or a value is not of its type."),
    ("401", "Unauthorized", "The token is not valid, or a token is needed for this."),
    ("403", "Forbidden", "The role has no right to this, or a policy forbids the row."),
    ("404", "NotFound", "There is no such table or function for the role."),
    ("406", "NotAcceptable", "None of the accepted forms can be had, or the result is not exactly one row."),
    ("409", "Conflict", "The row is there already, or is referred to, or refers to nothing."),
    ("412", "PreconditionFailed", "The row has another entity tag."),
    ("413", "TooLarge", "The body is larger than the server allows."),
    ("416", "RangeNotSatisfiable", "The range begins after the last row."),
    ("422", "Unprocessable", "The idempotency key stands for another request."),
    ("503", "Unavailable", "The server cannot answer now; `Retry-After` says when to ask again."),
    ("default", "Failure", "Any other failure."),
];

/// References to the refusals with these statuses, and to the one for all others.
pub(super) fn refusals(statuses: &[&str]) -> impl Iterator<Item = (String, Json)> {
    let wanted = REFUSALS.iter().filter(|(status, ..)| statuses.contains(status) || *status == "default");
    wanted.map(|(status, name, _)| ((*status).to_owned(), reference("responses", name))).collect::<Vec<_>>().into_iter()
}

pub(super) fn shared() -> Json {
    let answer = |(status, name, text): &(&str, &str, &str)| {
        let mut answer = json!({
            "description": text,
            "content": { "application/json": { "schema": reference("schemas", "-error-") } },
        });
        if *status == "503" {
            answer["headers"] = json!({ "Retry-After": reference("headers", "Retry-After") });
        }
        ((*name).to_owned(), answer)
    };
    REFUSALS.iter().map(answer).collect::<Map<_, _>>().into()
}

pub(super) fn headers() -> Json {
    json!({
        "Content-Range": {
            "description": "The rows of the answer and, where it was asked for, of all: `0-24/3573`, `*/0`.",
            "schema": { "type": "string" },
        },
        "ETag": { "description": "The tag of an answer of one row.", "schema": { "type": "string" } },
        "Location": { "description": "Where the new row is.", "schema": { "type": "string" } },
        "Preference-Applied": { "description": "The wishes that were heeded.", "schema": { "type": "string" } },
        "Retry-After": { "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 0 } },
    })
}

/// An answer of rows, in each form that there is.
pub(super) fn rows(description: &str, row: &Json) -> Json {
    json!({
        "description": description,
        "headers": {
            "Content-Range": reference("headers", "Content-Range"),
            "ETag": reference("headers", "ETag"),
            "Preference-Applied": reference("headers", "Preference-Applied"),
        },
        "content": {
            "application/json": { "schema": { "type": "array", "items": row } },
            "application/vnd.pgrst.object+json": { "schema": row },
            "text/csv": { "schema": { "type": "string" } },
        },
    })
}

/// An answer that may be empty.
pub(super) fn done(description: &str, headers: &[&str]) -> Json {
    let headers: Map<String, Json> =
        headers.iter().map(|name| ((*name).to_owned(), reference("headers", name))).collect();
    json!({ "description": description, "headers": headers })
}
