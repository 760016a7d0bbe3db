//! Statements that write rows.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, DropBehavior, Node};

use super::Fold;
use super::fault::Fault;
use super::names::string;
use super::settings::constant;
use crate::expr::{Expr, Select, SelectOutput, SourceId, Statement};
use crate::schema::{DefaultValue, RelationId};
use crate::value::{Type, Value};

impl Fold<'_> {
    pub(super) fn write(&mut self, node: &Node) -> Result<(), Fault> {
        let statement = self.resolve_statement(node)?;
        self.writes.push(statement);
        Ok(())
    }

    /// A select in a file is there for what its functions do.
    pub(super) fn run_select(&mut self, stmt: &pb::SelectStmt, node: &Node) -> Result<(), Fault> {
        if stmt.into_clause.is_some() {
            return Err(Fault::only_postgres("`select into`", "write `create table … as select …`").name("into"));
        }
        if self.set_config(stmt) {
            return Ok(());
        }
        if let Some(statement) = self.sequence_call(stmt)? {
            self.writes.push(statement);
            return Ok(());
        }
        self.write(node)
    }

    /// `select setval(…)` or `nextval(…)`, with which dumps and seeds end: known here only, as the whole of a
    /// statement. The other arguments are read as if they were what is selected.
    fn sequence_call(&self, stmt: &pb::SelectStmt) -> Result<Option<Statement>, Fault> {
        let [target] = stmt.target_list.as_slice() else { return Ok(None) };
        let Some(NodeEnum::ResTarget(target)) = target.node.as_ref() else { return Ok(None) };
        let Some((function, [sequence, others @ ..])) = target.val.as_deref().and_then(called) else { return Ok(None) };
        if !matches!(function, "setval" | "nextval") {
            return Ok(None);
        }
        let (schema, name) = self.sequence_named(sequence)?;
        let mut select = Select::default();
        if !others.is_empty() {
            let output = |value: &Node| {
                let target = pb::ResTarget { val: Some(Box::new(value.clone())), ..pb::ResTarget::default() };
                Node { node: Some(NodeEnum::ResTarget(Box::new(target))) }
            };
            let selected = pb::SelectStmt { target_list: others.iter().map(output).collect(), ..stmt.clone() };
            let node = Node { node: Some(NodeEnum::SelectStmt(Box::new(selected))) };
            if let Statement::Select(resolved) = self.resolve_statement(&node)? {
                select = resolved;
            }
        }
        let mut args = vec![Expr::value(Value::text(format!("{schema}.{name}")), Type::Text)];
        args.extend(select.outputs.into_iter().map(|output| output.expr));
        let expr = Expr::call(function, args, Type::Int8);
        select.outputs = vec![SelectOutput { name: function.to_owned(), expr }];
        Ok(Some(Statement::Select(select)))
    }

    /// A sequence by its name as a constant, or by the column that `pg_get_serial_sequence` names.
    fn sequence_named(&self, node: &Node) -> Result<(String, String), Fault> {
        let unknown = |name: &str| Fault::new("42P01", format!("relation \"{name}\" does not exist")).name(name);
        if let Some(("pg_get_serial_sequence", [table, column])) = called(node) {
            let (table, column) = (constant(table).unwrap_or_default(), constant(column).unwrap_or_default());
            let key = self.search(parts(&table), |key| self.schema.names.contains_key(key));
            let relation =
                key.and_then(|(schema, name)| self.schema.find(&schema, &name)).ok_or_else(|| unknown(&table))?;
            let owner = relation.column(&column).map(|column| (relation.id, column.id));
            let owned = self.schema.sequences.iter().find(|(_, sequence)| owner.is_some() && sequence.owner == owner);
            return owned.map(|(key, _)| key.clone()).ok_or_else(|| {
                Fault::new("42P01", format!("column \"{column}\" of \"{table}\" has no sequence")).name(&column)
            });
        }
        let name = constant(node)
            .ok_or_else(|| Fault::only_postgres("a sequence that is not named by a constant", "write its name"))?;
        self.search(parts(&name), |key| self.schema.sequences.contains_key(key)).ok_or_else(|| unknown(&name))
    }

    pub(super) fn truncate(&mut self, stmt: &pb::TruncateStmt) -> Result<(), Fault> {
        let mut tables: Vec<RelationId> = Vec::new();
        for node in &stmt.relations {
            let Some(NodeEnum::RangeVar(range)) = node.node.as_ref() else { continue };
            tables.push(self.table(range)?.id);
        }
        let mut next = 0;
        while next < tables.len() {
            for (id, name) in self.referencing(tables[next]) {
                if tables.contains(&id) {
                    continue;
                }
                if stmt.behavior() != DropBehavior::DropCascade {
                    let referenced = &self.schema.relation(tables[next]).name;
                    let help = format!(
                        "Table \"{name}\" references \"{referenced}\". Truncate table \"{name}\" at the same time, or use TRUNCATE ... CASCADE."
                    );
                    return Err(Fault::new("0A000", "cannot truncate a table referenced in a foreign key constraint")
                        .help(help));
                }
                tables.push(id);
            }
            next += 1;
        }
        // Rows that refer to others go first.
        for id in tables.into_iter().rev() {
            self.writes.push(Statement::Delete {
                relation: id,
                source: SourceId(1),
                using: Vec::new(),
                condition: None,
            });
            if stmt.restart_seqs {
                self.restart_sequences(id);
            }
        }
        Ok(())
    }

    fn referencing(&self, target: RelationId) -> Vec<(RelationId, String)> {
        let refers = |relation: &&std::sync::Arc<crate::schema::Relation>| {
            relation.foreign_keys.iter().any(|key| key.target == target)
        };
        self.schema.relations.values().filter(refers).map(|relation| (relation.id, relation.name.clone())).collect()
    }

    fn restart_sequences(&mut self, id: RelationId) {
        let relation = self.schema.relation(id);
        let has_sequence = relation.columns.iter().any(|column| {
            matches!(column.default, Some(DefaultValue::Sequence { .. } | DefaultValue::Identity { .. }))
        });
        if !has_sequence {
            return;
        }
        let owned: Vec<((String, String), i64)> = self
            .schema
            .sequences
            .iter()
            .filter(|(_, sequence)| sequence.owner.is_some_and(|(owner, _)| owner == id))
            .map(|(key, sequence)| (key.clone(), sequence.start))
            .collect();
        for ((schema, name), start) in owned {
            let args = vec![
                Expr::value(Value::text(format!("{schema}.{name}")), Type::Text),
                Expr::value(Value::Int(start), Type::Int8),
                Expr::boolean(false),
            ];
            let expr = Expr::call("setval", args, Type::Int8);
            let outputs = vec![SelectOutput { name: "setval".to_owned(), expr }];
            self.writes.push(Statement::Select(Select { outputs, ..Select::default() }));
        }
    }
}

/// A function's name, less its schema, and its arguments.
fn called(node: &Node) -> Option<(&str, &[Node])> {
    let NodeEnum::FuncCall(call) = node.node.as_ref()? else { return None };
    Some((string(call.funcname.last()?)?, &call.args))
}

/// `schema.name` or `name`, perhaps with quotes.
fn parts(text: &str) -> (Option<&str>, &str) {
    let mut parts = text.rsplitn(2, '.').map(|part| part.trim_matches('"'));
    let name = parts.next().unwrap_or_default();
    (parts.next(), name)
}
