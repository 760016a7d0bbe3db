//! How the server would carry out a slow statement: its generic plan, in which placeholders stand for values.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use roadbed_plan::Session;
use tokio_postgres::{Error, SimpleQueryMessage};

use super::connect::Connection;
use super::execute::{Job, Question, caller, set_caller};
use super::pool::Pool;
use crate::slow::{SlowQueries, callers_names, tell};

/// Where slow statements are told of.
#[derive(Clone, Copy)]
pub(super) struct SlowLog<'e> {
    pub(super) queries: &'e SlowQueries,
    pub(super) pool: &'e Arc<Pool>,
}

/// A statement to be explained after its request was answered.
struct Slow {
    session: Session,
    search_path: String,
    sql: String,
    params: usize,
    took: Duration,
    /// Names that the caller has made up.
    words: HashSet<String>,
}

impl SlowLog<'_> {
    /// Tells of the job's own statement, if it was slow. Nobody waits for that.
    pub(super) fn look(&self, job: &Job<'_>, question: Question<'_>, took: Duration) {
        let Some(asked) = job.statements.get(job.main).filter(|_| job.has_work && job.terms.explain.is_none()) else {
            return;
        };
        if !self.queries.admits(&asked.sql, took) {
            return;
        }
        let slow = Slow {
            session: job.session.clone(),
            search_path: job.search_path.clone(),
            sql: asked.sql.clone(),
            params: asked.params.len(),
            took,
            words: callers_names(question.schema, question.work),
        };
        let pool = Arc::clone(self.pool);
        tokio::spawn(async move {
            let plan = plan_of(&pool, &slow).await;
            tell(&slow.session.observed, slow.took, (&slow.sql, plan.as_deref()), &slow.words);
        });
    }
}

/// `None` where no connection is free, as when the server is what makes statements slow, or it cannot say.
async fn plan_of(pool: &Arc<Pool>, slow: &Slow) -> Option<String> {
    let mut lease = pool.acquire_idle()?;
    let plan = explained(lease.connection(), slow).await;
    // A lease that is not given back closes its connection.
    let client = &lease.connection().client;
    let ended = client.batch_execute("rollback").await.is_ok();
    if ended && (plan.is_err() || client.batch_execute("deallocate roadbed_slow").await.is_ok()) {
        match plan.is_ok() {
            true => lease.give_back(),
            false => drop(lease),
        }
    }
    plan.inspect_err(|error| tracing::debug!(code = error.code().map(|code| code.code()), "no plan")).ok()
}

async fn explained(connection: &Connection, slow: &Slow) -> Result<String, Error> {
    let client = &connection.client;
    client.batch_execute("begin read only; set local plan_cache_mode = force_generic_plan").await?;
    set_caller(connection, &caller(&slow.session, &slow.session.role, &slow.search_path, "UTC")).await?;
    client.batch_execute(&format!("prepare roadbed_slow as {}", slow.sql)).await?;
    let nulls = vec!["null"; slow.params].join(", ");
    let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let lines = client.simple_query(&format!("explain execute roadbed_slow{arguments}")).await?;
    let mut plan = String::new();
    for line in lines {
        if let SimpleQueryMessage::Row(row) = line {
            plan.push_str(row.get(0).unwrap_or_default());
            plan.push('\n');
        }
    }
    Ok(plan)
}
