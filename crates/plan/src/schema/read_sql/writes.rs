//! Statements that write rows.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, DropBehavior, Node};

use super::Fold;
use super::fault::Fault;
use super::names;
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
        match self.sequence_call(stmt)? {
            Some(select) => self.writes.push(Statement::Select(select)),
            None => self.write(node)?,
        }
        Ok(())
    }

    /// `select setval('t_id_seq', …)` and `select nextval('t_id_seq')`, whose place is the whole statement. The other
    /// arguments may come from tables.
    fn sequence_call(&self, stmt: &pb::SelectStmt) -> Result<Option<Select>, Fault> {
        let Some((function, call)) = only_call(stmt) else { return Ok(None) };
        let Some((first, rest)) = call.args.split_first() else { return Ok(None) };
        if !matches!((function, rest.len()), ("setval", 1 | 2) | ("nextval", 0)) {
            return Ok(None);
        }
        let Some((schema, name)) = self.sequence_named_by(first)? else { return Ok(None) };
        let mut args = vec![Expr::value(Value::text(format!("{schema}.{name}")), Type::Text)];
        let mut select = Select::default();
        if !rest.is_empty() {
            let target =
                |value: &Node| pb::ResTarget { val: Some(Box::new(value.clone())), ..pb::ResTarget::default() };
            let targets = rest.iter().map(|value| Node { node: Some(NodeEnum::ResTarget(Box::new(target(value)))) });
            select = self.select(&pb::SelectStmt { target_list: targets.collect(), ..stmt.clone() })?;
            for (output, ty) in select.outputs.drain(..).zip([Type::Int8, Type::Bool]) {
                args.push(self.coerce(output.expr, &ty)?);
            }
        }
        let expr = Expr::call(function, args, Type::Int8);
        select.outputs = vec![SelectOutput { name: function.to_owned(), expr }];
        Ok(Some(select))
    }

    /// `'t_id_seq'`, `'t_id_seq'::regclass` or `pg_get_serial_sequence('t', 'id')`.
    fn sequence_named_by(&self, node: &Node) -> Result<Option<(String, String)>, Fault> {
        let place = super::resolve::location(node);
        if let Some(text) = constant(node) {
            let parts = split_name(&text);
            let wanted = (parts.0.as_deref(), parts.1.as_str());
            let found = self.search(wanted, |key| self.schema.sequences.contains_key(key));
            return found.map(Some).ok_or_else(|| {
                Fault::new("42P01", format!("relation \"{}\" does not exist", names::show(wanted))).at(place)
            });
        }
        let Some(NodeEnum::FuncCall(call)) = node.node.as_ref() else { return Ok(None) };
        let arguments: Vec<String> = call.args.iter().filter_map(constant).collect();
        let is_lookup = call.funcname.last().and_then(names::string) == Some("pg_get_serial_sequence");
        let [table, column] = arguments.as_slice() else { return Ok(None) };
        if !is_lookup {
            return Ok(None);
        }
        let (schema, name) = split_name(table);
        let range = pb::RangeVar {
            schemaname: schema.unwrap_or_default(),
            relname: name,
            location: place,
            ..pb::RangeVar::default()
        };
        let relation = self.relation(&range)?;
        let owner = relation
            .column(column)
            .map(|column| (relation.id, column.id))
            .ok_or_else(|| super::tables::no_column(&relation, column))?;
        let owned = self.schema.sequences.iter().find(|(_, sequence)| sequence.owner == Some(owner));
        Ok(owned.map(|(key, _)| key.clone()))
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
        let owned =
            self.schema.sequences.iter().filter(|(_, sequence)| sequence.owner.is_some_and(|(owner, _)| owner == id));
        let owned: Vec<(String, String)> = owned.map(|(key, _)| key.clone()).collect();
        for key in owned {
            self.restart_sequence(&key, None);
        }
    }
}

/// The one function call that is all a select computes.
fn only_call(stmt: &pb::SelectStmt) -> Option<(&str, &pb::FuncCall)> {
    let [target] = stmt.target_list.as_slice() else { return None };
    let NodeEnum::ResTarget(target) = target.node.as_ref()? else { return None };
    match target.val.as_ref()?.node.as_ref()? {
        NodeEnum::FuncCall(call) => Some((call.funcname.last().and_then(names::string)?, call)),
        _ => None,
    }
}

/// A name within a string: `schema.name`, each perhaps in double quotes.
pub(super) fn split_name(text: &str) -> (Option<String>, String) {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            _ => {
                let last = parts.len() - 1;
                if quoted { parts[last].push(character) } else { parts[last].extend(character.to_lowercase()) }
            }
        }
    }
    let name = parts.pop().unwrap_or_default();
    (parts.pop(), name)
}
