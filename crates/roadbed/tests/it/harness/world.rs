//! A database with the program's routes over it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use roadbed::Server;
use roadbed::config::{Flags, Settings, load_with};
use roadbed_plan::engine::{Migration, MigrationError};
use roadbed_plan::{Clock, Engine};
use tower::ServiceExt;

use super::postgres::{self, Postgres};
use super::{Answer, Ask, On, SECRET, template};

/// What a world is made of, as texts: one migration, a seed, and settings as in `roadbed.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Setup {
    pub(crate) schema: String,
    pub(crate) rows: String,
    pub(crate) settings: String,
}

impl Setup {
    pub(crate) fn new(schema: impl Into<String>) -> Self {
        Self { schema: schema.into(), ..Self::default() }
    }

    pub(crate) fn rows(mut self, rows: impl Into<String>) -> Self {
        self.rows = rows.into();
        self
    }

    pub(crate) fn settings_text(mut self, settings: impl Into<String>) -> Self {
        self.settings = settings.into();
        self
    }

    /// The program's settings for the database at `url`; the environment is left aside.
    pub(super) fn settings(&self, url: &str) -> Settings {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("roadbed.toml"), &self.settings).expect("and for a file");
        let flags = Flags { database: Some(url.to_owned()), listen: None };
        let secret = ("ROADBED_JWT_SECRET".to_owned(), SECRET.to_owned());
        load_with(folder.path(), &flags, &[secret]).unwrap_or_else(|error| panic!("settings of a test: {error}"))
    }

    /// With `create role` made to pass where another database's setup has made the role: PostgreSQL keeps roles for
    /// the whole server.
    pub(super) fn with_roles_kept(&self) -> Self {
        let mut schema = String::new();
        let mut rest = self.schema.as_str();
        while let Some(at) = rest.find("create role ") {
            let end = rest[at..].find(';').map_or(rest.len(), |length| at + length + 1);
            schema.push_str(&rest[..at]);
            let statement = &rest[at..end];
            schema.push_str(&format!("do $$ begin {statement} exception when duplicate_object then null; end $$;"));
            rest = &rest[end..];
        }
        Self { schema: schema + rest, ..self.clone() }
    }
}

/// Applies the migration and the seed; the failure as a text with its place.
pub(super) async fn fill(engine: &dyn Engine, setup: &Setup) -> Result<(), String> {
    let file = |name: &str, sql: &str| Migration { name: name.into(), path: name.into(), sql: sql.into() };
    if !setup.schema.is_empty() {
        engine.migrate(&[file("schema", &setup.schema)]).await.map_err(|error| place(&error))?;
    }
    if !setup.rows.is_empty() {
        engine.seed(&file("rows", &setup.rows)).await.map_err(|error| place(&error))?;
    }
    Ok(())
}

fn place(error: &MigrationError) -> String {
    match error {
        MigrationError::Sql(error) => {
            let (line, column) = error.position();
            let text = error.source_text.lines().nth(line - 1).unwrap_or_default();
            let help = error.help.as_deref().unwrap_or_default();
            format!("{} line {line}, column {column}: {error} {help}\n    {text}", error.path)
        }
        other => other.to_string(),
    }
}

/// A database with a schema and rows, and the routes over it.
pub(crate) struct World {
    pub(crate) server: Server,
    router: Router,
    /// To be dropped at the end.
    database: Option<String>,
}

impl World {
    /// A world that nobody else sees. Panics where the setup cannot be applied.
    pub(crate) async fn new(on: On, setup: &Setup) -> Self {
        Self::try_new(on, setup).await.unwrap_or_else(|error| panic!("on {on}: {error}"))
    }

    /// As [`World::new`], with the reason where it cannot be had.
    pub(crate) async fn try_new(on: On, setup: &Setup) -> Result<Self, String> {
        match on {
            On::Sqlite => {
                let settings = setup.settings("sqlite::memory:");
                let engine = roadbed::connect(&settings).map_err(|error| error.to_string())?;
                fill(&*engine, setup).await?;
                Self::over(settings, engine, None).await
            }
            On::Postgres => {
                let server = postgres::server().ok_or("PostgreSQL is not installed")?;
                let database = template::database(server, setup).await?;
                Self::over_postgres(setup, server, database).await
            }
        }
    }

