//! `roadbed keys`.

use clap::Args;
use miette::IntoDiagnostic;
use roadbed_auth::{ApiKeys, issue};
use secrecy::ExposeSecret;
use serde_json::{Map, Value as Json};

use super::{Common, report};
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(flatten)]
    common: Common,
    /// As JSON: anon, service_role, publishable, secret, url
    #[arg(long)]
    json: bool,
}

/// The keys of a folder, in both forms.
pub(super) struct Issued {
    /// JSON Web Tokens.
    pub(super) anon: String,
    pub(super) service_role: String,
    pub(super) opaque: ApiKeys,
}

pub(super) fn run(keys: &Keys) -> miette::Result<()> {
    let settings = keys.common.settings()?;
    let issued = issued(&settings)?;
    let url = settings.url();
    let rows = [
        ("anon", issued.anon.as_str()),
        ("service_role", &issued.service_role),
        ("publishable", issued.opaque.publishable()),
        ("secret", issued.opaque.secret()),
        ("url", &url),
    ];
    if keys.json {
        let map: Map<String, Json> = rows.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        report::line(Json::Object(map));
    } else {
        rows.iter().for_each(|(name, value)| report::line(format!("{name:13} {value}")));
    }
    Ok(())
}

/// # Errors
/// When the folder has no secret to sign with.
pub(super) fn issued(settings: &Settings) -> miette::Result<Issued> {
    let secret = crate::secret::jwt_secret(settings).into_diagnostic()?;
    let Some(secret) = secret else {
        return Err(miette::miette!(
            help = "set `jwt.secret` beside `jwt.key-file` or `jwt.jwks-url` to have keys of Roadbed's own",
            "there is no secret to make keys from"
        ));
    };
    let bytes = secret.expose_secret().as_bytes();
    let token = |role: &str| {
        let claims = [("iss", "roadbed"), ("role", role)].map(|(name, value)| (name.to_owned(), Json::from(value)));
        issue(&Map::from_iter(claims), bytes).into_diagnostic()
    };
    Ok(Issued { anon: token("anon")?, service_role: token("service_role")?, opaque: ApiKeys::derived_from(bytes) })
}
