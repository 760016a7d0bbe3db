use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use roadbed_plan::Clock;
use secrecy::SecretString;
use serde_json::{Value as Json, json};

use super::{ApiKeys, AuthError, AuthSettings, Authenticator, issue};

const SECRET: &str = "a secret of at least thirty-two bytes";
const NOW: i64 = 1_700_000_000;

fn authenticator() -> Authenticator {
    let settings = AuthSettings {
        secret: Some(SecretString::from(SECRET)),
        audience: Some("shop".into()),
        anonymous_role: Some("anon".into()),
        ..AuthSettings::default()
    };
    Authenticator::new(settings, Clock::manual(NOW)).unwrap()
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
}

fn token(claims: &Json) -> String {
    issue(claims.as_object().unwrap(), SECRET.as_bytes()).unwrap()
}

fn role_of(claims: &Json) -> Result<String, AuthError> {
    let headers = headers("authorization", &format!("Bearer {}", token(claims)));
    authenticator().session(&headers).map(|session| session.role.to_string())
}

#[test]
fn a_token_gives_its_role_and_claims() {
    let headers = headers("authorization", &format!("bearer {}", token(&json!({"role": "editor", "sub": "7"}))));
    let session = authenticator().session(&headers).unwrap();
    assert_eq!((&*session.role, session.subject()), ("editor", Some("7")));
}

#[test]
fn a_token_without_a_role_is_anonymous() {
    assert_eq!(role_of(&json!({"sub": "7"})).unwrap(), "anon");
}

#[test]
fn times_are_checked_with_thirty_seconds_of_patience() {
    assert_eq!(role_of(&json!({"exp": NOW - 30})).unwrap(), "anon");
    assert_eq!(role_of(&json!({"exp": NOW - 31})), Err(AuthError::Expired));
    assert_eq!(role_of(&json!({"nbf": NOW + 30})).unwrap(), "anon");
    assert_eq!(role_of(&json!({"nbf": NOW + 31})), Err(AuthError::NotYetValid));
    assert_eq!(role_of(&json!({"iat": NOW + 31})), Err(AuthError::IssuedInFuture));
    assert_eq!(role_of(&json!({"exp": "soon"})), Err(AuthError::NotANumber { claim: "exp" }));
}

#[test]
fn the_audience_must_fit_when_there_is_one() {
    assert_eq!(role_of(&json!({"aud": "shop"})).unwrap(), "anon");
    assert_eq!(role_of(&json!({"aud": ["bank", "shop"]})).unwrap(), "anon");
    assert_eq!(role_of(&json!({"aud": []})).unwrap(), "anon");
    assert_eq!(role_of(&json!({"aud": "bank"})), Err(AuthError::Audience));
    assert_eq!(role_of(&json!({"aud": 7})), Err(AuthError::AudienceForm));
}

