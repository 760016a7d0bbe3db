//! Who asks: a role plus the verified claims.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::observe::Observed;

/// The caller of one request. Made by whoever verified the token, and by nobody else.
#[derive(Clone, Debug)]
pub struct Session {
    pub role: Arc<str>,
    pub claims: Arc<Claims>,
    /// What the request looked like, for policies and functions that ask (`request.method` and friends).
    pub request: Arc<RequestSettings>,
    /// What is noted of the request while it is carried out.
    pub observed: Arc<Observed>,
}

/// Verified claims, parsed and as the JSON text that policies see in `request.jwt.claims`.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    pub map: Map<String, Json>,
    pub text: String,
}

/// The values of `request.method`, `request.path`, `request.headers` and `request.cookies`;
/// the last two are JSON objects as text.
#[derive(Clone, Debug, Default)]
pub struct RequestSettings {
    pub method: String,
    pub path: String,
    pub headers: String,
    pub cookies: String,
}

impl Claims {
    pub fn new(map: Map<String, Json>) -> Self {
        let text = Json::Object(map.clone()).to_string();
        Self { map, text }
    }

    /// A claim that is a string.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.map.get(name).and_then(Json::as_str)
    }
}

impl Session {
    pub fn new(role: impl Into<Arc<str>>, claims: Map<String, Json>) -> Self {
        Self {
            role: role.into(),
            claims: Arc::new(Claims::new(claims)),
            request: Arc::default(),
            observed: Arc::default(),
        }
    }

    /// The caller's id: the `sub` claim, which `auth.uid()` returns as a uuid.
    pub fn subject(&self) -> Option<&str> {
        self.claims.text_of("sub")
    }
}
