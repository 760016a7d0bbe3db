//! Row policies.

use pg_query::protobuf::{self as pb, Node};

use super::Fold;
use super::drop::Object;
use super::fault::Fault;
use super::resolve::{deparse, parse_expression};
use crate::expr::Expr;
use crate::schema::read_expr::Scope;
use crate::schema::{Grantee, Policy, PolicyCommand, Relation, RelationId};

impl Fold<'_> {
    pub(super) fn create_policy(&mut self, stmt: &pb::CreatePolicyStmt) -> Result<(), Fault> {
        let Some(range) = stmt.table.as_ref() else { return Ok(()) };
        let relation = self.table(range)?;
        let name = stmt.policy_name.as_str();
        if relation.policies.iter().any(|policy| policy.name == name) {
            let message = format!("policy \"{name}\" for table \"{}\" already exists", relation.name);
            return Err(Fault::new("42710", message).name(name));
        }
        let command = match stmt.cmd_name.as_str() {
            "select" => PolicyCommand::Select,
            "insert" => PolicyCommand::Insert,
            "update" => PolicyCommand::Update,
            "delete" => PolicyCommand::Delete,
            _ => PolicyCommand::All,
        };
        refuse_needless_expressions(command, stmt)?;
        let mut policy = Policy {
            name: name.to_owned(),
            command,
            permissive: stmt.permissive,
            roles: self.policy_roles(&stmt.roles)?,
            using: None,
            with_check: None,
            using_text: None,
            with_check_text: None,
        };
        self.set_expressions(&mut policy, &relation, stmt.qual.as_deref(), stmt.with_check.as_deref())?;
        let user = Object::Policy(relation.id, policy.name.clone());
        self.edit(relation.id, |relation| relation.policies.push(policy));
        self.note_calls(&user);
        Ok(())
    }

    pub(super) fn alter_policy(&mut self, stmt: &pb::AlterPolicyStmt) -> Result<(), Fault> {
        let Some(range) = stmt.table.as_ref() else { return Ok(()) };
        let relation = self.table(range)?;
        let name = stmt.policy_name.as_str();
        let Some(found) = relation.policies.iter().position(|policy| policy.name == name) else {
            return Err(no_policy(&relation, name));
        };
        let mut policy = relation.policies[found].clone();
        if !stmt.roles.is_empty() {
            policy.roles = self.policy_roles(&stmt.roles)?;
        }
        if policy.command == PolicyCommand::Insert && stmt.qual.is_some() {
            return Err(Fault::new("42601", "only WITH CHECK expression allowed for INSERT"));
        }
        if matches!(policy.command, PolicyCommand::Select | PolicyCommand::Delete) && stmt.with_check.is_some() {
            return Err(Fault::new("42601", "only USING expression allowed for SELECT, DELETE"));
        }
        self.set_expressions(&mut policy, &relation, stmt.qual.as_deref(), stmt.with_check.as_deref())?;
        self.edit(relation.id, |relation| relation.policies[found] = policy);
        self.note_calls(&Object::Policy(relation.id, name.to_owned()));
        Ok(())
    }

    /// Reads a policy's text anew, after a function that it calls has changed.
    pub(super) fn read_policy_again(&mut self, id: RelationId, name: &str) -> Result<(), Fault> {
        let relation = self.schema.relation(id).clone();
        let Some(found) = relation.policies.iter().position(|policy| policy.name == name) else { return Ok(()) };
        let mut policy = relation.policies[found].clone();
        let again = |text: &Option<String>| -> Result<Option<Expr>, Fault> {
            let Some(text) = text else { return Ok(None) };
            let lost = || {
                let what = format!("replacing a function under the policy {name}, which has seen a renaming,");
                Fault::only_postgres(what, "drop the policy before, and make it again after")
            };
            let node = parse_expression(text).ok_or_else(lost)?;
            self.policy_condition(&node, &relation).map(Some).map_err(|_| lost())
        };
        policy.using = again(&policy.using_text)?;
        policy.with_check = again(&policy.with_check_text)?;
        self.edit(id, |relation| relation.policies[found] = policy);
        self.note_calls(&Object::Policy(id, name.to_owned()));
        Ok(())
    }

    fn policy_roles(&self, roles: &[Node]) -> Result<Vec<Grantee>, Fault> {
        let roles = self.grantees(roles)?;
        Ok(if roles.is_empty() || roles.contains(&Grantee::Public) { vec![Grantee::Public] } else { roles })
    }

    fn set_expressions(
        &self,
        policy: &mut Policy,
        relation: &Relation,
        using: Option<&Node>,
        check: Option<&Node>,
    ) -> Result<(), Fault> {
        if let Some(node) = using {
            policy.using = Some(self.policy_condition(node, relation)?);
            policy.using_text = deparse(node);
        }
        if let Some(node) = check {
            policy.with_check = Some(self.policy_condition(node, relation)?);
            policy.with_check_text = deparse(node);
        }
        Ok(())
    }

    fn policy_condition(&self, node: &Node, relation: &Relation) -> Result<Expr, Fault> {
        self.condition(node, Scope::Relation(relation), "POLICY")
    }
}

pub(super) fn no_policy(relation: &Relation, name: &str) -> Fault {
    let message = format!("policy \"{name}\" for table \"{}\" does not exist", relation.name);
    Fault::new("42704", message).name(name)
}

fn refuse_needless_expressions(command: PolicyCommand, stmt: &pb::CreatePolicyStmt) -> Result<(), Fault> {
    match command {
        PolicyCommand::Select | PolicyCommand::Delete if stmt.with_check.is_some() => {
            Err(Fault::new("42601", "WITH CHECK cannot be applied to SELECT or DELETE").name("with"))
        }
        PolicyCommand::Insert if stmt.qual.is_some() => {
            Err(Fault::new("42601", "only WITH CHECK expression allowed for INSERT").name("using"))
        }
        PolicyCommand::All
        | PolicyCommand::Select
        | PolicyCommand::Insert
        | PolicyCommand::Update
        | PolicyCommand::Delete => Ok(()),
    }
}
