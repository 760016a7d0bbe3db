//! Carries out plans: what to send, and what the answers mean.

mod answers;
mod flight;
mod transact;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use roadbed_plan::engine::ResponseWishes;
use roadbed_plan::plan::{CallPlan, Node, ReturningPlan, Work};
use roadbed_plan::query::{Count, RowsWanted};
use roadbed_plan::terms::{Explain, ExplainFormat, RowForm};
use roadbed_plan::{DatabaseError, EngineError, Outcome, Schema, Session, Stage, Terms};

use super::connect::search_path;
use super::error::{engine_error, is_away, may_be_stale, unavailable};
use super::pool::Pool;
use super::slow::SlowLog;
use super::write;
use crate::sql::{
    Dialect, Mode, Param, Rendered, RenderedNode, RenderedOutput, Renderer, features, handled, quote_identifier,
    render_call, render_count, render_node,
};

use flight::{Failure, fly};

pub(super) use flight::{caller, set_caller};
pub(super) use transact::transact;

/// How much longer than the server's own limit a flight may take before the server is given up.
const GRACE: Duration = Duration::from_secs(5);

/// One request's transaction.
pub(super) struct Job<'p> {
    pub(super) session: &'p Session,
    pub(super) search_path: String,
    pub(super) writes: bool,
    pub(super) statements: Vec<Asked>,
    /// Which of the statements is the work's own.
    pub(super) main: usize,
    /// Without it only the function before requests is asked.
    pub(super) has_work: bool,
    pub(super) rows_wanted: RowsWanted,
    pub(super) terms: &'p Terms,
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
    /// Lines, each the text of a row with brackets around its fields; the first tells these names.
    Lines(String),
    /// The first row has the whole answer, and how many rows it is made of.
    Whole,
    /// The lines of an explained plan.
    Explained,
    /// The fields of the first row, as text.
    Fields,
    /// One row: how many rows its second field is made of, which is lines where there are names for the first, and how
    /// many there are.
    Called { names: Option<String> },
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
    pub(super) pre_request: Option<&'e str>,
    pub(super) exact_up_to: Option<u64>,
    pub(super) slow: SlowLog<'e>,
}

/// Runs `work` as `session`, in one transaction.
pub(super) async fn execute(
    pool: &Arc<Pool>,
    bounds: &Bounds<'_>,
    question: Question<'_>,
) -> Result<Outcome, EngineError> {
    let Some(job) = job_of(bounds, question)? else { return nothing_to_do(question) };
    let observed = &job.session.observed;
    let (began, waited) = (Instant::now(), observed.spent(Stage::Wait));
    let answers = within(bounds.statement_timeout, Box::pin(run(pool, &job))).await;
    let waited = observed.spent(Stage::Wait).saturating_sub(waited);
    bounds.slow.look(&job, question, began.elapsed().saturating_sub(waited));
    let outcome = conclude(&job, bounds, (question, answers?))?;
    if !job.writes {
        check_rows(job.rows_wanted, outcome.rows)?;
    }
    Ok(outcome)
}

