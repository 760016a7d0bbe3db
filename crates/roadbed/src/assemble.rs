//! Settings become a running server. The only place that sees everything.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, header};
use listenfd::ListenFd;
use roadbed_api::describe::{ApiPlace, DescribeSettings, Documents, OpenApiMode};
use roadbed_api::rest::{Rest, RestSettings, SafeLimits, TxEnd};
use roadbed_auth::{AuthSettings, Authenticator, KeyError, RoleClaim};
use roadbed_plan::engine::MigrationError;
use roadbed_plan::planner::Limits;
use roadbed_plan::schema::read_sql::SqlFile;
use roadbed_plan::{Clock, Database, Engine, EngineError, Session};
use roadbed_storage::ConnectOptions;
use serde_json::{Map, Value as Json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{MetricsAt, Settings};
use crate::http::{self, Door, Entrance, Http, Proxies, Tls, TlsError};
use crate::observe::{Metrics, Traces, Watch, scrape_router};

/// What every database has before its first migration.
pub(crate) const BOOTSTRAP: SqlFile<'static> =
    SqlFile { path: "roadbed's own start", text: roadbed_storage::BOOTSTRAP };

/// How often a server looks whether another process has applied migrations.
const SCHEMA_POLL: Duration = Duration::from_millis(500);
/// How long until a taken address is tried again.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);
/// How often keys behind an address are fetched again.
const KEYS_REFRESH: Duration = Duration::from_secs(600);

/// A server with everything wired, not yet listening.
#[derive(Debug)]
pub struct Server {
    pub database: Arc<Database>,
    pub authenticator: Arc<Authenticator>,
    documents: Arc<Documents>,
    tx_end: TxEnd,
    watch: Arc<Watch>,
    settings: Settings,
    tls: Option<Arc<Tls>>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Migration(#[from] MigrationError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("`jwt.role-claim-key`: {0}")]
    RoleClaim(String),
    #[error("`rest.tx-end` is `{found}`; expected one of {words}")]
    TxEnd { found: String, words: String },
    #[error("`rest.openapi-mode` is `{found}`; expected one of {words}")]
    OpenApiMode { found: String, words: String },
    #[error("`telemetry.otlp` cannot be used: {0}")]
    Traces(String),
    #[error("cannot listen on `{address}`: {source}")]
    Listen { address: String, source: std::io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The engine that the settings name.
///
/// # Errors
/// When the address is none that an engine knows, or the file cannot be opened.
pub fn connect(settings: &Settings) -> Result<Arc<dyn Engine>, StartError> {
    let url = settings.database_url();
    if let Some(folder) = url.strip_prefix("sqlite:").map(Path::new).and_then(Path::parent) {
        if folder == settings.private_folder() {
            crate::files::make_private_folder(folder)?;
        } else {
            std::fs::create_dir_all(folder)?;
        }
    }
    let options = ConnectOptions {
        pool_size: settings.database.pool_size,
        statement_timeout: settings.statement_timeout(),
        acquire_timeout: Duration::from_secs(settings.database.acquire_timeout),
        extra_search_path: settings.rest.extra_search_path.clone(),
        pre_request: settings.rest.pre_request.clone().filter(|function| !function.is_empty()),
        max_rows: settings.rest.max_rows,
        slow_query: settings.log.slow_query(),
    };
    Ok(roadbed_storage::connect(&url, options, Clock::System)?)
}

/// The socket that a supervisor has opened and passed on (`LISTEN_FDS`, as systemd does), else one of our own.
///
/// # Errors
/// When the address is taken or not this machine's, or what was passed on is no socket that listens.
pub async fn listen(settings: &Settings) -> Result<TcpListener, StartError> {
    if let Some(passed) = ListenFd::from_env().take_tcp_listener(0)? {
        passed.set_nonblocking(true)?;
        return Ok(TcpListener::from_std(passed)?);
    }
    listen_at(&settings.server.listen).await
}

async fn listen_at(address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address: address.to_owned(), source })
}

pub(crate) fn planner_limits(settings: &Settings) -> Limits {
    Limits {
        schemas: settings.rest.schemas.clone(),
        max_rows: settings.rest.max_rows,
        max_depth: settings.limits.depth,
        aggregates: settings.rest.aggregates_enabled,
        clock: Clock::System,
    }
}

/// Finds words that are none of those that a setting takes.
///
/// # Errors
/// When there is one.
pub(crate) fn check(settings: &Settings) -> Result<(), StartError> {
    tx_end(&settings.rest.tx_end)?;
    openapi_mode(&settings.rest.openapi_mode)?;
    RoleClaim::parse(&settings.jwt.role_claim_key).map_err(StartError::RoleClaim)?;
    Ok(())
}

pub(crate) fn auth_settings(settings: &Settings) -> Result<AuthSettings, StartError> {
    Ok(AuthSettings {
        secret: crate::secret::jwt_secret(settings)?,
        secret_is_base64: settings.jwt.secret_is_base64,
        key_file: settings.jwt.key_file.as_ref().map(|file| settings.folder.join(file)),
        jwks_url: settings.jwt.jwks_url.clone(),
        audience: settings.jwt.aud.clone(),
        kept_tokens: settings.jwt.cache_max_entries,
        role_claim: RoleClaim::parse(&settings.jwt.role_claim_key).map_err(StartError::RoleClaim)?,
        anonymous_role: Some(settings.rest.anon_role.clone()).filter(|role| !role.is_empty()),
    })
}

/// The caller that `who` names: claims as a JSON object, a token or API key, or a role.
///
/// # Errors
/// When claims or token cannot be read, or the token does not hold.
pub(crate) fn session_as(settings: &Settings, who: &str) -> miette::Result<Session> {
    let auth = auth_settings(settings).map_err(|error| miette::miette!("{error}"))?;
    let who = who.trim();
    if who.starts_with('{') {
        let mut claims: Map<String, Json> =
            serde_json::from_str(who).map_err(|error| miette::miette!("the claims are not JSON: {error}"))?;
        let role = auth.role_claim.find(&Json::Object(claims.clone())).or(auth.anonymous_role);
        let role = role.ok_or_else(|| miette::miette!("the claims name no `role`, and nobody may be anonymous"))?;
        claims.insert("role".into(), Json::String(role.clone()));
        return Ok(Session::new(role, claims));
    }
    if who.matches('.').count() != 2 && !who.starts_with("sb_") {
        let claims = Map::from_iter([("role".to_owned(), Json::String(who.to_owned()))]);
        return Ok(Session::new(who, claims));
    }
    let authenticator = Authenticator::new(auth, Clock::System).map_err(|error| miette::miette!("{error}"))?;
    let token = format!("Bearer {who}").parse().map_err(|_| miette::miette!("the token has characters of no token"))?;
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, token)]);
    authenticator.session(&headers).map_err(|error| miette::miette!("the token is not valid: {error}"))
}

