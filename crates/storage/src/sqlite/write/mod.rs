//! Writing, on the writer's thread, inside the request's savepoint. What fails here is undone by whoever called;
//! `diagnose` says why in PostgreSQL's words.

mod delete;
mod insert;
mod returning;
pub(super) mod rows;
mod snapshot;
mod update;

use std::borrow::Cow;

use roadbed_plan::expr::{Expr, SourceId};
use roadbed_plan::plan::{Cell, ReturningPlan, RowCheck, RowSource, ShownColumns, Work};
use roadbed_plan::query::{Count, RowsWanted};
use roadbed_plan::schema::{ColumnId, DefaultValue, Relation, RelationId, Schema};
use roadbed_plan::terms::RowForm;
use roadbed_plan::{DatabaseError, EngineError, Outcome, Value};
use rusqlite::Row;

use super::connect::Request;
use super::error::{engine_error, internal, is_constraint};
use super::read::{Stored, check_rows};
use super::sequences::sequence_of;
use super::triggers::{self, Pending};
use super::writer::execute;

use crate::sql::{Dialect, Mode, Param, Renderer, quote_identifier, rowid_name, table_name};
pub(super) use insert::insert_with;

/// The table that a request writes, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) request: Request<'a>,
    pub(super) schema: &'a Schema,
    pub(super) relation: &'a Relation,
    /// The columns that the caller writes.
    pub(super) written: &'a [ColumnId],
    /// What an error may show of a row.
    pub(super) shown: &'a ShownColumns,
    /// What the written rows become.
    pub(super) form: &'a RowForm,
}

/// What a write did.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The rows in the order in which they were written; of a delete, and where nobody asks, none.
    pub(super) rowids: Vec<i64>,
    pub(super) rows: u64,
    inserted: u64,
    /// The rows as JSON, where they had to be read before they went.
    body: Option<Body>,
    /// What triggers have to do when the statement ends.
    pub(super) pending: Pending,
}

/// Written rows as JSON. An inner embed may leave some of them out.
#[derive(Debug)]
struct Body {
    json: Vec<u8>,
    rows: u64,
}

/// Why a statement did not write.
enum Refusal {
    /// A constraint of the table; `diagnose` can tell which.
    Constraint(rusqlite::Error),
    /// The n-th row check failed.
    Check(usize),
    Error(EngineError),
}

/// Carries out a write inside the savepoint that is open.
pub(super) fn write(
    request: Request<'_>,
    schema: &Schema,
    work: &Work,
    (rows_wanted, form): (RowsWanted, &RowForm),
) -> Result<Outcome, EngineError> {
    let target = |relation: &RelationId, written, shown| {
        let relation = schema.relation(*relation);
        Target { request, schema, relation, written, shown, form }
    };
    let (target, mut written, returning, count) = match work {
        Work::Insert(plan) => {
            let target = target(&plan.relation, &plan.columns[..], &plan.shown);
            (target, insert::insert(target, plan)?, &plan.returning, plan.count)
        }
        Work::Update(plan) => {
            let target = target(&plan.relation, &plan.columns[..], &plan.shown);
            (target, update::update(target, plan)?, &plan.returning, plan.count)
        }
        Work::Delete(plan) => {
            let target = target(&plan.relation, &[][..], &plan.shown);
            (target, delete::delete(target, plan)?, &plan.returning, plan.count)
        }
        Work::Read { .. } | Work::Call(_) => return Err(EngineError::Internal { reason: "a read is no write".into() }),
    };
    let pending = std::mem::take(&mut written.pending);
    let outcome = outcome(target, written, returning, count)?;
    check_rows(rows_wanted, outcome.rows)?;
    triggers::after(target, &pending)?;
    Ok(outcome)
}

fn outcome(
    target: Target<'_>,
    written: Written,
    returning: &ReturningPlan,
    count: Option<Count>,
) -> Result<Outcome, EngineError> {
    let mut outcome = Outcome {
        rows: written.rows,
        inserted: written.inserted,
        total: count.map(|_| written.rows),
        ..Outcome::default()
    };
    match returning {
        ReturningPlan::Nothing => {}
        ReturningPlan::Key(columns) => {
            if let [rowid] = written.rowids[..] {
                outcome.key = returning::key(target, rowid, columns)?;
            }
        }
        ReturningPlan::Rows(node) => {
            let body = match written.body {
                Some(body) => body,
                None => returning::rows(target, node, &written.rowids)?,
            };
            outcome.rows = body.rows;
            outcome.total = count.map(|_| body.rows);
            outcome.body = body.json.into();
        }
    }
    Ok(outcome)
}

