//! The statements of a folder, kept for what a schema does not: the text of expressions, views and functions.

use std::collections::HashMap;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, AlterTableType, ColumnDef, ConstrType, Constraint, Node};

use super::super::read_sql::{PassedOver, Reviewed, SqlFile, deparse, review};
use super::super::{Relation, RelationId, Schema};
use super::facts::{Name, full, quote};
use crate::engine::SqlError;

/// What a statement made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Enum(Name),
    Domain(Name),
    Sequence(Name),
    Table(Name),
    View(Name),
    Function(Name),
    Index(Name, String),
}

#[derive(Default)]
pub(super) struct Sources {
    /// What makes something, in its order, as it was written.
    pub(super) statements: Vec<(Made, String)>,
    /// A column's definition, as `add column` takes it.
    pub(super) columns: HashMap<(Name, String), String>,
    /// The text of a column's default.
    pub(super) defaults: HashMap<(Name, String), String>,
    /// The text of a check's condition.
    pub(super) checks: HashMap<(Name, String), String>,
    /// Triggers by table and name, as they were written.
    pub(super) triggers: Vec<((String, String), String)>,
    pub(super) passed_over: Vec<PassedOver>,
}

impl Sources {
    #[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
    pub(super) fn read(&mut self, schema: &mut Arc<Schema>, file: &SqlFile<'_>) -> Result<(), SqlError> {
        let passed_over = review(schema, file, &mut |reviewed| self.keep(reviewed))?;
        self.passed_over.extend(passed_over);
        Ok(())
    }

    fn keep(&mut self, reviewed: &Reviewed<'_>) {
        let Some(node) = reviewed.node.node.as_ref() else { return };
        match node {
            NodeEnum::CreateStmt(stmt) => self.keep_table(reviewed, stmt),
            NodeEnum::AlterTableStmt(stmt) => self.keep_alter(reviewed, stmt),
            NodeEnum::ViewStmt(stmt) => {
                let mut stmt = (**stmt).clone();
                stmt.replace = false;
                let text = NodeEnum::ViewStmt(Box::new(stmt)).deparse(pg_query::DeparseOptions::default());
                let text = text.unwrap_or_else(|_| reviewed.text().to_owned());
                for view in changed_relations(reviewed) {
                    self.put(Made::View(name_of(&view)), text.clone());
                }
            }
            NodeEnum::IndexStmt(_) => {
                for table in changed_relations(reviewed) {
                    let old = reviewed.before.relations.get(&table.id);
                    let had = |name: &str| old.is_some_and(|old| old.indexes.iter().any(|index| index.name == name));
                    for index in table.indexes.iter().filter(|index| !had(&index.name)) {
                        self.put(Made::Index(name_of(&table), index.name.clone()), reviewed.text().to_owned());
                    }
                }
            }
            NodeEnum::CreateFunctionStmt(stmt) => self.keep_function(reviewed, stmt),
            NodeEnum::CreateEnumStmt(_) => {
                let new = reviewed.after.enums.keys().find(|key| !reviewed.before.enums.contains_key(*key));
                new.into_iter().for_each(|key| self.put(Made::Enum(key.clone()), reviewed.text().to_owned()));
            }
            NodeEnum::CreateDomainStmt(_) => {
                let new = reviewed.after.domains.keys().find(|key| !reviewed.before.domains.contains_key(*key));
                new.into_iter().for_each(|key| self.put(Made::Domain(key.clone()), reviewed.text().to_owned()));
            }
            NodeEnum::CreateSeqStmt(_) => {
                let new = reviewed.after.sequences.keys().find(|key| !reviewed.before.sequences.contains_key(*key));
                new.into_iter().for_each(|key| self.put(Made::Sequence(key.clone()), reviewed.text().to_owned()));
            }
            // One that is passed over goes with the others that only PostgreSQL understands.
            NodeEnum::CreateTrigStmt(stmt) if !Arc::ptr_eq(reviewed.before, reviewed.after) => {
                let table = stmt.relation.as_ref().map(|range| range.relname.clone()).unwrap_or_default();
                let key = (table, stmt.trigname.clone());
                self.triggers.retain(|(old, _)| *old != key);
                self.triggers.push((key, reviewed.text().to_owned()));
            }
            NodeEnum::DropStmt(stmt) if stmt.remove_type() == pb::ObjectType::ObjectTrigger => {
                for names in stmt.objects.iter().map(words) {
                    if let [.., table, name] = names.as_slice() {
                        self.triggers.retain(|((on, old), _)| (on, old) != (table, name));
                    }
                }
            }
            _ => {}
        }
    }

    /// The last statement that makes a thing is the one that counts.
    fn put(&mut self, made: Made, text: String) {
        match self.statements.iter_mut().find(|(old, _)| *old == made) {
            Some(found) => found.1 = text,
            None => self.statements.push((made, text)),
        }
    }

    fn keep_function(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::CreateFunctionStmt) {
        let mut stmt = stmt.clone();
        stmt.replace = true;
        let text = NodeEnum::CreateFunctionStmt(Box::new(stmt)).deparse(pg_query::DeparseOptions::default());
        let text = text.unwrap_or_else(|_| reviewed.text().to_owned());
        for new in &reviewed.after.functions {
            if reviewed.before.functions.iter().all(|old| !Arc::ptr_eq(old, new)) {
                self.put(Made::Function((new.schema.clone(), new.signature())), text.clone());
            }
        }
    }

