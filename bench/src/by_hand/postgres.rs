//! On PostgreSQL: a pool of ten connections with the three statements prepared on each, binary rows, JSON written
//! in Rust.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tokio_postgres::{Client, Error, NoTls, Row, Statement};
use uuid::Uuid;

use super::{NewPost, Post, PostLine, WithOffset, failed, json, one};

/// As many as Roadbed has by default.
const CONNECTIONS: usize = 10;
const GET: &str = "select id, author_id, title, body, is_public, views, created_at from posts where id = $1";
const LIST: &str =
    "select id, title, views, created_at from posts where author_id = $1 order by created_at desc limit 20";
const INSERT: &str = "insert into posts (author_id, title, body, is_public) values ($1, $2, $3, $4)";

struct Connection {
    client: Client,
    get: Statement,
    list: Statement,
    insert: Statement,
}

struct Pool {
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
}

impl Pool {
    async fn open(url: &str) -> Result<Self, Error> {
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            let (get, list) = (client.prepare(GET).await?, client.prepare(LIST).await?);
            let insert = client.prepare(INSERT).await?;
            idle.push(Connection { client, get, list, insert });
        }
        Ok(Self { idle: Mutex::new(idle), free: Semaphore::new(CONNECTIONS) })
    }

    /// Runs `work` on a connection that nobody else uses meanwhile.
    async fn with<T>(&self, work: impl AsyncFnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let _place = self.free.acquire().await.expect("the semaphore is never closed");
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = idle().pop().expect("there are as many connections as places");
        let result = work(&connection).await;
        idle().push(connection);
        result
    }
}

pub(super) async fn routes(url: &str) -> Result<Router, Error> {
    let pool = Arc::new(Pool::open(url).await?);
    Ok(Router::new()
        .route("/posts/{id}", get(get_post))
        .route("/authors/{id}/posts", get(list_posts))
        .route("/posts", post(insert_post))
        .with_state(pool))
}

async fn get_post(State(pool): State<Arc<Pool>>, Path(id): Path<i64>) -> Response {
    let found = pool.with(async |connection| connection.client.query_opt(&connection.get, &[&id]).await).await;
    match found {
        Ok(row) => one(row.as_ref().map(|row| Post {
            id: row.get(0),
            author_id: row.get::<_, Uuid>(1),
            title: row.get(2),
            body: row.get(3),
            is_public: row.get(4),
            views: row.get(5),
            created_at: WithOffset(row.get(6)),
        })),
        Err(error) => failed(&error),
    }
}

async fn list_posts(State(pool): State<Arc<Pool>>, Path(author): Path<Uuid>) -> Response {
    let found = pool.with(async |connection| connection.client.query(&connection.list, &[&author]).await).await;
    match found.map(|rows| serde_json::to_vec(&rows.iter().map(line).collect::<Vec<_>>())) {
        Ok(Ok(body)) => json(body),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn line(row: &Row) -> PostLine<'_, WithOffset> {
    PostLine { id: row.get(0), title: row.get(1), views: row.get(2), created_at: WithOffset(row.get(3)) }
}

async fn insert_post(State(pool): State<Arc<Pool>>, Json(post): Json<NewPost>) -> Response {
    let NewPost { author_id, title, body, is_public } = &post;
    let inserted = pool.with(async |connection| {
        connection.client.execute(&connection.insert, &[author_id, title, body, is_public]).await
    });
    match inserted.await {
        Ok(_) => StatusCode::CREATED.into_response(),
        Err(error) => failed(&error),
    }
}
