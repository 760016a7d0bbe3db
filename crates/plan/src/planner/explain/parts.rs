//! What a request reads beside the relation that it names: embedded relations, the tables behind views, functions.

use std::sync::Arc;

use crate::engine::Capabilities;
use crate::error::PlanError;
use crate::expr::{Expr, FromItem, Select, SelectOutput, Source};
use crate::plan::{Link, Node};
use crate::query::{Call, Embed, Field, Filter, Query, SelectItem};
use crate::schema::{ColumnId, Function, PolicyCommand, Privilege, Relation, RelationId, Schema, Volatility};
use crate::session::Session;
use crate::value::{Type, Value};

use super::rows::{Asker, Gates, Half, bare_embed, returned, told_gate};
use super::{Explanation, Part, RightExplained};
use crate::planner::Planner;
use crate::planner::procedures::body_needs;
use crate::planner::resolve::Place;

/// Ids from here on are those of the planner that finds rows, so that they differ from those of policies.
const FIRST_FOUND: u32 = 1 << 16;

/// Views may read views; the bound is for schemas that were made up.
const MOST_VIEWS: usize = 32;

type Asked<'q> = (&'q Session, &'q Query, u64);

impl<'a> Planner<'a> {
    /// Tells what becomes of the rows that the query is about.
    pub(super) fn explain_rows(
        &self,
        told: &mut Explanation,
        schema: &Arc<Schema>,
        (session, query, most): Asked<'_>,
        relation: &'a Relation,
    ) -> Result<(), PlanError> {
        let mut finder = self.for_owner(&session.role);
        finder.rights = finder.rights.unbound();
        finder.next_source.set(FIRST_FOUND);
        let asker = Asker { planner: self, finder: &finder, schema, session, relation, most };
        let mut parts = Parts { asker, told };
        let (items, filter) = rows_named(query);
        if relation.is_view() {
            parts.view(relation, &session.role, filter, 0)?;
        } else {
            parts.told.tests = parts.asker.row_tests(query)?;
        }
        match query {
            Query::Insert(_) if items.iter().any(|item| matches!(item, SelectItem::Embed(_))) => {
                let told = vec!["what is embedded in new rows is not looked at: they are not there yet".into()];
                parts.told.parts.push(Part { name: "embeds".into(), told, ..Part::default() });
                Ok(())
            }
            Query::Insert(_) => Ok(()),
            Query::Read(_) | Query::Update(_) | Query::Delete(_) | Query::Call(_) => {
                parts.embeds(&Root { items, filter }, &mut Vec::new(), items)
            }
        }
    }

    /// Tells who may run the function that is called, with whose rights it runs, and what can be seen inside.
    pub(super) fn explain_call(&self, told: &mut Explanation, call: &Call, capabilities: Capabilities) {
        let function = match self.function_meant(&call.target, &call.arguments) {
            Ok(function) => function,
            Err(fault) => {
                told.refused = Some(fault.to_string());
                return;
            }
        };
        told.relation = Some(format!("{}.{}", function.schema, function.signature()));
        told.rights = vec![self.schema_right(&function.schema), self.function_right(function)];
        let owner = self.for_owner(&function.owner);
        let reader = if function.security_definer { &owner } else { self };
        let mut part =
            Part { name: format!("function {}.{}", function.schema, function.signature()), ..Part::default() };
        part.told.push(described(function));
        let mut inside = Vec::new();
        if capabilities.enforces_access {
            part.told.push(
                "PostgreSQL runs the body: what it reads and writes, and which policies that meets, cannot be seen from \
                 outside"
                    .into(),
            );
        } else {
            inside = self.body_parts(function, reader);
            if inside.is_empty() {
                part.told.push("it reads and writes no table".into());
            }
        }
        if function.security_definer {
            inside.iter_mut().for_each(|found| found.part.told.insert(0, format!("as its owner, {}", function.owner)));
        } else {
            for found in &mut inside {
                add_rights(&mut told.rights, std::mem::take(&mut found.part.rights));
            }
        }
        told.parts.push(part);
        told.parts.extend(inside.into_iter().map(|found| found.part));
        if told.lacks_rights() {
            told.refused = Some("a grant is missing".to_owned());
        }
    }

