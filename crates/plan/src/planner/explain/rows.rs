//! Questions about rows: each policy as a condition of its own, on the rows that a request finds, makes or changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, Order, Select, SelectOutput, SetOperation, SourceId};
use crate::plan::{Authorized, Cell, Node, Output, Plan, RowSource, Work};
use crate::query::{
    Embed, Field, Filter, Insert, Operand, Operator, Query, Resolution, Returning, Rows, RowsWanted, SelectItem,
    Selection, Update,
};
use crate::schema::{Column, ColumnId, DefaultValue, Policy, PolicyCommand, Relation, Schema};
use crate::session::Session;
use crate::terms::Terms;
use crate::value::Value;

use super::{Gate, GatePolicy, Probe, ProbedRows, RowProbe, RowTest, RowsTested};
use crate::planner::coerce::objects;
use crate::planner::resolve::{Place, column_expr};
use crate::planner::{Planner, access_changes};

impl<'a> Asker<'_, 'a> {
    /// What the query reads and writes of its own relation.
    pub(super) fn row_tests(&self, query: &Query) -> Result<Vec<RowTest>, PlanError> {
        match query {
            Query::Read(read) => {
                let gates = self.gates(&[(PolicyCommand::Select, Half::Using)]);
                Ok(vec![self.existing((&read.selection.items, &read.selection.filter), &gates)?])
            }
            // What a function's rows are, only running it tells.
            Query::Call(_) => Ok(Vec::new()),
            Query::Delete(delete) => {
                let reads = !delete.filter.is_empty() || reads_rows(self.relation, &delete.returning);
                let gates = self.gates_reading((PolicyCommand::Delete, Half::Using), reads);
                Ok(vec![self.existing((returned(&delete.returning), &delete.filter), &gates)?])
            }
            Query::Update(update) => self.update_tests(update),
            Query::Insert(insert) => self.insert_tests(insert),
        }
    }

    fn update_tests(&self, update: &Update) -> Result<Vec<RowTest>, PlanError> {
        let reads = !update.filter.is_empty() || reads_rows(self.relation, &update.returning);
        let using = self.gates_reading((PolicyCommand::Update, Half::Using), reads);
        let check = self.gates_reading((PolicyCommand::Update, Half::Check), reads);
        let found = (returned(&update.returning), update.filter.as_slice());
        let row = self.body(&update.row, update.missing_default, true)?;
        Ok(vec![self.existing(found, &using)?, self.changed(found, &check, row)?])
    }

    fn insert_tests(&self, insert: &Insert) -> Result<Vec<RowTest>, PlanError> {
        let reads = insert.conflict.is_some() || reads_rows(self.relation, &insert.returning);
        let gates = self.gates_reading((PolicyCommand::Insert, Half::Check), reads);
        let single = insert.rows.json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let rows = self.body(&insert.rows, insert.missing_default, single)?;
        let mut tests = vec![self.new_rows(&gates, rows)?];
        if let Some(conflict) = insert.conflict.as_ref().filter(|conflict| conflict.resolution == Resolution::Merge) {
            tests.extend(self.merged_tests(insert, conflict.columns.as_deref())?);
        }
        Ok(tests)
    }

    /// The rows that exist under the keys of a body, and what becomes of them.
    fn merged_tests(&self, insert: &Insert, key: Option<&[String]>) -> Result<Vec<RowTest>, PlanError> {
        let own = self.planner.schema.primary_key(self.relation).unwrap_or_default();
        let own: Vec<String> = self.relation.column_names(own).map(str::to_owned).collect();
        let key = key.unwrap_or(&own);
        let using = self.gates_reading((PolicyCommand::Update, Half::Using), true);
        let check = self.gates_reading((PolicyCommand::Update, Half::Check), true);
        let mut tests: Vec<RowTest> = Vec::new();
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        for object in objects(&insert.rows.json)?.into_iter().take(most) {
            let Some(filter) = key_filter(key, &object) else { continue };
            let json = only(&object, &insert.rows.columns, insert.missing_default);
            let row = Rows { json, columns: insert.rows.columns.clone(), count: 1 };
            let row = self.body(&row, insert.missing_default, true)?;
            let found = (&[][..], filter.as_slice());
            let mut pair = [self.existing(found, &using)?, self.changed(found, &check, row)?];
            (pair[0].rows, pair[1].rows) = (RowsTested::Conflicting, RowsTested::Merged);
            for test in pair {
                match tests.iter_mut().find(|known| known.rows == test.rows) {
                    Some(known) => known.probes.extend(test.probes),
                    None => tests.push(test),
                }
            }
        }
        Ok(tests)
    }

    /// The columns of a body, and its rows.
    fn body(&self, rows: &Rows, missing_default: bool, single: bool) -> Result<(Vec<ColumnId>, RowSource), PlanError> {
        let columns: Vec<&Column> = rows.columns.iter().filter_map(|name| self.relation.column(name)).collect();
        let source = whole(self.planner.rows(rows, &columns, missing_default, single))?;
        Ok((columns.iter().map(|column| column.id).collect(), source))
    }
}

