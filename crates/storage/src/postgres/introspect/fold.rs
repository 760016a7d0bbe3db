//! Makes a schema of the catalogs' rows.

use std::collections::HashMap;

use roadbed_plan::expr::SourceId;
use roadbed_plan::schema::{
    Column, ColumnId, DefaultValue, ForeignKey, Grant, Grantee, Index, IndexTerm, Key, Namespace, Policy,
    PolicyCommand, Privilege, ReferentialAction, Relation, RelationId, RelationKind, Role, RowSecurity, Sequence,
};
use roadbed_plan::{Expr, Schema};
use tokio_postgres::{Error, Row};

use super::rules::{origins, reads};
use super::types::Types;
use super::{Fields, QUERIES};
use super::{functions, media};

/// What grants are on: their kind and the object's number.
type Granted = HashMap<(u8, u32), Vec<Grant>>;

/// What is known while the catalogs are read.
pub(super) struct Fold {
    pub(super) schema: Schema,
    pub(super) types: Types,
    grants: Granted,
    roles: HashMap<u32, String>,
    /// Relations not yet in the schema, by PostgreSQL's number.
    pub(super) relations: HashMap<u32, Relation>,
}

/// Reads the answers to [`QUERIES`], one list of rows each.
pub(super) fn fold(answers: &[Vec<Row>]) -> Result<Schema, Error> {
    let [
        namespaces,
        roles,
        members,
        types,
        labels,
        relations,
        columns,
        constraints,
        indexes,
        policies,
        grants,
        sequences,
        functions,
        rules,
        aggregates,
        postgis,
    ]: &[Vec<Row>; QUERIES.len()] = answers.try_into().expect("each query has an answer");
    let mut fold = Fold {
        schema: Schema::default(),
        types: Types::read(types, labels)?,
        grants: HashMap::new(),
        roles: HashMap::new(),
        relations: HashMap::new(),
    };
    fold.read_roles(roles, members)?;
    fold.read_grants(grants)?;
    fold.read_namespaces(namespaces)?;
    fold.read_relations(relations)?;
    fold.read_columns(columns)?;
    fold.read_constraints(constraints)?;
    fold.read_indexes(indexes)?;
    fold.read_policies(policies)?;
    fold.read_sequences(sequences)?;
    functions::read(&mut fold, functions)?;
    fold.read_rules(rules)?;
    fold.schema.media_handlers = media::handlers(aggregates, postgis)?;
    Ok(fold.finish())
}

impl Fold {
    fn read_roles(&mut self, roles: &[Row], members: &[Row]) -> Result<(), Error> {
        for row in roles {
            let mut fields = Fields::of(row);
            let oid = fields.take()?;
            let role = Role {
                name: fields.take()?,
                member_of: Vec::new(),
                superuser: fields.take()?,
                inherit: fields.take()?,
                bypass_row_security: fields.take()?,
                login: fields.take()?,
                comment: fields.take()?,
            };
            self.roles.insert(oid, role.name.clone());
            // PostgreSQL's own roles are not the user's.
            if !role.name.starts_with("pg_") {
                self.schema.roles.insert(role.name.clone(), role);
            }
        }
        for row in members {
            let mut fields = Fields::of(row);
            let (member, group): (u32, u32) = (fields.take()?, fields.take()?);
            if let (Some(member), Some(group)) = (self.roles.get(&member), self.roles.get(&group))
                && let Some(role) = self.schema.roles.get_mut(member)
                && !role.member_of.contains(group)
            {
                role.member_of.push(group.clone());
            }
        }
        Ok(())
    }

    fn grantee(&self, oid: u32) -> Option<Grantee> {
        if oid == 0 { Some(Grantee::Public) } else { self.roles.get(&oid).cloned().map(Grantee::Role) }
    }

