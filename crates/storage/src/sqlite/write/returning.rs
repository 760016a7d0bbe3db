//! What a write answers: the rows it wrote, or the key of the one row.

use roadbed_plan::plan::Node;
use roadbed_plan::schema::{Column, ColumnId, Relation};
use roadbed_plan::value::write_json;
use roadbed_plan::{EngineError, Value};
use rusqlite::ToSql;

use super::super::error::{engine_error, internal};
use super::super::read::{Level, Stored, value_of};
use super::{Body, Target, json_list, snapshot};
use crate::sql::{Dialect, Mode, Param, Rendered, RenderedNode, Renderer, quote_identifier};

/// The rows with these rowids as a JSON array: in their order, unless the node has one or a limit.
pub(super) fn rows(target: Target<'_>, node: &Node, rowids: &[i64]) -> Result<Body, EngineError> {
    let as_written = is_as_written(node);
    let rendered = statement(target, node, if as_written { From::Row } else { From::Rows });
    let mut json = Vec::new();
    let mut found = 0;
    let mut level = Level::open(target.request, &rendered)?.in_form(target.form);
    level.begin(&mut json);
    if as_written {
        for rowid in rowids {
            found += level.append_rows_of(&[rowid], &mut json)?;
        }
    } else {
        found += level.append_rows_of(&[&json_list(rowids)], &mut json)?;
    }
    level.end(&mut json);
    Ok(Body { json, rows: found })
}

/// As [`rows`], of rows that are not written yet; `None` where they are too many for it.
pub(super) fn rows_ahead(target: Target<'_>, node: &Node, rows: &[Vec<Value>]) -> Result<Option<Body>, EngineError> {
    let mut json = vec![b'['];
    let mut found = 0;
    let at_once = if is_as_written(node) { 1 } else { rows.len().max(1) };
    for rows in rows.chunks(at_once) {
        let Some(values) = snapshot::flat(rows) else { return Ok(None) };
        let rendered = statement(target, node, From::Values(rows.len()));
        let mut level = Level::open(target.request, &rendered)?;
        let values: Vec<_> = values.into_iter().map(Stored).collect();
        let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
        found += level.append_rows_of(&values, &mut json)?;
    }
    json.push(b']');
    Ok(Some(Body { json, rows: found }))
}

/// Whether the rows come in the order in which they are written, all of them and each by itself.
pub(super) fn is_as_written(node: &Node) -> bool {
    !node.grouped && node.order.is_empty() && node.limit.is_none() && node.offset == 0
}

/// Where the rows of an answer come from.
#[derive(Clone, Copy)]
enum From {
    /// The row whose rowid is the first parameter.
    Row,
    /// Those whose rowids are, as a JSON list, the first parameter.
    Rows,
    /// So many rows, whose values are the first parameters.
    Values(usize),
}

fn statement(target: Target<'_>, node: &Node, from: From) -> RenderedNode {
    let mut renderer = Renderer::new(target.schema, Dialect::Sqlite, Mode::Statement);
    let rows = match from {
        From::Row | From::Rows => push_written(target, &mut renderer, matches!(from, From::Row)),
        From::Values(count) => push_values(target.relation, &mut renderer, count),
    };
    let (outputs, hidden) = renderer.node(node, Some(&rows));
    let Rendered { sql, params } = renderer.finish();
    RenderedNode { sql, params, outputs, hidden }
}

/// A common table of values; gives back the rows that they are.
fn push_values(relation: &Relation, renderer: &mut Renderer<'_>, rows: usize) -> String {
    renderer.push("with sqlite_written as (values ");
    for row in 0..rows {
        renderer.push(if row > 0 { ", (" } else { "(" });
        for column in 0..relation.columns.len() {
            renderer.push(if column > 0 { ", " } else { "" });
            renderer.param(Param::Limit(0));
        }
        renderer.push(")");
    }
    renderer.push(") ");
    let name = |(index, column): (usize, &Column)| format!("column{} as {}", index + 1, quote_identifier(&column.name));
    let names: Vec<_> = relation.columns.iter().enumerate().map(name).collect();
    format!("(select {} from sqlite_written)", names.join(", "))
}

/// A common table of rowids; gives back the rows that have them.
fn push_written(target: Target<'_>, renderer: &mut Renderer<'_>, single: bool) -> String {
    // No table can have a name that begins so.
    renderer.push("with sqlite_written (\"id\") as (select ");
    if single {
        renderer.param(Param::Limit(0));
    } else {
        renderer.push("value from json_each(");
        renderer.param(Param::Limit(0));
        renderer.push(")");
    }
    renderer.push(") ");
    format!("(select * from {} where {} in (select \"id\" from sqlite_written))", target.table(), target.rowid())
}

/// Columns of the row with their values as text: for JSON strings their contents, else the JSON.
pub(super) fn key(target: Target<'_>, rowid: i64, columns: &[ColumnId]) -> Result<Vec<(String, String)>, EngineError> {
    let relation = target.relation;
    let names: Vec<_> = relation.column_names(columns).map(quote_identifier).collect();
    let sql = format!("select {} from {} where {} = ?1", names.join(", "), target.table(), target.rowid());
    let mut statement = target.request.connection.sql.prepare_cached(&sql).map_err(internal)?;
    let mut rows = statement.query([rowid]).map_err(engine_error)?;
    let mut key = Vec::with_capacity(columns.len());
    if let Some(row) = rows.next().map_err(engine_error)? {
        for (index, id) in columns.iter().enumerate() {
            let column = relation.column_by_id(*id);
            let value = value_of(row.get_ref(index).map_err(internal)?, &column.ty);
            key.push((column.name.clone(), json_text(&value, column)));
        }
    }
    Ok(key)
}

fn json_text(value: &Value, column: &Column) -> String {
    let mut json = Vec::new();
    write_json(&mut json, value, &column.ty);
    match serde_json::from_slice::<String>(&json) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(&json).into_owned(),
    }
}
