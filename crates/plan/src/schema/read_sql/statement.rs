//! Which part reads which statement.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ObjectType};

use super::Fold;
use super::fault::Fault;
use super::split::Splitter;

impl<'a> Fold<'a> {
    pub(super) fn statement(&mut self, node: &Node, splitter: &mut Splitter<'a>) -> Result<(), Fault> {
        let Some(stmt) = node.node.as_ref() else { return Ok(()) };
        if let NodeEnum::TransactionStmt(stmt) = stmt {
            return self.transaction(stmt);
        }
        self.refuse_after_commit()?;
        match stmt {
            NodeEnum::InsertStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::DeleteStmt(_) => self.write(node),
            NodeEnum::SelectStmt(stmt) => self.run_select(stmt, node),
            NodeEnum::TruncateStmt(stmt) => self.truncate(stmt),
            NodeEnum::CopyStmt(stmt) => self.copy(stmt, splitter),
            NodeEnum::VariableSetStmt(stmt) => self.set_variable(stmt),
            NodeEnum::CreateExtensionStmt(stmt) => self.create_extension(stmt),
            NodeEnum::CommentStmt(stmt) => self.comment(stmt),
            NodeEnum::DropStmt(stmt) => self.drop_objects(stmt),
            NodeEnum::RenameStmt(stmt) => self.rename(stmt),
            NodeEnum::AlterOwnerStmt(stmt) => self.alter_owner(stmt),
            NodeEnum::AlterObjectSchemaStmt(stmt) => self.set_schema(stmt),
            _ => self.define(stmt),
        }
    }

    /// Statements that make or change one object.
    fn define(&mut self, stmt: &NodeEnum) -> Result<(), Fault> {
        match stmt {
            NodeEnum::CreateSchemaStmt(stmt) => self.create_schema(stmt),
            NodeEnum::CreateStmt(stmt) => self.create_table(stmt),
            NodeEnum::CreateTableAsStmt(stmt) => self.create_table_as(stmt),
            NodeEnum::AlterTableStmt(stmt) => self.alter_table(stmt),
            NodeEnum::IndexStmt(stmt) => self.create_index(stmt),
            NodeEnum::ViewStmt(stmt) => self.create_view(stmt),
            NodeEnum::CreateSeqStmt(stmt) => self.create_sequence(stmt),
            NodeEnum::AlterSeqStmt(stmt) => self.alter_sequence(stmt),
            NodeEnum::CreateEnumStmt(stmt) => self.create_enum(stmt),
            NodeEnum::AlterEnumStmt(stmt) => self.alter_enum(stmt),
            NodeEnum::CreateDomainStmt(stmt) => self.create_domain(stmt),
            NodeEnum::AlterDomainStmt(stmt) => self.alter_domain(stmt),
            NodeEnum::CreateFunctionStmt(stmt) => self.create_function(stmt),
            NodeEnum::AlterFunctionStmt(stmt) => self.alter_function(stmt),
            NodeEnum::CreateRoleStmt(stmt) => self.create_role(stmt),
            NodeEnum::AlterRoleStmt(stmt) => self.alter_role(stmt),
            NodeEnum::DropRoleStmt(stmt) => self.drop_roles(stmt),
            NodeEnum::GrantRoleStmt(stmt) => self.grant_roles(stmt),
            NodeEnum::GrantStmt(stmt) => self.grant(stmt),
            NodeEnum::AlterDefaultPrivilegesStmt(stmt) => self.alter_default_privileges(stmt),
            NodeEnum::CreatePolicyStmt(stmt) => self.create_policy(stmt),
            NodeEnum::CreateTrigStmt(stmt) => self.create_trigger(stmt),
            NodeEnum::AlterPolicyStmt(stmt) => self.alter_policy(stmt),
            other => Err(self.refuse_statement(other)),
        }
    }

    fn refuse_statement(&self, stmt: &NodeEnum) -> Fault {
        match stmt {
            NodeEnum::DoStmt(_) => Fault::only_postgres("PL/pgSQL (`do`)", "write the statements themselves"),
            NodeEnum::CreatePublicationStmt(_) | NodeEnum::AlterPublicationStmt(_) => {
                Fault::new("0A000", "publications cannot be defined yet").help("leave it out for now")
            }
            NodeEnum::CompositeTypeStmt(_) => {
                Fault::only_postgres("a composite type", "use a table, or a `jsonb` column")
            }
            NodeEnum::CreateRangeStmt(_) => Fault::only_postgres("a range type", "use two columns and a check"),
            NodeEnum::RuleStmt(_) => Fault::only_postgres("a rule", "use a view or a policy"),
            NodeEnum::MergeStmt(_) => Fault::only_postgres("`merge`", "use `insert … on conflict`"),
            NodeEnum::DropOwnedStmt(_) => Fault::only_postgres("`drop owned`", "use `revoke` for each grant"),
            _ => {
                let words: Vec<&str> = self.piece.text.split_whitespace().take(2).collect();
                let words = words.join(" ").to_ascii_lowercase();
                Fault::only_postgres(format!("`{words}`"), "leave it out where this database is not PostgreSQL")
            }
        }
    }
}

/// PostgreSQL's word for a kind of object, in its messages.
pub(super) fn object_word(kind: ObjectType) -> &'static str {
    match kind {
        ObjectType::ObjectTable => "table",
        ObjectType::ObjectView => "view",
        ObjectType::ObjectMatview => "materialized view",
        ObjectType::ObjectIndex => "index",
        ObjectType::ObjectSequence => "sequence",
        ObjectType::ObjectType => "type",
        ObjectType::ObjectDomain => "domain",
        ObjectType::ObjectSchema => "schema",
        ObjectType::ObjectFunction => "function",
        ObjectType::ObjectPolicy => "policy",
        ObjectType::ObjectTrigger => "trigger",
        ObjectType::ObjectExtension => "extension",
        ObjectType::ObjectColumn => "column",
        ObjectType::ObjectProcedure => "procedure",
        _ => "object",
    }
}
