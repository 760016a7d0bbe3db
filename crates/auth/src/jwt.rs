//! JSON Web Tokens: verified with the keys there are, checked by claims, issued for API keys.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde_json::{Map, Value as Json};

use crate::error::{AuthError, KeyError};
use crate::settings::AuthSettings;

/// How far clocks may differ, in seconds; PostgREST's value.
const SKEW: i64 = 30;

/// The keys that verify tokens.
#[derive(Default)]
pub(crate) struct KeyRing(Vec<VerifyingKey>);

struct VerifyingKey {
    id: Option<String>,
    /// The only algorithm that the key is for.
    algorithm: Algorithm,
    key: DecodingKey,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeyRing({} keys)", self.0.len())
    }
}

impl KeyRing {
    /// The keys of the settings themselves.
    pub(crate) fn local(settings: &AuthSettings) -> Result<Self, KeyError> {
        let mut ring = Self::default();
        if let Some(secret) = &settings.secret {
            ring.add_secret(secret.expose_secret(), settings.secret_is_base64)?;
        }
        if let Some(path) = &settings.key_file {
            let place = path.display().to_string();
            let text =
                std::fs::read_to_string(path).map_err(|source| KeyError::File { path: place.clone(), source })?;
            ring.add_public(&text, &place)?;
        }
        Ok(ring)
    }

    /// With the keys of a published set. What cannot be used is left out, and so are shared secrets: everybody
    /// who can read the set could sign with them.
    pub(crate) fn with(mut self, set: &JwkSet) -> Self {
        let keys = set.keys.iter().filter(|key| is_for_signatures(key)).filter_map(|key| verifying_key(key).ok());
        self.0.extend(keys.filter(|key| key.key.family() != AlgorithmFamily::Hmac));
        self
    }

    /// Whether a published set that is newer than this ring may have the key that `token` needs.
    pub(crate) fn misses_key_of(&self, token: &[u8]) -> bool {
        let Ok(header) = header(token) else { return false };
        let knows = |id: &String| self.0.iter().any(|key| key.id.as_ref() == Some(id));
        header.alg.family() != AlgorithmFamily::Hmac
            && (self.candidates(&header).next().is_none() || header.kid.is_some_and(|id| !knows(&id)))
    }

    fn add_secret(&mut self, secret: &str, is_base64: bool) -> Result<(), KeyError> {
        if is_json_key(secret) {
            return self.add_public(secret, "jwt.secret");
        }
        let bytes = if is_base64 {
            STANDARD.decode(secret.trim().replace('-', "+").replace('_', "/")).map_err(|_| KeyError::Base64)?
        } else {
            secret.as_bytes().to_vec()
        };
        if bytes.len() < 32 {
            return Err(KeyError::ShortSecret { bytes: bytes.len() });
        }
        let key = DecodingKey::from_secret(&bytes);
        self.0.push(VerifyingKey { id: None, algorithm: Algorithm::HS256, key });
        Ok(())
    }

    fn add_public(&mut self, text: &str, place: &str) -> Result<(), KeyError> {
        let form = |reason: String| KeyError::Form { place: place.to_owned(), reason };
        if text.trim_start().starts_with('{') {
            let set = serde_json::from_str::<JwkSet>(text)
                .or_else(|_| serde_json::from_str::<Jwk>(text).map(|key| JwkSet { keys: vec![key] }))
                .map_err(|error| form(error.to_string()))?;
            for key in set.keys.iter().filter(|key| is_for_signatures(key)) {
                self.0.push(verifying_key(key).map_err(form)?);
            }
            return Ok(());
        }
        let key = DecodingKey::from_rsa_pem(text.as_bytes())
            .or_else(|_| DecodingKey::from_ec_pem(text.as_bytes()))
            .or_else(|_| DecodingKey::from_ed_pem(text.as_bytes()))
            .map_err(|error| form(error.to_string()))?;
        let algorithm = usual_algorithm(&key).ok_or_else(|| form("its curve is not known".to_owned()))?;
        self.0.push(VerifyingKey { id: None, algorithm, key });
        Ok(())
    }