/// The filter that finds the row with the object's key; `None` where the object does not give all of it.
fn key_filter(key: &[String], object: &HashMap<String, &RawValue>) -> Option<Vec<Filter>> {
    let test = |column: &String| {
        let raw = object.get(column)?.get();
        let text = match serde_json::from_str::<serde_json::Value>(raw).ok()? {
            serde_json::Value::Null => return None,
            serde_json::Value::String(text) => text,
            _ => raw.to_owned(),
        };
        let field = Field { column: column.clone(), path: Vec::new() };
        Some(Filter::Test { field, operator: Operator::Equal, operand: Operand::Text(text) })
    };
    let filter: Vec<Filter> = key.iter().map(test).collect::<Option<_>>()?;
    (!filter.is_empty()).then_some(filter)
}

/// The object with these columns alone; those that it lacks are null, unless they stand for defaults.
fn only(object: &HashMap<String, &RawValue>, columns: &[String], missing_default: bool) -> bytes::Bytes {
    let member = |column: &String| {
        let raw = object.get(column).map(|raw| raw.get()).or((!missing_default).then_some("null"))?;
        Some(format!("{}:{raw}", serde_json::Value::String(column.clone())))
    };
    let members: Vec<String> = columns.iter().filter_map(member).collect();
    format!("{{{}}}", members.join(",")).into()
}

/// What a write's answer selects.
pub(super) fn returned(returning: &Returning) -> &[SelectItem] {
    match returning {
        Returning::Nothing | Returning::Key => &[],
        Returning::Rows(selection) => &selection.items,
    }
}

/// What of a selection decides which rows there are: its embeds, without what they show.
pub(super) fn only_embeds(items: &[SelectItem]) -> Selection {
    let bare = |item: &SelectItem| match item {
        SelectItem::Embed(embed) => Some(SelectItem::Embed(bare_embed(embed))),
        SelectItem::All | SelectItem::Field { .. } | SelectItem::Aggregate(_) => None,
    };
    Selection { items: items.iter().filter_map(bare).collect(), ..Selection::default() }
}

pub(super) fn bare_embed(embed: &Embed) -> Embed {
    let selection = Selection { filter: embed.selection.filter.clone(), ..only_embeds(&embed.selection.items) };
    Embed { spread: false, selection, ..embed.clone() }
}

/// Which rows: what is selected of them, as far as it decides, and the filters.
type Found<'q> = (&'q [SelectItem], &'q [Filter]);

/// The rows of a body, unless one of its values is at fault.
fn whole((rows, fault): (RowSource, Option<DatabaseError>)) -> Result<RowSource, DatabaseError> {
    fault.map_or(Ok(rows), Err)
}

fn reads_rows(relation: &Relation, returning: &Returning) -> bool {
    match returning {
        Returning::Nothing => false,
        Returning::Key => relation.primary_key.is_some(),
        Returning::Rows(_) => true,
    }
}

/// Which of a policy's conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Using,
    Check,
}

/// The policies of the gates with their conditions.
pub(super) type Gates<'p> = Vec<(PolicyCommand, Vec<(&'p Policy, Half)>)>;

/// Makes the questions about rows.
#[derive(Clone, Copy)]
pub(super) struct Asker<'p, 'a> {
    pub(super) planner: &'p Planner<'a>,
    /// Finds rows, with nothing hidden.
    pub(super) finder: &'p Planner<'p>,
    pub(super) schema: &'p Arc<Schema>,
    pub(super) session: &'p Session,
    pub(super) relation: &'a Relation,
    pub(super) most: u64,
}

