//! `grant`, `revoke` and `alter default privileges`.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, AccessPriv, GrantTargetType, ObjectType};

use super::fault::Fault;
use super::names::{list, strings};
use super::tables::{column_ids, no_column};
use super::{Fold, OWNER};
use crate::schema::{
    ColumnId, DefaultPrivilege, DefaultPrivilegeObject, Grant, Grantee, Privilege, Relation, RelationId,
};

const TABLE: &[Privilege] = &[
    Privilege::Select,
    Privilege::Insert,
    Privilege::Update,
    Privilege::Delete,
    Privilege::Truncate,
    Privilege::References,
    Privilege::Trigger,
];
const COLUMN: &[Privilege] = &[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::References];
const SEQUENCE: &[Privilege] = &[Privilege::Usage, Privilege::Select, Privilege::Update];
const SCHEMA: &[Privilege] = &[Privilege::Usage, Privilege::Create];
const FUNCTION: &[Privilege] = &[Privilege::Execute];
const TYPE: &[Privilege] = &[Privilege::Usage];

/// What one statement does to an object's grants.
struct Change<'s> {
    stmt: &'s pb::GrantStmt,
    grantees: Vec<Grantee>,
}

impl Fold<'_> {
    pub(super) fn grant(&mut self, stmt: &pb::GrantStmt) -> Result<(), Fault> {
        let change = Change { stmt, grantees: self.grantees(&stmt.grantees)? };
        if stmt.targtype() == GrantTargetType::AclTargetAllInSchema {
            return self.grant_all_in(&change);
        }
        match stmt.objtype() {
            ObjectType::ObjectTable => self.grant_relations(&change),
            ObjectType::ObjectSequence => self.grant_sequences(&change),
            ObjectType::ObjectSchema => self.grant_schemas(&change),
            ObjectType::ObjectFunction | ObjectType::ObjectRoutine => self.grant_functions(&change),
            ObjectType::ObjectType | ObjectType::ObjectDomain => self.grant_types(&change),
            ObjectType::ObjectProcedure => Err(Fault::only_postgres("a procedure", "use a function")),
            _ => Err(Fault::only_postgres(
                "a privilege on this kind of object",
                "leave it out where this database is not PostgreSQL",
            )),
        }
    }

    fn grant_relations(&mut self, change: &Change<'_>) -> Result<(), Fault> {
        for node in &change.stmt.objects {
            let Some(NodeEnum::RangeVar(range)) = node.node.as_ref() else { continue };
            // `grant … on table` may name a sequence as well.
            if self.find_relation(range).is_none()
                && let Some(key) = self.find_sequence(range)
            {
                self.grant_sequence(change, &key)?;
                continue;
            }
            let relation = self.relation(range)?;
            self.grant_relation(change, &relation)?;
        }
        Ok(())
    }

    fn grant_relation(&mut self, change: &Change<'_>, relation: &Relation) -> Result<(), Fault> {
        let mut grants = relation.grants.clone();
        let privileges = access_privileges(change.stmt);
        if privileges.is_empty() {
            change.apply(&mut grants, TABLE, None);
        }
        for privilege in privileges {
            let columns = match privilege.cols.as_slice() {
                [] => None,
                names => Some(column_ids(relation, names, |name| no_column(relation, name))?),
            };
            let allowed = if columns.is_some() { COLUMN } else { TABLE };
            let kind = if columns.is_some() { "column" } else { "table" };
            let wanted = read_privilege(privilege, allowed, kind)?;
            change.apply(&mut grants, &wanted, columns.as_deref());
        }
        self.set_relation_grants(relation.id, grants);
        Ok(())
    }

    fn set_relation_grants(&mut self, id: RelationId, grants: Vec<Grant>) {
        self.edit(id, |relation| relation.grants = grants);
    }

    fn grant_sequences(&mut self, change: &Change<'_>) -> Result<(), Fault> {
        for node in &change.stmt.objects {
            let Some(NodeEnum::RangeVar(range)) = node.node.as_ref() else { continue };
            let key = self.sequence(range)?;
            self.grant_sequence(change, &key)?;
        }
        Ok(())
    }

    fn grant_sequence(&mut self, change: &Change<'_>, key: &(String, String)) -> Result<(), Fault> {
        let wanted = change.privileges(SEQUENCE, "sequence")?;
        if let Some(sequence) = self.schema_mut().sequences.get_mut(key) {
            change.apply(&mut sequence.grants, &wanted, None);
        }
        Ok(())
    }

    fn grant_schemas(&mut self, change: &Change<'_>) -> Result<(), Fault> {
        let wanted = change.privileges(SCHEMA, "schema")?;
        for name in strings(&change.stmt.objects) {
            self.known_schema(name)?;
            if let Some(namespace) = self.schema_mut().namespaces.get_mut(name) {
                change.apply(&mut namespace.grants, &wanted, None);
            }
        }
        Ok(())
    }

    fn grant_functions(&mut self, change: &Change<'_>) -> Result<(), Fault> {
        let wanted = change.privileges(FUNCTION, "function")?;
        for node in &change.stmt.objects {
            let Some(NodeEnum::ObjectWithArgs(object)) = node.node.as_ref() else { continue };
            let index = self.function(object)?;
            self.edit_function(index, |function| change.apply(&mut function.grants, &wanted, None));
        }
        Ok(())
    }

    /// Everyone may use every type; only a statement that changes that would be lost.
    fn grant_types(&mut self, change: &Change<'_>) -> Result<(), Fault> {
        change.privileges(TYPE, "type")?;
        for node in &change.stmt.objects {
            self.known_type(super::names::dotted(list(Some(node))))?;
        }
        if change.stmt.is_grant {
            return Ok(());
        }
        Err(Fault::only_postgres("`revoke` on a type", "leave it out: everyone may use every type"))
    }

    fn grant_all_in(&mut self, change: &Change<'_>) -> Result<(), Fault> {
        for schema in strings(&change.stmt.objects) {
            self.known_schema(schema)?;
            match change.stmt.objtype() {
                ObjectType::ObjectTable => {
                    let relations: Vec<_> =
                        self.schema.relations.values().filter(|relation| relation.schema == schema).cloned().collect();
                    for relation in relations {
                        self.grant_relation(change, &relation)?;
                    }
                }
                ObjectType::ObjectSequence => {
                    let keys: Vec<_> = self.schema.sequences.keys().filter(|key| key.0 == schema).cloned().collect();
                    for key in keys {
                        self.grant_sequence(change, &key)?;
                    }
                }
                ObjectType::ObjectFunction | ObjectType::ObjectRoutine => {
                    let wanted = change.privileges(FUNCTION, "function")?;
                    for index in 0..self.schema.functions.len() {
                        if self.schema.functions[index].schema == schema {
                            self.edit_function(index, |function| change.apply(&mut function.grants, &wanted, None));
                        }
                    }
                }
                _ => return Err(Fault::only_postgres("a privilege on all procedures", "leave it out")),
            }
        }
        Ok(())
    }

    pub(super) fn alter_default_privileges(&mut self, stmt: &pb::AlterDefaultPrivilegesStmt) -> Result<(), Fault> {
        let Some(action) = stmt.action.as_ref() else { return Ok(()) };
        let mut schemas = Vec::new();
        let mut owners = Vec::new();
        for node in &stmt.options {
            let Some(NodeEnum::DefElem(option)) = node.node.as_ref() else { continue };
            let items = list(option.arg.as_deref());
            match option.defname.as_str() {
                "schemas" => schemas = strings(items).into_iter().map(str::to_owned).collect(),
                _ => {
                    for item in items {
                        let Some(NodeEnum::RoleSpec(spec)) = item.node.as_ref() else { continue };
                        owners.push(self.role_name(Some(spec))?);
                    }
                }
            }
        }
        if owners.is_empty() {
            owners.push(OWNER.to_owned());
        }
        for schema in &schemas {
            self.known_schema(schema)?;
        }
        let places: Vec<Option<String>> =
            if schemas.is_empty() { vec![None] } else { schemas.into_iter().map(Some).collect() };
        self.change_defaults(action, &places, &owners)
    }

    fn change_defaults(
        &mut self,
        action: &pb::GrantStmt,
        places: &[Option<String>],
        owners: &[String],
    ) -> Result<(), Fault> {
        let change = Change { stmt: action, grantees: self.grantees(&action.grantees)? };
        let (object, allowed, kind) = match action.objtype() {
            ObjectType::ObjectTable => (DefaultPrivilegeObject::Tables, TABLE, "relation"),
            ObjectType::ObjectSequence => (DefaultPrivilegeObject::Sequences, SEQUENCE, "sequence"),
            ObjectType::ObjectFunction => (DefaultPrivilegeObject::Functions, FUNCTION, "function"),
            ObjectType::ObjectSchema => (DefaultPrivilegeObject::Schemas, SCHEMA, "schema"),
            ObjectType::ObjectType if action.is_grant => return change.privileges(TYPE, "type").map(drop),
            _ => {
                return Err(Fault::only_postgres(
                    "this default privilege",
                    "leave it out: everyone may use every type",
                ));
            }
        };
        let wanted = change.privileges(allowed, kind)?;
        for place in places {
            if object == DefaultPrivilegeObject::Schemas && place.is_some() {
                return Err(Fault::new("0LP01", "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS"));
            }
            for owner in owners {
                let defaults = &mut self.schema_mut().default_privileges;
                let is_here = |default: &DefaultPrivilege| {
                    default.schema == *place && default.owner == *owner && default.object == object
                };
                let mut grants: Vec<Grant> =
                    defaults.iter().filter(|default| is_here(default)).map(|default| default.grant.clone()).collect();
                defaults.retain(|default| !is_here(default));
                change.apply(&mut grants, &wanted, None);
                defaults.extend(grants.into_iter().map(|grant| DefaultPrivilege {
                    schema: place.clone(),
                    owner: owner.clone(),
                    object,
                    grant,
                }));
            }
        }
        Ok(())
    }

    /// What a new object in `schema` is granted.
    pub(super) fn default_grants(&self, object: DefaultPrivilegeObject, schema: &str) -> Vec<Grant> {
        let mut grants = Vec::new();
        for default in &self.schema.default_privileges {
            let here = default.schema.as_deref().is_none_or(|place| place == schema);
            if here && default.object == object && default.owner == OWNER {
                add(&mut grants, &default.grant);
            }
        }
        grants
    }
}

