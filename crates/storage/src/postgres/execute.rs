//! Carries out plans: what to send, and what the answers mean.

mod answers;
mod flight;
mod transact;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roadbed_plan::plan::{CallPlan, Node, ReturningPlan, Work};
use roadbed_plan::query::{Count, RowsWanted};
use roadbed_plan::{DatabaseError, EngineError, Outcome, Schema, Session};

use super::connect::search_path;
use super::error::{engine_error, is_away, may_be_stale, unavailable};
use super::pool::Pool;
use super::write;
use crate::sql::{Dialect, Param, RenderedOutput, render_call, render_count, render_node};

use flight::{Failure, fly};

pub(super) use transact::transact;

/// How much longer than the server's own limit a flight may take before the server is given up.
const GRACE: Duration = Duration::from_secs(5);

/// One request's transaction.
pub(super) struct Job<'p> {
    pub(super) session: &'p Session,
    pub(super) search_path: String,
    pub(super) writes: bool,
    pub(super) statements: Vec<Asked>,
    pub(super) rows_wanted: RowsWanted,
}

/// One statement and what its rows are.
pub(super) struct Asked {
    pub(super) sql: String,
    pub(super) params: Vec<Param>,
    pub(super) reading: Reading,
}

pub(super) enum Reading {
    /// Objects of the answer: each key with its column, and whether that is JSON text already.
    Objects(Vec<(String, usize, bool)>),
    /// The fields of the first row, as text.
    Fields,
    /// One row: how many rows its second field has as JSON, and how many there are.
    Called,
    /// Only how many there are.
    Tally,
}

/// What a statement gave.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// Rows that came back, or rows written where none did.
    pub(super) rows: u64,
    pub(super) fields: Vec<Option<String>>,
}

/// What binds every request of an engine.
pub(super) struct Bounds<'e> {
    pub(super) search_path: &'e [String],
    pub(super) statement_timeout: Duration,
    /// The role that connections log in as.
    pub(super) login: Option<&'e str>,
}

/// Runs `work` as `session`, in one transaction.
pub(super) async fn execute(
    pool: &Arc<Pool>,
    bounds: &Bounds<'_>,
    question: Question<'_>,
) -> Result<Outcome, EngineError> {
    let Question { schema, work, rows_wanted, .. } = question;
    let Some(job) = job_of(bounds, question)? else {
        let outcome = nothing_to_do(work);
        check_rows(rows_wanted, outcome.rows)?;
        return Ok(outcome);
    };
    let writes = job.writes;
    let answers = within(bounds.statement_timeout, Box::pin(run(pool, &job))).await?;
    let outcome = outcome_of(schema, work, answers)?;
    if !writes {
        check_rows(rows_wanted, outcome.rows)?;
    }
    Ok(outcome)
}

/// What to do for `question`; `None` when there is nothing to do.
fn job_of<'p>(bounds: &Bounds<'_>, question: Question<'p>) -> Result<Option<Job<'p>>, EngineError> {
    let Question { schema, session, work, rows_wanted } = question;
    refuse_login(&session.role, bounds.login)?;
    let Some(statements) = statements_of(schema, work)? else { return Ok(None) };
    let namespace = namespace_of(schema, work);
    let names = std::iter::once(namespace).chain(bounds.search_path.iter().filter(|name| *name != namespace));
    let writes = match work {
        Work::Read { .. } => false,
        Work::Call(plan) => !plan.read_only,
        Work::Insert(_) | Work::Update(_) | Work::Delete(_) => true,
    };
    let search_path = search_path(names.map(String::as_str));
    Ok(Some(Job { session, search_path, writes, statements, rows_wanted }))
}

/// No token may name the login, which owns what migrations have made.
fn refuse_login(role: &str, login: Option<&str>) -> Result<(), DatabaseError> {
    if role == "none" {
        // The setting would take this for "no role", and leave the login's rights.
        return Err(DatabaseError::new("22023", "role \"none\" does not exist"));
    }
    if login == Some(role) {
        return Err(DatabaseError::new("42501", format!("permission denied to set role \"{role}\"")));
    }
    Ok(())
}

