//! What a change of the schema newly allows or forbids, for people to read before they merge it.
//!
//! Whether one condition implies another cannot be decided in general. A changed condition counts as widened unless
//! its text shows that it narrowed: an operand joined by `and` was added, or one joined by `or` was taken away.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::read_sql::{Junction, operands};
use crate::schema::{Function, Grant, Grantee, Policy, PolicyCommand, Privilege, Relation, RelationKind, Role, Schema};

use super::authorize::Rights;

/// Which way access moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    Widened,
    Narrowed,
    /// Nobody's access moved.
    Neutral,
}

/// One difference in what may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    pub direction: Direction,
    /// What the difference is about: `table public.notes`, `role anon`, …
    pub subject: String,
    pub text: String,
}

const VERBS: [(Privilege, &str); 4] = [
    (Privilege::Select, "select"),
    (Privilege::Insert, "insert"),
    (Privilege::Update, "update"),
    (Privilege::Delete, "delete"),
];

/// The differences in access between two schemas, roles first. `schemas` are those that callers may name.
pub fn access_changes(before: &Schema, after: &Schema, schemas: &[String]) -> Vec<AccessChange> {
    let mut changes = Changes { before, after, found: Vec::new() };
    changes.roles();
    for (name, role) in roles(before, after) {
        changes.rights(&name, role, schemas);
    }
    changes.tables(schemas);
    changes.functions();
    changes.default_privileges();
    changes.found
}

struct Changes<'a> {
    before: &'a Schema,
    after: &'a Schema,
    found: Vec<AccessChange>,
}

/// Every role of either schema that rights are worth asking for.
fn roles<'a>(before: &'a Schema, after: &'a Schema) -> BTreeMap<String, (Option<&'a Role>, Option<&'a Role>)> {
    let names: BTreeSet<&String> = before.roles.keys().chain(after.roles.keys()).collect();
    names.into_iter().map(|name| (name.clone(), (before.roles.get(name), after.roles.get(name)))).collect()
}

