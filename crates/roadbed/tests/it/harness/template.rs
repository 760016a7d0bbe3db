//! Databases of PostgreSQL by copying: each distinct setup is migrated and seeded once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::OnceCell;

use super::postgres::Postgres;
use super::world::{Setup, fill};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Roles belong to the whole server, so databases that may make the same ones are filled one after the other.
static FILLING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(super) fn fresh_name() -> String {
    format!("roadbed_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The name of a new database that holds what `setup` says.
pub(super) async fn database(server: &Postgres, setup: &Setup) -> Result<String, String> {
    let template = template(server, setup).await?;
    let name = fresh_name();
    server.run(&format!("create database {name} template {template}")).await;
    Ok(name)
}

/// As [`database`], for a setup that no other test has: nothing is kept to be copied.
pub(super) async fn database_for_once(server: &Postgres, setup: &Setup) -> Result<String, String> {
    make(server, setup).await
}

type Made = Arc<OnceCell<Result<String, String>>>;

async fn template(server: &Postgres, setup: &Setup) -> Result<String, String> {
    static TEMPLATES: OnceLock<Mutex<HashMap<Setup, Made>>> = OnceLock::new();
    let made = {
        let mut templates = TEMPLATES.get_or_init(Mutex::default).lock().expect("no holder panics");
        templates.entry(setup.clone()).or_default().clone()
    };
    made.get_or_init(async || make(server, setup).await).await.clone()
}

async fn make(server: &Postgres, setup: &Setup) -> Result<String, String> {
    let name = fresh_name();
    server.run(&format!("create database {name}")).await;
    let _alone = FILLING.lock().await;
    let settings = setup.settings(&server.url_of(&name));
    let engine = roadbed::connect(&settings).map_err(|error| error.to_string())?;
    fill(&*engine, &setup.with_roles_kept()).await?;
    engine.close().await;
    Ok(name)
}
