//! `rename to` and `set schema`. What refers to a thing does so by id, so only names change.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, ObjectType, RangeVar};

use super::Fold;
use super::drop::Object;
use super::fault::Fault;
use super::names::{constraint_names, dotted, list, string};
use super::types::no_type;
use crate::schema::{DefaultValue, Grant, Grantee, Relation, RelationId, RelationKind, Schema};

impl Fold<'_> {
    pub(super) fn rename(&mut self, stmt: &pb::RenameStmt) -> Result<(), Fault> {
        let new = stmt.newname.as_str();
        let object = stmt.object.as_deref();
        match (stmt.rename_type(), stmt.relation.as_ref()) {
            (
                ObjectType::ObjectTable | ObjectType::ObjectView | ObjectType::ObjectIndex | ObjectType::ObjectSequence,
                Some(range),
            ) => self.rename_class(range, new, stmt),
            (ObjectType::ObjectColumn, Some(range)) => self.rename_column(range, stmt),
            (ObjectType::ObjectTabconstraint, Some(range)) => self.rename_constraint(range, &stmt.subname, new),
            (ObjectType::ObjectPolicy, Some(range)) => self.rename_policy(range, stmt),
            (ObjectType::ObjectTrigger, Some(range)) => self.rename_trigger(range, stmt),
            (ObjectType::ObjectSchema, _) => self.rename_schema(&stmt.subname, new),
            (ObjectType::ObjectRole, _) => self.rename_role(&stmt.subname, new),
            (ObjectType::ObjectType | ObjectType::ObjectDomain, _) => {
                let wanted = dotted(list(object));
                let schema = self.type_schema(wanted)?;
                self.move_type(wanted, (&schema, new))
            }
            (ObjectType::ObjectDomconstraint, _) => self.rename_domain_check(stmt),
            (ObjectType::ObjectFunction, _) => match object.and_then(|node| node.node.as_ref()) {
                Some(NodeEnum::ObjectWithArgs(function)) => {
                    let index = self.function(function)?;
                    self.move_function(index, |function| function.name = new.to_owned());
                    Ok(())
                }
                _ => Ok(()),
            },
            _ => Err(Fault::only_postgres("renaming this", "leave it out where this database is not PostgreSQL")),
        }
    }

    /// Tables, views, indexes and sequences, which `alter table` may all name.
    fn rename_class(&mut self, range: &RangeVar, new: &str, stmt: &pb::RenameStmt) -> Result<(), Fault> {
        if let Some(relation) = self.find_relation(range) {
            if stmt.rename_type() == ObjectType::ObjectView && relation.kind != RelationKind::View {
                return Err(Fault::new("42809", format!("\"{}\" is not a view", relation.name)).at(range.location));
            }
            self.refuse_taken_class(&relation.schema, new)?;
            self.edit(relation.id, |relation| relation.name = new.to_owned());
            return Ok(());
        }
        if let Some(key) = self.find_sequence(range) {
            self.refuse_taken_class(&key.0, new)?;
            let moved = (key.0.clone(), new.to_owned());
            self.move_sequence(&key, &moved);
            return Ok(());
        }
        if let Ok((id, name)) = self.index(range) {
            let schema = self.schema.relation(id).schema.clone();
            self.refuse_taken_class(&schema, new)?;
            self.edit(id, |relation| rename_within(relation, &name, new));
            let named = |name: &str| Object::Index(id, name.to_owned());
            self.rename_caller(&named(&name), &named(new));
            return Ok(());
        }
        if stmt.missing_ok { Ok(()) } else { self.relation(range).map(drop) }
    }

    /// The table and name of an index, one of a key's included.
    pub(super) fn index(&self, range: &RangeVar) -> Result<(RelationId, String), Fault> {
        let name = range.relname.as_str();
        let has = |relation: &Relation| {
            relation.keys().any(|key| key.name == name) || relation.indexes.iter().any(|index| index.name == name)
        };
        let visible = |relation: &Relation| match range.schemaname.as_str() {
            "" => self.search_path.contains(&relation.schema),
            schema => relation.schema == schema,
        };
        let found = self.schema.relations.values().find(|relation| visible(relation) && has(relation));
        found.map(|relation| (relation.id, name.to_owned())).ok_or_else(|| {
            let message = format!("index \"{}\" does not exist", super::names::shown(range));
            Fault::new("42704", message).name(name)
        })
    }

    fn rename_column(&mut self, range: &RangeVar, stmt: &pb::RenameStmt) -> Result<(), Fault> {
        if stmt.missing_ok && self.find_relation(range).is_none() {
            return Ok(());
        }
        let relation = self.relation(range)?;
        let column = relation.column(&stmt.subname).ok_or_else(|| {
            Fault::new("42703", format!("column \"{}\" does not exist", stmt.subname)).name(&stmt.subname)
        })?;
        let new = stmt.newname.as_str();
        if relation.column(new).is_some() {
            let message = format!("column \"{new}\" of relation \"{}\" already exists", relation.name);
            return Err(Fault::new("42701", message).name(new));
        }
        self.edit_column(relation.id, column.id, |column| column.name = new.to_owned());
        Ok(())
    }

    fn rename_constraint(&mut self, range: &RangeVar, old: &str, new: &str) -> Result<(), Fault> {
        let relation = self.relation(range)?;
        if !constraint_names(&relation).any(|name| name == old) {
            let message = format!("constraint \"{old}\" for table \"{}\" does not exist", relation.name);
            return Err(Fault::new("42704", message).name(old));
        }
        if constraint_names(&relation).any(|name| name == new) {
            let message = format!("constraint \"{new}\" for relation \"{}\" already exists", relation.name);
            return Err(Fault::new("42710", message).name(new));
        }
        self.edit(relation.id, |relation| rename_within(relation, old, new));
        let named = |name: &str| Object::Constraint(relation.id, name.to_owned());
        self.rename_caller(&named(old), &named(new));
        Ok(())
    }

    fn rename_policy(&mut self, range: &RangeVar, stmt: &pb::RenameStmt) -> Result<(), Fault> {
        let relation = self.table(range)?;
        let (old, new) = (stmt.subname.as_str(), stmt.newname.as_str());
        let Some(found) = relation.policies.iter().position(|policy| policy.name == old) else {
            return Err(super::policies::no_policy(&relation, old));
        };
        if relation.policies.iter().any(|policy| policy.name == new) {
            let message = format!("policy \"{new}\" for table \"{}\" already exists", relation.name);
            return Err(Fault::new("42710", message).name(new));
        }
        self.edit(relation.id, |relation| relation.policies[found].name = new.to_owned());
        let named = |name: &str| Object::Policy(relation.id, name.to_owned());
        self.rename_caller(&named(old), &named(new));
        Ok(())
    }

    fn rename_schema(&mut self, old: &str, new: &str) -> Result<(), Fault> {
        self.known_schema(old)?;
        if self.schema.namespaces.contains_key(new) {
            return Err(Fault::new("42P06", format!("schema \"{new}\" already exists")).name(new));
        }
        let schema = self.schema_mut();
        if let Some(namespace) = schema.namespaces.remove(old) {
            schema.namespaces.insert(new.to_owned(), namespace);
        }
        for default in schema.default_privileges.iter_mut().filter(|default| default.schema.as_deref() == Some(old)) {
            default.schema = Some(new.to_owned());
        }
        for index in 0..self.schema.functions.len() {
            if self.schema.functions[index].schema == old {
                self.move_function(index, |function| function.schema = new.to_owned());
            }
        }
        let ids: Vec<RelationId> = self
            .schema
            .relations
            .values()
            .filter(|relation| relation.schema == old)
            .map(|relation| relation.id)
            .collect();
        for id in ids {
            self.edit(id, |relation| relation.schema = new.to_owned());
        }
        let sequences: Vec<_> = self.schema.sequences.keys().filter(|key| key.0 == old).cloned().collect();
        for key in sequences {
            self.move_sequence(&key, &(new.to_owned(), key.1.clone()));
        }
        let types: Vec<_> =
            self.schema.enums.keys().chain(self.schema.domains.keys()).filter(|key| key.0 == old).cloned().collect();
        for (_, name) in types {
            self.move_type((Some(old), &name), (new, &name))?;
        }
        Ok(())
    }

    fn move_sequence(&mut self, old: &(String, String), new: &(String, String)) {
        let schema = self.schema_mut();
        if let Some(sequence) = schema.sequences.remove(old) {
            schema.sequences.insert(new.clone(), sequence);
        }
        let uses = |relation: &Relation| {
            relation
                .columns
                .iter()
                .any(|column| matches!(&column.default, Some(DefaultValue::Sequence { sequence }) if sequence == old))
        };
        let ids: Vec<_> =
            self.schema.relations.values().filter(|relation| uses(relation)).map(|relation| relation.id).collect();
        for id in ids {
            self.edit(id, |relation| {
                for column in &mut relation.columns {
                    if let Some(DefaultValue::Sequence { sequence }) = &mut column.default
                        && sequence == old
                    {
                        sequence.clone_from(new);
                    }
                }
            });
        }
    }

    fn type_schema(&self, wanted: (Option<&str>, &str)) -> Result<String, Fault> {
        let key = self.find_enum(wanted).or_else(|| self.find_domain(wanted)).ok_or_else(|| no_type(wanted))?;
        Ok(key.0)
    }

    fn move_type(&mut self, wanted: (Option<&str>, &str), (schema, name): (&str, &str)) -> Result<(), Fault> {
        let new = (schema.to_owned(), name.to_owned());
        if self.schema.enums.contains_key(&new) || self.schema.domains.contains_key(&new) {
            return Err(Fault::new("42710", format!("type \"{name}\" already exists")).name(name));
        }
        if let Some(key) = self.find_enum(wanted) {
            let mut changed = (*self.schema.enums[&key]).clone();
            (changed.schema, changed.name) = new;
            self.replace_enum(&key, changed);
            return Ok(());
        }
        let key = self.find_domain(wanted).ok_or_else(|| no_type(wanted))?;
        let mut changed = (*self.schema.domains[&key]).clone();
        (changed.schema, changed.name) = new;
        self.replace_domain(&key, changed);
        Ok(())
    }

    fn rename_domain_check(&mut self, stmt: &pb::RenameStmt) -> Result<(), Fault> {
        let wanted = dotted(list(stmt.object.as_deref()));
        let key = self.find_domain(wanted).ok_or_else(|| no_type(wanted))?;
        let mut changed = (*self.schema.domains[&key]).clone();
        let Some(check) = changed.checks.iter_mut().find(|check| check.name == stmt.subname) else {
            let message = format!("constraint \"{}\" of domain \"{}\" does not exist", stmt.subname, key.1);
            return Err(Fault::new("42704", message).name(&stmt.subname));
        };
        check.name.clone_from(&stmt.newname);
        self.replace_domain(&key, changed);
        Ok(())
    }

    fn rename_role(&mut self, old: &str, new: &str) -> Result<(), Fault> {
        if !self.schema.roles.contains_key(old) {
            return Err(Fault::new("42704", format!("role \"{old}\" does not exist")).name(old));
        }
        if self.schema.roles.contains_key(new) {
            return Err(Fault::new("42710", format!("role \"{new}\" already exists")).name(new));
        }
        let ids: Vec<RelationId> = self.schema.relations.keys().copied().collect();
        for id in ids {
            self.edit(id, |relation| {
                rename_text(&mut relation.owner, old, new);
                rename_grantees(&mut relation.grants, old, new);
                for grantee in relation.policies.iter_mut().flat_map(|policy| &mut policy.roles) {
                    rename_grantee(grantee, old, new);
                }
            });
        }
        rename_role_in(self.schema_mut(), old, new);
        Ok(())
    }

    pub(super) fn set_schema(&mut self, stmt: &pb::AlterObjectSchemaStmt) -> Result<(), Fault> {
        let new = stmt.newschema.as_str();
        if let Some(range) = stmt.relation.as_ref()
            && stmt.missing_ok
            && self.find_relation(range).is_none()
            && self.find_sequence(range).is_none()
        {
            return Ok(());
        }
        self.known_schema(new)?;
        let object = stmt.object.as_deref();
        match (stmt.object_type(), stmt.relation.as_ref()) {
            (ObjectType::ObjectTable | ObjectType::ObjectView | ObjectType::ObjectSequence, Some(range)) => {
                self.move_class(range, new)
            }
            (ObjectType::ObjectType | ObjectType::ObjectDomain, _) => {
                let wanted = dotted(list(object));
                self.move_type(wanted, (new, wanted.1))
            }
            (ObjectType::ObjectFunction, _) => match object.and_then(|node| node.node.as_ref()) {
                Some(NodeEnum::ObjectWithArgs(function)) => {
                    let index = self.function(function)?;
                    self.move_function(index, |function| function.schema = new.to_owned());
                    Ok(())
                }
                _ => Ok(()),
            },
            (ObjectType::ObjectExtension, _) => Ok(()),
            _ => {
                let name = object.and_then(string).unwrap_or_default();
                Err(Fault::only_postgres("moving this to another schema", "leave it out").name(name))
            }
        }
    }

    fn move_class(&mut self, range: &RangeVar, new: &str) -> Result<(), Fault> {
        let taken = |name: &str| {
            Fault::new("42P07", format!("relation \"{name}\" already exists in schema \"{new}\"")).name(name)
        };
        if let Some(key) = self.find_sequence(range) {
            if self.class_exists(new, &key.1) {
                return Err(taken(&key.1));
            }
            self.move_sequence(&key, &(new.to_owned(), key.1.clone()));
            return Ok(());
        }
        let relation = self.relation(range)?;
        if relation.schema == new {
            return Ok(());
        }
        if self.class_exists(new, &relation.name) {
            return Err(taken(&relation.name));
        }
        self.edit(relation.id, |relation| relation.schema = new.to_owned());
        let owned = |sequence: &crate::schema::Sequence| sequence.owner.is_some_and(|(owner, _)| owner == relation.id);
        let keys: Vec<_> =
            self.schema.sequences.iter().filter(|(_, sequence)| owned(sequence)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.move_sequence(&key, &(new.to_owned(), key.1.clone()));
        }
        Ok(())
    }
}

