//! Why a row was refused, as PostgreSQL says it: the same constraint first, the same words, names and values.
//! Only called once something failed, or for writes that compute their rows before they write them.

use std::borrow::Cow;

use roadbed_plan::expr::{Expr, SourceId};
use roadbed_plan::plan::{Cell, RowCheck, ShownColumns};
use roadbed_plan::schema::{Column, ColumnId, Index, IndexTerm, Key, Relation};
use roadbed_plan::value::to_text;
use roadbed_plan::{DatabaseError, EngineError, Type, Value};
use rusqlite::Row;

use super::define::{CheckName, checks as table_checks, in_primary_key, object_name};
use super::error::{engine_error, internal};
use super::read::value_of;
use super::write::{Candidate, Given, Target, push_checks};
use crate::sql::{Dialect, Mode, Param, Renderer, quote_identifier};

/// PostgreSQL shows this many bytes of each value of a failing row.
const SHOWN_BYTES: usize = 64;

/// A row as it would be written, which has passed everything that looks at one row alone.
#[derive(Debug)]
pub(super) struct Evaluated {
    /// By the relation's columns, in their order.
    values: Vec<Value>,
}

impl Evaluated {
    pub(super) fn value(&self, relation: &Relation, column: ColumnId) -> Value {
        let position = relation.columns.iter().position(|known| known.id == column);
        position.and_then(|position| self.values.get(position)).cloned().unwrap_or(Value::Null)
    }

    /// By the relation's columns, in their order.
    pub(super) fn values(&self) -> Vec<Value> {
        self.values.clone()
    }

    /// All values that an insert can give.
    pub(super) fn given(&self, relation: &Relation) -> Vec<(ColumnId, Cow<'_, Value>)> {
        let columns = relation.columns.iter().zip(&self.values).filter(|(column, _)| !column.is_generated());
        columns.map(|(column, value)| (column.id, Cow::Borrowed(value))).collect()
    }
}

/// Computes a row and tests what PostgreSQL tests before keys, in its order: domains, row checks, nulls, checks.
///
/// # Errors
/// The first test that fails.
pub(super) fn evaluate(
    target: Target<'_>,
    candidate: &Candidate<'_>,
    checks: &[RowCheck],
) -> Result<Evaluated, EngineError> {
    let relation = target.relation;
    let constraints = table_checks(relation);
    let mut renderer = target.renderer("\"row\"");
    renderer.push("select 1");
    for column in &relation.columns {
        renderer.push(&format!(", \"row\".{}", quote_identifier(&column.name)));
    }
    push_checks(&mut renderer, checks);
    for (_, condition) in &constraints {
        renderer.push(", (");
        renderer.expression(condition);
        renderer.push(") is not false");
    }
    renderer.push(" from ");
    candidate.push(target, &mut renderer);
    let mut statement = target.request.prepare(&renderer.finish())?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().map_err(engine_error)? else {
        return Err(EngineError::Internal { reason: "a row to be checked is gone".into() });
    };
    let row = Answer { target, row, checks, constraints: &constraints };
    let values = row.values()?;
    row.test(&values)?;
    Ok(Evaluated { values })
}

/// The values that a row would have, tested by nobody; what is generated is not computed yet, as triggers before a
/// row see it.
pub(super) fn computed(target: Target<'_>, candidate: &Candidate<'_>) -> Result<Vec<Value>, EngineError> {
    let relation = target.relation;
    let mut renderer = target.renderer("\"row\"");
    renderer.push("select 1");
    for column in &relation.columns {
        renderer.push(&format!(", \"row\".{}", quote_identifier(&column.name)));
    }
    renderer.push(" from ");
    candidate.push(target, &mut renderer);
    let mut statement = target.request.prepare(&renderer.finish())?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().map_err(engine_error)? else {
        return Err(EngineError::Internal { reason: "a row to be computed is gone".into() });
    };
    let mut values = Answer { target, row, checks: &[], constraints: &[] }.values()?;
    for (column, value) in relation.columns.iter().zip(&mut values) {
        if column.is_generated() {
            *value = Value::Null;
        }
    }
    Ok(values)
}

/// The result of the statement that evaluates a row: its values, then its row checks, then its constraints.
struct Answer<'r> {
    target: Target<'r>,
    row: &'r Row<'r>,
    checks: &'r [RowCheck],
    constraints: &'r [(String, Expr)],
}

