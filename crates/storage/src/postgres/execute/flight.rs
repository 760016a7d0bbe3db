//! One transaction on one connection, in as few round trips as it can take.
//!
//! The driver sends what is polled together without waiting in between. When every statement is prepared, a request
//! is one flight: begin, say who asks, ask, commit. A failure makes the server skip the rest up to the end of the
//! transaction, so that nothing runs with the rights of the login.

use futures_util::future::{OptionFuture, join_all, join3, join4};
use futures_util::{TryStreamExt, pin_mut};
use roadbed_plan::Session;
use roadbed_plan::terms::Ending;
use roadbed_plan::value::Zone;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Statement};

use super::{Answer, Asked, Job, Reading, RowsWanted, rows_fit};
use crate::postgres::connect::Connection;
use crate::postgres::error::{is_away, is_consequence};
use crate::postgres::params::TextParam;
use crate::postgres::rows::{Raw, RowWriter, form_of, write_text};

/// Why a flight brought nothing. Unless the connection is lost, its transaction has ended.
pub(in crate::postgres) enum Failure {
    Refused {
        error: Error,
        /// Whether the statements had been prepared by an earlier request.
        prepared_earlier: bool,
    },
    /// Another number of rows than was wanted; rolled back.
    Rows { found: u64 },
}

/// Runs the job's transaction.
pub(in crate::postgres) async fn fly(connection: &mut Connection, job: &Job<'_>) -> Result<Vec<Answer>, Failure> {
    let role = &job.session.role;
    let known: Vec<Option<Statement>> =
        job.statements.iter().map(|asked| connection.prepared.get(role, &asked.sql)).collect();
    let (statements, prepared_earlier) = if known.iter().all(Option::is_some) {
        (known.into_iter().flatten().collect(), true)
    } else {
        (begin_and_prepare(connection, job, known).await?, false)
    };
    let refused = |error| Failure::Refused { error, prepared_earlier };
    let commits_at_once = !job.writes || (job.rows_wanted == RowsWanted::Any && job.terms.ending == Ending::Commit);

    let caller = caller_of(job);
    let begin = OptionFuture::from(prepared_earlier.then(|| begin(connection, job)));
    let set_caller = OptionFuture::from(prepared_earlier.then(|| set_caller(connection, &caller)));
    let zone = job.terms.zone.as_ref();
    let asked =
        job.statements.iter().zip(&statements).map(|(asked, statement)| ask(connection, (asked, zone), statement));
    let commit = OptionFuture::from(commits_at_once.then(|| connection.client.batch_execute("commit")));
    // Each is polled in this order, and sends its message when it is polled first.
    let (begun, set, answers, committed) = join4(begin, set_caller, join_all(asked), commit).await;

    let before = [begun, set].into_iter().map(|step| step.unwrap_or(Ok(()))).collect::<Result<Vec<()>, Error>>();
    let answers = before.and_then(|_| first_error(answers));
    let Some(committed) = committed else {
        return commit_if_wanted(connection, job, answers.map_err(refused)).await;
    };
    let answers = answers.map_err(refused)?;
    committed.map_err(refused)?;
    Ok(answers)
}

/// The answers, or the error that made the others follow.
fn first_error(answers: Vec<Result<Answer, Error>>) -> Result<Vec<Answer>, Error> {
    let mut good = Vec::with_capacity(answers.len());
    let mut consequence = None;
    for answer in answers {
        match answer {
            Ok(answer) => good.push(answer),
            Err(error) if is_consequence(&error) => consequence = Some(error),
            Err(error) => return Err(error),
        }
    }
    consequence.map_or(Ok(good), Err)
}

async fn begin(connection: &Connection, job: &Job<'_>) -> Result<(), Error> {
    connection.client.batch_execute(if job.writes { "begin read write" } else { "begin read only" }).await
}

/// The parameters of the statement that says who asks.
pub(super) fn caller_of(job: &Job<'_>) -> Caller {
    let zone = job.terms.zone.as_ref().map_or("UTC", Zone::name);
    caller(job.session, &job.session.role, &job.search_path, zone)
}

/// Role, claims, request, search path and time zone.
type Caller = [TextParam; 8];

pub(in crate::postgres) fn caller(session: &Session, role: &str, search_path: &str, zone: &str) -> Caller {
    let Session { request, claims, .. } = session;
    let (method, path) = (&request.method, &request.path);
    [role, &claims.text, method, path, &request.headers, &request.cookies, search_path, zone].map(TextParam::text)
}

pub(in crate::postgres) async fn set_caller(connection: &Connection, caller: &Caller) -> Result<(), Error> {
    let rows = connection.client.query_raw(&connection.set_caller, caller.iter().map(as_param)).await?;
    pin_mut!(rows);
    while rows.try_next().await?.is_some() {}
    Ok(())
}

fn as_param(param: &TextParam) -> &(dyn ToSql + Sync) {
    param
}

/// Opens the transaction and prepares what is not prepared yet, as the caller: PostgreSQL checks the right to a
/// schema when it reads a statement.
async fn begin_and_prepare(
    connection: &mut Connection,
    job: &Job<'_>,
    known: Vec<Option<Statement>>,
) -> Result<Vec<Statement>, Failure> {
    let caller = caller_of(job);
    let prepare = job.statements.iter().zip(known).map(async |(asked, known)| match known {
        Some(statement) => Ok(statement),
        None => connection.client.prepare(&asked.sql).await,
    });
    let (begun, set, statements) =
        join3(begin(connection, job), set_caller(connection, &caller), join_all(prepare)).await;
    let statements = begun.and(set).and_then(|()| statements.into_iter().collect::<Result<Vec<_>, _>>());
    match statements {
        Ok(statements) => {
            for (asked, statement) in job.statements.iter().zip(&statements) {
                connection.prepared.put(&job.session.role, &asked.sql, statement.clone());
            }
            Ok(statements)
        }
        Err(error) => Err(roll_back(connection, error).await),
    }
}

