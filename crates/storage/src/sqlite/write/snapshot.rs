//! Answers that embed what the write itself changes. PostgreSQL reads embeds as they were before the statement, around
//! the rows as they were written. So such rows are computed and answered first, and written then.

use roadbed_plan::Value;
use roadbed_plan::expr::Expr;
use roadbed_plan::plan::{EmbedNode, Link, Node, Output, ReturningPlan};
use roadbed_plan::schema::{ColumnId, Relation, RelationId, Schema};

use super::Target;

/// What a write gives back, where it must be read before the write of `columns`.
pub(super) fn needed<'p>(target: Target<'_>, returning: &'p ReturningPlan, columns: &[ColumnId]) -> Option<&'p Node> {
    let ReturningPlan::Rows(node) = returning else { return None };
    let changed = Changed { schema: target.schema, relations: changed(target.schema, target.relation) };
    (changed.within(node) || changes_itself(target.relation, columns)).then_some(node)
}

/// The values of rows as one statement takes them; `None` where they are too many.
pub(super) fn flat(rows: &[Vec<Value>]) -> Option<Vec<&Value>> {
    /// SQLite takes 32,766 parameters; the rest is for the statement's own.
    const MOST: usize = 30_000;
    let values: Vec<_> = rows.iter().flatten().collect();
    (values.len() <= MOST).then_some(values)
}

/// The relation, and those whose rows follow an update of it.
fn changed(schema: &Schema, relation: &Relation) -> Vec<RelationId> {
    let mut found = vec![relation.id];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        for (child, key) in schema.foreign_keys_to(parent) {
            if key.on_update.changes_rows() && !found.contains(&child.id) {
                found.push(child.id);
            }
        }
    }
    found
}

/// Whether a row may refer to itself by a key that an update of `columns` changes.
fn changes_itself(relation: &Relation, columns: &[ColumnId]) -> bool {
    relation.foreign_keys.iter().any(|key| {
        key.target == relation.id
            && key.on_update.changes_rows()
            && key.target_columns.iter().any(|column| columns.contains(column))
    })
}

/// Looks for relations that a write changes.
struct Changed<'s> {
    schema: &'s Schema,
    relations: Vec<RelationId>,
}

impl Changed<'_> {
    /// What a view reads is not looked up.
    fn has(&self, relation: RelationId) -> bool {
        self.relations.contains(&relation) || self.schema.relation(relation).is_view()
    }

    /// Whether what is around the rows of `node` is read from such a relation.
    fn within(&self, node: &Node) -> bool {
        let expressions = node.condition.iter().chain(node.order.iter().map(|order| &order.expr));
        let values = node.outputs.iter().filter_map(|output| match output {
            Output::Value { expr, .. } => Some(expr),
            Output::Embed(_) | Output::Spread(_) => None,
        });
        let mut read = expressions.chain(values);
        read.any(|expr| self.read_by(expr)) || node.embeds().any(|embed| self.embedded(embed))
    }

    fn embedded(&self, embed: &EmbedNode) -> bool {
        let by_link = match &embed.link {
            Link::Direct(_) => false,
            Link::Junction { relation, condition, .. } => {
                self.has(*relation) || condition.as_ref().is_some_and(|condition| self.read_by(condition))
            }
        };
        by_link || self.has(embed.node.relation) || self.within(&embed.node)
    }

    fn read_by(&self, expr: &Expr) -> bool {
        let mut found = false;
        expr.walk(&mut |part| {
            if let Expr::Exists { select, .. } | Expr::Scalar { select, .. } | Expr::InSelect { select, .. } = part {
                select.for_each_relation(&mut |relation| found |= self.has(relation));
            }
        });
        found
    }
}