impl<'a> Target<'a> {
    /// The table's name as statements write it.
    pub(super) fn table(&self) -> String {
        sql_name(self.relation)
    }

    /// Takes back what the request did.
    fn undo(&self) -> Result<(), EngineError> {
        execute(self.request.connection, "rollback to request").map_err(internal)
    }

    /// Deletes one row, and says how many there were.
    fn delete_row(&self, rowid: i64) -> rusqlite::Result<usize> {
        let sql = format!("delete from {} where {} = ?1", self.table(), self.rowid());
        self.request.connection.sql.prepare_cached(&sql)?.execute([rowid])
    }

    /// A name of the rowid that none of the columns has taken.
    pub(super) fn rowid(&self) -> &'static str {
        rowid_name(self.relation)
    }

    /// A renderer that writes the columns of the row after `alias` and a dot.
    pub(super) fn renderer(&self, alias: &str) -> Renderer<'a> {
        let mut renderer = Renderer::new(self.schema, Dialect::Sqlite, Mode::Statement);
        renderer.set_source(SourceId::ROW, self.relation.id, alias);
        renderer
    }

    /// The rows that satisfy `condition`, in the order in which SQLite finds them.
    fn rowids(&self, condition: Option<&Expr>) -> Result<Vec<i64>, EngineError> {
        let table = self.table();
        let mut renderer = self.renderer(&table);
        renderer.push(&format!("select {}.{} from {table}", table, self.rowid()));
        push_where(&mut renderer, condition);
        let mut statement = self.request.prepare(&renderer.finish())?;
        let mut rows = statement.raw_query();
        let mut rowids = Vec::new();
        while let Some(row) = rows.next().map_err(engine_error)? {
            rowids.push(row.get(0).map_err(internal)?);
        }
        Ok(rowids)
    }

    /// The value that an insert takes for `column` from a sequence, if that is the column's default.
    fn next_value(&self, column: ColumnId) -> Result<Option<Value>, EngineError> {
        let Some(sequence) = sequence_of(self.schema, self.relation, self.relation.column_by_id(column)) else {
            return Ok(None);
        };
        let connection = self.request.connection;
        connection.sequences.borrow_mut().take(&connection.sql, &sequence, 1).map(|value| Some(Value::Int(value)))
    }
}

impl Target<'_> {
    /// Puts the sequence behind `column` where it is after `first` and `steps` further values.
    fn set_sequence(&self, column: ColumnId, first: i64, steps: i64) -> Result<(), EngineError> {
        let Some(sequence) = sequence_of(self.schema, self.relation, self.relation.column_by_id(column)) else {
            return Ok(());
        };
        let last = first.saturating_add(steps.saturating_mul(sequence.increment));
        let connection = self.request.connection;
        connection.sequences.borrow_mut().set(&connection.sql, &sequence, last, true)
    }
}

pub(super) fn sql_name(relation: &Relation) -> String {
    table_name(Dialect::Sqlite, &relation.schema, &relation.name)
}

fn push_where(renderer: &mut Renderer<'_>, condition: Option<&Expr>) {
    if let Some(condition) = condition {
        renderer.push(" where ");
        renderer.filter(condition);
    }
}

/// ` returning` the rowid and whether each check holds.
fn push_returning(renderer: &mut Renderer<'_>, rowid: &str, checks: &[RowCheck]) {
    renderer.push(&format!(" returning {rowid}"));
    push_checks(renderer, checks);
}

/// Further result columns: whether each check holds.
pub(super) fn push_checks(renderer: &mut Renderer<'_>, checks: &[RowCheck]) {
    for check in checks {
        renderer.push(", (");
        renderer.expression(&check.condition);
        renderer.push(") is true");
    }
}

/// The number of the first of `count` checks, from column `first` on, that does not hold.
pub(super) fn failed_check(row: &Row<'_>, first: usize, count: usize) -> Result<Option<usize>, EngineError> {
    for index in 0..count {
        if !row.get::<_, bool>(first + index).map_err(internal)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Whether checks must be evaluated before rows are written: what they read besides the row is the state before
/// the statement.
fn reads_tables(checks: &[RowCheck]) -> bool {
    let mut reads = false;
    for check in checks {
        check.condition.walk(&mut |expr| {
            reads |= matches!(expr, Expr::Exists { .. } | Expr::InSelect { .. } | Expr::Scalar { .. });
        });
    }
    reads
}

fn values_of(rows: &RowSource) -> Result<&[Vec<Cell>], EngineError> {
    match rows {
        RowSource::Values(rows) => Ok(rows),
        RowSource::Json { .. } => Err(EngineError::Internal { reason: "rows came as JSON".into() }),
    }
}

/// The placeholder for a value that is bound later; each gets the next number.
fn push_placeholder(renderer: &mut Renderer<'_>) {
    renderer.param(Param::Limit(0));
}

/// `(1, 2)` as rowids for `json_each`.
pub(super) fn json_list(rowids: &[i64]) -> String {
    let mut list = String::from("[");
    for (index, rowid) in rowids.iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        list.push_str(itoa::Buffer::new().format(*rowid));
    }
    list.push(']');
    list
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Error(error)
    }
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        Self::Error(error.into())
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        if is_constraint(&error) { Self::Constraint(error) } else { Self::Error(engine_error(error)) }
    }
}

