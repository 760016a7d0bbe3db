//! Reads the layers of settings on top of each other.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use serde::Deserialize;

use super::list::{Kind, SETTINGS};
use super::{Cors, DatabaseSettings, Jwt, Limits, Log, RestSection, Server, Settings, Telemetry, TlsSection};

/// What the command line can set.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub database: Option<String>,
    pub listen: Option<String>,
}

/// A wrong setting.
#[derive(Clone, Debug, thiserror::Error, miette::Diagnostic)]
pub enum SettingsError {
    #[error("`{name}` in {place} is not a setting")]
    #[diagnostic(code(roadbed::settings::unknown))]
    Unknown {
        name: String,
        place: String,
        #[help]
        help: Option<String>,
    },
    #[error("{message}")]
    #[diagnostic(code(roadbed::settings::wrong))]
    Wrong {
        message: String,
        #[help]
        help: Option<String>,
    },
    #[error("`{folder}` is not a folder")]
    #[diagnostic(
        code(roadbed::settings::folder),
        help("name an existing folder, or make one with `roadbed init {folder}`")
    )]
    NoFolder { folder: String },
}

/// The settings of `folder` with the process's environment.
///
/// # Errors
/// When a setting is unknown or has a wrong value; the message names its place and the nearest right one.
pub fn load(folder: &Path, flags: &Flags) -> Result<Settings, SettingsError> {
    #[expect(clippy::disallowed_methods, reason = "settings are where the environment is read")]
    let environment = std::env::vars()
        // What tests are told by is no setting.
        .filter(|(name, _)| name.starts_with("ROADBED_") && !name.starts_with("ROADBED_TEST_"))
        .collect::<Vec<_>>();
    load_with(folder, flags, &environment)
}

/// The settings of `folder` with `environment`, pairs of a name and a text, in place of the process's.
///
/// # Errors
/// As [`load`].
pub fn load_with(folder: &Path, flags: &Flags, environment: &[(String, String)]) -> Result<Settings, SettingsError> {
    if !folder.is_dir() {
        return Err(SettingsError::NoFolder { folder: folder.display().to_string() });
    }
    let file = folder.join("roadbed.toml");
    check_file(&file)?;
    let mut figment = Figment::from(Toml::string(&defaults()));
    if file.is_file() {
        figment = figment.merge(Toml::file_exact(&file));
    }
    for (variable, text) in environment {
        figment = figment.merge(from_variable(variable, text)?);
    }
    for (name, value) in [("database.url", &flags.database), ("server.listen", &flags.listen)] {
        if let Some(value) = value {
            figment = figment.merge(Serialized::default(name, value));
        }
    }
    let layered: Layered = figment.extract().map_err(|error| wrong(&error))?;
    Ok(layered.settings(folder.to_owned()))
}

#[derive(Deserialize)]
struct Layered {
    server: Server,
    database: DatabaseSettings,
    rest: RestSection,
    jwt: Jwt,
    limits: Limits,
    cors: Cors,
    log: Log,
    telemetry: Telemetry,
    tls: TlsSection,
}

impl Layered {
    fn settings(self, folder: PathBuf) -> Settings {
        let Self { server, database, rest, jwt, limits, cors, log, telemetry, tls } = self;
        Settings { folder, server, database, rest, jwt, limits, cors, log, telemetry, tls }
    }
}

/// The list's defaults as a TOML text.
fn defaults() -> String {
    let mut text = String::new();
    let mut section = "";
    for setting in SETTINGS {
        let (of, name) = setting.name.split_once('.').expect("every setting has a section");
        if of != section {
            text.push_str(&format!("[{of}]\n"));
            section = of;
        }
        if !setting.default.is_empty() {
            text.push_str(&format!("{name} = {}\n", setting.default));
        }
    }
    text
}

/// Every key of the file must be in the list.
fn check_file(file: &Path) -> Result<(), SettingsError> {
    if !file.is_file() {
        return Ok(());
    }
    let place = file.display().to_string();
    let sections: Dict = Figment::from(Toml::file_exact(file)).extract().map_err(|error| wrong(&error))?;
    for (section, value) in &sections {
        let Value::Dict(_, names) = value else { return Err(unknown(section, &place)) };
        for name in names.keys() {
            let full = format!("{section}.{name}");
            if !SETTINGS.iter().any(|setting| setting.name == full) {
                return Err(unknown(&full, &place));
            }
        }
    }
    Ok(())
}

