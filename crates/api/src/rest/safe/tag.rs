//! Entity tags (RFC 9110, section 8.8.3) of answers with one row, and the conditions that name them (section 13.1).
//!
//! A tag is a digest of the answer's type and bytes: it stands for what this address shows this caller, and a write is
//! tested against what a GET of its own address would show.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    IF_NONE_MATCH,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use roadbed_plan::Outcome;
use sha2::{Digest, Sha256};

use super::super::error::RestError;
use super::super::parse::{self, Media, Nulls, Reply, Wanted};
use super::super::respond;
use super::super::routes::RestSettings;

/// Bytes of a digest that make a tag.
const TAG_BYTES: usize = 16;

/// Puts the tag of `body` on an answer that shows one row.
pub(in super::super) fn put(headers: &mut HeaderMap, body: &[u8]) {
    let mut digest = Sha256::new();
    digest.update(headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes));
    digest.update(b"\n");
    digest.update(body);
    let digest = digest.finalize();
    let tag: String = digest.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        headers.insert(ETAG, tag);
    }
}

/// What `If-Match` and `If-None-Match` demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Conditions {
    matches: Option<Tags>,
    matches_none: Option<Tags>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// Each with whether it is weak.
    These(Vec<(bool, String)>),
}

impl Conditions {
    pub(in super::super) fn of(headers: &HeaderMap) -> Self {
        Self { matches: tags(headers, &IF_MATCH), matches_none: tags(headers, &IF_NONE_MATCH) }
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.matches.is_none() && self.matches_none.is_none()
    }

    /// The answer to a read, or what is told instead of it.
    ///
    /// # Errors
    /// When `If-Match` does not hold.
    pub(in super::super) fn apply(&self, answer: Response<Bytes>, rows: u64) -> Result<Response<Bytes>, RestError> {
        if self.is_empty() || !answer.status().is_success() {
            return Ok(answer);
        }
        let shown: Vec<&HeaderValue> = answer.headers().get(ETAG).into_iter().collect();
        if self.matches.as_ref().is_some_and(|tags| !tags.strongly(&shown, rows)) {
            return Err(RestError::Precondition);
        }
        if self.matches_none.as_ref().is_some_and(|tags| tags.weakly(&shown, rows)) {
            return Ok(not_modified(answer));
        }
        Ok(answer)
    }

    /// Tests a write against what a read of its address gave.
    pub(super) fn test_write(&self, outcome: &Outcome, reply: &Reply) -> Result<(), RestError> {
        let forms = [reply.media.clone(), Media::Json(Nulls::Kept), Media::Object(Nulls::Kept)];
        let shown = forms.map(|media| {
            let reply = Reply { media, ..reply.clone() };
            respond::response(outcome.clone(), &reply).ok()?.headers().get(ETAG).cloned()
        });
        let shown: Vec<&HeaderValue> = shown.iter().flatten().collect();
        let holds = self.matches.as_ref().is_none_or(|tags| tags.strongly(&shown, outcome.rows))
            && self.matches_none.as_ref().is_none_or(|tags| !tags.weakly(&shown, outcome.rows));
        if holds { Ok(()) } else { Err(RestError::Precondition) }
    }
}

impl Tags {
    /// RFC 9110, section 13.1.1; all tags that we give are strong.
    fn strongly(&self, shown: &[&HeaderValue], rows: u64) -> bool {
        match self {
            Self::Any => rows > 0,
            Self::These(tags) => tags.iter().any(|(weak, tag)| !weak && shown.iter().any(|shown| *shown == tag)),
        }
    }

    /// RFC 9110, section 13.1.2.
    fn weakly(&self, shown: &[&HeaderValue], rows: u64) -> bool {
        match self {
            Self::Any => rows > 0,
            Self::These(tags) => tags.iter().any(|(_, tag)| shown.iter().any(|shown| *shown == tag)),
        }
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let mut found: Option<Tags> = None;
    for value in headers.get_all(name) {
        let text = String::from_utf8_lossy(value.as_bytes());
        if text.trim() == "*" {
            return Some(Tags::Any);
        }
        let Tags::These(list) = found.get_or_insert_with(|| Tags::These(Vec::new())) else { continue };
        list.extend(entity_tags(&text));
    }
    found
}

/// `"a", W/"b"`, with their quotes. What is no tag is left out, and matches nothing.
fn entity_tags(text: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('"') {
        let weak = rest[..open].trim_end().ends_with("W/");
        let Some(length) = rest[open + 1..].find('"') else { break };
        let end = open + length + 2;
        found.push((weak, rest[open..end].to_owned()));
        rest = &rest[end..];
    }
    found
}

fn not_modified(answer: Response<Bytes>) -> Response<Bytes> {
    let mut answer = answer.map(|_| Bytes::new());
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_RANGE, ACCEPT_RANGES] {
        answer.headers_mut().remove(name);
    }
    answer
}

/// The GET of a write's address.
///
/// # Errors
/// When it is no address of rows: a POST makes new ones, wherever it is sent.
pub(super) fn read_of(settings: &RestSettings, parts: &Parts) -> Result<Wanted, RestError> {
    if parts.method == Method::POST {
        return Err(RestError::ConditionalPost);
    }
    let mut read = parts.clone();
    read.method = Method::GET;
    for name in ["prefer", "range", "accept-profile"] {
        read.headers.remove(name);
    }
    if let Some(profile) = read.headers.remove("content-profile") {
        read.headers.insert("accept-profile", profile);
    }
    parse::request(settings, &read, Bytes::new())
}

#[cfg(test)]
mod tests {
    use super::entity_tags;

    #[test]
    fn lists_of_tags_are_read() {
        let tag = |weak, text: &str| (weak, text.to_owned());
        assert_eq!(
            entity_tags(r#""a", W/"b",W/"c,d""#),
            [tag(false, "\"a\""), tag(true, "\"b\""), tag(true, "\"c,d\"")]
        );
        assert_eq!(entity_tags(r#"a, "b"#), []);
    }
}
