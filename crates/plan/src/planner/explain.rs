//! Why a request may do what it does: the rights it needs with the grants that give them, and each policy as a condition
//! of its own, to be tested on the rows that it is about. Changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::engine::Capabilities;
use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, Order, Select, SelectOutput, SetOperation, SourceId};
use crate::plan::{Authorized, Cell, Node, Output, Plan, RowSource, Work};
use crate::query::{Filter, Query, Returning, RowsWanted, Selection, Target};
use crate::schema::{Column, ColumnId, DefaultValue, Grantee, Policy, PolicyCommand, Privilege, Relation, Schema};
use crate::session::Session;
use crate::terms::Terms;
use crate::value::Value;

use super::authorize::Rights;
use super::resolve::{Place, column_expr};
use super::{Limits, Planner, access_changes};

/// What is known of a request before any row is looked at, and what to ask of the rows.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub role: String,
    /// Who the role is a member of, and whether it has their rights without asking.
    pub membership: Vec<String>,
    /// `select`, `insert`, `update` or `delete`.
    pub verb: &'static str,
    /// `schema.name`, where it exists.
    pub relation: Option<String>,
    pub rights: Vec<RightExplained>,
    /// Why the request fails before it comes to rows.
    pub refused: Option<String>,
    /// Whether policies bind the caller here, in a sentence.
    pub row_security: String,
    pub tests: Vec<RowTest>,
}

/// A right that the request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightExplained {
    /// `select on public.notes (id, text)`
    pub right: String,
    /// Whose grants give it; empty where none does.
    pub granted_to: Vec<String>,
    /// Columns that are not granted.
    pub missing: Vec<String>,
}

