//! `roadbed dev`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use notify::Watcher;
use roadbed_plan::planner::may_read;
use roadbed_plan::{Engine, Schema};

use super::{Common, db, keys, migrate, report, serve};
use crate::assemble::{Server, connect};
use crate::config::Settings;

pub(super) async fn run(common: &Common) -> miette::Result<()> {
    let settings = common.settings_and_logs()?;
    let engine = connect(&settings).map_err(report::start)?;
    let is_new = engine.applied().await.map_err(|error| report::migration(&error))?.is_empty();
    let applied = migrate::up(&settings, &*engine).await?;
    let seeded = is_new && db::seed(&settings, &*engine).await?;
    let _watch = watch(&settings, &engine);
    let mut shown = settings.clone();
    let summary = format!("{} migrations applied{}", applied.len(), if seeded { ", seed loaded" } else { "" });
    let ready = move |server: &Server, address: SocketAddr| {
        // Port 0 asks for any free one.
        if shown.server.listen.ends_with(":0") {
            shown.server.listen = address.to_string();
        }
        welcome(&shown, server, &summary)
    };
    serve::until_signal(settings, engine, ready).await
}

fn welcome(settings: &Settings, server: &Server, summary: &str) -> miette::Result<()> {
    let url = settings.url();
    let issued = keys::issued(settings)?;
    report::line(format!("Roadbed serves `{}`; stop with Ctrl-C.\n", settings.folder.display()));
    report::line(format!("  API              {url}/rest/v1"));
    if settings.server.docs_enabled {
        report::line(format!("  described        {url}/docs"));
    }
    if settings.public_folder().is_dir() {
        report::line(format!("  page             {url}/"));
    }
    report::line(format!("  database         {} ({summary})", without_password(&settings.database_url())));
    report::line(format!("  publishable key  {}", issued.opaque.publishable()));
    report::line(format!("  secret key       {}\n", issued.opaque.secret()));
    report::line(format!("  {}\n", curl(&url, &server.database.schema(), settings, &issued)));
    Ok(())
}

/// The address of a database, to be shown.
fn without_password(url: &str) -> String {
    let parts = url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    match parts {
        Some((scheme, (login, place))) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{place}")
        }
        None => url.to_owned(),
    }
}

/// A line that works: a table that anonymous callers may read, or any, with the key that may.
fn curl(url: &str, schema: &Schema, settings: &Settings, issued: &keys::Issued) -> String {
    let Some(exposed) = settings.rest.schemas.first() else { return format!("curl '{url}/healthz'") };
    let names: Vec<_> = schema.relations.values().filter(|r| r.schema == *exposed).map(|r| r.name.as_str()).collect();
    let open = names.iter().find(|name| may_read(schema, "anon", exposed, name));
    match (open, names.first()) {
        (Some(name), _) => format!("curl '{url}/rest/v1/{name}?limit=3' -H 'apikey: {}'", issued.opaque.publishable()),
        (None, Some(name)) => format!("curl '{url}/rest/v1/{name}?limit=3' -H 'apikey: {}'", issued.opaque.secret()),
        (None, None) => format!("curl '{url}/healthz'"),
    }
}

/// Applies migrations as they are written. What cannot be applied is reported, and tried again when it changes.
fn watch(settings: &Settings, engine: &Arc<dyn Engine>) -> Option<notify::RecommendedWatcher> {
    let (changed, mut changes) = tokio::sync::mpsc::channel::<()>(1);
    let mut watcher = notify::recommended_watcher(move |_| {
        // A full channel has a wake-up in it already.
        let _ = changed.try_send(());
    })
    .ok()?;
    if let Err(error) = watcher.watch(&settings.migrations_folder(), notify::RecursiveMode::NonRecursive) {
        tracing::warn!(%error, "migrations are not watched");
        return None;
    }
    let (settings, engine) = (settings.clone(), engine.clone());
    tokio::spawn(async move {
        while changes.recv().await.is_some() {
            // Editors write a file in several steps.
            tokio::time::sleep(Duration::from_millis(100)).await;
            while changes.try_recv().is_ok() {}
            match migrate::up(&settings, &*engine).await {
                Ok(applied) => applied.iter().for_each(|name| report::line(format!("applied {name}"))),
                Err(error) => {
                    report::failed(&error);
                }
            }
        }
    });
    Some(watcher)
}
