//! The HTTP status of each SQLSTATE, as PostgREST's table has it, but for what a caller alone can bring about: that is
//! never a fault of the server. Too complex a request is 400, a deadlock 409, a statement that takes too long 504.
//! Policies that read each other in a circle (42P17) are the schema's fault: 500, as in PostgREST.

use http::StatusCode;
use roadbed_plan::DatabaseError;

use super::Caller;

pub(super) fn of_database(error: &DatabaseError, caller: Caller) -> StatusCode {
    of_code(error, caller).unwrap_or_else(|| of_class(&error.sqlstate))
}

/// Codes whose status differs from that of their class.
fn of_code(error: &DatabaseError, caller: Caller) -> Option<StatusCode> {
    let message = error.message.as_str();
    Some(match error.sqlstate.as_ref() {
        "23503" | "23505" => StatusCode::CONFLICT,
        "25006" => StatusCode::METHOD_NOT_ALLOWED,
        // PostgREST says 500 to the first; but the caller's own rows brought it about.
        "21000" if message.starts_with("ON CONFLICT DO UPDATE") || message.ends_with("requires a WHERE clause") => {
            StatusCode::BAD_REQUEST
        }
        "22023" if message.starts_with("role") && message.ends_with("does not exist") => StatusCode::UNAUTHORIZED,
        "21000" | "42P17" | "53400" => StatusCode::INTERNAL_SERVER_ERROR,
        // PostgREST says 500; but the relation is there, and takes no such method.
        "55000" if message.starts_with("cannot ") && message.contains(" view ") => StatusCode::METHOD_NOT_ALLOWED,
        "57P01" => StatusCode::SERVICE_UNAVAILABLE,
        "57014" => StatusCode::GATEWAY_TIMEOUT,
        "P0001" => StatusCode::BAD_REQUEST,
        "42883" if message.starts_with("function xmlagg(") => StatusCode::NOT_ACCEPTABLE,
        "42883" | "42P01" => StatusCode::NOT_FOUND,
        "42501" => match caller {
            Caller::Anonymous => StatusCode::UNAUTHORIZED,
            Caller::Known => StatusCode::FORBIDDEN,
        },
        code => return raised(code),
    })
}

/// `PT402` and the like: the status that a function raised.
fn raised(code: &str) -> Option<StatusCode> {
    let status = code.strip_prefix("PT")?;
    Some(status.parse().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

fn of_class(code: &str) -> StatusCode {
    match code.get(..2).unwrap_or_default() {
        "08" | "53" => StatusCode::SERVICE_UNAVAILABLE,
        "0L" | "0P" | "28" => StatusCode::FORBIDDEN,
        "40" => StatusCode::CONFLICT,
        "09" | "25" | "2D" | "38" | "39" | "3B" | "55" | "57" | "58" | "F0" | "HV" | "P0" | "XX" => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    }
}
