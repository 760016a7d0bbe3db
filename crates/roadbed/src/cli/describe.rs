//! `roadbed openapi`, `roadbed types` and `roadbed postman`: the API as other programs take it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use miette::IntoDiagnostic;
use roadbed_api::describe::{Api, collection, environment, openapi, python, typescript};
use roadbed_auth::issue;
use roadbed_plan::Schema;
use roadbed_plan::planner::Viewer;
use secrecy::ExposeSecret;
use serde_json::{Map, Value as Json, json};

use super::{Common, keys, report};
use crate::assemble::{api_place, connect};
use crate::config::Settings;

/// The user whom a collection's token is for, where its role is that of users.
const USER: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Debug, Args)]
pub(super) struct OpenApi {
    #[command(flatten)]
    common: Common,
    /// What this role may reach; without it, everything that is exposed
    #[arg(long)]
    role: Option<String>,
    /// The exposed schema, where that is not the first
    #[arg(long)]
    schema: Option<String>,
    /// On one line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Types {
    #[command(subcommand)]
    language: Language,
}

#[derive(Debug, Subcommand)]
enum Language {
    /// The type `Database` that supabase-js and postgrest-js take
    Typescript(OfTypes),
    /// A `TypedDict` for the rows, inserts and updates of each table
    Python(OfTypes),
}

#[derive(Debug, Args)]
struct OfTypes {
    #[command(flatten)]
    common: Common,
    /// What this role may reach; without it, everything that is exposed
    #[arg(long)]
    role: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Postman {
    #[command(flatten)]
    common: Common,
    /// Whose requests and whose key
    #[arg(long, default_value = "anon")]
    role: String,
    /// Where to write roadbed.postman_collection.json and roadbed.postman_environment.json
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    output: PathBuf,
    /// Print both as {"collection": …, "environment": …} and write nothing
    #[arg(long)]
    json: bool,
}

pub(super) async fn run_openapi(asked: &OpenApi) -> miette::Result<()> {
    let settings = asked.common.settings_and_logs()?;
    let schema = schema(&settings).await?;
    let document = openapi(&api(&settings, &schema, (asked.schema.as_deref(), asked.role.as_deref()))?);
    match asked.json {
        true => report::line(document),
        false => report::line(format!("{document:#}")),
    }
    Ok(())
}

pub(super) async fn run_types(types: &Types) -> miette::Result<()> {
    let (asked, write): (&OfTypes, fn(&[Api]) -> String) = match &types.language {
        Language::Typescript(asked) => (asked, typescript),
        Language::Python(asked) => (asked, python),
    };
    let settings = asked.common.settings_and_logs()?;
    let schema = schema(&settings).await?;
    let role = asked.role.as_deref();
    let apis = settings.rest.schemas.iter().map(|of| api(&settings, &schema, (Some(of), role)));
    let apis = apis.collect::<miette::Result<Vec<Api>>>()?;
    report::line(write(&apis).trim_end());
    Ok(())
}

pub(super) async fn run_postman(asked: &Postman) -> miette::Result<()> {
    let settings = asked.common.settings_and_logs()?;
    let schema = schema(&settings).await?;
    let collection = collection(&api(&settings, &schema, (None, Some(&asked.role)))?);
    let environment = environment(&settings.url(), &key_of(&settings, &asked.role)?);
    if asked.json {
        report::line(json!({ "collection": collection, "environment": environment }));
        return Ok(());
    }
    for (name, document) in [("collection", collection), ("environment", environment)] {
        write(&asked.output.join(format!("roadbed.postman_{name}.json")), &document)?;
    }
    Ok(())
}

fn write(file: &Path, document: &Json) -> miette::Result<()> {
    std::fs::write(file, format!("{document:#}\n")).into_diagnostic()?;
    report::line(format!("wrote {}", file.display()));
    Ok(())
}

/// The schema of the folder's database.
async fn schema(settings: &Settings) -> miette::Result<Arc<Schema>> {
    let engine = connect(settings).map_err(report::start)?;
    let schema = engine.schema().await;
    let applied = engine.applied().await;
    engine.close().await;
    let mut schema = schema.map_err(|error| report::migration(&error))?;
    if schema.relations.is_empty() && applied.is_ok_and(|applied| applied.is_empty()) {
        return Err(miette::miette!(
            help = "apply the migrations with `roadbed migrate up`, or serve the folder with `roadbed dev`",
            "the database has no tables"
        ));
    }
    schema.trace_views();
    Ok(Arc::new(schema))
}

fn api(settings: &Settings, schema: &Arc<Schema>, (of, role): (Option<&str>, Option<&str>)) -> miette::Result<Api> {
    let first = settings.rest.schemas.first().map_or("public", String::as_str);
    let viewer = role.map_or(Viewer::Everyone, Viewer::Role);
    Api::new(Arc::clone(schema), of.unwrap_or(first), viewer, api_place(settings)).into_diagnostic()
}

/// The key that makes a caller this role: one of the folder's two, or a token.
fn key_of(settings: &Settings, role: &str) -> miette::Result<String> {
    let issued = keys::issued(settings)?;
    if role == settings.rest.anon_role {
        return Ok(issued.opaque.publishable().to_owned());
    }
    if role == "service_role" {
        return Ok(issued.opaque.secret().to_owned());
    }
    let secret = crate::secret::jwt_secret(settings).into_diagnostic()?;
    let secret = secret.ok_or_else(|| miette::miette!("there is no secret to make a key from"))?;
    let claims = [("role", role), ("sub", USER)].map(|(name, value)| (name.to_owned(), Json::from(value)));
    let claims = Map::from_iter(claims);
    issue(&claims, secret.expose_secret().as_bytes()).into_diagnostic()
}