impl<'a> Asker<'_, 'a> {
    fn gates_reading(&self, written: (PolicyCommand, Half), reads: bool) -> Gates<'a> {
        let read = (PolicyCommand::Select, Half::Using);
        if reads { self.gates(&[written, read]) } else { self.gates(&[written]) }
    }

    pub(super) fn gates(&self, wanted: &[(PolicyCommand, Half)]) -> Gates<'a> {
        if !self.planner.rights.bound_by_policies(self.relation) {
            return Vec::new();
        }
        let gate = |(command, half): &(PolicyCommand, Half)| {
            (*command, self.planner.gate_policies(self.relation, *command, *half))
        };
        wanted.iter().map(gate).collect()
    }

    fn key(&self) -> Vec<ColumnId> {
        match &self.relation.primary_key {
            Some(key) => key.columns.clone(),
            None => self.relation.columns.iter().map(|column| column.id).collect(),
        }
    }

    /// The rows that `found` means, with nothing hidden.
    pub(super) fn found(&self, (items, filter): Found<'_>) -> Result<(Place<'a>, Node), PlanError> {
        let place = Place { relation: self.relation, source: self.finder.new_source() };
        let mut node = self.finder.unfiltered_node(place, &only_embeds(items), 0)?;
        let conditions = self.finder.conditions(place, filter, &node)?;
        node.condition = Expr::all(node.condition.take().into_iter().chain(conditions).collect());
        Ok((place, node))
    }

    /// The node's rows by their key, as many as are wanted and one more.
    fn paged(&self, node: Node) -> Node {
        let key = self.key();
        let columns = self.relation.columns.iter().filter(|column| key.contains(&column.id));
        let order = columns
            .map(|column| Order { expr: column_expr(node.source, column), descending: false, nulls_first: false })
            .collect();
        Node { order, limit: Some(self.most + 1), ..node }
    }

    fn existing(&self, found: Found<'_>, gates: &Gates<'a>) -> Result<RowTest, PlanError> {
        self.existing_of(self.found(found)?.1, gates)
    }

    pub(super) fn existing_of(&self, node: Node, gates: &Gates<'a>) -> Result<RowTest, PlanError> {
        self.test(RowsTested::Existing, self.paged(node), gates, (HashMap::new(), ProbedRows::Existing))
    }

    fn changed(
        &self,
        found: Found<'_>,
        gates: &Gates<'a>,
        (columns, row): (Vec<ColumnId>, RowSource),
    ) -> Result<RowTest, PlanError> {
        let node = self.paged(self.found(found)?.1);
        let (values, rows) = match row {
            RowSource::Json { text, .. } => (HashMap::new(), ProbedRows::Changed(text)),
            RowSource::Values(rows) => {
                let cells = rows.into_iter().next().unwrap_or_default();
                let values = columns.iter().zip(cells).map(|(id, cell)| (*id, self.cell(*id, cell))).collect();
                (values, ProbedRows::Existing)
            }
        };
        self.test(RowsTested::Changed, node, gates, (values, rows))
    }

    fn new_rows(&self, gates: &Gates<'a>, (columns, rows): (Vec<ColumnId>, RowSource)) -> Result<RowTest, PlanError> {
        let mut node = self.paged(self.found((&[], &[]))?.1);
        node.order = Vec::new();
        let rows = match rows {
            RowSource::Json { text, .. } => {
                return self.test(RowsTested::New, node, gates, (HashMap::new(), ProbedRows::New(text)));
            }
            RowSource::Values(rows) => rows,
        };
        let selects = rows.into_iter().take(usize::try_from(self.most).unwrap_or(usize::MAX)).map(|cells| {
            let mut given: BTreeMap<ColumnId, Expr> =
                columns.iter().zip(cells).map(|(id, cell)| (*id, self.cell(*id, cell))).collect();
            let outputs = self.relation.columns.iter().map(|column| {
                let expr = given.remove(&column.id).unwrap_or_else(|| default_of(column));
                SelectOutput { name: column.name.clone(), expr }
            });
            Select { outputs: outputs.collect(), ..Select::default() }
        });
        let mut selects = selects;
        let Some(mut first) = selects.next() else {
            return Err(DatabaseError::new("22023", "the body has no rows").into());
        };
        first.combined = selects.map(|select| (SetOperation::UnionAll, select)).collect();
        node.view = Some(Box::new(first));
        self.test(RowsTested::New, node, gates, (HashMap::new(), ProbedRows::Existing))
    }

    fn cell(&self, id: ColumnId, cell: Cell) -> Expr {
        let column = self.relation.column_by_id(id);
        match cell {
            Cell::Value(value) => Expr::value(value, column.ty.clone()),
            Cell::Default => default_of(column),
        }
    }

    fn test(
        &self,
        rows: RowsTested,
        mut node: Node,
        gates: &Gates<'a>,
        (values, source): (HashMap<ColumnId, Expr>, ProbedRows),
    ) -> Result<RowTest, PlanError> {
        let key = self.key();
        let told = gates.iter().map(|(command, policies)| told_gate(*command, policies)).collect();
        let policies = gates.iter().flat_map(|(_, policies)| policies);
        let probe = if self.planner.capabilities.enforces_access {
            let text = |(policy, half): &(&Policy, Half)| condition_text(policy, *half).unwrap_or("false").to_owned();
            let text = |pair: &(&Policy, Half)| if is_absent(pair) { absent(pair.0).to_string() } else { text(pair) };
            let conditions = policies.map(text).collect();
            let (schema, session) = (self.schema.clone(), self.session.clone());
            Probe::Rows(Box::new(RowProbe { schema, session, node, key, source, conditions, _authorized: Authorized }))
        } else {
            let columns = self.relation.columns.iter().filter(|column| key.contains(&column.id));
            node.outputs = columns
                .map(|column| Output::Value {
                    name: format!("={}", column.name),
                    expr: column_expr(node.source, column),
                })
                .collect();
            for (number, pair) in policies.enumerate() {
                let expr = match stored_condition(pair.0, pair.1) {
                    Some(stored) => self.planner.instance_of(stored, self.relation, (node.source, &values))?,
                    None => Expr::boolean(absent(pair.0)),
                };
                node.outputs.push(Output::Value { name: number.to_string(), expr });
            }
            // What the policies themselves read, the caller must be allowed to read.
            self.planner.authorize()?;
            let work = Work::Read { node, count: None };
            let (schema, session) = (self.schema.clone(), self.session.clone());
            Probe::Plan(Box::new(Plan {
                schema,
                session,
                work,
                rows_wanted: RowsWanted::Any,
                terms: Terms::default(),
                _authorized: Authorized,
            }))
        };
        Ok(RowTest { rows, gates: told, probes: vec![probe], found: Vec::new() })
    }
}

