//! Random schemas: tables with keys, roles with grants, and policies.

use std::fmt::Write;

use rand::Rng;
use rand::rngs::StdRng;

use super::functions::{Function, functions};
use super::request::Request;
use super::words::{Kind, USERS, chance, one_of};

pub(super) struct Model {
    pub(super) tables: Vec<Table>,
    /// A role of this schema's own.
    pub(super) role: String,
    roles: Vec<String>,
    pub(super) functions: Vec<Function>,
    grants: Vec<String>,
    policies: Vec<String>,
}

pub(super) struct Table {
    pub(super) name: String,
    pub(super) key: Key,
    pub(super) columns: Vec<Column>,
    /// Columns that refer to another table's key, with that table.
    pub(super) parents: Vec<(String, usize)>,
    constraints: Vec<String>,
    /// Columns that two rows never share, beside the key.
    pub(super) uniques: Vec<Vec<String>>,
    /// Statements after the definition.
    more: Vec<String>,
    /// Of a view: what follows `create view … `.
    view: Option<String>,
    pub(super) secured: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Int,
    Uuid,
    /// Both parents: a junction.
    Parents,
    /// `owner_id`: a view that groups by it.
    Owner,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    not_null: bool,
    default: Option<String>,
    unique: bool,
    check: Option<String>,
    pub(super) generated: Option<String>,
}

impl Model {
    pub(super) fn random(rng: &mut StdRng, seed: u64) -> Self {
        let count = rng.random_range(2..=4);
        let mut tables: Vec<Table> = Vec::new();
        for index in 0..count {
            let table = Table::random(rng, index, &tables);
            tables.push(table);
        }
        if chance(rng, 0.5) {
            tables.push(Table::junction(rng, &tables));
        }
        let role = format!("role_{seed:x}");
        let mut model = Self {
            tables,
            roles: roles(rng, &role),
            role,
            functions: Vec::new(),
            grants: Vec::new(),
            policies: Vec::new(),
        };
        let tables = model.tables.len();
        model.policies = (0..tables).flat_map(|index| model.policies_on(rng, index)).collect();
        for index in 0..tables {
            if chance(rng, 0.4) {
                let view = model.view_of(rng, index);
                model.tables.push(view);
            }
        }
        model.grants = (0..model.tables.len()).flat_map(|index| model.grants_on(rng, index)).collect();
        model.functions = functions(rng, &model);
        model
    }

    pub(super) fn migration(&self) -> String {
        let mut sql = String::from(
            "create type mood as enum ('sad', 'ok', 'happy');\n\
             create domain amount as numeric check (value >= 0);\n\
             create domain short as text check (length(value) <= 8);\n",
        );
        for line in &self.roles {
            sql.push_str(line);
            sql.push('\n');
        }
        for table in &self.tables {
            sql.push_str(&table.definition(self));
        }
        for function in &self.functions {
            sql.push_str(&function.definition(self));
        }
        for line in self.grants.iter().chain(&self.policies) {
            sql.push_str(line);
            sql.push('\n');
        }
        sql
    }

    pub(super) fn rows(&self, rng: &mut StdRng) -> String {
        let mut sql = String::new();
        for table in self.tables.iter().filter(|table| table.view.is_none()) {
            for row in 1..=rng.random_range(3..=8) {
                let _ = writeln!(sql, "{}", table.insert(rng, row, self));
            }
        }
        sql
    }

    /// What a reader of a failure needs: the tables that the request names, their grants and policies.
    pub(super) fn describe(&self, request: &Request) -> String {
        let tables = self.tables.iter().map(|table| &table.name);
        let names: Vec<_> = tables.chain(self.functions.iter().map(|function| &function.name)).collect();
        let named = |text: &str| names.iter().any(|name| text.contains(*name) && request.path.contains(*name));
        let lines = self.migration();
        lines.split_inclusive(";\n").filter(|statement| named(statement)).collect()
    }

    /// Whether the caller's role has a right to some columns of the table that a request is to.
    pub(super) fn grants_columns(&self, request: &Request) -> bool {
        let role = request.caller.role();
        let ending = format!(") on {} to {role};", request.target());
        self.grants.iter().any(|grant| grant.ends_with(&ending))
    }