    /// What the body needs of each relation, and the policies that this meets.
    fn body_parts(&self, function: &Function, reader: &Planner<'_>) -> Vec<Inside> {
        let needs = match &function.body {
            Some(body) => {
                reader.need_select(body);
                reader.needs.ever()
            }
            None => {
                let role = if function.security_definer { function.owner.as_str() } else { self.rights.role() };
                body_needs(self.schema, function, role)
            }
        };
        let mut found: Vec<Inside> = Vec::new();
        for (id, privilege, columns) in needs {
            let relation = self.schema.relation(id);
            let right = reader.right(relation, privilege, &columns);
            let command = match privilege {
                Privilege::Insert => PolicyCommand::Insert,
                Privilege::Update => PolicyCommand::Update,
                Privilege::Delete => PolicyCommand::Delete,
                _ => PolicyCommand::Select,
            };
            let policies = policies_told(reader, relation, command);
            match found.iter_mut().find(|known| known.relation == id) {
                Some(known) => {
                    add_rights(&mut known.part.rights, vec![right]);
                    let new = policies.into_iter().filter(|line| !known.part.told.contains(line)).collect::<Vec<_>>();
                    known.part.told.extend(new);
                }
                None => {
                    let name = format!("function {} uses {}.{}", function.name, relation.schema, relation.name);
                    let mut told = vec![reader.row_security_explained(relation)];
                    told.extend(policies);
                    found.push(Inside {
                        relation: id,
                        part: Part { name, rights: vec![right], told, tests: Vec::new() },
                    });
                }
            }
        }
        found
    }

    /// The relations that a view reads, with the columns, by name.
    fn view_reads(&self, view: &Relation) -> Vec<(RelationId, Vec<ColumnId>)> {
        let mut reads: Vec<(RelationId, Vec<ColumnId>)> = match &view.definition {
            Some(definition) => {
                let reader = self.for_owner(&view.owner);
                reader.need_select(definition);
                let mut found: Vec<(RelationId, Vec<ColumnId>)> = Vec::new();
                for (id, _, columns) in reader.needs.all() {
                    match found.iter_mut().find(|(known, _)| *known == id) {
                        Some((_, known)) => known.extend(columns),
                        None => found.push((id, columns)),
                    }
                }
                found
            }
            None => {
                let reads = self.schema.views.reads.get(&view.id).into_iter().flatten();
                reads.map(|(id, columns)| (*id, columns.clone())).collect()
            }
        };
        reads.sort_by_key(|(id, _)| (self.schema.relation(*id).schema.clone(), self.schema.relation(*id).name.clone()));
        reads
    }
}

/// A relation that a function's body uses.
struct Inside {
    relation: RelationId,
    part: Part,
}

fn described(function: &Function) -> String {
    let kind = match function.volatility {
        Volatility::Volatile => "volatile: it may change data",
        Volatility::Stable => "stable: it only reads",
        Volatility::Immutable => "immutable: it reads nothing",
    };
    let whose = match function.security_definer {
        true => format!("with the rights of its owner, {} (security definer)", function.owner),
        false => "with its caller's rights".to_owned(),
    };
    format!("language {}, {kind}; it runs {whose}", function.language)
}

/// The policies that bind `reader` for one command, as they were written.
fn policies_told(reader: &Planner<'_>, relation: &Relation, command: PolicyCommand) -> Vec<String> {
    if !reader.rights.bound_by_policies(relation) {
        return Vec::new();
    }
    let gate = told_gate(command, &reader.gate_policies(relation, command, Half::Using));
    if gate.rules.is_empty() {
        return vec![format!("no policy for {} is for this role: nothing passes", gate.command)];
    }
    gate.rules.iter().map(|policy| format!("policy for {}: {}", gate.command, policy.text)).collect()
}

fn add_rights(rights: &mut Vec<RightExplained>, more: Vec<RightExplained>) {
    for right in more {
        if !rights.contains(&right) {
            rights.push(right);
        }
    }
}