/// Rows, and the policies that they must pass.
#[derive(Clone, Debug)]
pub struct RowTest {
    pub rows: RowsTested,
    pub gates: Vec<Gate>,
    pub probe: Probe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsTested {
    /// Those that the caller's filter finds.
    Existing,
    /// The same, as an update would leave them.
    Changed,
    /// Those of an insert.
    New,
}

/// The policies of one command: one permissive must hold, and every restrictive one.
#[derive(Clone, Debug)]
pub struct Gate {
    pub command: &'static str,
    pub rules: Vec<GatePolicy>,
}

#[derive(Clone, Debug)]
pub struct GatePolicy {
    pub name: String,
    pub permissive: bool,
    /// As it was written.
    pub text: String,
}

/// How the rows are asked. The conditions are those of the gates' policies, in their order.
#[derive(Clone, Debug)]
pub enum Probe {
    /// A read whose rows have the key's columns and then, named by their numbers, the conditions.
    Plan(Box<Plan>),
    /// For an engine that keeps the policies itself.
    Rows(Box<RowProbe>),
}

/// Conditions that an engine tests as the caller, on rows that it finds as the owner.
#[derive(Clone, Debug)]
pub struct RowProbe {
    pub schema: Arc<Schema>,
    pub session: Session,
    /// Which rows: relation, filter, order and limit.
    pub node: Node,
    pub key: Vec<ColumnId>,
    pub source: ProbedRows,
    /// SQL of the engine, over the columns of the relation.
    pub conditions: Vec<String>,
    _authorized: Authorized,
}

#[derive(Clone, Debug)]
pub enum ProbedRows {
    Existing,
    /// With the keys of this JSON object in place of the row's.
    Changed(bytes::Bytes),
    /// The objects of this JSON.
    New(bytes::Bytes),
}

/// Explains `query` for `session`. At most `most` rows are asked for, and one more to tell that there are more.
pub fn explain(
    schema: &Arc<Schema>,
    capabilities: Capabilities,
    limits: &Limits,
    (session, query, most): (&Session, &Query, u64),
) -> Explanation {
    let (verb, target) = verb_and_target(query);
    let mut told = Explanation {
        role: session.role.to_string(),
        membership: membership(schema, &session.role),
        verb,
        relation: None,
        rights: Vec::new(),
        refused: None,
        row_security: String::new(),
        tests: Vec::new(),
    };
    // Rights are looked up here also where the engine would do it.
    let asking = Capabilities { enforces_access: false, ..capabilities };
    let planner = match Planner::new(schema, asking, limits, session) {
        Ok(planner) => planner,
        Err(fault) => {
            told.refused = Some(fault.to_string());
            return told;
        }
    };
    let relation = match planner.visible_relation(target) {
        Ok(relation) => relation,
        Err(fault) => {
            told.refused = Some(not_there(schema, limits, target, &fault));
            return told;
        }
    };
    told.relation = Some(format!("{}.{}", relation.schema, relation.name));
    let planned = planner.try_query(query);
    told.rights = planner.rights_explained();
    let lacks = told.rights.iter().any(|right| right.granted_to.is_empty());
    told.refused = match planned {
        Err(fault) => Some(fault.to_string()),
        Ok(()) => lacks.then(|| "a grant is missing".to_owned()),
    };
    told.row_security = planner.row_security_explained(relation);
    if told.refused.is_none() && !relation.is_view() {
        match Planner::new(schema, capabilities, limits, session) {
            Ok(real) => match real.row_tests(schema, (session, query, most), relation) {
                Ok(tests) => told.tests = tests,
                Err(fault) => told.refused = Some(fault.to_string()),
            },
            Err(fault) => told.refused = Some(fault.to_string()),
        }
    }
    told
}

fn verb_and_target(query: &Query) -> (&'static str, &Target) {
    match query {
        Query::Read(read) => ("select", &read.target),
        Query::Insert(insert) => ("insert", &insert.target),
        Query::Update(update) => ("update", &update.target),
        Query::Delete(delete) => ("delete", &delete.target),
        Query::Call(call) => ("execute", &call.target),
    }
}

/// Why the caller is told that there is no such relation.
fn not_there(schema: &Schema, limits: &Limits, target: &Target, fault: &PlanError) -> String {
    if limits.schemas.contains(&target.schema) && schema.find(&target.schema, &target.name).is_some() {
        let name = format!("{}.{}", target.schema, target.name);
        return format!("`{name}` does not exist for this role: nothing on it is granted to it or to `public`");
    }
    fault.to_string()
}

/// `authenticated -> reader (inherited)`, one line for each role that can be reached.
fn membership(schema: &Schema, role: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut paths: Vec<(Vec<&str>, bool)> = vec![(vec![role], true)];
    while let Some((path, inherited)) = paths.pop() {
        let Some(found) = path.last().and_then(|last| schema.roles.get(*last)) else { continue };
        for parent in found.member_of.iter().filter(|parent| !path.contains(&parent.as_str())) {
            let inherited = inherited && found.inherit;
            let longer: Vec<&str> = path.iter().copied().chain([parent.as_str()]).collect();
            let how = if inherited { "inherited" } else { "only after `set role`" };
            lines.push(format!("{} ({how})", longer.join(" -> ")));
            paths.push((longer, inherited));
        }
    }
    lines.sort();
    lines
}

impl<'a> Planner<'a> {
    /// Plans the query for what it needs, whatever is missing.
    fn try_query(&self, query: &Query) -> Result<(), PlanError> {
        let planned = match query {
            Query::Read(read) => self.read(read).map(drop),
            Query::Insert(insert) => self.insert(insert).map(drop),
            Query::Update(update) => self.update(update).map(drop),
            Query::Delete(delete) => self.delete(delete).map(drop),
            Query::Call(call) => self.call(call).map(drop),
        };
        match planned {
            // Told right by right.
            Err(PlanError::Database(fault)) if fault.sqlstate == "42501" => Ok(()),
            Ok(()) => match self.literal_fault.take().or_else(|| self.faults.first()) {
                Some(fault) if fault.sqlstate != "42501" => Err(fault.into()),
                Some(_) | None => Ok(()),
            },
            Err(other) => Err(other),
        }
    }

    fn rights_explained(&self) -> Vec<RightExplained> {
        let mut told: Vec<RightExplained> = Vec::new();
        for (relation, privilege, columns) in self.needs.all() {
            let relation = self.schema.relation(relation);
            let schema = self.schema_right(&relation.schema);
            let right = self.right(relation, privilege, &columns);
            for right in [schema, right] {
                if !told.contains(&right) {
                    told.push(right);
                }
            }
        }
        for index in self.needs.functions() {
            let function = &self.schema.functions[index];
            let held = function.grants.iter().filter(|grant| self.rights.holds(&grant.grantee));
            let granted_to = held.map(|grant| grantee(&grant.grantee)).collect();
            let right = format!("execute on function {}.{}", function.schema, function.signature());
            told.push(RightExplained { right, granted_to, missing: Vec::new() });
        }
        told
    }