    fn keep_table(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::CreateStmt) {
        let Some(table) = changed_relations(reviewed).into_iter().next() else { return };
        let name = name_of(&table);
        self.put(Made::Table(name.clone()), reviewed.text().to_owned());
        let mut checks = Vec::new();
        let mut later = Vec::new();
        for node in &stmt.table_elts {
            match node.node.as_ref() {
                Some(NodeEnum::ColumnDef(def)) => {
                    self.keep_column(&name, def);
                    checks.extend(clauses(def).filter(|clause| clause.contype() == ConstrType::ConstrCheck).cloned());
                }
                Some(NodeEnum::Constraint(constraint)) if constraint.contype() == ConstrType::ConstrCheck => {
                    later.push((**constraint).clone());
                }
                _ => {}
            }
        }
        checks.extend(later);
        self.keep_checks(&table, None, &checks);
    }

    /// Checks are made in the order in which they are declared.
    fn keep_checks(&mut self, table: &Relation, before: Option<&Relation>, declared: &[Constraint]) {
        let had = |name: &str| before.is_some_and(|before| before.checks.iter().any(|check| check.name == name));
        let new = table.checks.iter().filter(|check| !had(&check.name));
        for (check, declared) in new.zip(declared) {
            if let Some(text) = declared.raw_expr.as_deref().and_then(deparse) {
                self.checks.insert((name_of(table), check.name.clone()), text);
            }
        }
    }

    fn keep_column(&mut self, table: &Name, def: &ColumnDef) {
        let key = (table.clone(), def.colname.clone());
        let default = clauses(def).find(|clause| clause.contype() == ConstrType::ConstrDefault);
        if let Some(text) = default.and_then(|clause| clause.raw_expr.as_deref()).and_then(deparse) {
            self.defaults.insert(key.clone(), text);
        }
        // Keys, checks and references come with the constraints, under their own names.
        let mut bare = def.clone();
        bare.constraints.retain(|node| match node.node.as_ref() {
            Some(NodeEnum::Constraint(clause)) => matches!(
                clause.contype(),
                ConstrType::ConstrNull
                    | ConstrType::ConstrNotnull
                    | ConstrType::ConstrDefault
                    | ConstrType::ConstrIdentity
                    | ConstrType::ConstrGenerated
            ),
            _ => false,
        });
        if let Some(text) = add_column(&bare) {
            self.columns.insert(key, text);
        }
    }

    fn keep_alter(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::AlterTableStmt) {
        let Some(table) = changed_relations(reviewed).into_iter().next() else { return };
        let name = name_of(&table);
        let mut checks = Vec::new();
        for node in &stmt.cmds {
            let Some(NodeEnum::AlterTableCmd(command)) = node.node.as_ref() else { continue };
            match (command.subtype(), command.def.as_ref().and_then(|node| node.node.as_ref())) {
                (AlterTableType::AtAddColumn, Some(NodeEnum::ColumnDef(def))) => {
                    self.keep_column(&name, def);
                    checks.extend(clauses(def).filter(|clause| clause.contype() == ConstrType::ConstrCheck).cloned());
                }
                (AlterTableType::AtAddConstraint, Some(NodeEnum::Constraint(constraint)))
                    if constraint.contype() == ConstrType::ConstrCheck =>
                {
                    checks.push((**constraint).clone());
                }
                (AlterTableType::AtColumnDefault, _) => {
                    if let Some(text) = command.def.as_deref().and_then(deparse) {
                        self.defaults.insert((name.clone(), command.name.clone()), text);
                    }
                }
                _ => {}
            }
        }
        self.keep_checks(&table, reviewed.before.relations.get(&table.id).map(|old| &**old), &checks);
    }
}

fn words(list: &Node) -> Vec<String> {
    let Some(NodeEnum::List(list)) = list.node.as_ref() else { return Vec::new() };
    let word = |node: &Node| match node.node.as_ref() {
        Some(NodeEnum::String(word)) => Some(word.sval.clone()),
        _ => None,
    };
    list.items.iter().filter_map(word).collect()
}

fn clauses(def: &ColumnDef) -> impl Iterator<Item = &Constraint> {
    def.constraints.iter().filter_map(|node| match node.node.as_ref() {
        Some(NodeEnum::Constraint(constraint)) => Some(&**constraint),
        _ => None,
    })
}

/// `"name" type …`, as it follows `add column`.
fn add_column(def: &ColumnDef) -> Option<String> {
    let range = pb::RangeVar { relname: "t".into(), inh: true, relpersistence: "p".into(), ..pb::RangeVar::default() };
    let stmt = pb::CreateStmt {
        relation: Some(range),
        table_elts: vec![Node { node: Some(NodeEnum::ColumnDef(Box::new(def.clone()))) }],
        oncommit: pb::OnCommitAction::OncommitNoop as i32,
        ..pb::CreateStmt::default()
    };
    let text = NodeEnum::CreateStmt(stmt).deparse(pg_query::DeparseOptions::default()).ok()?;
    let inside = text.split_once('(')?.1.trim().strip_suffix(')')?;
    Some(inside.trim().to_owned())
}

fn changed_relations(reviewed: &Reviewed<'_>) -> Vec<Arc<Relation>> {
    let is_changed = |(id, new): &(&RelationId, &Arc<Relation>)| {
        reviewed.before.relations.get(id).is_none_or(|old| !Arc::ptr_eq(old, new))
    };
    reviewed.after.relations.iter().filter(is_changed).map(|(_, relation)| Arc::clone(relation)).collect()
}

pub(super) fn name_of(relation: &Relation) -> Name {
    (relation.schema.clone(), relation.name.clone())
}

/// `alter table "s"."t"`
pub(super) fn alter(table: &Name) -> String {
    format!("alter table {}", full(table))
}

/// `alter table "s"."t" alter column "c"`
pub(super) fn alter_column(table: &Name, column: &str) -> String {
    format!("{} alter column {}", alter(table), quote(column))
}
