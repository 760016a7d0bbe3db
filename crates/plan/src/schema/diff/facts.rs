//! A schema as facts by name, so that two schemas can be compared whose ids differ.

use std::collections::{BTreeMap, BTreeSet};

use super::super::read_sql::OWNER;
use super::super::{
    Column, DefaultPrivilegeObject, DefaultValue, Grant, Grantee, Policy, Privilege, Relation, RelationId, Schema,
};
use crate::expr::{Expr, Select, SourceId};
use crate::value::{Type, Value};

pub(super) type Name = (String, String);

/// What a fact is about; the order is that in which facts can be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Role(String),
    Member { role: String, parent: String },
    Schema(String),
    Enum(Name),
    Domain(Name),
    Sequence(Name),
    Function(Name),
    Table(Name),
    Column(Name, String),
    NotNull(Name, String),
    Default(Name, String),
    Key(Name, String),
    Check(Name, String),
    ForeignKey(Name, String),
    Index(Name, String),
    View(Name),
    Owner(Name),
    RowSecurity(Name),
    Policy(Name, String),
    DefaultPrivilege { owner: String, schema: Option<String>, object: &'static str, right: Right },
    Grant { object: String, right: Right },
    Comment(String),
}

/// One privilege of one grantee, on a column or the whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub(super) grantee: String,
    pub(super) privilege: &'static str,
    pub(super) column: Option<String>,
    pub(super) grantable: bool,
}

pub(super) type Facts = BTreeMap<Fact, String>;

/// All that is said of a schema.
pub(super) fn facts(schema: &Schema) -> Facts {
    let mut all = Facts::new();
    for role in schema.roles.values() {
        let of = |on: bool, word: &str| if on { word.to_owned() } else { format!("no{word}") };
        let text = [
            of(role.login, "login"),
            of(role.inherit, "inherit"),
            of(role.bypass_row_security, "bypassrls"),
            of(role.superuser, "superuser"),
        ];
        all.insert(Fact::Role(role.name.clone()), text.join(" "));
        for parent in &role.member_of {
            all.insert(Fact::Member { role: role.name.clone(), parent: parent.clone() }, String::new());
        }
        comment(&mut all, format!("role {}", quote(&role.name)), role.comment.as_ref());
    }
    for (name, namespace) in &schema.namespaces {
        all.insert(Fact::Schema(name.clone()), String::new());
        let object = format!("schema {}", quote(name));
        grants(&mut all, &object, &namespace.grants, None);
        comment(&mut all, object, namespace.comment.as_ref());
    }
    types_and_sequences(&mut all, schema);
    for function in &schema.functions {
        let returned = if function.returns_set { "setof " } else { "" };
        let body = if function.source.is_empty() { function.body.as_ref() } else { None };
        let text = format!(
            "{} {returned}{} {:?} {} {} {:?} {}",
            function.language,
            type_text(&function.returns),
            function.volatility,
            function.security_definer,
            function.strict,
            function.source,
            body.map(|body| canonical_select(schema, body)).unwrap_or_default(),
        );
        all.insert(Fact::Function((function.schema.clone(), function.signature())), text);
        let object = function_name(function);
        grants(&mut all, &object, &function.grants, None);
        comment(&mut all, object, function.comment.as_ref());
    }
    for relation in schema.relations.values() {
        relation_facts(&mut all, schema, relation);
    }
    for default in &schema.default_privileges {
        let object = match default.object {
            DefaultPrivilegeObject::Tables => "tables",
            DefaultPrivilegeObject::Sequences => "sequences",
            DefaultPrivilegeObject::Functions => "functions",
            DefaultPrivilegeObject::Schemas => "schemas",
        };
        let (owner, schema) = (default.owner.clone(), default.schema.clone());
        for right in rights(&default.grant, None) {
            all.insert(
                Fact::DefaultPrivilege { owner: owner.clone(), schema: schema.clone(), object, right },
                String::new(),
            );
        }
    }
    all
}

fn types_and_sequences(all: &mut Facts, schema: &Schema) {
    for (key, made) in &schema.enums {
        all.insert(Fact::Enum(key.clone()), format!("{:?}", made.labels));
    }
    for (key, made) in &schema.domains {
        let checks: BTreeSet<_> = made.checks.iter().map(|check| canonical(schema, None, &check.condition)).collect();
        let default = made.default.as_ref().map(|default| canonical(schema, None, default));
        let text = format!("{} {} {default:?} {checks:?}", type_text(&made.base), made.not_null);
        all.insert(Fact::Domain(key.clone()), text);
    }
    for (key, sequence) in &schema.sequences {
        if sequence.owner.is_none() {
            all.insert(Fact::Sequence(key.clone()), format!("{} {}", sequence.start, sequence.increment));
        }
        grants(all, &format!("sequence {}", full(key)), &sequence.grants, None);
    }
}

