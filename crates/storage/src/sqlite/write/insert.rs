//! Inserts, and upserts: a row at a time in the order of the body, as PostgreSQL does.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use roadbed_plan::expr::{Expr, SourceId, StatementConflict};
use roadbed_plan::plan::{Cell, ConflictPlan, InsertPlan, Node, RowCheck};
use roadbed_plan::query::Resolution;
use roadbed_plan::schema::{ColumnId, Key, Relation, TriggerEvent, TriggerTiming};
use roadbed_plan::{DatabaseError, EngineError, Value};
use rusqlite::CachedStatement;

use super::super::define::rowid_column;
use super::super::diagnose;
use super::super::foreign_keys::{self, Referenced, Touched, deferred};
use super::super::procedure::fit;
use super::super::read::{Stored, value_of};
use super::super::triggers::{self, RowEvent};
use super::{
    Body, Candidate, Given, Refusal, Target, Written, failed_check, push_checks, push_placeholder, push_returning,
    reads_tables, returning, rows, snapshot, step_returning, update, values_of,
};
use crate::sql::quote_identifier;

pub(super) fn insert(target: Target<'_>, plan: &InsertPlan) -> Result<Written, EngineError> {
    insert_with(target, plan, None)
}

/// Inserts; `assignments` say what a row that is there becomes, where it does not become the new one.
pub(in super::super) fn insert_with(
    target: Target<'_>,
    plan: &InsertPlan,
    assignments: Option<&StatementConflict>,
) -> Result<Written, EngineError> {
    let rows = values_of(&plan.rows)?;
    diagnose::check_domains(target, &plan.columns, rows)?;
    if let Some(fault) = &plan.fault {
        return Err(fault.clone().into());
    }
    let merged = plan.conflict.as_ref().filter(|conflict| !conflict.columns.is_empty());
    if let Some(conflict) = merged {
        require_key(target.relation, &conflict.columns)?;
    }
    // PostgreSQL tests foreign keys when all rows are there.
    let late = foreign_keys::shows_late(target.schema, target.relation);
    let has_triggers = triggers::any(target.relation);
    let merges = merged.filter(|conflict| conflict.resolution == Resolution::Merge);
    let set = set_columns(plan, assignments);
    if has_triggers {
        triggers::statement(target, TriggerTiming::Before, TriggerEvent::Insert, &[])?;
        if merges.is_some() {
            triggers::statement(target, TriggerTiming::Before, TriggerEvent::Update, &set)?;
        }
    }
    let mut inserting = Inserting {
        target,
        plan,
        merged,
        ahead: snapshot::needed(target, &plan.returning, &plan.columns),
        assignments,
        has_triggers,
        reads_tables: reads_tables(&plan.checks)
            || merged.is_some_and(|conflict| reads_tables(&conflict.checks) || reads_tables(&conflict.using)),
        taken: taken_ahead(target, plan, rows.len())?,
        statements: Vec::new(),
        written: Written::default(),
        touched: HashSet::new(),
        deferred: late
            || (has_triggers && !target.relation.foreign_keys.is_empty())
            || (rows.len() > 1 && !target.relation.foreign_keys.is_empty()),
        referenced: HashMap::new(),
        first_values: Vec::new(),
    };
    if inserting.deferred {
        deferred(target.request, || {
            inserting.rows(rows)?;
            inserting.foreign_keys()
        })?;
    } else {
        inserting.rows(rows)?;
    }
    let mut written = inserting.written;
    if has_triggers {
        written.pending.columns = set;
        // The last to begin is the first to end.
        written.pending.statement.extend(merges.map(|_| TriggerEvent::Update));
        written.pending.statement.push(TriggerEvent::Insert);
    }
    Ok(written)
}

/// The columns that a merge sets.
fn set_columns(plan: &InsertPlan, assignments: Option<&StatementConflict>) -> Vec<ColumnId> {
    match assignments {
        Some(conflict) => conflict.update.iter().map(|(id, _)| *id).collect(),
        None => plan.columns.clone(),
    }
}