pub(crate) fn entrance(settings: &Settings) -> Entrance {
    let server = &settings.server;
    let proxies = Proxies { trusted: server.trusted_proxies.clone(), header: server.forwarded_header };
    Entrance::new(proxies, &server.frame_ancestors, server.hsts_seconds)
}

fn tx_end(word: &str) -> Result<TxEnd, StartError> {
    let found = TxEnd::WORDS.iter().find(|(known, _)| *known == word).map(|(_, end)| *end);
    found.ok_or_else(|| {
        let words: Vec<_> = TxEnd::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
        StartError::TxEnd { found: word.to_owned(), words: words.join(", ") }
    })
}

fn openapi_mode(word: &str) -> Result<OpenApiMode, StartError> {
    let found = OpenApiMode::WORDS.iter().find(|(known, _)| *known == word).map(|(_, mode)| *mode);
    found.ok_or_else(|| {
        let words: Vec<_> = OpenApiMode::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
        StartError::OpenApiMode { found: word.to_owned(), words: words.join(", ") }
    })
}

/// Where and how the API is served, for its descriptions.
pub(crate) fn api_place(settings: &Settings) -> ApiPlace {
    ApiPlace {
        public_url: settings.server.public_url.clone(),
        url: settings.url(),
        schemas: settings.rest.schemas.clone(),
        anonymous_role: settings.rest.anon_role.clone(),
        max_rows: settings.rest.max_rows,
        security_active: settings.rest.openapi_security_active,
    }
}

impl Server {
    /// Wires a server over `engine`.
    ///
    /// # Errors
    /// When the schema or a key cannot be read.
    pub async fn new(settings: Settings, engine: Arc<dyn Engine>) -> Result<Self, StartError> {
        Self::at(settings, engine, Clock::System).await
    }

