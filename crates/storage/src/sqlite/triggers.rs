//! Which triggers a write fires, and when. Bodies, those of other functions too, are planned when they are first run for
//! a role, and kept until the schema changes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use roadbed_plan::planner::{plan_function, plan_trigger};
use roadbed_plan::procedure::Procedure;
use roadbed_plan::schema::{
    ColumnId, Relation, RelationId, Schema, Trigger, TriggerEvent, TriggerLevel, TriggerTiming,
};
use roadbed_plan::{DatabaseError, EngineError, Value};
use rusqlite::OptionalExtension;

use super::error::{engine_error, internal};
use super::procedure::{self, Call, Given};
use super::read::value_of;
use super::write::Target;
use crate::sql::quote_identifier;

/// How deep triggers and functions may call each other. PostgreSQL's limit is the size of its stack.
const DEEPEST: usize = 100;

/// What a connection keeps of the bodies that it runs.
#[derive(Default)]
pub(super) struct Procedures {
    version: Cell<u64>,
    /// By table, trigger and role.
    planned: RefCell<HashMap<(RelationId, String, String), Arc<Procedure>>>,
    /// By the function's place in the schema, and role.
    functions: RefCell<HashMap<(usize, String), Arc<Procedure>>>,
    depth: Cell<usize>,
    /// Whether the running request may only read.
    read_only: Cell<bool>,
}

impl Procedures {
    /// Forgets what was planned for another schema.
    pub(super) fn forget(&self) {
        self.planned.borrow_mut().clear();
        self.functions.borrow_mut().clear();
    }

    /// Runs `work` one level deeper.
    pub(super) fn deeper<T>(&self, work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        let depth = self.depth.get();
        if depth >= DEEPEST {
            let hint = "Triggers or functions that call each other without end are a likely cause.";
            return Err(DatabaseError::new("54001", "stack depth limit exceeded").hint(hint).into());
        }
        self.depth.set(depth + 1);
        let result = work();
        self.depth.set(depth);
        result
    }

    /// Begins a request, on top of which nothing runs yet.
    pub(super) fn begin(&self) {
        self.depth.set(0);
        self.read_only.set(false);
    }

    /// Lets the running request read and nothing else.
    pub(super) fn only_read(&self) {
        self.read_only.set(true);
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.get()
    }

    /// How deep the running body is.
    pub(super) fn level(&self) -> usize {
        self.depth.get()
    }

    fn keep_for(&self, schema: &Schema) {
        if self.version.replace(schema.version) != schema.version {
            self.forget();
        }
    }

    /// A function's body, for `role` to run.
    pub(super) fn planned_function(
        &self,
        schema: &Schema,
        function: usize,
        role: &str,
    ) -> Result<Arc<Procedure>, EngineError> {
        self.keep_for(schema);
        let key = (function, role.to_owned());
        if let Some(known) = self.functions.borrow().get(&key) {
            return Ok(Arc::clone(known));
        }
        let procedure = Arc::new(plan_function(schema, function, role)?);
        self.functions.borrow_mut().insert(key, Arc::clone(&procedure));
        Ok(procedure)
    }

    fn planned(&self, target: Target<'_>, trigger: &Trigger) -> Result<Arc<Procedure>, EngineError> {
        self.keep_for(target.schema);
        let role = target.request.session.role.to_string();
        let key = (target.relation.id, trigger.name.clone(), role);
        if let Some(known) = self.planned.borrow().get(&key) {
            return Ok(Arc::clone(known));
        }
        let procedure = Arc::new(plan_trigger(target.schema, target.relation, trigger, &key.2)?);
        self.planned.borrow_mut().insert(key, Arc::clone(&procedure));
        Ok(procedure)
    }
}

/// A row that a statement wrote, for the triggers after it.
#[derive(Debug)]
pub(super) struct RowEvent {
    pub(super) event: TriggerEvent,
    pub(super) old: Option<Vec<Value>>,
    pub(super) new: Option<Vec<Value>>,
}

/// What a statement leaves for its end.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The events of the statement itself, once each.
    pub(super) statement: Vec<TriggerEvent>,
    /// The columns that it set, for `update of`.
    pub(super) columns: Vec<ColumnId>,
    pub(super) rows: Vec<RowEvent>,
    /// Rows of other tables, which foreign keys' actions have changed.
    pub(super) others: Vec<(RelationId, Vec<ColumnId>, RowEvent)>,
}

/// Whether anything could fire when the table is written.
pub(super) fn any(relation: &Relation) -> bool {
    relation.triggers.iter().any(|trigger| trigger.enabled)
}

/// Whether a row's values must be kept for the triggers after it.
pub(super) fn follow_rows(relation: &Relation, event: TriggerEvent) -> bool {
    of(relation, (TriggerTiming::After, TriggerLevel::Row, event)).next().is_some()
}