fn relation_facts(all: &mut Facts, schema: &Schema, relation: &Relation) {
    let key = (relation.schema.clone(), relation.name.clone());
    let word = if relation.is_view() { "view" } else { "table" };
    let object = format!("{word} {}", full(&key));
    comment(all, object, relation.comment.as_ref());
    grants(all, &format!("table {}", full(&key)), &relation.grants, Some(relation));
    for column in &relation.columns {
        comment(all, format!("column {}.{}", full(&key), quote(&column.name)), column.comment.as_ref());
    }
    if relation.owner != OWNER {
        all.insert(Fact::Owner(key.clone()), relation.owner.clone());
    }
    if let Some(definition) = relation.definition.as_deref() {
        let names: Vec<_> = relation.columns.iter().map(|column| column.name.as_str()).collect();
        let text = format!("{} {names:?} {}", relation.security_invoker, canonical_select(schema, definition));
        all.insert(Fact::View(key), text);
        return;
    }
    all.insert(Fact::Table(key.clone()), String::new());
    all.insert(Fact::RowSecurity(key.clone()), format!("{:?}", relation.row_security));
    for column in &relation.columns {
        column_facts(all, schema, (&key, relation), column);
    }
    constraint_facts(all, schema, (&key, relation));
    for policy in &relation.policies {
        all.insert(Fact::Policy(key.clone(), policy.name.clone()), policy_text(schema, relation, policy));
    }
}

fn column_facts(all: &mut Facts, schema: &Schema, (key, relation): (&Name, &Relation), column: &Column) {
    let name = column.name.clone();
    all.insert(Fact::Column(key.clone(), name.clone()), type_text(&column.ty));
    if column.not_null {
        all.insert(Fact::NotNull(key.clone(), name.clone()), String::new());
    }
    let text = match &column.default {
        None => return,
        Some(DefaultValue::Expr(expr)) => format!("expr {}", canonical(schema, Some(relation), expr)),
        Some(DefaultValue::Generated(expr)) => format!("generated {}", canonical(schema, Some(relation), expr)),
        Some(DefaultValue::Sequence { sequence }) => format!("sequence {}", full(sequence)),
        Some(DefaultValue::Identity { always, start, increment }) => format!("identity {always} {start} {increment}"),
        Some(DefaultValue::Engine(text)) => format!("engine {text}"),
    };
    all.insert(Fact::Default(key.clone(), name), text);
}

fn constraint_facts(all: &mut Facts, schema: &Schema, (key, relation): (&Name, &Relation)) {
    let columns = |ids: &[_]| relation.column_names(ids).map(quote).collect::<Vec<_>>().join(", ");
    for (word, found) in relation
        .primary_key
        .iter()
        .map(|key| ("primary key", key))
        .chain(relation.unique.iter().map(|key| ("unique", key)))
    {
        let nulls = if found.nulls_not_distinct { " nulls not distinct" } else { "" };
        let later = if found.deferrable { " deferrable" } else { "" };
        let text = format!("{word}{nulls} ({}){later}", columns(&found.columns));
        all.insert(Fact::Key(key.clone(), found.name.clone()), text);
    }
    for check in &relation.checks {
        let text = canonical(schema, Some(relation), &check.condition);
        all.insert(Fact::Check(key.clone(), check.name.clone()), text);
    }
    for found in &relation.foreign_keys {
        let target = schema.relation(found.target);
        let target_columns = target.column_names(&found.target_columns).map(quote).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "foreign key ({}) references {} ({target_columns}) on delete {} on update {}",
            columns(&found.columns),
            full(&(target.schema.clone(), target.name.clone())),
            action(found.on_delete),
            action(found.on_update),
        );
        if found.deferrable {
            text.push_str(if found.initially_deferred { " deferrable initially deferred" } else { " deferrable" });
        }
        all.insert(Fact::ForeignKey(key.clone(), found.name.clone()), text);
    }
    for index in &relation.indexes {
        let terms: Vec<_> = index
            .terms
            .iter()
            .map(|term| (canonical(schema, Some(relation), &term.expr), term.descending, term.nulls_first))
            .collect();
        let condition = index.condition.as_ref().map(|condition| canonical(schema, Some(relation), condition));
        let kind = (index.unique, index.nulls_not_distinct, index.only_postgres);
        all.insert(Fact::Index(key.clone(), index.name.clone()), format!("{kind:?} {terms:?} {condition:?}"));
        let object = format!("index {}", full(&(relation.schema.clone(), index.name.clone())));
        comment(all, object, index.comment.as_ref());
    }
}

