//! Names become ids: relations, columns, JSON paths, filters, order.

use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, FromItem, Order, Select, SelectOutput, Source, SourceId};
use crate::plan::{EmbedNode, Node, Output};
use crate::query::{
    Embed, Field, Filter, IsOperand, JsonKey, Operand, Operator, OrderTerm, SelectItem, Selection, Target,
};
use crate::schema::{Column, Privilege, Relation};
use crate::value::{Type, Value};

use super::Planner;

/// A relation as one statement refers to it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) relation: &'a Relation,
    pub(super) source: SourceId,
}

impl<'a> Planner<'a> {
    /// The relation that `target` names, if the caller may know of it.
    pub(super) fn visible_relation(&self, target: &Target) -> Result<&'a Relation, PlanError> {
        if !self.limits.schemas.contains(&target.schema) {
            let exposed = self.limits.schemas.clone();
            return Err(PlanError::UnknownSchema { schema: target.schema.clone(), exposed });
        }
        let found = self.schema.find(&target.schema, &target.name).filter(|relation| self.rights.may_see(relation));
        found.map(|relation| &**relation).ok_or_else(|| PlanError::UnknownRelation {
            schema: target.schema.clone(),
            name: target.name.clone(),
            closest: self.closest_relation(&target.schema, &target.name),
        })
    }

    fn closest_relation(&self, schema: &str, name: &str) -> Option<String> {
        let visible = self.schema.relations.values().filter(|r| r.schema == schema && self.rights.may_see(r));
        closest(name, visible.map(|relation| relation.name.as_str())).map(str::to_owned)
    }

    /// Rows of `relation` as `selection` asks for them, authorized.
    pub(super) fn node(
        &self,
        relation: &'a Relation,
        source: SourceId,
        selection: &Selection,
        depth: usize,
    ) -> Result<Node, PlanError> {
        let place = Place { relation, source };
        let need = self.needs.add(relation, Privilege::Select, Vec::new());
        let mut node = self.unfiltered_node(place, selection, depth)?;
        let filters = self.conditions(place, &selection.filter, &node)?;
        node.order = self.order(place, selection, &node)?;
        self.needs.extend(need, self.columns_read(place, &node, &filters));
        let mut conditions = self.read_policies(place)?;
        conditions.extend(node.condition.take());
        conditions.extend(filters);
        node.condition = Expr::all(conditions);
        node.forget_empty_embeds();
        node.view = self.view_rows(relation, &mut Vec::new())?;
        Ok(node)
    }

    /// The outputs, embeds and page of a node; its condition holds what inner embeds demand. Conditions and then the
    /// order are the caller's to add: PostgreSQL reads them in this turn.
    pub(super) fn unfiltered_node(
        &self,
        place: Place<'a>,
        selection: &Selection,
        depth: usize,
    ) -> Result<Node, PlanError> {
        self.check_depth(depth)?;
        let outputs = Vec::with_capacity(selection.items.len());
        let mut node = Node::new(place.source, place.relation.id, outputs);
        node.limit = [selection.limit, self.limits.max_rows].into_iter().flatten().min();
        node.offset = selection.offset;
        let mut inner = Vec::new();
        for item in &selection.items {
            match item {
                SelectItem::All => node.outputs.extend(place.relation.columns.iter().map(|c| whole_column(place, c))),
                SelectItem::Field { field, alias, cast } => {
                    node.outputs.push(self.field_output(place, field, alias.as_deref(), cast.as_deref())?);
                }
                SelectItem::Aggregate(aggregation) => node.outputs.push(self.aggregate_output(place, aggregation)?),
                SelectItem::Embed(embed) => {
                    let child = self.embed(place, embed, depth + 1)?;
                    if embed.inner {
                        inner.push(self.exists(place, &child, false)?);
                    }
                    match embed.spread {
                        true => self.spread(&mut node, child)?,
                        false => node.outputs.push(Output::Embed(child)),
                    }
                }
            }
        }
        node.grouped = node.outputs.iter().any(holds_aggregate);
        node.condition = Expr::all(inner);
        Ok(node)
    }

    fn field_output(
        &self,
        place: Place<'a>,
        field: &Field,
        alias: Option<&str>,
        cast: Option<&str>,
    ) -> Result<Output, PlanError> {
        let expr = match self.bare_count(place, field) {
            Some(count) => count,
            None => self.field(place, field)?,
        };
        let expr = self.cast(expr, cast);
        let name = alias.map_or_else(|| field_name(field), str::to_owned);
        if name.is_empty() {
            let message = "zero-length delimited identifier at or near \"\"\"\"";
            return Err(DatabaseError::new("42601", message).into());
        }
        Ok(Output::Value { name, expr })
    }

    /// A column, or the place inside it that the path leads to.
    pub(super) fn field(&self, place: Place<'a>, field: &Field) -> Result<Expr, PlanError> {
        let mut expr = match place.relation.column(&field.column) {
            Some(column) => column_expr(place.source, column),
            None => match self.computed_column(place, &field.column)? {
                Some(computed) => computed,
                None => return Err(no_column(place.relation, &field.column)),
            },
        };
        if field.path.is_empty() {
            return Ok(expr);
        }
        if !expr.ty().is_json() {
            expr = Expr::call("to_jsonb", vec![expr], Type::Jsonb);
        }
        for step in &field.path {
            let key = match &step.key {
                JsonKey::Name(name) => Expr::value(Value::text(name.as_str()), Type::Text),
                JsonKey::Index(index) => Expr::value(Value::Int(*index), Type::Int4),
            };
            let (arrow, ty) = if step.as_text { ("->>", Type::Text) } else { ("->", expr.ty().base().clone()) };
            expr = Expr::call(arrow, vec![expr, key], ty);
        }
        Ok(expr)
    }

    /// What `filters` demand, each as one condition.
    pub(super) fn conditions(&self, place: Place<'a>, filters: &[Filter], node: &Node) -> Result<Vec<Expr>, PlanError> {
        filters.iter().map(|filter| self.condition(place, filter, node, 0)).collect()
    }

    fn condition(&self, place: Place<'a>, filter: &Filter, node: &Node, depth: usize) -> Result<Expr, PlanError> {
        self.check_depth(depth)?;
        let below = |filters: &[Filter]| {
            filters.iter().map(|f| self.condition(place, f, node, depth + 1)).collect::<Result<Vec<_>, _>>()
        };
        match filter {
            Filter::All(filters) => Ok(Expr::all(below(filters)?).unwrap_or_else(|| Expr::boolean(true))),
            Filter::Any(filters) => Ok(Expr::any(below(filters)?)),
            Filter::Not(inner) => Ok(Expr::Not(Box::new(self.condition(place, inner, node, depth + 1)?))),
            Filter::Test { field, operator, operand } => {
                if let Some(embed) = embed_of(node, field) {
                    return self.embed_test(place, embed, operand);
                }
                let expr = self.field(place, field)?;
                Ok(self.test(expr, *operator, operand))
            }
        }
    }

    pub(super) fn order(&self, place: Place<'a>, selection: &Selection, node: &Node) -> Result<Vec<Order>, PlanError> {
        let mut order = Vec::with_capacity(selection.order.len());
        for term in &selection.order {
            let expr = match &term.embed {
                None => self.field(place, &term.field)?,
                Some(name) => self.embedded_field(place, name, term, (selection, node))?,
            };
            self.check_order(&expr);
            let nulls_first = term.nulls_first.unwrap_or(term.descending);
            order.push(Order { expr, descending: term.descending, nulls_first });
        }
        Ok(order)
    }

    /// A column of the row that a to-one embed finds, as a value of the parent's row.
    fn embedded_field(
        &self,
        place: Place<'a>,
        name: &str,
        term: &OrderTerm,
        (selection, node): (&Selection, &Node),
    ) -> Result<Expr, PlanError> {
        let asked = selection.items.iter().find_map(|item| match item {
            SelectItem::Embed(embed) if embed.name() == name => Some(embed),
            SelectItem::Embed(_) | SelectItem::All | SelectItem::Field { .. } | SelectItem::Aggregate(_) => None,
        });
        let found = node.embed_named(name);
        let (Some(Embed { target, .. }), Some(embed)) = (asked, found) else {
            return Err(PlanError::NotEmbedded { embed: name.to_owned() });
        };
        if embed.many {
            return Err(PlanError::OrderByMany { from: place.relation.name.clone(), to: target.clone() });
        }
        let child = Place { relation: self.schema.relation(embed.node.relation), source: embed.node.source };
        let joined = node.joined_with(child.source);
        if let Some(expr) = node.outputs.iter().find_map(|output| output.joined(&joined, &term.field)) {
            return Ok(expr.clone());
        }
        let expr = self.field(child, &term.field)?;
        let mut columns = Vec::new();
        super::authorize::collect_columns(&expr, child.source, &mut columns);
        self.needs.add(child.relation, Privilege::Select, columns);
        if !joined.is_empty() {
            return Ok(expr);
        }
        let ty = expr.ty();
        let mut select = self.embedded_rows(place, embed)?;
        select.outputs = vec![SelectOutput { name: "value".into(), expr }];
        Ok(Expr::Scalar { select: Box::new(select), ty })
    }
}

