//! Embeds whose keys stand among their parent's: rows of a to-one relation are joined, so that their columns are the
//! parent's own; rows of a to-many relation become an array for each key.

use std::mem::take;

use crate::error::PlanError;
use crate::expr::Expr;
use crate::plan::{EmbedNode, Link, Node, Output};

use super::Planner;
use super::resolve::column_expr;

impl Planner<'_> {
    /// Puts the outputs of `child` among those of `node`.
    pub(super) fn spread(&self, node: &mut Node, mut child: EmbedNode) -> Result<(), PlanError> {
        if child.many {
            if child.node.grouped {
                let what = "Aggregates are not implemented for one-to-many or many-to-many spreads.";
                return Err(PlanError::NotImplemented { what });
            }
            node.outputs.push(Output::Spread(child));
            return Ok(());
        }
        let (Link::Direct(pairs) | Link::Junction { child: pairs, .. }) = &child.link;
        let relation = self.schema.relation(child.node.relation);
        let key = pairs.first().map(|(_, of_child)| column_expr(child.node.source, relation.column_by_id(*of_child)));
        for mut output in take(&mut child.node.outputs) {
            match &mut output {
                Output::Value { expr, .. } => count_present(expr, key.as_ref()),
                Output::Embed(embed) | Output::Spread(embed) => embed.optional = true,
            }
            node.outputs.push(output);
        }
        let below = take(&mut child.node.joins);
        if child.node.limit == Some(0) || child.node.offset > 0 {
            child.node.condition = Some(Expr::boolean(false));
        }
        child.node.order.clear();
        (child.node.grouped, child.node.limit, child.node.offset) = (false, None, 0);
        node.joins.push(child);
        node.joins.extend(below);
        Ok(())
    }
}

/// A `count()` of joined rows leaves out those that are not there.
fn count_present(expr: &mut Expr, key: Option<&Expr>) {
    match expr {
        Expr::Aggregate(aggregate) if aggregate.args.is_empty() => aggregate.args.extend(key.cloned()),
        Expr::Cast { expr, .. } => count_present(expr, key),
        _ => {}
    }
}