    /// As [`Server::new`], by another clock.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub async fn at(settings: Settings, engine: Arc<dyn Engine>, clock: Clock) -> Result<Self, StartError> {
        let tx_end = tx_end(&settings.rest.tx_end)?;
        let tls = Tls::load(&settings.folder, &settings.tls)?;
        let authenticator = Arc::new(Authenticator::new(auth_settings(&settings)?, clock.clone())?);
        if let Err(error) = authenticator.refresh().await {
            tracing::warn!(%error, "keys will be fetched again later");
        }
        let mode = openapi_mode(&settings.rest.openapi_mode)?;
        let metrics = match settings.telemetry.metrics_at() {
            MetricsAt::Nowhere => None,
            MetricsAt::Main | MetricsAt::Address(_) => Some(Metrics::new(&engine)),
        };
        let database = Arc::new(Database::open(engine, Limits { clock, ..planner_limits(&settings) }).await?);
        let place = api_place(&settings);
        let documents = Arc::new(Documents::new(database.clone(), DescribeSettings { mode, place }));
        let traces = traces(&settings, &**database.engine())?;
        let watch = Arc::new(Watch { metrics, traces });
        Ok(Self { database, authenticator, documents, tx_end, watch, settings, tls })
    }

    /// The routes, to be served or called in a test.
    pub fn router(&self) -> Router {
        let rest = Rest {
            database: self.database.clone(),
            documents: self.documents.clone(),
            settings: RestSettings {
                schemas: self.settings.rest.schemas.clone(),
                anonymous_role: self.settings.rest.anon_role.clone(),
                safe: SafeLimits {
                    key_seconds: self.settings.limits.idempotency_seconds,
                    kept_bytes: self.settings.limits.idempotency_bytes,
                    batch_steps: self.settings.limits.batch_steps,
                    batch_bytes: self.settings.limits.batch_bytes,
                },
                tx_end: self.tx_end,
                plan_enabled: self.settings.rest.plan_enabled,
                server_timing: self.settings.server.timing_enabled,
            },
        };
        http::router(Http {
            openapi: self.settings.server.docs_enabled.then(|| roadbed_api::rest::openapi(rest.clone())),
            rest: roadbed_api::rest::routes(rest),
            database: self.database.clone(),
            authenticator: self.authenticator.clone(),
            public: self.settings.public_folder(),
            limits: self.settings.limits.clone(),
            cors: self.settings.cors.clone(),
            entrance: entrance(&self.settings),
            compression: self.settings.server.compression,
            fallback_page: self.settings.server.fallback_page.clone(),
            watch: self.watch.clone(),
            has_metrics: self.settings.telemetry.metrics_at() == MetricsAt::Main,
        })
    }

    /// Serves until `stop` says so, then lets running requests end.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: watch::Receiver<bool>) -> Result<(), StartError> {
        let mut background = vec![
            self.serve_metrics(stop.clone()).await?,
            tokio::spawn(follow_schema(self.database.clone(), stop.clone())),
            tokio::spawn(refresh_keys(self.authenticator.clone(), stop.clone())),
        ];
        background.extend(self.tls.clone().map(|tls| tokio::spawn(tls.follow(stop.clone()))));
        let door = Door { router: self.router(), limits: self.settings.limits.clone(), tls: self.tls.clone() };
        let patience = Duration::from_secs(self.settings.limits.stop_seconds);
        tokio::select! {
            () = door.serve(listener, stop.clone()) => {}
            () = async { stopped(stop).await; tokio::time::sleep(patience).await; } => {
                tracing::warn!(seconds = patience.as_secs(), "requests were still running when the time to stop was over");
            }
        }
        for task in background {
            task.abort();
        }
        if let Some(traces) = &self.watch.traces {
            traces.flush().await;
        }
        self.database.engine().close().await;
        Ok(())
    }
}

impl Server {
    /// Serves metrics where they have an address of their own.
    async fn serve_metrics(&self, stop: watch::Receiver<bool>) -> Result<JoinHandle<()>, StartError> {
        let MetricsAt::Address(address) = self.settings.telemetry.metrics_at() else {
            return Ok(tokio::spawn(async {}));
        };
        let (router, limits) = (scrape_router(self.watch.clone()), self.settings.limits.clone());
        let address = address.to_owned();
        let listener = match listen_at(&address).await {
            Ok(listener) => Some(listener),
            // As while a server that this one replaces still runs.
            Err(StartError::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse => {
                tracing::warn!(address, "the address for metrics is taken; trying again");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(tokio::spawn(async move {
            let listener = match listener {
                Some(listener) => listener,
                None => listen_when_free(&address).await,
            };
            tracing::info!(address = %listener.local_addr().map_or(address, |at| at.to_string()), "serving metrics");
            Door { router, limits, tls: None }.serve(listener, stop).await;
        }))
    }
}

fn traces(settings: &Settings, engine: &dyn Engine) -> Result<Option<Traces>, StartError> {
    let endpoint = settings.telemetry.otlp.as_deref().filter(|endpoint| !endpoint.is_empty());
    endpoint.map(|endpoint| Traces::start(endpoint, engine.name()).map_err(StartError::Traces)).transpose()
}

async fn listen_when_free(address: &str) -> TcpListener {
    loop {
        tokio::time::sleep(LISTEN_PAUSE).await;
        if let Ok(listener) = listen_at(address).await {
            return listener;
        }
    }
}

/// Ends when `stop` says so.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender's end counts as a stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Reads the schema again when migrations were applied, by this process or another.
async fn follow_schema(database: Arc<Database>, stop: watch::Receiver<bool>) {
    let mut known = database.engine().applied().await.ok();
    loop {
        tokio::select! {
            () = stopped(stop.clone()) => return,
            () = tokio::time::sleep(SCHEMA_POLL) => {}
        }
        let Ok(applied) = database.engine().applied().await else { continue };
        if known.as_ref() != Some(&applied) {
            match database.reload().await {
                Ok(()) => {
                    tracing::info!(migrations = applied.len(), "the schema was read again");
                    known = Some(applied);
                }
                Err(error) => tracing::warn!(%error, "the schema cannot be read again"),
            }
        }
    }
}

async fn refresh_keys(authenticator: Arc<Authenticator>, stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = stopped(stop.clone()) => return,
            () = tokio::time::sleep(KEYS_REFRESH) => {}
        }
        if let Err(error) = authenticator.refresh().await {
            tracing::warn!(%error, "the old keys stay");
        }
    }
}
