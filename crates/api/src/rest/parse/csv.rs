//! Bodies that are no JSON, made into it: CSV (RFC 4180) becomes an array of objects, a form one object.
//! All values are strings, which the types of the columns read; in CSV the word `NULL` is null.

use axum::body::Bytes;
use serde_json::{Map, Value as Json};

use super::super::error::RestError;
use super::address;

/// The array of objects that the lines of a CSV text are; the first has their keys.
pub(super) fn csv_to_json(text: &[u8]) -> Result<Bytes, RestError> {
    let text = std::str::from_utf8(text).map_err(|_| body("The CSV is not UTF-8"))?;
    let mut lines = Lines { rest: text.trim_start_matches('\u{feff}') };
    let header = lines.next_line()?.ok_or_else(|| body("The CSV has no header line"))?;
    let mut rows = Vec::new();
    while let Some(fields) = lines.next_line()? {
        if fields.len() != header.len() {
            return Err(body("All lines must have same number of fields"));
        }
        let value = |text: String| if text == "NULL" { Json::Null } else { Json::String(text) };
        rows.push(Json::Object(header.iter().cloned().zip(fields.into_iter().map(value)).collect()));
    }
    Ok(Json::Array(rows).to_string().into())
}

/// The object that the pairs of a form are; of two with one key the last counts.
pub(super) fn form_to_json(text: &[u8]) -> Result<Bytes, RestError> {
    let text = std::str::from_utf8(text).map_err(|_| body("The form is not UTF-8"))?;
    let pairs = address::parameters(text.trim_end_matches(['\r', '\n']))?;
    let object: Map<String, Json> =
        pairs.into_iter().map(|(key, value)| (key, Json::String(value.unwrap_or_default()))).collect();
    Ok(Json::Object(object).to_string().into())
}

fn body(reason: &str) -> RestError {
    RestError::Body { reason: reason.to_owned() }
}

struct Lines<'t> {
    rest: &'t str,
}

impl Lines<'_> {
    /// The fields of the next line that is not empty; a quoted field may go on over several.
    fn next_line(&mut self) -> Result<Option<Vec<String>>, RestError> {
        self.rest = self.rest.trim_start_matches(['\r', '\n']);
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut fields = Vec::new();
        loop {
            fields.push(self.field()?);
            let mut following = self.rest.chars();
            match following.next() {
                Some(',') => self.rest = following.as_str(),
                Some('\r' | '\n') | None => return Ok(Some(fields)),
                Some(_) => return Err(body("A quoted field of the CSV goes on behind its quote")),
            }
        }
    }

    fn field(&mut self) -> Result<String, RestError> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\r', '\n']).unwrap_or(self.rest.len());
            let (field, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Ok(field.to_owned());
        };
        let mut field = String::new();
        let mut rest = quoted;
        loop {
            let end = rest.find('"').ok_or_else(|| body("A quoted field of the CSV has no end"))?;
            field.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        self.rest = rest;
        Ok(field)
    }
}
