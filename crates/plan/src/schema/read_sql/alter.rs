//! `alter table`, clause by clause, in the order in which PostgreSQL carries them out.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, AlterTableCmd, AlterTableType, ColumnDef, DropBehavior, Node, ObjectType};

use super::columns::domain_default;
use super::dependents::{Uses, exprs_mut};
use super::drop::Object;
use super::fault::Fault;
use super::names::constraint_names;
use super::resolve::location;
use super::tables::{add_column, no_column};
use super::{Conversion, Fold};
use crate::expr::{Expr, SourceId};
use crate::schema::read_expr::Scope;
use crate::schema::{Column, ColumnId, DefaultValue, Relation, RelationId, RelationKind, RowSecurity};
use crate::value::Type;

impl Fold<'_> {
    pub(super) fn alter_table(&mut self, stmt: &pb::AlterTableStmt) -> Result<(), Fault> {
        let Some(range) = stmt.relation.as_ref() else { return Ok(()) };
        let commands = || {
            stmt.cmds.iter().filter_map(|node| match node.node.as_ref() {
                Some(NodeEnum::AlterTableCmd(command)) => Some(&**command),
                _ => None,
            })
        };
        if self.find_relation(range).is_none() {
            // A dump hands sequences over with `alter table` too; their owner binds nobody.
            let only_owner = commands().all(|command| command.subtype() == AlterTableType::AtChangeOwner);
            if stmt.missing_ok || (only_owner && self.find_sequence(range).is_some()) {
                return Ok(());
            }
        }
        let relation = self.relation(range)?;
        if stmt.objtype() == ObjectType::ObjectView && relation.kind != RelationKind::View {
            return Err(Fault::new("42809", format!("\"{}\" is not a view", relation.name)).at(range.location));
        }
        let mut commands: Vec<&AlterTableCmd> = commands().collect();
        commands.sort_by_key(|command| pass(command));
        for command in commands {
            if relation.kind == RelationKind::View {
                self.alter_view(relation.id, command)?;
            } else {
                self.alter_columns(relation.id, command)?;
            }
        }
        Ok(())
    }

    fn alter_view(&mut self, id: RelationId, command: &AlterTableCmd) -> Result<(), Fault> {
        match command.subtype() {
            AlterTableType::AtChangeOwner => self.change_owner(id, command.newowner.as_ref()),
            AlterTableType::AtSetRelOptions => {
                let options = super::names::list(command.def.as_deref());
                let invoker = super::views::read_view_options(options)?;
                self.edit(id, |view| view.security_invoker = invoker);
                Ok(())
            }
            AlterTableType::AtResetRelOptions => {
                self.edit(id, |view| view.security_invoker = false);
                Ok(())
            }
            _ => Err(Fault::only_postgres("this change of a view", "write `create or replace view`")),
        }
    }

    /// Clauses about one column or constraint; the others go on to [`Self::alter_whole`].
    fn alter_columns(&mut self, id: RelationId, command: &AlterTableCmd) -> Result<(), Fault> {
        let name = command.name.as_str();
        match command.subtype() {
            AlterTableType::AtAddColumn => self.add_column(id, command),
            AlterTableType::AtDropColumn => self.drop_column(id, command),
            AlterTableType::AtAlterColumnType => match command.def.as_ref().and_then(|node| node.node.as_ref()) {
                Some(NodeEnum::ColumnDef(def)) => self.alter_type(id, name, def),
                _ => Ok(()),
            },
            AlterTableType::AtColumnDefault => self.alter_default(id, name, command.def.as_deref()),
            AlterTableType::AtSetNotNull => {
                let column = self.column(id, name)?;
                self.edit_column(id, column.id, |column| column.not_null = true);
                Ok(())
            }
            AlterTableType::AtDropNotNull => self.drop_not_null(id, name),
            AlterTableType::AtSetExpression => self.set_expression(id, name, command.def.as_deref()),
            AlterTableType::AtDropExpression => self.drop_expression(id, name, command.missing_ok),
            AlterTableType::AtAddIdentity => self.add_identity(id, name, command.def.as_deref()),
            AlterTableType::AtSetIdentity => self.set_identity(id, name, command.def.as_deref()),
            AlterTableType::AtDropIdentity => self.drop_identity(id, name, command.missing_ok),
            AlterTableType::AtAddConstraint => match command.def.as_ref().and_then(|node| node.node.as_ref()) {
                Some(NodeEnum::Constraint(constraint)) => self.add_constraint(id, constraint, None),
                _ => Ok(()),
            },
            AlterTableType::AtDropConstraint => self.drop_constraint(id, command),
            AlterTableType::AtValidateConstraint => self.known_constraint(id, name),
            AlterTableType::AtAlterConstraint => self.alter_constraint(id, command.def.as_deref()),
            _ => self.alter_whole(id, command),
        }
    }

    fn alter_whole(&mut self, id: RelationId, command: &AlterTableCmd) -> Result<(), Fault> {
        let mut security = self.schema.relation(id).row_security;
        match command.subtype() {
            AlterTableType::AtChangeOwner => return self.change_owner(id, command.newowner.as_ref()),
            AlterTableType::AtEnableRowSecurity => security = RowSecurity { enabled: true, ..security },
            AlterTableType::AtDisableRowSecurity => security = RowSecurity { enabled: false, ..security },
            AlterTableType::AtForceRowSecurity => security = RowSecurity { forced: true, ..security },
            AlterTableType::AtNoForceRowSecurity => security = RowSecurity { forced: false, ..security },
            AlterTableType::AtEnableTrig
            | AlterTableType::AtEnableAlwaysTrig
            | AlterTableType::AtEnableReplicaTrig
            | AlterTableType::AtEnableTrigAll
            | AlterTableType::AtEnableTrigUser
            | AlterTableType::AtDisableTrig
            | AlterTableType::AtDisableTrigAll
            | AlterTableType::AtDisableTrigUser => return self.switch_trigger(id, command),
            other => {
                let (what, help) = match other {
                    AlterTableType::AtAddInherit | AlterTableType::AtDropInherit => {
                        ("table inheritance", "leave it out")
                    }
                    AlterTableType::AtAttachPartition | AlterTableType::AtDetachPartition => {
                        ("a partitioned table", "write an ordinary table")
                    }
                    AlterTableType::AtReplicaIdentity => ("`replica identity`", "leave it out"),
                    AlterTableType::AtSetStatistics
                    | AlterTableType::AtSetStorage
                    | AlterTableType::AtSetCompression
                    | AlterTableType::AtSetRelOptions => {
                        ("a storage parameter", "leave it out: it tunes PostgreSQL's files")
                    }
                    _ => ("this clause of `alter table`", "leave it out where this database is not PostgreSQL"),
                };
                return Err(Fault::only_postgres(what, help));
            }
        }
        self.edit(id, |relation| relation.row_security = security);
        Ok(())
    }

    fn add_column(&mut self, id: RelationId, command: &AlterTableCmd) -> Result<(), Fault> {
        let Some(NodeEnum::ColumnDef(def)) = command.def.as_ref().and_then(|node| node.node.as_ref()) else {
            return Ok(());
        };
        let relation = self.schema.relation(id).clone();
        if relation.column(&def.colname).is_some() {
            if command.missing_ok {
                return Ok(());
            }
            let message = format!("column \"{}\" of relation \"{}\" already exists", def.colname, relation.name);
            return Err(Fault::new("42701", message).at(def.location));
        }
        let (column, declared) = self.declare_column(&relation, def)?;
        self.edit(id, |relation| add_column(relation, column, def))?;
        self.fill_and_constrain(id, vec![declared], Vec::new())
    }

    pub(super) fn column(&self, id: RelationId, name: &str) -> Result<Column, Fault> {
        let relation = self.schema.relation(id);
        relation.column(name).cloned().ok_or_else(|| no_column(relation, name))
    }

    pub(super) fn edit_column(&mut self, id: RelationId, column: ColumnId, change: impl FnOnce(&mut Column)) {
        self.edit(id, |relation| {
            if let Some(found) = relation.columns.iter_mut().find(|found| found.id == column) {
                change(found);
            }
        });
    }

    fn drop_column(&mut self, id: RelationId, command: &AlterTableCmd) -> Result<(), Fault> {
        let relation = self.schema.relation(id);
        let name = command.name.as_str();
        if command.missing_ok && relation.column(name).is_none() {
            return Ok(());
        }
        let column = self.column(id, name)?;
        let cascade = command.behavior() == DropBehavior::DropCascade;
        self.drop_all(&[Object::Column(id, column.id)], cascade).map_err(|fault| fault.or_name(name))
    }

    fn alter_type(&mut self, id: RelationId, name: &str, def: &ColumnDef) -> Result<(), Fault> {
        super::columns::refuse_collation(def.coll_clause.as_deref())?;
        let old = self.schema.relation(id).clone();
        let column = self.column(id, name)?;
        let ty = self.type_of(def.type_name.as_ref())?;
        let place = def.type_name.as_ref().map_or(-1, |name| name.location);
        self.refuse_type_change(&old, &column, &ty).map_err(|fault| fault.at(place))?;
        if column.ty == ty {
            return Ok(());
        }
        let using = match def.raw_default.as_deref() {
            Some(node) => {
                let expr = self.expr(node, Scope::Relation(&old))?;
                let from = expr.ty().sql_name();
                let message = format!(
                    "result of USING clause for column \"{name}\" cannot be cast automatically to type {}",
                    ty.sql_name()
                );
                self.coerce(expr, &ty).map_err(|_| {
                    Fault::new("42804", message)
                        .at(location(node))
                        .help(format!("It is {from}: you might need to add an explicit cast."))
                })?
            }
            None => self.convert(&column, &ty).map_err(|fault| fault.at(place))?,
        };
        let default = self.convert_default(&column, &ty).map_err(|fault| fault.at(place))?;
        if !column.is_generated() {
            self.conversions.push(Conversion { relation: id, column: column.id, using });
        }
        self.edit(id, |relation| {
            exprs_mut(relation, &mut |expr| retype_column(expr, column.id, &ty));
            if let Some(found) = relation.columns.iter_mut().find(|found| found.id == column.id) {
                found.ty = ty;
                found.default = default;
            }
        });
        Ok(())
    }

    fn convert(&self, column: &Column, ty: &Type) -> Result<Expr, Fault> {
        let value = Expr::Column { source: SourceId::ROW, column: column.id, ty: column.ty.clone() };
        self.coerce(value, ty).map_err(|_| {
            let shown = ty.sql_name();
            let message = format!("column \"{}\" cannot be cast automatically to type {shown}", column.name);
            Fault::new("42804", message).help(format!("You might need to specify \"USING {}::{shown}\".", column.name))
        })
    }

    fn convert_default(&self, column: &Column, ty: &Type) -> Result<Option<DefaultValue>, Fault> {
        let failed = |_| {
            let message = format!(
                "default for column \"{}\" cannot be cast automatically to type {}",
                column.name,
                ty.sql_name()
            );
            Fault::new("42804", message)
        };
        Ok(match column.default.clone() {
            // The conversion to the old type is not part of what was written.
            Some(DefaultValue::Expr(Expr::Cast { expr, ty: old })) if old == column.ty => {
                Some(DefaultValue::Expr(self.coerce(*expr, ty).map_err(failed)?))
            }
            Some(DefaultValue::Expr(expr)) => Some(DefaultValue::Expr(self.coerce(expr, ty).map_err(failed)?)),
            Some(DefaultValue::Generated(expr)) => {
                Some(DefaultValue::Generated(self.coerce(expr, ty).map_err(failed)?))
            }
            other => other,
        })
    }

    fn refuse_type_change(&self, relation: &Relation, column: &Column, ty: &Type) -> Result<(), Fault> {
        let name = column.name.as_str();
        let integer = matches!(ty.base(), Type::Int2 | Type::Int4 | Type::Int8);
        if matches!(column.default, Some(DefaultValue::Identity { .. })) && !integer {
            return Err(Fault::new("22023", "identity column type must be smallint, integer, or bigint"));
        }
        let me = (relation.id, column.id);
        for other in self.schema.relations.values() {
            if other.definition.as_ref().is_some_and(|select| Uses::of_select(select).columns.contains(&me)) {
                return Err(Fault::new("0A000", "cannot alter type of a column used by a view or rule")
                    .help(format!("rule _RETURN on view {} depends on column \"{name}\"", other.name)));
            }
            for policy in &other.policies {
                if Uses::of_expr(policy.using.iter().chain(&policy.with_check), other.id).columns.contains(&me) {
                    return Err(Fault::new("0A000", "cannot alter type of a column used in a policy definition")
                        .help(format!("policy {} on table {} depends on column \"{name}\"", policy.name, other.name)));
                }
            }
        }
        for other in &relation.columns {
            if let Some(DefaultValue::Generated(expr)) = &other.default
                && Uses::of_expr([expr], relation.id).columns.contains(&me)
            {
                return Err(Fault::new("0A000", "cannot alter type of a column used by a generated column")
                    .help(format!("Column \"{name}\" is used by generated column \"{}\".", other.name)));
            }
        }
        refuse_in_conditions(relation, column, ty)
    }

    fn alter_default(&mut self, id: RelationId, name: &str, node: Option<&Node>) -> Result<(), Fault> {
        let column = self.column(id, name)?;
        let table = self.schema.relation(id).name.clone();
        match column.default {
            Some(DefaultValue::Identity { .. }) => {
                let message = format!("column \"{name}\" of relation \"{table}\" is an identity column");
                return Err(Fault::new("42601", message)
                    .name(name)
                    .help("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead."));
            }
            Some(DefaultValue::Generated(_)) => {
                let message = format!("column \"{name}\" of relation \"{table}\" is a generated column");
                return Err(Fault::new("42601", message)
                    .name(name)
                    .help("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead."));
            }
            Some(DefaultValue::Expr(_) | DefaultValue::Sequence { .. } | DefaultValue::Engine(_)) | None => {}
        }
        let default = match node {
            Some(node) => self.default_value(node, (name, &column.ty))?,
            None => domain_default(&column.ty),
        };
        self.edit_column(id, column.id, |column| column.default = default);
        self.note_calls(&Object::Default(id, column.id));
        Ok(())
    }

    fn drop_not_null(&mut self, id: RelationId, name: &str) -> Result<(), Fault> {
        let column = self.column(id, name)?;
        let relation = self.schema.relation(id);
        if matches!(column.default, Some(DefaultValue::Identity { .. })) {
            let message = format!("column \"{name}\" of relation \"{}\" is an identity column", relation.name);
            return Err(Fault::new("42601", message).name(name));
        }
        if relation.primary_key.as_ref().is_some_and(|key| key.columns.contains(&column.id)) {
            return Err(Fault::new("42P16", format!("column \"{name}\" is in a primary key")).name(name));
        }
        self.edit_column(id, column.id, |column| column.not_null = false);
        Ok(())
    }

    fn set_expression(&mut self, id: RelationId, name: &str, node: Option<&Node>) -> Result<(), Fault> {
        let column = self.column(id, name)?;
        let relation = Arc::clone(&self.schema.relations[&id]);
        let Some(node) = node.filter(|_| column.is_generated()) else { return Err(not_generated(&relation, name)) };
        let expr = self.assigned(node, Scope::Relation(&relation), (name, &column.ty), "generation")?;
        self.edit_column(id, column.id, |column| column.default = Some(DefaultValue::Generated(expr)));
        self.note_calls(&Object::Column(id, column.id));
        Ok(())
    }

    fn drop_expression(&mut self, id: RelationId, name: &str, missing_ok: bool) -> Result<(), Fault> {
        let column = self.column(id, name)?;
        if !column.is_generated() {
            return if missing_ok { Ok(()) } else { Err(not_generated(self.schema.relation(id), name)) };
        }
        self.edit_column(id, column.id, |column| column.default = None);
        Ok(())
    }

    fn add_identity(&mut self, id: RelationId, name: &str, node: Option<&Node>) -> Result<(), Fault> {
        let column = self.column(id, name)?;
        let relation = self.schema.relation(id).clone();
        let Some(NodeEnum::Constraint(identity)) = node.and_then(|node| node.node.as_ref()) else { return Ok(()) };
        let complaint = |what: &str| {
            Fault::new("55000", format!("column \"{name}\" of relation \"{}\" {what}", relation.name)).name(name)
        };
        match column.default {
            Some(DefaultValue::Identity { .. }) => return Err(complaint("is already an identity column")),
            Some(_) => return Err(complaint("already has a default value")),
            None if !column.not_null => {
                return Err(complaint("must be declared NOT NULL before identity can be added"));
            }
            None => {}
        }
        if !matches!(column.ty.base(), Type::Int2 | Type::Int4 | Type::Int8) {
            return Err(Fault::new("22023", "identity column type must be smallint, integer, or bigint").name(name));
        }
        let identity = self.new_identity(&relation, &column, identity)?;
        self.edit_column(id, column.id, |column| column.default = Some(identity));
        Ok(())
    }

    fn set_identity(&mut self, id: RelationId, name: &str, node: Option<&Node>) -> Result<(), Fault> {
        let column = self.column(id, name)?;
        let Some(DefaultValue::Identity { mut always, mut start, mut increment }) = column.default else {
            return Err(not_identity(self.schema.relation(id), name));
        };
        let options = super::names::list(node);
        for option in options {
            let Some(NodeEnum::DefElem(option)) = option.node.as_ref() else { continue };
            if option.defname == "generated" {
                let when = option.arg.as_deref().and_then(super::settings::constant);
                // The grammar keeps the letter's code: `a` for always, `d` for by default.
                always = when.as_deref() == Some("97") || when.as_deref() == Some("a");
            }
        }
        let changed = super::sequences::read_options(options)?;
        start = changed.start.unwrap_or(start);
        increment = changed.increment.unwrap_or(increment);
        self.edit_column(id, column.id, |column| {
            column.default = Some(DefaultValue::Identity { always, start, increment })
        });
        let owner = Some((id, column.id));
        let owned = self.schema_mut().sequences.iter_mut().find(|(_, sequence)| sequence.owner == owner);
        let key = owned.map(|(key, sequence)| {
            (sequence.start, sequence.increment) = (start, increment);
            key.clone()
        });
        if let (Some(key), Some(restart)) = (key, changed.restart) {
            self.restart_sequence(&key, restart);
        }
        Ok(())
    }

    fn drop_identity(&mut self, id: RelationId, name: &str, missing_ok: bool) -> Result<(), Fault> {
        let column = self.column(id, name)?;
        if !matches!(column.default, Some(DefaultValue::Identity { .. })) {
            return if missing_ok { Ok(()) } else { Err(not_identity(self.schema.relation(id), name)) };
        }
        self.schema_mut().sequences.retain(|_, sequence| sequence.owner != Some((id, column.id)));
        self.edit_column(id, column.id, |column| column.default = None);
        Ok(())
    }

    fn drop_constraint(&mut self, id: RelationId, command: &AlterTableCmd) -> Result<(), Fault> {
        if command.missing_ok && !constraint_names(self.schema.relation(id)).any(|name| name == command.name) {
            return Ok(());
        }
        self.known_constraint(id, &command.name)?;
        let cascade = command.behavior() == DropBehavior::DropCascade;
        let object = Object::Constraint(id, command.name.clone());
        self.drop_all(&[object], cascade).map_err(|fault| fault.or_name(&command.name))
    }

    fn known_constraint(&self, id: RelationId, name: &str) -> Result<(), Fault> {
        let relation = self.schema.relation(id);
        if constraint_names(relation).any(|known| known == name) {
            return Ok(());
        }
        Err(no_constraint(relation, name))
    }

    fn alter_constraint(&mut self, id: RelationId, node: Option<&Node>) -> Result<(), Fault> {
        let (name, deferrable, deferred) = match node.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::Constraint(found)) => (&found.conname, found.deferrable, found.initdeferred),
            Some(NodeEnum::AtalterConstraint(found)) => (&found.conname, found.deferrable, found.initdeferred),
            _ => return Ok(()),
        };
        self.known_constraint(id, name)?;
        let found = self.edit(id, |relation| {
            let key = relation.foreign_keys.iter_mut().find(|key| key.name == *name)?;
            key.deferrable = deferrable;
            key.initially_deferred = deferred;
            Some(())
        });
        let table = &self.schema.relation(id).name;
        found.ok_or_else(|| {
            let message = format!("constraint \"{name}\" of relation \"{table}\" is not a foreign key constraint");
            Fault::new("42809", message).name(name)
        })
    }

    pub(super) fn change_owner(&mut self, id: RelationId, owner: Option<&pb::RoleSpec>) -> Result<(), Fault> {
        let owner = self.role_name(owner)?;
        self.edit(id, |relation| relation.owner = owner);
        Ok(())
    }

    /// `alter … owner to` of what is no table. Only tables and views have an owner that binds anyone.
    pub(super) fn alter_owner(&mut self, stmt: &pb::AlterOwnerStmt) -> Result<(), Fault> {
        self.role_name(stmt.newowner.as_ref()).map(drop)
    }
}