impl Node {
    /// An embed without columns is there for the filters that name it; the answer has no key for it.
    pub(super) fn forget_empty_embeds(&mut self) {
        self.outputs.retain(|output| match output {
            Output::Embed(embed) | Output::Spread(embed) => !embed.node.outputs.is_empty(),
            Output::Value { .. } => true,
        });
    }

    /// The embed that goes by `name` among those that hang on the node's own rows.
    fn embed_named(&self, name: &str) -> Option<&EmbedNode> {
        self.embeds().find(|embed| embed.parent == self.source && embed.name == name)
    }

    /// The join of `source` with those that hang on it; none when it is not joined.
    fn joined_with(&self, source: SourceId) -> Vec<SourceId> {
        let mut found = Vec::new();
        for join in &self.joins {
            if join.node.source == source || found.contains(&join.parent) {
                found.push(join.node.source);
            }
        }
        found
    }
}

impl Output {
    /// The output's value, when it is what `field` means among the keys of a joined row.
    fn joined(&self, sources: &[SourceId], field: &Field) -> Option<&Expr> {
        let Self::Value { name, expr } = self else { return None };
        let mut is_joined = false;
        expr.walk(&mut |part| {
            is_joined |= matches!(part, Expr::Column { source, .. } if sources.contains(source));
        });
        (is_joined && *name == field.column && field.path.is_empty()).then_some(expr)
    }
}