impl Answer<'_> {
    fn values(&self) -> Result<Vec<Value>, EngineError> {
        let read = |(index, column): (usize, &Column)| {
            Ok(value_of(self.row.get_ref(index + 1).map_err(internal)?, &column.ty))
        };
        self.target.relation.columns.iter().enumerate().map(read).collect()
    }

    fn holds(&self, index: usize) -> Result<bool, EngineError> {
        self.row.get(1 + self.target.relation.columns.len() + index).map_err(internal)
    }

    fn test(&self, values: &[Value]) -> Result<(), EngineError> {
        let relation = self.target.relation;
        let violated = self.violated()?;
        let names = violated.iter().map(|name| CheckName::parse(name));
        let (own, of_domains): (Vec<_>, Vec<_>) = names.partition(|name| matches!(name, CheckName::Table(_)));
        if let Some(name) = of_domains.first() {
            return Err(check_error(relation, name).into());
        }
        for (index, check) in self.checks.iter().enumerate() {
            if !self.holds(index)? {
                return Err(row_check(relation, check).into());
            }
        }
        let failing = |error: DatabaseError| match failing_row(self.target, values) {
            Some(details) => error.details(details),
            None => error,
        };
        for (column, value) in relation.columns.iter().zip(values) {
            if value.is_null() && (column.not_null || in_primary_key(relation, column.id)) {
                return Err(failing(null_value(relation, &column.name)).into());
            }
        }
        match own.first() {
            Some(name) => Err(failing(check_error(relation, name)).into()),
            None => Ok(()),
        }
    }

    fn violated(&self) -> Result<Vec<&str>, EngineError> {
        let mut violated = Vec::new();
        for (index, (name, _)) in self.constraints.iter().enumerate() {
            if !self.holds(self.checks.len() + index)? {
                violated.push(name.as_str());
            }
        }
        Ok(violated)
    }
}

/// Tests what is given to columns whose types are domains: PostgreSQL does so while it reads the values of all
/// rows, before it writes one.
///
/// # Errors
/// The first value that its domain refuses.
pub(super) fn check_domains(target: Target<'_>, columns: &[ColumnId], rows: &[Vec<Cell>]) -> Result<(), EngineError> {
    let relation = target.relation;
    let has_domain = |id: &ColumnId| matches!(relation.column_by_id(*id).ty, Type::Domain(_));
    if !columns.iter().any(has_domain) {
        return Ok(());
    }
    let all = table_checks(relation);
    for row in rows {
        for (id, cell) in columns.iter().zip(row).filter(|(id, _)| has_domain(id)) {
            if let Cell::Value(value) = cell {
                check_domain(target, *id, value, &all)?;
            }
        }
    }
    Ok(())
}

fn check_domain(target: Target<'_>, id: ColumnId, value: &Value, all: &[(String, Expr)]) -> Result<(), EngineError> {
    let column = target.relation.column_by_id(id);
    let names = all.iter().filter(|(name, _)| !matches!(CheckName::parse(name), CheckName::Table(_)));
    let checks: Vec<_> = names.filter(|(_, condition)| mentions(condition, id)).collect();
    let mut renderer = target.renderer("\"row\"");
    renderer.push("select 1");
    for (_, condition) in &checks {
        renderer.push(", (");
        renderer.expression(condition);
        renderer.push(") is not false");
    }
    renderer.push(" from (select ");
    renderer.param(Param::Value(value.clone(), column.ty.clone()));
    renderer.push(&format!(" as {}) as \"row\"", quote_identifier(&column.name)));
    let mut statement = target.request.prepare(&renderer.finish())?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().map_err(engine_error)? else { return Ok(()) };
    for (index, (name, _)) in checks.iter().enumerate() {
        if !row.get::<_, bool>(index + 1).map_err(internal)? {
            return Err(check_error(target.relation, &CheckName::parse(name)).into());
        }
    }
    Ok(())
}

fn mentions(condition: &Expr, id: ColumnId) -> bool {
    let mut found = false;
    condition.walk(&mut |expr| found |= matches!(expr, Expr::Column { column, .. } if *column == id));
    found
}

/// The first key of which another row (not `own`) has the same values.
pub(super) fn duplicate(
    target: Target<'_>,
    row: &Evaluated,
    own: Option<i64>,
) -> Result<Option<DatabaseError>, EngineError> {
    let relation = target.relation;
    let keys = relation.keys().map(key_as_index);
    let indexes = relation.indexes.iter().filter(|index| index.unique).cloned();
    for index in keys.chain(indexes) {
        if let Some(values) = conflicting_values(target, row, &index, own)? {
            let message = format!("duplicate key value violates unique constraint \"{}\"", index.name);
            let error = DatabaseError::new("23505", message);
            return Ok(Some(match duplicate_details(target, &index, &values) {
                Some(details) => error.details(details),
                None => error,
            }));
        }
    }
    Ok(None)
}

