//! Sequences of plans in one transaction on one connection. Each plan says who asks before it asks; the login's own
//! rights are used before the first and after the last, for the answers that are kept under keys.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use roadbed_plan::database::shaped;
use roadbed_plan::transaction::{Finished, Isolation, Next, Transaction};
use roadbed_plan::{EngineError, Outcome, Plan};
use tokio_postgres::{Error, Statement};

use super::flight::{ask, caller_of, set_caller};
use super::{
    Answer, Bounds, Job, Pool, Question, answers, check_rows, conclude, engine_error, job_of, may_be_stale,
    nothing_to_do, within,
};
use crate::postgres::connect::Connection;

/// Makes a plan's count of inserted rows begin anew, and constraints and triggers that wait for the end of the
/// transaction run while it still is the caller's.
const FORGET_COUNT: &str = "select set_config('roadbed.inserted', '', true)";
const END_AS_CALLER: &str = "set constraints all immediate";
const BECOME_LOGIN: &str = "select set_config('role', 'none', true)";

/// Why a transaction ended without being committed.
pub(super) enum Fault {
    Driver { error: Error, prepared_earlier: bool },
    Told(EngineError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Driver { error, prepared_earlier: false }
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Self::Told(error)
    }
}

/// Carries out the sequence; once more where a statement that was prepared earlier turns out to be out of date.
pub(in crate::postgres) async fn transact(
    pool: &Arc<Pool>,
    bounds: &Bounds<'_>,
    transaction: &Transaction,
) -> Result<Finished, EngineError> {
    let mut retried = false;
    loop {
        let mut lease = pool.acquire_for(&transaction.terms.observed).await?;
        let connection = lease.connection();
        let fault = match attempt(connection, bounds, transaction).await {
            Ok(finished) => {
                lease.give_back();
                return Ok(finished);
            }
            Err(fault) => fault,
        };
        let (again, error) = match fault {
            Fault::Told(error) => (false, error),
            Fault::Driver { error, prepared_earlier } => {
                (prepared_earlier && may_be_stale(&error), engine_error(&error))
            }
        };
        // A lease that is not given back closes its connection.
        if connection.client.batch_execute("rollback").await.is_ok() {
            if again {
                connection.prepared.clear();
            }
            lease.give_back();
        }
        if !again || retried {
            return Err(error);
        }
        retried = true;
    }
}

async fn attempt(
    connection: &mut Connection,
    bounds: &Bounds<'_>,
    transaction: &Transaction,
) -> Result<Finished, Fault> {
    let claim = transaction.terms.claim.as_ref();
    let begin = match transaction.terms.isolation {
        Isolation::Each => "begin isolation level read committed read write",
        Isolation::Snapshot => "begin isolation level repeatable read read write",
    };
    connection.client.batch_execute(begin).await?;
    if let Some(claim) = claim
        && let Some(answer) = answers::find(&connection.client, claim).await?
    {
        connection.client.batch_execute("rollback").await?;
        return Ok(Finished { answer: answer.into(), replayed: true });
    }
    let mut outcomes = Vec::new();
    let answer = loop {
        match transaction.sequence.next(&outcomes) {
            Next::Plan(plan) => outcomes.push(run(connection, bounds, &plan).await?),
            Next::Finish(answer) => break answer,
            Next::GiveUp => return Err(EngineError::GivenUp.into()),
        }
    };
    if let Some(claim) = claim {
        connection.client.batch_execute(END_AS_CALLER).await?;
        connection.client.batch_execute(BECOME_LOGIN).await?;
        answers::keep(&connection.client, claim, &answer).await?;
    }
    connection.client.batch_execute("commit").await?;
    Ok(Finished { answer, replayed: false })
}

async fn run(connection: &mut Connection, bounds: &Bounds<'_>, plan: &Plan) -> Result<Outcome, Fault> {
    let (schema, work) = (&plan.schema, &plan.work);
    let (session, terms) = (&plan.session, &plan.terms);
    let question = Question { schema, session, work, rows_wanted: plan.rows_wanted, terms };
    let Some(job) = job_of(bounds, question)? else { return Ok(nothing_to_do(question)?) };
    let timeout = bounds.statement_timeout;
    let began = Instant::now();
    let answers = within(timeout, async { Ok(statements(connection, &job).await) }).await;
    bounds.slow.look(&job, question, began.elapsed());
    let answers = answers??;
    let outcome = conclude(&job, bounds, (question, answers))?;
    check_rows(job.rows_wanted, outcome.rows)?;
    Ok(shaped(outcome, work))
}

/// Says who asks, and asks. What reads cannot write: the part of the transaction that it is may only read.
async fn statements(connection: &mut Connection, job: &Job<'_>) -> Result<Vec<Answer>, Fault> {
    if job.writes {
        connection.client.batch_execute(FORGET_COUNT).await?;
        return ask_all(connection, job).await;
    }
    connection.client.batch_execute("savepoint reading; set transaction read only").await?;
    let answers = ask_all(connection, job).await?;
    connection.client.batch_execute("release reading").await?;
    Ok(answers)
}

async fn ask_all(connection: &mut Connection, job: &Job<'_>) -> Result<Vec<Answer>, Fault> {
    set_caller(connection, &caller_of(job)).await?;
    let role = &job.session.role;
    let known: Vec<Option<Statement>> =
        job.statements.iter().map(|asked| connection.prepared.get(role, &asked.sql)).collect();
    let prepared_earlier = known.iter().any(Option::is_some);
    let mut statements = Vec::with_capacity(known.len());
    for (asked, known) in job.statements.iter().zip(known) {
        let statement = match known {
            Some(statement) => statement,
            None => {
                let statement = connection.client.prepare(&asked.sql).await?;
                connection.prepared.put(role, &asked.sql, statement.clone());
                statement
            }
        };
        statements.push(statement);
    }
    let asked = job
        .statements
        .iter()
        .zip(&statements)
        .map(|(asked, statement)| ask(connection, (asked, job.terms.zone.as_ref()), statement));
    let mut answers = Vec::with_capacity(statements.len());
    for answer in join_all(asked).await {
        // The first that fails makes the others follow.
        answers.push(answer.map_err(|error| Fault::Driver { error, prepared_earlier })?);
    }
    Ok(answers)
}
