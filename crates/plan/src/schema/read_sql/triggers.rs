//! Triggers, and the PL/pgSQL bodies that they run: read whole at the file's end, when all that they name is there.

use std::sync::Arc;

use pg_query::protobuf::{self as pb, AlterTableCmd, AlterTableType, Node};

use super::comments::range_of;
use super::drop::Object;
use super::fault::Fault;
use super::names::{dotted, list, show, string};
use super::resolve::location;
use super::{Fold, SqlFile};
use crate::engine::SqlError;
use crate::expr::{Expr, SourceId};
use crate::schema::read_expr::Sight;
use crate::schema::read_plpgsql::{self, Header};
use crate::schema::{
    ColumnId, Function, Relation, RelationId, RelationKind, Trigger, TriggerEvent, TriggerLevel, TriggerTiming,
};
use crate::value::Type;

/// PostgreSQL's bits for when a trigger fires.
const BEFORE: i32 = 1 << 1;
const INSERT: i32 = 1 << 2;
const DELETE: i32 = 1 << 3;
const UPDATE: i32 = 1 << 4;
const TRUNCATE: i32 = 1 << 5;
const INSTEAD: i32 = 1 << 6;

impl Fold<'_> {
    pub(super) fn create_trigger(&mut self, stmt: &pb::CreateTrigStmt) -> Result<(), Fault> {
        let Some(range) = stmt.relation.as_ref() else { return Ok(()) };
        let name = stmt.trigname.as_str();
        refuse_forms(stmt)?;
        let relation = self.relation(range)?;
        if relation.kind == RelationKind::View {
            let fault = Fault::only_postgres("a trigger on a view", "make it on the table, and write to the table");
            return Err(fault.name(name));
        }
        let known = relation.triggers.iter().any(|trigger| trigger.name == name);
        if known && !stmt.replace {
            let message = format!("trigger \"{name}\" for relation \"{}\" already exists", relation.name);
            return Err(Fault::new("42710", message).name(name));
        }
        let mut columns = Vec::new();
        for column in stmt.columns.iter().filter_map(string) {
            let found = relation.column(column).ok_or_else(|| super::tables::no_column(&relation, column))?;
            columns.push(found.id);
        }
        let trigger = Trigger {
            name: name.to_owned(),
            function: self.trigger_function(stmt)?,
            timing: if stmt.timing & BEFORE != 0 { TriggerTiming::Before } else { TriggerTiming::After },
            events: events(stmt.events),
            columns,
            level: if stmt.row { TriggerLevel::Row } else { TriggerLevel::Statement },
            condition: self.trigger_condition(stmt, &relation)?,
            args: stmt.args.iter().filter_map(string).map(str::to_owned).collect(),
            enabled: true,
        };
        self.trigger_places.insert((relation.id, name.to_owned()), (self.piece.offset, self.piece.text.len()));
        self.edit(relation.id, |relation| {
            relation.triggers.retain(|known| known.name != trigger.name);
            relation.triggers.push(trigger);
            relation.triggers.sort_by(|a, b| a.name.cmp(&b.name));
        });
        Ok(())
    }

    fn trigger_function(&self, stmt: &pb::CreateTrigStmt) -> Result<(String, String), Fault> {
        let wanted @ (schema, name) = dotted(&stmt.funcname);
        let visible = |function: &&Arc<Function>| match schema {
            Some(schema) => function.schema == schema,
            None => self.search_path.contains(&function.schema),
        };
        let mut named = self.schema.functions.iter().filter(|function| function.name == name);
        let Some(function) = named.find(|function| visible(function) && function.args.is_empty()) else {
            if name == "suppress_redundant_updates_trigger" || name.starts_with("tsvector_update_trigger") {
                let help = "write a function that compares `new` and `old`";
                return Err(Fault::only_postgres(format!("the trigger function `{name}`"), help).name(name));
            }
            return Err(Fault::new("42883", format!("function {}() does not exist", show(wanted))).name(name));
        };
        if function.returns != Type::Other("trigger".into()) {
            let message = format!("function {} must return type trigger", show(wanted));
            return Err(Fault::new("42P17", message).name(name));
        }
        Ok((function.schema.clone(), function.name.clone()))
    }

    fn trigger_condition(&self, stmt: &pb::CreateTrigStmt, relation: &Relation) -> Result<Option<Expr>, Fault> {
        let Some(node) = stmt.when_clause.as_deref() else { return Ok(None) };
        let row = |source| {
            let field = |column: &crate::schema::Column| {
                (column.name.clone(), Expr::Column { source, column: column.id, ty: column.ty.clone() })
            };
            relation.columns.iter().map(field).collect::<Vec<_>>()
        };
        let rows = vec![("new".to_owned(), row(SourceId::NEW)), ("old".to_owned(), row(SourceId::OLD))];
        let sight = Sight { rows, ..Sight::default() };
        let condition = self.reading_in(node, &sight)?;
        if !stmt.row && names_row(&condition, |_| true) {
            let message = "statement trigger's WHEN condition cannot reference column values";
            return Err(Fault::new("42P17", message).at(location(node)));
        }
        for (event, source, words) in [
            (INSERT, SourceId::OLD, "INSERT trigger's WHEN condition cannot reference OLD values"),
            (DELETE, SourceId::NEW, "DELETE trigger's WHEN condition cannot reference NEW values"),
        ] {
            if stmt.events & event != 0 && names_row(&condition, |found| found == source) {
                return Err(Fault::new("42P17", words).at(location(node)));
            }
        }
        let mut has_select = false;
        condition.walk(&mut |part| {
            has_select |= matches!(part, Expr::Exists { .. } | Expr::InSelect { .. } | Expr::Scalar { .. });
        });
        if has_select {
            let message = "cannot use subquery in trigger WHEN condition";
            return Err(Fault::new("0A000", message).at(location(node)));
        }
        Ok(Some(condition))
    }

    pub(super) fn drop_trigger(&self, stmt: &pb::DropStmt, node: &Node) -> Result<Option<Object>, Fault> {
        let Some((trigger, table)) = list(Some(node)).split_last() else { return Ok(None) };
        let name = string(trigger).unwrap_or_default();
        let range = range_of(table);
        if stmt.missing_ok && self.find_relation(&range).is_none() {
            return Ok(None);
        }
        let relation = self.relation(&range).map_err(|fault| fault.or_name(&range.relname))?;
        if relation.triggers.iter().any(|trigger| trigger.name == name) {
            return Ok(Some(Object::Trigger(relation.id, name.to_owned())));
        }
        if stmt.missing_ok { Ok(None) } else { Err(no_trigger(&relation, name)) }
    }

    /// `alter table … enable|disable trigger`.
    pub(super) fn switch_trigger(&mut self, id: RelationId, command: &AlterTableCmd) -> Result<(), Fault> {
        let name = command.name.as_str();
        let (enabled, all) = match command.subtype() {
            AlterTableType::AtEnableTrig | AlterTableType::AtEnableAlwaysTrig => (true, false),
            AlterTableType::AtDisableTrig => (false, false),
            AlterTableType::AtEnableTrigAll | AlterTableType::AtEnableTrigUser => (true, true),
            AlterTableType::AtDisableTrigUser => (false, true),
            AlterTableType::AtDisableTrigAll => {
                let help = "write `disable trigger user`, which leaves foreign keys alone";
                return Err(Fault::only_postgres("`disable trigger all`", help));
            }
            _ => return Err(Fault::only_postgres("a replica's trigger", "leave it out")),
        };
        let relation = self.schema.relation(id);
        if !all && !relation.triggers.iter().any(|trigger| trigger.name == name) {
            return Err(no_trigger(relation, name));
        }
        self.edit(id, |relation| {
            for trigger in relation.triggers.iter_mut().filter(|trigger| all || trigger.name == name) {
                trigger.enabled = enabled;
            }
        });
        Ok(())
    }

    pub(super) fn rename_trigger(&mut self, range: &pb::RangeVar, stmt: &pb::RenameStmt) -> Result<(), Fault> {
        let relation = self.table(range)?;
        let (old, new) = (stmt.subname.as_str(), stmt.newname.as_str());
        if !relation.triggers.iter().any(|trigger| trigger.name == old) {
            return Err(no_trigger(&relation, old));
        }
        if relation.triggers.iter().any(|trigger| trigger.name == new) {
            let message = format!("trigger \"{new}\" for relation \"{}\" already exists", relation.name);
            return Err(Fault::new("42710", message).name(new));
        }
        self.edit(relation.id, |relation| {
            for trigger in relation.triggers.iter_mut().filter(|trigger| trigger.name == old) {
                trigger.name = new.to_owned();
            }
            relation.triggers.sort_by(|a, b| a.name.cmp(&b.name));
        });
        Ok(())
    }

    /// The triggers that a column is part of.
    pub(super) fn triggers_with(&self, id: RelationId, column: ColumnId) -> Vec<Object> {
        let uses = |trigger: &&Trigger| {
            let mut found = trigger.columns.contains(&column);
            if let Some(condition) = &trigger.condition {
                condition.walk(&mut |part| found |= matches!(part, Expr::Column { column: of, .. } if *of == column));
            }
            found
        };
        let relation = self.schema.relation(id);
        relation.triggers.iter().filter(uses).map(|trigger| Object::Trigger(id, trigger.name.clone())).collect()
    }

    /// The triggers that run a function.
    pub(super) fn triggers_of(&self, key: &(String, String)) -> Vec<Object> {
        let mut found = Vec::new();
        for relation in self.schema.relations.values() {
            for trigger in &relation.triggers {
                if trigger.function.0 == key.0 && format!("{}()", trigger.function.1) == key.1 {
                    found.push(Object::Trigger(relation.id, trigger.name.clone()));
                }
            }
        }
        found
    }

    /// Reads each body once more, for each trigger that runs it: what it names must be there when the file ends.
    #[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
    pub(super) fn check_procedures(&self, file: &SqlFile<'_>) -> Result<(), SqlError> {
        for relation in self.schema.relations.values() {
            for trigger in &relation.triggers {
                let function = self.schema.functions.iter().find(|function| {
                    function.schema == trigger.function.0
                        && function.name == trigger.function.1
                        && function.args.is_empty()
                });
                let Some(function) = function else { continue };
                let place = self.trigger_places.get(&(relation.id, trigger.name.clone())).copied();
                self.check_procedure(file, (function, Some(relation)), place)?;
            }
        }
        let plain = self.schema.functions.iter().filter(|function| function.returns != Type::Other("trigger".into()));
        for function in plain {
            self.check_procedure(file, (function, None), None)?;
        }
        Ok(())
    }

    #[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
    fn check_procedure(
        &self,
        file: &SqlFile<'_>,
        (function, relation): (&Function, Option<&Relation>),
        trigger: Option<(usize, usize)>,
    ) -> Result<(), SqlError> {
        let Some(body) = function.procedure.as_deref() else { return Ok(()) };
        let header = Header { schema: &self.schema, function, relation };
        let Err(fault) = body.read(header) else { return Ok(()) };
        let key = (function.schema.clone(), function.signature());
        let sqlstate = Some(fault.sqlstate.unwrap_or("0A000").to_owned());
        let (path, source_text) = (file.path.to_owned(), file.text.to_owned());
        if let Some(start) = self.bodies.get(&key) {
            let (offset, length) = (start + fault.offset, fault.length);
            return Err(SqlError {
                path,
                source_text,
                offset,
                length,
                sqlstate,
                message: fault.message,
                help: fault.help,
            });
        }
        let (offset, length) = trigger.unwrap_or((0, 0));
        let line = body.line_of(fault.offset);
        let message = format!("{} (line {line} of the function \"{}\")", fault.message, function.name);
        Err(SqlError { path, source_text, offset, length, sqlstate, message, help: fault.help })
    }
}