#[test]
fn forged_tokens_are_refused() {
    let refused = |token: &str| {
        authenticator().session(&headers("authorization", &format!("Bearer {token}"))).map(|session| session.role)
    };
    let good = token(&json!({"role": "service_role"}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert_eq!(refused(&format!("{signed}.")), Err(AuthError::Signature));
    assert_eq!(refused(signed), Err(AuthError::Malformed { parts: 2 }));
    assert_eq!(refused(""), Err(AuthError::EmptyToken));
    // {"alg":"none"} with {"role":"service_role"}
    assert_eq!(refused("eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0."), Err(AuthError::Unsigned));
    let other = jsonwebtoken::encode(
        &Header::new(Algorithm::HS384),
        &json!({"role": "service_role"}),
        &EncodingKey::from_secret(SECRET.as_bytes()),
    );
    assert_eq!(refused(&other.unwrap()), Err(AuthError::NoKey));
    let demanding = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let demanding = jsonwebtoken::encode(&demanding, &json!({"role": "service_role"}), &key);
    assert_eq!(refused(&demanding.unwrap()), Err(AuthError::Critical));
}

#[test]
fn api_keys_of_both_forms_give_their_roles() {
    let keys = ApiKeys::derived_from(SECRET.as_bytes());
    let role =
        |name, value: &str| authenticator().session(&headers(name, value)).map(|session| session.role.to_string());
    assert_eq!(role("apikey", keys.publishable()).unwrap(), "anon");
    assert_eq!(role("apikey", keys.secret()).unwrap(), "service_role");
    assert_eq!(role("authorization", &format!("Bearer {}", keys.secret())).unwrap(), "service_role");
    assert_eq!(role("apikey", &token(&json!({"role": "service_role"}))).unwrap(), "service_role");
    assert_eq!(role("apikey", "sb_secret_guessed"), Err(AuthError::UnknownApiKey));
    assert!(!format!("{keys:?}").contains("sb_"));
}

#[test]
fn a_bearer_token_goes_before_the_api_key() {
    let mut headers = headers("apikey", ApiKeys::derived_from(SECRET.as_bytes()).secret());
    let bearer = format!("Bearer {}", token(&json!({"role": "authenticated"})));
    headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
    assert_eq!(&*authenticator().session(&headers).unwrap().role, "authenticated");
}

#[test]
fn a_short_secret_is_refused() {
    let settings = AuthSettings { secret: Some(SecretString::from("short")), ..AuthSettings::default() };
    let error = Authenticator::new(settings, Clock::System).unwrap_err();
    assert!(error.to_string().contains("5 bytes"), "{error}");
}

#[test]
fn a_json_web_key_in_the_secrets_place_gives_no_api_keys() {
    let key = r#"{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}"#;
    let settings = AuthSettings { secret: Some(SecretString::from(key)), ..AuthSettings::default() };
    let authenticator = Authenticator::new(settings, Clock::System).unwrap();
    assert_eq!(authenticator.publishable_key(), None);
    let derived = ApiKeys::derived_from(key.as_bytes());
    let refused = authenticator.session(&headers("apikey", derived.secret())).unwrap_err();
    assert_eq!(refused, AuthError::UnknownApiKey);
}

#[test]
fn the_publishable_key_is_worth_no_more_than_coming_without_a_token() {
    let secret = "a secret of thirty-two bytes or more";
    let derived = ApiKeys::derived_from(secret.as_bytes());
    for anonymous_role in [None, Some("visitor".to_owned())] {
        let secret = Some(SecretString::from(secret));
        let settings = AuthSettings { secret, anonymous_role: anonymous_role.clone(), ..AuthSettings::default() };
        let authenticator = Authenticator::new(settings, Clock::System).unwrap();
        let session = authenticator.session(&headers("apikey", derived.publishable()));
        assert_eq!(session.ok().map(|session| session.role.to_string()), anonymous_role);
    }
}

fn jwk(fields: &Json) -> Result<Authenticator, crate::KeyError> {
    let secret = Some(SecretString::from(fields.to_string()));
    Authenticator::new(AuthSettings { secret, ..AuthSettings::default() }, Clock::manual(NOW))
}

#[test]
fn a_key_is_for_the_algorithm_that_it_names_and_no_other() {
    use base64::Engine as _;
    let secret = [7; 64];
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
    let signed = |algorithm| {
        let key = EncodingKey::from_secret(&secret);
        let token = jsonwebtoken::encode(&Header::new(algorithm), &json!({"role": "editor"}), &key).unwrap();
        headers("authorization", &format!("Bearer {token}"))
    };
    let algorithms = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    for named in algorithms {
        let authenticator = jwk(&json!({"kty": "oct", "k": encoded, "alg": format!("{named:?}")})).unwrap();
        for used in algorithms {
            let role = authenticator.session(&signed(used)).map(|session| session.role.to_string());
            let expected = if used == named { Ok("editor".to_owned()) } else { Err(AuthError::NoKey) };
            assert_eq!(role, expected, "{used:?} by a key for {named:?}");
        }
    }
    for (alg, k) in [("HS512", &encoded[..43]), ("HS384", &encoded[..43]), ("RS256", &encoded), ("ES256", &encoded)] {
        let refused = jwk(&json!({"kty": "oct", "k": k, "alg": alg})).unwrap_err().to_string();
        assert!(refused.contains(alg), "{refused}");
    }
}

#[test]
fn verified_tokens_are_kept_and_their_times_are_not() {
    let clock = Clock::manual(NOW);
    let secret = || Some(SecretString::from(SECRET));
    let settings = AuthSettings { secret: secret(), kept_tokens: 2, ..AuthSettings::default() };
    let authenticator = Authenticator::new(settings, clock.clone()).unwrap();
    let of = |role: &str| headers("authorization", &format!("Bearer {}", token(&json!({"role": role, "exp": NOW}))));
    let tokens = ["a", "b", "c"].map(of);
    let claims = |headers: &HeaderMap| authenticator.session(headers).map(|session| session.claims);
    let first = claims(&tokens[0]).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &claims(&tokens[0]).unwrap()), "the same session is given again");
    claims(&tokens[1]).unwrap();
    claims(&tokens[2]).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&first, &claims(&tokens[0]).unwrap()), "two others have taken its place");
    clock.advance(31);
    for headers in &tokens {
        assert_eq!(claims(headers).unwrap_err(), AuthError::Expired);
    }
    let none = AuthSettings { secret: secret(), kept_tokens: 0, ..AuthSettings::default() };
    let authenticator = Authenticator::new(none, Clock::manual(NOW)).unwrap();
    let (one, other) = (authenticator.session(&tokens[0]).unwrap(), authenticator.session(&tokens[0]).unwrap());
    assert!(!std::sync::Arc::ptr_eq(&one.claims, &other.claims), "nothing is kept");
}