    fn grants_on(&self, rng: &mut StdRng, index: usize) -> Vec<String> {
        let table = &self.tables[index];
        let mut grants = Vec::new();
        for role in ["anon", "authenticated", &self.role] {
            for verb in ["select", "insert", "update", "delete"] {
                if role == self.role && chance(rng, 0.5) {
                    continue;
                }
                if chance(rng, 0.88) {
                    grants.push(format!("grant {verb} on {} to {role};", table.name));
                } else if verb != "delete" && chance(rng, 0.6) {
                    let names = table.all_columns();
                    let some: Vec<_> = names.iter().filter(|_| chance(rng, 0.7)).cloned().collect();
                    if !some.is_empty() {
                        grants.push(format!("grant {verb} ({}) on {} to {role};", some.join(", "), table.name));
                    }
                }
            }
        }
        grants
    }

    fn policies_on(&self, rng: &mut StdRng, index: usize) -> Vec<String> {
        let table = &self.tables[index];
        let mut lines = Vec::new();
        if table.key == Key::Int && table.secured {
            lines.push(table.helper());
        }
        if !table.secured {
            return lines;
        }
        lines.push(format!("alter table {} enable row level security;", table.name));
        if chance(rng, 0.2) {
            lines.push(format!("alter table {} force row level security;", table.name));
        }
        for number in 0..rng.random_range(1..=4) {
            let restrictive = chance(rng, if number == 0 { 0.05 } else { 0.25 });
            let command = *one_of(rng, &["all", "all", "select", "insert", "update", "delete"]);
            let own = format!("authenticated, {}", self.role);
            let roles = *one_of(
                rng,
                &["public", "public", "anon", "authenticated", "anon, authenticated", self.role.as_str(), own.as_str()],
            );
            let mut line = format!(
                "create policy p{number} on {}{} for {command} to {roles}",
                table.name,
                if restrictive { " as restrictive" } else { "" }
            );
            if command != "insert" {
                let _ = write!(line, " using ({})", self.condition(rng, index, 2));
            }
            if command == "insert" || (matches!(command, "all" | "update") && chance(rng, 0.5)) {
                let _ = write!(line, " with check ({})", self.condition(rng, index, 2));
            }
            lines.push(line + ";");
        }
        lines
    }
}

impl Model {
    /// A view of one table, of one with its parent, or of groups of rows.
    fn view_of(&self, rng: &mut StdRng, index: usize) -> Table {
        let table = &self.tables[index];
        let name = &table.name;
        let secured = if chance(rng, 0.5) { "with (security_invoker = true) " } else { "" };
        let column = Column::plain;
        let mut columns: Vec<Column> = table.columns.iter().map(|own| column(&own.name, own.kind)).collect();
        let own = |column: &Column| format!("{name}.{}", column.name);
        let mut listed: Vec<_> = columns.iter().map(own).collect();
        let (key, body) = match rng.random_range(0..3) {
            0 if table.key != Key::Parents => {
                listed.insert(0, format!("{name}.id, {name}.owner_id"));
                (
                    table.key,
                    format!("as select {} from {name} where {}", listed.join(", "), self.comparison(rng, index)),
                )
            }
            1 if table.key != Key::Parents && table.parents.iter().any(|(_, parent)| *parent != index) => {
                let (key, parent) = table.parents.iter().find(|(_, parent)| *parent != index).expect("just seen");
                let other = &self.tables[*parent].name;
                listed.insert(0, format!("{name}.id, {name}.owner_id"));
                listed.push(format!("parent.owner_id as parent_owner, upper('x' || {name}.id::text) as label"));
                columns.extend([column("parent_owner", Kind::Uuid), column("label", Kind::Text)]);
                let join = *one_of(rng, &["join", "left join"]);
                let listed = listed.join(", ");
                (table.key, format!("as select {listed} from {name} {join} {other} parent on parent.id = {name}.{key}"))
            }
            _ => {
                let counted = columns.first().map_or("owner_id", |column| column.name.as_str());
                let body = format!(
                    "as select owner_id, count(*) as n, count({counted}) as filled from {name} group by owner_id"
                );
                columns = vec![column("n", Kind::Int8), column("filled", Kind::Int8)];
                (Key::Owner, body)
            }
        };
        Table {
            name: format!("v_{name}"),
            key,
            columns,
            parents: Vec::new(),
            constraints: Vec::new(),
            uniques: Vec::new(),
            more: Vec::new(),
            view: Some(secured.to_owned() + &body),
            secured: false,
        }
    }
}

