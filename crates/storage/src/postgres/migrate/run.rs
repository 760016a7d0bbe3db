//! One file in one transaction, statement by statement, so that a failure is told with its place.

use std::ops::Range;
use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::join_all;
use roadbed_plan::engine::{Migration, MigrationError, SqlError};
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::fault;
use super::script::{self, Statement};
use crate::postgres::error::{is_away, is_consequence};

/// Statements sent before their answers are awaited.
const PIPELINE: usize = 64;

/// Bytes of COPY data sent at once.
const COPY_CHUNK: usize = 64 * 1024;

/// Whether a file becomes one of the applied migrations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    Yes,
    No,
}

/// Runs the file; after a failure nothing of it remains.
pub(super) async fn apply(client: &Client, file: &Migration, record: Record) -> Result<(), MigrationError> {
    // What an earlier file set for its session is no business of this one.
    client.batch_execute("reset role; reset all; begin").await.map_err(fault)?;
    let result = run_and_record(client, file, record).await;
    if result.is_err() {
        // The first failure is the one to tell; a lost connection has rolled back by itself.
        let _ = client.batch_execute("rollback").await;
    }
    result
}

async fn run_and_record(client: &Client, file: &Migration, record: Record) -> Result<(), MigrationError> {
    let statements = script::split(&file.sql);
    let mut rest = statements.as_slice();
    while let Some(first) = rest.first() {
        if let Some(rows) = &first.copy_rows {
            copy(client, file, first, rows.clone()).await?;
            rest = &rest[1..];
            continue;
        }
        let plain = rest.iter().take(PIPELINE).take_while(|statement| statement.copy_rows.is_none()).count();
        run_together(client, file, &rest[..plain]).await?;
        rest = &rest[plain..];
    }
    if record == Record::Yes {
        let insert = "insert into roadbed.migrations (name, checksum, sql) values ($1, $2, $3)";
        let checksum = file.checksum();
        client.batch_execute("reset role; set constraints all immediate").await.map_err(|error| whole(file, error))?;
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&file.name, Type::TEXT), (&checksum, Type::TEXT), (&file.sql, Type::TEXT)];
        client.execute_typed(insert, &params).await.map_err(fault)?;
    }
    // Deferred constraints are tested here.
    client.batch_execute("commit").await.map_err(|error| whole(file, error))
}

async fn run_together(client: &Client, file: &Migration, statements: &[Statement]) -> Result<(), MigrationError> {
    let sent = statements.iter().map(|statement| client.batch_execute(&file.sql[statement.range.clone()]));
    for (statement, result) in statements.iter().zip(join_all(sent).await) {
        match result {
            Ok(()) => {}
            Err(error) => return Err(statement_error(file, statement, error)),
        }
    }
    Ok(())
}

async fn copy(
    client: &Client,
    file: &Migration,
    statement: &Statement,
    rows: Range<usize>,
) -> Result<(), MigrationError> {
    let sent = async {
        let mut sink = pin!(client.copy_in::<_, Bytes>(&file.sql[statement.range.clone()]).await?);
        for chunk in file.sql[rows.clone()].as_bytes().chunks(COPY_CHUNK) {
            sink.send(Bytes::copy_from_slice(chunk)).await?;
        }
        sink.finish().await.map(|_copied| ())
    };
    sent.await.map_err(|error| match copy_line(&error).and_then(|line| nth_line(&file.sql, rows, line)) {
        Some(place) => refused(file, place, error),
        None => statement_error(file, statement, error),
    })
}

/// The line of the data that PostgreSQL complains of: `COPY posts, line 3, column id: "x"`.
fn copy_line(error: &Error) -> Option<usize> {
    let context = error.as_db_error()?.where_()?;
    let (_, rest) = context.strip_prefix("COPY ")?.split_once(", line ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn nth_line(text: &str, rows: Range<usize>, line: usize) -> Option<Range<usize>> {
    let mut start = rows.start;
    for (number, content) in (1..).zip(text[rows].split_inclusive('\n')) {
        if number == line {
            return Some(start..start + content.trim_end().len());
        }
        start += content.len();
    }
    None
}

/// An error of one statement, at the place that PostgreSQL names or else at the statement's first line.
pub(super) fn statement_error(file: &Migration, statement: &Statement, error: Error) -> MigrationError {
    let text = &file.sql[statement.range.clone()];
    let position = match error.as_db_error().and_then(|refusal| refusal.position()) {
        // Counted in characters from 1.
        Some(ErrorPosition::Original(position)) => {
            text.char_indices().nth((*position as usize).saturating_sub(1)).map(|(offset, _)| offset)
        }
        // In the body of some function, not in this text.
        Some(ErrorPosition::Internal { .. }) | None => None,
    };
    let place = match position {
        Some(offset) => offset..offset + word_length(&text[offset..]),
        None => 0..text.lines().next().map_or(0, str::len),
    };
    refused(file, statement.range.start + place.start..statement.range.start + place.end, error)
}

/// An error that belongs to no statement: a deferred constraint, say.
fn whole(file: &Migration, error: Error) -> MigrationError {
    refused(file, 0..0, error)
}

fn refused(file: &Migration, place: Range<usize>, error: Error) -> MigrationError {
    let Some(refusal) = error.as_db_error().filter(|_| !is_away(&error)) else { return fault(error) };
    debug_assert!(!is_consequence(&error), "the first error of a transaction is told");
    let message = match refusal.detail() {
        Some(detail) => format!("{}: {detail}", refusal.message()),
        None => refusal.message().to_owned(),
    };
    let error = SqlError {
        path: file.path.clone(),
        source_text: file.sql.clone(),
        offset: place.start,
        length: place.len(),
        sqlstate: Some(refusal.code().code().to_owned()),
        message,
        help: refusal.hint().map(str::to_owned),
    };
    error.into()
}

/// How much of the text to point at: the word, quoted name or sign that begins it.
fn word_length(text: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut characters = text.chars();
    match characters.next() {
        Some(quote @ ('"' | '\'')) => text[1..].find(quote).map_or(1, |end| end + 2),
        Some(first) if is_word(first) => text.find(|c: char| !is_word(c)).unwrap_or(text.len()),
        Some(other) => other.len_utf8(),
        None => 0,
    }
}