impl Planner<'_> {
    /// The policies that are for the role, by name.
    pub(super) fn gate_policies<'r>(
        &self,
        relation: &'r Relation,
        command: PolicyCommand,
        half: Half,
    ) -> Vec<(&'r Policy, Half)> {
        let applies = |policy: &&Policy| {
            (policy.command == command || policy.command == PolicyCommand::All)
                && policy.roles.iter().any(|role| self.rights.holds(role))
        };
        let mut policies: Vec<_> = relation.policies.iter().filter(applies).map(|policy| (policy, half)).collect();
        policies.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        policies
    }

    /// A policy's condition over `source`, where some columns have other values than the row has.
    fn instance_of(
        &self,
        stored: Expr,
        relation: &Relation,
        (source, values): (SourceId, &HashMap<ColumnId, Expr>),
    ) -> Result<Expr, PlanError> {
        let mut open = vec![relation.id];
        let mut expr = self.instance(stored, source, &mut open)?;
        replace(&mut expr, source, values);
        Ok(expr)
    }
}

fn replace(expr: &mut Expr, source: SourceId, values: &HashMap<ColumnId, Expr>) {
    if let Expr::Column { source: of, column, .. } = expr
        && *of == source
        && let Some(value) = values.get(column)
    {
        *expr = value.clone();
        return;
    }
    expr.for_each_child_mut(&mut |child| replace(child, source, values));
}

pub(super) fn told_gate(command: PolicyCommand, policies: &[(&Policy, Half)]) -> Gate {
    let command = match command {
        PolicyCommand::All => "all",
        PolicyCommand::Select => "select",
        PolicyCommand::Insert => "insert",
        PolicyCommand::Update => "update",
        PolicyCommand::Delete => "delete",
    };
    let policy = |(policy, _): &(&Policy, Half)| GatePolicy {
        name: policy.name.clone(),
        permissive: policy.permissive,
        text: access_changes::show(policy),
    };
    Gate { command, rules: policies.iter().map(policy).collect() }
}

fn condition_text(policy: &Policy, half: Half) -> Option<&str> {
    match half {
        Half::Check => policy.with_check_text.as_deref().or(policy.using_text.as_deref()),
        Half::Using => policy.using_text.as_deref(),
    }
}

fn is_absent((policy, half): &(&Policy, Half)) -> bool {
    condition_text(policy, *half).is_none()
}

fn stored_condition(policy: &Policy, half: Half) -> Option<Expr> {
    match half {
        Half::Check => policy.with_check.clone().or_else(|| policy.using.clone()),
        Half::Using => policy.using.clone(),
    }
}

/// Without a condition a permissive policy lets nothing through, and a restrictive one holds nothing back.
fn absent(policy: &Policy) -> bool {
    !policy.permissive
}

/// What an insert would put into the column, as far as that can be told without taking a number or a random value.
fn default_of(column: &Column) -> Expr {
    match &column.default {
        Some(DefaultValue::Expr(expr)) => expr.clone(),
        Some(
            DefaultValue::Sequence { .. }
            | DefaultValue::Identity { .. }
            | DefaultValue::Generated(_)
            | DefaultValue::Engine(_),
        )
        | None => Expr::Cast { expr: Box::new(Expr::value(Value::Null, column.ty.clone())), ty: column.ty.clone() },
    }
}
