//! Keys that views show: where a view's column is a table's, unchanged, the table's keys are the view's as well. So rows
//! of views are embedded and found as those of their tables are.

use std::collections::BTreeMap;

use super::{ColumnId, ForeignKey, Relation, RelationId, Schema};
use crate::expr::{CommonTable, Expr, FromItem, Select, Source, SourceId};

/// Most ways in which one view may show the columns of one key.
const MOST_WAYS: usize = 32;

/// A column of a relation.
type Place = (RelationId, ColumnId);

/// A foreign key as seen through views: at one of its ends there is one, or at both.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewedKey {
    pub from: RelationId,
    /// Its columns and its target are those of the views.
    pub key: ForeignKey,
    /// Whether the table has one row at most for each target.
    pub unique: bool,
}

/// What is known of views beyond their columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Views {
    /// The column that a view's column shows, by that of the view. Engines that keep definitions themselves fill it in.
    pub origins: BTreeMap<Place, Place>,
    /// What views read, by view, relation and columns, where the engine keeps the definitions itself.
    pub reads: BTreeMap<RelationId, BTreeMap<RelationId, Vec<ColumnId>>>,
    pub foreign_keys: Vec<ViewedKey>,
    /// Of views that show whole primary keys: their columns.
    pub primary_keys: BTreeMap<RelationId, Vec<ColumnId>>,
}

impl Schema {
    /// Finds out which keys the views show. To be done when the schema is read.
    pub fn trace_views(&mut self) {
        let mut origins = std::mem::take(&mut self.views.origins);
        for view in self.relations.values() {
            let Some(definition) = &view.definition else { continue };
            for (index, column) in view.columns.iter().enumerate() {
                if let Some(origin) = shown(definition, index, &[]) {
                    origins.insert((view.id, column.id), origin);
                }
            }
        }
        let shown = self.shown_columns(&origins);
        let foreign_keys = self.viewed_keys(&shown);
        let primary_keys = self.viewed_primary_keys(&shown);
        let reads = std::mem::take(&mut self.views.reads);
        self.views = Views { origins, reads, foreign_keys, primary_keys };
    }

    /// The columns of a table's primary key, or of those that a view shows.
    pub fn primary_key<'s>(&'s self, relation: &'s Relation) -> Option<&'s [ColumnId]> {
        let own = relation.primary_key.as_ref().map(|key| key.columns.as_slice());
        own.or_else(|| self.views.primary_keys.get(&relation.id).map(Vec::as_slice))
    }

    /// Every foreign key, with where it is and whether it is unique there.
    pub fn foreign_keys(&self) -> impl Iterator<Item = (&Relation, &ForeignKey, bool)> {
        let own = self.relations.values().flat_map(|relation| {
            let relation: &Relation = relation;
            relation.foreign_keys.iter().map(move |key| (relation, key, relation.is_unique(&key.columns)))
        });
        let viewed = self.views.foreign_keys.iter();
        own.chain(viewed.map(|viewed| (self.relation(viewed.from), &viewed.key, viewed.unique)))
    }

    /// For each view, the columns that show each column of a table.
    fn shown_columns(&self, origins: &BTreeMap<Place, Place>) -> BTreeMap<RelationId, BTreeMap<Place, Vec<ColumnId>>> {
        let mut shown: BTreeMap<RelationId, BTreeMap<Place, Vec<ColumnId>>> = BTreeMap::new();
        for (&(view, column), &origin) in origins {
            let mut base = origin;
            // Views come after what they read, so this ends; the bound is for schemas that were made up.
            for _ in 0..self.relations.len() {
                match origins.get(&base) {
                    Some(below) => base = *below,
                    None => break,
                }
            }
            let is_table = self.relations.get(&base.0).is_some_and(|relation| !relation.is_view());
            if is_table && self.relations.contains_key(&view) {
                shown.entry(view).or_default().entry(base).or_default().push(column);
            }
        }
        shown
    }

