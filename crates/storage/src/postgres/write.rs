//! Inserts, updates and deletes as statements. The caller's JSON goes to PostgreSQL as it is, which reads it with
//! its own types, and roles and policies are PostgreSQL's own as well.

use roadbed_plan::expr::{Expr, SourceId};
use roadbed_plan::plan::{
    Cell, ConflictPlan, DeletePlan, InsertPlan, Node, Output, ReturningPlan, RowSource, UpdatePlan,
};
use roadbed_plan::query::Resolution;
use roadbed_plan::schema::{Column, ColumnId, DefaultValue, Relation, Schema};
use roadbed_plan::terms::RowForm;
use roadbed_plan::{DatabaseError, EngineError};

use super::execute::{Asked, Reading, rows_in_form};
use crate::sql::{Dialect, Mode, Param, Renderer, quote_identifier, quote_text, type_name};

/// The name of the written row in a statement, which is also that of [`SourceId::ROW`].
const ROW: &str = "t0";

/// The name of the values to write; no column can be mistaken for it, since all are written with their table.
const BODY: &str = "\"roadbed body\"";

/// Counts new rows less merged ones. A merged row counts as inserted first and is taken back then, for asking the
/// row itself (`xmax`) would need the right to read it.
const COUNT_UP: &str = "set_config('roadbed.inserted', \
    (coalesce(nullif(current_setting('roadbed.inserted', true), ''), '0')::bigint + 1)::text, true) is not null";
const COUNT_DOWN: &str = "set_config('roadbed.inserted', \
    (coalesce(nullif(current_setting('roadbed.inserted', true), ''), '0')::bigint - 1)::text, true) is not null";
const COUNTED: &str = "select coalesce(nullif(current_setting('roadbed.inserted', true), ''), '0')";

pub(super) fn insert(schema: &Schema, plan: &InsertPlan, form: &RowForm) -> Result<Vec<Asked>, EngineError> {
    let relation = schema.relation(plan.relation);
    let columns: Vec<&Column> = plan.columns.iter().map(|id| relation.column_by_id(*id)).collect();
    let mut writer = Writer::new(schema, relation, &plan.returning);
    let counted = plan.conflict.as_ref().is_some_and(|conflict| is_counted(conflict, plan));
    writer.push(&format!("insert into {} as {ROW}", writer.sql.relation_name(relation.id)));
    if !columns.is_empty() {
        writer.push(&format!(" ({})", names(&columns, "")));
    }
    match &plan.rows {
        RowSource::Json { single: true, .. } if columns.is_empty() => writer.push(" default values"),
        RowSource::Json { text, single } => {
            writer.push(&format!(" select {} from ", names(&columns, "")));
            writer.json_rows(JsonRows { text, single: *single, missing_default: plan.missing_default }, &columns)?;
            let mut word = " where ";
            for (column, text) in &plan.keyed {
                let name = quote_identifier(&relation.column_by_id(*column).name);
                writer.push(&format!("{}{name} = ", std::mem::replace(&mut word, " and ")));
                writer.sql.param(Param::Literal(text.clone()));
            }
            if counted {
                writer.push(&format!("{word}{COUNT_UP}"));
            }
        }
        RowSource::Values(rows) => writer.values(rows, &columns),
    }
    if let Some(conflict) = &plan.conflict {
        writer.conflict(conflict, &columns, counted);
    }
    let mut statements = vec![writer.finish(&plan.returning, form)];
    if counted {
        statements.push(Asked { sql: COUNTED.into(), params: Vec::new(), reading: Reading::Fields });
    }
    Ok(statements)
}

/// `None` when there is no column to change.
pub(super) fn update(schema: &Schema, plan: &UpdatePlan, form: &RowForm) -> Result<Option<Vec<Asked>>, EngineError> {
    if plan.columns.is_empty() {
        return Ok(None);
    }
    let relation = schema.relation(plan.relation);
    let columns: Vec<&Column> = plan.columns.iter().map(|id| relation.column_by_id(*id)).collect();
    let mut writer = Writer::new(schema, relation, &plan.returning);
    writer.push(&format!("update {} as {ROW} set ", writer.sql.relation_name(relation.id)));
    match &plan.row {
        RowSource::Json { text, single } => {
            let assign = |column: &&Column| {
                let name = quote_identifier(&column.name);
                format!("{name} = {BODY}.{name}")
            };
            writer.push(&joined(&columns, assign));
            writer.push(&format!(" from (select {} from ", names(&columns, "")));
            writer.json_rows(JsonRows { text, single: *single, missing_default: plan.missing_default }, &columns)?;
            // One object is meant; of a list, only the first counts.
            writer.push(&format!(" limit 1) as {BODY}"));
        }
        RowSource::Values(rows) => {
            let cells = rows.first().map(Vec::as_slice).unwrap_or_default();
            for (index, (column, cell)) in columns.iter().zip(cells).enumerate() {
                writer.push(if index > 0 { ", " } else { "" });
                writer.push(&format!("{} = ", quote_identifier(&column.name)));
                writer.cell(cell, column);
            }
        }
    }
    writer.condition(plan.condition.as_ref());
    Ok(Some(vec![writer.finish(&plan.returning, form)]))
}

