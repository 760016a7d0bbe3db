//! What one statement shows by itself, or with the table that it changes.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    self as pb, AlterTableCmd, AlterTableType, ConstrType, Constraint, Node, ObjectType, RoleSpecType,
};

use super::super::read_sql::Reviewed;
use super::super::{Relation, Schema};
use super::{Pending, Watch};
use crate::value::Type;

/// Functions that give each row another value.
const VOLATILE: [&str; 8] = [
    "clock_timestamp",
    "gen_random_bytes",
    "gen_random_uuid",
    "nextval",
    "random",
    "timeofday",
    "uuid_generate_v1",
    "uuid_generate_v4",
];

impl Watch {
    pub(super) fn look_at_statement(&mut self, reviewed: &Reviewed<'_>) {
        let Some(node) = reviewed.node.node.as_ref() else { return };
        match node {
            NodeEnum::CreatePolicyStmt(stmt) => {
                self.policy(reviewed, stmt);
            }
            NodeEnum::AlterPolicyStmt(stmt) => {
                let conditions = [stmt.with_check.as_deref(), stmt.qual.as_deref()];
                if conditions.into_iter().flatten().any(is_true) && writes(reviewed, stmt) {
                    self.always_true(reviewed, &stmt.policy_name);
                }
            }
            NodeEnum::CreateFunctionStmt(stmt) => self.function(reviewed, stmt),
            NodeEnum::AlterFunctionStmt(stmt) => {
                let name = stmt.func.as_ref().map(|object| full_name(&object.objname)).unwrap_or_default();
                if stmt.actions.iter().any(sets_search_path) {
                    self.definers.remove(&name);
                }
            }
            NodeEnum::GrantStmt(stmt) => self.grant(reviewed, stmt),
            NodeEnum::DropStmt(stmt) if stmt.remove_type() == ObjectType::ObjectTable => self.dropped(reviewed),
            NodeEnum::DropStmt(stmt) if stmt.remove_type() == ObjectType::ObjectIndex => self.dropped_index(reviewed),
            NodeEnum::TruncateStmt(stmt) => {
                let ranges = stmt.relations.iter().filter_map(|node| match node.node.as_ref() {
                    Some(NodeEnum::RangeVar(range)) => Some(range),
                    _ => None,
                });
                for range in ranges {
                    self.emptied(reviewed, "truncated-table", range);
                }
            }
            NodeEnum::DeleteStmt(stmt) if stmt.where_clause.is_none() && stmt.using_clause.is_empty() => {
                if let Some(range) = &stmt.relation {
                    self.emptied(reviewed, "deleted-rows", range);
                }
            }
            NodeEnum::AlterDomainStmt(stmt) => self.domain(reviewed, stmt),
            NodeEnum::RenameStmt(stmt) => self.renamed(reviewed, stmt),
            NodeEnum::IndexStmt(stmt) => {
                if let Some(table) = self.old_table(reviewed, stmt.relation.as_ref()).filter(|_| !stmt.concurrent) {
                    let message = format!("making the index locks `{}` against writes", table.name);
                    self.find(reviewed, "index-not-concurrently", (-1, &table.name), message);
                }
            }
            NodeEnum::AlterTableStmt(stmt) => self.alter_table(reviewed, stmt),
            _ => {}
        }
    }

    fn policy(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::CreatePolicyStmt) {
        let written = stmt.with_check.as_deref().or(stmt.qual.as_deref());
        let is_open = match stmt.cmd_name.as_str() {
            "select" => false,
            "update" | "all" => written.is_some_and(is_true) || stmt.qual.as_deref().is_some_and(is_true),
            _ => written.is_some_and(is_true),
        };
        let free = |node: &Node| match node.node.as_ref() {
            Some(NodeEnum::RoleSpec(spec)) => is_free(reviewed.after, &spec.rolename),
            _ => false,
        };
        let binds_somebody = stmt.roles.is_empty() || !stmt.roles.iter().all(free);
        if stmt.permissive && is_open && binds_somebody {
            self.always_true(reviewed, &stmt.policy_name);
        }
    }

    fn always_true(&mut self, reviewed: &Reviewed<'_>, name: &str) {
        self.find(
            reviewed,
            "policy-always-true",
            (-1, name),
            format!("the policy \"{name}\" lets every row be written"),
        );
    }