    /// The claims of a token whose signature one of the keys confirms. Times and audience are not looked at.
    pub(crate) fn verify(&self, token: &[u8]) -> Result<Map<String, Json>, AuthError> {
        if token.is_empty() {
            return Err(AuthError::EmptyToken);
        }
        let parts = token.split(|byte| *byte == b'.').count();
        if parts != 3 {
            return Err(AuthError::Malformed { parts });
        }
        let header = header(token)?;
        let mut outcome = Err(AuthError::NoKey);
        for candidate in self.candidates(&header) {
            match decode(token, &candidate.key, header.alg) {
                Ok(claims) => return Ok(claims),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// The keys for the token's algorithm; a key that has an id is meant only by that id.
    fn candidates<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a VerifyingKey> {
        let named = |key: &VerifyingKey| header.kid.is_none() || key.id.is_none() || key.id == header.kid;
        self.0.iter().filter(move |key| {
            // A key's algorithm is always one of its family.
            key.algorithm == header.alg && named(key)
        })
    }
}

/// Whether the text of a secret is a JSON Web Key or a set of them.
pub(crate) fn is_json_key(secret: &str) -> bool {
    secret.trim_start().starts_with('{')
}

/// A token's header. What RFC 7515, section 4.1.11, calls critical must be understood, and none of it is.
fn header(token: &[u8]) -> Result<Header, AuthError> {
    let encoded = token.split(|byte| *byte == b'.').next().unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| AuthError::Header)?;
    let fields: Map<String, Json> = serde_json::from_slice(&bytes).map_err(|_| AuthError::Header)?;
    if fields.get("alg").and_then(Json::as_str) == Some("none") {
        return Err(AuthError::Unsigned);
    }
    if fields.contains_key("crit") {
        return Err(AuthError::Critical);
    }
    jsonwebtoken::decode_header(token).map_err(|_| AuthError::Header)
}

/// The key of `jwk`, for the algorithm that it names, or else for the one that keys of its kind are for.
fn verifying_key(jwk: &Jwk) -> Result<VerifyingKey, String> {
    let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
    let usual = usual_algorithm(&key).ok_or("its curve is not known")?;
    let algorithm = match jwk.common.key_algorithm {
        None => usual,
        Some(named) => named.to_string().parse().map_err(|_| format!("no signature is made by `{named}`"))?,
    };
    let fits = match algorithm.family() {
        // RFC 7518, section 3.2: at least as long as the hash.
        AlgorithmFamily::Hmac => key.try_get_as_bytes().is_ok_and(|secret| secret.len() >= hash_bytes(algorithm)),
        AlgorithmFamily::Rsa => key.family() == AlgorithmFamily::Rsa,
        AlgorithmFamily::Ec | AlgorithmFamily::Ed => algorithm == usual,
    };
    if !fits || key.family() != algorithm.family() {
        return Err(format!("its algorithm `{algorithm:?}` does not go with its kind or length"));
    }
    Ok(VerifyingKey { id: jwk.common.key_id.clone(), algorithm, key })
}

/// What a key is for that does not say so; on curves there is no other.
fn usual_algorithm(key: &DecodingKey) -> Option<Algorithm> {
    match key.family() {
        AlgorithmFamily::Hmac => Some(Algorithm::HS256),
        AlgorithmFamily::Rsa => Some(Algorithm::RS256),
        AlgorithmFamily::Ed => Some(Algorithm::EdDSA),
        // A point of the curve, uncompressed: a byte and its two coordinates.
        AlgorithmFamily::Ec => match key.try_get_as_bytes().ok()?.len() {
            65 => Some(Algorithm::ES256),
            97 => Some(Algorithm::ES384),
            _ => None,
        },
    }
}

fn hash_bytes(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS512 => 64,
        Algorithm::HS384 => 48,
        _ => 32,
    }
}

/// RFC 7517, section 4.2: a key may be for encryption alone.
fn is_for_signatures(jwk: &Jwk) -> bool {
    jwk.common.public_key_use.as_ref().is_none_or(|meant| *meant == PublicKeyUse::Signature)
}

fn decode(token: &[u8], key: &DecodingKey, algorithm: Algorithm) -> Result<Map<String, Json>, AuthError> {
    use jsonwebtoken::errors::ErrorKind;
    let mut validation = Validation::new(algorithm);
    // Times and audience are checked by `check_times` and `check_audience`, with our clock and PostgREST's words.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    match jsonwebtoken::decode::<Map<String, Json>>(token, key, &validation) {
        Ok(data) => Ok(data.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => AuthError::Claims,
            _ => AuthError::Signature,
        }),
    }
}

/// RFC 7519, sections 4.1.4 to 4.1.6; `now` in seconds since the Unix epoch.
pub(crate) fn check_times(claims: &Map<String, Json>, now: i64) -> Result<(), AuthError> {
    if number(claims, "exp")?.is_some_and(|expires| expires < now - SKEW) {
        return Err(AuthError::Expired);
    }
    if number(claims, "nbf")?.is_some_and(|not_before| not_before > now + SKEW) {
        return Err(AuthError::NotYetValid);
    }
    if number(claims, "iat")?.is_some_and(|issued| issued > now + SKEW) {
        return Err(AuthError::IssuedInFuture);
    }
    Ok(())
}

fn number(claims: &Map<String, Json>, claim: &'static str) -> Result<Option<i64>, AuthError> {
    match claims.get(claim) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Number(number)) => {
            // A fraction of a second is within the skew; what no i64 holds is beyond any clock.
            let seconds = number.as_f64().ok_or(AuthError::NotANumber { claim })?;
            #[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is wanted")]
            Ok(Some(seconds as i64))
        }
        Some(_) => Err(AuthError::NotANumber { claim }),
    }
}

/// RFC 7519, section 4.1.3.
pub(crate) fn check_audience(claims: &Map<String, Json>, expected: Option<&str>) -> Result<(), AuthError> {
    let fits = |audience: &str| expected.is_none_or(|expected| expected == audience);
    match claims.get("aud") {
        None | Some(Json::Null) => Ok(()),
        Some(Json::String(audience)) if fits(audience) => Ok(()),
        Some(Json::Array(list)) => {
            let texts: Option<Vec<&str>> = list.iter().map(Json::as_str).collect();
            let texts = texts.ok_or(AuthError::AudienceForm)?;
            if texts.is_empty() || texts.into_iter().any(fits) { Ok(()) } else { Err(AuthError::Audience) }
        }
        Some(Json::String(_)) => Err(AuthError::Audience),
        Some(_) => Err(AuthError::AudienceForm),
    }
}

/// An HS256 token that says `claims`.
///
/// # Errors
/// When the library cannot sign.
pub fn issue(claims: &Map<String, Json>, secret: &[u8]) -> Result<String, KeyError> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
        .map_err(|error| KeyError::Sign { reason: error.to_string() })
}
