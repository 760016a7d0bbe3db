//! Documents as they are served: made once for each role and version of the schema, away from the threads that serve
//! requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use roadbed_plan::planner::Viewer;
use roadbed_plan::{Database, EngineError, RunError, Schema, Session};

use super::{Api, ApiPlace, openapi, swagger};

/// What an operator decides about descriptions.
#[derive(Clone, Debug, Default)]
pub struct DescribeSettings {
    pub mode: OpenApiMode,
    pub place: ApiPlace,
}

/// What PostgREST's root document shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenApiMode {
    /// What the caller's role may reach.
    #[default]
    FollowPrivileges,
    /// Everything that is exposed.
    IgnorePrivileges,
    /// There is none.
    Disabled,
}

impl OpenApiMode {
    /// The words of the settings.
    pub const WORDS: [(&str, Self); 3] = [
        ("follow-privileges", Self::FollowPrivileges),
        ("ignore-privileges", Self::IgnorePrivileges),
        ("disabled", Self::Disabled),
    ];
}

/// The forms that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// OpenAPI 3.1.
    OpenApi,
    /// PostgREST's root: Swagger 2.0.
    Swagger,
}

/// The documents of a database.
#[derive(Debug)]
pub struct Documents {
    database: Arc<Database>,
    settings: DescribeSettings,
    made: Mutex<Made>,
}

/// Role and schema, and the form. Only roles that exist and schemas that are exposed have documents.
type Key = (Document, String, String);

#[derive(Debug, Default)]
struct Made {
    of: Option<Arc<Schema>>,
    documents: HashMap<Key, Bytes>,
}

impl Documents {
    pub fn new(database: Arc<Database>, settings: DescribeSettings) -> Self {
        Self { database, settings, made: Mutex::default() }
    }

    /// The document of the exposed schema `of` for the caller; `None` where there is to be none.
    ///
    /// # Errors
    /// When the schema is not exposed, or no caller can have the role.
    pub async fn get(&self, document: Document, of: &str, session: &Session) -> Result<Option<Bytes>, RunError> {
        if document == Document::Swagger && self.settings.mode == OpenApiMode::Disabled {
            return Ok(None);
        }
        let schema = self.database.schema();
        // One document is for everybody, so that roles, which tokens name, are no part of its key.
        let is_for_all = document == Document::Swagger && self.settings.mode == OpenApiMode::IgnorePrivileges;
        let role = if is_for_all { String::new() } else { session.role.to_string() };
        let key = (document, role, of.to_owned());
        if let Some(found) = self.known(&schema, &key) {
            return Ok(Some(found));
        }
        let (settings, of_schema) = (self.settings.clone(), Arc::clone(&schema));
        let wanted = key.clone();
        let made = tokio::task::spawn_blocking(move || make(of_schema, &wanted, settings)).await;
        let made = made.map_err(|error| EngineError::Internal { reason: format!("no document: {error}") })??;
        self.keep(schema, key, &made);
        Ok(Some(made))
    }

    /// The schema that is meant when the caller names none.
    pub fn default_schema(&self) -> &str {
        self.settings.place.schemas.first().map_or("public", String::as_str)
    }

    fn known(&self, schema: &Arc<Schema>, key: &Key) -> Option<Bytes> {
        let made = self.made.lock().expect("no holder panics");
        let is_current = made.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, schema));
        made.documents.get(key).filter(|_| is_current).cloned()
    }

    fn keep(&self, schema: Arc<Schema>, key: Key, document: &Bytes) {
        let mut made = self.made.lock().expect("no holder panics");
        if !made.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &schema)) {
            *made = Made { of: Some(schema), documents: HashMap::new() };
        }
        made.documents.insert(key, document.clone());
    }
}

fn make(schema: Arc<Schema>, key: &Key, settings: DescribeSettings) -> Result<Bytes, RunError> {
    let (document, role, of) = key;
    let role = Viewer::Role(role);
    let viewer = match (document, settings.mode) {
        (Document::OpenApi, _) | (Document::Swagger, OpenApiMode::FollowPrivileges | OpenApiMode::Disabled) => role,
        (Document::Swagger, OpenApiMode::IgnorePrivileges) => Viewer::Everyone,
    };
    let api = Api::new(schema, of, viewer, settings.place)?;
    let json = match document {
        Document::OpenApi => openapi(&api),
        Document::Swagger => swagger(&api),
    };
    Ok(Bytes::from(json.to_string()))
}
