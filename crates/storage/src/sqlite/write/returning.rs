//! What a write answers: the rows it wrote, or the key of the one row.

use roadbed_plan::plan::Node;
use roadbed_plan::schema::ColumnId;
use roadbed_plan::value::write_json;
use roadbed_plan::{EngineError, Value};

use super::super::error::{engine_error, internal};
use super::super::read::{Level, value_of};
use super::{Body, Target, json_list};
use crate::sql::{Dialect, Mode, Param, Rendered, RenderedNode, Renderer, quote_identifier};

/// The rows with these rowids as a JSON array: in their order, unless the node has one or a limit.
pub(super) fn rows(target: Target<'_>, node: &Node, rowids: &[i64]) -> Result<Body, EngineError> {
    let as_written = node.order.is_empty() && node.limit.is_none() && node.offset == 0;
    let rendered = statement(target, node, as_written);
    let mut json = vec![b'['];
    let mut found = 0;
    let mut level = Level::open(target.request, &rendered)?;
    if as_written {
        for rowid in rowids {
            found += level.append_rows_of(rowid, &mut json)?;
        }
    } else {
        found += level.append_rows_of(&json_list(rowids), &mut json)?;
    }
    json.push(b']');
    Ok(Body { json, rows: found })
}

/// The node over the rows whose rowid is (or, as a JSON list, rowids are) bound as the first parameter.
fn statement(target: Target<'_>, node: &Node, single: bool) -> RenderedNode {
    let mut renderer = Renderer::new(target.schema, Dialect::Sqlite, Mode::Statement);
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
    let rows =
        format!("(select * from {} where {} in (select \"id\" from sqlite_written))", target.table(), target.rowid());
    let (outputs, hidden) = renderer.node(node, Some(&rows));
    let Rendered { sql, params } = renderer.finish();
    RenderedNode { sql, params, outputs, hidden }
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

fn json_text(value: &Value, column: &roadbed_plan::schema::Column) -> String {
    let mut json = Vec::new();
    write_json(&mut json, value, &column.ty);
    match serde_json::from_slice::<String>(&json) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(&json).into_owned(),
    }
}