struct Inserting<'a, 'p> {
    target: Target<'a>,
    plan: &'p InsertPlan,
    /// What to do with rows whose key exists, where a key was named.
    merged: Option<&'p ConflictPlan>,
    /// What is given back, where it is read before anything is written.
    ahead: Option<&'p Node>,
    assignments: Option<&'p StatementConflict>,
    has_triggers: bool,
    /// Whether the row checks look at other rows: those that were there before the statement.
    reads_tables: bool,
    /// Values that sequences gave ahead, for columns that rows may leave to their default.
    taken: Vec<(ColumnId, VecDeque<Value>)>,
    /// One for each set of columns that rows give.
    statements: Vec<(Vec<ColumnId>, CachedStatement<'a>)>,
    written: Written,
    /// Rows that this request has written.
    touched: HashSet<i64>,
    /// Whether foreign keys are tested at the end.
    deferred: bool,
    /// The keys that merged rows had, by the rows' rowids.
    referenced: HashMap<i64, Vec<Referenced<'a>>>,
    /// The first value that each sequence gave to this request.
    first_values: Vec<(ColumnId, i64)>,
}

/// Answers that were read before the rows were written.
enum Answers {
    /// One for each row.
    Each(Vec<Body>),
    /// One for all of so many rows, which are sorted or limited.
    All(Body, usize),
}

impl Answers {
    /// The answer for the rows that were written; `None` where it was made for others too.
    fn of(self, written: &[usize]) -> Option<Body> {
        match self {
            Self::All(body, rows) => (written.len() == rows).then_some(body),
            Self::Each(answers) => {
                let mut all = Body { json: vec![b'['], rows: 0 };
                for answer in written.iter().filter_map(|index| answers.get(*index)).filter(|answer| answer.rows > 0) {
                    if all.rows > 0 {
                        all.json.push(b',');
                    }
                    all.json.extend_from_slice(&answer.json[1..answer.json.len() - 1]);
                    all.rows += answer.rows;
                }
                all.json.push(b']');
                Some(all)
            }
        }
    }
}

/// A row that has passed what looks at it alone.
struct Prepared {
    row: diagnose::Evaluated,
    /// Whether the existing row of the same key may become it, if there is one.
    change: Option<Result<(), EngineError>>,
    /// The row as it will be.
    values: Vec<Value>,
}

impl<'a> Inserting<'a, '_> {
    fn rows(&mut self, rows: &[Vec<Cell>]) -> Result<(), EngineError> {
        if self.has_triggers {
            return rows.iter().try_for_each(|cells| self.row_with_triggers(cells));
        }
        if (!self.reads_tables && self.ahead.is_none()) || self.assignments.is_some() {
            return rows.iter().try_for_each(|cells| self.row(cells));
        }
        let mut prepared = Vec::with_capacity(rows.len());
        for cells in rows {
            let row = self.prepare_row(cells);
            let failed = row.is_err();
            prepared.push(row);
            if failed {
                break;
            }
        }
        let answers = self.answers_ahead(&prepared)?;
        let mut written = Vec::new();
        for (index, row) in prepared.into_iter().enumerate() {
            let count = self.written.rowids.len();
            if let Err(error) = row.and_then(|row| self.prepared_row(row)) {
                self.give_back(index)?;
                return Err(error);
            }
            if self.written.rowids.len() > count {
                written.push(index);
            }
        }
        self.written.body = answers.and_then(|answers| answers.of(&written));
        Ok(())
    }

    /// The answer for each row, in the case that it is written, as it reads before anything is.
    fn answers_ahead(&self, prepared: &[Result<Prepared, EngineError>]) -> Result<Option<Answers>, EngineError> {
        let Some(node) = self.ahead else { return Ok(None) };
        let rows: Vec<_> = prepared.iter().filter_map(|row| row.as_ref().ok()).map(|row| row.values.clone()).collect();
        if !returning::is_as_written(node) {
            return Ok(returning::rows_ahead(self.target, node, &rows)?.map(|body| Answers::All(body, rows.len())));
        }
        let mut answers = Vec::with_capacity(rows.len());
        for row in &rows {
            match returning::rows_ahead(self.target, node, std::slice::from_ref(row))? {
                Some(body) => answers.push(body),
                None => return Ok(None),
            }
        }
        Ok(Some(Answers::Each(answers)))
    }

    /// Sequences have served rows that were not reached.
    fn give_back(&self, failed: usize) -> Result<(), EngineError> {
        let steps = i64::try_from(failed).unwrap_or(i64::MAX);
        self.first_values.iter().try_for_each(|(id, first)| self.target.set_sequence(*id, *first, steps))
    }

