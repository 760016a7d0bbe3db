//! Whether two answers are the same as far as a caller can rely on.

use serde_json::Value as Json;

use super::request::Request;
use crate::harness::Answer;

pub(super) enum Verdict {
    Same,
    Different(&'static str),
}

pub(super) fn judge(request: &Request, ours: &Answer, truth: &Answer) -> Verdict {
    if ours.status >= 400 && truth.status >= 400 {
        return judge_errors(request, ours, truth);
    }
    if ours.status != truth.status {
        let same = touches_nothing(request, ours, truth) || reads_nothing(request, ours, truth);
        return if same { Verdict::Same } else { Verdict::Different("status") };
    }
    if ours.header("content-range") != truth.header("content-range") {
        return Verdict::Different("content-range");
    }
    if ours.header("location") != truth.header("location") {
        return Verdict::Different("location");
    }
    // The arrays of a spread hold the rows' values in any order.
    let spreads = request.asks("...");
    let normal = |answer: &Answer| {
        let mut rows = rows(answer.text(), request.ordered);
        if spreads {
            sort_arrays(&mut rows, request.ordered);
        }
        rows
    };
    if normal(ours) == normal(truth) { Verdict::Same } else { Verdict::Different("rows") }
}

/// A body that does not fit its columns, in an update that finds no row: whether PostgreSQL reads the body first
/// hangs on its plan (docs/portability.md).
fn touches_nothing(request: &Request, ours: &Answer, truth: &Answer) -> bool {
    let refuses_body = |answer: &Answer| {
        let code = error(answer)["code"].as_str().unwrap_or_default().to_owned();
        answer.status >= 400 && (code.starts_with("22") || code == "23514" || code == "23502")
    };
    request.method == "PATCH"
        && ((finds_nothing(ours) && (refuses_body(truth) || finds_nothing(truth)))
            || (refuses_body(ours) && finds_nothing(truth)))
}

/// Where PostgreSQL's plan sees that there can be no row, it neither calls a function nor asks for the rights of a spread
/// (docs/portability.md).
fn reads_nothing(request: &Request, ours: &Answer, truth: &Answer) -> bool {
    let code = error_code(ours);
    // A HEAD has no code.
    let has_no_right = code == "42501" || (request.method == "HEAD" && matches!(ours.status, 401 | 403));
    let is_refused = match request.calls() {
        true => code.starts_with("22") || code == "23514" || has_no_right || request.method == "HEAD",
        false => has_no_right && request.asks("..."),
    };
    is_refused && finds_nothing(truth)
}

fn finds_nothing(answer: &Answer) -> bool {
    matches!(answer.header("content-range"), Some("*/*" | "*/0"))
        || (answer.status == 406 && error(answer)["details"] == "The result contains 0 rows")
}

fn judge_errors(request: &Request, ours: &Answer, truth: &Answer) -> Verdict {
    if touches_nothing(request, ours, truth) || reads_nothing(request, ours, truth) {
        return Verdict::Same;
    }
    let code = |answer: &Answer| error(answer)["code"].as_str().unwrap_or_default().to_owned();
    let (our_code, true_code) = (code(ours), code(truth));
    // Of several rows at fault, which one is met first is the engine's own.
    let by_rows = |code: &str| code.starts_with("23") || code == "42501" || code.starts_with("22");
    if request.many_rows && request.method != "GET" && by_rows(&our_code) && by_rows(&true_code) {
        return Verdict::Same;
    }
    // Two rights are missing, one of them that to a spread.
    if our_code == "42501" && true_code == "42501" && request.asks("...") {
        return Verdict::Same;
    }
    // PostgreSQL asks the domain of a text that is an argument as it reads it, before any right.
    if request.calls() && our_code == "42501" && true_code == "23514" {
        return Verdict::Same;
    }
    // PostgreSQL plans the body before it sees that nothing may be written.
    if request.calls() && our_code == "25006" && true_code == "42P17" {
        return Verdict::Same;
    }
    if our_code != true_code {
        return Verdict::Different("code");
    }
    if ours.status != truth.status {
        return Verdict::Different("status");
    }
    if wording(ours) == wording(truth) { Verdict::Same } else { Verdict::Different("wording") }
}

/// What must be said alike. Which of several tables is denied, or has policies in a circle, and the values of a row reached through a cascade are
/// the engine's own; a number such as `1e400` in a body is quoted with all its digits by PostgreSQL alone.
fn wording(answer: &Answer) -> Json {
    let mut error = error(answer);
    let message = error.get("message").and_then(Json::as_str).unwrap_or_default().to_owned();
    let is_of_one_table = ["permission denied for ", "infinite recursion detected in policy for "];
    if is_of_one_table.iter().any(|begin| message.starts_with(begin)) || message.contains(" is out of range for type ")
    {
        error["message"] = Json::Null;
    }
    if error.get("details").and_then(Json::as_str).is_some_and(|details| details.contains("is still referenced")) {
        error["details"] = Json::Null;
    }
    error
}

/// The code that an error tells, or else the status.
pub(super) fn error_code(answer: &Answer) -> String {
    error(answer)["code"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned)
}

/// What an error says; nothing in the answer to a HEAD, or where rows came as CSV.
fn error(answer: &Answer) -> Json {
    serde_json::from_slice(&answer.body).unwrap_or(Json::Null)
}

/// The body with the rows of unordered answers and of all embeds sorted.
fn rows(body: &str, ordered: bool) -> Json {
    let mut json = serde_json::from_str(body).unwrap_or_else(|_| body.split('\n').map(csv_line).collect());
    match &mut json {
        Json::Array(rows) => {
            rows.iter_mut().for_each(sort_embeds);
            if !ordered {
                rows.sort_by_key(Json::to_string);
            }
        }
        one => sort_embeds(one),
    }
    json
}

/// What is not JSON is CSV. In a line with embeds their rows may stand in any order.
fn csv_line(line: &str) -> Json {
    if !line.contains("\"\"") {
        return line.into();
    }
    let mut parts: Vec<&str> = line.split([',', '[', ']', '{', '}']).collect();
    parts.sort_unstable();
    parts.into()
}

fn sort_arrays(json: &mut Json, ordered: bool) {
    match json {
        Json::Array(items) => {
            items.iter_mut().for_each(|item| sort_arrays(item, false));
            if !ordered {
                items.sort_by_key(Json::to_string);
            }
        }
        Json::Object(members) => members.values_mut().for_each(|value| sort_arrays(value, false)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn sort_embeds(row: &mut Json) {
    let Json::Object(members) = row else { return };
    for value in members.values_mut() {
        match value {
            Json::Array(rows) if rows.iter().all(Json::is_object) => {
                rows.iter_mut().for_each(sort_embeds);
                rows.sort_by_key(Json::to_string);
            }
            other => sort_embeds(other),
        }
    }
}
