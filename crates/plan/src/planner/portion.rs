//! Updates and deletes of so many rows: those that come first in an order.

use crate::error::PlanError;
use crate::expr::{Expr, FromItem, Select, SelectOutput, Source, SourceId};
use crate::query::{Filter, Portion, Returning, SelectItem, Selection};
use crate::schema::{Column, Relation};
use crate::value::{Type, Value};

use super::Planner;
use super::resolve::{Place, column_expr};

impl<'a> Planner<'a> {
    /// That a row is one of the portion: its key is among those of the rows that the caller sees and the filters leave,
    /// in their order. What forbids to write a row makes the portion smaller, not another one.
    pub(super) fn in_portion(
        &self,
        relation: &'a Relation,
        filter: &[Filter],
        portion: &Portion,
        returning: &Returning,
    ) -> Result<Expr, PlanError> {
        let key = self.schema.primary_key(relation).filter(|key| !key.is_empty()).ok_or(PlanError::NotImplemented {
            what: "A limit or offset of an update or delete needs a relation with a primary key.",
        })?;
        let columns: Vec<&Column> = key.iter().map(|id| relation.column_by_id(*id)).collect();
        let source = self.new_source();
        let selection = Selection {
            items: tested_embeds(returning),
            filter: filter.to_vec(),
            order: portion.order.clone(),
            ..Selection::default()
        };
        let node = self.node(relation, source, &selection, 0)?;
        let place = Place { relation, source };
        let slot = self.needs.add(relation, crate::schema::Privilege::Select, key.to_vec());
        self.needs.extend(slot, self.columns_read(place, &node, &[]));
        let count = |count: u64| Expr::value(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)), Type::Int8);
        let output = |column: &&Column| SelectOutput { name: column.name.clone(), expr: column_expr(source, column) };
        let select = Select {
            outputs: columns.iter().map(output).collect(),
            from: vec![FromItem::Source { id: source, source: Source::Relation(relation.id) }],
            condition: node.condition,
            order: node.order,
            limit: portion.limit.map(count),
            offset: (portion.offset > 0).then(|| count(portion.offset)),
            ..Select::default()
        };
        Ok(self.has_key_among(&columns, select))
    }

    /// That the written row has one of the keys that `select` gives.
    fn has_key_among(&self, columns: &[&Column], select: Select) -> Expr {
        if let [only] = columns {
            let expr = Box::new(column_expr(SourceId::ROW, only));
            return Expr::InSelect { expr, select: Box::new(select), negated: false };
        }
        let keys = self.new_source();
        let pairs = columns.iter().zip(0..).map(|(column, index)| {
            let key = Expr::Output { source: keys, index, ty: column.ty.clone() };
            Expr::call("=", vec![key, column_expr(SourceId::ROW, column)], Type::Bool)
        });
        let select = Select {
            condition: Expr::all(pairs.collect()),
            from: vec![FromItem::Source { id: keys, source: Source::Select(Box::new(select)) }],
            ..Select::default()
        };
        Expr::Exists { select: Box::new(select), negated: false }
    }
}

/// The embeds that filters and order may name.
fn tested_embeds(returning: &Returning) -> Vec<SelectItem> {
    let items = match returning {
        Returning::Rows(selection) => selection.items.as_slice(),
        Returning::Nothing | Returning::Key => &[],
    };
    let is_embed = |item: &&SelectItem| matches!(item, SelectItem::Embed(embed) if !embed.spread);
    items.iter().filter(is_embed).cloned().collect()
}
