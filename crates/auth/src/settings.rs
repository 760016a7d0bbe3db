//! What decides whom a token stands for.

use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::{Map, Value as Json};

/// Where keys come from and how claims are read.
#[derive(Clone, Debug, Default)]
pub struct AuthSettings {
    /// The shared secret of HS256 tokens, or a JSON Web Key or key set as text.
    pub secret: Option<SecretString>,
    /// Whether `secret` is base64.
    pub secret_is_base64: bool,
    /// A PEM public key (RSA or P-256), a JSON Web Key, or a key set.
    pub key_file: Option<PathBuf>,
    /// An address that serves a key set.
    pub jwks_url: Option<String>,
    /// What `aud` must hold, when the token has one.
    pub audience: Option<String>,
    pub role_claim: RoleClaim,
    /// Who comes without a token; `None` turns such callers away.
    pub anonymous_role: Option<String>,
}

/// The way to the role inside the claims, such as `.role` or `.app_metadata.roles[0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleClaim(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Default for RoleClaim {
    fn default() -> Self {
        Self(vec![Step::Key("role".into())])
    }
}

impl RoleClaim {
    /// Reads `.a.b[0]` and `."a key".b`; the leading `$` of RFC 9535 may stand before it.
    ///
    /// # Errors
    /// With what was expected, where the text is not such a path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = next_step(rest)
                .ok_or_else(|| format!("`{text}` is not a path; expected something like `.role` or `.a.\"b c\"[0]`"))?;
            steps.push(step);
            rest = after;
        }
        if steps.is_empty() {
            Err("the path is empty; expected something like `.role`".into())
        } else {
            Ok(Self(steps))
        }
    }

    /// The role that `claims` name.
    pub fn find(&self, claims: &Map<String, Json>) -> Option<String> {
        let (first, rest) = self.0.split_first()?;
        let Step::Key(key) = first else { return None };
        let mut place = claims.get(key)?;
        for step in rest {
            place = match step {
                Step::Key(key) => place.get(key)?,
                Step::Index(index) => place.get(index)?,
            };
        }
        place.as_str().map(str::to_owned)
    }
}

fn next_step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let quoted = inside.strip_prefix('\'').and_then(|key| key.strip_suffix('\''));
        let step = match quoted {
            Some(key) => Step::Key(key.to_owned()),
            None => Step::Index(inside.parse().ok()?),
        };
        return Some((step, after));
    }
    let rest = text.strip_prefix('.')?;
    if let Some(quoted) = rest.strip_prefix('"') {
        let (key, after) = quoted.split_once('"')?;
        return Some((Step::Key(key.to_owned()), after));
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    (end > 0).then(|| (Step::Key(rest[..end].to_owned()), &rest[end..]))
}
