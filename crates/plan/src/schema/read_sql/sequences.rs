//! Sequences: those of `serial` and identity columns, and those that dumps write out.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, Node, RangeVar};

use super::Fold;
use super::fault::Fault;
use super::names::{self, list, qualified, shown, strings};
use super::settings::constant;
use crate::expr::{Expr, Select, SelectOutput, Statement};
use crate::schema::{ColumnId, DefaultPrivilegeObject, RelationId, Sequence};
use crate::value::{Type, Value};

/// What a sequence's clauses say.
#[derive(Debug, Default)]
pub(super) struct SequenceOptions {
    pub(super) start: Option<i64>,
    pub(super) increment: Option<i64>,
    min: Option<i64>,
    /// `restart`, perhaps with a value.
    pub(super) restart: Option<Option<i64>>,
    /// `sequence name …`, of an identity column.
    pub(super) name: Option<(Option<String>, String)>,
    /// `owned by table.column`, or `none`.
    owned_by: Option<Vec<String>>,
}

impl SequenceOptions {
    pub(super) fn start_and_increment(&self) -> (i64, i64) {
        let increment = self.increment.unwrap_or(1);
        let first = self.min.unwrap_or(if increment < 0 { -1 } else { 1 });
        (self.start.unwrap_or(first), increment)
    }
}

impl Fold<'_> {
    pub(super) fn create_sequence(&mut self, stmt: &pb::CreateSeqStmt) -> Result<(), Fault> {
        let Some(range) = stmt.sequence.as_ref() else { return Ok(()) };
        if range.relpersistence == "t" {
            return Err(Fault::only_postgres("a temporary sequence", "leave `temporary` out").at(range.location));
        }
        let schema = self.schema_for_new(&range.schemaname, range.location)?;
        let name = range.relname.clone();
        if stmt.if_not_exists && self.class_exists(&schema, &name) {
            return Ok(());
        }
        self.refuse_taken_class(&schema, &name)?;
        let options = read_options(&stmt.options)?;
        let (start, increment) = options.start_and_increment();
        let owner = self.sequence_owner(&options)?.flatten();
        let grants = self.default_grants(DefaultPrivilegeObject::Sequences, &schema);
        self.schema_mut().sequences.insert((schema, name), Sequence { start, increment, owner, grants });
        Ok(())
    }

    pub(super) fn alter_sequence(&mut self, stmt: &pb::AlterSeqStmt) -> Result<(), Fault> {
        let Some(range) = stmt.sequence.as_ref() else { return Ok(()) };
        let Some(key) = self.find_sequence(range) else {
            return if stmt.missing_ok { Ok(()) } else { Err(no_relation(range)) };
        };
        let options = read_options(&stmt.options)?;
        let owner = self.sequence_owner(&options)?;
        if let Some(sequence) = self.schema_mut().sequences.get_mut(&key) {
            sequence.start = options.start.unwrap_or(sequence.start);
            sequence.increment = options.increment.unwrap_or(sequence.increment);
            if let Some(owner) = owner {
                sequence.owner = owner;
            }
        }
        if let Some(restart) = options.restart {
            self.restart_sequence(&key, restart);
        }
        Ok(())
    }

    /// The next value is `at`, or where the sequence starts.
    pub(super) fn restart_sequence(&mut self, key: &(String, String), at: Option<i64>) {
        let Some(sequence) = self.schema.sequences.get(key) else { return };
        let args = vec![
            Expr::value(Value::text(format!("{}.{}", key.0, key.1)), Type::Text),
            Expr::value(Value::Int(at.unwrap_or(sequence.start)), Type::Int8),
            Expr::boolean(false),
        ];
        let outputs = vec![SelectOutput { name: "setval".to_owned(), expr: Expr::call("setval", args, Type::Int8) }];
        self.writes.push(Statement::Select(Select { outputs, ..Select::default() }));
    }

    pub(super) fn find_sequence(&self, range: &RangeVar) -> Option<(String, String)> {
        self.search(qualified(range), |key| self.schema.sequences.contains_key(key))
    }

    pub(super) fn sequence(&self, range: &RangeVar) -> Result<(String, String), Fault> {
        self.find_sequence(range).ok_or_else(|| no_relation(range))
    }

    /// `None`: nothing is said; `Some(None)`: no column owns it.
    fn sequence_owner(&self, options: &SequenceOptions) -> Result<Option<Option<(RelationId, ColumnId)>>, Fault> {
        let Some(owned_by) = &options.owned_by else { return Ok(None) };
        let (schema, table, column) = match owned_by.as_slice() {
            [none] if none == "none" => return Ok(Some(None)),
            [table, column] => ("", table, column),
            [.., schema, table, column] => (schema.as_str(), table, column),
            _ => return Err(Fault::new("42601", "invalid OWNED BY option").name("owned")),
        };
        let range = RangeVar { schemaname: schema.to_owned(), relname: table.clone(), ..RangeVar::default() };
        let relation = self.table(&range)?;
        let found = relation.column(column).ok_or_else(|| super::tables::no_column(&relation, column))?;
        Ok(Some(Some((relation.id, found.id))))
    }
}

fn no_relation(range: &RangeVar) -> Fault {
    Fault::new("42P01", format!("relation \"{}\" does not exist", shown(range))).at(range.location)
}

/// Reads `start with`, `increment by` and their kin. Bounds other than the type's own are refused.
pub(super) fn read_options(options: &[Node]) -> Result<SequenceOptions, Fault> {
    let mut found = SequenceOptions::default();
    for node in options {
        let Some(NodeEnum::DefElem(option)) = node.node.as_ref() else { continue };
        let number = option.arg.as_deref().and_then(constant).and_then(|text| text.parse::<i64>().ok());
        match option.defname.as_str() {
            "start" => found.start = number,
            "increment" if number == Some(0) => {
                return Err(Fault::new("22023", "INCREMENT must not be zero").at(option.location));
            }
            "increment" => found.increment = number,
            "restart" => found.restart = Some(number),
            "minvalue" => found.min = number,
            "maxvalue" if number.is_some_and(|max| max < i64::from(i32::MAX)) => {
                return Err(
                    Fault::only_postgres("a sequence's `maxvalue`", "leave it out, or add a check").at(option.location)
                );
            }
            "cycle" if option.arg.as_deref().and_then(constant).as_deref() == Some("true") => {
                return Err(Fault::only_postgres("a sequence's `cycle`", "leave it out").at(option.location));
            }
            "sequence_name" => {
                let (schema, name) = names::dotted(list(option.arg.as_deref()));
                found.name = Some((schema.map(str::to_owned), name.to_owned()));
            }
            "owned_by" => {
                let parts = strings(list(option.arg.as_deref()));
                found.owned_by = Some(parts.into_iter().map(str::to_owned).collect());
            }
            // The type bounds the values, which its column does too; a cache changes only speed.
            _ => {}
        }
    }
    Ok(found)
}