/// A constraint or index of the relation.
fn rename_within(relation: &mut Relation, old: &str, new: &str) {
    let keys = relation.primary_key.iter_mut().chain(&mut relation.unique).map(|key| &mut key.name);
    let foreign = relation.foreign_keys.iter_mut().map(|key| &mut key.name);
    let checks = relation.checks.iter_mut().map(|check| &mut check.name);
    let indexes = relation.indexes.iter_mut().map(|index| &mut index.name);
    for name in keys.chain(foreign).chain(checks).chain(indexes) {
        rename_text(name, old, new);
    }
}

fn rename_text(text: &mut String, old: &str, new: &str) {
    if text == old {
        new.clone_into(text);
    }
}

fn rename_grantee(grantee: &mut Grantee, old: &str, new: &str) {
    match grantee {
        Grantee::Role(name) => rename_text(name, old, new),
        Grantee::Public => {}
    }
}

fn rename_grantees(grants: &mut [Grant], old: &str, new: &str) {
    grants.iter_mut().for_each(|grant| rename_grantee(&mut grant.grantee, old, new));
}

fn rename_role_in(schema: &mut Schema, old: &str, new: &str) {
    if let Some(mut role) = schema.roles.remove(old) {
        new.clone_into(&mut role.name);
        schema.roles.insert(new.to_owned(), role);
    }
    for name in schema.roles.values_mut().flat_map(|role| &mut role.member_of) {
        rename_text(name, old, new);
    }
    schema.namespaces.values_mut().for_each(|namespace| rename_grantees(&mut namespace.grants, old, new));
    schema.sequences.values_mut().for_each(|sequence| rename_grantees(&mut sequence.grants, old, new));
    for function in &mut schema.functions {
        rename_grantees(&mut Arc::make_mut(function).grants, old, new);
    }
    for default in &mut schema.default_privileges {
        rename_text(&mut default.owner, old, new);
        rename_grantee(&mut default.grant.grantee, old, new);
    }
}
