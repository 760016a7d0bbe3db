//! Keys, checks and foreign keys, named as PostgreSQL names them.

use std::sync::Arc;

use pg_query::protobuf::{ConstrType, Constraint, Node};

use super::Fold;
use super::dependents::columns_of;
use super::drop::Object;
use super::fault::Fault;
use super::indexes::plain_column;
use super::names::{constraint_names, strings};
use super::tables::column_ids;
use crate::schema::read_expr::Scope;
use crate::schema::{Check, ColumnId, ForeignKey, Index, Key, ReferentialAction, Relation, RelationId, RelationKind};
use crate::value::Type;

impl Fold<'_> {
    /// Adds a constraint to a table; `column` is the one whose definition it stands in.
    pub(super) fn add_constraint(
        &mut self,
        id: RelationId,
        constraint: &Constraint,
        column: Option<&str>,
    ) -> Result<(), Fault> {
        if !constraint.conname.is_empty() {
            self.refuse_taken_constraint(id, constraint)?;
        }
        match constraint.contype() {
            ConstrType::ConstrCheck => self.add_check(id, constraint),
            ConstrType::ConstrPrimary | ConstrType::ConstrUnique => self.add_key(id, constraint, column),
            ConstrType::ConstrForeign => self.add_foreign_key(id, constraint, column),
            ConstrType::ConstrNotnull => self.add_not_null(id, &constraint.keys),
            ConstrType::ConstrExclusion => Err(Fault::only_postgres(
                "an exclusion constraint",
                "use a unique constraint, or refuse overlaps in the application",
            )
            .at(constraint.location)),
            _ => Err(Fault::new("42601", "misplaced constraint clause").at(constraint.location)),
        }
    }

    fn refuse_taken_constraint(&self, id: RelationId, constraint: &Constraint) -> Result<(), Fault> {
        let relation = self.schema.relation(id);
        let name = constraint.conname.as_str();
        // A key may have the name of the index that it is made of.
        let with_index = name != constraint.indexname
            && matches!(constraint.contype(), ConstrType::ConstrPrimary | ConstrType::ConstrUnique);
        if with_index && self.class_exists(&relation.schema, name) {
            return Err(Fault::new("42P07", format!("relation \"{name}\" already exists")).name(name));
        }
        if constraint_names(relation).any(|taken| taken == name) {
            let message = format!("constraint \"{name}\" for relation \"{}\" already exists", relation.name);
            return Err(Fault::new("42710", message).name(name));
        }
        Ok(())
    }

    fn add_not_null(&mut self, id: RelationId, keys: &[Node]) -> Result<(), Fault> {
        let relation = Arc::clone(&self.schema.relations[&id]);
        let columns = column_ids(&relation, keys, |name| super::tables::no_column(&relation, name))?;
        self.edit(id, |relation| set_not_null(relation, &columns));
        Ok(())
    }

    fn add_check(&mut self, id: RelationId, constraint: &Constraint) -> Result<(), Fault> {
        refuse_not_valid(constraint)?;
        let relation = Arc::clone(&self.schema.relations[&id]);
        let Some(node) = constraint.raw_expr.as_deref() else { return Ok(()) };
        let condition = self.condition(node, Scope::Relation(&relation), "CHECK")?;
        let name = if constraint.conname.is_empty() {
            let mut used = columns_of(&condition);
            let only = used.pop().filter(|_| used.is_empty());
            let column = only.map_or("", |column| relation.column_by_id(column).name.as_str());
            self.new_constraint_name(&relation.schema, (&relation.name, column, "check"))
        } else {
            constraint.conname.clone()
        };
        let user = Object::Constraint(id, name.clone());
        self.edit(id, |relation| relation.checks.push(Check { name, condition }));
        self.note_calls(&user);
        Ok(())
    }

    fn add_key(&mut self, id: RelationId, constraint: &Constraint, column: Option<&str>) -> Result<(), Fault> {
        refuse_key_clauses(constraint)?;
        let relation = Arc::clone(&self.schema.relations[&id]);
        let primary = constraint.contype() == ConstrType::ConstrPrimary;
        if primary && relation.primary_key.is_some() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", relation.name);
            return Err(Fault::new("42P16", message).at(constraint.location));
        }
        let index = relation.indexes.iter().position(|index| index.name == constraint.indexname);
        let columns = match index {
            Some(index) => index_columns(&relation.indexes[index], constraint)?,
            None if !constraint.indexname.is_empty() => {
                let message = format!("index \"{}\" does not exist", constraint.indexname);
                return Err(Fault::new("42704", message).name(&constraint.indexname));
            }
            None => self.key_columns(&relation, constraint, column)?,
        };
        let names: Vec<&str> = relation.column_names(&columns).collect();
        let name = match (constraint.conname.as_str(), primary) {
            ("", _) if index.is_some() => constraint.indexname.clone(),
            ("", true) => self.new_class_name(&relation.schema, (&relation.name, "", "pkey"), true),
            ("", false) => self.new_class_name(&relation.schema, (&relation.name, &names.join("_"), "key"), true),
            (given, _) => given.to_owned(),
        };
        let key =
            Key { name, columns, nulls_not_distinct: constraint.nulls_not_distinct, deferrable: constraint.deferrable };
        self.edit(id, |relation| {
            // The key takes the index's place.
            if let Some(index) = index {
                relation.indexes.remove(index);
            }
            if primary {
                set_not_null(relation, &key.columns);
                relation.primary_key = Some(key);
            } else {
                relation.unique.push(key);
            }
        });
        Ok(())
    }

    fn key_columns(
        &self,
        relation: &Relation,
        constraint: &Constraint,
        column: Option<&str>,
    ) -> Result<Vec<ColumnId>, Fault> {
        if let Some(column) = column.and_then(|name| relation.column(name)) {
            return Ok(vec![column.id]);
        }
        let columns = column_ids(relation, &constraint.keys, |name| {
            Fault::new("42703", format!("column \"{name}\" named in key does not exist")).at(constraint.location)
        })?;
        for (index, column) in columns.iter().enumerate() {
            if columns[..index].contains(column) {
                let name = &relation.column_by_id(*column).name;
                let kind = if constraint.contype() == ConstrType::ConstrPrimary { "primary key" } else { "unique" };
                let message = format!("column \"{name}\" appears twice in {kind} constraint");
                return Err(Fault::new("42701", message).at(constraint.location));
            }
        }
        Ok(columns)
    }

    fn add_foreign_key(&mut self, id: RelationId, constraint: &Constraint, column: Option<&str>) -> Result<(), Fault> {
        refuse_foreign_clauses(constraint)?;
        let relation = Arc::clone(&self.schema.relations[&id]);
        let Some(range) = constraint.pktable.as_ref() else { return Ok(()) };
        let target = self.relation(range)?;
        if target.kind != RelationKind::Table {
            let message = format!("referenced relation \"{}\" is not a table", target.name);
            return Err(Fault::new("42809", message).at(range.location));
        }
        let missing = |name: &str| {
            let message = format!("column \"{name}\" referenced in foreign key constraint does not exist");
            Fault::new("42703", message).name(name)
        };
        let columns = match column.and_then(|name| relation.column(name)) {
            Some(column) => vec![column.id],
            None => column_ids(&relation, &constraint.fk_attrs, missing)?,
        };
        let target_columns = referenced_columns(&target, constraint, missing)?;
        if columns.len() != target_columns.len() {
            let message = "number of referencing and referenced columns for foreign key disagree";
            return Err(Fault::new("42830", message).at(constraint.location));
        }
        refuse_without_key(&target, &target_columns, constraint)?;
        let names: Vec<&str> = relation.column_names(&columns).collect();
        let name = match constraint.conname.as_str() {
            "" => self.new_constraint_name(&relation.schema, (&relation.name, &names.join("_"), "fkey")),
            given => given.to_owned(),
        };
        refuse_incomparable((&relation, &columns), (&target, &target_columns), &name, constraint)?;
        let key = ForeignKey {
            name,
            columns,
            target: target.id,
            target_columns,
            on_delete: action(&constraint.fk_del_action),
            on_update: action(&constraint.fk_upd_action),
            deferrable: constraint.deferrable,
            initially_deferred: constraint.initdeferred,
        };
        self.edit(id, |relation| relation.foreign_keys.push(key));
        Ok(())
    }
}

