//! Sequences of plans, on the writer's thread, inside the request's savepoint.

use std::time::Instant;

use roadbed_plan::database::shaped;
use roadbed_plan::plan::Work;
use roadbed_plan::transaction::{Finished, Next, Transaction};
use roadbed_plan::{DatabaseError, EngineError, Outcome, Plan};

use super::connect::SqliteConnection;
use super::{answers, call, check_version, read, read_work, write};

/// Carries out the sequence, or finds the answer that it gave before.
pub(super) fn transact(connection: &SqliteConnection, transaction: &Transaction) -> Result<Finished, EngineError> {
    let claim = transaction.terms.claim.as_ref();
    if let Some(claim) = claim
        && let Some(answer) = answers::find(&connection.sql, claim)?
    {
        return Ok(Finished { answer: answer.into(), replayed: true });
    }
    let (began, now) = (Instant::now(), connection.clock.timestamptz());
    let mut outcomes = Vec::new();
    let answer = loop {
        match transaction.sequence.next(&outcomes) {
            Next::Plan(plan) => outcomes.push(run(connection, &plan, now)?),
            Next::Finish(answer) => break answer,
            Next::GiveUp => return Err(EngineError::GivenUp),
        }
        // The writer works for all; a sequence gets the time of one statement, as nobody else can write meanwhile.
        if connection.is_longer_than_allowed(began.elapsed()) {
            return Err(DatabaseError::new("57014", "canceling statement due to statement timeout").into());
        }
    };
    if let Some(claim) = claim {
        answers::keep(&connection.sql, claim, &answer)?;
    }
    Ok(Finished { answer, replayed: false })
}

fn run(connection: &SqliteConnection, plan: &Plan, now: i64) -> Result<Outcome, EngineError> {
    check_version(connection, plan.schema.version)?;
    let request = connection.start_at(&plan.session, now);
    match &plan.work {
        Work::Read { node, count } => {
            read::read(request, &read_work(&plan.schema, &plan.terms, node, (*count, plan.rows_wanted)))
        }
        Work::Call(call) => {
            let outcome = call::call(request, plan, call)?;
            Ok(shaped(outcome, &plan.work))
        }
        Work::Insert(_) | Work::Update(_) | Work::Delete(_) => {
            write::write(request, &plan.schema, &plan.work, (plan.rows_wanted, &plan.terms.form))
        }
    }
}
