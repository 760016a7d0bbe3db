//! Statements that write rows.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, DropBehavior, Node};

use super::Fold;
use super::fault::Fault;
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
        self.write(node)
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