pub(super) fn set_not_null(relation: &mut Relation, columns: &[ColumnId]) {
    for column in relation.columns.iter_mut().filter(|column| columns.contains(&column.id)) {
        column.not_null = true;
    }
}

fn referenced_columns(
    target: &Relation,
    constraint: &Constraint,
    missing: impl Fn(&str) -> Fault,
) -> Result<Vec<ColumnId>, Fault> {
    if !constraint.pk_attrs.is_empty() {
        return column_ids(target, &constraint.pk_attrs, missing);
    }
    target.primary_key.as_ref().map(|key| key.columns.clone()).ok_or_else(|| {
        let message = format!("there is no primary key for referenced table \"{}\"", target.name);
        Fault::new("42704", message).at(constraint.pktable.as_ref().map_or(-1, |range| range.location))
    })
}

fn refuse_without_key(target: &Relation, columns: &[ColumnId], constraint: &Constraint) -> Result<(), Fault> {
    let same = |key: &[ColumnId]| key.len() == columns.len() && columns.iter().all(|column| key.contains(column));
    let index_serves = target.indexes.iter().any(|index| {
        let terms: Option<Vec<ColumnId>> =
            index.terms.iter().map(|term| super::indexes::plain_column(&term.expr)).collect();
        index.unique && index.condition.is_none() && terms.is_some_and(|terms| same(&terms))
    });
    if index_serves || target.keys().any(|key| same(&key.columns)) {
        return Ok(());
    }
    let message = format!("there is no unique constraint matching given keys for referenced table \"{}\"", target.name);
    Err(Fault::new("42830", message).at(constraint.pktable.as_ref().map_or(-1, |range| range.location)))
}

