//! Roles, grants and policies as they were declared. Only `planner::authorize` decides by them.

use super::{ColumnId, Schema};
use crate::expr::Expr;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    pub name: String,
    /// Roles this one is directly a member of.
    pub member_of: Vec<String>,
    /// Whether rights of those roles count without `set role`.
    pub inherit: bool,
    pub superuser: bool,
    pub bypass_row_security: bool,
    pub login: bool,
    pub comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    Public,
    Role(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Usage,
    Create,
    Execute,
}

/// One privilege for one grantee, on a whole object or on some columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub grantee: Grantee,
    pub privilege: Privilege,
    /// `None`: the whole object.
    pub columns: Option<Vec<ColumnId>>,
    pub grantable: bool,
}

/// What new objects of a schema are granted (`alter default privileges`).
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultPrivilege {
    /// `None`: objects in every schema.
    pub schema: Option<String>,
    /// The role whose new objects it is for.
    pub owner: String,
    pub object: DefaultPrivilegeObject,
    pub grant: Grant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultPrivilegeObject {
    Tables,
    Sequences,
    Functions,
    Schemas,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyCommand {
    All,
    Select,
    Insert,
    Update,
    Delete,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub name: String,
    pub command: PolicyCommand,
    pub permissive: bool,
    /// `Public` is one of the roles when none was named.
    pub roles: Vec<Grantee>,
    /// The expressions over [`crate::expr::SourceId::ROW`]; absent where the engine enforces policies itself.
    pub using: Option<Expr>,
    pub with_check: Option<Expr>,
    /// As people wrote or would write them, for `access show`.
    pub using_text: Option<String>,
    pub with_check_text: Option<String>,
}

impl Schema {
    /// The roles whose rights `role` has without asking: itself and, as far as each inherits, what it is a member of.
    pub fn rights_of<'a>(&'a self, role: &'a str) -> Vec<&'a str> {
        let mut rights = vec![role];
        let mut next = 0;
        while next < rights.len() {
            if let Some(found) = self.roles.get(rights[next]).filter(|found| found.inherit) {
                for parent in &found.member_of {
                    if !rights.contains(&parent.as_str()) {
                        rights.push(parent);
                    }
                }
            }
            next += 1;
        }
        rights
    }
}
