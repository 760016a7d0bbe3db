//! On SQLite: each async worker reads on a connection of its own, without a hand-off; one thread writes and commits
//! together what waits together. Write-ahead log, `synchronous=full`.

use std::cell::RefCell;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{NewPost, Post, PostLine, failed, json, one};
use crate::world::World;

const TABLES: &str = "
    create table authors (id text primary key, name text not null) without rowid;
    create table posts (
        id integer primary key,
        author_id text not null references authors,
        title text not null,
        body text not null,
        is_public integer not null default 0,
        views integer not null default 0,
        created_at text not null default (strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now'))
    );
    create index posts_of_author on posts (author_id, created_at desc);
";
const GET: &str = "select id, author_id, title, body, is_public, views, created_at from posts where id = ?1";
const LIST: &str =
    "select id, title, views, created_at from posts where author_id = ?1 order by created_at desc limit 20";
const INSERT: &str = "insert into posts (author_id, title, body, is_public) values (?1, ?2, ?3, ?4)";
const INSERTS_PER_COMMIT: usize = 512;

type Inserted = rusqlite::Result<()>;

struct Server {
    file: Arc<FilePath>,
    inserts: Sender<(NewPost, oneshot::Sender<Inserted>)>,
}

/// Makes the file that the server serves.
pub(crate) fn make_file(file: &FilePath, world: &World) -> rusqlite::Result<()> {
    let mut connection = open(file)?;
    let tx = connection.transaction()?;
    tx.execute_batch(TABLES)?;
    {
        let mut author = tx.prepare("insert into authors values (?1, ?2)")?;
        for (number, id) in world.author_ids().enumerate() {
            author.execute((id, format!("Author {number}")))?;
        }
        let mut post = tx.prepare(
            "insert into posts (author_id, title, body, is_public, views, created_at) values (?, ?, ?, ?, ?, ?)",
        )?;
        for row in world.posts() {
            post.execute((row.author_id, row.title, row.body, row.is_public, row.views, row.created_at))?;
        }
    }
    tx.commit()
}

pub(super) fn routes(file: &str) -> rusqlite::Result<Router> {
    let file: Arc<FilePath> = FilePath::new(file).into();
    let (inserts, waiting) = channel();
    let writer = open(&file)?;
    std::thread::spawn(move || write(&writer, &waiting));
    Ok(Router::new()
        .route("/posts/{id}", get(get_post))
        .route("/authors/{id}/posts", get(list_posts))
        .route("/posts", post(insert_post))
        .with_state(Arc::new(Server { file, inserts })))
}

fn open(file: &FilePath) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    Ok(connection)
}

async fn get_post(State(server): State<Arc<Server>>, Path(id): Path<i64>) -> Response {
    read(&server, |connection| {
        let mut get = connection.prepare_cached(GET)?;
        let answer = get
            .query_row([id], |row| {
                Ok(one(Some(Post {
                    id: row.get(0)?,
                    author_id: row.get_ref(1)?.as_str()?,
                    title: row.get_ref(2)?.as_str()?,
                    body: row.get_ref(3)?.as_str()?,
                    is_public: row.get(4)?,
                    views: row.get(5)?,
                    created_at: row.get_ref(6)?.as_str()?,
                })))
            })
            .optional()?;
        Ok(answer.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response()))
    })
}

async fn list_posts(State(server): State<Arc<Server>>, Path(author): Path<Uuid>) -> Response {
    read(&server, |connection| {
        let mut list = connection.prepare_cached(LIST)?;
        let mut rows = list.query([author.hyphenated().encode_lower(&mut Uuid::encode_buffer()) as &str])?;
        let mut body = Vec::with_capacity(4096);
        body.push(b'[');
        while let Some(row) = rows.next()? {
            if body.len() > 1 {
                body.push(b',');
            }
            let line = PostLine {
                id: row.get(0)?,
                title: row.get_ref(1)?.as_str()?,
                views: row.get(2)?,
                created_at: row.get_ref(3)?.as_str()?,
            };
            serde_json::to_writer(&mut body, &line)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        }
        body.push(b']');
        Ok(json(body))
    })
}

async fn insert_post(State(server): State<Arc<Server>>, Json(post): Json<NewPost>) -> Response {
    let (reply, answer) = oneshot::channel();
    if server.inserts.send((post, reply)).is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match answer.await {
        Ok(Ok(())) => StatusCode::CREATED.into_response(),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

/// Runs `work` on this worker's own connection.
fn read(server: &Server, work: impl FnOnce(&Connection) -> rusqlite::Result<Response>) -> Response {
    thread_local! {
        static READER: RefCell<Option<Connection>> = const { RefCell::new(None) };
    }
    READER.with_borrow_mut(|reader| {
        if reader.is_none() {
            match open(&server.file) {
                Ok(connection) => *reader = Some(connection),
                Err(error) => return failed(&error),
            }
        }
        let connection = reader.as_ref().expect("it was opened above");
        work(connection).unwrap_or_else(|error| failed(&error))
    })
}

fn write(connection: &Connection, waiting: &Receiver<(NewPost, oneshot::Sender<Inserted>)>) {
    while let Ok(first) = waiting.recv() {
        let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).take(INSERTS_PER_COMMIT).collect();
        let (posts, replies): (Vec<NewPost>, Vec<_>) = group.into_iter().unzip();
        let (results, failure) = match insert_together(connection, &posts) {
            Ok(results) => (results, None),
            Err(error) => (posts.iter().map(|_| Ok(())).collect(), Some(error.to_string())),
        };
        for (reply, result) in replies.into_iter().zip(results) {
            let result = match &failure {
                Some(text) => Err(rusqlite::Error::ToSqlConversionFailure(text.clone().into())),
                None => result,
            };
            // The caller may have gone.
            let _ = reply.send(result);
        }
    }
}

/// One commit for all; a post that is refused does not hurt the others.
fn insert_together(connection: &Connection, posts: &[NewPost]) -> rusqlite::Result<Vec<Inserted>> {
    let tx = connection.unchecked_transaction()?;
    let mut results = Vec::with_capacity(posts.len());
    {
        let mut insert = tx.prepare_cached(INSERT)?;
        for post in posts {
            let NewPost { author_id, title, body, is_public } = post;
            results.push(insert.execute((author_id.to_string(), title, body, is_public)).map(|_| ()));
        }
    }
    tx.commit()?;
    Ok(results)
}