impl Change<'_> {
    /// The privileges of an object without columns.
    fn privileges(&self, allowed: &'static [Privilege], kind: &str) -> Result<Vec<Privilege>, Fault> {
        let named = access_privileges(self.stmt);
        if named.is_empty() {
            return Ok(allowed.to_vec());
        }
        let mut wanted = Vec::new();
        for privilege in named {
            if !privilege.cols.is_empty() {
                return Err(
                    Fault::new("0LP01", "column privileges are only valid for relations").name(&privilege.priv_name)
                );
            }
            wanted.extend(read_privilege(privilege, allowed, kind)?);
        }
        Ok(wanted)
    }

    fn apply(&self, grants: &mut Vec<Grant>, privileges: &[Privilege], columns: Option<&[ColumnId]>) {
        for grantee in &self.grantees {
            for privilege in privileges {
                let grant = Grant {
                    grantee: grantee.clone(),
                    privilege: *privilege,
                    columns: columns.map(<[ColumnId]>::to_vec),
                    grantable: self.stmt.grant_option,
                };
                if self.stmt.is_grant {
                    add(grants, &grant);
                } else {
                    remove(grants, &grant);
                }
            }
        }
    }
}

fn add(grants: &mut Vec<Grant>, new: &Grant) {
    let same = |old: &Grant| old.grantee == new.grantee && old.privilege == new.privilege;
    let Some(columns) = &new.columns else {
        match grants.iter_mut().find(|old| same(old) && old.columns.is_none()) {
            Some(old) => old.grantable |= new.grantable,
            None => grants.push(new.clone()),
        }
        return;
    };
    for column in columns {
        add_on_column(grants, new, *column);
    }
}