pub(super) fn delete(schema: &Schema, plan: &DeletePlan, form: &RowForm) -> Vec<Asked> {
    let relation = schema.relation(plan.relation);
    let mut writer = Writer::new(schema, relation, &plan.returning);
    writer.push(&format!("delete from {} as {ROW}", writer.sql.relation_name(relation.id)));
    writer.condition(plan.condition.as_ref());
    vec![writer.finish(&plan.returning, form)]
}

/// The names and values of an inserted row's key.
pub(super) fn key(schema: &Schema, plan: &InsertPlan, fields: Vec<Option<String>>) -> Vec<(String, String)> {
    let ReturningPlan::Key(columns) = &plan.returning else { return Vec::new() };
    let names = schema.relation(plan.relation).column_names(columns).map(str::to_owned);
    names.zip(fields).filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Whether new rows have to be told from merged ones.
fn is_counted(conflict: &ConflictPlan, plan: &InsertPlan) -> bool {
    let merges = conflict.resolution == Resolution::Merge && !conflict.columns.is_empty() && !plan.columns.is_empty();
    merges && matches!(plan.rows, RowSource::Json { .. })
}

/// The caller's JSON and how it is read.
#[derive(Clone, Copy)]
struct JsonRows<'p> {
    text: &'p [u8],
    single: bool,
    missing_default: bool,
}

/// A statement that grows.
struct Writer<'s> {
    sql: Renderer<'s>,
    relation: &'s Relation,
}

impl<'s> Writer<'s> {
    fn new(schema: &'s Schema, relation: &'s Relation, returning: &ReturningPlan) -> Self {
        let mut sql = Renderer::new(schema, Dialect::Postgres, Mode::Statement);
        sql.set_source(SourceId::ROW, relation.id, ROW);
        if matches!(returning, ReturningPlan::Rows(_)) {
            sql.push("with written as (");
        }
        Self { sql, relation }
    }

    fn push(&mut self, text: &str) {
        self.sql.push(text);
    }

