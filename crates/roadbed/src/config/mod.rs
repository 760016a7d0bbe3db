//! Settings: defaults, then `roadbed.toml`, then `ROADBED_*` variables, then flags.
//! Every setting is a line in `list`; an unknown one is refused with its place and the nearest right one.

mod list;
mod read;

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;

pub use list::{Kind, SETTINGS, Setting};
pub use read::{Flags, SettingsError, load, load_with};

/// Everything that can be set, read and checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The user's folder.
    pub folder: PathBuf,
    pub server: Server,
    pub database: DatabaseSettings,
    pub rest: RestSection,
    pub jwt: Jwt,
    pub limits: Limits,
    pub cors: Cors,
    pub log: Log,
    pub telemetry: Telemetry,
    pub tls: TlsSection,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Server {
    /// Whether the API is described to callers.
    pub docs_enabled: bool,
    /// Address and port to listen on.
    pub listen: String,
    /// How callers reach the server, where that differs.
    pub public_url: Option<String>,
    /// Whether answers tell how long their parts took.
    pub timing_enabled: bool,
    /// Whether answers are compressed.
    pub compression: bool,
    /// The file of `public/` that is shown for addresses that are no file's.
    pub fallback_page: Option<String>,
    /// What trusted proxies speak.
    pub forwarded_header: ForwardedHeader,
    /// Networks of proxies that are believed about their callers.
    pub trusted_proxies: Vec<IpNet>,
    /// Pages that may show ours in a frame, in the words of `Content-Security-Policy`; empty says nothing of it.
    pub frame_ancestors: String,
    /// Seconds that browsers keep to HTTPS; 0 for none.
    pub hsts_seconds: u64,
}

/// The header by which a proxy speaks of its caller.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// RFC 7239.
    Forwarded,
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
}

/// TLS from files, relative to the folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TlsSection {
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub min_version: TlsVersion,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DatabaseSettings {
    /// `sqlite:FILE` or `postgres://…`.
    pub url: String,
    pub pool_size: usize,
    /// Seconds that one statement may take.
    pub statement_timeout: u64,
    /// Seconds that a request waits for a connection.
    pub acquire_timeout: u64,
}