    fn viewed_keys(&self, shown: &BTreeMap<RelationId, BTreeMap<Place, Vec<ColumnId>>>) -> Vec<ViewedKey> {
        let mut found = Vec::new();
        for table in self.relations.values() {
            for key in &table.foreign_keys {
                let unique = table.is_unique(&key.columns);
                let ends = |relation: RelationId, columns: &[ColumnId]| {
                    let views = shown.iter().flat_map(|(view, places)| {
                        ways(places, relation, columns).into_iter().map(|columns| (*view, columns))
                    });
                    std::iter::once((relation, columns.to_vec())).chain(views).collect::<Vec<_>>()
                };
                let (from, to) = (ends(table.id, &key.columns), ends(key.target, &key.target_columns));
                for (from, columns) in &from {
                    for (target, target_columns) in &to {
                        let key = ForeignKey {
                            columns: columns.clone(),
                            target: *target,
                            target_columns: target_columns.clone(),
                            ..key.clone()
                        };
                        found.push(ViewedKey { from: *from, key, unique });
                    }
                }
            }
        }
        found.retain(|viewed| self.relation(viewed.from).is_view() || self.relation(viewed.key.target).is_view());
        found
    }

    fn viewed_primary_keys(
        &self,
        shown: &BTreeMap<RelationId, BTreeMap<Place, Vec<ColumnId>>>,
    ) -> BTreeMap<RelationId, Vec<ColumnId>> {
        let mut found: BTreeMap<RelationId, Vec<ColumnId>> = BTreeMap::new();
        for table in self.relations.values() {
            let Some(key) = &table.primary_key else { continue };
            for (view, places) in shown {
                if let Some(columns) = ways(places, table.id, &key.columns).into_iter().next() {
                    found.entry(*view).or_default().extend(columns);
                }
            }
        }
        found
    }
}

impl Relation {
    /// Whether at most one row can have the same values in `columns`.
    pub fn is_unique(&self, columns: &[ColumnId]) -> bool {
        let same = |key: &[ColumnId]| key.len() == columns.len() && key.iter().all(|column| columns.contains(column));
        self.keys().any(|key| same(&key.columns))
    }
}

/// The ways in which a view shows all of `columns`, one column each.
fn ways(places: &BTreeMap<Place, Vec<ColumnId>>, relation: RelationId, columns: &[ColumnId]) -> Vec<Vec<ColumnId>> {
    let mut ways = vec![Vec::with_capacity(columns.len())];
    for column in columns {
        let Some(shown) = places.get(&(relation, *column)) else { return Vec::new() };
        let with = |way: &Vec<ColumnId>| {
            let way = way.clone();
            shown.iter().map(move |column| way.iter().copied().chain([*column]).collect::<Vec<_>>())
        };
        ways = ways.iter().flat_map(with).take(MOST_WAYS).collect();
    }
    ways
}

/// The column that an output of `select` shows unchanged. `outer` are the common tables that are known around it.
fn shown(select: &Select, index: usize, outer: &[&CommonTable]) -> Option<Place> {
    if !select.combined.is_empty() {
        return None;
    }
    let tables: Vec<&CommonTable> = outer.iter().copied().chain(&select.with).collect();
    match &select.outputs.get(index)?.expr {
        Expr::Column { source, column, .. } => match source_of(&select.from, *source)? {
            Source::Relation(relation)
            | Source::OwnerRelation(relation)
            | Source::Filtered { relation, .. }
            | Source::View { relation, .. } => Some((*relation, *column)),
            _ => None,
        },
        Expr::Output { source, index, .. } => {
            let index = usize::try_from(*index).ok()?;
            match source_of(&select.from, *source)? {
                Source::Select(inner) => shown(inner, index, &tables),
                Source::Common(common) => {
                    let position = tables.iter().position(|table| table.source == *common)?;
                    // A table that names itself is never looked into twice.
                    shown(&tables[position].select, index, &tables[..position])
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn source_of(items: &[FromItem], wanted: SourceId) -> Option<&Source> {
    items.iter().find_map(|item| match item {
        FromItem::Source { id, source } => (*id == wanted).then_some(source),
        FromItem::Join { left, right, .. } => {
            source_of(std::slice::from_ref(left), wanted).or_else(|| source_of(std::slice::from_ref(right), wanted))
        }
    })
}
