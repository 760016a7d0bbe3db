//! `drop` of anything, with what depends on it.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, DropBehavior, Node, ObjectType, RangeVar};

use super::Fold;
use super::comments::range_of;
use super::dependents::{Uses, columns_of};
use super::fault::Fault;
use super::names::{constraint_names, dotted, list, shown, string};
use super::statement::object_word;
use super::types::no_type;
use crate::schema::{ColumnId, DefaultValue, ForeignKey, Relation, RelationId, RelationKind};
use crate::value::Type;

type Key = (String, String);

/// Something that can be dropped, or that stands in the way of a drop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    Relation(RelationId),
    Column(RelationId, ColumnId),
    Constraint(RelationId, String),
    Policy(RelationId, String),
    Index(RelationId, String),
    Trigger(RelationId, String),
    Default(RelationId, ColumnId),
    Sequence(Key),
    Enum(Key),
    Domain(Key),
    /// A function by its schema and signature.
    Function(Key),
    Schema(String),
}

impl Fold<'_> {
    pub(super) fn drop_objects(&mut self, stmt: &pb::DropStmt) -> Result<(), Fault> {
        let mut objects = Vec::new();
        for node in &stmt.objects {
            match self.named_object(stmt, node) {
                Ok(Some(object)) => objects.push(object),
                Ok(None) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.drop_all(&objects, stmt.behavior() == DropBehavior::DropCascade)
    }

    /// What a `drop` names; `None` where it need not exist and does not.
    fn named_object(&self, stmt: &pb::DropStmt, node: &Node) -> Result<Option<Object>, Fault> {
        let kind = stmt.remove_type();
        let found = match kind {
            ObjectType::ObjectTable | ObjectType::ObjectView => {
                self.relation_to_drop(kind, &range_of(list(Some(node))))?
            }
            ObjectType::ObjectSequence => self.find_sequence(&range_of(list(Some(node)))).map(Object::Sequence),
            ObjectType::ObjectIndex => self.index_to_drop(stmt, &range_of(list(Some(node))))?,
            ObjectType::ObjectType | ObjectType::ObjectDomain => {
                let wanted = type_to_drop(node);
                let domain = self.find_domain(wanted).map(Object::Domain);
                return match self.find_enum(wanted).map(Object::Enum).or(domain) {
                    None if !stmt.missing_ok => Err(no_type(wanted)),
                    found => Ok(found),
                };
            }
            ObjectType::ObjectSchema => {
                let name = string(node).unwrap_or_default();
                return match self.known_schema(name) {
                    Ok(()) => Ok(Some(Object::Schema(name.to_owned()))),
                    Err(_) if stmt.missing_ok => Ok(None),
                    Err(fault) => Err(fault),
                };
            }
            ObjectType::ObjectFunction | ObjectType::ObjectRoutine => return self.function_to_drop(stmt, node),
            ObjectType::ObjectPolicy => return self.policy_to_drop(stmt, node),
            ObjectType::ObjectTrigger => return self.drop_trigger(stmt, node),
            ObjectType::ObjectExtension => return Ok(None),
            ObjectType::ObjectProcedure | ObjectType::ObjectMatview if stmt.missing_ok => {
                return Ok(None);
            }
            _ => {
                let what = format!("`drop {}`", object_word(kind));
                return Err(Fault::only_postgres(what, "leave it out where this database is not PostgreSQL"));
            }
        };
        if found.is_none() && !stmt.missing_ok {
            let range = range_of(list(Some(node)));
            let sqlstate = if kind == ObjectType::ObjectIndex { "42704" } else { "42P01" };
            let message = format!("{} \"{}\" does not exist", object_word(kind), shown(&range));
            return Err(Fault::new(sqlstate, message).name(&range.relname));
        }
        Ok(found)
    }

    fn relation_to_drop(&self, kind: ObjectType, range: &RangeVar) -> Result<Option<Object>, Fault> {
        let Some(relation) = self.find_relation(range) else { return Ok(None) };
        let is_view = relation.kind == RelationKind::View;
        if is_view == (kind == ObjectType::ObjectView) {
            return Ok(Some(Object::Relation(relation.id)));
        }
        let word = object_word(kind);
        let help = if is_view { "Use DROP VIEW to remove a view." } else { "Use DROP TABLE to remove a table." };
        Err(Fault::new("42809", format!("\"{}\" is not a {word}", relation.name)).name(&relation.name).help(help))
    }

    fn index_to_drop(&self, stmt: &pb::DropStmt, range: &RangeVar) -> Result<Option<Object>, Fault> {
        if stmt.concurrent {
            return Err(Fault::new("25001", "DROP INDEX CONCURRENTLY cannot run inside a transaction block")
                .name("concurrently")
                .help("leave `concurrently` out"));
        }
        let Ok((id, name)) = self.index(range) else { return Ok(None) };
        let relation = self.schema.relation(id);
        if relation.keys().any(|key| key.name == name) {
            let table = self.display(&relation.schema, &relation.name);
            let message = format!("cannot drop index {name} because constraint {name} on table {table} requires it");
            let help = format!("You can drop constraint {name} on table {table} instead.");
            return Err(Fault::new("2BP01", message).name(&name).help(help));
        }
        Ok(Some(Object::Index(id, name)))
    }

    fn function_to_drop(&self, stmt: &pb::DropStmt, node: &Node) -> Result<Option<Object>, Fault> {
        let Some(NodeEnum::ObjectWithArgs(wanted)) = node.node.as_ref() else { return Ok(None) };
        match self.function(wanted) {
            Ok(index) => {
                let function = &self.schema.functions[index];
                Ok(Some(Object::Function((function.schema.clone(), function.signature()))))
            }
            Err(_) if stmt.missing_ok => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn policy_to_drop(&self, stmt: &pb::DropStmt, node: &Node) -> Result<Option<Object>, Fault> {
        let Some((policy, table)) = list(Some(node)).split_last() else { return Ok(None) };
        let name = string(policy).unwrap_or_default();
        let range = range_of(table);
        if stmt.missing_ok && self.find_relation(&range).is_none() {
            return Ok(None);
        }
        let relation = self.relation(&range).map_err(|fault| fault.or_name(&range.relname))?;
        if relation.policies.iter().any(|policy| policy.name == name) {
            return Ok(Some(Object::Policy(relation.id, name.to_owned())));
        }
        if stmt.missing_ok { Ok(None) } else { Err(super::policies::no_policy(&relation, name)) }
    }

    /// Drops the objects and, with `cascade`, what depends on them; without, nothing may.
    pub(super) fn drop_all(&mut self, roots: &[Object], cascade: bool) -> Result<(), Fault> {
        for root in roots {
            self.refuse_needed(root)?;
        }
        let mut doomed = roots.to_vec();
        let mut details = Vec::new();
        let mut next = 0;
        while next < doomed.len() {
            for (dependent, on) in self.dependents(&doomed[next]) {
                if doomed.contains(&dependent) || self.goes_along(&dependent, &doomed) {
                    continue;
                }
                details.push(format!("{} depends on {on}", self.describe(&dependent)));
                doomed.push(dependent);
            }
            next += 1;
        }
        if !cascade && !details.is_empty() {
            let what = match roots {
                [only] => self.describe(only),
                _ => "desired object(s)".to_owned(),
            };
            let message = format!(
                "cannot drop {what} because other objects depend on {}",
                if roots.len() == 1 { "it" } else { "them" }
            );
            details.push("Use DROP ... CASCADE to drop the dependent objects too.".to_owned());
            let fault = Fault::new("2BP01", message).help(details.join("\n"));
            return Err(match roots.first() {
                Some(root) => fault.name(&self.plain_name(root)),
                None => fault,
            });
        }
        for object in &doomed {
            self.remove(object);
        }
        Ok(())
    }

    /// An identity's sequence goes only with its column.
    fn refuse_needed(&self, object: &Object) -> Result<(), Fault> {
        let Object::Sequence(key) = object else { return Ok(()) };
        let owner = self.schema.sequences.get(key).and_then(|sequence| sequence.owner);
        let Some((relation, column)) = owner.and_then(|(id, column)| Some((self.schema.relations.get(&id)?, column)))
        else {
            return Ok(());
        };
        let Some(column) = relation.columns.iter().find(|found| found.id == column) else { return Ok(()) };
        if !matches!(column.default, Some(DefaultValue::Identity { .. })) {
            return Ok(());
        }
        let place = format!("column {} of table {}", column.name, self.display(&relation.schema, &relation.name));
        let message = format!("cannot drop sequence {} because {place} requires it", self.display(&key.0, &key.1));
        Err(Fault::new("2BP01", message).name(&key.1).help(format!("You can drop {place} instead.")))
    }

    /// Whether the object is part of something that is dropped anyway.
    fn goes_along(&self, object: &Object, doomed: &[Object]) -> bool {
        let (id, columns) = match object {
            Object::Column(id, column) | Object::Default(id, column) => (*id, vec![*column]),
            Object::Constraint(id, name) => (*id, self.constraint_columns(*id, name)),
            Object::Policy(id, _) | Object::Index(id, _) | Object::Trigger(id, _) => (*id, Vec::new()),
            Object::Relation(_)
            | Object::Sequence(_)
            | Object::Enum(_)
            | Object::Domain(_)
            | Object::Function(_)
            | Object::Schema(_) => return false,
        };
        doomed.iter().any(|other| match other {
            Object::Relation(relation) => *relation == id,
            Object::Column(relation, column) => *relation == id && columns.contains(column),
            Object::Constraint(..)
            | Object::Policy(..)
            | Object::Index(..)
            | Object::Trigger(..)
            | Object::Default(..)
            | Object::Sequence(_)
            | Object::Enum(_)
            | Object::Domain(_)
            | Object::Function(_)
            | Object::Schema(_) => false,
        })
    }

    fn constraint_columns(&self, id: RelationId, name: &str) -> Vec<ColumnId> {
        let relation = self.schema.relation(id);
        relation.foreign_keys.iter().find(|key| key.name == name).map(|key| key.columns.clone()).unwrap_or_default()
    }

    /// What needs the object, each with what exactly it needs.
    fn dependents(&self, object: &Object) -> Vec<(Object, String)> {
        let on = self.describe(object);
        let found = match object {
            Object::Relation(id) => self.dependents_of_relation(*id),
            Object::Column(id, column) => self.dependents_of_column(*id, *column),
            Object::Constraint(id, name) | Object::Index(id, name) => {
                let index = format!("index {name}");
                return self.keys_that_need(*id, name).into_iter().map(|found| (found, index.clone())).collect();
            }
            Object::Sequence(key) => self.defaults_from(key),
            Object::Enum(key) | Object::Domain(key) => self.dependents_of_type(key),
            Object::Function(key) => self.dependents_of_function(key),
            Object::Schema(name) => self.contents(name),
            Object::Policy(..) | Object::Default(..) | Object::Trigger(..) => Vec::new(),
        };
        found.into_iter().map(|found| (found, on.clone())).collect()
    }

    fn dependents_of_relation(&self, id: RelationId) -> Vec<Object> {
        let mut found = Vec::new();
        for other in self.schema.relations.values().filter(|other| other.id != id) {
            if other.definition.as_ref().is_some_and(|select| Uses::of_select(select).relations.contains(&id)) {
                found.push(Object::Relation(other.id));
            }
            found.extend(foreign_keys_to(other, |key| key.target == id));
            found.extend(policies_with(other, |uses| uses.relations.contains(&id)));
        }
        let owned =
            self.schema.sequences.iter().filter(|(_, sequence)| sequence.owner.is_some_and(|(owner, _)| owner == id));
        found.extend(owned.flat_map(|(key, _)| self.defaults_from(key)));
        let has_row = |function: &&Arc<crate::schema::Function>| {
            function.row == id || function.args.iter().any(|arg| self.schema.relation(id).is_row_type(&arg.ty))
        };
        let functions = self.schema.functions.iter().filter(has_row);
        found.extend(functions.map(|function| Object::Function((function.schema.clone(), function.signature()))));
        found
    }

    fn dependents_of_column(&self, id: RelationId, column: ColumnId) -> Vec<Object> {
        let me = (id, column);
        let mut found = Vec::new();
        for other in self.schema.relations.values() {
            if other.definition.as_ref().is_some_and(|select| Uses::of_select(select).columns.contains(&me)) {
                found.push(Object::Relation(other.id));
            }
            found.extend(foreign_keys_to(other, |key| key.target == id && key.target_columns.contains(&column)));
            found.extend(policies_with(other, |uses| uses.columns.contains(&me)));
        }
        found.extend(self.triggers_with(id, column));
        let relation = self.schema.relation(id);
        for other in relation.columns.iter().filter(|other| other.id != column) {
            if let Some(DefaultValue::Generated(expr)) = &other.default
                && columns_of(expr).contains(&column)
            {
                found.push(Object::Column(id, other.id));
            }
        }
        found
    }

    /// Foreign keys that no other key of the table could serve.
    fn keys_that_need(&self, id: RelationId, name: &str) -> Vec<Object> {
        let relation = self.schema.relation(id);
        let same = |left: &[ColumnId], right: &[ColumnId]| {
            left.len() == right.len() && left.iter().all(|column| right.contains(column))
        };
        let index_columns = |index: &crate::schema::Index| -> Option<Vec<ColumnId>> {
            index.terms.iter().map(|term| super::indexes::plain_column(&term.expr)).collect()
        };
        let key = relation.keys().find(|key| key.name == name).map(|key| key.columns.clone());
        let unique =
            relation.indexes.iter().find(|index| index.name == name && index.unique && index.condition.is_none());
        let Some(columns) = key.or_else(|| unique.and_then(index_columns)) else { return Vec::new() };
        if relation.keys().any(|other| other.name != name && same(&other.columns, &columns)) {
            return Vec::new();
        }
        let needs = |key: &ForeignKey| key.target == id && same(&key.target_columns, &columns);
        self.schema.relations.values().flat_map(|other| foreign_keys_to(other, needs)).collect()
    }

    fn defaults_from(&self, key: &Key) -> Vec<Object> {
        let mut found = Vec::new();
        for relation in self.schema.relations.values() {
            for column in &relation.columns {
                if matches!(&column.default, Some(DefaultValue::Sequence { sequence }) if sequence == key) {
                    found.push(Object::Default(relation.id, column.id));
                }
            }
        }
        found
    }

    fn dependents_of_type(&self, key: &Key) -> Vec<Object> {
        let mut found = Vec::new();
        for relation in self.schema.relations.values() {
            for column in relation.columns.iter().filter(|column| has_type(&column.ty, key)) {
                found.push(if relation.is_view() {
                    Object::Relation(relation.id)
                } else {
                    Object::Column(relation.id, column.id)
                });
            }
        }
        for (name, domain) in &self.schema.domains {
            if name != key && has_type(&domain.base, key) {
                found.push(Object::Domain(name.clone()));
            }
        }
        for function in &self.schema.functions {
            if has_type(&function.returns, key) || function.args.iter().any(|arg| has_type(&arg.ty, key)) {
                found.push(Object::Function((function.schema.clone(), function.signature())));
            }
        }
        found.dedup();
        found
    }

    fn dependents_of_function(&self, key: &Key) -> Vec<Object> {
        // A function's text is read when it runs: it outlives what it calls.
        let callers = self.callers(key).into_iter().filter(|user| !matches!(user, Object::Function(_)));
        callers.chain(self.triggers_of(key)).collect()
    }

    /// What has the function's body in it.
    pub(super) fn callers(&self, key: &Key) -> Vec<Object> {
        let calls = self.schema.calls.iter().filter(|(function, _)| function == key);
        calls.map(|(_, user)| user.clone()).filter(|user| self.exists(user)).collect()
    }

    /// Whether the object, noted earlier, is still there.
    fn exists(&self, object: &Object) -> bool {
        let relation = |id: &RelationId| self.schema.relations.get(id);
        match object {
            Object::Relation(id) => relation(id).is_some(),
            Object::Column(id, column) => {
                relation(id).is_some_and(|found| found.columns.iter().any(|other| other.id == *column))
            }
            Object::Default(id, column) => relation(id)
                .is_some_and(|found| found.columns.iter().any(|other| other.id == *column && other.default.is_some())),
            Object::Constraint(id, name) => {
                relation(id).is_some_and(|found| constraint_names(found).any(|other| other == name))
            }
            Object::Policy(id, name) => {
                relation(id).is_some_and(|found| found.policies.iter().any(|other| other.name == *name))
            }
            Object::Index(id, name) => {
                relation(id).is_some_and(|found| found.indexes.iter().any(|other| other.name == *name))
            }
            Object::Trigger(id, name) => {
                relation(id).is_some_and(|found| found.triggers.iter().any(|other| other.name == *name))
            }
            Object::Sequence(key) => self.schema.sequences.contains_key(key),
            Object::Enum(key) => self.schema.enums.contains_key(key),
            Object::Domain(key) => self.schema.domains.contains_key(key),
            Object::Function(key) => self.schema.functions.iter().any(|function| is_function(function, key)),
            Object::Schema(name) => self.schema.namespaces.contains_key(name),
        }
    }

    /// Calls that were noted follow a thing that is known by its name.
    pub(super) fn rename_caller(&mut self, old: &Object, new: &Object) {
        if !self.schema.calls.iter().any(|(_, user)| user == old) {
            return;
        }
        let calls = std::mem::take(&mut self.schema_mut().calls);
        let renamed =
            calls.into_iter().map(|(function, user)| (function, if user == *old { new.clone() } else { user }));
        self.schema_mut().calls = renamed.collect();
    }

    fn contents(&self, schema: &str) -> Vec<Object> {
        let relations = self
            .schema
            .relations
            .values()
            .filter(|relation| relation.schema == schema)
            .map(|relation| Object::Relation(relation.id));
        let unowned =
            self.schema.sequences.iter().filter(|(key, sequence)| key.0 == schema && sequence.owner.is_none());
        let enums = self.schema.enums.keys().filter(|key| key.0 == schema).cloned().map(Object::Enum);
        let domains = self.schema.domains.keys().filter(|key| key.0 == schema).cloned().map(Object::Domain);
        let functions = self.schema.functions.iter().filter(|function| function.schema == schema);
        relations
            .chain(unowned.map(|(key, _)| Object::Sequence(key.clone())))
            .chain(enums)
            .chain(domains)
            .chain(functions.map(|function| Object::Function((function.schema.clone(), function.signature()))))
            .collect()
    }

    /// As PostgreSQL's messages name it.
    pub(super) fn describe(&self, object: &Object) -> String {
        let table = |id: &RelationId| {
            self.schema.relations.get(id).map_or_else(String::new, |relation| {
                let word = if relation.is_view() { "view" } else { "table" };
                format!("{word} {}", self.display(&relation.schema, &relation.name))
            })
        };
        let column = |id: &RelationId, column: &ColumnId| {
            let relation = self.schema.relation(*id);
            format!("column {} of {}", relation.column_by_id(*column).name, table(id))
        };
        match object {
            Object::Relation(id) => table(id),
            Object::Column(id, found) => column(id, found),
            Object::Default(id, found) => format!("default value for {}", column(id, found)),
            Object::Constraint(id, name) => format!("constraint {name} on {}", table(id)),
            Object::Policy(id, name) => format!("policy {name} on {}", table(id)),
            Object::Trigger(id, name) => format!("trigger {name} on {}", table(id)),
            Object::Index(id, name) => format!("index {}", self.display(&self.schema.relation(*id).schema, name)),
            Object::Sequence((schema, name)) => format!("sequence {}", self.display(schema, name)),
            Object::Enum((schema, name)) | Object::Domain((schema, name)) => {
                format!("type {}", self.display(schema, name))
            }
            Object::Function((schema, name)) => format!("function {}", self.display(schema, name)),
            Object::Schema(name) => format!("schema {name}"),
        }
    }

    fn plain_name(&self, object: &Object) -> String {
        match object {
            Object::Relation(id) => self.schema.relation(*id).name.clone(),
            Object::Column(id, column) | Object::Default(id, column) => {
                self.schema.relation(*id).column_by_id(*column).name.clone()
            }
            Object::Constraint(_, name)
            | Object::Policy(_, name)
            | Object::Index(_, name)
            | Object::Trigger(_, name)
            | Object::Schema(name)
            | Object::Sequence((_, name))
            | Object::Enum((_, name))
            | Object::Domain((_, name)) => name.clone(),
            Object::Function((_, name)) => name.split('(').next().unwrap_or_default().to_owned(),
        }
    }

    fn remove(&mut self, object: &Object) {
        match object {
            Object::Relation(id) => self.remove_relation(*id),
            Object::Column(id, column) => self.remove_column(*id, *column),
            Object::Constraint(id, name) => self.edit_if_there(*id, |relation| {
                relation.primary_key.take_if(|key| key.name == *name);
                relation.unique.retain(|key| key.name != *name);
                relation.foreign_keys.retain(|key| key.name != *name);
                relation.checks.retain(|check| check.name != *name);
            }),
            Object::Policy(id, name) => {
                self.edit_if_there(*id, |relation| relation.policies.retain(|policy| policy.name != *name))
            }
            Object::Index(id, name) => {
                self.edit_if_there(*id, |relation| relation.indexes.retain(|index| index.name != *name))
            }
            Object::Trigger(id, name) => {
                self.edit_if_there(*id, |relation| relation.triggers.retain(|trigger| trigger.name != *name))
            }
            Object::Default(id, column) => self.edit_if_there(*id, |relation| {
                for found in relation.columns.iter_mut().filter(|found| found.id == *column) {
                    found.default = None;
                }
            }),
            Object::Sequence(key) => {
                self.schema_mut().sequences.remove(key);
            }
            Object::Enum(key) => {
                self.schema_mut().enums.remove(key);
            }
            Object::Domain(key) => {
                self.schema_mut().domains.remove(key);
            }
            Object::Function(key) => self.schema_mut().functions.retain(|function| !is_function(function, key)),
            Object::Schema(name) => {
                let schema = self.schema_mut();
                schema.namespaces.remove(name);
                schema.default_privileges.retain(|default| default.schema.as_deref() != Some(name));
            }
        }
    }

    fn edit_if_there(&mut self, id: RelationId, change: impl FnOnce(&mut Relation)) {
        if self.schema.relations.contains_key(&id) {
            self.edit(id, change);
        }
    }

    fn remove_relation(&mut self, id: RelationId) {
        let schema = self.schema_mut();
        schema.remove(id);
        schema.functions.retain(|function| function.row != id);
        schema.sequences.retain(|_, sequence| sequence.owner.is_none_or(|(owner, _)| owner != id));
        for function in &mut schema.functions {
            // A function outlives what it reads, as in PostgreSQL, but has no meaning then.
            if function.body.as_ref().is_some_and(|body| Uses::of_select(body).relations.contains(&id)) {
                Arc::make_mut(function).body = None;
            }
        }
    }

    /// Keys, checks and indexes that have the column go with it.
    fn remove_column(&mut self, id: RelationId, column: ColumnId) {
        if !self.schema.relations.contains_key(&id) {
            return;
        }
        let schema = self.schema_mut();
        schema.sequences.retain(|_, sequence| sequence.owner != Some((id, column)));
        for function in &mut schema.functions {
            if function.body.as_ref().is_some_and(|body| Uses::of_select(body).columns.contains(&(id, column))) {
                Arc::make_mut(function).body = None;
            }
        }
        let highest = self.schema.relation(id).columns.iter().map(|found| found.id.0).max().unwrap_or(0);
        let next = self.next_columns.entry(id).or_insert(1);
        *next = (*next).max(highest.saturating_add(1));
        self.edit(id, |relation| {
            relation.columns.retain(|found| found.id != column);
            relation.primary_key.take_if(|key| key.columns.contains(&column));
            relation.unique.retain(|key| !key.columns.contains(&column));
            relation.foreign_keys.retain(|key| {
                !(key.columns.contains(&column) || key.target == id && key.target_columns.contains(&column))
            });
            relation.checks.retain(|check| !columns_of(&check.condition).contains(&column));
            relation.indexes.retain(|index| {
                !index
                    .terms
                    .iter()
                    .map(|term| &term.expr)
                    .chain(&index.condition)
                    .any(|expr| columns_of(expr).contains(&column))
            });
            for grant in &mut relation.grants {
                grant.columns.iter_mut().for_each(|columns| columns.retain(|found| *found != column));
            }
            relation.grants.retain(|grant| grant.columns.as_ref().is_none_or(|columns| !columns.is_empty()));
        });
    }
}

fn type_to_drop(node: &Node) -> (Option<&str>, &str) {
    match node.node.as_ref() {
        Some(NodeEnum::TypeName(name)) => dotted(&name.names),
        _ => dotted(list(Some(node))),
    }
}

fn is_function(function: &crate::schema::Function, key: &Key) -> bool {
    function.schema == key.0 && function.signature() == key.1
}

fn has_type(ty: &Type, key: &Key) -> bool {
    match ty {
        Type::Enum(found) => found.schema == key.0 && found.name == key.1,
        Type::Domain(found) => (found.schema == key.0 && found.name == key.1) || has_type(&found.base, key),
        Type::Array(item) => has_type(item, key),
        _ => false,
    }
}

fn foreign_keys_to(relation: &Relation, hits: impl Fn(&ForeignKey) -> bool) -> Vec<Object> {
    relation
        .foreign_keys
        .iter()
        .filter(|key| hits(key))
        .map(|key| Object::Constraint(relation.id, key.name.clone()))
        .collect()
}

fn policies_with(relation: &Relation, hits: impl Fn(&Uses) -> bool) -> Vec<Object> {
    let uses = |policy: &&crate::schema::Policy| {
        hits(&Uses::of_expr(policy.using.iter().chain(&policy.with_check), relation.id))
    };
    relation.policies.iter().filter(uses).map(|policy| Object::Policy(relation.id, policy.name.clone())).collect()
}
