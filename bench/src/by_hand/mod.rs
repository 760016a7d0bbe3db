//! What a good programmer writes by hand for exactly these three questions: no tokens, no policies, no other
//! columns or filters.

mod postgres;
mod sqlite;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
use miette::IntoDiagnostic;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::work::Engine;

pub(crate) use sqlite::make_file;

/// The body of an insert.
#[derive(Debug, Deserialize)]
struct NewPost {
    author_id: Uuid,
    title: String,
    body: String,
    is_public: bool,
}

/// A whole post. SQLite keeps ids and times as the text that the answer has.
#[derive(Serialize)]
struct Post<'r, Id, Time: Serialize> {
    id: i64,
    author_id: Id,
    title: &'r str,
    body: &'r str,
    is_public: bool,
    views: i32,
    created_at: Time,
}

/// A line of a list.
#[derive(Serialize)]
struct PostLine<'r, Time: Serialize> {
    id: i64,
    title: &'r str,
    views: i32,
    created_at: Time,
}

/// A time in the form that Roadbed's answers have.
struct WithOffset(Timestamp);

impl Serialize for WithOffset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&DateTimePrinter::new().timestamp_with_offset_to_string(&self.0, Offset::UTC))
    }
}

/// Serves until the process is ended.
pub(crate) fn serve(engine: Engine, database: &str, listen: &str) -> miette::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().into_diagnostic()?;
    runtime.block_on(async {
        let routes: Router = match engine {
            Engine::Sqlite => sqlite::routes(database).into_diagnostic()?,
            Engine::Postgres => postgres::routes(database).await.into_diagnostic()?,
        };
        let listener = tokio::net::TcpListener::bind(listen).await.into_diagnostic()?;
        axum::serve(listener, routes).await.into_diagnostic()
    })
}

fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}

fn one<T: Serialize>(post: Option<T>) -> Response {
    match post.map(|post| serde_json::to_vec(&post)) {
        Some(Ok(body)) => json(body),
        Some(Err(error)) => failed(&error),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn failed(error: &dyn std::error::Error) -> Response {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
