//! The address: the relation's name and the parameters of the query string.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::super::error::RestError;

/// All but letters, digits and `-_.~` is escaped in addresses that we write.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parameters in their order; those without `=` have no value.
pub(super) fn parameters(query: &str) -> Result<Vec<(String, Option<String>)>, RestError> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => Ok((decoded(key)?, Some(decoded(value)?))),
            None => Ok((decoded(pair)?, None)),
        })
        .collect()
}

/// The name in the last segment of a path.
pub(super) fn relation(path: &str) -> Result<String, RestError> {
    let segment = path.rsplit('/').next().unwrap_or(path);
    text(percent_decode(segment.as_bytes()).into())
}

/// The parameters sorted by key, for `Content-Location`.
pub(super) fn canonical(parameters: &[(String, Option<String>)]) -> String {
    let mut sorted: Vec<_> = parameters.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let pairs: Vec<String> = sorted
        .into_iter()
        .map(|(key, value)| format!("{}={}", escaped(key), escaped(value.as_deref().unwrap_or_default())))
        .collect();
    pairs.join("&")
}

pub(crate) fn escaped(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, ESCAPED)
}

fn decoded(part: &str) -> Result<String, RestError> {
    let spaced: Cow<'_, str> = if part.contains('+') { part.replace('+', " ").into() } else { part.into() };
    text(percent_decode(spaced.as_bytes()).into())
}

/// Text that a database can hold: UTF-8 without NUL.
fn text(bytes: Cow<'_, [u8]>) -> Result<String, RestError> {
    let invalid = |bytes: &[u8]| {
        let shown: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
        RestError::database("22021", format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")))
    };
    let text = String::from_utf8(bytes.into_owned()).map_err(|error| {
        let (start, length) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len().unwrap_or(1));
        invalid(&error.as_bytes()[start..start + length])
    })?;
    if text.contains('\0') { Err(invalid(&[0])) } else { Ok(text) }
}