/// A plan's parts.
#[derive(Clone, Copy)]
pub(super) struct Question<'p> {
    pub(super) schema: &'p Schema,
    pub(super) session: &'p Session,
    pub(super) work: &'p Work,
    pub(super) rows_wanted: RowsWanted,
}

/// Gives up when the server neither answers nor ends the statement itself, as when its machine is gone.
async fn within<T>(
    statement_timeout: Duration,
    run: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    if statement_timeout.is_zero() {
        return run.await;
    }
    // A flight has few statements, each with the server's limit; waiting for a connection has its own.
    match tokio::time::timeout(statement_timeout * 4 + GRACE, run).await {
        Ok(result) => result,
        Err(_elapsed) => Err(unavailable("no answer in time".into())),
    }
}

/// Tries again, once, where a statement that was prepared earlier is out of date, or where a read met a connection
/// that the server had closed meanwhile.
async fn run(pool: &Arc<Pool>, job: &Job<'_>) -> Result<Vec<Answer>, EngineError> {
    let mut retried = false;
    loop {
        let mut lease = pool.acquire().await?;
        match fly(lease.connection(), job).await {
            Ok(answers) => {
                lease.give_back();
                return Ok(answers);
            }
            Err(Failure::Rows { found }) => {
                lease.give_back();
                return Err(EngineError::RowCount { found });
            }
            Err(Failure::Refused { error, prepared_earlier }) => {
                let away = is_away(&error);
                let again = if away { !job.writes } else { prepared_earlier && may_be_stale(&error) };
                // Only the server's word says how the transaction stands; else the lease ends the connection.
                if !away && error.as_db_error().is_some() {
                    for asked in job.statements.iter().filter(|_| again) {
                        lease.connection().prepared.remove(&job.session.role, &asked.sql);
                    }
                    lease.give_back();
                }
                if !again || retried {
                    return Err(engine_error(&error));
                }
                retried = true;
            }
        }
    }
}

pub(super) fn check_rows(wanted: RowsWanted, found: u64) -> Result<(), EngineError> {
    if rows_fit(wanted, found) { Ok(()) } else { Err(EngineError::RowCount { found }) }
}

pub(super) fn rows_fit(wanted: RowsWanted, found: u64) -> bool {
    match wanted {
        RowsWanted::Any => true,
        RowsWanted::ExactlyOne => found == 1,
        RowsWanted::AtMost(most) => found <= most,
    }
}

/// The schema whose names come first.
fn namespace_of<'s>(schema: &'s Schema, work: &'s Work) -> &'s String {
    let relation = match work {
        Work::Read { node, .. } => node.relation,
        Work::Insert(plan) => plan.relation,
        Work::Update(plan) => plan.relation,
        Work::Delete(plan) => plan.relation,
        Work::Call(plan) => return &plan.function.0,
    };
    &schema.relation(relation).schema
}

/// The statements that do the work; `None` when there is nothing to do.
fn statements_of(schema: &Schema, work: &Work) -> Result<Option<Vec<Asked>>, EngineError> {
    match work {
        Work::Read { node, count } => Ok(Some(read_statements(schema, node, *count))),
        Work::Insert(plan) => write::insert(schema, plan).map(Some),
        Work::Update(plan) => write::update(schema, plan),
        Work::Delete(plan) => Ok(Some(write::delete(schema, plan))),
        Work::Call(plan) => call(schema, plan).map(|asked| Some(vec![asked])),
    }
}

fn call(schema: &Schema, plan: &CallPlan) -> Result<Asked, EngineError> {
    let missing = || EngineError::Internal { reason: "a call without arguments for the engine".into() };
    let rendered = render_call(schema, plan, plan.node.call.as_deref().ok_or_else(missing)?);
    Ok(Asked { sql: rendered.sql, params: rendered.params, reading: Reading::Called })
}