fn from_variable(variable: &str, text: &str) -> Result<Figment, SettingsError> {
    let found = SETTINGS.iter().find(|setting| setting.variable() == variable);
    let Some(setting) = found else {
        let names = SETTINGS.iter().map(|setting| setting.variable()).collect::<Vec<_>>();
        let help = nearest(variable, names.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
        return Err(SettingsError::Unknown { name: variable.into(), place: "the environment".into(), help });
    };
    let as_text = || Figment::from(Serialized::default(setting.name, text));
    Ok(match setting.kind() {
        Kind::Text => as_text(),
        Kind::List if !text.trim_start().starts_with('[') => {
            let items: Vec<_> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            Figment::from(Serialized::default(setting.name, items))
        }
        // What is no number, truth value or list is kept as text, so that reading it says what was expected.
        Kind::List | Kind::Number | Kind::Bool => match toml_value(text) {
            Some(value) => Figment::from(Serialized::default(setting.name, value)),
            None => as_text(),
        },
    })
}

fn toml_value(text: &str) -> Option<Value> {
    Figment::from(Toml::string(&format!("value = {text}"))).extract_inner("value").ok()
}

fn unknown(name: &str, place: &str) -> SettingsError {
    let help = nearest(name, SETTINGS.iter().map(|setting| setting.name)).map(|name| format!("did you mean `{name}`?"));
    SettingsError::Unknown { name: name.into(), place: format!("`{place}`"), help }
}

fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= name.len() / 2)
        .map(|(_, candidate)| candidate)
}

fn wrong(error: &figment::Error) -> SettingsError {
    let name = error.path.join(".");
    let place = error.metadata.as_ref().map(|metadata| match &metadata.source {
        Some(source) => format!(" in {source}"),
        None => String::new(),
    });
    let message = match &error.kind {
        figment::error::Kind::Message(text) => text.clone(),
        kind => kind.to_string(),
    };
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    SettingsError::Wrong {
        message: format!("`{name}`{}: {message}", place.unwrap_or_default()),
        help: setting.map(|setting| format!("it is {}", setting.meaning)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Flags, load_with};

    fn load(toml: &str, environment: &[(&str, &str)], flags: &Flags) -> Result<super::Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("roadbed.toml"), toml).unwrap();
        let environment: Vec<_> = environment.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        load_with(folder.path(), flags, &environment).map_err(|error| format!("{:?}", miette::Report::new(error)))
    }

    #[test]
    fn later_layers_win() {
        let toml = "[server]\nlisten = \"127.0.0.1:1\"\n[rest]\nmax-rows = 5\n";
        let settings = load(toml, &[], &Flags::default()).unwrap();
        assert_eq!((settings.server.listen.as_str(), settings.rest.max_rows), ("127.0.0.1:1", Some(5)));
        let environment = [("ROADBED_SERVER_LISTEN", "127.0.0.1:2"), ("ROADBED_REST_SCHEMAS", "api, public")];
        let settings = load(toml, &environment, &Flags::default()).unwrap();
        assert_eq!(settings.server.listen, "127.0.0.1:2");
        assert_eq!(settings.rest.schemas, ["api", "public"]);
        let flags = Flags { listen: Some("127.0.0.1:3".into()), database: None };
        assert_eq!(load(toml, &environment, &flags).unwrap().server.listen, "127.0.0.1:3");
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_place_and_the_nearest() {
        let error = load("[rest]\nmaxrows = 5\n", &[], &Flags::default()).unwrap_err();
        assert!(error.contains("rest.maxrows") && error.contains("rest.max-rows"), "{error}");
        let error = load("", &[("ROADBED_REST_MAXROWS", "1")], &Flags::default()).unwrap_err();
        assert!(error.contains("ROADBED_REST_MAX_ROWS"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_it_should_be() {
        let error = load("[rest]\nmax-rows = \"many\"\n", &[], &Flags::default()).unwrap_err();
        assert!(error.contains("rest.max-rows") && error.contains("most rows in an answer"), "{error}");
    }

    #[test]
    fn a_secret_of_digits_stays_text() {
        let settings = load("", &[("ROADBED_JWT_SECRET", "12345678901234567890123456789012")], &Flags::default());
        assert!(settings.unwrap().jwt.secret.is_some());
    }
}
