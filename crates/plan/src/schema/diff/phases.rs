//! The phases of a migration, in the order in which they are carried out.

#![expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::read_sql::OWNER;
use super::super::{Column, DefaultValue, Function, Policy, PolicyCommand, RelationId, Schema};
use super::facts::{Fact, Name, Right, full, function_name, grantee, quote, reads, type_text};
use super::sources::{Made, alter, alter_column, name_of};
use super::{Diff, Written};
use crate::engine::SqlError;

type Done = Result<(), SqlError>;
/// The names of its table and of itself, and how it was written.
type Trigger = ((String, String), String);

impl Diff {
    /// A rename is never guessed, for a wrong guess would mix up data.
    pub(super) fn hint_renames(&mut self) {
        let (extra, missing) = (self.extra(), self.missing());
        let columns = |schema: &Schema, name: &Name| {
            let relation = schema.find(&name.0, &name.1);
            relation.map(|found| found.columns.iter().map(|column| column.name.clone()).collect::<BTreeSet<_>>())
        };
        for (old, new) in extra.iter().flat_map(|old| missing.iter().map(move |new| (old, new))) {
            let hint = match (old, new) {
                (Fact::Table(old), Fact::Table(new)) if columns(&self.now, old) == columns(&self.wanted, new) => {
                    format!("{} rename to {}", alter(old), quote(&new.1))
                }
                (Fact::Column(table, old), Fact::Column(same, new)) if table == same => {
                    let ty = |schema: &Schema, name: &str| {
                        schema
                            .find(&table.0, &table.1)
                            .and_then(|found| found.column(name).map(|column| type_text(&column.ty)))
                    };
                    if ty(&self.now, old) != ty(&self.wanted, new) {
                        continue;
                    }
                    format!("{} rename column {} to {}", alter(table), quote(old), quote(new))
                }
                _ => continue,
            };
            self.written.push(Written::Note(format!("if it was renamed, write this instead: {hint};")));
        }
    }