fn refuse_incomparable(
    (relation, columns): (&Relation, &[ColumnId]),
    (target, targets): (&Relation, &[ColumnId]),
    name: &str,
    constraint: &Constraint,
) -> Result<(), Fault> {
    for (column, other) in columns.iter().zip(targets) {
        let (column, other) = (relation.column_by_id(*column), target.column_by_id(*other));
        if comparable(&column.ty, &other.ty) {
            continue;
        }
        let help = format!(
            "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
            column.name,
            other.name,
            column.ty.sql_name(),
            other.ty.sql_name()
        );
        let message = format!("foreign key constraint \"{name}\" cannot be implemented");
        return Err(Fault::new("42804", message).at(constraint.location).help(help));
    }
    Ok(())
}

fn comparable(left: &Type, right: &Type) -> bool {
    let (left, right) = (left.base(), right.base());
    let times = |ty: &Type| matches!(ty, Type::Date | Type::Timestamp | Type::Timestamptz);
    (left.is_number() && right.is_number())
        || (left.is_text() && right.is_text())
        || (times(left) && times(right))
        || left == right
}

fn refuse_not_valid(constraint: &Constraint) -> Result<(), Fault> {
    if constraint.is_no_inherit {
        return Err(Fault::only_postgres("`no inherit`", "leave it out").at(constraint.location));
    }
    Ok(())
}

/// The columns of an index that becomes a key.
fn index_columns(index: &Index, constraint: &Constraint) -> Result<Vec<ColumnId>, Fault> {
    if !index.unique {
        let message = format!("\"{}\" is not a unique index", index.name);
        return Err(Fault::new("42809", message).name(&index.name));
    }
    let columns: Option<Vec<ColumnId>> = index.terms.iter().map(|term| plain_column(&term.expr)).collect();
    match columns {
        Some(columns) if index.condition.is_none() => Ok(columns),
        Some(_) | None => {
            let what = if index.condition.is_some() { "is a partial index" } else { "contains expressions" };
            let fault = Fault::new("42809", format!("index \"{}\" {what}", index.name));
            Err(fault.at(constraint.location))
        }
    }
}

fn refuse_key_clauses(constraint: &Constraint) -> Result<(), Fault> {
    let refuse = |what: &str, help: &str| Err(Fault::only_postgres(what, help).at(constraint.location));
    if !strings(&constraint.including).is_empty() {
        return refuse("`include` in a key", "leave it out, or make an index of its own");
    }
    if constraint.without_overlaps {
        return refuse("`without overlaps`", "use a plain key");
    }
    if !constraint.options.is_empty() || !constraint.indexspace.is_empty() {
        return refuse("a key's storage parameter or tablespace", "leave it out");
    }
    Ok(())
}

fn refuse_foreign_clauses(constraint: &Constraint) -> Result<(), Fault> {
    refuse_not_valid(constraint)?;
    let refuse = |what: &str, help: &str| Err(Fault::only_postgres(what, help).at(constraint.location));
    if constraint.fk_matchtype == "f" && constraint.fk_attrs.len() > 1 {
        return refuse("`match full` over several columns", "leave it out, and add a check that all or none are null");
    }
    if constraint.fk_matchtype == "p" {
        return Err(Fault::new("0A000", "MATCH PARTIAL not yet implemented").at(constraint.location));
    }
    if !constraint.fk_del_set_cols.is_empty() {
        return refuse("`on delete set` with a list of columns", "leave the list out: it sets them all");
    }
    if constraint.fk_with_period {
        return refuse("a foreign key with `period`", "use a plain foreign key");
    }
    Ok(())
}

fn action(code: &str) -> ReferentialAction {
    match code {
        "r" => ReferentialAction::Restrict,
        "c" => ReferentialAction::Cascade,
        "n" => ReferentialAction::SetNull,
        "d" => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}