/// Columns that may be granted on stand in one grant, the others in another.
fn add_on_column(grants: &mut Vec<Grant>, new: &Grant, column: ColumnId) {
    let same = |old: &Grant| old.grantee == new.grantee && old.privilege == new.privilege;
    let has = |old: &Grant| old.columns.as_ref().is_some_and(|columns| columns.contains(&column));
    if grants.iter().any(|old| same(old) && has(old) && (old.grantable || !new.grantable)) {
        return;
    }
    for old in grants.iter_mut().filter(|old| same(old)) {
        old.columns.iter_mut().for_each(|columns| columns.retain(|other| *other != column));
    }
    grants.retain(|grant| grant.columns.as_ref().is_none_or(|columns| !columns.is_empty()));
    let place = grants.iter_mut().filter(|old| same(old) && old.grantable == new.grantable);
    match place.filter_map(|old| old.columns.as_mut()).next() {
        Some(columns) => columns.push(column),
        None => grants.push(Grant { columns: Some(vec![column]), ..new.clone() }),
    }
}

/// Taking a privilege on the whole takes it on each column as well; taking it on a column leaves the whole.
fn remove(grants: &mut Vec<Grant>, old: &Grant) {
    let option_only = old.grantable;
    let mut weakened = Vec::new();
    for grant in grants.iter_mut().filter(|grant| grant.grantee == old.grantee && grant.privilege == old.privilege) {
        match (&mut grant.columns, &old.columns) {
            _ if option_only && !grant.grantable => {}
            (None, None) if option_only => grant.grantable = false,
            (columns @ None, None) => *columns = Some(Vec::new()),
            (None, Some(_)) => {}
            (Some(columns), taken) => {
                let stays = |column: &ColumnId| taken.as_ref().is_some_and(|taken| !taken.contains(column));
                weakened.extend(columns.iter().copied().filter(|column| !stays(column)));
                columns.retain(stays);
            }
        }
    }
    grants.retain(|grant| grant.columns.as_ref().is_none_or(|columns| !columns.is_empty()));
    if option_only && !weakened.is_empty() {
        add(grants, &Grant { columns: Some(weakened), grantable: false, ..old.clone() });
    }
}