    /// A set of rows with `columns`, made of JSON.
    fn json_rows(&mut self, rows: JsonRows<'_>, columns: &[&Column]) -> Result<(), EngineError> {
        let text = std::str::from_utf8(rows.text)
            .map_err(|_| DatabaseError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        let text = Param::Literal(text.to_owned());
        if columns.is_empty() {
            self.push("json_array_elements(");
            self.sql.param(text);
            self.push("::json)");
            return Ok(());
        }
        let defaults = if rows.missing_default { self.defaults(columns) } else { None };
        let set = if rows.single { "" } else { "set" };
        match (defaults, rows.single) {
            (None, _) => {
                self.push(&format!("json_to_record{set}("));
                self.sql.param(text);
                self.push("::json)");
            }
            (Some(defaults), true) => {
                self.push(&format!("jsonb_to_record({defaults} || "));
                self.sql.param(text);
                self.push("::jsonb)");
            }
            (Some(defaults), false) => {
                let element = "\"roadbed element\"";
                self.push(&format!(
                    "jsonb_to_recordset((select jsonb_agg({defaults} || {element}) from jsonb_array_elements("
                ));
                self.sql.param(text);
                self.push(&format!("::jsonb) as {element}))"));
            }
        }
        let typed = |column: &&Column| format!("{} {}", quote_identifier(&column.name), type_name(&column.ty));
        self.push(&format!(" as _({})", joined(columns, typed)));
        Ok(())
    }

    /// An object of the columns' defaults; `None` when they have none.
    fn defaults(&self, columns: &[&Column]) -> Option<String> {
        let of = |column: &&Column| Some(format!("{}, {}", quote_text(&column.name), self.default(column)?));
        let pairs: Vec<String> = columns.iter().filter_map(of).collect();
        (!pairs.is_empty()).then(|| format!("jsonb_build_object({})", pairs.join(", ")))
    }

    fn default(&self, column: &Column) -> Option<String> {
        match column.default.as_ref()? {
            DefaultValue::Engine(text) => Some(text.clone()),
            DefaultValue::Identity { .. } => {
                let table = self.sql.relation_name(self.relation.id);
                let (table, column) = (quote_text(&table), quote_text(&column.name));
                Some(format!("nextval(pg_get_serial_sequence({table}, {column}))"))
            }
            DefaultValue::Sequence { sequence: (schema, name) } => {
                let sequence = format!("{}.{}", quote_identifier(schema), quote_identifier(name));
                Some(format!("nextval({})", quote_text(&sequence)))
            }
            // Catalogs give defaults as text.
            DefaultValue::Expr(_) | DefaultValue::Generated(_) => None,
        }
    }

    fn values(&mut self, rows: &[Vec<Cell>], columns: &[&Column]) {
        if columns.is_empty() && rows.len() == 1 {
            return self.push(" default values");
        }
        self.push(" values ");
        for (index, cells) in rows.iter().enumerate() {
            self.push(if index > 0 { ", (" } else { "(" });
            for (index, (cell, column)) in cells.iter().zip(columns).enumerate() {
                self.push(if index > 0 { ", " } else { "" });
                self.cell(cell, column);
            }
            self.push(")");
        }
    }

    fn cell(&mut self, cell: &Cell, column: &Column) {
        match cell {
            Cell::Value(value) => self.sql.expression(&Expr::value(value.clone(), column.ty.clone())),
            Cell::Default => self.push("default"),
        }
    }

    fn conflict(&mut self, conflict: &ConflictPlan, given: &[&Column], counted: bool) {
        let key: Vec<&Column> = conflict.columns.iter().map(|id| self.relation.column_by_id(*id)).collect();
        let place = if key.is_empty() { String::new() } else { format!(" ({})", names(&key, "")) };
        match conflict.resolution {
            // Without a key there is nothing to conflict with.
            Resolution::Merge if key.is_empty() => {}
            Resolution::Merge if !given.is_empty() => {
                let assign = |column: &&Column| {
                    let name = quote_identifier(&column.name);
                    format!("{name} = excluded.{name}")
                };
                let assignments = joined(given, assign);
                self.push(&format!(" on conflict{place} do update set {assignments}"));
                if counted {
                    self.push(&format!(" where {COUNT_DOWN}"));
                }
            }
            Resolution::Merge | Resolution::Ignore => self.push(&format!(" on conflict{place} do nothing")),
        }
    }

    fn condition(&mut self, condition: Option<&Expr>) {
        if let Some(condition) = condition {
            self.push(" where ");
            self.sql.expression(condition);
        }
    }

    /// Ends the statement with what it gives back. Only columns that are asked for are named, since reading one
    /// needs the right to.
    fn finish(mut self, returning: &ReturningPlan, form: &RowForm) -> Asked {
        let reading = match returning {
            ReturningPlan::Nothing => Reading::Tally,
            ReturningPlan::Key(columns) => {
                let columns: Vec<&Column> = columns.iter().map(|id| self.relation.column_by_id(*id)).collect();
                let list = if columns.is_empty() { "1".to_owned() } else { names(&columns, "t0.") };
                self.push(&format!(" returning {list}"));
                Reading::Fields
            }
            ReturningPlan::Rows(node) => {
                let mut read = Vec::new();
                columns_read(node, node.source, &mut read);
                if has_whole_row(node) || (node.grouped && read.is_empty()) {
                    // A row as an argument has all of its columns, in their order; and who counts rows reads all of them.
                    read = self.relation.columns.iter().map(|column| column.id).collect();
                }
                let columns: Vec<&Column> = read.iter().map(|id| self.relation.column_by_id(*id)).collect();
                let list = if columns.is_empty() { "1".to_owned() } else { names(&columns, "t0.") };
                self.push(&format!(" returning {list}) "));
                rows_in_form(&mut self.sql, node, (Some("written"), form))
            }
        };
        let rendered = self.sql.finish();
        Asked { sql: rendered.sql, params: rendered.params, reading }
    }
}

fn joined(columns: &[&Column], write: impl Fn(&&Column) -> String) -> String {
    columns.iter().map(write).collect::<Vec<_>>().join(", ")
}

fn names(columns: &[&Column], before: &str) -> String {
    joined(columns, |column| format!("{before}{}", quote_identifier(&column.name)))
}

/// Whether a function takes a row of `node`, or of what is embedded in it, as its argument.
fn has_whole_row(node: &Node) -> bool {
    let mut found = false;
    let mut look = |expr: &Expr| {
        expr.walk(&mut |inner| found |= matches!(inner, Expr::Output { index: Expr::WHOLE_ROW, .. }));
    };
    node.condition.iter().for_each(&mut look);
    node.order.iter().for_each(|order| look(&order.expr));
    node.view.iter().for_each(|select| select.for_each_expr(&mut look));
    for output in &node.outputs {
        if let Output::Value { expr, .. } = output {
            look(expr);
        }
    }
    found || node.embeds().any(|embed| has_whole_row(&embed.node))
}

/// Adds the columns of `source` that `node` needs, in itself and in what is embedded in it.
fn columns_read(node: &Node, source: SourceId, read: &mut Vec<ColumnId>) {
    let mut from_expr = |expr: &Expr| {
        expr.walk(&mut |inner| {
            if let Expr::Column { source: of, column, .. } = inner
                && *of == source
                && !read.contains(column)
            {
                read.push(*column);
            }
        });
    };
    node.condition.iter().for_each(&mut from_expr);
    node.order.iter().for_each(|order| from_expr(&order.expr));
    for output in &node.outputs {
        if let Output::Value { expr, .. } = output {
            from_expr(expr);
        }
    }
    for embed in node.embeds() {
        if embed.parent == source {
            for column in embed.parent_columns() {
                if !read.contains(&column) {
                    read.push(column);
                }
            }
        }
        columns_read(&embed.node, source, read);
    }
}