    /// Tests the foreign keys of all rows, now that they are there.
    fn foreign_keys(&mut self) -> Result<(), EngineError> {
        let mut rows = Vec::with_capacity(self.written.rowids.len());
        for rowid in &self.written.rowids {
            let referenced = self.referenced.remove(rowid).unwrap_or_default();
            rows.push(Touched { rowid: Some(*rowid), referenced });
        }
        foreign_keys::violated(self.target, &rows)?.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Computes a row and tests it against what is there before the statement writes anything.
    fn prepare_row(&mut self, cells: &[Cell]) -> Result<Prepared, EngineError> {
        let given = self.given(cells)?;
        let row = diagnose::evaluate(self.target, &Candidate::New(&given), &self.plan.checks)?;
        let merged = self.merged.filter(|conflict| conflict.resolution == Resolution::Merge);
        let existing = match merged {
            Some(conflict) => self.existing(&row, conflict)?.map(|rowid| (rowid, conflict)),
            None => None,
        };
        let changed = existing.map(|(rowid, conflict)| {
            self.check_using(rowid, conflict)?;
            let values = self.merged_values(&row);
            let cells: Vec<_> = values.iter().map(|(id, cell)| (*id, cell)).collect();
            diagnose::evaluate(self.target, &Candidate::Changed { rowid, cells: &cells }, &conflict.checks)
        });
        let values = match &changed {
            Some(Ok(changed)) => changed.values(),
            Some(Err(_)) | None => row.values(),
        };
        Ok(Prepared { row, change: changed.map(|changed| changed.map(|_| ())), values })
    }

    fn prepared_row(&mut self, prepared: Prepared) -> Result<(), EngineError> {
        self.evaluated_row(&prepared.row, prepared.change)
    }

    fn row(&mut self, cells: &[Cell]) -> Result<(), EngineError> {
        let given = self.given(cells)?;
        if self.plan.conflict.is_some() || lacks_rowid(self.target.relation, &given) {
            let row = diagnose::evaluate(self.target, &Candidate::New(&given), &self.plan.checks)?;
            return self.evaluated_row(&row, None);
        }
        let inserted = self.insert_row(&given, &self.plan.checks)?;
        self.count_inserted(inserted);
        Ok(())
    }

    /// A row that triggers may change before it is tested and written.
    fn row_with_triggers(&mut self, cells: &[Cell]) -> Result<(), EngineError> {
        let (target, plan) = (self.target, self.plan);
        let given = self.given(cells)?;
        if !triggers::precede_rows(target.relation, TriggerEvent::Insert) {
            let row = diagnose::evaluate(target, &Candidate::New(&given), &plan.checks)?;
            return self.evaluated_row(&row, None);
        }
        let new = diagnose::computed(target, &Candidate::New(&given))?;
        let Some(new) = triggers::before_row(target, TriggerEvent::Insert, &[], (None, Some(new)))? else {
            return Ok(());
        };
        let columns = target.relation.columns.iter().zip(&new).filter(|(column, _)| !column.is_generated());
        let given: Vec<_> = columns.map(|(column, value)| (column.id, Cow::Borrowed(value))).collect();
        let row = diagnose::evaluate(target, &Candidate::New(&given), &plan.checks)?;
        self.evaluated_row(&row, None)
    }

    /// Keeps a row that was written for the triggers after it.
    fn note(&mut self, event: TriggerEvent, rowid: i64, old: Option<Vec<Value>>) -> Result<(), EngineError> {
        if self.has_triggers && triggers::follow_rows(self.target.relation, event) {
            let new = triggers::row(self.target, rowid)?;
            self.written.pending.rows.push(RowEvent { event, old, new });
        }
        Ok(())
    }

    /// Writes a row that has passed its row checks; `change` is whether the existing row may become it, where that
    /// was tested before.
    fn evaluated_row(
        &mut self,
        row: &diagnose::Evaluated,
        change: Option<Result<(), EngineError>>,
    ) -> Result<(), EngineError> {
        let existing = match self.merged {
            Some(conflict) => self.existing(row, conflict)?.map(|rowid| (rowid, conflict)),
            None => None,
        };
        match existing {
            Some((_, ConflictPlan { resolution: Resolution::Ignore, .. })) => Ok(()),
            Some((rowid, conflict)) => self.update_existing(rowid, row, (conflict, change)),
            None => {
                let inserted = self.insert_row(&row.given(self.target.relation), &[])?;
                self.count_inserted(inserted);
                inserted.map_or(Ok(()), |rowid| self.note(TriggerEvent::Insert, rowid, None))
            }
        }
    }

    fn count_inserted(&mut self, rowid: Option<i64>) {
        if let Some(rowid) = rowid {
            self.written.rowids.push(rowid);
            self.written.rows += 1;
            self.written.inserted += 1;
            self.touched.insert(rowid);
        }
    }

    /// What the row gives, and the next values of sequences for what it does not.
    fn given<'v>(&mut self, cells: &'v [Cell]) -> Result<Vec<(ColumnId, Cow<'v, Value>)>, EngineError> {
        let mut given = Vec::with_capacity(cells.len() + 1);
        for (id, cell) in self.plan.columns.iter().zip(cells) {
            match cell {
                Cell::Value(value) => given.push((*id, Cow::Borrowed(value))),
                Cell::Default => {}
            }
        }
        for (id, values) in &mut self.taken {
            let value = values.pop_front().unwrap_or(Value::Null);
            if given.iter().all(|(known, _)| known != id) {
                given.push((*id, Cow::Owned(value)));
            }
        }
        for column in &self.target.relation.columns {
            if given.iter().all(|(id, _)| *id != column.id)
                && let Some(value) = self.target.next_value(column.id)?
            {
                if let Value::Int(first) = value
                    && self.first_values.iter().all(|(id, _)| *id != column.id)
                {
                    self.first_values.push((column.id, first));
                }
                given.push((column.id, Cow::Owned(value)));
            }
        }
        Ok(given)
    }