fn access_privileges(stmt: &pb::GrantStmt) -> Vec<&AccessPriv> {
    stmt.privileges
        .iter()
        .filter_map(|node| match node.node.as_ref() {
            Some(NodeEnum::AccessPriv(privilege)) => Some(privilege),
            _ => None,
        })
        .collect()
}

/// One privilege's word; `all (columns)` has none.
fn read_privilege(privilege: &AccessPriv, allowed: &'static [Privilege], kind: &str) -> Result<Vec<Privilege>, Fault> {
    let word = privilege.priv_name.as_str();
    let found = match word {
        "" => return Ok(allowed.to_vec()),
        "select" => Privilege::Select,
        "insert" => Privilege::Insert,
        "update" => Privilege::Update,
        "delete" => Privilege::Delete,
        "truncate" => Privilege::Truncate,
        "references" => Privilege::References,
        "trigger" => Privilege::Trigger,
        "usage" => Privilege::Usage,
        "create" => Privilege::Create,
        "execute" => Privilege::Execute,
        _ => return Err(Fault::new("42601", format!("unrecognized privilege type \"{word}\"")).name(word)),
    };
    if allowed.contains(&found) {
        return Ok(vec![found]);
    }
    let message = format!("invalid privilege type {} for {kind}", word.to_ascii_uppercase());
    Err(Fault::new("0LP01", message).name(word))
}
