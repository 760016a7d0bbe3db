//! The REST dialect: PostgREST 16's grammar, answers and errors.
//! A request becomes a `Query`, the one door runs it, and its outcome becomes a response.
//! Knows no SQL, no permission and no engine.

pub mod error;
mod parse;
mod respond;
mod routes;
mod safe;

pub use error::{Caller, RestError, TokenError};
pub use routes::{Rest, RestSettings, routes};
pub use safe::SafeLimits;
