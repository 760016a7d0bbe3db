//! What a connection runs for one request, so that it can be explained if it was slow.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use roadbed_plan::Observed;
use rusqlite::Connection;

use crate::slow::{SlowQueries, tell};

/// The most statements that are explained of one request.
const MOST: usize = 8;

/// The statements of the request that runs.
pub(super) struct Ran {
    queries: Arc<SlowQueries>,
    request: RefCell<Option<Request>>,
}

struct Request {
    began: Instant,
    observed: Arc<Observed>,
    statements: Vec<String>,
}

impl Ran {
    pub(super) fn new(queries: Arc<SlowQueries>) -> Self {
        Self { queries, request: RefCell::default() }
    }

    /// A request begins, or goes on with its next question.
    pub(super) fn start(&self, observed: &Arc<Observed>) {
        if self.queries.are_told() {
            let begin = || Request { began: Instant::now(), observed: Arc::clone(observed), statements: Vec::new() };
            self.request.borrow_mut().get_or_insert_with(begin);
        }
    }

    pub(super) fn note(&self, sql: &str) {
        if let Some(Request { statements, .. }) = &mut *self.request.borrow_mut()
            && statements.len() < MOST
            && statements.iter().all(|known| known != sql)
        {
            statements.push(sql.to_owned());
        }
    }

    /// The request has ended; if it was slow, its statements are told of.
    pub(super) fn finish(&self, connection: &Connection) {
        let Some(request) = self.request.borrow_mut().take() else { return };
        let took = request.began.elapsed();
        if !request.statements.first().is_some_and(|first| self.queries.admits(first, took)) {
            return;
        }
        let sql = request.statements.join(";\n");
        let plans: Vec<String> = request.statements.iter().filter_map(|sql| plan_of(connection, sql).ok()).collect();
        // Names of the caller's are in no statement: keys are written beside the values that it brings.
        tell(&request.observed, took, (&sql, Some(&plans.join(""))), &HashSet::new());
    }
}

/// The parameters have no values here, which change no plan.
fn plan_of(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(&format!("explain query plan {sql}"))?;
    super::read::explained_lines(&mut statement.raw_query())
}
