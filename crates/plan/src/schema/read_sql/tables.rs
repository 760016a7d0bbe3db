//! `create table`, `create table as`, and what a new table begins with.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, ColumnDef, ConstrType, Constraint, ObjectType, OnCommitAction};

use super::columns::Declared;
use super::fault::Fault;
use super::names::{self, strings};
use super::{Fold, OWNER};
use crate::expr::{Select, Statement};
use crate::schema::{Column, ColumnId, DefaultPrivilegeObject, Key, Relation, RelationId, RelationKind};
use crate::value::Type;

impl Fold<'_> {
    pub(super) fn create_table(&mut self, stmt: &pb::CreateStmt) -> Result<(), Fault> {
        refuse_table_clauses(stmt)?;
        let Some(range) = stmt.relation.as_ref() else { return Ok(()) };
        let Some(mut relation) = self.new_relation(range, RelationKind::Table, stmt.if_not_exists)? else {
            return Ok(());
        };
        let mut declared = Vec::new();
        let mut constraints = Vec::new();
        let mut likes = Vec::new();
        for node in &stmt.table_elts {
            match node.node.as_ref() {
                Some(NodeEnum::ColumnDef(def)) => {
                    let (column, clauses) = self.declare_column(&relation, def)?;
                    add_column(&mut relation, column, def)?;
                    declared.push(clauses);
                }
                Some(NodeEnum::Constraint(constraint)) => constraints.push((**constraint).clone()),
                Some(NodeEnum::TableLikeClause(like)) => {
                    let copied = self.like_columns(&mut relation, like)?;
                    likes.push((like, copied));
                }
                _ => {}
            }
        }
        let id = relation.id;
        self.schema_mut().put(relation);
        refuse_repeated_checks(&declared, &constraints)?;
        for (like, copied) in &likes {
            self.like_rest(id, like, copied)?;
        }
        self.fill_and_constrain(id, declared, constraints)
    }

    /// Defaults and constraints, in the order in which PostgreSQL names them: checks, keys, foreign keys.
    pub(super) fn fill_and_constrain(
        &mut self,
        relation: RelationId,
        declared: Vec<Declared<'_>>,
        table_constraints: Vec<Constraint>,
    ) -> Result<(), Fault> {
        let mut constraints: Vec<(Option<String>, Constraint)> = Vec::new();
        for clauses in declared {
            self.fill_column(relation, &clauses.def.colname, &clauses)?;
            let column = clauses.def.colname.clone();
            constraints.extend(clauses.constraints.into_iter().map(|constraint| (Some(column.clone()), constraint)));
        }
        constraints.extend(table_constraints.into_iter().map(|constraint| (None, constraint)));
        constraints.sort_by_key(|(_, constraint)| match constraint.contype() {
            ConstrType::ConstrForeign => 3,
            ConstrType::ConstrPrimary => 1,
            ConstrType::ConstrUnique => 2,
            _ => 0,
        });
        let before: Vec<Key> = self.schema.relation(relation).keys().cloned().collect();
        for (column, constraint) in constraints {
            self.add_constraint(relation, &constraint, column.as_deref())?;
            if constraint.contype() == ConstrType::ConstrUnique && constraint.conname.is_empty() {
                self.edit(relation, |relation| forget_repeated_key(relation, &before));
            }
        }
        Ok(())
    }

    /// An empty relation under a new id; `None` where one exists and that is fine.
    pub(super) fn new_relation(
        &mut self,
        range: &pb::RangeVar,
        kind: RelationKind,
        if_not_exists: bool,
    ) -> Result<Option<Relation>, Fault> {
        if range.relpersistence == "t" {
            let what = if kind == RelationKind::View { "a temporary view" } else { "a temporary table" };
            return Err(Fault::only_postgres(what, "leave `temporary` out").at(range.location));
        }
        let schema = self.schema_for_new(&range.schemaname, range.location)?;
        let name = range.relname.clone();
        if self.class_exists(&schema, &name) {
            if if_not_exists {
                return Ok(None);
            }
            return Err(Fault::new("42P07", format!("relation \"{name}\" already exists")).at(range.location));
        }
        let grants = self.default_grants(DefaultPrivilegeObject::Tables, &schema);
        let id = self.schema_mut().new_relation_id();
        let relation = Relation::new(id, (schema, name), kind, Vec::new());
        Ok(Some(Relation { owner: OWNER.to_owned(), grants, ..relation }))
    }

    pub(super) fn create_table_as(&mut self, stmt: &pb::CreateTableAsStmt) -> Result<(), Fault> {
        if stmt.objtype() == ObjectType::ObjectMatview {
            return Err(Fault::only_postgres("a materialized view", "write `create view`"));
        }
        let Some(into) = stmt.into.as_ref() else { return Ok(()) };
        let Some(range) = into.rel.as_ref() else { return Ok(()) };
        let Some(NodeEnum::SelectStmt(query)) = stmt.query.as_ref().and_then(|query| query.node.as_ref()) else {
            return Err(Fault::only_postgres("`create table as execute`", "write the select itself"));
        };
        let Some(mut relation) = self.new_relation(range, RelationKind::Table, stmt.if_not_exists)? else {
            return Ok(());
        };
        let select = self.select(query)?;
        relation.columns = output_columns(&select, &strings(&into.col_names))?;
        let (id, columns) = (relation.id, relation.columns.iter().map(|column| column.id).collect());
        self.schema_mut().put(relation);
        if !into.skip_data {
            let rows = Some(select);
            self.writes.push(Statement::Insert { relation: id, columns, rows, overriding: false, conflict: None });
        }
        Ok(())
    }
}