impl Changes<'_> {
    fn add(&mut self, direction: Direction, subject: &str, text: String) {
        self.found.push(AccessChange { direction, subject: subject.to_owned(), text });
    }

    fn roles(&mut self) {
        for (name, (old, new)) in roles(self.before, self.after) {
            let subject = format!("role {name}");
            match (old, new) {
                (None, Some(_)) => self.add(Direction::Neutral, &subject, "new role".into()),
                (Some(_), None) => self.add(Direction::Narrowed, &subject, "role dropped".into()),
                (None, None) | (Some(_), Some(_)) => {}
            }
            let empty = Role::default();
            let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
            let flags = [
                (old.superuser, new.superuser, "is a superuser", "is no superuser any more"),
                (
                    old.bypass_row_security,
                    new.bypass_row_security,
                    "bypasses row security",
                    "does not bypass row security any more",
                ),
                (old.login, new.login, "may log in", "may not log in any more"),
            ];
            for (was, is, gained, lost) in flags {
                match (was, is) {
                    (false, true) => self.add(Direction::Widened, &subject, gained.into()),
                    (true, false) => self.add(Direction::Narrowed, &subject, lost.into()),
                    (true, true) | (false, false) => {}
                }
            }
            for parent in new.member_of.iter().filter(|parent| !old.member_of.contains(parent)) {
                self.add(Direction::Widened, &subject, format!("is a member of {parent}"));
            }
            for parent in old.member_of.iter().filter(|parent| !new.member_of.contains(parent)) {
                self.add(Direction::Narrowed, &subject, format!("is no member of {parent} any more"));
            }
        }
    }

    /// What one role may newly do, or no more, with schemas, tables, sequences and functions.
    fn rights(&mut self, name: &str, role: (Option<&Role>, Option<&Role>), schemas: &[String]) {
        if [role.0, role.1].into_iter().flatten().any(|role| role.superuser) {
            return;
        }
        let old = role.0.map(|_| rights_in(self.before, name, schemas)).unwrap_or_default();
        let new = role.1.map(|_| rights_in(self.after, name, schemas)).unwrap_or_default();
        let subject = format!("role {name}");
        // Such a role is there to reach everything, so that what is new is none of its news.
        let reaches_all = [role.0, role.1].iter().all(|role| role.is_some_and(|role| role.bypass_row_security));
        let existed = names_in(self.before);
        for (right, columns) in &new {
            let is_new = !existed.contains(right.split_once(' ').map_or("", |(_, name)| name));
            let direction = if reaches_all && is_new { Direction::Neutral } else { Direction::Widened };
            match gained(old.get(right), Some(columns)) {
                Gain::Nothing => {}
                Gain::Everything => self.add(direction, &subject, format!("may {right}")),
                Gain::Columns(names) => self.add(Direction::Widened, &subject, format!("may {right} ({names})")),
            }
        }
        for (right, columns) in &old {
            match gained(new.get(right), Some(columns)) {
                Gain::Nothing => {}
                Gain::Everything => self.add(Direction::Narrowed, &subject, format!("may not {right} any more")),
                Gain::Columns(names) => {
                    self.add(Direction::Narrowed, &subject, format!("may not {right} ({names}) any more"));
                }
            }
        }
    }

    fn tables(&mut self, schemas: &[String]) {
        for (key, id) in &self.after.names {
            let new = self.after.relation(*id);
            let Some(old) = self.before.find(&key.0, &key.1) else { continue };
            let old = old.clone();
            let subject = format!("{} {}.{}", if new.is_view() { "view" } else { "table" }, key.0, key.1);
            self.row_security(&subject, &old, new);
            if new.is_view() && schemas.contains(&key.0) {
                self.view(&subject, &old, new);
            }
            if old.owner != new.owner {
                self.add(Direction::Widened, &subject, format!("owner is {} (was {})", new.owner, old.owner));
            }
        }
    }

    fn view(&mut self, subject: &str, old: &Relation, new: &Relation) {
        match (old.security_invoker, new.security_invoker) {
            (true, false) => {
                self.add(Direction::Widened, subject, "reads with its owner's rights (was: its caller's)".into());
            }
            (false, true) => {
                self.add(Direction::Narrowed, subject, "reads with its caller's rights (was: its owner's)".into());
            }
            (true, true) | (false, false) => {}
        }
        if old.kind != RelationKind::Table && old.definition != new.definition && !new.security_invoker {
            self.add(Direction::Widened, subject, "shows other rows or columns, with its owner's rights".into());
        }
    }

    fn row_security(&mut self, subject: &str, old: &Relation, new: &Relation) {
        match (old.row_security.enabled, new.row_security.enabled) {
            (true, false) => self.add(Direction::Widened, subject, "row security is switched off".into()),
            (false, true) => self.add(Direction::Narrowed, subject, "row security is switched on".into()),
            (true, true) | (false, false) => {}
        }
        match (old.row_security.forced, new.row_security.forced) {
            (true, false) => {
                self.add(Direction::Widened, subject, "row security does not bind the owner any more".into())
            }
            (false, true) => self.add(Direction::Narrowed, subject, "row security binds the owner as well".into()),
            (true, true) | (false, false) => {}
        }
        // What policies say counts while they bind somebody, before and after.
        let binds = old.row_security.enabled && new.row_security.enabled;
        for (name, policy) in by_name(&new.policies) {
            let (direction, text) = match old.policies.iter().find(|old| old.name == name) {
                Some(old) if same(old, policy) => continue,
                Some(old) => (changed(old, policy), format!("changed: {} (was: {})", show(policy), show(old))),
                None if policy.permissive => (Direction::Widened, format!("new: {}", show(policy))),
                None => (Direction::Narrowed, format!("new: {}", show(policy))),
            };
            self.policy(subject, (binds, direction), &text);
        }
        for (name, policy) in by_name(&old.policies) {
            if new.policies.iter().all(|new| new.name != name) {
                let direction = if policy.permissive { Direction::Narrowed } else { Direction::Widened };
                self.policy(subject, (binds, direction), &format!("dropped: {}", show(policy)));
            }
        }
    }

    fn policy(&mut self, subject: &str, (binds, direction): (bool, Direction), text: &str) {
        if binds {
            self.add(direction, subject, format!("policy {text}"));
        } else {
            self.add(Direction::Neutral, subject, format!("policy {text}; row security is or was off"));
        }
    }

    /// Functions that run with their owner's rights: what they do is what their callers may do.
    fn functions(&mut self) {
        let find = |schema: &Schema, new: &Function| {
            schema.functions.iter().find(|old| old.schema == new.schema && old.signature() == new.signature()).cloned()
        };
        for new in &self.after.functions {
            let Some(old) = find(self.before, new) else { continue };
            let subject = format!("function {}.{}", new.schema, new.signature());
            match (old.security_definer, new.security_definer) {
                (false, true) => self.add(Direction::Widened, &subject, "runs with its owner's rights".into()),
                (true, false) => self.add(Direction::Narrowed, &subject, "runs with its caller's rights".into()),
                (true, true) if old.owner != new.owner => {
                    let text = format!("runs with the rights of {} (was: {})", new.owner, old.owner);
                    self.add(Direction::Widened, &subject, text);
                }
                (true, true) if old.source != new.source || old.body != new.body => {
                    self.add(Direction::Widened, &subject, "does something else, with its owner's rights".into());
                }
                (true, true) | (false, false) => {}
            }
        }
    }

    fn default_privileges(&mut self) {
        let show = |schema: &Schema| -> BTreeSet<String> {
            let line = |default: &crate::schema::DefaultPrivilege| {
                let place = default.schema.as_ref().map_or_else(String::new, |name| format!(" in {name}"));
                let Grant { privilege, grantee, .. } = &default.grant;
                let line = format!("{privilege:?} on new {:?}{place} for {}", default.object, grantee_name(grantee));
                format!("{}, where {} makes them", line.to_lowercase(), default.owner)
            };
            schema.default_privileges.iter().map(line).collect()
        };
        let (old, new) = (show(self.before), show(self.after));
        for line in new.difference(&old) {
            self.add(Direction::Widened, "default privileges", line.clone());
        }
        for line in old.difference(&new) {
            self.add(Direction::Narrowed, "default privileges", format!("no more {line}"));
        }
    }
}

