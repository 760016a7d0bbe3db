//! Why somebody is not who they claim to be, as facts.

/// Why a request has no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("the token is empty")]
    EmptyToken,
    #[error("a token has 3 parts, this one {parts}")]
    Malformed { parts: usize },
    #[error("no key fits the token")]
    NoKey,
    #[error("the token has no signature")]
    Unsigned,
    #[error("the token's header cannot be read")]
    Header,
    #[error("the token's header demands extensions (`crit`), of which none is understood")]
    Critical,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token's claims cannot be read")]
    Claims,
    #[error("the claim `{claim}` is not a number")]
    NotANumber { claim: &'static str },
    #[error("the claim `aud` is neither text nor a list of texts")]
    AudienceForm,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token was issued in the future")]
    IssuedInFuture,
    #[error("the token is for somebody else")]
    Audience,
    #[error("no anonymous access")]
    TokenRequired,
    #[error("the API key is not known")]
    UnknownApiKey,
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read the key file `{path}`: {source}")]
    File { path: String, source: std::io::Error },
    #[error("`{place}` holds neither a PEM public key nor a JSON Web Key: {reason}")]
    Form { place: String, reason: String },
    #[error("the JWT secret has {bytes} bytes; HS256 needs 32 at least (RFC 7518, section 3.2)")]
    ShortSecret { bytes: usize },
    #[error("the JWT secret is not base64, though `secret-is-base64` says so")]
    Base64,
    #[error("cannot fetch keys from `{url}`: {reason}")]
    Fetch { url: String, reason: String },
    #[error("cannot sign: {reason}")]
    Sign { reason: String },
}