/// What a query takes of its relation: what it selects, and which rows.
fn rows_named(query: &Query) -> (&[SelectItem], &[Filter]) {
    match query {
        Query::Read(read) => (&read.selection.items, &read.selection.filter),
        Query::Insert(insert) => (returned(&insert.returning), &[]),
        Query::Update(update) => (returned(&update.returning), &update.filter),
        Query::Delete(delete) => (returned(&delete.returning), &delete.filter),
        Query::Call(call) => (&call.selection.items, &call.selection.filter),
    }
}

/// The rows that everything hangs on.
struct Root<'q> {
    items: &'q [SelectItem],
    filter: &'q [Filter],
}

/// Gathers the parts of one explanation.
struct Parts<'t, 'p, 'a> {
    asker: Asker<'p, 'a>,
    told: &'t mut Explanation,
}

/// The rows of one relation that a path of embeds finds, and those of the junction on the way.
struct Reached {
    node: Node,
    junction: Option<Node>,
}

impl<'a> Parts<'_, '_, 'a> {
    fn embeds<'q>(
        &mut self,
        root: &Root<'q>,
        path: &mut Vec<&'q Embed>,
        items: &'q [SelectItem],
    ) -> Result<(), PlanError> {
        for item in items {
            let SelectItem::Embed(embed) = item else { continue };
            path.push(embed);
            self.embed(root, path)?;
            path.pop();
        }
        Ok(())
    }

    fn embed<'q>(&mut self, root: &Root<'q>, path: &mut Vec<&'q Embed>) -> Result<(), PlanError> {
        let Some(embed) = path.last().copied() else { return Ok(()) };
        let names: Vec<&str> = path.iter().map(|embed| embed.name()).collect();
        let names = names.join(".");
        let reached = self.reached(root, path)?;
        let child = self.asker.planner.schema.relation(reached.node.relation);
        let name = format!("embed {names}: {}.{}", child.schema, child.name);
        if reached.node.view.is_some() && !child.is_view() {
            let told = vec![format!("a function gives its rows, and only running `{}` tells which", embed.target)];
            self.told.parts.push(Part { name, told, ..Part::default() });
            return Ok(());
        }
        if let Some(node) = reached.junction {
            let junction = self.asker.planner.schema.relation(node.relation);
            let name = format!("embed {names}, by way of {}.{}", junction.schema, junction.name);
            self.rows_part(name, junction, (node, Vec::new()))?;
        }
        let mut more = Vec::new();
        if embed.inner {
            more.push(format!("`{}` is inner: a row that sees none of these is left out", embed.name()));
        }
        if child.is_view() {
            let mut told = vec![self.asker.planner.row_security_explained(child)];
            told.extend(more);
            self.told.parts.push(Part { name, told, ..Part::default() });
            let role = self.asker.session.role.to_string();
            self.view(child, &role, &embed.selection.filter, 0)?;
        } else {
            self.rows_part(name, child, (reached.node, more))?;
        }
        self.embeds(root, path, &embed.selection.items)
    }

    /// Tells of a table that the caller reads: whether policies bind, and what becomes of the node's rows.
    fn rows_part(
        &mut self,
        name: String,
        relation: &'a Relation,
        (node, more): (Node, Vec<String>),
    ) -> Result<(), PlanError> {
        let asker = Asker { relation, ..self.asker };
        let gates: Gates<'a> = asker.gates(&[(PolicyCommand::Select, Half::Using)]);
        let mut told = vec![asker.planner.row_security_explained(relation)];
        told.extend(more);
        let tests = vec![asker.existing_of(node, &gates)?];
        self.told.parts.push(Part { name, told, tests, ..Part::default() });
        Ok(())
    }

    /// The rows at the end of `path`, of all the rows that the request is about, with nothing hidden.
    fn reached(&self, root: &Root<'_>, path: &[&Embed]) -> Result<Reached, PlanError> {
        let finder = self.asker.finder;
        let Some((embed, above)) = path.split_last() else {
            let (_, node) = self.asker.found((root.items, root.filter))?;
            return Ok(Reached { node, junction: None });
        };
        let parent = self.reached(root, above)?.node;
        let place = Place { relation: self.asker.planner.schema.relation(parent.relation), source: parent.source };
        let found = finder.embed(place, &bare_embed(embed), path.len())?;
        let (junctions, mut conditions) = finder.join(place, &found);
        let parent_rows = FromItem::Source { id: parent.source, source: Source::Relation(parent.relation) };
        let mut junction = None;
        if let Link::Junction { source, relation, parent: pairs, .. } = &found.link {
            let near = conditions.iter().take(pairs.len()).cloned().chain(parent.condition.clone()).collect();
            let bare = Place { relation: self.asker.planner.schema.relation(*relation), source: *source };
            let bare = finder.unfiltered_node(bare, &crate::query::Selection::default(), 0)?;
            junction = Some(Node { condition: Some(exists(vec![parent_rows.clone()], near)), ..bare });
        }
        conditions.extend(parent.condition);
        let related = exists(std::iter::once(parent_rows).chain(junctions).collect(), conditions);
        let mut node = *found.node;
        node.condition = Expr::all(node.condition.take().into_iter().chain([related]).collect());
        Ok(Reached { node, junction })
    }

    /// Tells of the tables that a view reads, and with whose rights; `role` is who reads the view.
    fn view(&mut self, view: &'a Relation, role: &str, filter: &[Filter], depth: usize) -> Result<(), PlanError> {
        let schema = self.asker.planner.schema;
        let caller = self.asker.session.role.to_string();
        let effective = if view.security_invoker { role.to_owned() } else { view.owner.clone() };
        for (id, columns) in self.asker.planner.view_reads(view) {
            let table = schema.relation(id);
            let reader = self.asker.planner.for_owner(&effective);
            let right = reader.right(table, Privilege::Select, &columns);
            let mut part = Part {
                name: format!("view {} reads {}.{}", view.name, table.schema, table.name),
                told: vec![format!("as {effective}"), reader.row_security_explained(table)],
                ..Part::default()
            };
            let filter = through(schema, (view, table), filter);
            if effective == caller {
                add_rights(&mut self.told.rights, vec![right]);
            } else {
                part.rights.push(right);
            }
            if effective == caller && !table.is_view() {
                let asker = Asker { relation: table, ..self.asker };
                let gates = asker.gates(&[(PolicyCommand::Select, Half::Using)]);
                part.told.push("rows of the table, whether the view would show them or not".into());
                part.tests.push(asker.existing_of(asker.found((&[], &filter))?.1, &gates)?);
            } else if !table.is_view() {
                part.told.extend(policies_told(&reader, table, PolicyCommand::Select));
            }
            self.told.parts.push(part);
            if table.is_view() && depth < MOST_VIEWS {
                self.view(table, &effective, &filter, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// The filters of a view that ask for columns of `table`, as filters of the table; others are left out.
fn through(schema: &Schema, (view, table): (&Relation, &Relation), filters: &[Filter]) -> Vec<Filter> {
    filters.iter().filter_map(|filter| through_one(schema, (view, table), filter)).collect()
}

fn through_one(schema: &Schema, (view, table): (&Relation, &Relation), filter: &Filter) -> Option<Filter> {
    let all = |filters: &[Filter]| {
        filters.iter().map(|filter| through_one(schema, (view, table), filter)).collect::<Option<Vec<_>>>()
    };
    match filter {
        Filter::All(filters) => all(filters).map(Filter::All),
        Filter::Any(filters) => all(filters).map(Filter::Any),
        Filter::Not(inner) => through_one(schema, (view, table), inner).map(|inner| Filter::Not(Box::new(inner))),
        Filter::Test { field, operator, operand } => {
            let column = view.column(&field.column)?;
            let (of, shown) = schema.views.origins.get(&(view.id, column.id))?;
            let column = (*of == table.id).then(|| table.column_by_id(*shown).name.clone())?;
            let field = Field { column, path: field.path.clone() };
            Some(Filter::Test { field, operator: *operator, operand: operand.clone() })
        }
    }
}

fn exists(from: Vec<FromItem>, conditions: Vec<Expr>) -> Expr {
    let outputs = vec![SelectOutput { name: "one".into(), expr: Expr::value(Value::Int(1), Type::Int4) }];
    let select = Select { outputs, from, condition: Expr::all(conditions), ..Select::default() };
    Expr::Exists { select: Box::new(select), negated: false }
}