fn key_as_index(key: &Key) -> Index {
    let term = |id: &ColumnId| IndexTerm {
        expr: Expr::Column { source: SourceId::ROW, column: *id, ty: Type::Unknown },
        descending: false,
        nulls_first: false,
    };
    Index {
        name: key.name.clone(),
        unique: true,
        nulls_not_distinct: key.nulls_not_distinct,
        terms: key.columns.iter().map(term).collect(),
        condition: None,
        only_postgres: false,
        comment: None,
    }
}

/// The values of the index's terms, when another row has them too.
fn conflicting_values(
    target: Target<'_>,
    row: &Evaluated,
    index: &Index,
    own: Option<i64>,
) -> Result<Option<Vec<Value>>, EngineError> {
    let given: Vec<_> = row.given(target.relation);
    let rendered = conflict_query(target, &given, index, own);
    let mut statement = target.request.prepare(&rendered)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().map_err(engine_error)? else { return Ok(None) };
    let mut values = Vec::with_capacity(index.terms.len());
    for (at, term) in index.terms.iter().enumerate() {
        let ty = match &term.expr {
            Expr::Column { column, .. } => target.relation.column_by_id(*column).ty.clone(),
            other => other.ty(),
        };
        values.push(value_of(row.get_ref(at).map_err(internal)?, &ty));
    }
    if values.iter().any(Value::is_null) && !index.nulls_not_distinct {
        return Ok(None);
    }
    Ok(Some(values))
}

fn conflict_query(target: Target<'_>, given: &Given<'_>, index: &Index, own: Option<i64>) -> crate::sql::Rendered {
    let mut renderer = target.renderer("\"row\"");
    renderer.push("select ");
    for (at, term) in index.terms.iter().enumerate() {
        renderer.push(if at > 0 { ", " } else { "" });
        renderer.expression(&term.expr);
    }
    renderer.push(&format!(" from {} as \"other\" join ", target.table()));
    Candidate::New(given).push(target, &mut renderer);
    renderer.push(" on true");
    for term in &index.terms {
        renderer.push(" and ");
        on_other(target, &mut renderer, &term.expr);
        renderer.push(" is ");
        renderer.expression(&term.expr);
    }
    if let Some(condition) = &index.condition {
        renderer.push(" and ");
        on_other(target, &mut renderer, condition);
        renderer.push(" and ");
        renderer.expression(condition);
    }
    if let Some(own) = own {
        renderer.push(&format!(" and \"other\".{} <> ", target.rowid()));
        renderer.param(Param::Limit(own));
    }
    renderer.push(" limit 1");
    renderer.finish()
}

/// Writes `expr` over the rows that are there.
fn on_other(target: Target<'_>, renderer: &mut Renderer<'_>, expr: &Expr) {
    renderer.set_source(SourceId::ROW, target.relation.id, "\"other\"");
    renderer.expression(expr);
    renderer.set_source(SourceId::ROW, target.relation.id, "\"row\"");
}

fn duplicate_details(target: Target<'_>, index: &Index, values: &[Value]) -> Option<String> {
    let relation = target.relation;
    let mut names = Vec::new();
    let mut texts = Vec::new();
    for (term, value) in index.terms.iter().zip(values) {
        match &term.expr {
            Expr::Column { column, .. } => {
                if !shows(target.shown, *column) {
                    return None;
                }
                let column = relation.column_by_id(*column);
                names.push(plain_identifier(&column.name));
                texts.push(shown_value(value, column));
            }
            other => {
                if *target.shown != ShownColumns::All {
                    return None;
                }
                names.push(expression_text(target, other));
                texts.push(if value.is_null() { "null".into() } else { to_text(value, &other.ty()) });
            }
        }
    }
    Some(format!("Key ({})=({}) already exists.", names.join(", "), texts.join(", ")))
}

/// An index's expression as PostgreSQL prints it, near enough for calls over columns.
fn expression_text(target: Target<'_>, expr: &Expr) -> String {
    match expr {
        Expr::Column { column, .. } => plain_identifier(&target.relation.column_by_id(*column).name),
        Expr::Call { function, args, .. } if function.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let args: Vec<_> = args.iter().map(|arg| expression_text(target, arg)).collect();
            format!("{function}({})", args.join(", "))
        }
        Expr::Cast { expr, ty } if ty.is_text() && expr.ty().is_text() => expression_text(target, expr),
        other => {
            let mut renderer = Renderer::new(target.schema, Dialect::Postgres, Mode::Definition);
            renderer.set_source(SourceId::ROW, target.relation.id, "");
            renderer.expression(other);
            renderer.finish().sql
        }
    }
}

fn plain_identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { quote_identifier(name) }
}