impl Table {
    pub(super) fn is_view(&self) -> bool {
        self.view.is_some()
    }

    fn random(rng: &mut StdRng, index: usize, before: &[Self]) -> Self {
        let columns = (0..rng.random_range(2..=5)).map(|number| Column::random(rng, number)).collect();
        let mut parents = Vec::new();
        let targets: Vec<_> = (0..before.len()).filter(|at| before[*at].key != Key::Parents).collect();
        if !targets.is_empty() && chance(rng, 0.8) {
            let target = *one_of(rng, &targets);
            parents.push((format!("{}_id", before[target].name), target));
        }
        if chance(rng, 0.2) {
            parents.push(("parent_id".to_owned(), index));
        }
        let key = if chance(rng, 0.8) { Key::Int } else { Key::Uuid };
        let secured = chance(rng, 0.75);
        let mut table = Self {
            name: format!("t{index}"),
            key,
            columns,
            parents,
            constraints: Vec::new(),
            uniques: Vec::new(),
            more: Vec::new(),
            view: None,
            secured,
        };
        table.constrain(rng);
        table
    }

    /// The rows that a function defines by itself: an owner and what else there is.
    pub(super) fn made_by(function: &str, columns: Vec<Column>) -> Self {
        Self {
            name: function.to_owned(),
            key: Key::Owner,
            columns,
            parents: Vec::new(),
            constraints: Vec::new(),
            uniques: Vec::new(),
            more: Vec::new(),
            view: None,
            secured: false,
        }
    }

    fn junction(rng: &mut StdRng, before: &[Self]) -> Self {
        let first = rng.random_range(0..before.len());
        let second = (first + 1) % before.len();
        let parents =
            vec![(format!("{}_id", before[first].name), first), (format!("{}_id", before[second].name), second)];
        let columns = vec![Column::random(rng, 0)];
        Self {
            name: "link".into(),
            key: Key::Parents,
            columns,
            parents,
            constraints: Vec::new(),
            uniques: Vec::new(),
            more: Vec::new(),
            view: None,
            secured: chance(rng, 0.5),
        }
    }

    pub(super) fn all_columns(&self) -> Vec<String> {
        let mut names = vec!["owner_id".to_owned()];
        if matches!(self.key, Key::Int | Key::Uuid) {
            names.insert(0, "id".into());
        }
        names.extend(self.columns.iter().map(|column| column.name.clone()));
        names.extend(self.parents.iter().map(|(name, _)| name.clone()));
        names
    }

    /// The kind of any column.
    pub(super) fn kind_of(&self, name: &str, model: &Model) -> Kind {
        if let Some(column) = self.columns.iter().find(|column| column.name == name) {
            return column.kind;
        }
        if let Some((_, parent)) = self.parents.iter().find(|(parent, _)| parent == name) {
            return model.tables[*parent].key_kind();
        }
        if name == "id" { self.key_kind() } else { Kind::Uuid }
    }

    pub(super) fn key_kind(&self) -> Kind {
        if self.key == Key::Uuid { Kind::Uuid } else { Kind::Int4 }
    }

    pub(super) fn key_columns(&self) -> Vec<String> {
        match self.key {
            Key::Int | Key::Uuid => vec!["id".into()],
            Key::Parents => self.parents.iter().map(|(name, _)| name.clone()).collect(),
            Key::Owner => vec!["owner_id".into()],
        }
    }

    fn definition(&self, model: &Model) -> String {
        if let Some(view) = &self.view {
            return format!("create view {} {view};\n", self.name);
        }
        let mut lines = Vec::new();
        match self.key {
            Key::Int => lines.push("id integer primary key".to_owned()),
            Key::Uuid => lines.push("id uuid primary key".to_owned()),
            Key::Parents | Key::Owner => {}
        }
        lines.push("owner_id uuid default auth.uid()".into());
        lines.extend(self.columns.iter().map(Column::definition));
        for (number, (name, parent)) in self.parents.iter().enumerate() {
            let target = &model.tables[*parent];
            let not_null = if self.key == Key::Parents { " not null" } else { "" };
            let action = actions(number + self.columns.len(), self.key == Key::Parents);
            // SQLite restricts at once, even for rows that the same statement deletes.
            let action = if target.name == self.name { action.replace("restrict", "no action") } else { action.into() };
            let kind = target.key_kind().sql();
            lines.push(format!("{name} {kind}{not_null} references {}(id){action}", target.name));
        }
        if self.key == Key::Parents {
            lines.push(format!("primary key ({})", self.key_columns().join(", ")));
        }
        lines.extend(self.constraints.iter().cloned());
        let mut sql = format!("create table {} (\n  {}\n);\n", self.name, lines.join(",\n  "));
        for line in &self.more {
            let _ = writeln!(sql, "{line};");
        }
        sql
    }

