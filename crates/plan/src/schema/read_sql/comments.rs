//! `comment on`.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, Node, ObjectType, RangeVar};

use super::Fold;
use super::fault::Fault;
use super::names::{constraint_names, dotted, list, string, strings};
use super::tables::no_column;
use crate::schema::Relation;

impl Fold<'_> {
    pub(super) fn comment(&mut self, stmt: &pb::CommentStmt) -> Result<(), Fault> {
        let Some(object) = stmt.object.as_deref() else { return Ok(()) };
        let comment = Some(stmt.comment.clone()).filter(|comment| !comment.is_empty());
        match stmt.objtype() {
            ObjectType::ObjectTable | ObjectType::ObjectView => {
                let relation = self.relation(&range_of(list(Some(object))))?;
                self.edit(relation.id, |relation| relation.comment = comment);
            }
            ObjectType::ObjectColumn => self.comment_column(list(Some(object)), comment.as_ref())?,
            ObjectType::ObjectIndex => self.comment_index(&range_of(list(Some(object))), comment.as_ref())?,
            ObjectType::ObjectSchema => {
                let name = string(object).unwrap_or_default();
                self.known_schema(name)?;
                if let Some(namespace) = self.schema_mut().namespaces.get_mut(name) {
                    namespace.comment = comment;
                }
            }
            ObjectType::ObjectRole => {
                let name = string(object).unwrap_or_default();
                let spec = pb::RoleSpec { rolename: name.to_owned(), location: -1, ..pb::RoleSpec::default() };
                let name = self.role_name(Some(&spec))?;
                if let Some(role) = self.schema_mut().roles.get_mut(&name) {
                    role.comment = comment;
                }
            }
            ObjectType::ObjectFunction => {
                if let Some(NodeEnum::ObjectWithArgs(function)) = object.node.as_ref() {
                    let index = self.function(function)?;
                    self.edit_function(index, |function| function.comment = comment);
                }
            }
            _ => self.comment_unseen(stmt.objtype(), object)?,
        }
        Ok(())
    }

    fn comment_column(&mut self, names: &[Node], comment: Option<&String>) -> Result<(), Fault> {
        let Some((column, table)) = names.split_last() else { return Ok(()) };
        let relation = self.relation(&range_of(table))?;
        let name = string(column).unwrap_or_default();
        let id = relation.column(name).ok_or_else(|| no_column(&relation, name))?.id;
        self.edit(relation.id, |relation| {
            for column in relation.columns.iter_mut().filter(|column| column.id == id) {
                column.comment = comment.cloned();
            }
        });
        Ok(())
    }

    fn comment_index(&mut self, range: &RangeVar, comment: Option<&String>) -> Result<(), Fault> {
        let (id, name) = self.index(range)?;
        self.edit(id, |relation| {
            for index in relation.indexes.iter_mut().filter(|index| index.name == name) {
                index.comment = comment.cloned();
            }
        });
        Ok(())
    }

    /// Comments that no one reads back; what they are on must exist all the same.
    fn comment_unseen(&self, kind: ObjectType, object: &Node) -> Result<(), Fault> {
        let names = list(Some(object));
        match kind {
            ObjectType::ObjectType | ObjectType::ObjectDomain => match object.node.as_ref() {
                Some(NodeEnum::TypeName(name)) => self.known_type(dotted(&name.names)),
                _ => Ok(()),
            },
            ObjectType::ObjectSequence => self.sequence(&range_of(names)).map(drop),
            ObjectType::ObjectPolicy => {
                let Some((policy, table)) = names.split_last() else { return Ok(()) };
                let relation = self.relation(&range_of(table))?;
                let name = string(policy).unwrap_or_default();
                let known = relation.policies.iter().any(|policy| policy.name == name);
                if known { Ok(()) } else { Err(super::policies::no_policy(&relation, name)) }
            }
            ObjectType::ObjectTrigger => {
                let Some((trigger, table)) = names.split_last() else { return Ok(()) };
                let relation = self.relation(&range_of(table))?;
                let name = string(trigger).unwrap_or_default();
                let known = relation.triggers.iter().any(|trigger| trigger.name == name);
                if known { Ok(()) } else { Err(super::triggers::no_trigger(&relation, name)) }
            }
            ObjectType::ObjectTabconstraint => {
                let Some((constraint, table)) = names.split_last() else { return Ok(()) };
                let relation = self.relation(&range_of(table))?;
                let name = string(constraint).unwrap_or_default();
                let known = constraint_names(&relation).any(|known| known == name);
                if known { Ok(()) } else { Err(no_constraint(&relation, name)) }
            }
            ObjectType::ObjectExtension | ObjectType::ObjectDatabase | ObjectType::ObjectDomconstraint => Ok(()),
            _ => Err(Fault::only_postgres("what this comment is on", "leave it out")),
        }
    }
}

fn no_constraint(relation: &Relation, name: &str) -> Fault {
    let message = format!("constraint \"{name}\" for table \"{}\" does not exist", relation.name);
    Fault::new("42704", message).name(name)
}

/// A dotted name of a relation.
pub(super) fn range_of(names: &[Node]) -> RangeVar {
    let parts = strings(names);
    let (relname, schemaname) = match parts.as_slice() {
        [.., schema, name] => (*name, *schema),
        [name] => (*name, ""),
        [] => ("", ""),
    };
    RangeVar { relname: relname.to_owned(), schemaname: schemaname.to_owned(), location: -1, ..RangeVar::default() }
}
