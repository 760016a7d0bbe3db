//! Why a request may do what it does: the rights it needs with the grants that give them, and each policy as a condition
//! of its own, to be tested on the rows that it is about. Changes nothing.

mod parts;
mod rows;

use std::sync::Arc;

use crate::engine::{Capabilities, ProbedRow};
use crate::error::PlanError;
use crate::plan::{Authorized, Node, Plan};
use crate::query::{Query, Target};
use crate::schema::{ColumnId, Function, Grantee, Privilege, Relation, RelationId, Schema};
use crate::session::Session;

use super::{Limits, Planner};

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
    /// What else the request reads.
    pub parts: Vec<Part>,
}

/// A relation or function that a request comes to by way of the one that it names.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// `embed authors: public.authors`
    pub name: String,
    /// Whose rights count; the caller's are told with those of the request.
    pub rights: Vec<RightExplained>,
    /// Whether policies bind, and what else there is to say.
    pub told: Vec<String>,
    pub tests: Vec<RowTest>,
}

impl Explanation {
    /// The tests of the request's own relation, and of what it comes to.
    pub fn tests_mut(&mut self) -> impl Iterator<Item = &mut RowTest> {
        self.tests.iter_mut().chain(self.parts.iter_mut().flat_map(|part| &mut part.tests))
    }

    fn lacks_rights(&self) -> bool {
        let others = self.parts.iter().flat_map(|part| &part.rights);
        self.rights.iter().chain(others).any(|right| right.granted_to.is_empty())
    }
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
    pub probes: Vec<Probe>,
    /// What the probes found, once they were asked.
    pub found: Vec<ProbedRow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsTested {
    /// Those that the caller's filter finds.
    Existing,
    /// The same, as an update would leave them.
    Changed,
    /// Those of an insert.
    New,
    /// Those that are there already under the keys of an upsert's body.
    Conflicting,
    /// The same, as the upsert would leave them.
    Merged,
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
        parts: Vec::new(),
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
    if let Query::Call(call) = query {
        planner.explain_call(&mut told, call, capabilities);
        return told;
    }
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
    told.refused = planned.err().map(|fault| fault.to_string());
    told.row_security = planner.row_security_explained(relation);
    if told.refused.is_none() {
        let asked = Planner::new(schema, capabilities, limits, session);
        let asked = asked.and_then(|real| real.explain_rows(&mut told, schema, (session, query, most), relation));
        told.refused = asked.err().map(|fault| fault.to_string());
    }
    if told.refused.is_none() && told.lacks_rights() {
        told.refused = Some("a grant is missing".to_owned());
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
        let mut needs: Vec<(RelationId, Privilege, Vec<ColumnId>)> = Vec::new();
        for (relation, privilege, columns) in self.needs.all() {
            match needs.iter_mut().find(|known| (known.0, known.1) == (relation, privilege)) {
                Some(known) => known.2.extend(columns),
                None => needs.push((relation, privilege, columns)),
            }
        }
        for (relation, privilege, columns) in needs {
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
            told.push(self.function_right(&self.schema.functions[index]));
        }
        told
    }

    fn function_right(&self, function: &Function) -> RightExplained {
        let held = function.grants.iter().filter(|grant| self.rights.holds(&grant.grantee));
        let mut granted_to: Vec<String> = held.map(|grant| grantee(&grant.grantee)).collect();
        if self.rights.may_execute(function) && granted_to.is_empty() {
            granted_to.push("the owner".into());
        }
        let right = format!("execute on function {}.{}", function.schema, function.signature());
        RightExplained { right, granted_to, missing: Vec::new() }
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
}

fn grantee(grantee: &Grantee) -> String {
    match grantee {
        Grantee::Public => "public".into(),
        Grantee::Role(name) => name.clone(),
    }
}