/// Values by column, as a statement is given them.
pub(super) type Given<'v> = [(ColumnId, Cow<'v, Value>)];

/// A row as it would be, before it is written.
pub(super) enum Candidate<'g> {
    /// What is not given has its default.
    New(&'g Given<'g>),
    /// What is not given stays as it is.
    Changed { rowid: i64, cells: &'g [(ColumnId, &'g Cell)] },
}

impl Candidate<'_> {
    /// Writes a sub-select with the row's columns, under the alias `"row"`.
    pub(super) fn push(&self, target: Target<'_>, renderer: &mut Renderer<'_>) {
        let table = target.table();
        let generated = |default: &Option<DefaultValue>| matches!(default, Some(DefaultValue::Generated(_)));
        let is_generated = target.relation.columns.iter().any(|column| generated(&column.default));
        if is_generated {
            renderer.push("(select \"row\".*");
            for column in &target.relation.columns {
                if let Some(DefaultValue::Generated(expr)) = &column.default {
                    renderer.push(", ");
                    renderer.set_source(SourceId::ROW, target.relation.id, "\"row\"");
                    renderer.expression(expr);
                    renderer.push(&format!(" as {}", quote_identifier(&column.name)));
                }
            }
            renderer.push(" from ");
        }
        renderer.push("(select 1");
        renderer.set_source(SourceId::ROW, target.relation.id, &table);
        for column in target.relation.columns.iter().filter(|column| !generated(&column.default)) {
            renderer.push(", ");
            self.push_column(renderer, target, column.id);
            renderer.push(&format!(" as {}", quote_identifier(&column.name)));
        }
        if let Self::Changed { rowid, .. } = self {
            renderer.push(&format!(" from {table} where {table}.{} = ", target.rowid()));
            renderer.param(Param::Limit(*rowid));
        }
        renderer.push(") as \"row\"");
        if is_generated {
            renderer.push(") as \"row\"");
        }
        renderer.set_source(SourceId::ROW, target.relation.id, "\"row\"");
    }

    fn push_column(&self, renderer: &mut Renderer<'_>, target: Target<'_>, id: ColumnId) {
        let column = target.relation.column_by_id(id);
        match self {
            Self::New(given) => match given.iter().find(|(known, _)| *known == id) {
                Some((_, value)) => renderer.param(Param::Value(value.as_ref().clone(), column.ty.clone())),
                None => push_default(renderer, column),
            },
            Self::Changed { cells, .. } => match cells.iter().find(|(known, _)| *known == id) {
                Some((_, Cell::Value(value))) => renderer.param(Param::Value(value.clone(), column.ty.clone())),
                Some((_, Cell::Default)) => push_default(renderer, column),
                None => renderer.column(SourceId::ROW, id),
            },
        }
    }
}

/// The column's default as an expression. Sequences are asked before, so none is left here.
fn push_default(renderer: &mut Renderer<'_>, column: &roadbed_plan::schema::Column) {
    match super::define::default_expr(column) {
        Some(expr) => renderer.expression(expr),
        None => renderer.push("null"),
    }
}

/// Runs a statement that returns a rowid and whether checks hold; `None` when it wrote no row.
fn step_returning(statement: &mut rusqlite::Statement<'_>, checks: usize) -> Result<Option<i64>, Refusal> {
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else { return Ok(None) };
    let rowid = row.get(0)?;
    if let Some(index) = failed_check(row, 1, checks)? {
        return Err(Refusal::Check(index));
    }
    // The statement ends, and its foreign keys are tested, with the step after its last row.
    rows.next()?;
    Ok(Some(rowid))
}

/// Binds `values` from the first parameter on and gives the first row's rowid.
fn first_rowid(statement: &mut rusqlite::Statement<'_>, values: &[Value]) -> Result<Option<i64>, EngineError> {
    for (index, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, Stored(value)).map_err(internal)?;
    }
    let mut rows = statement.raw_query();
    match rows.next().map_err(engine_error)? {
        Some(row) => row.get(0).map(Some).map_err(internal),
        None => Ok(None),
    }
}
