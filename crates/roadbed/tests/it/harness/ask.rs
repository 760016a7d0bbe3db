//! Requests and answers as tests write and read them.

use axum::http::{HeaderMap, Method, Request, header};
use bytes::Bytes;
use roadbed_auth::{ApiKeys, issue};
use serde_json::{Map, Value as Json, json};

use super::SECRET;

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Caller {
    /// No token at all.
    #[default]
    Anonymous,
    /// A token of the role `authenticated` whose `sub` is this.
    User(String),
    /// A token that says just these claims.
    Claims(Map<String, Json>),
}

impl Caller {
    /// User number `n`: `00000000-0000-0000-0000-00000000000n`.
    pub(crate) fn user(n: u64) -> Self {
        Self::User(format!("00000000-0000-0000-0000-{n:012}"))
    }

    /// A token of `role`.
    pub(crate) fn role(role: &str) -> Self {
        Self::Claims(Map::from_iter([("role".to_owned(), role.into())]))
    }

    /// The signed token, if there is one.
    pub(crate) fn token(&self) -> Option<String> {
        let claims = match self {
            Self::Anonymous => return None,
            Self::User(id) => Map::from_iter([
                ("role".to_owned(), "authenticated".into()),
                ("sub".to_owned(), id.as_str().into()),
                ("email".to_owned(), json!(format!("{}@example.com", id.trim_start_matches(['0', '-'])))),
            ]),
            Self::Claims(claims) => claims.clone(),
        };
        Some(issue(&claims, SECRET.as_bytes()).expect("a map of claims can be signed"))
    }
}

/// The API keys of every world.
pub(crate) fn api_keys() -> ApiKeys {
    ApiKeys::derived_from(SECRET.as_bytes())
}

/// A request. The path is below `/rest/v1`, unless it begins with `//`, which stands for the root.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) caller: Caller,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), caller: Caller::default(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::new(Method::POST, path) }
    }

    pub(crate) fn by(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As it goes over the wire. What a URL cannot hold is percent-encoded; a body without a type is JSON.
    pub(crate) fn request(&self) -> Request<Bytes> {
        let path = escaped(&self.path);
        let uri = path.strip_prefix('/').filter(|root| root.starts_with('/')).map(str::to_owned);
        let uri = uri.unwrap_or_else(|| format!("/rest/v1{path}"));
        let mut request = Request::builder().method(self.method.clone()).uri(uri);
        if let Some(token) = self.caller.token() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !self.body.is_empty() && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_bytes());
        }
        request.body(self.body.clone()).unwrap_or_else(|error| panic!("`{}`: {error}", self.path))
    }
}

/// Percent-encodes what would end or break a URL; `%` itself is left to the writer.
fn escaped(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'!' | b'$'..=b';' | b'=' | b'?'..=b'_' | b'a'..=b'z' | b'~' if !br#"\^"#.contains(&byte) => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("answers are UTF-8")
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are text"))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}
