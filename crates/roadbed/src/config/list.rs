//! The list of settings. Reading, messages, docs and tests go through it.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// `section.name`, as in `roadbed.toml`.
    pub name: &'static str,
    /// Its default as TOML; empty for none.
    pub default: &'static str,
    pub meaning: &'static str,
}

impl Setting {
    /// The variable that sets it: `rest.max-rows` is `ROADBED_REST_MAX_ROWS`.
    pub fn variable(&self) -> String {
        format!("ROADBED_{}", self.name.to_ascii_uppercase().replace(['.', '-'], "_"))
    }
}

/// What a setting's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Bool,
    List,
}

impl Setting {
    /// Told by the default; the only settings without one that are not text are named here.
    pub fn kind(&self) -> Kind {
        match self.default.as_bytes().first() {
            None if self.name == "rest.max-rows" => Kind::Number,
            None | Some(b'"') => Kind::Text,
            Some(b'[') => Kind::List,
            Some(b't' | b'f') => Kind::Bool,
            Some(_) => Kind::Number,
        }
    }
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning }
}

/// Every setting, sorted by name.
pub const SETTINGS: &[Setting] = &[
    setting("cors.origins", r#"["*"]"#, "origins whose pages may call; `*` for all"),
    setting("database.acquire-timeout", "10", "seconds that a request waits for a connection"),
    setting("database.pool-size", "10", "connections to PostgreSQL, or readers of SQLite"),
    setting("database.statement-timeout", "30", "seconds that one statement may take"),
    setting("database.url", r#""sqlite:.roadbed/data.sqlite""#, "`sqlite:FILE` or `postgres://…`"),
    setting("jwt.aud", "", "what the claim `aud` must hold"),
    setting("jwt.cache-max-entries", "1000", "verified tokens that are kept; 0 verifies each every time"),
    setting("jwt.jwks-url", "", "an address that serves a JSON Web Key set"),
    setting("jwt.key-file", "", "a file with a PEM public key, a JSON Web Key or a key set"),
    setting("jwt.role-claim-key", r#""$.role""#, "where the role stands in the claims: a JSONPath (RFC 9535)"),
    setting("jwt.secret", "", "the secret of HS256 tokens, 32 bytes at least"),
    setting("jwt.secret-is-base64", "false", "whether `jwt.secret` is base64"),
    setting("limits.batch-bytes", "10485760", "bytes of the answer of a batch"),
    setting("limits.batch-steps", "100", "requests in a batch"),
    setting("limits.body-bytes", "10485760", "bytes of a request's body"),
    setting("limits.body-seconds", "30", "seconds for a request's body to come"),
    setting(
        "limits.buffer-bytes",
        "268435456",
        "bytes of all bodies and answers at a time; what finds no room is told to come again",
    ),
    setting("limits.caller-requests", "0", "requests of one caller, a user or an address, at a time; 0 for any number"),
    setting("limits.connections", "10000", "open connections; further ones wait until one is closed"),
    setting("limits.depth", "32", "levels of embeds and of nested conditions"),
    setting("limits.drain-seconds", "1", "seconds that connections without a request stay open when the server stops"),
    setting("limits.header-bytes", "32768", "bytes of a request's headers"),
    setting(
        "limits.header-seconds",
        "10",
        "seconds for a request's headers to come; then an idle connection is closed",
    ),
    setting("limits.idempotency-bytes", "1048576", "bytes of an answer that is kept under an `Idempotency-Key`"),
    setting("limits.idempotency-seconds", "86400", "seconds for which an answer is kept under its key"),
    setting(
        "limits.rate",
        "0",
        "requests of one caller, a user or an address, in `limits.rate-seconds`; 0 for any number",
    ),
    setting("limits.rate-seconds", "60", "seconds after which a caller may make all its requests again"),
    setting("limits.request-seconds", "60", "seconds that a request may take"),
    setting("limits.requests", "256", "requests that run at a time"),
    setting("limits.stop-seconds", "30", "seconds that running requests get when the server stops"),
    setting("limits.streams", "100", "requests at a time on one connection of HTTP/2"),
    setting("limits.url-bytes", "65000", "bytes of a request's path and query; 65534 at most"),
    setting("limits.wait-seconds", "2", "seconds that a request waits for others to end"),
    setting("limits.waiting", "256", "requests that wait for others to end; further ones are told to come again"),
    setting("limits.write-seconds", "30", "seconds after which a caller that takes nothing of its answer is cut off"),
    setting("log.format", r#""auto""#, "`text`, `json`, or `auto`: text on a terminal, JSON elsewhere"),
    setting("log.level", r#""info""#, "a filter such as `info` or `roadbed=debug,warn`"),
    setting(
        "log.slow-query",
        "1000.0",
        "milliseconds from which on a statement is told to the log with its plan; 0 for none",
    ),
    setting("rest.aggregates-enabled", "false", "whether callers may aggregate (`amount.sum()`, `count()`)"),
    setting("rest.anon-role", r#""anon""#, "the role of callers without a token; empty turns them away"),
    setting("rest.extra-search-path", r#"["public"]"#, "schemas that are searched after the request's own"),
    setting("rest.max-rows", "", "most rows in an answer"),
    setting(
        "rest.openapi-mode",
        r#""follow-privileges""#,
        "what PostgREST's root document shows: `follow-privileges`, `ignore-privileges`, or `disabled`: there is none",
    ),
    setting("rest.openapi-security-active", "false", "whether PostgREST's root document asks for a token"),
    setting("rest.plan-enabled", "false", "whether callers may see how their requests are carried out"),
    setting("rest.pre-request", "", "a function of PostgreSQL's that runs first in each request's transaction"),
    setting("rest.schemas", r#"["public"]"#, "schemas that the API exposes, the first being the default"),
    setting("rest.tx-end", r#""commit""#, "`commit` or `rollback`; with `-allow-override`, `Prefer: tx=…` may choose"),
    setting("server.compression", "true", "whether answers are compressed for callers that accept it"),
    setting("server.docs-enabled", "true", "whether `/docs` and `/openapi.json` are served"),
    setting(
        "server.fallback-page",
        "",
        "the file of `public/` that is shown for addresses that are no file's, as `index.html`",
    ),
    setting(
        "server.forwarded-header",
        r#""x-forwarded""#,
        "what trusted proxies speak: `x-forwarded` (`-for`, `-proto`, `-host`) or `forwarded` (RFC 7239)",
    ),
    setting("server.frame-ancestors", r#""'none'""#, "pages that may show ours in a frame; empty says nothing of it"),
    setting(
        "server.hsts-seconds",
        "31536000",
        "seconds that browsers keep to HTTPS once they have come by it; 0 for none",
    ),
    setting("server.listen", r#""127.0.0.1:3000""#, "address and port to listen on"),
    setting("server.public-url", "", "how callers reach the server, where that differs"),
    setting("server.timing-enabled", "false", "whether answers tell in `Server-Timing` how long their parts took"),
    setting(
        "server.trusted-proxies",
        "[]",
        "networks of proxies that are believed about their callers, as `10.0.0.0/8`",
    ),
    setting(
        "telemetry.metrics",
        "",
        "where `/metrics` is: an address and port of its own, or `main` for holders of the secret key",
    ),
    setting(
        "telemetry.otlp",
        "",
        "a receiver of OpenTelemetry's protocol over HTTP, as `http://127.0.0.1:4318`, to send traces to",
    ),
    setting(
        "tls.certificate",
        "",
        "a PEM file with the certificate and those that vouch for it; read again when it changes",
    ),
    setting("tls.key", "", "a PEM file with the certificate's private key"),
    setting("tls.min-version", r#""1.2""#, "the oldest version of TLS that is spoken: `1.2` or `1.3`"),
];

#[cfg(test)]
mod tests {
    use super::SETTINGS;

    #[test]
    fn the_list_is_sorted_and_says_what_each_means() {
        assert!(SETTINGS.is_sorted_by(|a, b| a.name < b.name));
        assert!(SETTINGS.iter().all(|setting| !setting.meaning.is_empty() && setting.name.contains('.')));
    }
}