/// Whether each row has to pass triggers before it is written.
pub(super) fn precede_rows(relation: &Relation, event: TriggerEvent) -> bool {
    of(relation, (TriggerTiming::Before, TriggerLevel::Row, event)).next().is_some()
}

type Kind = (TriggerTiming, TriggerLevel, TriggerEvent);

fn of(relation: &Relation, (timing, level, event): Kind) -> impl Iterator<Item = &Trigger> {
    relation.triggers.iter().filter(move |trigger| {
        trigger.enabled && trigger.timing == timing && trigger.level == level && trigger.events.contains(&event)
    })
}

fn concerns(trigger: &Trigger, event: TriggerEvent, columns: &[ColumnId]) -> bool {
    event != TriggerEvent::Update
        || trigger.columns.is_empty()
        || trigger.columns.iter().any(|column| columns.contains(column))
}

/// Fires what stands before or after a whole statement.
pub(super) fn statement(
    target: Target<'_>,
    timing: TriggerTiming,
    event: TriggerEvent,
    columns: &[ColumnId],
) -> Result<(), EngineError> {
    for trigger in of(target.relation, (timing, TriggerLevel::Statement, event)) {
        if concerns(trigger, event, columns) {
            fire(target, trigger, event, Rows { old: None, new: None })?;
        }
    }
    Ok(())
}

/// The rows that a trigger is about.
#[derive(Clone, Copy)]
struct Rows<'r> {
    old: Option<&'r [Value]>,
    new: Option<&'r [Value]>,
}

/// Lets the triggers before a row change it; `None` when one of them leaves it out.
pub(super) fn before_row(
    target: Target<'_>,
    event: TriggerEvent,
    columns: &[ColumnId],
    (old, new): (Option<&[Value]>, Option<Vec<Value>>),
) -> Result<Option<Vec<Value>>, EngineError> {
    let mut row = match (&new, old) {
        (Some(new), _) => new.clone(),
        (None, Some(old)) => old.to_vec(),
        (None, None) => Vec::new(),
    };
    for trigger in of(target.relation, (TriggerTiming::Before, TriggerLevel::Row, event)) {
        if !concerns(trigger, event, columns) {
            continue;
        }
        let rows = Rows { old, new: new.as_ref().map(|_| &row[..]) };
        match fire(target, trigger, event, rows)? {
            Some(Given::Row(values)) => row = values,
            Some(Given::Nothing) => return Ok(None),
            None => {}
        }
    }
    Ok(Some(row))
}

/// Fires what was left for a statement's end.
pub(super) fn after(target: Target<'_>, pending: &Pending) -> Result<(), EngineError> {
    for row in &pending.rows {
        after_row(target, &pending.columns, row)?;
    }
    for (relation, columns, row) in &pending.others {
        let target = Target { relation: target.schema.relation(*relation), ..target };
        after_row(target, columns, row)?;
    }
    for event in &pending.statement {
        statement(target, TriggerTiming::After, *event, &pending.columns)?;
    }
    Ok(())
}

fn after_row(target: Target<'_>, columns: &[ColumnId], row: &RowEvent) -> Result<(), EngineError> {
    for trigger in of(target.relation, (TriggerTiming::After, TriggerLevel::Row, row.event)) {
        if concerns(trigger, row.event, columns) {
            fire(target, trigger, row.event, Rows { old: row.old.as_deref(), new: row.new.as_deref() })?;
        }
    }
    Ok(())
}

/// Runs a trigger's body, unless its condition does not hold.
fn fire(
    target: Target<'_>,
    trigger: &Trigger,
    event: TriggerEvent,
    rows: Rows<'_>,
) -> Result<Option<Given>, EngineError> {
    let connection = target.request.connection;
    let procedure = connection.procedures.planned(target, trigger)?;
    let call = Call { target, trigger, event, old: rows.old, new: rows.new };
    if !procedure::condition_holds(&call)? {
        return Ok(None);
    }
    connection.procedures.deeper(|| procedure::run_trigger(&procedure, &call)).map(Some)
}

/// A row's values in the order of its columns, if it is there.
pub(super) fn row(target: Target<'_>, rowid: i64) -> Result<Option<Vec<Value>>, EngineError> {
    let relation = target.relation;
    let names: Vec<_> = relation.columns.iter().map(|column| quote_identifier(&column.name)).collect();
    let sql = format!("select {} from {} where {} = ?1", names.join(", "), target.table(), target.rowid());
    let mut statement = target.request.connection.sql.prepare_cached(&sql).map_err(internal)?;
    let read = |row: &rusqlite::Row<'_>| {
        let columns = relation.columns.iter().enumerate();
        columns.map(|(index, column)| Ok(value_of(row.get_ref(index)?, &column.ty))).collect()
    };
    statement.query_row([rowid], read).optional().map_err(engine_error)
}