    /// Takes away what stands in the way of changes: policies, views, constraints and indexes that differ.
    pub(super) fn clear_the_way(&mut self) -> Done {
        let going: Vec<Fact> = self.extra().into_iter().chain(self.changed()).collect();
        for fact in &going {
            if let Fact::Policy(table, name) = fact
                && self.stays(table)
            {
                self.write(format!("drop policy {} on {}", quote(name), full(table)))?;
            }
        }
        self.drop_views(&going)?;
        // Foreign keys go before the keys that they refer to.
        for fact in going.iter().rev() {
            match fact {
                Fact::ForeignKey(table, name) | Fact::Check(table, name) | Fact::Key(table, name)
                    if self.stays(table) =>
                {
                    self.write(format!("{} drop constraint {}", alter(table), quote(name)))?;
                }
                Fact::Index(table, name) if self.stays(table) => {
                    self.write(format!("drop index {}", full(&(table.0.clone(), name.clone()))))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn stays(&self, table: &Name) -> bool {
        self.wanted.find(&table.0, &table.1).is_some()
    }

    /// Views that change, or that read what changes; they are made again as they are declared.
    fn drop_views(&mut self, going: &[Fact]) -> Done {
        let mut touched: BTreeSet<RelationId> = going
            .iter()
            .filter_map(|fact| match fact {
                Fact::View(name) | Fact::Column(name, _) => self.now.find(&name.0, &name.1).map(|found| found.id),
                _ => None,
            })
            .collect();
        let views: Vec<_> = self.now.relations.values().filter(|relation| relation.is_view()).cloned().collect();
        loop {
            let before = touched.len();
            for view in &views {
                if view.definition.as_deref().is_some_and(|select| reads(select).iter().any(|id| touched.contains(id)))
                {
                    touched.insert(view.id);
                }
            }
            if touched.len() == before {
                break;
            }
        }
        for view in views.iter().rev().filter(|view| touched.contains(&view.id)) {
            let statement = format!("drop view {}", full(&name_of(view)));
            if self.stays(&name_of(view)) { self.write(statement)? } else { self.destroy(statement)? }
        }
        // What is computed from a column keeps it from changing.
        for fact in going {
            let Fact::Column(table, name) = fact else { continue };
            let column = self.now.find(&table.0, &table.1).and_then(|found| found.column(name));
            if column.is_some_and(Column::is_generated) && self.stays(table) && !self.wanted_facts.contains_key(fact) {
                self.destroy(format!("{} drop column {}", alter(table), quote(name)))?;
            }
        }
        Ok(())
    }

    pub(super) fn roles_and_schemas(&mut self) -> Done {
        let text = |diff: &Self, fact: &Fact| diff.wanted_facts.get(fact).cloned().unwrap_or_default();
        for fact in self.changed() {
            if let Fact::Role(name) = &fact {
                self.write(format!("alter role {} {}", quote(name), text(self, &fact)))?;
            }
        }
        for fact in self.missing() {
            match &fact {
                Fact::Role(name) => self.write(format!("create role {} {}", quote(name), text(self, &fact)))?,
                Fact::Member { role, parent } => self.write(format!("grant {} to {}", quote(parent), quote(role)))?,
                Fact::Schema(name) => self.write(format!("create schema {}", quote(name)))?,
                _ => {}
            }
        }
        for fact in self.extra() {
            if let Fact::Member { role, parent } = fact {
                self.write(format!("revoke {} from {}", quote(&parent), quote(&role)))?;
            }
        }
        Ok(())
    }

    /// What is new or changed, in the order in which it is declared.
    pub(super) fn declare(&mut self) -> Done {
        for (made, text) in self.sources.statements.clone() {
            let fact = match &made {
                Made::Enum(name) => Fact::Enum(name.clone()),
                Made::Domain(name) => Fact::Domain(name.clone()),
                Made::Sequence(name) => Fact::Sequence(name.clone()),
                Made::Table(name) => Fact::Table(name.clone()),
                Made::View(name) => Fact::View(name.clone()),
                Made::Function(name) => Fact::Function(name.clone()),
                Made::Index(table, name) => Fact::Index(table.clone(), name.clone()),
            };
            let Some(wanted) = self.wanted_facts.get(&fact).cloned() else { continue };
            let now = self.now_facts().remove(&fact);
            match (&made, now) {
                (_, None) => self.write(text)?,
                (Made::Function(name), Some(now)) if now != wanted => self.replace_function(name, text)?,
                (Made::Enum(name), Some(now)) if now != wanted => self.add_labels(name)?,
                (Made::Table(name), Some(_)) => self.alter_table(name)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A function whose header changes is made anew, as `create or replace` only changes bodies; its grants and comment
    /// come again in their phases. Where something uses it, people have to see to that first.
    fn replace_function(&mut self, name: &Name, text: String) -> Done {
        let now = self.now.functions.iter().find(|function| is_named(function, name)).cloned();
        let wanted = self.wanted.functions.iter().find(|function| is_named(function, name));
        let (Some(now), Some(wanted)) = (now, wanted) else { return self.write(text) };
        if header(&self.now, &now) == header(&self.wanted, wanted) {
            return self.write(text);
        }
        let (schema, written) = (Arc::clone(&self.now), self.written.len());
        let made = self.write(format!("drop {}", function_name(&now))).and_then(|()| self.write(text));
        if made.is_err() {
            self.now = schema;
            self.written.truncate(written);
        }
        // What could not be written is told at the end.
        Ok(())
    }

    fn add_labels(&mut self, name: &Name) -> Done {
        let Some(wanted) = self.wanted.enums.get(name).map(|made| made.labels.clone()) else { return Ok(()) };
        let text = |label: &str| format!("'{}'", label.replace('\'', "''"));
        for (at, label) in wanted.iter().enumerate() {
            let known = |label: &String| self.now.enums.get(name).is_some_and(|now| now.labels.contains(label));
            if known(label) {
                continue;
            }
            let next = wanted[at + 1..].iter().find(|next| known(next));
            let place = match at.checked_sub(1) {
                Some(before) => format!(" after {}", text(&wanted[before])),
                None => next.map_or_else(String::new, |next| format!(" before {}", text(next))),
            };
            self.write(format!("alter type {} add value {}{place}", full(name), text(label)))?;
        }
        Ok(())
    }

    fn alter_table(&mut self, name: &Name) -> Done {
        let Some(wanted) = self.wanted.find(&name.0, &name.1).cloned() else { return Ok(()) };
        for column in &wanted.columns {
            let now = self.now.find(&name.0, &name.1).and_then(|now| now.column(&column.name)).cloned();
            let Some(now) = now else {
                let text = self.sources.columns.get(&(name.clone(), column.name.clone())).cloned();
                if let Some(text) = text {
                    self.write(format!("{} add column {text}", alter(name)))?;
                }
                continue;
            };
            self.alter_column(name, &now, column)?;
        }
        Ok(())
    }

    fn alter_column(&mut self, table: &Name, now: &Column, wanted: &Column) -> Done {
        let start = alter_column(table, &wanted.name);
        let default = Fact::Default(table.clone(), wanted.name.clone());
        let changes = self.now_facts().get(&default) != self.wanted_facts.get(&default);
        let ty = type_text(&wanted.ty);
        let retyped = type_text(&now.ty) != ty;
        if changes || retyped {
            match &now.default {
                Some(DefaultValue::Expr(_) | DefaultValue::Sequence { .. } | DefaultValue::Engine(_)) => {
                    self.write(format!("{start} drop default"))?;
                }
                Some(DefaultValue::Identity { .. }) if changes => self.write(format!("{start} drop identity"))?,
                Some(DefaultValue::Generated(_)) if changes => self.write(format!("{start} drop expression"))?,
                Some(DefaultValue::Identity { .. } | DefaultValue::Generated(_)) | None => {}
            }
        }
        if retyped {
            self.write(format!("{start} type {ty} using {}::{ty}", quote(&wanted.name)))?;
        }
        match (now.not_null, wanted.not_null) {
            (false, true) => self.write(format!("{start} set not null"))?,
            (true, false) => self.write(format!("{start} drop not null"))?,
            (true, true) | (false, false) => {}
        }
        if !changes && !retyped {
            return Ok(());
        }
        let text = self.sources.defaults.get(&(table.clone(), wanted.name.clone())).cloned();
        match (&wanted.default, text) {
            (Some(DefaultValue::Expr(_) | DefaultValue::Sequence { .. }), Some(text)) => {
                self.write(format!("{start} set default {text}"))
            }
            (Some(DefaultValue::Identity { always, start: first, increment }), _) if changes => {
                let when = if *always { "always" } else { "by default" };
                self.write(format!(
                    "{start} add generated {when} as identity (start with {first} increment by {increment})"
                ))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn constraints(&mut self) -> Done {
        for fact in self.missing() {
            let text = self.wanted_facts.get(&fact).cloned().unwrap_or_default();
            match &fact {
                Fact::Key(table, name) | Fact::ForeignKey(table, name) => {
                    self.write(format!("{} add constraint {} {text}", alter(table), quote(name)))?;
                }
                Fact::Check(table, name) => {
                    let text = self.sources.checks.get(&(table.clone(), name.clone())).cloned();
                    if let Some(text) = text {
                        self.write(format!("{} add constraint {} check ({text})", alter(table), quote(name)))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes away triggers that go or change, and those that stand in the way of a column's change. Gives those that stay;
    /// they are compared as they were written.
    pub(super) fn drop_triggers(&mut self, before: &[Trigger]) -> Result<Vec<Trigger>, SqlError> {
        let mut kept = Vec::new();
        for trigger in before {
            let (key, _) = trigger;
            let stays = self.now.relations.values().any(|table| table.name == key.0 && self.stays(&name_of(table)));
            if stays && (!self.sources.triggers.contains(trigger) || self.is_retyped(&key.0)) {
                self.write(format!("drop trigger {} on {}", quote(&key.1), quote(&key.0)))?;
            } else {
                kept.push(trigger.clone());
            }
        }
        Ok(kept)
    }

    fn is_retyped(&self, table: &str) -> bool {
        let tables = self.now.relations.values().filter(|found| found.name == table);
        let mut columns = tables.flat_map(|found| found.columns.iter().map(move |column| (name_of(found), column)));
        columns.any(|(table, now)| {
            let wanted = self.wanted.find(&table.0, &table.1).and_then(|found| found.column(&now.name));
            wanted.is_some_and(|wanted| type_text(&wanted.ty) != type_text(&now.ty))
        })
    }

    pub(super) fn triggers(&mut self, kept: &[Trigger]) -> Done {
        for trigger in self.sources.triggers.clone() {
            if !kept.contains(&trigger) {
                self.write(trigger.1)?;
            }
        }
        Ok(())
    }

    /// What is not declared: first what depends on others.
    pub(super) fn drops(&mut self) -> Done {
        let mut going = self.extra();
        let id = |name: &Name| self.now.find(&name.0, &name.1).map_or(0, |found| found.id.0);
        let rank = |fact: &Fact| match fact {
            Fact::View(name) => (0, u32::MAX - id(name)),
            Fact::Column(..) => (1, 0),
            Fact::Table(name) => (2, u32::MAX - id(name)),
            Fact::Function(_) => (3, 0),
            Fact::Sequence(_) => (4, 0),
            Fact::Domain(_) => (5, 0),
            Fact::Enum(_) => (6, 0),
            _ => (7, 0),
        };
        going.sort_by_key(rank);
        for fact in going {
            match &fact {
                Fact::View(name) => self.destroy(format!("drop view {}", full(name)))?,
                Fact::Column(table, name) if self.stays(table) => {
                    self.destroy(format!("{} drop column {}", alter(table), quote(name)))?;
                }
                Fact::Table(name) => self.destroy(format!("drop table {}", full(name)))?,
                Fact::Function(name) => {
                    let functions = &self.now.functions;
                    let found = functions.iter().find(|function| is_named(function, name));
                    if let Some(text) = found.map(|function| format!("drop {}", function_name(function))) {
                        self.destroy(text)?;
                    }
                }
                Fact::Sequence(name) => self.destroy(format!("drop sequence {}", full(name)))?,
                Fact::Domain(name) => self.destroy(format!("drop domain {}", full(name)))?,
                Fact::Enum(name) => self.destroy(format!("drop type {}", full(name)))?,
                Fact::Schema(name) => self.destroy(format!("drop schema {}", quote(name)))?,
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn policies(&mut self) -> Done {
        for fact in self.changed() {
            let Fact::RowSecurity(table) = &fact else { continue };
            let found =
                |schema: &Schema| schema.find(&table.0, &table.1).map(|found| found.row_security).unwrap_or_default();
            let (now, wanted) = (found(&self.now), found(&self.wanted));
            if now.enabled != wanted.enabled {
                let word = if wanted.enabled { "enable" } else { "disable" };
                self.write(format!("{} {word} row level security", alter(table)))?;
            }
            if now.forced != wanted.forced {
                let word = if wanted.forced { "force" } else { "no force" };
                self.write(format!("{} {word} row level security", alter(table)))?;
            }
        }
        for fact in self.missing() {
            let Fact::Policy(table, name) = &fact else { continue };
            let policies = self.wanted.find(&table.0, &table.1).map(|found| found.policies.clone()).unwrap_or_default();
            if let Some(policy) = policies.iter().find(|policy| policy.name == *name) {
                self.write(policy_statement(table, policy))?;
            }
        }
        Ok(())
    }

    pub(super) fn owners_and_defaults(&mut self) -> Done {
        let changed = self.changed();
        for fact in self.missing().into_iter().chain(changed) {
            if let Fact::Owner(table) = &fact {
                let owner = self.wanted_facts.get(&fact).cloned().unwrap_or_default();
                self.write(format!("{} owner to {}", alter(table), quote(&owner)))?;
            }
        }
        for fact in self.extra() {
            match &fact {
                Fact::Owner(table) if self.stays(table) => self.write(format!("{} owner to {OWNER}", alter(table)))?,
                Fact::DefaultPrivilege { .. } => self.write(default_privilege(&fact, "revoke", "from"))?,
                _ => {}
            }
        }
        for fact in self.missing() {
            if matches!(fact, Fact::DefaultPrivilege { .. }) {
                self.write(default_privilege(&fact, "grant", "to"))?;
            }
        }
        Ok(())
    }

    pub(super) fn revokes(&mut self) -> Done {
        let objects = objects(&self.wanted);
        for fact in self.extra() {
            let Fact::Grant { object, right } = &fact else { continue };
            // Taking the whole takes the columns as well.
            if objects.contains(object) && self.now_facts().contains_key(&fact) {
                self.write(format!("revoke {} on {object} from {}", right.words(), right.grantee))?;
            }
        }
        Ok(())
    }

    pub(super) fn grants(&mut self) -> Done {
        for fact in self.missing() {
            let Fact::Grant { object, right } = &fact else { continue };
            let option = if right.grantable { " with grant option" } else { "" };
            self.write(format!("grant {} on {object} to {}{option}", right.words(), right.grantee))?;
        }
        Ok(())
    }

    pub(super) fn comments(&mut self) -> Done {
        let changed = self.changed();
        for fact in self.missing().into_iter().chain(changed) {
            if let Fact::Comment(object) = &fact {
                let text = self.wanted_facts.get(&fact).cloned().unwrap_or_default();
                self.write(format!("comment on {object} is '{}'", text.replace('\'', "''")))?;
            }
        }
        let objects = objects(&self.wanted);
        for fact in self.extra() {
            match fact {
                Fact::Comment(object) if objects.contains(&object) => {
                    self.write(format!("comment on {object} is null"))?;
                }
                Fact::Role(name) => self.destroy(format!("drop role {}", quote(&name)))?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_named(function: &Function, name: &Name) -> bool {
    (&function.schema, &function.signature()) == (&name.0, &name.1)
}

/// What `create or replace` leaves as it is.
#[derive(PartialEq)]
struct Header {
    /// Names of arguments, and which have defaults.
    args: Vec<(Option<String>, bool)>,
    returns: String,
    columns: Vec<(String, String)>,
}

fn header(schema: &Schema, function: &Function) -> Header {
    let args = function.args.iter().map(|arg| (arg.name.clone(), arg.default.is_some())).collect();
    let set = if function.returns_set { "setof " } else { "" };
    let columns = schema.rows.get(&function.row).map(|row| &*row.columns).unwrap_or_default();
    let columns = columns.iter().map(|column| (column.name.clone(), type_text(&column.ty))).collect();
    Header { args, returns: format!("{set}{}", type_text(&function.returns)), columns }
}

fn policy_statement(table: &Name, policy: &Policy) -> String {
    let kind = if policy.permissive { "" } else { " as restrictive" };
    let command = match policy.command {
        PolicyCommand::All => "",
        PolicyCommand::Select => " for select",
        PolicyCommand::Insert => " for insert",
        PolicyCommand::Update => " for update",
        PolicyCommand::Delete => " for delete",
    };
    let roles: Vec<_> = policy.roles.iter().map(grantee).collect();
    let mut text =
        format!("create policy {} on {}{kind}{command} to {}", quote(&policy.name), full(table), roles.join(", "));
    for (word, condition) in [("using", &policy.using_text), ("with check", &policy.with_check_text)] {
        if let Some(condition) = condition {
            text.push_str(&format!(" {word} ({condition})"));
        }
    }
    text
}

fn default_privilege(fact: &Fact, verb: &str, word: &str) -> String {
    let Fact::DefaultPrivilege { owner, schema, object, right } = fact else { return String::new() };
    let owner = if owner == OWNER { String::new() } else { format!(" for role {}", quote(owner)) };
    let place = schema.as_ref().map_or_else(String::new, |schema| format!(" in schema {}", quote(schema)));
    let option = if right.grantable && verb == "grant" { " with grant option" } else { "" };
    let Right { grantee, privilege, .. } = right;
    format!("alter default privileges{owner}{place} {verb} {privilege} on {object} {word} {grantee}{option}")
}

/// The names that grants and comments give to what exists.
fn objects(schema: &Schema) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for relation in schema.relations.values() {
        let name = full(&name_of(relation));
        names.extend([format!("table {name}"), format!("view {name}")]);
        names.extend(relation.columns.iter().map(|column| format!("column {name}.{}", quote(&column.name))));
        let index = |index: &super::super::Index| full(&(relation.schema.clone(), index.name.clone()));
        names.extend(relation.indexes.iter().map(|found| format!("index {}", index(found))));
    }
    names.extend(schema.namespaces.keys().map(|name| format!("schema {}", quote(name))));
    names.extend(schema.roles.keys().map(|name| format!("role {}", quote(name))));
    names.extend(schema.sequences.keys().map(|key| format!("sequence {}", full(key))));
    names.extend(schema.functions.iter().map(|function| function_name(function)));
    names
}