fn action(action: super::super::ReferentialAction) -> &'static str {
    use super::super::ReferentialAction;
    match action {
        ReferentialAction::NoAction => "no action",
        ReferentialAction::Restrict => "restrict",
        ReferentialAction::Cascade => "cascade",
        ReferentialAction::SetNull => "set null",
        ReferentialAction::SetDefault => "set default",
    }
}

fn policy_text(schema: &Schema, relation: &Relation, policy: &Policy) -> String {
    let mut roles: Vec<_> = policy.roles.iter().map(grantee).collect();
    roles.sort();
    let of = |condition: Option<&Expr>| condition.map(|condition| canonical(schema, Some(relation), condition));
    let conditions = (of(policy.using.as_ref()), of(policy.with_check.as_ref()));
    format!("{:?} {} {roles:?} {conditions:?}", policy.command, policy.permissive)
}

fn comment(all: &mut Facts, object: String, text: Option<&String>) {
    if let Some(text) = text {
        all.insert(Fact::Comment(object), text.clone());
    }
}

fn grants(all: &mut Facts, object: &str, grants: &[Grant], relation: Option<&Relation>) {
    for grant in grants {
        for right in rights(grant, relation) {
            all.insert(Fact::Grant { object: object.to_owned(), right }, String::new());
        }
    }
}

fn rights(grant: &Grant, relation: Option<&Relation>) -> Vec<Right> {
    let right = |column: Option<String>| Right {
        grantee: grantee(&grant.grantee),
        privilege: privilege(grant.privilege),
        column,
        grantable: grant.grantable,
    };
    match (&grant.columns, relation) {
        (Some(columns), Some(relation)) => {
            relation.column_names(columns).map(|name| right(Some(name.to_owned()))).collect()
        }
        (Some(_), None) | (None, _) => vec![right(None)],
    }
}

fn privilege(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Select => "select",
        Privilege::Insert => "insert",
        Privilege::Update => "update",
        Privilege::Delete => "delete",
        Privilege::Truncate => "truncate",
        Privilege::References => "references",
        Privilege::Trigger => "trigger",
        Privilege::Usage => "usage",
        Privilege::Create => "create",
        Privilege::Execute => "execute",
    }
}

/// The grantee as a statement names it.
pub(super) fn grantee(grantee: &Grantee) -> String {
    match grantee {
        Grantee::Public => "public".to_owned(),
        Grantee::Role(name) => quote(name),
    }
}

/// `function "s"."f"(integer, text)`
pub(super) fn function_name(function: &super::super::Function) -> String {
    let types: Vec<_> = function.args.iter().map(|arg| type_text(&arg.ty)).collect();
    format!("function {}({})", full(&(function.schema.clone(), function.name.clone())), types.join(", "))
}

pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn full((schema, name): &Name) -> String {
    format!("{}.{}", quote(schema), quote(name))
}

/// The type as a statement writes it.
pub(super) fn type_text(ty: &Type) -> String {
    match ty {
        Type::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
        Type::Varchar(Some(length)) => format!("varchar({length})"),
        Type::Char(Some(length)) => format!("char({length})"),
        Type::Enum(made) => full(&(made.schema.clone(), made.name.clone())),
        Type::Domain(made) => full(&(made.schema.clone(), made.name.clone())),
        Type::Array(item) => format!("{}[]", type_text(item)),
        other => other.sql_name(),
    }
}

/// The expression's text with names in place of ids.
fn canonical(schema: &Schema, row: Option<&Relation>, expr: &Expr) -> String {
    let mut sources = BTreeMap::new();
    if let Some(row) = row {
        sources.insert(SourceId::ROW, row.id);
    }
    let mut expr = expr.clone();
    collect_sources(&mut expr, &mut sources);
    name_columns(schema, &sources, &mut expr);
    without_ids(schema, &format!("{expr:?}"))
}