/// Ends the transaction after an error. One that cannot be ended is a lost connection, which is then what is told.
async fn roll_back(connection: &Connection, error: Error) -> Failure {
    let error = match connection.client.batch_execute("rollback").await {
        Err(worse) if !is_away(&error) => worse,
        _ => error,
    };
    Failure::Refused { error, prepared_earlier: false }
}

/// Commits when the number of rows is what was wanted.
async fn commit_if_wanted(
    connection: &Connection,
    job: &Job<'_>,
    answers: Result<Vec<Answer>, Failure>,
) -> Result<Vec<Answer>, Failure> {
    let refused = |error| Failure::Refused { error, prepared_earlier: false };
    let found = answers.as_ref().ok().and_then(|answers| answers.get(job.main)).map(|answer| answer.rows);
    if let Some(found) = found
        && rows_fit(job.rows_wanted, found)
    {
        end(connection, job.terms.ending).await.map_err(refused)?;
        return answers;
    }
    let ended = connection.client.batch_execute("rollback").await;
    let answers = answers?;
    ended.map_err(refused)?;
    drop(answers);
    Err(Failure::Rows { found: found.unwrap_or(0) })
}

/// Ends a transaction that went well. One that is rolled back must still be one that could have been committed.
async fn end(connection: &Connection, ending: Ending) -> Result<(), Error> {
    match ending {
        Ending::Commit => connection.client.batch_execute("commit").await,
        Ending::Rollback => {
            let deferred = connection.client.batch_execute("set constraints all immediate").await;
            let ended = connection.client.batch_execute("rollback").await;
            deferred.and(ended)
        }
    }
}

/// Runs one statement and reads its rows as they arrive.
pub(super) async fn ask(
    connection: &Connection,
    (asked, zone): (&Asked, Option<&Zone>),
    statement: &Statement,
) -> Result<Answer, Error> {
    let params: Vec<TextParam> = asked.params.iter().map(TextParam::of).collect();
    let rows = connection.client.query_raw(statement, params.iter().map(as_param)).await?;
    pin_mut!(rows);
    let mut answer = Answer::default();
    match &asked.reading {
        Reading::Objects(outputs) => {
            let keys = outputs.iter().map(|(name, index, is_json)| (name.as_str(), *index, *is_json));
            let writer = RowWriter::new(statement, keys, zone);
            while let Some(row) = rows.try_next().await? {
                answer.body.push(if answer.rows == 0 { b'[' } else { b',' });
                writer.write(&row, &mut answer.body)?;
                answer.rows += 1;
            }
            answer.body.extend_from_slice(if answer.rows == 0 { b"[]" } else { b"]" });
        }
        Reading::Lines(names) => {
            while let Some(row) = rows.try_next().await? {
                let Raw(line) = row.try_get(0)?;
                if answer.rows == 0 {
                    answer.body.extend_from_slice(names.as_bytes());
                }
                answer.body.push(b'\n');
                // The brackets are not part of it.
                answer.body.extend_from_slice(line.and_then(|line| line.get(1..line.len() - 1)).unwrap_or_default());
                answer.rows += 1;
            }
            if answer.rows == 0 {
                answer.body.push(b'\n');
            }
        }
        Reading::Explained => {
            while let Some(row) = rows.try_next().await? {
                let Raw(line) = row.try_get(0)?;
                answer.body.extend_from_slice(line.unwrap_or_default());
                answer.body.push(b'\n');
            }
        }
        Reading::Whole => {
            if let Some(row) = rows.try_next().await? {
                answer.body = bare(&row, 0)?;
                answer.rows = row.try_get::<_, i64>(1)?.try_into().unwrap_or(0);
            }
            while rows.try_next().await?.is_some() {}
        }
        Reading::Fields => {
            while let Some(row) = rows.try_next().await? {
                if answer.rows == 0 {
                    for (index, column) in statement.columns().iter().enumerate() {
                        let Raw(raw) = row.try_get(index)?;
                        answer.fields.push(raw.map(|raw| write_text(&form_of(column.type_()), raw)));
                    }
                }
                answer.rows += 1;
            }
        }
        Reading::Called { names } => {
            if let Some(row) = rows.try_next().await? {
                answer.rows = row.try_get::<_, i64>(0)?.try_into().unwrap_or(0);
                let names = names.as_ref().filter(|_| answer.rows > 0);
                answer.body.extend_from_slice(names.map_or(&[], |names| names.as_bytes()));
                answer.body.extend(bare(&row, 1)?);
                answer.fields = vec![row.try_get::<_, Option<i64>>(2)?.map(|total| total.to_string())];
            }
            while rows.try_next().await?.is_some() {}
        }
        Reading::Tally => {
            while rows.try_next().await?.is_some() {}
            answer.rows = rows.rows_affected().unwrap_or(0);
        }
    }
    Ok(answer)
}

/// A field as it is: bytes, or else its text; nothing for null.
fn bare(row: &Row, index: usize) -> Result<Vec<u8>, Error> {
    let Raw(raw) = row.try_get(index)?;
    let ty = row.columns()[index].type_();
    Ok(match raw {
        None => Vec::new(),
        Some(raw) if matches!(*ty, Type::BYTEA | Type::TEXT | Type::JSON) => raw.to_vec(),
        Some(raw) => write_text(&form_of(ty), raw).into_bytes(),
    })
}