    fn function(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::CreateFunctionStmt) {
        let name = full_name(&stmt.funcname);
        self.definers.remove(&name);
        let is_definer = stmt.options.iter().any(|option| match option.node.as_ref() {
            Some(NodeEnum::DefElem(option)) => option.defname == "security" && is_true_word(option.arg.as_deref()),
            _ => false,
        });
        if is_definer && !stmt.options.iter().any(sets_search_path) {
            let help = super::named("definer-without-search-path").map_or("", |lint| lint.help);
            let last = name.rsplit('.').next().unwrap_or_default();
            let message = format!("`{last}` runs with its owner's rights and its caller's search_path");
            let remark = reviewed.remark((-1, last), message, help);
            self.definers.insert(name, Pending { remark, allowed: reviewed.allowed() });
        }
    }

    fn grant(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::GrantStmt) {
        let harmless = matches!(stmt.objtype(), ObjectType::ObjectSchema | ObjectType::ObjectType);
        if !stmt.is_grant || harmless {
            return;
        }
        for node in &stmt.grantees {
            if let Some(NodeEnum::RoleSpec(spec)) = node.node.as_ref()
                && spec.roletype() == RoleSpecType::RolespecPublic
            {
                let message = "this is granted to every role there is".to_owned();
                self.find(reviewed, "grant-to-public", (spec.location, "public"), message);
            }
        }
    }

    fn dropped(&mut self, reviewed: &Reviewed<'_>) {
        let gone = reviewed.before.relations.values().filter(|old| !reviewed.after.relations.contains_key(&old.id));
        let gone: Vec<_> = gone.filter(|table| !table.is_view() && self.old.contains(&table.id)).collect();
        for table in gone {
            let message = format!("the rows of `{}` are lost", table.name);
            self.find(reviewed, "dropped-table", (-1, &table.name), message);
        }
    }

    fn dropped_index(&mut self, reviewed: &Reviewed<'_>) {
        for old in
            reviewed.before.relations.values().filter(|old| self.old.contains(&old.id)).cloned().collect::<Vec<_>>()
        {
            let Some(new) = reviewed.after.relations.get(&old.id) else { continue };
            for index in old.indexes.iter().filter(|index| new.indexes.iter().all(|left| left.name != index.name)) {
                let message = format!("the index `{}` of `{}` goes", index.name, old.name);
                self.find(reviewed, "dropped-index", (-1, &index.name), message);
            }
        }
    }

    fn emptied(&mut self, reviewed: &Reviewed<'_>, lint: &'static str, range: &pb::RangeVar) {
        if let Some(table) = self.old_table(reviewed, Some(range)) {
            self.find(reviewed, lint, (-1, &table.name), format!("the rows of `{}` are lost", table.name));
        }
    }