fn canonical_select(schema: &Schema, select: &Select) -> String {
    let select = Expr::Scalar { select: Box::new(select.clone()), ty: Type::Unknown };
    canonical(schema, None, &select)
}

fn collect_sources(expr: &mut Expr, sources: &mut BTreeMap<SourceId, RelationId>) {
    if let Expr::Exists { select, .. } | Expr::Scalar { select, .. } | Expr::InSelect { select, .. } = expr {
        select.for_each_source_mut(&mut |source, relation| {
            if let Some(relation) = relation {
                sources.insert(*source, relation);
            }
        });
    }
    expr.for_each_child_mut(&mut |child| collect_sources(child, sources));
}

fn name_columns(schema: &Schema, sources: &BTreeMap<SourceId, RelationId>, expr: &mut Expr) {
    if let Expr::Column { source, column, ty } = expr
        && let Some(relation) = sources.get(source)
    {
        let name = schema.relation(*relation).column_by_id(*column).name.clone();
        let args = vec![Expr::value(Value::text(format!("{}.{name}", source.0).as_str()), ty.clone())];
        *expr = Expr::call("column", args, ty.clone());
        return;
    }
    expr.for_each_child_mut(&mut |child| name_columns(schema, sources, child));
}

/// Names in place of relations' ids; the labels of enums, which are facts of their own, are left out.
fn without_ids(schema: &Schema, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let id = rest.find("RelationId(");
        let labels = rest.find("labels: [");
        let Some(at) = [id, labels].into_iter().flatten().min() else { break };
        out.push_str(&rest[..at]);
        let is_id = Some(at) == id;
        let end = rest[at..].find(if is_id { ')' } else { ']' }).map_or(rest.len(), |end| at + end + 1);
        if is_id {
            let number = rest[at + "RelationId(".len()..end.saturating_sub(1)].parse().ok();
            let relation = number.and_then(|number| schema.relations.get(&RelationId(number)));
            out.push_str(
                &relation.map_or_else(String::new, |relation| format!("{}.{}", relation.schema, relation.name)),
            );
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// The relations that a select reads, also within expressions.
pub(super) fn reads(select: &Select) -> Vec<RelationId> {
    let mut expr = Expr::Scalar { select: Box::new(select.clone()), ty: Type::Unknown };
    let mut sources = BTreeMap::new();
    collect_sources(&mut expr, &mut sources);
    sources.into_values().collect()
}

impl Right {
    /// `select` or `select ("column")`
    pub(super) fn words(&self) -> String {
        match &self.column {
            Some(column) => format!("{} ({})", self.privilege, quote(column)),
            None => self.privilege.to_owned(),
        }
    }
}

impl Fact {
    /// What it is about, for people.
    pub(super) fn describe(&self) -> String {
        let part = |word: &str, table: &Name, name: &str| format!("{word} {} of {}", quote(name), full(table));
        match self {
            Self::Role(name) => format!("role {}", quote(name)),
            Self::Member { role, parent } => format!("membership of {} in {}", quote(role), quote(parent)),
            Self::Schema(name) => format!("schema {}", quote(name)),
            Self::Enum(name) => format!("enum {}", full(name)),
            Self::Domain(name) => format!("domain {}", full(name)),
            Self::Sequence(name) => format!("sequence {}", full(name)),
            Self::Function((schema, signature)) => format!("function {schema}.{signature}"),
            Self::Table(name) => format!("table {}", full(name)),
            Self::Column(table, name) => part("column", table, name),
            Self::NotNull(table, name) => part("not null of", table, name),
            Self::Default(table, name) => part("default of", table, name),
            Self::Key(table, name) => part("key", table, name),
            Self::Check(table, name) => part("check", table, name),
            Self::ForeignKey(table, name) => part("foreign key", table, name),
            Self::Index(table, name) => part("index", table, name),
            Self::View(name) => format!("view {}", full(name)),
            Self::Owner(name) => format!("owner of {}", full(name)),
            Self::RowSecurity(name) => format!("row security of {}", full(name)),
            Self::Policy(table, name) => part("policy", table, name),
            Self::DefaultPrivilege { object, right, .. } => {
                format!("default privilege {} on {object} for {}", right.words(), right.grantee)
            }
            Self::Grant { object, right } => format!("grant {} on {object} to {}", right.words(), right.grantee),
            Self::Comment(object) => format!("comment on {object}"),
        }
    }
}