fn read_statements(schema: &Schema, node: &Node, count: Option<Count>) -> Vec<Asked> {
    let rendered = render_node(schema, node, Dialect::Postgres);
    let mut statements = vec![Asked {
        sql: rendered.sql,
        params: rendered.params,
        reading: Reading::Objects(objects(rendered.outputs)),
    }];
    match count {
        Some(Count::Exact | Count::Estimated) => {
            let rendered = render_count(schema, node, Dialect::Postgres);
            statements.push(Asked { sql: rendered.sql, params: rendered.params, reading: Reading::Fields });
        }
        Some(Count::Planned) => {
            let all = Node { limit: None, offset: 0, order: Vec::new(), ..node.clone() };
            let rendered = render_node(schema, &all, Dialect::Postgres);
            let sql = format!("explain (format json) {}", rendered.sql);
            statements.push(Asked { sql, params: rendered.params, reading: Reading::Fields });
        }
        None => {}
    }
    statements
}

/// The keys of each row's object with the columns they come from.
pub(super) fn objects(outputs: Vec<RenderedOutput>) -> Vec<(String, usize, bool)> {
    let of = |output| match output {
        RenderedOutput::Value { name, index, .. } => Some((name, index, false)),
        RenderedOutput::Json { name, index } => Some((name, index, true)),
        // Only for engines that read embedded rows by statements of their own.
        RenderedOutput::Embed { .. } | RenderedOutput::Spread { .. } => None,
    };
    outputs.into_iter().filter_map(of).collect()
}

fn nothing_to_do(work: &Work) -> Outcome {
    let (returning, count) = match work {
        Work::Update(plan) => (Some(&plan.returning), plan.count),
        Work::Read { .. } | Work::Insert(_) | Work::Delete(_) | Work::Call(_) => (None, None),
    };
    let body = match returning {
        Some(ReturningPlan::Rows(_)) => Bytes::from_static(b"[]"),
        _ => Bytes::new(),
    };
    Outcome { body, total: count.map(|_| 0), ..Outcome::default() }
}

/// Puts the answers together. The first statement's rows are the work's own.
fn outcome_of(schema: &Schema, work: &Work, answers: Vec<Answer>) -> Result<Outcome, EngineError> {
    let mut answers = answers.into_iter();
    let main = answers.next().unwrap_or_default();
    let counted = main.fields.last().cloned().flatten();
    let second = answers.next().and_then(|answer| answer.fields.into_iter().next()).flatten();
    let mut outcome = Outcome { rows: main.rows, ..Outcome::default() };
    match work {
        Work::Read { count, .. } => outcome.total = total(*count, second.as_deref())?,
        Work::Insert(plan) => {
            outcome.total = plan.count.map(|_| main.rows);
            outcome.inserted = second.map_or(main.rows, |inserted| inserted.parse().unwrap_or(0));
            if main.rows == 1 {
                outcome.key = write::key(schema, plan, main.fields);
            }
        }
        Work::Update(plan) => outcome.total = plan.count.map(|_| main.rows),
        Work::Delete(plan) => outcome.total = plan.count.map(|_| main.rows),
        Work::Call(_) => outcome.total = counted.and_then(|count| count.parse().ok()),
    }
    outcome.body = main.body.into();
    Ok(outcome)
}

fn total(count: Option<Count>, answer: Option<&str>) -> Result<Option<u64>, EngineError> {
    let Some(count) = count else { return Ok(None) };
    let found = match count {
        Count::Exact | Count::Estimated => answer.and_then(|text| text.parse().ok()),
        Count::Planned => answer.and_then(planned_rows),
    };
    found.map(Some).ok_or_else(|| EngineError::Internal { reason: format!("no count in {answer:?}") })
}

/// `[{"Plan": {"Plan Rows": 12, …}}]`
fn planned_rows(explained: &str) -> Option<u64> {
    let explained: serde_json::Value = serde_json::from_str(explained).ok()?;
    explained.get(0)?.get("Plan")?.get("Plan Rows")?.as_u64()
}