/// Columns by right: `select public.notes`, `execute public.f(integer)`, …; `None` where it has no columns.
type RightsByName = BTreeMap<String, Option<BTreeSet<String>>>;

fn rights_in(schema: &Schema, role: &str, schemas: &[String]) -> RightsByName {
    let rights = Rights::of(schema, role);
    let mut found = RightsByName::new();
    let holds = |grants: &[Grant], privilege: Privilege| {
        grants
            .iter()
            .any(|grant| grant.privilege == privilege && grant.columns.is_none() && rights.holds(&grant.grantee))
    };
    for (name, namespace) in &schema.namespaces {
        if holds(&namespace.grants, Privilege::Usage) {
            found.insert(format!("use schema {name}"), None);
        }
    }
    for relation in schema.relations.values().filter(|relation| schemas.contains(&relation.schema)) {
        let all = || relation.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        for (privilege, verb) in VERBS {
            if let Some(columns) = rights.columns(relation, privilege) {
                let columns = if privilege == Privilege::Delete { None } else { Some(columns.unwrap_or_else(all)) };
                let right = format!("{verb} {}.{}", relation.schema, relation.name);
                found.insert(right, columns.map(|names| names.into_iter().collect()));
            }
        }
    }
    for relation in schema.relations.values().filter(|relation| schemas.contains(&relation.schema)) {
        for (privilege, verb) in VERBS {
            let may = |grant: &Grant| grant.grantable && grant.privilege == privilege && rights.holds(&grant.grantee);
            if relation.grants.iter().any(may) {
                found.insert(format!("grant-others {verb} on {}.{}", relation.schema, relation.name), None);
            }
        }
    }
    for ((of, name), sequence) in &schema.sequences {
        if holds(&sequence.grants, Privilege::Usage) || holds(&sequence.grants, Privilege::Update) {
            found.insert(format!("use sequence {of}.{name}"), None);
        }
    }
    for function in schema.functions.iter().filter(|function| holds(&function.grants, Privilege::Execute)) {
        found.insert(format!("execute {}.{}", function.schema, function.signature()), None);
    }
    found
}

/// What exists, by the names that rights give it.
fn names_in(schema: &Schema) -> BTreeSet<String> {
    let relations = schema.relations.values().map(|relation| format!("{}.{}", relation.schema, relation.name));
    let functions = schema.functions.iter().map(|function| format!("{}.{}", function.schema, function.signature()));
    let sequences = schema.sequences.keys().map(|(of, name)| format!("sequence {of}.{name}"));
    let schemas = schema.namespaces.keys().map(|name| format!("schema {name}"));
    relations.chain(functions).chain(sequences).chain(schemas).collect()
}

enum Gain {
    Nothing,
    Everything,
    Columns(String),
}