    /// A check on a type looks at every column of it; where no earlier table has one, there is nothing to look at.
    fn domain(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::AlterDomainStmt) {
        let valid = match stmt.def.as_ref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::Constraint(constraint)) => !constraint.skip_validation,
            _ => false,
        };
        // `C` adds a constraint, `O` sets not null.
        if !(stmt.subtype == "C" && valid || stmt.subtype == "O") {
            return;
        }
        let name = full_name(&stmt.type_name);
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_of = |ty: &Type| matches!(ty, Type::Domain(domain) if domain.name == last);
        let used = reviewed.before.relations.values().filter(|table| self.old.contains(&table.id));
        let used = used.filter(|table| table.columns.iter().any(|column| is_of(&column.ty)));
        let Some(table) = used.map(|table| table.name.clone()).next() else { return };
        let message = format!("every row of `{table}`, which has a column of `{last}`, is looked at under a lock");
        self.find(reviewed, "domain-constraint", (-1, last), message);
    }

    fn renamed(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::RenameStmt) {
        let Some(table) = self.old_table(reviewed, stmt.relation.as_ref()) else { return };
        match stmt.rename_type() {
            ObjectType::ObjectTable | ObjectType::ObjectView => {
                let message = format!("clients know `{}` by this name", table.name);
                self.find(reviewed, "renamed-table", (-1, &table.name), message);
            }
            ObjectType::ObjectColumn => {
                let message = format!("clients know `{}` of `{}` by this name", stmt.subname, table.name);
                self.find(reviewed, "renamed-column", (-1, &stmt.subname), message);
            }
            _ => {}
        }
    }

    fn alter_table(&mut self, reviewed: &Reviewed<'_>, stmt: &pb::AlterTableStmt) {
        let Some(table) = self.old_table(reviewed, stmt.relation.as_ref()) else { return };
        for node in &stmt.cmds {
            let Some(NodeEnum::AlterTableCmd(command)) = node.node.as_ref() else { continue };
            match command.subtype() {
                AlterTableType::AtDropColumn if table.column(&command.name).is_some() => {
                    let message = format!("the values of `{}.{}` are lost", table.name, command.name);
                    self.find(reviewed, "dropped-column", (-1, &command.name), message);
                }
                AlterTableType::AtAddColumn => self.added_column(reviewed, &table, command),
                AlterTableType::AtAlterColumnType => self.changed_type(reviewed, &table, &command.name),
                AlterTableType::AtSetNotNull => {
                    let message = format!("every row of `{}` is looked at under a lock", table.name);
                    self.find(reviewed, "set-not-null", (-1, &command.name), message);
                }
                AlterTableType::AtDropNotNull => {
                    let message = format!("`{}.{}` may be null from now on", table.name, command.name);
                    self.find(reviewed, "dropped-not-null", (-1, &command.name), message);
                }
                AlterTableType::AtAddConstraint => {
                    if let Some(NodeEnum::Constraint(constraint)) = definition(command) {
                        self.added_constraint(reviewed, &table, constraint);
                    }
                }
                _ => {}
            }
        }
    }

    fn added_column(&mut self, reviewed: &Reviewed<'_>, table: &Relation, command: &AlterTableCmd) {
        let Some(NodeEnum::ColumnDef(def)) = definition(command) else { return };
        let clauses: Vec<&Constraint> = def
            .constraints
            .iter()
            .filter_map(|node| match node.node.as_ref() {
                Some(NodeEnum::Constraint(constraint)) => Some(&**constraint),
                _ => None,
            })
            .collect();
        let has = |kind: ConstrType| clauses.iter().any(|clause| clause.contype() == kind);
        let serial = def.type_name.as_ref().is_some_and(|name| full_name(&name.names).contains("serial"));
        let filled = serial || has(ConstrType::ConstrIdentity) || has(ConstrType::ConstrGenerated);
        let name = def.colname.as_str();
        if (has(ConstrType::ConstrNotnull) || has(ConstrType::ConstrPrimary))
            && !filled
            && !has(ConstrType::ConstrDefault)
        {
            let message = format!("rows that `{}` has would get no value for `{name}`", table.name);
            self.find(reviewed, "not-null-without-default", (def.location, name), message);
        }
        let volatile = clauses.iter().any(|clause| clause.raw_expr.as_deref().is_some_and(is_volatile));
        if filled || volatile {
            let message = format!("every row of `{}` is written anew for `{name}`", table.name);
            self.find(reviewed, "volatile-default", (def.location, name), message);
        }
    }

    fn changed_type(&mut self, reviewed: &Reviewed<'_>, table: &Relation, name: &str) {
        let after = reviewed.after.relations.get(&table.id);
        let types = table.column(name).zip(after.and_then(|after| after.column(name)));
        let Some((old, new)) = types.map(|(old, new)| (&old.ty, &new.ty)) else { return };
        let (lint, what) = match type_change(old, new) {
            TypeChange::Free => return,
            TypeChange::Rewrites => ("rewriting-type-change", "writes every row anew"),
            TypeChange::Narrows => ("narrowing-type-change", "may not hold every value"),
        };
        let (old, new) = (old.sql_name(), new.sql_name());
        self.find(reviewed, lint, (-1, name), format!("from {old} to {new}, `{}.{name}` {what}", table.name));
    }

    fn added_constraint(&mut self, reviewed: &Reviewed<'_>, table: &Relation, constraint: &Constraint) {
        let scans = match constraint.contype() {
            ConstrType::ConstrCheck | ConstrType::ConstrForeign => !constraint.skip_validation,
            ConstrType::ConstrUnique | ConstrType::ConstrPrimary | ConstrType::ConstrExclusion => {
                if constraint.indexname.is_empty() {
                    let message = format!("making the key's index locks `{}` against writes", table.name);
                    self.find(reviewed, "index-not-concurrently", (constraint.location, ""), message);
                }
                false
            }
            _ => false,
        };
        if scans {
            let message = format!("every row of `{}` is looked at under a lock", table.name);
            self.find(reviewed, "constraint-without-not-valid", (constraint.location, ""), message);
        }
    }

    /// A relation that an earlier file made.
    fn old_table(&self, reviewed: &Reviewed<'_>, range: Option<&pb::RangeVar>) -> Option<Relation> {
        let range = range?;
        let named = |relation: &&std::sync::Arc<Relation>| {
            relation.name == range.relname && (range.schemaname.is_empty() || relation.schema == range.schemaname)
        };
        let found = reviewed.before.relations.values().find(named)?;
        self.old.contains(&found.id).then(|| (**found).clone())
    }
}