    fn schema_right(&self, name: &str) -> RightExplained {
        let grants = self.schema.namespaces.get(name).map_or(&[][..], |namespace| &namespace.grants);
        let held =
            grants.iter().filter(|grant| grant.privilege == Privilege::Usage && self.rights.holds(&grant.grantee));
        let mut granted_to: Vec<String> = held.map(|grant| grantee(&grant.grantee)).collect();
        // What everybody has is all that needs to be said.
        if granted_to.iter().any(|name| name == "public") {
            granted_to = vec!["public".into()];
        }
        if self.rights.superuser {
            granted_to = vec!["the owner".into()];
        }
        RightExplained { right: format!("usage on schema {name}"), granted_to, missing: Vec::new() }
    }

    fn right(&self, relation: &Relation, privilege: Privilege, columns: &[ColumnId]) -> RightExplained {
        let mut names: Vec<&str> = Vec::new();
        for column in relation.columns.iter().filter(|column| columns.contains(&column.id)) {
            names.push(&column.name);
        }
        let word = format!("{privilege:?}").to_lowercase();
        let of = format!("{word} on {}.{}", relation.schema, relation.name);
        let right = if names.is_empty() { of } else { format!("{of} ({})", names.join(", ")) };
        if self.rights.owns(relation) {
            return RightExplained { right, granted_to: vec!["the owner".into()], missing: Vec::new() };
        }
        let held =
            relation.grants.iter().filter(|grant| grant.privilege == privilege && self.rights.holds(&grant.grantee));
        let mut granted_to: Vec<String> = Vec::new();
        let mut missing = columns.to_vec();
        let mut any = false;
        for grant in held {
            let useful = match &grant.columns {
                None => true,
                Some(named) => columns.is_empty() || named.iter().any(|column| columns.contains(column)),
            };
            any |= useful;
            missing.retain(|column| grant.columns.as_ref().is_some_and(|named| !named.contains(column)));
            if useful && !granted_to.contains(&grantee(&grant.grantee)) {
                granted_to.push(grantee(&grant.grantee));
            }
        }
        if !any || !missing.is_empty() {
            granted_to.clear();
        }
        let missing = relation.columns.iter().filter(|column| missing.contains(&column.id) && any);
        RightExplained { right, granted_to, missing: missing.map(|column| column.name.clone()).collect() }
    }

    fn row_security_explained(&self, relation: &Relation) -> String {
        let name = &relation.name;
        if relation.is_view() {
            let whose = if relation.security_invoker { "its caller's" } else { "its owner's" };
            return format!(
                "`{name}` is a view: it reads its tables with {whose} rights, and has no policies of its own"
            );
        }
        if !relation.row_security.enabled {
            return format!("row security is off for `{name}`: every row passes");
        }
        if self.rights.bound_by_policies(relation) {
            return format!("row security is on for `{name}`, and binds the role");
        }
        if self.rights.owns(relation) {
            return format!("row security is on for `{name}`, but does not bind its owner: every row passes");
        }
        format!("row security is on for `{name}`, but the role bypasses it: every row passes")
    }

    fn row_tests(
        &self,
        schema: &Arc<Schema>,
        (session, query, most): (&Session, &Query, u64),
        relation: &'a Relation,
    ) -> Result<Vec<RowTest>, PlanError> {
        let asker = Asker { planner: self, schema, session, relation, most };
        match query {
            Query::Read(read) => {
                let gates = asker.gates(&[(PolicyCommand::Select, Half::Using)]);
                Ok(vec![asker.existing(&read.selection.filter, &gates)?])
            }
            // What a function's rows are, only running it tells.
            Query::Call(_) => Ok(Vec::new()),
            Query::Delete(delete) => {
                let reads = !delete.filter.is_empty() || reads_rows(relation, &delete.returning);
                let gates = asker.gates_reading((PolicyCommand::Delete, Half::Using), reads);
                Ok(vec![asker.existing(&delete.filter, &gates)?])
            }
            Query::Update(update) => {
                let reads = !update.filter.is_empty() || reads_rows(relation, &update.returning);
                let using = asker.gates_reading((PolicyCommand::Update, Half::Using), reads);
                let check = asker.gates_reading((PolicyCommand::Update, Half::Check), reads);
                let columns: Vec<&Column> =
                    update.row.columns.iter().filter_map(|name| relation.column(name)).collect();
                let row = whole(self.rows(&update.row, &columns, update.missing_default, true))?;
                let ids = columns.iter().map(|column| column.id).collect();
                let changed = asker.changed(&update.filter, &check, (ids, row))?;
                Ok(vec![asker.existing(&update.filter, &using)?, changed])
            }
            Query::Insert(insert) => {
                let reads = insert.conflict.is_some() || reads_rows(relation, &insert.returning);
                let gates = asker.gates_reading((PolicyCommand::Insert, Half::Check), reads);
                let columns: Vec<&Column> =
                    insert.rows.columns.iter().filter_map(|name| relation.column(name)).collect();
                let single = insert.rows.json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
                let rows = whole(self.rows(&insert.rows, &columns, insert.missing_default, single))?;
                let ids: Vec<ColumnId> = columns.iter().map(|column| column.id).collect();
                Ok(vec![asker.new_rows(&gates, (&ids, rows))?])
            }
        }
    }
}

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

fn grantee(grantee: &Grantee) -> String {
    match grantee {
        Grantee::Public => "public".into(),
        Grantee::Role(name) => name.clone(),
    }
}

/// Which of a policy's conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Using,
    Check,
}