    /// Keys over several columns, partial ones, checks over several, and a generated column.
    fn constrain(&mut self, rng: &mut StdRng) {
        let name = &self.name;
        let plain: Vec<_> = self.columns.iter().filter(|column| column.kind != Kind::Json).collect();
        if chance(rng, 0.15)
            && let [first, second, ..] = &plain[..]
        {
            self.constraints.push(format!("unique ({}, {})", first.name, second.name));
            self.uniques.push(vec![first.name.clone(), second.name.clone()]);
        }
        if chance(rng, 0.1)
            && let [first, ..] = &plain[..]
        {
            self.more.push(format!("create unique index on {name} ({}) where owner_id is null", first.name));
        }
        let alone = self.columns.iter().filter(|column| column.unique);
        self.uniques.extend(alone.map(|column| vec![column.name.clone()]));
        if chance(rng, 0.1) {
            self.constraints.push("check (owner_id is not null or id is not null)".into());
        }
        if chance(rng, 0.3)
            && let Some((kind, expression)) = self.columns.iter().find_map(generated_from)
        {
            self.columns.push(Column { generated: Some(expression), ..Column::plain("made", kind) });
        }
    }

    fn insert(&self, rng: &mut StdRng, row: i32, model: &Model) -> String {
        let mut names = Vec::new();
        let (mut values, mut found) = (Vec::new(), Vec::new());
        match self.key {
            Key::Int => {
                names.push("id".to_owned());
                values.push(row.to_string());
            }
            Key::Uuid => {
                names.push("id".into());
                values.push(format!(
                    "'{}'",
                    USERS.get(row as usize - 1).map_or_else(|| uuid(row), |user| (*user).to_owned())
                ));
            }
            Key::Parents | Key::Owner => {}
        }
        names.push("owner_id".into());
        values.push(format!("'{}'", one_of(rng, &USERS)));
        for column in self.columns.iter().filter(|column| column.generated.is_none()) {
            names.push(column.name.clone());
            // A row that met another would be left out, and then missed by its children.
            let null = !column.not_null && (chance(rng, 0.2) || (column.unique && row > 1));
            values.push(if null { "null".into() } else { column.valid_literal(rng) });
        }
        for (name, parent) in &self.parents {
            names.push(name.clone());
            let number = rng.random_range(1..=3);
            let value = if model.tables[*parent].key == Key::Uuid {
                format!("'{}'", USERS[number - 1])
            } else {
                number.to_string()
            };
            // The parent's row may have met another and be missing.
            let other = &model.tables[*parent].name;
            found.push(format!("exists (select 1 from {other} where id = {value})"));
            let null = self.key != Key::Parents && chance(rng, 0.2);
            let looked_up = format!("(select id from {other} where id = {value})");
            values.push(if null { "null".into() } else { looked_up });
        }
        let (name, names, values) = (&self.name, names.join(", "), values.join(", "));
        if self.key == Key::Parents {
            let found = found.join(" and ");
            return format!("insert into {name} ({names}) select {values} where {found} on conflict do nothing;");
        }
        format!("insert into {name} ({names}) values ({values}) on conflict do nothing;")
    }
}

/// The schema's own role: a member of another, or another a member of it.
fn roles(rng: &mut StdRng, role: &str) -> Vec<String> {
    let inherit = if chance(rng, 0.3) { " noinherit" } else { "" };
    let mut lines = vec![format!("create role {role}{inherit};")];
    match rng.random_range(0..3) {
        0 => lines.push(format!("grant authenticated to {role};")),
        1 => lines.push(format!("grant {role} to authenticated;")),
        _ => lines.push(format!("grant usage on schema public to {role};")),
    }
    lines.push(format!("grant usage on schema public, auth to {role};"));
    if chance(rng, 0.2) {
        lines.push(format!("alter default privileges in schema public grant select on tables to {role};"));
    }
    lines
}

