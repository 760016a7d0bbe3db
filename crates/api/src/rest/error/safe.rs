//! How refusals of safe writes read. PostgREST has no codes for them; ours say the status.

use http::StatusCode;
use roadbed_plan::EngineError;

use super::{Answer, RestError};

pub(super) fn answer(error: &RestError) -> Answer {
    use StatusCode as S;
    let message = match error {
        RestError::AnswerTooLarge { limit } => {
            let message = "The answer is too large to be kept, or for a batch; nothing was written";
            return Answer::new(S::PAYLOAD_TOO_LARGE, "RB413", message)
                .details(format!("{limit} bytes are the limit"))
                .hint("Ask for less: Prefer: return=minimal, or fewer columns in select.".to_owned());
        }
        RestError::Precondition => {
            return Answer::new(
                S::PRECONDITION_FAILED,
                "RB412",
                "The condition of If-Match or If-None-Match does not hold",
            )
            .hint("Read the address again: its rows have changed, or are not what the condition says.".to_owned());
        }
        RestError::ConditionalPost => {
            return Answer::new(S::BAD_REQUEST, "RB400", "If-Match and If-None-Match cannot be tested for a POST")
                .hint("Use PUT, PATCH or DELETE, or POST without them.".to_owned());
        }
        RestError::Reference { text, reason } => {
            let message = format!("The reference {text:?} of a step cannot be used");
            return Answer::new(S::BAD_REQUEST, "RB400", message).details(reason.as_str());
        }
        RestError::IdempotencyKey { reason } => reason,
        _ => "",
    };
    Answer::new(S::BAD_REQUEST, "RB400", "The Idempotency-Key header cannot be used").details(message)
}

/// What engines say of keys.
pub(super) fn key(error: &EngineError) -> Answer {
    use StatusCode as S;
    match error {
        EngineError::KeyInUse { .. } => {
            Answer::new(S::CONFLICT, "RB409", "A request with this Idempotency-Key is still running")
                .hint("Send it again later: its answer will have been kept.".to_owned())
        }
        EngineError::NoKeys { help } => {
            Answer::new(S::BAD_REQUEST, "RB400", "This database cannot keep answers under keys yet").hint(help.clone())
        }
        _ => Answer::new(S::UNPROCESSABLE_ENTITY, "RB422", "This Idempotency-Key was used for another request")
            .hint("Use a new key for each new request; send a repeated one as it was.".to_owned()),
    }
}
