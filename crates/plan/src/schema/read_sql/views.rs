//! `create view`.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, ViewCheckOption};

use super::Fold;
use super::drop::Object;
use super::fault::Fault;
use super::names::strings;
use super::settings::constant;
use super::tables::output_columns;
use crate::schema::{Column, Relation, RelationKind};
use std::sync::Arc;

impl Fold<'_> {
    pub(super) fn create_view(&mut self, stmt: &pb::ViewStmt) -> Result<(), Fault> {
        let Some(range) = stmt.view.as_ref() else { return Ok(()) };
        let Some(NodeEnum::SelectStmt(query)) = stmt.query.as_ref().and_then(|query| query.node.as_ref()) else {
            return Ok(());
        };
        if !matches!(stmt.with_check_option(), ViewCheckOption::NoCheckOption | ViewCheckOption::Undefined) {
            return Err(Fault::only_postgres("a view's `with check option`", "leave it out").name("check"));
        }
        let security_invoker = read_view_options(&stmt.options)?;
        let select = self.select(query)?;
        let columns = output_columns(&select, &strings(&stmt.aliases))?;
        let replaced = self.replaced_view(range, stmt.replace)?;
        let mut view = match replaced {
            Some(old) => Relation { columns: replace_columns(&old, columns)?, ..(*old).clone() },
            None => {
                let Some(relation) = self.new_relation(range, RelationKind::View, false)? else { return Ok(()) };
                Relation { columns, ..relation }
            }
        };
        view.definition = Some(Arc::new(select));
        view.security_invoker = security_invoker;
        let user = Object::Relation(view.id);
        self.schema_mut().put(view);
        self.note_calls(&user);
        Ok(())
    }

    fn replaced_view(&self, range: &pb::RangeVar, replace: bool) -> Result<Option<Arc<Relation>>, Fault> {
        if !replace {
            return Ok(None);
        }
        let schema = self.schema_for_new(&range.schemaname, range.location)?;
        match self.schema.find(&schema, &range.relname) {
            Some(old) if old.kind == RelationKind::View => Ok(Some(Arc::clone(old))),
            Some(old) => Err(Fault::new("42809", format!("\"{}\" is not a view", old.name)).at(range.location)),
            None => Ok(None),
        }
    }
}

/// A replaced view keeps its columns, and may have more after them.
fn replace_columns(old: &Relation, new: Vec<Column>) -> Result<Vec<Column>, Fault> {
    if new.len() < old.columns.len() {
        return Err(Fault::new("42P16", "cannot drop columns from view"));
    }
    let mut next = old.columns.iter().map(|column| column.id.0).max().unwrap_or(0);
    let mut columns = Vec::with_capacity(new.len());
    for (index, mut column) in new.into_iter().enumerate() {
        match old.columns.get(index) {
            Some(kept) if kept.name != column.name => {
                let message = format!("cannot change name of view column \"{}\" to \"{}\"", kept.name, column.name);
                return Err(Fault::new("42P16", message).name(&column.name));
            }
            Some(kept) if kept.ty != column.ty => {
                let (from, to) = (kept.ty.sql_name(), column.ty.sql_name());
                let message = format!("cannot change data type of view column \"{}\" from {from} to {to}", kept.name);
                return Err(Fault::new("42P16", message).name(&column.name));
            }
            Some(kept) => {
                column.id = kept.id;
                column.comment.clone_from(&kept.comment);
            }
            None => {
                next += 1;
                column.id = crate::schema::ColumnId(next);
            }
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Whether `security_invoker` is on.
pub(super) fn read_view_options(options: &[pb::Node]) -> Result<bool, Fault> {
    let mut invoker = false;
    for node in options {
        let Some(NodeEnum::DefElem(option)) = node.node.as_ref() else { continue };
        let on = option
            .arg
            .as_deref()
            .and_then(constant)
            .is_none_or(|value| matches!(value.as_str(), "true" | "on" | "1" | "yes"));
        match option.defname.as_str() {
            "security_invoker" => invoker = on,
            // Keeps PostgreSQL from running a caller's functions early; there is no such early call here.
            "security_barrier" => {}
            other => {
                return Err(Fault::only_postgres(format!("a view's `{other}`"), "leave it out").at(option.location));
            }
        }
    }
    Ok(invoker)
}
