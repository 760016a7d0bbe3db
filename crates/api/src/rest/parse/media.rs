//! Which form the answer takes, by the `Accept` header; and which form the body has.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::super::error::RestError;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Media {
    /// An array of objects.
    Json,
    /// The one row as an object.
    Object,
}

impl Media {
    pub(in super::super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Object => "application/vnd.pgrst.object+json; charset=utf-8",
        }
    }
}

/// The first of the accepted forms, by quality, that there is.
pub(super) fn accepted(headers: &HeaderMap) -> Result<Media, RestError> {
    let mut wishes: Vec<(f32, String)> = Vec::new();
    for header in headers.get_all(ACCEPT) {
        for wish in String::from_utf8_lossy(header.as_bytes()).split(',') {
            let wish: String = wish.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
            if !wish.is_empty() {
                wishes.push(quality(&wish));
            }
        }
    }
    if wishes.is_empty() {
        return Ok(Media::Json);
    }
    wishes.sort_by(|a, b| b.0.total_cmp(&a.0));
    wishes
        .iter()
        .find_map(|(_, wish)| media(wish))
        .ok_or_else(|| RestError::MediaType { accepted: wishes.into_iter().map(|(_, wish)| wish).collect() })
}

/// The quality of a wish, and the wish without it.
fn quality(wish: &str) -> (f32, String) {
    let mut quality = 1.0;
    let mut kept = Vec::new();
    for part in wish.split(';') {
        match part.strip_prefix("q=") {
            Some(number) => quality = number.parse().unwrap_or(1.0),
            None => kept.push(part),
        }
    }
    (quality, kept.join(";"))
}

fn media(wish: &str) -> Option<Media> {
    let (name, parameters) = wish.split_once(';').unwrap_or((wish, ""));
    match name {
        "*/*" | "application/json" => Some(Media::Json),
        "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" if parameters != "nulls=stripped" => {
            Some(Media::Json)
        }
        "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" if parameters != "nulls=stripped" => {
            Some(Media::Object)
        }
        _ => None,
    }
}

/// The media type of the body, less its parameters; empty when the request does not say.
pub(super) fn of_body(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|header| String::from_utf8_lossy(header.as_bytes()).into_owned());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses bodies that are not JSON.
pub(in super::super) fn check_body(headers: &HeaderMap) -> Result<(), RestError> {
    let Some(header) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let value = String::from_utf8_lossy(header.as_bytes());
    let name = value.split(';').next().unwrap_or_default().trim();
    let json = ["application/json", "application/vnd.pgrst.array+json", "application/vnd.pgrst.array"];
    if name.is_empty() || json.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(RestError::Body { reason: format!("Content-Type not acceptable: {name}") })
}