/// PostgreSQL's fault for a constraint that a statement about a table names.
fn no_constraint(relation: &Relation, name: &str) -> Fault {
    let message = format!("constraint \"{name}\" of relation \"{}\" does not exist", relation.name);
    Fault::new("42704", message).name(name)
}

fn not_generated(relation: &Relation, name: &str) -> Fault {
    let message = format!("column \"{name}\" of relation \"{}\" is not a stored generated column", relation.name);
    Fault::new("55000", message).name(name)
}

fn not_identity(relation: &Relation, name: &str) -> Fault {
    let message = format!("column \"{name}\" of relation \"{}\" is not an identity column", relation.name);
    Fault::new("55000", message).name(name)
}

/// Checks and expression indexes were read with the column's old type; only a type that reads the same keeps their meaning.
fn refuse_in_conditions(relation: &Relation, column: &Column, ty: &Type) -> Result<(), Fault> {
    let integer = |ty: &Type| matches!(ty, Type::Int2 | Type::Int4 | Type::Int8);
    let (old, new) = (column.ty.base(), ty.base());
    let alike = (integer(old) && integer(new))
        || (matches!(old, Type::Text | Type::Varchar(_)) && matches!(new, Type::Text | Type::Varchar(_)))
        || std::mem::discriminant(old) == std::mem::discriminant(new);
    if alike {
        return Ok(());
    }
    let uses = |expr: &Expr| Uses::of_expr([expr], relation.id).columns.contains(&(relation.id, column.id));
    let check = relation.checks.iter().find(|check| uses(&check.condition)).map(|check| &check.name);
    let indexed = |index: &&crate::schema::Index| {
        index.condition.as_ref().is_some_and(uses)
            || index.terms.iter().any(|term| super::indexes::plain_column(&term.expr).is_none() && uses(&term.expr))
    };
    let index = relation.indexes.iter().find(indexed).map(|index| &index.name);
    let Some(name) = check.or(index) else { return Ok(()) };
    let what = format!("changing the type of a column that `{name}` speaks of");
    Err(Fault::only_postgres(what, format!("drop `{name}` before, and add it again after")))
}

