//! Keys: whether the secret is long enough, key files can be read, and a key set can be fetched.

use roadbed_auth::{Authenticator, KeyError};
use roadbed_plan::Clock;

use super::Finding;
use crate::assemble::auth_settings;
use crate::config::Settings;

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let jwt = &settings.jwt;
    let has_keys = jwt.secret.is_some() || jwt.key_file.is_some() || jwt.jwks_url.is_some();
    // Reading the folder's own secret would make it.
    if !has_keys && !settings.private_folder().join("secret").exists() {
        return vec![Finding::doubtful(
            "keys",
            "there is no secret yet; one is made when the folder is first served",
            "where several servers serve the same data, set `ROADBED_JWT_SECRET` to the same 32 bytes or more on each",
        )];
    }
    let made = auth_settings(settings).map_err(|error| error.to_string());
    let made = made.map(|auth| Authenticator::new(auth, Clock::System));
    let authenticator = match made {
        Ok(Ok(authenticator)) => authenticator,
        Ok(Err(error)) => return vec![Finding::bad("keys", error.to_string(), advice(&error))],
        Err(error) => return vec![Finding::bad("keys", error, "see docs/settings.md, `jwt`")],
    };
    if jwt.jwks_url.is_none() {
        return vec![Finding::good("keys", "they can be read")];
    }
    vec![match authenticator.refresh().await {
        Ok(()) => Finding::good("keys", "the key set can be fetched"),
        Err(error) => Finding::bad("keys", without_address(&error), advice(&error)),
    }]
}

/// An address may hold a password.
fn without_address(error: &KeyError) -> String {
    match error {
        KeyError::Fetch { .. } => "the key set behind `jwt.jwks-url` cannot be fetched".to_owned(),
        other => other.to_string(),
    }
}

fn advice(error: &KeyError) -> &'static str {
    match error {
        KeyError::File { .. } => "give `jwt.key-file` a file that the server's user may read",
        KeyError::Form { .. } => "put a PEM public key, a JSON Web Key or a key set there",
        KeyError::ShortSecret { .. } => "make a longer one, for instance with `openssl rand -base64 48`",
        KeyError::Base64 => "leave `jwt.secret-is-base64` out, or encode the secret",
        KeyError::Fetch { .. } => "try the address with curl from this machine; tokens signed by its keys are refused",
        KeyError::Sign { .. } => "see docs/settings.md, `jwt`",
    }
}