/// `Failing row contains …`, as far as the caller may see the row.
fn failing_row(target: Target<'_>, values: &[Value]) -> Option<String> {
    let columns = || target.relation.columns.iter().zip(values);
    let texts = |shown: Vec<(&Column, &Value)>| {
        let texts: Vec<_> = shown.into_iter().map(|(column, value)| clipped(shown_value(value, column))).collect();
        texts.join(", ")
    };
    match target.shown {
        ShownColumns::All => Some(format!("Failing row contains ({}).", texts(columns().collect()))),
        ShownColumns::These(ids) => {
            // What the caller wrote, the caller knows.
            let shown: Vec<_> = columns()
                .filter(|(column, _)| ids.contains(&column.id) || target.written.contains(&column.id))
                .collect();
            if shown.is_empty() {
                return None;
            }
            let names: Vec<_> = shown.iter().map(|(column, _)| column.name.as_str()).collect();
            Some(format!("Failing row contains ({}) = ({}).", names.join(", "), texts(shown.clone())))
        }
        ShownColumns::None => None,
    }
}

/// `Key (names)=(values)`, or `Key` where the caller may not see them.
pub(super) fn key_words(shown: &ShownColumns, columns: &[&Column], values: &[Value]) -> String {
    if !columns.iter().all(|column| shows(shown, column.id)) {
        return "Key".into();
    }
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let texts: Vec<_> = columns.iter().zip(values).map(|(column, value)| shown_value(value, column)).collect();
    format!("Key ({})=({})", names.join(", "), texts.join(", "))
}

fn shows(shown: &ShownColumns, column: ColumnId) -> bool {
    match shown {
        ShownColumns::All => true,
        ShownColumns::These(ids) => ids.contains(&column),
        ShownColumns::None => false,
    }
}

fn shown_value(value: &Value, column: &Column) -> String {
    if value.is_null() { "null".into() } else { to_text(value, &column.ty) }
}

fn clipped(mut text: String) -> String {
    if text.len() > SHOWN_BYTES {
        let end = (0..=SHOWN_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// A row that a row policy's `with check` refuses.
pub(super) fn row_check(relation: &Relation, check: &RowCheck) -> DatabaseError {
    let policy = check.policy.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let table = &relation.name;
    DatabaseError::new("42501", format!("new row violates row-level security policy{policy} for table \"{table}\""))
}

/// An existing row that a row policy does not let the caller update.
pub(super) fn using_check(relation: &Relation, check: &RowCheck) -> DatabaseError {
    let policy = check.policy.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let message = format!(
        "new row violates row-level security policy{policy} (USING expression) for table \"{}\"",
        relation.name
    );
    DatabaseError::new("42501", message)
}

fn null_value(relation: &Relation, column: &str) -> DatabaseError {
    let message =
        format!("null value in column \"{column}\" of relation \"{}\" violates not-null constraint", relation.name);
    DatabaseError::new("23502", message)
}

fn check_error(relation: &Relation, name: &CheckName<'_>) -> DatabaseError {
    match name {
        CheckName::Table(check) => {
            let table = &relation.name;
            let message = format!("new row for relation \"{table}\" violates check constraint \"{check}\"");
            DatabaseError::new("23514", message)
        }
        CheckName::Domain { domain, check } => {
            let message = format!("value for domain {domain} violates check constraint \"{check}\"");
            DatabaseError::new("23514", message)
        }
        CheckName::DomainNotNull { domain } => {
            DatabaseError::new("23502", format!("domain {domain} does not allow null values"))
        }
    }
}

/// What SQLite's own message tells, where the row that failed is not the request's own but one that a foreign key's
/// action changed.
pub(super) fn by_message(target: Target<'_>, error: &rusqlite::Error) -> DatabaseError {
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.as_str(),
        _ => "",
    };
    let (kind, place) = message.split_once(" constraint failed: ").unwrap_or((message, ""));
    let (table, column) = place.rsplit_once('.').unwrap_or((place, ""));
    let relation = target
        .schema
        .relations
        .values()
        .find(|relation| object_name(&relation.schema, &relation.name) == table)
        .map_or(target.relation, |relation| relation);
    match kind {
        "NOT NULL" => null_value(relation, column),
        "CHECK" => check_error(checked(target, place), &CheckName::parse(place)),
        "UNIQUE" => DatabaseError::new("23505", format!("duplicate key value violates unique constraint ({place})")),
        _ => DatabaseError::new(
            "23503",
            format!("insert or update on table \"{}\" violates a foreign key constraint", target.relation.name),
        ),
    }
}

fn checked<'s>(target: Target<'s>, check: &str) -> &'s Relation {
    let has = |relation: &&std::sync::Arc<Relation>| table_checks(relation).iter().any(|(name, _)| name == check);
    target.schema.relations.values().find(has).map_or(target.relation, |relation| relation)
}
