//! What the paths answer before a database has a say.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Extension;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;
use roadbed_plan::engine::{AppliedMigration, Migration, MigrationError};
use roadbed_plan::planner::Limits;
use roadbed_plan::schema::{Namespace, Role};
use roadbed_plan::transaction::{Finished, Transaction};
use roadbed_plan::{Capabilities, Database, Engine, EngineError, Outcome, Plan, Schema, Session};
use tower::ServiceExt;

use super::{Rest, RestSettings, routes};
use crate::describe::{DescribeSettings, Documents};

/// An engine without a database.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Engine for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn execute(&self, _: &Plan) -> Result<Outcome, EngineError> {
        Err(EngineError::Unavailable { reason: "it is nowhere".into(), retry_after: Duration::from_secs(1) })
    }

    async fn transact(&self, _: &Transaction) -> Result<Finished, EngineError> {
        Err(EngineError::Unavailable { reason: "it is nowhere".into(), retry_after: Duration::from_secs(1) })
    }

    async fn schema(&self) -> Result<Schema, MigrationError> {
        let mut schema = Schema::default();
        schema.namespaces.insert("public".into(), Namespace::default());
        schema.roles.insert("anon".into(), Role { name: "anon".into(), ..Role::default() });
        Ok(schema)
    }

    async fn applied(&self) -> Result<Vec<AppliedMigration>, MigrationError> {
        Ok(Vec::new())
    }

    async fn migrate(&self, _: &[Migration]) -> Result<Vec<String>, MigrationError> {
        Ok(Vec::new())
    }

    async fn seed(&self, _: &Migration) -> Result<(), MigrationError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), EngineError> {
        Ok(())
    }

    async fn close(&self) {}
}

async fn answer(method: &str, path: &str) -> Response {
    let database = Database::open(Arc::new(Nowhere), Limits::default()).await.unwrap();
    let database = Arc::new(database);
    let documents = Arc::new(Documents::new(database.clone(), DescribeSettings::default()));
    let rest = Rest { database, documents, settings: RestSettings::default() };
    let session = Session::new("anon", serde_json::Map::new());
    let service = axum::Router::new().nest("/rest/v1", routes(rest)).layer(Extension(session));
    let request = Request::builder().method(method).uri(format!("/rest/v1{path}")).body(Body::empty()).unwrap();
    service.oneshot(request).await.unwrap()
}

async fn code(method: &str, path: &str) -> String {
    let response = answer(method, path).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
    format!("{} {}", status.as_u16(), error["code"].as_str().unwrap())
}

#[tokio::test]
async fn paths_lead_to_relations_only() {
    assert_eq!(code("GET", "/films").await, "404 PGRST205");
    assert_eq!(code("GET", "/fil%FFms").await, "400 22021");
    assert_eq!(code("GET", "/films/1").await, "404 PGRST125");
    assert_eq!(code("POST", "/rpc/add").await, "404 PGRST202");
    assert_eq!(code("PUT", "/films").await, "400 PGRST102");
    assert_eq!(code("GET", "/films?a=b").await, "400 PGRST100");
}

#[tokio::test]
async fn options_tell_the_methods() {
    assert_eq!(code("OPTIONS", "/films").await, "404 PGRST205");
    let refused = answer("TRACE", "/films").await;
    assert_eq!(refused.headers()["allow"], "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE");
}

#[tokio::test]
async fn errors_of_head_have_no_body_but_a_code() {
    let response = answer("HEAD", "/films").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["proxy-status"]),
        (404, &"Roadbed; error=PGRST205".parse().unwrap())
    );
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}
