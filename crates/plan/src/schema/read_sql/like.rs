//! `create table … (like other including …)`.

use std::sync::Arc;

use pg_query::protobuf::TableLikeClause;

use super::Fold;
use super::fault::Fault;
use crate::expr::{Expr, SourceId};
use crate::schema::{
    Check, Column, ColumnId, DefaultPrivilegeObject, DefaultValue, Index, IndexTerm, Key, Relation, RelationId,
};

// The bits that PostgreSQL's grammar sets for each `including`.
const COMMENTS: u32 = 1;
const CONSTRAINTS: u32 = 1 << 2;
const DEFAULTS: u32 = 1 << 3;
const GENERATED: u32 = 1 << 4;
const IDENTITY: u32 = 1 << 5;
const INDEXES: u32 = 1 << 6;

/// Which column of the other table became which of the new one.
pub(super) type Copied = Vec<(ColumnId, ColumnId)>;

impl Fold<'_> {
    /// Adds the other table's columns, bare.
    pub(super) fn like_columns(&mut self, relation: &mut Relation, like: &TableLikeClause) -> Result<Copied, Fault> {
        let Some(range) = like.relation.as_ref() else { return Ok(Vec::new()) };
        let other = self.relation(range)?;
        let mut copied = Vec::new();
        for column in &other.columns {
            if relation.column(&column.name).is_some() {
                let message = format!("column \"{}\" specified more than once", column.name);
                return Err(Fault::new("42701", message).at(range.location));
            }
            let id = self.new_column_id(relation);
            let comment = column.comment.clone().filter(|_| like.options & COMMENTS != 0);
            relation.columns.push(Column { id, default: None, comment, ..column.clone() });
            copied.push((column.id, id));
        }
        Ok(copied)
    }

    /// Adds what `including` asks for besides.
    pub(super) fn like_rest(&mut self, id: RelationId, like: &TableLikeClause, copied: &Copied) -> Result<(), Fault> {
        let Some(range) = like.relation.as_ref() else { return Ok(()) };
        let other = self.relation(range)?;
        for (old, new) in copied {
            let default = other.column_by_id(*old).default.clone();
            if let Some(default) = self.like_default(id, like.options, copied, (*new, default)) {
                self.edit_column(id, *new, |column| column.default = Some(default));
            }
        }
        if like.options & CONSTRAINTS != 0 {
            let checks = other
                .checks
                .iter()
                .map(|check| Check { name: check.name.clone(), condition: moved(&check.condition, copied) });
            self.edit(id, |relation| relation.checks.extend(checks));
        }
        if like.options & INDEXES != 0 {
            self.like_keys(id, &other, copied);
        }
        Ok(())
    }

    fn like_default(
        &mut self,
        id: RelationId,
        options: u32,
        copied: &Copied,
        (new, default): (ColumnId, Option<DefaultValue>),
    ) -> Option<DefaultValue> {
        match default? {
            DefaultValue::Expr(expr) if options & DEFAULTS != 0 => Some(DefaultValue::Expr(expr)),
            DefaultValue::Sequence { sequence } if options & DEFAULTS != 0 => Some(DefaultValue::Sequence { sequence }),
            DefaultValue::Generated(expr) if options & GENERATED != 0 => {
                Some(DefaultValue::Generated(moved(&expr, copied)))
            }
            DefaultValue::Identity { always, start, increment } if options & IDENTITY != 0 => {
                let relation = Arc::clone(&self.schema.relations[&id]);
                let column = relation.column_by_id(new);
                let name = self.new_class_name(&relation.schema, (&relation.name, &column.name, "seq"), false);
                let owner = Some((id, new));
                let grants = self.default_grants(DefaultPrivilegeObject::Sequences, &relation.schema);
                let sequence = crate::schema::Sequence { start, increment, owner, grants };
                self.schema_mut().sequences.insert((relation.schema.clone(), name), sequence);
                Some(DefaultValue::Identity { always, start, increment })
            }
            DefaultValue::Expr(_)
            | DefaultValue::Sequence { .. }
            | DefaultValue::Generated(_)
            | DefaultValue::Identity { .. }
            | DefaultValue::Engine(_) => None,
        }
    }

    fn like_keys(&mut self, id: RelationId, other: &Relation, copied: &Copied) {
        for key in other.keys() {
            let relation = Arc::clone(&self.schema.relations[&id]);
            let columns: Vec<ColumnId> = key.columns.iter().map(|column| follow(*column, copied)).collect();
            let primary = other.primary_key.as_ref() == Some(key);
            let names: Vec<&str> = relation.column_names(&columns).collect();
            let (middle, label) = if primary { (String::new(), "pkey") } else { (names.join("_"), "key") };
            let name = self.new_class_name(&relation.schema, (&relation.name, &middle, label), true);
            let key = Key { name, columns, ..key.clone() };
            self.edit(
                id,
                |relation| if primary { relation.primary_key = Some(key) } else { relation.unique.push(key) },
            );
        }
        for index in &other.indexes {
            let relation = Arc::clone(&self.schema.relations[&id]);
            let terms: Vec<IndexTerm> =
                index.terms.iter().map(|term| IndexTerm { expr: moved(&term.expr, copied), ..term.clone() }).collect();
            let names: Vec<&str> = terms
                .iter()
                .map(|term| match &term.expr {
                    Expr::Column { column, .. } => relation.column_by_id(*column).name.as_str(),
                    Expr::Call { function, .. } if function.starts_with(|c: char| c.is_ascii_alphabetic()) => function,
                    _ => "expr",
                })
                .collect();
            let name = self.new_class_name(&relation.schema, (&relation.name, &names.join("_"), "idx"), false);
            let condition = index.condition.as_ref().map(|expr| moved(expr, copied));
            let index = Index { name, terms, condition, comment: None, ..index.clone() };
            self.edit(id, |relation| relation.indexes.push(index));
        }
    }
}

fn follow(column: ColumnId, copied: &Copied) -> ColumnId {
    copied.iter().find(|(old, _)| *old == column).map_or(column, |(_, new)| *new)
}

fn moved(expr: &Expr, copied: &Copied) -> Expr {
    fn walk(expr: &mut Expr, copied: &Copied) {
        if let Expr::Column { source: SourceId::ROW, column, .. } = expr {
            *column = follow(*column, copied);
        }
        expr.for_each_child_mut(&mut |child| walk(child, copied));
    }
    let mut moved = expr.clone();
    walk(&mut moved, copied);
    moved
}