/// What the answers to a job's statements say.
fn conclude(
    job: &Job<'_>,
    bounds: &Bounds<'_>,
    (question, mut answers): (Question<'_>, Vec<Answer>),
) -> Result<Outcome, EngineError> {
    let response = answers.pop().map(wishes_of).unwrap_or_default();
    answers.drain(..job.main.min(answers.len()));
    let outcome = match job.terms.explain {
        _ if !job.has_work => nothing_to_do(question)?,
        Some(_) => Outcome { body: answers.swap_remove(0).body.into(), ..Outcome::default() },
        None => outcome_of(question, bounds, answers)?,
    };
    Ok(Outcome { response, ..outcome })
}

/// What to do for `question`; `None` when there is nothing to do.
fn job_of<'p>(bounds: &Bounds<'_>, question: Question<'p>) -> Result<Option<Job<'p>>, EngineError> {
    let Question { schema, session, work, rows_wanted, terms } = question;
    refuse_login(&session.role, bounds.login)?;
    let own = statements_of(question, bounds)?;
    let has_work = own.is_some();
    if !has_work && bounds.pre_request.is_none() {
        return Ok(None);
    }
    let (main, statements) = around(bounds.pre_request, own.unwrap_or_default());
    let namespace = namespace_of(schema, work);
    let names = std::iter::once(namespace).chain(bounds.search_path.iter().filter(|name| *name != namespace));
    let writes = match work {
        Work::Read { .. } => false,
        Work::Call(plan) => !plan.read_only,
        Work::Insert(_) | Work::Update(_) | Work::Delete(_) => true,
    };
    let search_path = search_path(names.map(String::as_str));
    let rows_wanted = if terms.explain.is_some() || !has_work { RowsWanted::Any } else { rows_wanted };
    Ok(Some(Job { session, search_path, writes, statements, main, has_work, rows_wanted, terms }))
}

/// What every request's transaction begins and ends with, around its own statements; and where the first of those is.
fn around(pre_request: Option<&str>, own: Vec<Asked>) -> (usize, Vec<Asked>) {
    let asked = |sql: String, reading| Asked { sql, params: Vec::new(), reading };
    let mut statements = Vec::with_capacity(own.len() + 2);
    if let Some(function) = pre_request {
        let name: Vec<String> = function.split('.').map(quote_identifier).collect();
        statements.push(asked(format!("select {}()", name.join(".")), Reading::Tally));
    }
    let main = statements.len();
    statements.extend(own);
    statements.push(asked(WISHES.to_owned(), Reading::Fields));
    (main, statements)
}

/// A setting that an earlier transaction has set is empty.
const WISHES: &str = "select current_setting('response.status', true), current_setting('response.headers', true)";

fn wishes_of(answer: Answer) -> ResponseWishes {
    let mut fields = answer.fields.into_iter().map(|field| field.filter(|text| !text.is_empty()));
    ResponseWishes { status: fields.next().flatten(), headers: fields.next().flatten() }
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
    pub(super) terms: &'p Terms,
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
        let mut lease = pool.acquire_for(&job.session.observed).await?;
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
fn statements_of(question: Question<'_>, bounds: &Bounds<'_>) -> Result<Option<Vec<Asked>>, EngineError> {
    let Question { schema, work, terms, .. } = question;
    let statements = match work {
        Work::Read { node, count } => Some(read_statements(question, node, (*count, bounds.exact_up_to))),
        Work::Insert(plan) => Some(write::insert(schema, plan, &terms.form)?),
        Work::Update(plan) => write::update(schema, plan, &terms.form)?,
        Work::Delete(plan) => Some(write::delete(schema, plan, &terms.form)),
        Work::Call(plan) => Some(vec![call(schema, plan, &terms.form)?]),
    };
    let explained = |statements: Vec<Asked>, explain| {
        statements.into_iter().take(1).map(|asked| explained(asked, explain)).collect()
    };
    Ok(match &terms.explain {
        Some(explain) => statements.map(|statements| explained(statements, explain)),
        None => statements,
    })
}

fn call(schema: &Schema, plan: &CallPlan, form: &RowForm) -> Result<Asked, EngineError> {
    let missing = || EngineError::Internal { reason: "a call without arguments for the engine".into() };
    let (rendered, names) = render_call(schema, plan, (plan.node.call.as_deref().ok_or_else(missing)?, form));
    let names = (*form == RowForm::Csv).then(|| names.join(","));
    Ok(Asked { sql: rendered.sql, params: rendered.params, reading: Reading::Called { names } })
}

fn explained(asked: Asked, explain: &Explain) -> Asked {
    let format = match explain.format {
        ExplainFormat::Json => "format json",
        ExplainFormat::Text => "format text",
    };
    let options = std::iter::once(format).chain(explain.options.iter().map(|option| option.name()));
    let options = options.collect::<Vec<_>>().join(", ");
    Asked { sql: format!("explain ({options}) {}", asked.sql), reading: Reading::Explained, ..asked }
}

fn read_statements(question: Question<'_>, node: &Node, count: (Option<Count>, Option<u64>)) -> Vec<Asked> {
    let Question { schema, terms, .. } = question;
    let mut renderer = Renderer::new(schema, Dialect::Postgres, Mode::Statement);
    let reading = rows_in_form(&mut renderer, node, (None, &terms.form));
    let Rendered { sql, params } = renderer.finish();
    let mut statements = vec![Asked { sql, params, reading }];
    let exact = || render_count(schema, node, Dialect::Postgres);
    let fields = |sql, params| Asked { sql, params, reading: Reading::Fields };
    match count {
        (Some(Count::Exact), _) | (Some(Count::Estimated), None) => {
            let Rendered { sql, params } = exact();
            statements.push(fields(sql, params));
        }
        (Some(Count::Estimated), Some(exact_up_to)) => {
            let all = Node { limit: Some(exact_up_to.saturating_add(1)), ..whole(node) };
            let Rendered { sql, params } = render_bare(schema, &all);
            statements.push(fields(format!("select count(*) from ({sql}) as bounded"), params));
            let Rendered { sql, params } = render_bare(schema, &whole(node));
            statements.push(fields(format!("explain (format json) {sql}"), params));
        }
        (Some(Count::Planned), _) => {
            let Rendered { sql, params } = render_bare(schema, &whole(node));
            statements.push(fields(format!("explain (format json) {sql}"), params));
        }
        (None, _) => {}
    }
    statements
}

/// All rows of the node, nothing of them.
fn whole(node: &Node) -> Node {
    Node { limit: None, offset: 0, order: Vec::new(), outputs: Vec::new(), ..node.clone() }
}

fn render_bare(schema: &Schema, node: &Node) -> Rendered {
    let RenderedNode { sql, params, .. } = render_node(schema, node, Dialect::Postgres);
    Rendered { sql, params }
}

/// Appends the select of the node's rows, and says how to read what comes.
pub(super) fn rows_in_form(
    renderer: &mut Renderer<'_>,
    node: &Node,
    (from, form): (Option<&str>, &RowForm),
) -> Reading {
    match form {
        // What a function gives by itself is offered for calls only.
        RowForm::Json | RowForm::Bare => Reading::Objects(objects(renderer.node(node, from).0)),
        RowForm::Csv => Reading::Lines(renderer.node_as(node, from, "(\"row\".*)::text").join(",")),
        RowForm::GeoJson(schema) => {
            renderer.node_as(node, from, &format!("{}, count(*)", features(schema, "\"row\".*")));
            Reading::Whole
        }
        RowForm::Handled(handler) => {
            renderer.node_as(node, from, &format!("{}, count(*)", handled(handler, "\"row\".*")));
            Reading::Whole
        }
    }
}

/// The keys of each row's object with the columns they come from.
fn objects(outputs: Vec<RenderedOutput>) -> Vec<(String, usize, bool)> {
    let of = |output| match output {
        RenderedOutput::Value { name, index, .. } => Some((name, index, false)),
        RenderedOutput::Json { name, index } => Some((name, index, true)),
        // Only for engines that read embedded rows by statements of their own.
        RenderedOutput::Embed { .. } | RenderedOutput::Spread { .. } => None,
    };
    outputs.into_iter().filter_map(of).collect()
}

fn nothing_to_do(question: Question<'_>) -> Result<Outcome, EngineError> {
    let Question { work, rows_wanted, .. } = question;
    let (returning, count) = match work {
        Work::Update(plan) => (Some(&plan.returning), plan.count),
        Work::Read { .. } | Work::Insert(_) | Work::Delete(_) | Work::Call(_) => (None, None),
    };
    let body = match returning {
        Some(ReturningPlan::Rows(_)) => Bytes::from_static(b"[]"),
        _ => Bytes::new(),
    };
    check_rows(rows_wanted, 0)?;
    Ok(Outcome { body, total: count.map(|_| 0), ..Outcome::default() })
}

/// Puts the answers together. The first statement's rows are the work's own.
fn outcome_of(question: Question<'_>, bounds: &Bounds<'_>, answers: Vec<Answer>) -> Result<Outcome, EngineError> {
    let Question { schema, work, .. } = question;
    let mut answers = answers.into_iter();
    let main = answers.next().unwrap_or_default();
    let counted = main.fields.last().cloned().flatten();
    let mut next = || answers.next().and_then(|answer| answer.fields.into_iter().next()).flatten();
    let (second, third) = (next(), next());
    let mut outcome = Outcome { rows: main.rows, ..Outcome::default() };
    match work {
        Work::Read { count, .. } => {
            outcome.total = total((*count, bounds.exact_up_to), second.as_deref(), third.as_deref())?
        }
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

fn total(
    (count, exact_up_to): (Option<Count>, Option<u64>),
    answer: Option<&str>,
    planned: Option<&str>,
) -> Result<Option<u64>, EngineError> {
    let Some(count) = count else { return Ok(None) };
    let exact = || answer.and_then(|text| text.parse().ok());
    let found = match count {
        Count::Exact => exact(),
        Count::Planned => answer.and_then(planned_rows),
        // PostgREST's rule: as soon as there are more rows than an answer may have, the larger of the two.
        Count::Estimated => exact().map(|rows: u64| match exact_up_to {
            Some(bound) if rows > bound => rows.max(planned.and_then(planned_rows).unwrap_or(0)),
            Some(_) | None => rows,
        }),
    };
    found.map(Some).ok_or_else(|| EngineError::Internal { reason: format!("no count in {answer:?}") })
}

/// `[{"Plan": {"Plan Rows": 12, …}}]`
fn planned_rows(explained: &str) -> Option<u64> {
    let explained: serde_json::Value = serde_json::from_str(explained).ok()?;
    explained.get(0)?.get("Plan")?.get("Plan Rows")?.as_u64()
}