    /// As [`World::try_new`], for a setup that no other test has, so that nothing is kept to be copied.
    pub(crate) async fn try_once(on: On, setup: &Setup) -> Result<Self, String> {
        match on {
            On::Sqlite => Self::try_new(on, setup).await,
            On::Postgres => {
                let server = postgres::server().ok_or("PostgreSQL is not installed")?;
                let database = template::database_for_once(server, setup).await?;
                Self::over_postgres(setup, server, database).await
            }
        }
    }

    async fn over_postgres(setup: &Setup, server: &Postgres, database: String) -> Result<Self, String> {
        let settings = setup.settings(&server.url_of(&database));
        let engine = roadbed::connect(&settings).map_err(|error| error.to_string())?;
        Self::over(settings, engine, Some(database)).await
    }

    /// A world of SQLite in a file.
    pub(crate) async fn in_file(file: &Path, setup: &Setup) -> Self {
        let settings = setup.settings(&format!("sqlite:{}", file.display()));
        let engine = roadbed::connect(&settings).expect("the folder is there");
        fill(&*engine, setup).await.unwrap_or_else(|error| panic!("{error}"));
        Self::over(settings, engine, None).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Another server over the same database of PostgreSQL, whose settings are the default ones. It is closed with
    /// [`World::end`], which leaves the database to the first.
    pub(crate) async fn beside(&self) -> Self {
        let url = self.database_url().expect("only PostgreSQL is asked for another server");
        let settings = Setup::default().settings(&url);
        let engine = roadbed::connect(&settings).expect("the first could connect");
        Self::over(settings, engine, None).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same database, its server replaced by one that goes by `clock`.
    pub(crate) async fn with_clock(self, setup: &Setup, clock: Clock) -> Self {
        let settings = setup.settings(&self.database_url().unwrap_or_else(|| "sqlite::memory:".to_owned()));
        let engine = self.server.database.engine().clone();
        let server = Server::at(settings, engine, clock).await.expect("the first could start");
        Self { router: server.router(), server, database: self.database }
    }

    async fn over(settings: Settings, engine: Arc<dyn Engine>, database: Option<String>) -> Result<Self, String> {
        let server = Server::new(settings, engine).await.map_err(|error| error.to_string())?;
        let router = server.router();
        Ok(Self { server, router, database })
    }

    /// Puts a request to the routes, as the network would.
    pub(crate) async fn ask(&self, ask: &Ask) -> Answer {
        let request = ask.request().map(Body::from);
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("bodies are in memory").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Brings the database to these migrations, as `roadbed migrate up` would, and reads its schema again.
    pub(crate) async fn migrate(&self, migrations: &[Migration]) -> Result<Vec<String>, MigrationError> {
        let applied = self.server.database.engine().migrate(migrations).await;
        self.server.database.reload().await.expect("the schema can be read");
        applied
    }

    /// Runs a seed file.
    pub(crate) async fn seed(&self, sql: &str) -> Result<(), MigrationError> {
        let script = Migration { name: "seed".into(), path: "seed.sql".into(), sql: sql.into() };
        self.server.database.engine().seed(&script).await
    }

    /// The address of the database, where it has one.
    pub(crate) fn database_url(&self) -> Option<String> {
        Some(postgres::server()?.url_of(self.database.as_ref()?))
    }

    /// As [`World::end`]; then runs statements where the database's server keeps what outlives it.
    pub(crate) async fn end_and_run(self, sql: &str) {
        self.end().await;
        if let Some(server) = postgres::server() {
            server.run(sql).await;
        }
    }

    /// Closes the database and drops it.
    pub(crate) async fn end(self) {
        self.server.database.engine().close().await;
        if let (Some(database), Some(server)) = (self.database, postgres::server()) {
            server.run(&format!("drop database {database} with (force)")).await;
        }
    }
}
