//! The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header), whose request and whose caller it stands for.

use http::{HeaderMap, Method};
use roadbed_plan::Session;
use roadbed_plan::transaction::Claim;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use super::super::error::RestError;
use super::Sent;

const HEADER: &str = "idempotency-key";
const LONGEST: usize = 255;

/// Headers that make another request of the same address and body.
const RELEVANT: [&str; 7] =
    ["accept", "accept-profile", "content-profile", "content-type", "if-match", "if-none-match", "prefer"];

/// The key that the request names, if any: a quoted string or a token.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<String>, RestError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("there is more than one"));
    }
    let text = value.to_str().map_err(|_| refused("it has letters beyond ASCII"))?.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest).ok_or_else(|| refused("its quotes do not fit"))?,
        None if text.bytes().all(is_token) => text.to_owned(),
        None => return Err(refused("it is neither a quoted string nor a token")),
    };
    match key.len() {
        0 => Err(refused("it is empty")),
        1..=LONGEST => Ok(Some(key)),
        length => Err(refused(&format!("it has {length} characters; {LONGEST} is the limit"))),
    }
}

fn refused(reason: &str) -> RestError {
    RestError::IdempotencyKey { reason: reason.to_owned() }
}

/// The string whose opening quote was taken off (RFC 9651, section 3.3.3).
fn unquoted(rest: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            character => text.push(character),
        }
    }
}

/// RFC 9651, section 3.3.4, without the rule for the first letter: UUIDs come as they are.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
}

/// What `key` stands for.
pub(super) fn claim(key: String, sent: &Sent<'_>, now: i64, seconds: u64) -> Claim {
    let life = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Claim { caller: caller(sent.session), key, request: request(sent), now, expires_at: now.saturating_add(life) }
}

/// A caller is a role and a subject; a token without one is known by all that it claims, its times aside.
fn caller(session: &Session) -> [u8; 32] {
    let claims = &session.claims.map;
    let identity = match session.subject() {
        Some(subject) => Json::from(vec![claims.get("iss").cloned().unwrap_or_default(), subject.into()]),
        None => {
            const TIMES: [&str; 4] = ["exp", "iat", "jti", "nbf"];
            let lasting = claims.iter().filter(|(name, _)| !TIMES.contains(&name.as_str()));
            let mut lasting: Vec<_> = lasting.map(|(name, value)| (name.clone(), value.clone())).collect();
            lasting.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(Map::from_iter(lasting))
        }
    };
    digest(&[session.role.as_bytes(), identity.to_string().as_bytes()])
}

fn request(sent: &Sent<'_>) -> [u8; 32] {
    let address = sent.parts.uri.path_and_query().map_or("", |address| address.as_str());
    let mut parts: Vec<&[u8]> = vec![sent.parts.method.as_str().as_bytes(), address.as_bytes()];
    for name in RELEVANT {
        for value in sent.parts.headers.get_all(name) {
            parts.extend([name.as_bytes(), value.as_bytes()]);
        }
    }
    // A body is no part of what a DELETE asks.
    if sent.parts.method != Method::DELETE {
        parts.push(sent.body);
    }
    digest(&parts)
}

/// Of the parts with their lengths, so that no two lists are alike.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    fn key(text: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(super::HEADER),
            HeaderValue::from_str(text).unwrap(),
        )]);
        super::of(&headers).ok().flatten()
    }

    #[test]
    fn keys_are_quoted_strings_or_tokens() {
        assert_eq!(key(r#""8e03978e-40d5""#).as_deref(), Some("8e03978e-40d5"));
        assert_eq!(key("8e03978e-40d5").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(key(r#""a \"b\" \\ c""#).as_deref(), Some(r#"a "b" \ c"#));
        for wrong in ["", "\"\"", "\"a", "\"a\"b", "a b", "\"\\a\"", "a,b"] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
        assert_eq!(key(&"a".repeat(255)).map(|key| key.len()), Some(255));
        assert_eq!(key(&"a".repeat(256)), None);
    }
}
