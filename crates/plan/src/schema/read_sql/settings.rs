//! `set`, transactions and extensions: what a dump says before its tables. Only what changes no answer passes.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, Node, TransactionStmtKind, VariableSetKind};

use super::Fold;
use super::fault::Fault;
use super::names::string;

/// Settings that have no bearing on what a statement means here, sorted.
const WITHOUT_EFFECT: &[&str] = &[
    "check_function_bodies",
    "client_min_messages",
    "default_table_access_method",
    "default_tablespace",
    "escape_string_warning",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "row_security",
    "statement_timeout",
    "transaction_timeout",
    "xmloption",
];

/// Extensions whose functions are built in, sorted.
const BUILT_IN: &[&str] = &["pgcrypto", "plpgsql", "uuid-ossp"];

pub(super) fn default_search_path() -> Vec<String> {
    vec!["public".to_owned()]
}

impl Fold<'_> {
    pub(super) fn set_variable(&mut self, stmt: &pb::VariableSetStmt) -> Result<(), Fault> {
        let name = stmt.name.as_str();
        let resets = matches!(
            stmt.kind(),
            VariableSetKind::VarSetDefault | VariableSetKind::VarReset | VariableSetKind::VarResetAll
        );
        if name == "search_path" {
            self.search_path =
                if resets { default_search_path() } else { stmt.args.iter().filter_map(constant).collect() };
            return Ok(());
        }
        if resets || WITHOUT_EFFECT.contains(&name) {
            return Ok(());
        }
        let value = stmt.args.first().and_then(constant).unwrap_or_default().to_ascii_lowercase();
        let known = match name {
            "standard_conforming_strings" => value == "on" || value == "true",
            "client_encoding" => value == "utf8" || value == "utf-8" || value == "unicode",
            "timezone" => value == "utc" || value == "etc/utc" || value == "gmt",
            "datestyle" => value.starts_with("iso"),
            "intervalstyle" => value == "postgres",
            _ => false,
        };
        if known {
            return Ok(());
        }
        Err(Fault::only_postgres(format!("the setting `{name}`"), "leave it out").name(name))
    }

    /// `select set_config('search_path', '', false)`, with which dumps begin.
    pub(super) fn set_config(&mut self, select: &pb::SelectStmt) -> bool {
        let [target] = select.target_list.as_slice() else { return false };
        let Some(NodeEnum::ResTarget(target)) = target.node.as_ref() else { return false };
        let Some(NodeEnum::FuncCall(call)) = target.val.as_ref().and_then(|value| value.node.as_ref()) else {
            return false;
        };
        let is_set_config = call.funcname.last().and_then(string) == Some("set_config");
        let [name, value, _local] = call.args.as_slice() else { return false };
        if !is_set_config || constant(name).as_deref() != Some("search_path") || !select.from_clause.is_empty() {
            return false;
        }
        let Some(path) = constant(value) else { return false };
        self.search_path = path
            .split(',')
            .map(|name| name.trim().trim_matches('"').to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        true
    }

    /// Each file runs in a transaction: to begin one is what PostgreSQL only warns of, and to end it is the last thing
    /// that a file may do.
    pub(super) fn transaction(&mut self, stmt: &pb::TransactionStmt) -> Result<(), Fault> {
        match stmt.kind() {
            TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart => Ok(()),
            TransactionStmtKind::TransStmtCommit => {
                self.ended = true;
                Ok(())
            }
            _ => Err(Fault::new("0A000", "a file runs in one transaction, which its statements cannot steer")
                .help("leave it out")),
        }
    }

    pub(super) fn refuse_after_commit(&self) -> Result<(), Fault> {
        if self.ended {
            return Err(Fault::new("0A000", "`commit` ended this file's transaction before this statement")
                .help("leave `begin` and `commit` out, or split the file in two"));
        }
        Ok(())
    }

    pub(super) fn create_extension(&self, stmt: &pb::CreateExtensionStmt) -> Result<(), Fault> {
        let name = stmt.extname.as_str();
        if BUILT_IN.contains(&name) {
            return Ok(());
        }
        let help = match name {
            "citext" => "use `text`, and an index on `lower(column)` where it must be unique",
            _ => "leave it out where this database is not PostgreSQL",
        };
        Err(Fault::only_postgres(format!("the extension `{name}`"), help).name(name))
    }
}

/// A constant's text, whatever its kind.
pub(super) fn constant(node: &Node) -> Option<String> {
    use pb::a_const::Val;
    match node.node.as_ref()? {
        NodeEnum::AConst(constant) => Some(match constant.val.as_ref()? {
            Val::Ival(value) => value.ival.to_string(),
            Val::Fval(value) => value.fval.clone(),
            Val::Boolval(value) => value.boolval.to_string(),
            Val::Sval(value) => value.sval.clone(),
            Val::Bsval(value) => value.bsval.clone(),
        }),
        NodeEnum::TypeCast(cast) => constant(cast.arg.as_deref()?),
        NodeEnum::String(value) => Some(value.sval.clone()),
        NodeEnum::Integer(value) => Some(value.ival.to_string()),
        NodeEnum::Float(value) => Some(value.fval.clone()),
        NodeEnum::Boolean(value) => Some(value.boolval.to_string()),
        _ => None,
    }
}