fn definition(command: &AlterTableCmd) -> Option<&NodeEnum> {
    command.def.as_ref().and_then(|node| node.node.as_ref())
}

/// Whether the changed policy is a permissive one that is about writes.
fn writes(reviewed: &Reviewed<'_>, stmt: &pb::AlterPolicyStmt) -> bool {
    let Some(range) = stmt.table.as_ref() else { return false };
    let mut relations = reviewed.after.relations.values().filter(|relation| relation.name == range.relname);
    relations.any(|relation| {
        relation.policies.iter().any(|policy| {
            policy.name == stmt.policy_name
                && policy.permissive
                && policy.command != super::super::PolicyCommand::Select
        })
    })
}

/// Whether policies do not bind the role anyway.
fn is_free(schema: &Schema, role: &str) -> bool {
    schema.roles.get(role).is_some_and(|role| role.superuser || role.bypass_row_security)
}

fn is_true(node: &Node) -> bool {
    match node.node.as_ref() {
        Some(NodeEnum::AConst(constant)) => {
            matches!(constant.val.as_ref(), Some(pb::a_const::Val::Boolval(value)) if value.boolval)
        }
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_true),
        _ => false,
    }
}

fn is_true_word(node: Option<&Node>) -> bool {
    match node.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::Boolean(value)) => value.boolval,
        Some(NodeEnum::Integer(value)) => value.ival != 0,
        _ => false,
    }
}

fn sets_search_path(option: &Node) -> bool {
    let Some(NodeEnum::DefElem(option)) = option.node.as_ref() else { return false };
    match option.arg.as_deref().and_then(|arg| arg.node.as_ref()) {
        Some(NodeEnum::VariableSetStmt(set)) => set.name == "search_path",
        _ => false,
    }
}

fn full_name(names: &[Node]) -> String {
    let words: Vec<_> = names
        .iter()
        .filter_map(|node| match node.node.as_ref() {
            Some(NodeEnum::String(word)) => Some(word.sval.as_str()),
            _ => None,
        })
        .collect();
    words.strip_prefix(&["public"]).unwrap_or(&words).join(".")
}

fn is_volatile(node: &Node) -> bool {
    match node.node.as_ref() {
        Some(NodeEnum::FuncCall(call)) => {
            let name = full_name(&call.funcname);
            VOLATILE.contains(&name.rsplit('.').next().unwrap_or_default()) || call.args.iter().any(is_volatile)
        }
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_volatile),
        Some(NodeEnum::AExpr(expr)) => expr.lexpr.iter().chain(&expr.rexpr).any(|side| is_volatile(side)),
        Some(NodeEnum::CoalesceExpr(expr)) => expr.args.iter().any(is_volatile),
        _ => false,
    }
}

enum TypeChange {
    /// PostgreSQL changes the catalog alone.
    Free,
    Rewrites,
    Narrows,
}

fn type_change(old: &Type, new: &Type) -> TypeChange {
    use Type::{
        Char, Date, Float4, Float8, Int2, Int4, Int8, Json, Jsonb, Numeric, Text, Timestamp, Timestamptz, Varchar,
    };
    let is_free = match (old, new) {
        (Varchar(_), Text) | (Text, Varchar(None)) | (Numeric(_), Numeric(None)) => true,
        (Varchar(old), Varchar(new)) => new.is_none_or(|new| old.is_some_and(|old| new >= old)),
        (Numeric(Some((old, scale))), Numeric(Some((new, new_scale)))) => new >= old && scale == new_scale,
        (old, new) => old == new,
    };
    let holds_all = matches!(
        (old, new),
        (Int2, Int4 | Int8 | Numeric(None))
            | (Int4, Int8 | Float8 | Numeric(None))
            | (Int8, Numeric(None))
            | (Float4, Float8)
            | (Char(_), Varchar(None))
            | (_, Text)
            | (Json, Jsonb)
            | (Date, Timestamp | Timestamptz)
            | (Timestamp, Timestamptz)
            | (Timestamptz, Timestamp)
    );
    match (is_free, holds_all) {
        (true, _) => TypeChange::Free,
        (false, true) => TypeChange::Rewrites,
        (false, false) => TypeChange::Narrows,
    }
}