/// The policies of the gates with their conditions.
type Gates<'p> = Vec<(PolicyCommand, Vec<(&'p Policy, Half)>)>;

/// Makes the questions about rows.
struct Asker<'p, 'a> {
    planner: &'p Planner<'a>,
    schema: &'p Arc<Schema>,
    session: &'p Session,
    relation: &'a Relation,
    most: u64,
}

impl<'a> Asker<'_, 'a> {
    fn gates_reading(&self, written: (PolicyCommand, Half), reads: bool) -> Gates<'a> {
        let read = (PolicyCommand::Select, Half::Using);
        if reads { self.gates(&[written, read]) } else { self.gates(&[written]) }
    }

    fn gates(&self, wanted: &[(PolicyCommand, Half)]) -> Gates<'a> {
        let rights: &Rights<'_> = &self.planner.rights;
        if !rights.bound_by_policies(self.relation) {
            return Vec::new();
        }
        let gate = |(command, half): &(PolicyCommand, Half)| {
            let applies = |policy: &&'a Policy| {
                (policy.command == *command || policy.command == PolicyCommand::All)
                    && policy.roles.iter().any(|role| rights.holds(role))
            };
            let mut policies: Vec<(&Policy, Half)> =
                self.relation.policies.iter().filter(applies).map(|policy| (policy, *half)).collect();
            policies.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
            (*command, policies)
        };
        wanted.iter().map(gate).collect()
    }

    fn key(&self) -> Vec<ColumnId> {
        match &self.relation.primary_key {
            Some(key) => key.columns.clone(),
            None => self.relation.columns.iter().map(|column| column.id).collect(),
        }
    }

    /// The rows that `filter` finds, with nothing hidden.
    fn found(&self, filter: &[Filter]) -> Result<Node, PlanError> {
        let place = Place { relation: self.relation, source: self.planner.new_source() };
        let bare = self.planner.unfiltered_node(place, &Selection::default(), 0)?;
        let condition = Expr::all(self.planner.conditions(place, filter, &bare)?);
        let key = self.key();
        let columns = self.relation.columns.iter().filter(|column| key.contains(&column.id));
        let order = columns
            .map(|column| Order { expr: column_expr(place.source, column), descending: false, nulls_first: false })
            .collect();
        Ok(Node { condition, order, limit: Some(self.most + 1), ..bare })
    }

    fn existing(&self, filter: &[Filter], gates: &Gates<'a>) -> Result<RowTest, PlanError> {
        let node = self.found(filter)?;
        self.test(RowsTested::Existing, node, gates, (HashMap::new(), ProbedRows::Existing))
    }

    fn changed(
        &self,
        filter: &[Filter],
        gates: &Gates<'a>,
        (columns, row): (Vec<ColumnId>, RowSource),
    ) -> Result<RowTest, PlanError> {
        let node = self.found(filter)?;
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

    fn new_rows(&self, gates: &Gates<'a>, (columns, rows): (&[ColumnId], RowSource)) -> Result<RowTest, PlanError> {
        let mut node = self.found(&[])?;
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
        Ok(RowTest { rows, gates: told, probe })
    }
}

impl Planner<'_> {
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

fn told_gate(command: PolicyCommand, policies: &[(&Policy, Half)]) -> Gate {
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