    /// Inserts one row and gives its rowid; `None` when it is ignored for its key.
    fn insert_row(&mut self, given: &Given<'_>, checks: &[RowCheck]) -> Result<Option<i64>, EngineError> {
        match self.try_insert(given, checks) {
            Ok(rowid) => Ok(rowid),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::Check(index)) => Err(diagnose::row_check(self.target.relation, &checks[index]).into()),
            Err(Refusal::Constraint(error)) => self.explain(given, checks, &error),
        }
    }

    fn try_insert(&mut self, given: &Given<'_>, checks: &[RowCheck]) -> Result<Option<i64>, Refusal> {
        let columns: Vec<_> = given.iter().map(|(id, _)| *id).collect();
        let index = match self.statements.iter().position(|(known, _)| *known == columns) {
            Some(index) => index,
            None => {
                let statement = self.prepare(&columns, checks)?;
                self.statements.push((columns, statement));
                self.statements.len() - 1
            }
        };
        let statement = &mut self.statements[index].1;
        for (index, (_, value)) in given.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, Stored(value))?;
        }
        step_returning(statement, checks.len())
    }

    fn prepare(&self, columns: &[ColumnId], checks: &[RowCheck]) -> Result<CachedStatement<'a>, EngineError> {
        let table = self.target.table();
        let mut renderer = self.target.renderer(&table);
        renderer.push(&format!("insert into {table}"));
        if columns.is_empty() {
            renderer.push(" default values");
        } else {
            let names: Vec<_> = self.target.relation.column_names(columns).map(quote_identifier).collect();
            renderer.push(&format!(" ({}) values (", names.join(", ")));
            for index in 0..columns.len() {
                renderer.push(if index > 0 { ", " } else { "" });
                push_placeholder(&mut renderer);
            }
            renderer.push(")");
            if self.plan.conflict.is_some() && self.merged.is_none() {
                renderer.push(" on conflict do nothing");
            }
        }
        push_returning(&mut renderer, self.target.rowid(), checks);
        self.target.request.prepare(&renderer.finish())
    }

    /// Finds the constraint that refused a row.
    fn explain(
        &mut self,
        given: &Given<'_>,
        checks: &[RowCheck],
        error: &rusqlite::Error,
    ) -> Result<Option<i64>, EngineError> {
        let row = diagnose::evaluate(self.target, &Candidate::New(given), checks)?;
        if let Some(error) = diagnose::duplicate(self.target, &row, None)? {
            return Err(error.into());
        }
        let target = self.target;
        let missing = deferred(target.request, || match self.try_insert(given, &[]) {
            Ok(Some(rowid)) => {
                foreign_keys::violated(target, &[Touched { rowid: Some(rowid), referenced: Vec::new() }])
            }
            Ok(None) | Err(_) => Ok(None),
        })?;
        Err(missing.unwrap_or_else(|| diagnose::by_message(target, error)).into())
    }

    fn update_existing(
        &mut self,
        existing: i64,
        row: &diagnose::Evaluated,
        (conflict, change): (&ConflictPlan, Option<Result<(), EngineError>>),
    ) -> Result<(), EngineError> {
        if self.touched.contains(&existing) {
            return Err(twice().into());
        }
        let Some(values) = self.values_of_merge(existing, row)? else { return Ok(()) };
        let checks = match change {
            Some(tested) => {
                tested?;
                &[]
            }
            None => {
                self.check_using(existing, conflict)?;
                &conflict.checks[..]
            }
        };
        let old = if self.has_triggers { triggers::row(self.target, existing)? } else { None };
        let columns = set_columns(self.plan, self.assignments);
        let values = match &old {
            Some(old) => {
                let target = Target { written: &columns, ..self.target };
                match rows::changed_cells(target, (existing, old), values)? {
                    Some(values) => values,
                    None => return Ok(()),
                }
            }
            None => values,
        };
        let columns: Vec<ColumnId> = values.iter().map(|(id, _)| *id).collect();
        let referenced =
            if self.deferred { foreign_keys::before_update(self.target, existing, &columns)? } else { Vec::new() };
        let cells: Vec<_> = values.iter().map(|(id, cell)| (*id, cell)).collect();
        let rowid = update::one(self.target, existing, &cells, checks)?;
        self.written.rowids.push(rowid);
        self.written.rows += 1;
        self.touched.insert(rowid);
        self.referenced.insert(rowid, referenced);
        self.note(TriggerEvent::Update, rowid, old)
    }

    /// What the existing row's columns become; `None` where the statement's condition leaves it as it is.
    fn values_of_merge(
        &self,
        existing: i64,
        row: &diagnose::Evaluated,
    ) -> Result<Option<Vec<(ColumnId, Cell)>>, EngineError> {
        let Some(conflict) = self.assignments else { return Ok(Some(self.merged_values(row))) };
        let relation = self.target.relation;
        let table = self.target.table();
        let mut renderer = self.target.renderer(&table);
        renderer.push("select 1");
        let condition = conflict.condition.iter().cloned();
        for mut expr in condition.chain(conflict.update.iter().map(|(_, expr)| expr.clone())) {
            put_excluded(&mut expr, conflict.excluded, &|id| row.value(relation, id));
            renderer.push(", ");
            renderer.expression(&expr);
        }
        renderer.push(&format!(" from {table} where {table}.{} = ", self.target.rowid()));
        renderer.param(crate::sql::Param::Limit(existing));
        let mut statement = self.target.request.prepare(&renderer.finish())?;
        let mut rows = statement.raw_query();
        let Some(found) = rows.next().map_err(super::engine_error)? else { return Ok(None) };
        let mut first = 1;
        if conflict.condition.is_some() {
            if found.get::<_, Option<bool>>(1).map_err(super::internal)? != Some(true) {
                return Ok(None);
            }
            first = 2;
        }
        let mut cells = Vec::with_capacity(conflict.update.len());
        for (index, (id, _)) in conflict.update.iter().enumerate() {
            let ty = &relation.column_by_id(*id).ty;
            let value = value_of(found.get_ref(first + index).map_err(super::internal)?, ty);
            cells.push((*id, Cell::Value(fit(value, ty)?)));
        }
        Ok(Some(cells))
    }

    /// What a merge sets the existing row's columns to.
    fn merged_values(&self, row: &diagnose::Evaluated) -> Vec<(ColumnId, Cell)> {
        let columns = self.plan.columns.iter();
        columns.map(|id| (*id, Cell::Value(row.value(self.target.relation, *id)))).collect()
    }

    /// The row that has the same key.
    fn existing(&self, row: &diagnose::Evaluated, conflict: &ConflictPlan) -> Result<Option<i64>, EngineError> {
        let relation = self.target.relation;
        let nulls_match = nulls_not_distinct(relation, &conflict.columns);
        let mut renderer = self.target.renderer("");
        renderer.push(&format!("select {} from {} where ", self.target.rowid(), self.target.table()));
        let mut values = Vec::with_capacity(conflict.columns.len());
        for (index, id) in conflict.columns.iter().enumerate() {
            let value = row.value(relation, *id);
            if value.is_null() && !nulls_match {
                return Ok(None);
            }
            renderer.push(if index > 0 { " and " } else { "" });
            renderer.push(&quote_identifier(&relation.column_by_id(*id).name));
            renderer.push(if nulls_match { " is " } else { " = " });
            push_placeholder(&mut renderer);
            values.push(value);
        }
        let mut statement = self.target.request.prepare(&renderer.finish())?;
        super::first_rowid(&mut statement, &values)
    }

    /// Whether the caller may update the row that stands in the way.
    fn check_using(&self, rowid: i64, conflict: &ConflictPlan) -> Result<(), EngineError> {
        if conflict.using.is_empty() {
            return Ok(());
        }
        let table = self.target.table();
        let mut renderer = self.target.renderer(&table);
        renderer.push("select 1");
        push_checks(&mut renderer, &conflict.using);
        renderer.push(&format!(" from {table} where {table}.{} = ", self.target.rowid()));
        renderer.param(crate::sql::Param::Limit(rowid));
        let mut statement = self.target.request.prepare(&renderer.finish())?;
        let mut rows = statement.raw_query();
        let failed = match rows.next().map_err(super::engine_error)? {
            Some(row) => failed_check(row, 1, conflict.using.len())?,
            None => None,
        };
        match failed {
            Some(index) => Err(diagnose::using_check(self.target.relation, &conflict.using[index]).into()),
            None => Ok(()),
        }
    }
}