/// The columns that a select's outputs make; `names` rename the first of them.
pub(super) fn output_columns(select: &Select, names: &[&str]) -> Result<Vec<Column>, Fault> {
    let outputs = outputs(select);
    if names.len() > outputs.len() {
        return Err(Fault::new("42601", "CREATE VIEW specifies more column names than columns"));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(outputs.len());
    for (index, (name, ty)) in outputs.into_iter().enumerate() {
        let name = names.get(index).map_or(name, |name| (*name).to_owned());
        if columns.iter().any(|column| column.name == name) {
            return Err(Fault::new("42701", format!("column \"{name}\" specified more than once")).name(&name));
        }
        let id = ColumnId(u16::try_from(index + 1).map_err(|_| too_many_columns())?);
        columns.push(Column { id, name, ty, not_null: false, default: None, comment: None });
    }
    Ok(columns)
}

fn outputs(select: &Select) -> Vec<(String, Type)> {
    let known = |ty: Type| if ty == Type::Unknown { Type::Text } else { ty };
    match select.values.first() {
        Some(row) if select.outputs.is_empty() => {
            row.iter().enumerate().map(|(index, expr)| (format!("column{}", index + 1), known(expr.ty()))).collect()
        }
        _ => select.outputs.iter().map(|output| (output.name.clone(), known(output.expr.ty()))).collect(),
    }
}

/// PostgreSQL makes one index of two keys that one statement puts on the same columns.
fn forget_repeated_key(relation: &mut Relation, before: &[Key]) {
    let Some(last) = relation.unique.pop() else { return };
    let same = |key: &&Key| key.columns == last.columns && key.deferrable == last.deferrable && !before.contains(key);
    if !relation.keys().any(|key| same(&key)) {
        relation.unique.push(last);
    }
}

pub(super) fn add_column(relation: &mut Relation, column: Column, def: &ColumnDef) -> Result<(), Fault> {
    if relation.column(&column.name).is_some() {
        return Err(
            Fault::new("42701", format!("column \"{}\" specified more than once", column.name)).at(def.location)
        );
    }
    if relation.columns.len() >= 1600 {
        return Err(too_many_columns());
    }
    relation.columns.push(column);
    Ok(())
}

fn too_many_columns() -> Fault {
    Fault::new("54011", "tables can have at most 1600 columns")
}

fn refuse_table_clauses(stmt: &pb::CreateStmt) -> Result<(), Fault> {
    if stmt.partspec.is_some() || stmt.partbound.is_some() {
        return Err(Fault::only_postgres("a partitioned table", "write an ordinary table").name("partition"));
    }
    if let Some(NodeEnum::RangeVar(parent)) = stmt.inh_relations.first().and_then(|node| node.node.as_ref()) {
        return Err(Fault::only_postgres(
            "table inheritance",
            "write `like parent including all` instead of `inherits`",
        )
        .at(parent.location));
    }
    if let Some(of) = &stmt.of_typename {
        return Err(Fault::only_postgres("a table `of` a type", "list its columns").at(of.location));
    }
    if let Some(NodeEnum::DefElem(option)) = stmt.options.first().and_then(|node| node.node.as_ref()) {
        return Err(storage_parameter(option));
    }
    if !stmt.tablespacename.is_empty() {
        return Err(Fault::only_postgres("a tablespace", "leave `tablespace` out").name(&stmt.tablespacename));
    }
    if !stmt.access_method.is_empty() && stmt.access_method != "heap" {
        return Err(Fault::only_postgres("a table access method", "leave `using` out").name(&stmt.access_method));
    }
    match stmt.oncommit() {
        OnCommitAction::Undefined | OnCommitAction::OncommitNoop => Ok(()),
        _ => Err(Fault::only_postgres("`on commit`", "leave it out").name("on")),
    }
}

/// PostgreSQL has words of its own for two checks of one name in one statement.
fn refuse_repeated_checks(declared: &[Declared<'_>], constraints: &[Constraint]) -> Result<(), Fault> {
    let mut names: Vec<&str> = Vec::new();
    for constraint in declared.iter().flat_map(|clauses| &clauses.constraints).chain(constraints) {
        let name = constraint.conname.as_str();
        if name.is_empty() || constraint.contype() != ConstrType::ConstrCheck {
            continue;
        }
        if names.contains(&name) {
            return Err(
                Fault::new("42710", format!("check constraint \"{name}\" already exists")).at(constraint.location)
            );
        }
        names.push(name);
    }
    Ok(())
}

pub(super) fn storage_parameter(option: &pb::DefElem) -> Fault {
    let name = &option.defname;
    Fault::only_postgres(format!("the storage parameter `{name}`"), "leave it out: it tunes PostgreSQL's files")
        .at(option.location)
}

/// The columns of a list of names, which must all exist; `missing` words the fault.
pub(super) fn column_ids(
    relation: &Relation,
    names: &[pb::Node],
    missing: impl Fn(&str) -> Fault,
) -> Result<Vec<ColumnId>, Fault> {
    names::strings(names)
        .into_iter()
        .map(|name| relation.column(name).map(|column| column.id).ok_or_else(|| missing(name)))
        .collect()
}

/// PostgreSQL's fault for a column that a statement about a table names.
pub(super) fn no_column(relation: &Relation, name: &str) -> Fault {
    let message = format!("column \"{name}\" of relation \"{}\" does not exist", relation.name);
    Fault::new("42703", message).name(name)
}
