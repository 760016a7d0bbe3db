//! Who you are: tokens and API keys become a session. Knows nothing of data or of how errors look on the wire.

mod api_keys;
mod error;
mod jwks;
mod jwt;
mod kept_tokens;
mod role_claim;
mod settings;

use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use roadbed_plan::{Clock, Session};
use secrecy::ExposeSecret;
use serde_json::{Map, Value as Json};
use tokio::sync::Mutex;

pub use api_keys::{ApiKeys, Holder};
pub use error::{AuthError, KeyError};
pub use jwt::issue;
pub use role_claim::RoleClaim;
pub use settings::AuthSettings;

use jwt::KeyRing;
use kept_tokens::KeptTokens;

/// The least time between two fetches that tokens with unknown keys cause.
const FETCH_PAUSE: Duration = Duration::from_secs(10);

/// Makes sessions out of requests' headers.
#[derive(Debug)]
pub struct Authenticator {
    keys: ArcSwap<Keys>,
    api_keys: Option<ApiKeys>,
    settings: AuthSettings,
    clock: Clock,
    /// When keys were last fetched, in seconds since the Unix epoch; locked while they are.
    fetched: Mutex<Option<i64>>,
}

/// Keys, and the tokens that they have verified.
#[derive(Debug)]
struct Keys {
    ring: KeyRing,
    verified: KeptTokens,
}

impl Keys {
    fn new(ring: KeyRing, settings: &AuthSettings) -> Self {
        Self { ring, verified: KeptTokens::new(settings.kept_tokens) }
    }
}

impl Authenticator {
    /// # Errors
    /// When a key cannot be read. Keys behind a URL come with the first [`Authenticator::refresh`].
    pub fn new(settings: AuthSettings, clock: Clock) -> Result<Self, KeyError> {
        let keys = ArcSwap::from_pointee(Keys::new(KeyRing::local(&settings)?, &settings));
        // A JSON Web Key in the secret's place may be a public one, from which anybody could derive the keys.
        let secret =
            settings.secret.as_ref().map(|secret| secret.expose_secret()).filter(|text| !jwt::is_json_key(text));
        let api_keys = secret.map(|secret| ApiKeys::derived_from(secret.as_bytes()));
        Ok(Self { keys, api_keys, settings, clock, fetched: Mutex::default() })
    }

    /// The API key that pages carry in public: it makes its bearer anonymous, no more.
    pub fn publishable_key(&self) -> Option<&str> {
        self.api_keys.as_ref().map(ApiKeys::publishable)
    }

    /// As [`Authenticator::session`], after a look for new keys where a token names one that is not known: whoever
    /// publishes keys may change them at any time.
    ///
    /// # Errors
    /// As [`Authenticator::session`].
    pub async fn session_with_new_keys(&self, headers: &HeaderMap) -> Result<Session, AuthError> {
        let session = self.session(headers);
        let is_about_keys = matches!(session, Err(AuthError::NoKey | AuthError::Signature));
        match token_of(headers) {
            Some(token) if is_about_keys && self.settings.jwks_url.is_some() => {
                self.look_for_key_of(token).await;
                self.session(headers)
            }
            Some(_) | None => session,
        }
    }

    /// One caller fetches; those who come meanwhile wait for what it brings.
    async fn look_for_key_of(&self, token: &[u8]) {
        let mut fetched = self.fetched.lock().await;
        let pause = i64::try_from(FETCH_PAUSE.as_secs()).unwrap_or(i64::MAX);
        let is_early = fetched.is_some_and(|last| self.clock.unix_seconds() < last.saturating_add(pause));
        if is_early || !self.keys.load().ring.misses_key_of(token) {
            return;
        }
        if let Err(error) = self.fetch().await {
            tracing::warn!(%error, "a token names a key that is not known, and the old keys stay");
        }
        *fetched = Some(self.clock.unix_seconds());
    }

    /// The caller that `headers` prove.
    ///
    /// A bearer token decides; without one the `apikey` header does; without either the caller is anonymous.
    ///
    /// # Errors
    /// When a token or key is not valid, or nobody may be anonymous.
    pub fn session(&self, headers: &HeaderMap) -> Result<Session, AuthError> {
        match token_of(headers) {
            Some(token) => self.session_of(token),
            None => self.anonymous(),
        }
    }

    fn session_of(&self, token: &[u8]) -> Result<Session, AuthError> {
        if ApiKeys::has_their_form(token) {
            let holder = self.api_keys.as_ref().and_then(|keys| keys.holder(token));
            return match holder {
                Some(Holder::Anonymous) => self.anonymous(),
                Some(Holder::Service) => Ok(role_session(Holder::Service.role())),
                None => Err(AuthError::UnknownApiKey),
            };
        }
        let keys = self.keys.load();
        let name = keys.verified.name_of(token);
        if let Some(session) = name.as_ref().and_then(|name| keys.verified.find(name)) {
            self.check(&session.claims.map)?;
            return Ok(session);
        }
        let mut claims = keys.ring.verify(token)?;
        self.check(&claims)?;
        let all = Json::Object(std::mem::take(&mut claims));
        let role = match self.settings.role_claim.find(&all) {
            Some(role) => role,
            None => self.settings.anonymous_role.clone().ok_or(AuthError::TokenRequired)?,
        };
        if let Json::Object(all) = all {
            claims = all;
        }
        claims.insert("role".into(), Json::String(role.clone()));
        let session = Session::new(role, claims);
        if let Some(name) = name {
            keys.verified.keep(name, session.clone());
        }
        Ok(session)
    }

    /// What must hold each time that a token comes.
    fn check(&self, claims: &Map<String, Json>) -> Result<(), AuthError> {
        jwt::check_times(claims, self.clock.unix_seconds())?;
        jwt::check_audience(claims, self.settings.audience.as_deref())
    }

    fn anonymous(&self) -> Result<Session, AuthError> {
        self.settings.anonymous_role.as_deref().map(role_session).ok_or(AuthError::TokenRequired)
    }

    /// Fetches the keys behind the configured URL, if there is one. The old ones stay when it fails.
    ///
    /// # Errors
    /// When the address does not answer with a key set.
    pub async fn refresh(&self) -> Result<(), KeyError> {
        let mut fetched = self.fetched.lock().await;
        let outcome = self.fetch().await;
        *fetched = Some(self.clock.unix_seconds());
        outcome
    }

    async fn fetch(&self) -> Result<(), KeyError> {
        let Some(url) = &self.settings.jwks_url else { return Ok(()) };
        let fetched = jwks::fetch(url).await?;
        let ring = KeyRing::local(&self.settings)?.with(&fetched);
        self.keys.store(Keys::new(ring, &self.settings).into());
        Ok(())
    }
}

/// The bearer token, or else the API key.
fn token_of(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| bearer_token(value.as_bytes()));
    bearer.or_else(|| headers.get("apikey").map(|value| value.as_bytes()))
}

fn role_session(role: &str) -> Session {
    Session::new(role, Map::from_iter([("role".to_owned(), Json::String(role.to_owned()))]))
}

/// The token of `Bearer <token>`, whose scheme is read without regard to case (RFC 9110, section 11.1).
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(6)?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && token.first().is_none_or(|byte| *byte == b' ');
    is_bearer.then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests;
