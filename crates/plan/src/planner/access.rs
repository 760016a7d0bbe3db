//! The whole of access as a table, for people to read.

use crate::schema::{Grantee, Policy, PolicyCommand, Privilege, Relation, Schema};

use super::authorize::Rights;

/// What one role may do with one table or function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRow {
    pub role: String,
    pub schema: String,
    /// The table's name, or the function's signature.
    pub table: String,
    /// `select`, `insert`, `update`, `delete` or `execute`.
    pub verb: &'static str,
    /// `None`: all.
    pub columns: Option<Vec<String>>,
    /// Which rows, in words and policies; of a function, as whom it runs.
    pub policies: String,
}

const VERBS: [(Privilege, PolicyCommand, &str); 4] = [
    (Privilege::Select, PolicyCommand::Select, "select"),
    (Privilege::Insert, PolicyCommand::Insert, "insert"),
    (Privilege::Update, PolicyCommand::Update, "update"),
    (Privilege::Delete, PolicyCommand::Delete, "delete"),
];

/// Role by table by verb, for the roles that are neither superusers nor PostgreSQL's own.
pub fn access_table(schema: &Schema, schemas: &[String]) -> Vec<AccessRow> {
    let roles = schema.roles.values().filter(|role| !role.superuser && !role.name.starts_with("pg_"));
    let mut rows = Vec::new();
    for role in roles {
        let rights = Rights::of(schema, &role.name);
        for relation in schema.relations.values().filter(|relation| schemas.contains(&relation.schema)) {
            for (privilege, command, verb) in VERBS {
                let Some(columns) = rights.columns(relation, privilege) else { continue };
                rows.push(AccessRow {
                    role: role.name.clone(),
                    schema: relation.schema.clone(),
                    table: relation.name.clone(),
                    verb,
                    columns,
                    policies: policies(relation, command, &rights),
                });
            }
        }
        rows.extend(functions(schema, schemas, (&role.name, &rights)));
    }
    rows
}

/// The functions that a role may run; those of triggers are nobody's to call.
fn functions<'s>(
    schema: &'s Schema,
    schemas: &'s [String],
    (role, rights): (&'s str, &'s Rights<'_>),
) -> impl Iterator<Item = AccessRow> {
    let exposed = schema.functions.iter().filter(|function| schemas.contains(&function.schema));
    let callable = exposed.filter(|function| function.returns.sql_name() != "trigger" && rights.may_execute(function));
    callable.map(move |function| AccessRow {
        role: role.to_owned(),
        schema: function.schema.clone(),
        table: function.signature(),
        verb: "execute",
        columns: None,
        policies: match function.security_definer {
            true => format!("SECURITY DEFINER: runs as {}", function.owner),
            false => "runs as its caller".to_owned(),
        },
    })
}

/// Whether `role` may select from the relation at all.
pub fn may_read(schema: &Schema, role: &str, of: &str, name: &str) -> bool {
    let rights = Rights::of(schema, role);
    schema.find(of, name).is_some_and(|relation| rights.columns(relation, Privilege::Select) == Some(None))
}

fn policies(relation: &Relation, command: PolicyCommand, rights: &Rights<'_>) -> String {
    if !relation.row_security.enabled {
        return "all rows".into();
    }
    if !rights.bound_by_policies(relation) {
        return "all rows (policies do not bind the role)".into();
    }
    let applies = |policy: &&Policy| {
        (policy.command == command || policy.command == PolicyCommand::All)
            && policy.roles.iter().any(|role| *role == Grantee::Public || rights.holds(role))
    };
    let (permissive, restrictive): (Vec<_>, Vec<_>) =
        relation.policies.iter().filter(applies).partition(|policy| policy.permissive);
    if permissive.is_empty() {
        return "no rows (no policy)".into();
    }
    let describe = |policies: &[&Policy]| policies.iter().map(|policy| describe(policy)).collect::<Vec<_>>();
    let any = describe(&permissive).join(" or ");
    if restrictive.is_empty() { any } else { format!("({any}) and {}", describe(&restrictive).join(" and ")) }
}

fn describe(policy: &Policy) -> String {
    let mut text = format!("\"{}\"", policy.name);
    if let Some(using) = &policy.using_text {
        text.push_str(&format!(" using ({using})"));
    }
    if let Some(check) = &policy.with_check_text {
        text.push_str(&format!(" with check ({check})"));
    }
    text
}
