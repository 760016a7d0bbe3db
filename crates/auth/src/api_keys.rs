//! API keys in their opaque form: `sb_publishable_…` for anonymous callers, `sb_secret_…` for the service.
//! Both are derived from the JWT secret, so there is one secret to keep and to rotate.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const PUBLISHABLE: &str = "sb_publishable_";
const SECRET: &str = "sb_secret_";

/// The two keys of one secret.
pub struct ApiKeys {
    publishable: String,
    secret: String,
}

/// Who holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Anonymous,
    Service,
}

impl Holder {
    pub fn role(self) -> &'static str {
        match self {
            Self::Anonymous => "anon",
            Self::Service => "service_role",
        }
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ApiKeys(…)")
    }
}

impl ApiKeys {
    pub fn derived_from(secret: &[u8]) -> Self {
        Self { publishable: derive(PUBLISHABLE, secret), secret: derive(SECRET, secret) }
    }

    /// The key that may be published.
    pub fn publishable(&self) -> &str {
        &self.publishable
    }

    /// The key that must not.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn has_their_form(token: &[u8]) -> bool {
        token.starts_with(PUBLISHABLE.as_bytes()) || token.starts_with(SECRET.as_bytes())
    }

    pub(crate) fn holder(&self, token: &[u8]) -> Option<Holder> {
        let is = |key: &str| bool::from(key.as_bytes().ct_eq(token));
        let (anonymous, service) = (is(&self.publishable), is(&self.secret));
        match (anonymous, service) {
            (_, true) => Some(Holder::Service),
            (true, false) => Some(Holder::Anonymous),
            (false, false) => None,
        }
    }
}

fn derive(prefix: &str, secret: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(b"roadbed api key ");
    mac.update(prefix.as_bytes());
    format!("{prefix}{}", &URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())[..31])
}
