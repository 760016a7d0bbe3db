//! Looks for what would keep a folder from being served well: settings, keys, files, ports, database. Changes nothing.

mod database;
mod files;
mod keys;
mod places;

use miette::Diagnostic;
use serde::Serialize;

use crate::config::{Settings, SettingsError};

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at: `settings`, `database`, `keys`, …
    pub(crate) check: &'static str,
    pub(crate) state: State,
    pub(crate) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Good,
    /// It works, and may not for ever.
    Doubtful,
    /// Something fails because of it.
    Bad,
}

impl Finding {
    fn good(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Good, message: message.into(), advice: None }
    }

    fn doubtful(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Doubtful, message: message.into(), advice: Some(advice.into()) }
    }

    fn bad(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Bad, message: message.into(), advice: Some(advice.into()) }
    }
}

/// Everything that can be found about a folder.
pub(crate) async fn examine(settings: Result<Settings, SettingsError>) -> Vec<Finding> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return vec![wrong_settings(&error)],
    };
    let mut findings = vec![self::settings(&settings)];
    findings.extend(keys::examine(&settings).await);
    findings.extend(files::examine(&settings));
    findings.extend(places::examine(&settings).await);
    findings.extend(database::examine(&settings).await);
    findings
}

fn wrong_settings(error: &SettingsError) -> Finding {
    let advice = error.help().map_or_else(|| "see docs/settings.md".to_owned(), |help| help.to_string());
    Finding::bad("settings", error.to_string(), advice)
}

/// Settings that can each be read, and yet do not go together.
fn settings(settings: &Settings) -> Finding {
    let (statement, request) = (settings.database.statement_timeout, settings.limits.request_seconds);
    if let Err(error) = crate::assemble::check(settings) {
        return Finding::bad("settings", error.to_string(), "see docs/settings.md");
    }
    if statement == 0 || statement > request {
        return Finding::doubtful(
            "settings",
            format!(
                "a statement may take {}, and its request {request} seconds",
                if statement == 0 { "for ever".to_owned() } else { format!("{statement} seconds") }
            ),
            "set `database.statement-timeout` to less than `limits.request-seconds`",
        );
    }
    Finding::good("settings", "they can be read")
}
