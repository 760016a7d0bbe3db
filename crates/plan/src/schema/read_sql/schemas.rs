//! Named schemas.

use pg_query::protobuf as pb;

use super::fault::Fault;
use super::{Fold, OWNER};
use crate::schema::{DefaultPrivilegeObject, Grant, Grantee, Namespace, Privilege};

impl Fold<'_> {
    pub(super) fn create_schema(&mut self, stmt: &pb::CreateSchemaStmt) -> Result<(), Fault> {
        let owner = match stmt.authrole.as_ref() {
            Some(spec) => self.role_name(Some(spec))?,
            None => OWNER.to_owned(),
        };
        let name = if stmt.schemaname.is_empty() { owner.clone() } else { stmt.schemaname.clone() };
        if !stmt.schema_elts.is_empty() {
            return Err(Fault::only_postgres(
                "`create schema` with objects in it",
                "write them as statements of their own",
            ));
        }
        if name.starts_with("pg_") {
            return Err(Fault::new("42939", format!("unacceptable schema name \"{name}\""))
                .name(&name)
                .help("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.schema.namespaces.contains_key(&name) {
            if stmt.if_not_exists {
                return Ok(());
            }
            return Err(Fault::new("42P06", format!("schema \"{name}\" already exists")).name(&name));
        }
        let mut grants = Vec::new();
        if owner == OWNER {
            grants = self.default_grants(DefaultPrivilegeObject::Schemas, &name);
        } else {
            grants.extend([Privilege::Usage, Privilege::Create].map(|privilege| Grant {
                grantee: Grantee::Role(owner.clone()),
                privilege,
                columns: None,
                grantable: false,
            }));
        }
        self.schema_mut().namespaces.insert(name, Namespace { comment: None, grants });
        Ok(())
    }
}
