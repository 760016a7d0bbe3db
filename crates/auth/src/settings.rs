//! What decides whom a token stands for.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::role_claim::RoleClaim;

/// Where keys come from and how claims are read.
#[derive(Clone, Debug, Default)]
pub struct AuthSettings {
    /// The shared secret of HS256 tokens, or a JSON Web Key or key set as text.
    pub secret: Option<SecretString>,
    /// Whether `secret` is base64.
    pub secret_is_base64: bool,
    /// A PEM public key (RSA, P-256, P-384 or Ed25519), a JSON Web Key, or a key set.
    pub key_file: Option<PathBuf>,
    /// An address that serves a key set.
    pub jwks_url: Option<String>,
    /// What `aud` must hold, when the token has one.
    pub audience: Option<String>,
    pub role_claim: RoleClaim,
    /// How many verified tokens are kept, so that they need not be verified again.
    pub kept_tokens: usize,
    /// Who comes without a token; `None` turns such callers away.
    pub anonymous_role: Option<String>,
}