/// A fault within a body that starts at `start` of its statement.
pub(super) fn as_fault(fault: read_plpgsql::Fault, start: usize) -> Fault {
    let found = Fault::new(fault.sqlstate.unwrap_or("0A000"), fault.message).span(start + fault.offset, fault.length);
    match fault.help {
        Some(help) => found.help(help),
        None => found,
    }
}

fn refuse_forms(stmt: &pb::CreateTrigStmt) -> Result<(), Fault> {
    let (what, help) = if stmt.timing & INSTEAD != 0 {
        ("an `instead of` trigger", "write to the tables that the view reads")
    } else if !stmt.transition_rels.is_empty() {
        ("`referencing` in a trigger", "make it `for each row`")
    } else if stmt.initdeferred {
        ("an `initially deferred` trigger", "leave `initially deferred` out")
    } else if stmt.events & TRUNCATE != 0 {
        ("a trigger on `truncate`", "make it on `delete`")
    } else {
        return Ok(());
    };
    Err(Fault::only_postgres(what, help).name(&stmt.trigname))
}

fn events(bits: i32) -> Vec<TriggerEvent> {
    let all = [
        (INSERT, TriggerEvent::Insert),
        (UPDATE, TriggerEvent::Update),
        (DELETE, TriggerEvent::Delete),
        (TRUNCATE, TriggerEvent::Truncate),
    ];
    all.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, event)| event).collect()
}

fn names_row(condition: &Expr, is_meant: impl Fn(SourceId) -> bool) -> bool {
    let mut found = false;
    condition.walk(&mut |part| found |= matches!(part, Expr::Column { source, .. } if is_meant(*source)));
    found
}

pub(super) fn no_trigger(relation: &Relation, name: &str) -> Fault {
    let message = format!("trigger \"{name}\" for table \"{}\" does not exist", relation.name);
    Fault::new("42704", message).name(name)
}
