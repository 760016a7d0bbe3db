//! Roles and who is a member of whom.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, Node, RoleSpec, RoleSpecType, RoleStmtType};

use super::fault::Fault;
use super::settings::constant;
use super::{Fold, OWNER};
use crate::schema::{Grant, Grantee, Role, Schema};

impl Fold<'_> {
    pub(super) fn create_role(&mut self, stmt: &pb::CreateRoleStmt) -> Result<(), Fault> {
        let name = stmt.role.as_str();
        if name.starts_with("pg_") || name == "public" || name == "none" {
            return Err(Fault::new("42939", format!("role name \"{name}\" is reserved")).name(name));
        }
        if self.schema.roles.contains_key(name) {
            return Err(Fault::new("42710", format!("role \"{name}\" already exists")).name(name));
        }
        let login = stmt.stmt_type() == RoleStmtType::RolestmtUser;
        let mut role = Role { name: name.to_owned(), inherit: true, login, ..Role::default() };
        set_attributes(&mut role, &stmt.options);
        self.schema_mut().roles.insert(name.to_owned(), role);
        for node in &stmt.options {
            let Some(NodeEnum::DefElem(option)) = node.node.as_ref() else { continue };
            let roles = super::names::list(option.arg.as_deref());
            match option.defname.as_str() {
                "addroleto" => self.add_members(roles, &[name.to_owned()])?,
                "rolemembers" | "adminmembers" => {
                    let members = self.role_names(roles)?;
                    self.add_member_of(name, &members)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn alter_role(&mut self, stmt: &pb::AlterRoleStmt) -> Result<(), Fault> {
        let name = self.role_name(stmt.role.as_ref())?;
        if let Some(role) = self.schema_mut().roles.get_mut(&name) {
            set_attributes(role, &stmt.options);
        }
        Ok(())
    }

    pub(super) fn drop_roles(&mut self, stmt: &pb::DropRoleStmt) -> Result<(), Fault> {
        for node in &stmt.roles {
            let Some(NodeEnum::RoleSpec(spec)) = node.node.as_ref() else { continue };
            if stmt.missing_ok && !self.schema.roles.contains_key(&spec.rolename) {
                continue;
            }
            let name = self.role_name(Some(spec))?;
            if name == OWNER {
                return Err(Fault::new("55006", "current user cannot be dropped").at(spec.location));
            }
            if let Some(what) = first_object_of(&self.schema, &name) {
                let message = format!("role \"{name}\" cannot be dropped because some objects depend on it");
                return Err(Fault::new("2BP01", message).at(spec.location).help(what));
            }
            let schema = self.schema_mut();
            schema.roles.remove(&name);
            for role in schema.roles.values_mut() {
                role.member_of.retain(|parent| *parent != name);
            }
        }
        Ok(())
    }

    pub(super) fn grant_roles(&mut self, stmt: &pb::GrantRoleStmt) -> Result<(), Fault> {
        for node in &stmt.opt {
            let Some(NodeEnum::DefElem(option)) = node.node.as_ref() else { continue };
            if option.defname != "admin" {
                let help = "leave it out: the member's own `inherit` decides";
                return Err(Fault::only_postgres(format!("`with {}`", option.defname), help).at(option.location));
            }
        }
        let members = self.role_names(&stmt.grantee_roles)?;
        let parents: Vec<(String, i32)> = stmt.granted_roles.iter().filter_map(granted_role).collect();
        for (parent, location) in parents {
            let spec = RoleSpec { roletype: RoleSpecType::RolespecCstring as i32, rolename: parent, location };
            let parent = self.role_name(Some(&spec))?;
            if stmt.is_grant {
                self.add_member_of(&parent, &members)?;
                continue;
            }
            for member in &members {
                if let Some(role) = self.schema_mut().roles.get_mut(member) {
                    role.member_of.retain(|other| *other != parent);
                }
            }
        }
        Ok(())
    }

    fn add_members(&mut self, parents: &[Node], members: &[String]) -> Result<(), Fault> {
        for parent in self.role_names(parents)? {
            self.add_member_of(&parent, members)?;
        }
        Ok(())
    }

    fn add_member_of(&mut self, parent: &str, members: &[String]) -> Result<(), Fault> {
        for member in members {
            if parent == member || is_member(&self.schema, parent, member) {
                let message = format!("role \"{parent}\" is a member of role \"{member}\"");
                return Err(Fault::new("0LP01", message).name(parent));
            }
            if let Some(role) = self.schema_mut().roles.get_mut(member)
                && !role.member_of.iter().any(|other| other == parent)
            {
                role.member_of.push(parent.to_owned());
            }
        }
        Ok(())
    }

    fn role_names(&self, nodes: &[Node]) -> Result<Vec<String>, Fault> {
        nodes
            .iter()
            .filter_map(|node| match node.node.as_ref() {
                Some(NodeEnum::RoleSpec(spec)) => Some(self.role_name(Some(spec))),
                _ => None,
            })
            .collect()
    }

    /// A role that exists; not `public`.
    pub(super) fn role_name(&self, spec: Option<&RoleSpec>) -> Result<String, Fault> {
        match self.grantee(spec)? {
            Grantee::Role(name) => Ok(name),
            Grantee::Public => {
                let location = spec.map_or(-1, |spec| spec.location);
                Err(Fault::new("42704", "role \"public\" does not exist").at(location))
            }
        }
    }

    pub(super) fn grantee(&self, spec: Option<&RoleSpec>) -> Result<Grantee, Fault> {
        let Some(spec) = spec else { return Ok(Grantee::Public) };
        match spec.roletype() {
            RoleSpecType::RolespecPublic => Ok(Grantee::Public),
            RoleSpecType::RolespecCurrentRole
            | RoleSpecType::RolespecCurrentUser
            | RoleSpecType::RolespecSessionUser => Ok(Grantee::Role(OWNER.to_owned())),
            RoleSpecType::RolespecCstring | RoleSpecType::Undefined => {
                let name = spec.rolename.as_str();
                if self.schema.roles.contains_key(name) {
                    return Ok(Grantee::Role(name.to_owned()));
                }
                Err(Fault::new("42704", format!("role \"{name}\" does not exist")).at(spec.location).or_name(name))
            }
        }
    }

    pub(super) fn grantees(&self, nodes: &[Node]) -> Result<Vec<Grantee>, Fault> {
        nodes
            .iter()
            .filter_map(|node| match node.node.as_ref() {
                Some(NodeEnum::RoleSpec(spec)) => Some(self.grantee(Some(spec))),
                _ => None,
            })
            .collect()
    }
}

fn granted_role(node: &Node) -> Option<(String, i32)> {
    match node.node.as_ref()? {
        NodeEnum::AccessPriv(privilege) => Some((privilege.priv_name.clone(), -1)),
        NodeEnum::RoleSpec(spec) => Some((spec.rolename.clone(), spec.location)),
        _ => None,
    }
}

/// Attributes that say who may connect to a server, or make databases in it, have nothing to bind here.
fn set_attributes(role: &mut Role, options: &[Node]) {
    for node in options {
        let Some(NodeEnum::DefElem(option)) = node.node.as_ref() else { continue };
        let on = option.arg.as_deref().and_then(constant).is_none_or(|value| value == "true" || value == "1");
        match option.defname.as_str() {
            "superuser" => role.superuser = on,
            "inherit" => role.inherit = on,
            "canlogin" => role.login = on,
            "bypassrls" => role.bypass_row_security = on,
            _ => {}
        }
    }
}

fn is_member(schema: &Schema, role: &str, parent: &str) -> bool {
    schema
        .roles
        .get(role)
        .is_some_and(|found| found.member_of.iter().any(|other| other == parent || is_member(schema, other, parent)))
}

/// Something that would be left without its role.
fn first_object_of(schema: &Schema, role: &str) -> Option<String> {
    let mine =
        |grants: &[Grant]| grants.iter().any(|grant| matches!(&grant.grantee, Grantee::Role(name) if name == role));
    for relation in schema.relations.values() {
        let name = &relation.name;
        if relation.owner == role {
            return Some(format!("owner of table {name}"));
        }
        if mine(&relation.grants) {
            return Some(format!("privileges for table {name}"));
        }
        let named = |grantee: &Grantee| matches!(grantee, Grantee::Role(name) if name == role);
        if let Some(policy) = relation.policies.iter().find(|policy| policy.roles.iter().any(named)) {
            return Some(format!("target of policy {} on table {name}", policy.name));
        }
    }
    let namespace = schema.namespaces.iter().find(|(_, namespace)| mine(&namespace.grants));
    let sequence = schema.sequences.iter().find(|(_, sequence)| mine(&sequence.grants));
    let function = schema.functions.iter().find(|function| mine(&function.grants));
    let default = schema
        .default_privileges
        .iter()
        .any(|default| default.owner == role || matches!(&default.grant.grantee, Grantee::Role(name) if name == role));
    namespace
        .map(|(name, _)| format!("privileges for schema {name}"))
        .or_else(|| sequence.map(|((_, name), _)| format!("privileges for sequence {name}")))
        .or_else(|| function.map(|function| format!("privileges for function {}", function.name)))
        .or_else(|| default.then(|| "default privileges".to_owned()))
}
