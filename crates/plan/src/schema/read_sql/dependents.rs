//! Which relations and columns an expression or select speaks of, by id.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::expr::{Expr, Select, SourceId};
use crate::schema::{ColumnId, DefaultValue, Relation, RelationId};

/// What a stored expression or select needs to go on existing.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) relations: BTreeSet<RelationId>,
    pub(super) columns: BTreeSet<(RelationId, ColumnId)>,
}

impl Uses {
    pub(super) fn of_select(select: &Select) -> Self {
        let mut walk = Walk::default();
        walk.select(&mut select.clone());
        walk.into_uses()
    }

    /// `row` is what [`SourceId::ROW`] stands for.
    pub(super) fn of_expr<'e>(exprs: impl IntoIterator<Item = &'e Expr>, row: RelationId) -> Self {
        let mut walk = Walk::default();
        walk.sources.insert(SourceId::ROW, row);
        for expr in exprs {
            walk.expr(&mut expr.clone());
        }
        walk.into_uses()
    }
}

/// The columns of the row itself that an expression reads, without repetition.
pub(super) fn columns_of(expr: &Expr) -> Vec<ColumnId> {
    let mut found = Vec::new();
    expr.walk(&mut |part| {
        if let Expr::Column { source: SourceId::ROW, column, .. } = part
            && !found.contains(column)
        {
            found.push(*column);
        }
    });
    found
}

#[derive(Default)]
struct Walk {
    sources: HashMap<SourceId, RelationId>,
    relations: BTreeSet<RelationId>,
    columns: Vec<(SourceId, ColumnId)>,
}

impl Walk {
    fn select(&mut self, select: &mut Select) {
        select.for_each_source_mut(&mut |source, relation| {
            if let Some(relation) = relation {
                self.sources.insert(*source, relation);
                self.relations.insert(relation);
            }
        });
        select.for_each_expr_mut(&mut |expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Column { source, column, .. } => self.columns.push((*source, *column)),
            Expr::Exists { select, .. } | Expr::Scalar { select, .. } => self.select(select),
            Expr::InSelect { expr, select, .. } => {
                self.expr(expr);
                self.select(select);
            }
            other => other.for_each_child_mut(&mut |child| self.expr(child)),
        }
    }

    fn into_uses(self) -> Uses {
        let sources = self.sources;
        let columns =
            self.columns.iter().filter_map(|(source, column)| Some((*sources.get(source)?, *column))).collect();
        Uses { relations: self.relations, columns }
    }
}

/// Calls `visit` on every expression that a relation keeps: defaults, checks, indexes, policies, and a view's own.
pub(super) fn exprs_mut(relation: &mut Relation, visit: &mut dyn FnMut(&mut Expr)) {
    for column in &mut relation.columns {
        match &mut column.default {
            Some(DefaultValue::Expr(expr) | DefaultValue::Generated(expr)) => visit(expr),
            Some(DefaultValue::Sequence { .. } | DefaultValue::Identity { .. } | DefaultValue::Engine(_)) | None => {}
        }
    }
    relation.checks.iter_mut().for_each(|check| visit(&mut check.condition));
    for index in &mut relation.indexes {
        index.terms.iter_mut().for_each(|term| visit(&mut term.expr));
        index.condition.iter_mut().for_each(&mut *visit);
    }
    for policy in &mut relation.policies {
        policy.using.iter_mut().chain(&mut policy.with_check).for_each(&mut *visit);
    }
    if let Some(definition) = &mut relation.definition {
        Arc::make_mut(definition).for_each_expr_mut(visit);
    }
}