fn holds_aggregate(output: &Output) -> bool {
    match output {
        Output::Value { expr, .. } => expr.holds_aggregate(),
        Output::Embed(_) | Output::Spread(_) => false,
    }
}

impl Planner<'_> {
    fn embed_test(&self, place: Place<'_>, embed: &EmbedNode, operand: &Operand) -> Result<Expr, PlanError> {
        match operand {
            Operand::Is(IsOperand::Null) => self.exists(place, embed, true),
            Operand::Is(IsOperand::NotNull) => self.exists(place, embed, false),
            Operand::Is(_)
            | Operand::Text(_)
            | Operand::List(_)
            | Operand::Quantified { .. }
            | Operand::Search { .. } => Err(PlanError::EmbedTest { embed: embed.name.clone() }),
        }
    }

    /// Whether the embed has rows (or, negated, has none).
    fn exists(&self, place: Place<'_>, embed: &EmbedNode, negated: bool) -> Result<Expr, PlanError> {
        let mut select = self.embedded_rows(place, embed)?;
        select.outputs = vec![SelectOutput { name: "one".into(), expr: Expr::value(Value::Int(1), Type::Int4) }];
        Ok(Expr::Exists { select: Box::new(select), negated })
    }

    /// The embed's rows for the row of `place`, as a select without outputs.
    fn embedded_rows(&self, place: Place<'_>, embed: &EmbedNode) -> Result<Select, PlanError> {
        embed.node.condition.iter().try_for_each(|condition| self.count_copy(condition))?;
        let (mut from, mut conditions) = self.join(place, embed);
        let relation = embed.node.relation;
        let child = match &embed.node.view {
            Some(select) => Source::View { relation, select: select.clone() },
            None => Source::Relation(relation),
        };
        from.push(FromItem::Source { id: embed.node.source, source: child });
        conditions.extend(embed.node.condition.clone());
        Ok(Select { from, condition: Expr::all(conditions), ..Select::default() })
    }
}

pub(super) fn column_expr(source: SourceId, column: &Column) -> Expr {
    Expr::Column { source, column: column.id, ty: column.ty.clone() }
}

fn whole_column(place: Place<'_>, column: &Column) -> Output {
    Output::Value { name: column.name.clone(), expr: column_expr(place.source, column) }
}

/// The key that a JSON path without an alias gets: its last name.
fn field_name(field: &Field) -> String {
    let last = field.path.iter().rev().find_map(|step| match &step.key {
        JsonKey::Name(name) => Some(name),
        JsonKey::Index(_) => None,
    });
    last.unwrap_or(&field.column).clone()
}

/// PostgreSQL's error for a column that there is not, with the closest one.
fn no_column(relation: &Relation, name: &str) -> PlanError {
    let error = DatabaseError::new("42703", format!("column {}.{name} does not exist", relation.name));
    match closest_column(name, relation) {
        None => error,
        Some(found) => error.hint(format!("Perhaps you meant to reference the column \"{}.{found}\".", relation.name)),
    }
    .into()
}

/// PostgreSQL offers a column when at most three letters, and at most half of them, are wrong.
fn closest_column<'a>(name: &str, relation: &'a Relation) -> Option<&'a str> {
    let distances = relation.columns.iter().map(|c| (strsim::levenshtein(name, &c.name), c.name.as_str()));
    let (distance, found) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 3 && distance <= name.chars().count() / 2).then_some(found)
}

/// The candidate most like `name`, if any is alike enough to be what was meant.
pub(super) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .filter(|candidate| strsim::normalized_levenshtein(name, candidate) > 0.4)
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn embed_of<'n>(node: &'n Node, field: &Field) -> Option<&'n EmbedNode> {
    if !field.path.is_empty() {
        return None;
    }
    node.embed_named(&field.column)
}

impl Operator {
    /// Whether the operand is a pattern, and the tested value therefore text.
    pub(super) fn takes_pattern(self) -> bool {
        match self {
            Self::Like | Self::ILike | Self::Match | Self::IMatch => true,
            Self::Adjacent
            | Self::ContainedBy
            | Self::Contains
            | Self::Equal
            | Self::FullText
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::In
            | Self::Is
            | Self::IsDistinct
            | Self::Less
            | Self::LessOrEqual
            | Self::NotEqual
            | Self::NotLeftOf
            | Self::NotRightOf
            | Self::Overlaps
            | Self::PhraseText
            | Self::PlainText
            | Self::LeftOf
            | Self::RightOf
            | Self::WebText => false,
        }
    }
}