/// What `new` has that `old` has not; the inner `None` is a right without columns.
fn gained(old: Option<&Option<BTreeSet<String>>>, new: Option<&Option<BTreeSet<String>>>) -> Gain {
    match (old, new) {
        (_, None) | (Some(None), Some(_)) | (Some(Some(_)), Some(None)) => Gain::Nothing,
        (None, Some(_)) => Gain::Everything,
        (Some(Some(old)), Some(Some(new))) => {
            let more: Vec<_> = new.difference(old).map(String::as_str).collect();
            if more.is_empty() { Gain::Nothing } else { Gain::Columns(more.join(", ")) }
        }
    }
}

fn by_name(policies: &[Policy]) -> BTreeMap<&str, &Policy> {
    policies.iter().map(|policy| (policy.name.as_str(), policy)).collect()
}

fn same(old: &Policy, new: &Policy) -> bool {
    old == new
}

/// Which way a changed policy moved, as far as its text shows.
fn changed(old: &Policy, new: &Policy) -> Direction {
    let parts = [
        (old.permissive != new.permissive).then_some(if new.permissive {
            Direction::Widened
        } else {
            Direction::Narrowed
        }),
        roles_moved(old, new),
        command_moved(old, new),
        condition_moved(old.using_text.as_deref(), new.using_text.as_deref()),
        condition_moved(check_of(old), check_of(new)),
    ];
    let moved: Vec<Direction> = parts.into_iter().flatten().collect();
    // The same text with another meaning: a function that it calls has changed.
    if moved.is_empty() || moved.contains(&Direction::Widened) { Direction::Widened } else { Direction::Narrowed }
}

fn check_of(policy: &Policy) -> Option<&str> {
    policy.with_check_text.as_deref().or(policy.using_text.as_deref())
}

fn roles_moved(old: &Policy, new: &Policy) -> Option<Direction> {
    let covers = |all: &Policy, some: &Policy| {
        all.roles.contains(&Grantee::Public) || some.roles.iter().all(|role| all.roles.contains(role))
    };
    moved((covers(old, new), covers(new, old)), new.permissive)
}

fn command_moved(old: &Policy, new: &Policy) -> Option<Direction> {
    let covers = |all: &Policy, some: &Policy| all.command == PolicyCommand::All || all.command == some.command;
    moved((covers(old, new), covers(new, old)), new.permissive)
}

/// From whether the old covers the new, and the new the old. What a restrictive policy covers more, it narrows.
fn moved((shrank, grew): (bool, bool), permissive: bool) -> Option<Direction> {
    match (shrank, grew) {
        (true, true) => None,
        (true, false) if permissive => Some(Direction::Narrowed),
        (false, true) if !permissive => Some(Direction::Narrowed),
        (true | false, _) => Some(Direction::Widened),
    }
}

/// `None`: the same text.
fn condition_moved(old: Option<&str>, new: Option<&str>) -> Option<Direction> {
    if old == new {
        return None;
    }
    let (Some(old), Some(new)) = (old, new) else { return Some(Direction::Widened) };
    let within = |inner: &[String], outer: &[String]| inner.iter().all(|operand| outer.contains(operand));
    let more_conjuncts = within(&operands(old, Junction::And), &operands(new, Junction::And));
    let fewer_disjuncts = within(&operands(new, Junction::Or), &operands(old, Junction::Or));
    let narrowed = more_conjuncts || fewer_disjuncts || new == "false";
    Some(if narrowed { Direction::Narrowed } else { Direction::Widened })
}

fn grantee_name(grantee: &Grantee) -> &str {
    match grantee {
        Grantee::Public => "public",
        Grantee::Role(name) => name,
    }
}

/// The policy as it would be written, on one line.
pub(super) fn show(policy: &Policy) -> String {
    let kind = if policy.permissive { "permissive" } else { "restrictive" };
    let command = match policy.command {
        PolicyCommand::All => "all",
        PolicyCommand::Select => "select",
        PolicyCommand::Insert => "insert",
        PolicyCommand::Update => "update",
        PolicyCommand::Delete => "delete",
    };
    let roles: Vec<_> = policy.roles.iter().map(grantee_name).collect();
    let mut text = format!("\"{}\" as {kind} for {command} to {}", policy.name, roles.join(", "));
    for (word, condition) in [("using", &policy.using_text), ("with check", &policy.with_check_text)] {
        if let Some(condition) = condition {
            let words: Vec<_> = condition.split_whitespace().collect();
            text.push_str(&format!(" {word} ({})", words.join(" ")));
        }
    }
    text
}