    /// Grants on columns are put together: one for each grantee and privilege.
    fn read_grants(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            let mut fields = Fields::of(row);
            let kind: &str = fields.take()?;
            let object: u32 = fields.take()?;
            let column: i16 = fields.take()?;
            let (grantee, privilege): (u32, &str) = (fields.take()?, fields.take()?);
            let grantable = fields.take()?;
            let (Some(grantee), Some(privilege)) = (self.grantee(grantee), privilege_of(privilege)) else { continue };
            let granted = self.grants.entry((kind.as_bytes()[0], object)).or_default();
            let Some(column) = column_id(column) else {
                granted.push(Grant { grantee, privilege, columns: None, grantable });
                continue;
            };
            let earlier = granted.iter_mut().find_map(|grant| {
                let same = grant.grantee == grantee && grant.privilege == privilege && grant.grantable == grantable;
                if same { grant.columns.as_mut() } else { None }
            });
            match earlier {
                Some(columns) => columns.push(column),
                None => granted.push(Grant { grantee, privilege, columns: Some(vec![column]), grantable }),
            }
        }
        Ok(())
    }

    pub(super) fn take_grants(&mut self, kind: u8, object: u32) -> Vec<Grant> {
        self.grants.remove(&(kind, object)).unwrap_or_default()
    }

    fn read_namespaces(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            let mut fields = Fields::of(row);
            let (oid, name, comment) = (fields.take()?, fields.take()?, fields.take()?);
            let grants = self.take_grants(b'n', oid);
            self.schema.namespaces.insert(name, Namespace { comment, grants });
        }
        Ok(())
    }

    /// Ids run in the order of PostgreSQL's numbers, which is the order of the rows.
    fn read_relations(&mut self, rows: &[Row]) -> Result<(), Error> {
        for (id, row) in (1..).zip(rows) {
            let mut fields = Fields::of(row);
            let oid = fields.take()?;
            let (name, kind) = ((fields.take()?, fields.take()?), relation_kind(fields.take()?));
            let relation = Relation {
                comment: fields.take()?,
                owner: fields.take()?,
                row_security: RowSecurity { enabled: fields.take()?, forced: fields.take()? },
                grants: self.take_grants(b'r', oid),
                security_invoker: fields.take()?,
                writable: fields.take()?,
                ..Relation::new(RelationId(id), name, kind, Vec::new())
            };
            self.relations.insert(oid, relation);
        }
        Ok(())
    }

    fn read_columns(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            let mut fields = Fields::of(row);
            let relation: u32 = fields.take()?;
            let id: i16 = fields.take()?;
            let name = fields.take()?;
            let ty = self.types.type_of(fields.take()?, fields.take()?, fields.take()?);
            let not_null = fields.take()?;
            let default: Option<String> = fields.take()?;
            let identity: &str = fields.take()?;
            let generated: &str = fields.take()?;
            let (start, increment): (Option<i64>, Option<i64>) = (fields.take()?, fields.take()?);
            let default = match (identity, generated) {
                ("", "") => default.map(DefaultValue::Engine),
                ("", _) => default.map(generated_value),
                (identity, _) => Some(DefaultValue::Identity {
                    always: identity == "a",
                    start: start.unwrap_or(1),
                    increment: increment.unwrap_or(1),
                }),
            };
            let comment = fields.take()?;
            if let (Some(relation), Some(id)) = (self.relations.get_mut(&relation), column_id(id)) {
                relation.columns.push(Column { id, name, ty, not_null, default, comment });
            }
        }
        Ok(())
    }

    fn read_constraints(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            let mut fields = Fields::of(row);
            let relation: u32 = fields.take()?;
            let name: String = fields.take()?;
            let kind: &str = fields.take()?;
            let columns = column_ids(&fields.take::<Vec<i16>>()?);
            let target: u32 = fields.take()?;
            let target_columns = column_ids(&fields.take::<Option<Vec<i16>>>()?.unwrap_or_default());
            let (on_delete, on_update) = (referential_action(fields.take()?), referential_action(fields.take()?));
            let (deferrable, initially_deferred) = (fields.take()?, fields.take()?);
            let nulls_not_distinct = fields.take()?;
            let target = self.relations.get(&target).map(|target| target.id);
            let Some(relation) = self.relations.get_mut(&relation) else { continue };
            match (kind, target) {
                ("p", _) => relation.primary_key = Some(Key { name, columns, nulls_not_distinct, deferrable }),
                ("u", _) => relation.unique.push(Key { name, columns, nulls_not_distinct, deferrable }),
                (_, Some(target)) => relation.foreign_keys.push(ForeignKey {
                    name,
                    columns,
                    target,
                    target_columns,
                    on_delete,
                    on_update,
                    deferrable,
                    initially_deferred,
                }),
                (_, None) => {}
            }
        }
        Ok(())
    }

    fn read_indexes(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            let mut fields = Fields::of(row);
            let relation: u32 = fields.take()?;
            let (name, unique, nulls_not_distinct) = (fields.take()?, fields.take()?, fields.take()?);
            let (columns, texts): (Vec<i16>, Vec<String>) = (fields.take()?, fields.take()?);
            let options: Vec<i16> = fields.take()?;
            let condition = fields.take::<Option<String>>()?.map(|text| Expr::Literal { text });
            let comment = fields.take()?;
            let Some(relation) = self.relations.get_mut(&relation) else { continue };
            let terms = columns.into_iter().zip(texts).zip(options).map(|((column, text), option)| {
                let column = relation.columns.iter().find(|known| Some(known.id) == column_id(column));
                let expr = match column {
                    Some(Column { id, ty, .. }) => Expr::Column { source: SourceId::ROW, column: *id, ty: ty.clone() },
                    // PostgreSQL computes it; as text it serves people.
                    None => Expr::Literal { text },
                };
                IndexTerm { expr, descending: option & 1 != 0, nulls_first: option & 2 != 0 }
            });
            let terms = terms.collect();
            let only_postgres = false;
            relation.indexes.push(Index { name, unique, nulls_not_distinct, terms, condition, only_postgres, comment });
        }
        Ok(())
    }

    fn read_policies(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            let mut fields = Fields::of(row);
            let relation: u32 = fields.take()?;
            let (name, command) = (fields.take()?, policy_command(fields.take()?));
            let permissive = fields.take()?;
            let roles = fields.take::<Vec<u32>>()?.into_iter().filter_map(|oid| self.grantee(oid)).collect();
            let (using_text, with_check_text) = (fields.take()?, fields.take()?);
            if let Some(relation) = self.relations.get_mut(&relation) {
                let (using, with_check) = (None, None);
                let policy =
                    Policy { name, command, permissive, roles, using, with_check, using_text, with_check_text };
                relation.policies.push(policy);
            }
        }
        Ok(())
    }

    fn read_sequences(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            let mut fields = Fields::of(row);
            let oid = fields.take()?;
            let name = (fields.take()?, fields.take()?);
            let (start, increment) = (fields.take()?, fields.take()?);
            let (table, column): (Option<u32>, Option<i32>) = (fields.take()?, fields.take()?);
            let table = table.and_then(|oid| self.relations.get(&oid)).map(|relation| relation.id);
            let column = column.and_then(|number| u16::try_from(number).ok()).map(ColumnId);
            let grants = self.take_grants(b's', oid);
            self.schema.sequences.insert(name, Sequence { start, increment, owner: table.zip(column), grants });
        }
        Ok(())
    }

    /// Which columns of other relations the columns of views are.
    fn read_rules(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            let mut fields = Fields::of(row);
            let view: u32 = fields.take()?;
            let rule: String = fields.take()?;
            let oid = view;
            let Some(view) = self.relations.get(&view).map(|view| view.id) else { continue };
            for (relation, columns) in reads(&rule) {
                let Some(read) = self.relations.get(&relation).filter(|_| relation != oid) else { continue };
                let columns = columns.into_iter().filter_map(column_id).collect();
                self.schema.views.reads.entry(view).or_default().insert(read.id, columns);
            }
            for origin in origins(&rule) {
                let from = self.relations.get(&origin.relation).map(|relation| relation.id);
                let columns = (column_id(origin.column), column_id(origin.relation_column));
                if let (Some(from), (Some(column), Some(of))) = (from, columns) {
                    self.schema.views.origins.insert((view, column), (from, of));
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Schema {
        for relation in self.relations.into_values() {
            self.schema.put(relation);
        }
        (self.schema.enums, self.schema.domains) = self.types.named();
        self.schema
    }
}

/// PostgreSQL computes it; that it is one is all that matters here.
fn generated_value(text: String) -> DefaultValue {
    DefaultValue::Generated(Expr::Literal { text })
}

fn column_id(number: i16) -> Option<ColumnId> {
    u16::try_from(number).ok().filter(|number| *number > 0).map(ColumnId)
}

fn column_ids(numbers: &[i16]) -> Vec<ColumnId> {
    numbers.iter().filter_map(|number| column_id(*number)).collect()
}

fn relation_kind(letter: &str) -> RelationKind {
    match letter {
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        "p" => RelationKind::PartitionedTable,
        _ => RelationKind::Table,
    }
}

fn referential_action(letter: &str) -> ReferentialAction {
    match letter {
        "r" => ReferentialAction::Restrict,
        "c" => ReferentialAction::Cascade,
        "n" => ReferentialAction::SetNull,
        "d" => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}

fn policy_command(letter: &str) -> PolicyCommand {
    match letter {
        "r" => PolicyCommand::Select,
        "a" => PolicyCommand::Insert,
        "w" => PolicyCommand::Update,
        "d" => PolicyCommand::Delete,
        _ => PolicyCommand::All,
    }
}

/// `None` for privileges that newer servers have and nobody here asks for.
fn privilege_of(name: &str) -> Option<Privilege> {
    Some(match name {
        "SELECT" => Privilege::Select,
        "INSERT" => Privilege::Insert,
        "UPDATE" => Privilege::Update,
        "DELETE" => Privilege::Delete,
        "TRUNCATE" => Privilege::Truncate,
        "REFERENCES" => Privilege::References,
        "TRIGGER" => Privilege::Trigger,
        "USAGE" => Privilege::Usage,
        "CREATE" => Privilege::Create,
        "EXECUTE" => Privilege::Execute,
        _ => return None,
    })
}