/// Puts the values of the row that was to be inserted in the places of `excluded`'s columns.
fn put_excluded(expr: &mut Expr, excluded: SourceId, value: &dyn Fn(ColumnId) -> Value) {
    match expr {
        Expr::Column { source, column, ty } if *source == excluded => {
            *expr = Expr::value(value(*column), ty.clone());
        }
        other => other.for_each_child_mut(&mut |child| put_excluded(child, excluded, value)),
    }
}

/// Where rows may leave columns to their defaults, PostgreSQL computes those for each row beforehand, needed or not.
fn taken_ahead(
    target: Target<'_>,
    plan: &InsertPlan,
    rows: usize,
) -> Result<Vec<(ColumnId, VecDeque<Value>)>, EngineError> {
    let mut taken = Vec::new();
    if !plan.missing_default {
        return Ok(taken);
    }
    for id in &plan.columns {
        let mut values = VecDeque::with_capacity(rows);
        for _ in 0..rows {
            match target.next_value(*id)? {
                Some(value) => values.push_back(value),
                None => break,
            }
        }
        if !values.is_empty() {
            taken.push((*id, values));
        }
    }
    Ok(taken)
}

/// SQLite gives a row without its integer key a key of its own, where PostgreSQL refuses null.
fn lacks_rowid(relation: &Relation, given: &Given<'_>) -> bool {
    let Some(key) = rowid_column(relation) else { return false };
    given.iter().find(|(id, _)| *id == key.id).is_none_or(|(_, value)| value.is_null())
}

/// Refuses `on conflict` columns that no key has.
fn require_key(relation: &Relation, columns: &[ColumnId]) -> Result<(), DatabaseError> {
    let is_key = |key: &Key| key.columns.len() == columns.len() && key.columns.iter().all(|id| columns.contains(id));
    let is_index =
        relation.indexes.iter().any(|index| index.unique && index.condition.is_none() && index.covers(columns));
    if is_index || relation.keys().any(is_key) {
        return Ok(());
    }
    let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
    Err(DatabaseError::new("42P10", message))
}

fn nulls_not_distinct(relation: &Relation, columns: &[ColumnId]) -> bool {
    let same = |key: &Key| key.columns.len() == columns.len() && key.columns.iter().all(|id| columns.contains(id));
    relation.keys().any(|key| key.nulls_not_distinct && same(key))
        || relation.indexes.iter().any(|index| index.unique && index.nulls_not_distinct && index.covers(columns))
}

fn twice() -> DatabaseError {
    DatabaseError::new("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time")
        .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}