fn retype_column(expr: &mut Expr, id: ColumnId, ty: &Type) {
    if let Expr::Column { source: SourceId::ROW, column, ty: old } = expr
        && *column == id
    {
        *old = ty.clone();
    }
    expr.for_each_child_mut(&mut |child| retype_column(child, id, ty));
}

/// PostgreSQL carries out the clauses of one statement by kind, whatever their order.
fn pass(command: &AlterTableCmd) -> u8 {
    match command.subtype() {
        AlterTableType::AtDropColumn
        | AlterTableType::AtDropConstraint
        | AlterTableType::AtDropNotNull
        | AlterTableType::AtDropIdentity
        | AlterTableType::AtDropExpression => 0,
        AlterTableType::AtColumnDefault if command.def.is_none() => 0,
        AlterTableType::AtAlterColumnType => 1,
        AlterTableType::AtAddColumn => 2,
        AlterTableType::AtAddConstraint => {
            let constraint = command.def.as_ref().and_then(|node| node.node.as_ref());
            let foreign = matches!(constraint, Some(NodeEnum::Constraint(found)) if found.contype() == pb::ConstrType::ConstrForeign);
            if foreign { 5 } else { 4 }
        }
        AlterTableType::AtColumnDefault
        | AlterTableType::AtSetNotNull
        | AlterTableType::AtAddIdentity
        | AlterTableType::AtSetIdentity => 3,
        _ => 6,
    }
}