/// PostgREST's configuration under its own names, less the `db-`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestSection {
    pub schemas: Vec<String>,
    pub extra_search_path: Vec<String>,
    /// Empty: nobody may be anonymous.
    pub anon_role: String,
    pub max_rows: Option<u64>,
    pub aggregates_enabled: bool,
    /// Whether callers may see how their requests are carried out.
    pub plan_enabled: bool,
    /// A function of PostgreSQL's that runs first in each request's transaction.
    pub pre_request: Option<String>,
    /// One of the words of `OpenApiMode`.
    pub openapi_mode: String,
    pub openapi_security_active: bool,
    /// How transactions end; one of the words of `TxEnd`.
    pub tx_end: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Jwt {
    pub secret: Option<SecretString>,
    pub secret_is_base64: bool,
    pub key_file: Option<PathBuf>,
    pub jwks_url: Option<String>,
    pub aud: Option<String>,
    pub role_claim_key: String,
    /// Verified tokens that are kept.
    pub cache_max_entries: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// Bytes of the answer of a batch, and requests in it.
    pub batch_bytes: usize,
    pub batch_steps: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Open connections; none would be a server that nobody reaches.
    pub connections: NonZeroU32,
    /// Seconds that connections without a request stay open when the server stops.
    pub drain_seconds: u64,
    /// Bytes of a request's headers.
    pub header_bytes: usize,
    /// Requests at a time on one connection of HTTP/2.
    pub streams: NonZeroU32,
    /// Seconds after which a caller that takes nothing of its answer is cut off.
    pub write_seconds: NonZeroU64,
    /// Seconds in which a request's body must come.
    pub body_seconds: u64,
    /// Bytes of all bodies and answers at a time.
    pub buffer_bytes: usize,
    /// Requests of one caller at a time; 0 for any number.
    pub caller_requests: usize,
    /// Requests of one caller in so many seconds; 0 for any number.
    pub rate: u32,
    pub rate_seconds: NonZeroU64,
    /// Requests that run at a time, that wait for them, and for how many seconds.
    pub requests: NonZeroU32,
    pub waiting: usize,
    pub wait_seconds: u64,
    /// Seconds in which a request's headers must come.
    pub header_seconds: NonZeroU64,
    /// Bytes of a request's path and query.
    pub url_bytes: usize,
    /// Seconds that a request may take.
    pub request_seconds: u64,
    /// Levels of embeds and of nested conditions.
    pub depth: usize,
    /// Bytes of an answer that is kept under an `Idempotency-Key`.
    pub idempotency_bytes: usize,
    /// Seconds for which it is kept.
    pub idempotency_seconds: u64,
    /// Seconds that running requests get when the server stops.
    pub stop_seconds: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cors {
    /// Origins whose pages may call; `*` for all.
    pub origins: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Log {
    pub format: LogFormat,
    /// A filter as in `info` or `roadbed=debug,warn`.
    pub level: String,
    /// Milliseconds from which on a statement is slow; 0: none is.
    pub slow_query: f64,
}

impl Log {
    /// From when on a statement is told of; zero: never.
    pub fn slow_query(&self) -> Duration {
        Duration::try_from_secs_f64(self.slow_query / 1000.0).unwrap_or_default()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Telemetry {
    /// An address and port, or `main`; nothing: nobody is told.
    pub metrics: Option<String>,
    /// Where traces are sent: a receiver of OTLP over HTTP.
    pub otlp: Option<String>,
}

impl Telemetry {
    /// Where `/metrics` is.
    pub fn metrics_at(&self) -> MetricsAt<'_> {
        match self.metrics.as_deref() {
            None | Some("") => MetricsAt::Nowhere,
            Some("main") => MetricsAt::Main,
            Some(address) => MetricsAt::Address(address),
        }
    }
}

/// Who can ask for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAt<'s> {
    Nowhere,
    /// Beside the API, for holders of the secret key.
    Main,
    /// An address of their own, for whoever reaches it.
    Address(&'s str),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

impl Settings {
    /// `migrations/`, or `supabase/migrations/` where only that exists.
    pub fn migrations_folder(&self) -> PathBuf {
        let own = self.folder.join("migrations");
        let supabase = self.folder.join("supabase/migrations");
        if !own.is_dir() && supabase.is_dir() { supabase } else { own }
    }

    /// `seed.sql`, or `supabase/seed.sql` where only that exists.
    pub fn seed_file(&self) -> PathBuf {
        let own = self.folder.join("seed.sql");
        let supabase = self.folder.join("supabase/seed.sql");
        if !own.is_file() && supabase.is_file() { supabase } else { own }
    }

    pub fn public_folder(&self) -> PathBuf {
        self.folder.join("public")
    }

    /// Where Roadbed keeps what belongs to this machine alone: the development database and its secret.
    pub fn private_folder(&self) -> PathBuf {
        self.folder.join(".roadbed")
    }

    pub fn url(&self) -> String {
        match &self.server.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!(
                "{}://{}",
                if self.tls.certificate.is_some() { "https" } else { "http" },
                self.server.listen.replace("0.0.0.0:", "127.0.0.1:")
            ),
        }
    }

    pub fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.database.statement_timeout)
    }

    /// The database address with a relative SQLite file put below the folder.
    pub fn database_url(&self) -> String {
        match self.database.url.strip_prefix("sqlite:") {
            Some(file) if !file.is_empty() && file != ":memory:" && Path::new(file).is_relative() => {
                format!("sqlite:{}", self.folder.join(file).display())
            }
            _ => self.database.url.clone(),
        }
    }
}
