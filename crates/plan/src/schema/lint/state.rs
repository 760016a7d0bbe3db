//! What can only be told once all migrations were read: who reaches what, and what is indexed.

use std::sync::Arc;

use super::super::read_sql::Reviewed;
use super::super::{ColumnId, Grantee, Privilege, Relation, RelationId, RelationKind, Schema};
use super::{Pending, Watch};
use crate::expr::Expr;

/// The roles of callers whom row security is for.
const CALLERS: [&str; 2] = ["anon", "authenticated"];

impl Watch {
    /// Keeps where relations and foreign keys came from.
    pub(super) fn remember(&mut self, reviewed: &Reviewed<'_>) {
        if Arc::ptr_eq(reviewed.before, reviewed.after) {
            return;
        }
        for (id, relation) in &reviewed.after.relations {
            let before = reviewed.before.relations.get(id);
            if before.is_some_and(|before| Arc::ptr_eq(before, relation)) {
                continue;
            }
            if before.is_none_or(|before| before.definition != relation.definition) {
                self.made.insert(*id, pending(reviewed, &relation.name));
            }
            let had = |name: &str| before.is_some_and(|before| before.foreign_keys.iter().any(|key| key.name == name));
            for key in relation.foreign_keys.iter().filter(|key| !had(&key.name)) {
                let column = key.columns.first().map_or("", |id| &relation.column_by_id(*id).name);
                self.keys.insert((*id, key.name.clone()), pending(reviewed, column));
            }
        }
    }

    pub(super) fn look_at_all(&mut self, schema: &Schema, exposed: &[String]) {
        for relation in schema.relations.values() {
            self.look_at_reach(schema, relation, exposed);
            self.look_at_keys(relation);
        }
        for (_, pending) in std::mem::take(&mut self.definers) {
            self.report("definer-without-search-path", pending);
        }
    }

    fn look_at_reach(&mut self, schema: &Schema, relation: &Relation, exposed: &[String]) {
        if !exposed.contains(&relation.schema) {
            return;
        }
        let Some((role, verbs)) = reached_by(schema, relation) else { return };
        let name = &relation.name;
        match relation.kind {
            RelationKind::Table | RelationKind::PartitionedTable if !relation.row_security.enabled => {
                let message = format!("`{role}` may {verbs} every row of `{name}`: it has no row security");
                self.report_made(relation.id, "table-without-row-security", message);
            }
            RelationKind::View if !relation.security_invoker => {
                let Some(table) = guarded_table(schema, relation) else { return };
                let message = format!("`{role}` sees rows of `{table}` through `{name}` whatever its policies say");
                self.report_made(relation.id, "view-without-security-invoker", message);
            }
            RelationKind::Table
            | RelationKind::PartitionedTable
            | RelationKind::View
            | RelationKind::MaterializedView
            | RelationKind::ForeignTable => {}
        }
    }

    fn report_made(&mut self, id: RelationId, lint: &'static str, message: String) {
        let Some(made) = self.made.get(&id) else { return };
        let help = super::named(lint).map_or("", |lint| lint.help).to_owned();
        let mut remark = made.remark.clone();
        remark.message = message;
        remark.help = Some(help);
        let allowed = made.allowed.clone();
        self.report(lint, Pending { remark, allowed });
    }

    fn look_at_keys(&mut self, relation: &Relation) {
        for key in &relation.foreign_keys {
            if is_indexed(relation, &key.columns) {
                continue;
            }
            let Some(mut pending) = self.keys.remove(&(relation.id, key.name.clone())) else { continue };
            let columns: Vec<_> = relation.column_names(&key.columns).collect();
            pending.remark.message = format!(
                "no index of `{}` begins with `{}`, which refers to another table",
                relation.name,
                columns.join(", ")
            );
            pending.remark.help = super::named("foreign-key-without-index").map(|lint| lint.help.to_owned());
            self.report("foreign-key-without-index", pending);
        }
    }
}

fn pending(reviewed: &Reviewed<'_>, name: &str) -> Pending {
    Pending { remark: reviewed.remark((-1, name), String::new(), ""), allowed: reviewed.allowed() }
}

/// The first caller's role with a right on the relation, and what it may do.
fn reached_by(schema: &Schema, relation: &Relation) -> Option<(&'static str, String)> {
    const VERBS: [(Privilege, &str); 4] = [
        (Privilege::Select, "select"),
        (Privilege::Insert, "insert"),
        (Privilege::Update, "update"),
        (Privilege::Delete, "delete"),
    ];
    CALLERS.iter().find_map(|role| {
        let rights = schema.rights_of(role);
        let holds = |grantee: &Grantee| match grantee {
            Grantee::Public => true,
            Grantee::Role(name) => rights.contains(&name.as_str()),
        };
        let may = |privilege| relation.grants.iter().any(|grant| grant.privilege == privilege && holds(&grant.grantee));
        let verbs: Vec<_> = VERBS.iter().filter(|(privilege, _)| may(*privilege)).map(|(_, verb)| *verb).collect();
        (!verbs.is_empty()).then(|| (*role, verbs.join(", ")))
    })
}

/// A table with row security that the view reads.
fn guarded_table<'s>(schema: &'s Schema, view: &Relation) -> Option<&'s str> {
    let mut select = (**view.definition.as_ref()?).clone();
    let mut found = None;
    select.for_each_source_mut(&mut |_, relation| {
        let guarded = relation.and_then(|id| schema.relations.get(&id)).filter(|table| table.row_security.enabled);
        if let Some(table) = guarded {
            found = Some(table.name.as_str());
        }
    });
    found
}

fn is_indexed(relation: &Relation, columns: &[ColumnId]) -> bool {
    let begins = |indexed: &[ColumnId]| {
        indexed.len() >= columns.len() && indexed[..columns.len()].iter().all(|column| columns.contains(column))
    };
    let plain = |expr: &Expr| match expr {
        Expr::Column { column, .. } => Some(*column),
        _ => None,
    };
    relation.keys().any(|key| begins(&key.columns))
        || relation.indexes.iter().filter(|index| index.condition.is_none()).any(|index| {
            let terms: Vec<ColumnId> = index.terms.iter().map_while(|term| plain(&term.expr)).collect();
            begins(&terms)
        })
}