fn actions(number: usize, not_null: bool) -> &'static str {
    let all = [
        "",
        " on delete cascade",
        " on delete set null",
        " on delete restrict on update cascade",
        " on delete set null on update set null",
        " on delete cascade on update cascade",
        " on delete no action on update restrict",
        " on delete set default on update set default",
    ];
    let action = all[number % all.len()];
    if not_null && (action.contains("null") || action.contains("default")) { " on delete cascade" } else { action }
}

/// A default: a literal, or a call where the type has one.
fn default(rng: &mut StdRng, kind: Kind) -> String {
    let calls: &[&str] = match kind {
        Kind::Text => {
            &["lower('A')", "auth.role()", "auth.email()", "'a' || 'b'", "coalesce(auth.jwt() ->> 'team', 'none')"]
        }
        Kind::Uuid => &["auth.uid()", "'00000000-0000-4000-8000-000000000002'::uuid"],
        Kind::Int4 => &["1 + 2", "length('abc')", "case when auth.uid() is null then 0 else 1 end"],
        Kind::Date => &["'2024-01-01'::date + 1", "date '2024-02-29'"],
        Kind::Bool => &["(auth.uid() is not null)", "true"],
        Kind::Jsonb => &["auth.jwt() -> 'app'", "'{}'::jsonb", "jsonb_build_object('a', 1)"],
        Kind::IntArray => &["array[1, 2]", "'{}'::integer[]"],
        Kind::TextArray => &["array['a', 'b']"],
        Kind::Numeric => &["1.50 * 2", "round(2.5)"],
        _ => &[],
    };
    if !calls.is_empty() && chance(rng, 0.6) { (*one_of(rng, calls)).to_owned() } else { kind.literal(rng) }
}

fn generated_from(column: &Column) -> Option<(Kind, String)> {
    let name = &column.name;
    Some(match column.kind {
        Kind::Text | Kind::Varchar => (Kind::Text, format!("upper({name}) || '!'")),
        Kind::Int4 | Kind::Int2 => (Kind::Int8, format!("coalesce({name}, 0)::bigint * 3")),
        Kind::Numeric | Kind::Money => (Kind::Numeric, format!("round({name} / 3, 2)")),
        Kind::Jsonb => (Kind::Text, format!("{name} ->> 'a'")),
        Kind::Date => (Kind::Date, format!("{name} + 7")),
        Kind::Bool => (Kind::Text, format!("case when {name} then 'yes' else 'no' end")),
        Kind::Float8 => (Kind::Float8, format!("abs({name})")),
        Kind::IntArray => (Kind::Int4, format!("cardinality({name})")),
        _ => return None,
    })
}

fn uuid(row: i32) -> String {
    format!("00000000-0000-4000-8000-{row:012}")
}

impl Column {
    fn random(rng: &mut StdRng, number: usize) -> Self {
        let kind = *one_of(rng, &Kind::ALL);
        let name = format!("{}{number}", ["a", "b", "c", "d", "e"][number % 5]);
        let not_null = chance(rng, 0.25);
        let default = chance(rng, 0.3).then(|| default(rng, kind));
        let unique = kind != Kind::Json && !not_null && chance(rng, 0.1);
        let check = (kind.is_number() && chance(rng, 0.25)).then(|| format!("{name} >= -1"));
        Self { name, kind, not_null, default, unique, check, generated: None }
    }

    /// One that has nothing but its type.
    pub(super) fn plain(name: &str, kind: Kind) -> Self {
        Self { name: name.into(), kind, not_null: false, default: None, unique: false, check: None, generated: None }
    }

    fn definition(&self) -> String {
        let mut text = format!("{} {}", self.name, self.kind.sql());
        if let Some(expression) = &self.generated {
            let _ = write!(text, " generated always as ({expression}) stored");
        }
        if let Some(default) = &self.default {
            let _ = write!(text, " default {default}");
        }
        if self.not_null {
            text.push_str(" not null");
        }
        if self.unique {
            text.push_str(" unique");
        }
        if let Some(check) = &self.check {
            let _ = write!(text, " check ({check})");
        }
        text
    }

    fn valid_literal(&self, rng: &mut StdRng) -> String {
        loop {
            let literal = self.kind.literal(rng);
            let breaks_check = self.check.is_some() && literal.starts_with("'-") && literal != "'-1'";
            if !breaks_check {
                return literal;
            }
        }
    }
}
