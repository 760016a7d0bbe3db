//! Relationships between relations, and which of them an embed means.

use crate::error::{PlanError, RelationshipCandidate};
use crate::expr::{Expr, FromItem, Source};
use crate::plan::{EmbedNode, Link};
use crate::query::Embed;
use crate::schema::{ColumnId, ForeignKey, Privilege, Relation};
use crate::value::Type;

use super::Planner;
use super::resolve::{Place, closest, column_expr};

/// One way from a relation to another, along foreign keys.
#[derive(Clone, Copy)]
pub(super) struct Relationship<'a> {
    pub(super) from: &'a Relation,
    pub(super) to: &'a Relation,
    pub(super) path: Path<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    /// `from` holds the key.
    ToParent { key: &'a ForeignKey, unique: bool },
    /// `to` holds the key.
    ToChild { key: &'a ForeignKey, unique: bool },
    /// `junction` holds both: one to `from`, one to `to`.
    Junction { junction: &'a Relation, near: &'a ForeignKey, far: &'a ForeignKey },
}

impl<'a> Planner<'a> {
    pub(super) fn embed(&self, place: Place<'a>, embed: &Embed, depth: usize) -> Result<EmbedNode, PlanError> {
        if let Some(computed) = self.computed_embed(place, embed, depth)? {
            return Ok(computed);
        }
        let found = self.relationship(place.relation, embed)?;
        let source = self.new_source();
        let node = self.node(found.to, source, &embed.selection, depth)?;
        if !embed.spread || found.is_many() {
            self.check_grouping(Place { relation: found.to, source }, &node, &embed.selection, depth);
        }
        let link = self.link(&found)?;
        let (Link::Direct(pairs) | Link::Junction { child: pairs, .. }) = &link;
        self.needs.add(found.to, Privilege::Select, pairs.iter().map(|(_, child)| *child).collect());
        let name = embed.name().to_owned();
        let (many, node) = (found.is_many(), Box::new(node));
        Ok(EmbedNode { name, many, node, link, parent: place.source, optional: false })
    }

    pub(super) fn relationship(&self, from: &'a Relation, embed: &Embed) -> Result<Relationship<'a>, PlanError> {
        let all = self.relationships(from);
        let mut found: Vec<_> =
            all.iter().filter(|r| r.is_meant(&embed.target, embed.hint.as_deref())).copied().collect();
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                let closest = closest(&embed.target, all.iter().map(|r| r.to.name.as_str()));
                Err(PlanError::NoRelationship {
                    schema: from.schema.clone(),
                    from: from.name.clone(),
                    to: embed.target.clone(),
                    hint: embed.hint.clone(),
                    closest: closest.filter(|closest| *closest != embed.target).map(str::to_owned),
                })
            }
            _ => {
                found.sort_by_key(Relationship::rank);
                Err(PlanError::AmbiguousRelationship {
                    from: from.name.clone(),
                    to: embed.target.clone(),
                    candidates: found.iter().map(Relationship::candidate).collect(),
                })
            }
        }
    }

    /// Every way from `from` to a relation of its schema that the caller may know of.
    fn relationships(&self, from: &'a Relation) -> Vec<Relationship<'a>> {
        let is_known = |relation: &Relation| relation.schema == from.schema && self.rights.may_see(relation);
        let keys = self.schema.foreign_keys().filter(|(holder, ..)| self.rights.may_see(holder));
        let keys: Vec<(&Relation, &ForeignKey, bool)> = keys.collect();
        let mut found = Vec::new();
        for &(_, key, unique) in keys.iter().filter(|(holder, ..)| holder.id == from.id) {
            found.push(Relationship {
                from,
                to: self.schema.relation(key.target),
                path: Path::ToParent { key, unique },
            });
        }
        for &(holder, key, unique) in keys.iter().filter(|(_, key, _)| key.target == from.id) {
            found.push(Relationship { from, to: holder, path: Path::ToChild { key, unique } });
            for &(_, far, _) in keys.iter().filter(|(other, ..)| other.id == holder.id) {
                if far.name != key.name && self.is_junction(holder, key, far) {
                    let path = Path::Junction { junction: holder, near: key, far };
                    found.push(Relationship { from, to: self.schema.relation(far.target), path });
                }
            }
        }
        found.retain(|relationship| is_known(relationship.to));
        found
    }

    /// A junction's primary key holds both foreign keys.
    fn is_junction(&self, relation: &Relation, near: &ForeignKey, far: &ForeignKey) -> bool {
        let columns = || near.columns.iter().chain(&far.columns);
        self.schema.primary_key(relation).is_some_and(|key| columns().all(|column| key.contains(column)))
    }

    fn link(&self, relationship: &Relationship<'a>) -> Result<Link, PlanError> {
        let pairs = |a: &[ColumnId], b: &[ColumnId]| a.iter().copied().zip(b.iter().copied()).collect::<Vec<_>>();
        match relationship.path {
            Path::ToParent { key, .. } => Ok(Link::Direct(pairs(&key.columns, &key.target_columns))),
            Path::ToChild { key, .. } => Ok(Link::Direct(pairs(&key.target_columns, &key.columns))),
            Path::Junction { junction, near, far } => {
                let place = Place { relation: junction, source: self.new_source() };
                let columns = near.columns.iter().chain(&far.columns).copied().collect();
                self.needs.add(junction, Privilege::Select, columns);
                Ok(Link::Junction {
                    source: place.source,
                    relation: junction.id,
                    condition: Expr::all(self.read_policies(place)?),
                    parent: pairs(&near.target_columns, &near.columns),
                    child: pairs(&far.columns, &far.target_columns),
                })
            }
        }
    }

    /// What joins an embed to the row of `place`: the junction, if any, and the conditions.
    pub(super) fn join(&self, place: Place<'_>, embed: &EmbedNode) -> (Vec<FromItem>, Vec<Expr>) {
        let child = Place { relation: self.schema.relation(embed.node.relation), source: embed.node.source };
        match &embed.link {
            Link::Direct(pairs) => (Vec::new(), equalities(place, child, pairs)),
            Link::Junction { source, relation, condition, parent, child: pairs } => {
                let junction = Place { relation: self.schema.relation(*relation), source: *source };
                let mut conditions = equalities(place, junction, parent);
                conditions.extend(equalities(junction, child, pairs));
                conditions.extend(condition.clone());
                (vec![FromItem::Source { id: *source, source: Source::Relation(*relation) }], conditions)
            }
        }
    }
}

fn equalities(left: Place<'_>, right: Place<'_>, pairs: &[(ColumnId, ColumnId)]) -> Vec<Expr> {
    let column = |place: Place<'_>, id: ColumnId| column_expr(place.source, place.relation.column_by_id(id));
    pairs.iter().map(|(a, b)| Expr::call("=", vec![column(left, *a), column(right, *b)], Type::Bool)).collect()
}

impl Relationship<'_> {
    fn is_many(&self) -> bool {
        match self.path {
            Path::ToParent { .. } | Path::ToChild { unique: true, .. } => false,
            Path::ToChild { unique: false, .. } | Path::Junction { .. } => true,
        }
    }

    /// PostgREST's rules of naming a relationship (its reference, "Resource Embedding").
    fn is_meant(&self, target: &str, hint: Option<&str>) -> bool {
        let names_relation = target == self.to.name;
        match (self.from.id == self.to.id, hint) {
            // A key to its own table is two relationships: the table's name means the children, the column's the parent.
            (true, None) => match self.path {
                Path::ToParent { .. } => self.is_near_column(target),
                Path::ToChild { .. } => names_relation,
                Path::Junction { .. } => false,
            },
            (true, Some(hint)) => match self.path {
                Path::ToParent { .. } => false,
                Path::ToChild { key, .. } => names_relation && (self.is_far_column(hint) || key.name == hint),
                Path::Junction { junction, near, .. } => names_relation && (junction.name == hint || near.name == hint),
            },
            // Keys and columns name tables only: views show them in more ways than one.
            (false, None) => {
                names_relation || !self.to.is_view() && (self.is_constraint(target) || self.is_near_column(target))
            }
            (false, Some(hint)) => {
                names_relation
                    && (self.is_constraint(hint)
                        || self.is_near_column(hint)
                        || self.is_far_column(hint)
                        || self.is_through(hint))
            }
        }
    }

    fn is_constraint(&self, name: &str) -> bool {
        match self.path {
            Path::ToParent { key, .. } | Path::ToChild { key, .. } => key.name == name,
            Path::Junction { .. } => false,
        }
    }

    /// Whether `name` is the single column of `from` that the relationship uses.
    fn is_near_column(&self, name: &str) -> bool {
        match self.path {
            Path::ToParent { key, .. } => is_single(self.from, &key.columns, name),
            Path::ToChild { key, .. } => is_single(self.from, &key.target_columns, name),
            Path::Junction { .. } => false,
        }
    }

    /// Whether `name` is the single column of `to` that the relationship uses.
    fn is_far_column(&self, name: &str) -> bool {
        match self.path {
            Path::ToParent { key, .. } => is_single(self.to, &key.target_columns, name),
            Path::ToChild { key, .. } => is_single(self.to, &key.columns, name),
            Path::Junction { .. } => false,
        }
    }

    fn is_through(&self, name: &str) -> bool {
        match self.path {
            Path::Junction { junction, .. } => junction.name == name,
            Path::ToParent { .. } | Path::ToChild { .. } => false,
        }
    }

    /// Where it stands among candidates: PostgREST's order.
    fn rank(&self) -> (String, usize, String, Vec<ColumnId>) {
        let (kind, name, columns) = match self.path {
            Path::ToChild { key, unique: false } => (0, key.name.clone(), &key.columns),
            Path::ToParent { key, unique: false } => (1, key.name.clone(), &key.columns),
            Path::ToChild { key, unique: true } | Path::ToParent { key, unique: true } => {
                (2, key.name.clone(), &key.columns)
            }
            Path::Junction { junction, near, far } => {
                (3, format!("{} {} {}", junction.name, near.name, far.name), &near.columns)
            }
        };
        (self.to.name.clone(), kind, name, columns.clone())
    }

    fn candidate(&self) -> RelationshipCandidate {
        let columns = |relation: &Relation, ids: &[ColumnId]| {
            format!("{}({})", relation.name, relation.column_names(ids).collect::<Vec<_>>().join(", "))
        };
        let (cardinality, relationship, hint) = match self.path {
            Path::ToParent { key, unique } => (
                if unique { "one-to-one" } else { "many-to-one" },
                format!(
                    "{} using {} and {}",
                    key.name,
                    columns(self.from, &key.columns),
                    columns(self.to, &key.target_columns)
                ),
                key.name.clone(),
            ),
            Path::ToChild { key, unique } => (
                if unique { "one-to-one" } else { "one-to-many" },
                format!(
                    "{} using {} and {}",
                    key.name,
                    columns(self.from, &key.target_columns),
                    columns(self.to, &key.columns)
                ),
                key.name.clone(),
            ),
            Path::Junction { junction, near, far } => {
                let near_columns = junction.column_names(&near.columns).collect::<Vec<_>>().join(", ");
                let far_columns = junction.column_names(&far.columns).collect::<Vec<_>>().join(", ");
                let text =
                    format!("{} using {}({near_columns}) and {}({far_columns})", junction.name, near.name, far.name);
                ("many-to-many", text, junction.name.clone())
            }
        };
        RelationshipCandidate {
            cardinality,
            relationship,
            from: self.from.name.clone(),
            to: self.to.name.clone(),
            hint,
        }
    }
}

fn is_single(relation: &Relation, columns: &[ColumnId], name: &str) -> bool {
    matches!(columns, [column] if relation.column_by_id(*column).name == name)
}
