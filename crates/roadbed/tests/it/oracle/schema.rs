//! Random schemas: tables with keys, roles with grants, and policies.

use std::fmt::Write;

use rand::Rng;
use rand::rngs::StdRng;

use super::request::Request;
use super::words::{Kind, USERS, chance, one_of};

pub(super) struct Model {
    pub(super) tables: Vec<Table>,
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
    secured: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Int,
    Uuid,
    /// Both parents: a junction.
    Parents,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    not_null: bool,
    default: Option<String>,
    unique: bool,
    check: Option<String>,
}

pub(super) const ROLES: [&str; 2] = ["anon", "authenticated"];

impl Model {
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let count = rng.random_range(2..=4);
        let mut tables: Vec<Table> = Vec::new();
        for index in 0..count {
            let table = Table::random(rng, index, &tables);
            tables.push(table);
        }
        if chance(rng, 0.5) {
            tables.push(Table::junction(rng, &tables));
        }
        let mut model = Self { tables, grants: Vec::new(), policies: Vec::new() };
        model.grants = (0..model.tables.len()).flat_map(|index| model.grants_on(rng, index)).collect();
        model.policies = (0..model.tables.len()).flat_map(|index| model.policies_on(rng, index)).collect();
        model
    }

    pub(super) fn migration(&self) -> String {
        let mut sql = String::from("create type mood as enum ('sad', 'ok', 'happy');\n");
        for table in &self.tables {
            sql.push_str(&table.definition(self));
        }
        for line in self.grants.iter().chain(&self.policies) {
            sql.push_str(line);
            sql.push('\n');
        }
        sql
    }

    pub(super) fn rows(&self, rng: &mut StdRng) -> String {
        let mut sql = String::new();
        for table in &self.tables {
            for row in 1..=rng.random_range(3..=8) {
                let _ = writeln!(sql, "{}", table.insert(rng, row, self));
            }
        }
        sql
    }

    /// What a reader of a failure needs: the tables that the request names, their grants and policies.
    pub(super) fn describe(&self, request: &Request) -> String {
        let named = |text: &str| {
            self.tables.iter().any(|table| text.contains(&table.name) && request.path.contains(&table.name))
        };
        let lines = self.migration();
        lines.split_inclusive(";\n").filter(|statement| named(statement)).collect()
    }

    fn grants_on(&self, rng: &mut StdRng, index: usize) -> Vec<String> {
        let table = &self.tables[index];
        let mut grants = Vec::new();
        for role in ROLES {
            for verb in ["select", "insert", "update", "delete"] {
                if chance(rng, 0.82) {
                    grants.push(format!("grant {verb} on {} to {role};", table.name));
                } else if verb != "delete" && chance(rng, 0.4) {
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
        if !table.secured {
            return Vec::new();
        }
        let mut lines = vec![format!("alter table {} enable row level security;", table.name)];
        for number in 0..rng.random_range(1..=4) {
            let restrictive = number > 0 && chance(rng, 0.25);
            let command = *one_of(rng, &["all", "all", "select", "insert", "update", "delete"]);
            let roles = *one_of(rng, &["public", "anon", "authenticated", "anon, authenticated"]);
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

    /// A random condition over a table's row.
    fn condition(&self, rng: &mut StdRng, index: usize, depth: usize) -> String {
        let table = &self.tables[index];
        let choice = rng.random_range(0..if depth == 0 { 7 } else { 12 });
        match choice {
            0 => "true".into(),
            1 => format!("{}.owner_id = auth.uid()", table.name),
            2 => "auth.uid() is not null".into(),
            3 => "auth.role() = 'authenticated'".into(),
            4 => "coalesce(auth.jwt() ->> 'team', '') = 'red'".into(),
            5 | 6 => self.comparison(rng, index),
            7 => format!("({} or {})", self.condition(rng, index, depth - 1), self.condition(rng, index, depth - 1)),
            8 => format!("({} and {})", self.condition(rng, index, depth - 1), self.condition(rng, index, depth - 1)),
            9 => format!("not ({})", self.condition(rng, index, depth - 1)),
            10 => "(current_setting('request.jwt.claims', true)::json ->> 'email') like '%@example.com'".into(),
            _ => self.subquery(rng, index),
        }
    }

    fn comparison(&self, rng: &mut StdRng, index: usize) -> String {
        let table = &self.tables[index];
        let usable: Vec<_> = table.columns.iter().filter(|column| column.kind != Kind::Json).collect();
        if usable.is_empty() {
            return "true".into();
        }
        let column = one_of(rng, &usable);
        let name = format!("{}.{}", table.name, column.name);
        match column.kind {
            Kind::Bool => (*one_of(rng, &["{} is true", "{}", "not {}", "{} is not false"])).replace("{}", &name),
            Kind::Jsonb => format!("{name} ->> 'a' = '1'"),
            kind if kind.is_text() && chance(rng, 0.4) => format!("lower({name}) like '%a%'"),
            kind if kind.is_number() && chance(rng, 0.4) => format!("{name} + 1 > {}", rng.random_range(0..4)),
            _ if chance(rng, 0.2) => format!("{name} is not null"),
            kind if chance(rng, 0.2) => format!("{name} in ({}, {})", kind.literal(rng), kind.literal(rng)),
            kind => {
                let operator = *one_of(rng, &["=", "<>", "<", ">="]);
                format!("{name} {operator} {}", kind.literal(rng))
            }
        }
    }

    /// A condition on the parent's or a child's rows; only on tables made before, so that policies do not recurse.
    fn subquery(&self, rng: &mut StdRng, index: usize) -> String {
        let table = &self.tables[index];
        let Some((column, parent)) = table.parents.iter().find(|(_, parent)| *parent < index) else {
            return self.comparison(rng, index);
        };
        let (name, other) = (&table.name, &self.tables[*parent].name);
        match rng.random_range(0..3) {
            0 => format!(
                "exists (select 1 from {other} where {other}.id = {name}.{column} and {})",
                self.comparison(rng, *parent)
            ),
            1 => format!("{name}.{column} in (select {other}.id from {other} where {})", self.comparison(rng, *parent)),
            _ => format!(
                "(select count(*) from {other} where {other}.owner_id = auth.uid()) > {}",
                rng.random_range(0..2)
            ),
        }
    }
}

impl Table {
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
        Self { name: format!("t{index}"), key, columns, parents, constraints: Vec::new(), secured }
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
            secured: chance(rng, 0.5),
        }
    }

    pub(super) fn all_columns(&self) -> Vec<String> {
        let mut names = vec!["owner_id".to_owned()];
        if self.key != Key::Parents {
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
        }
    }

    fn definition(&self, model: &Model) -> String {
        let mut lines = Vec::new();
        match self.key {
            Key::Int => lines.push("id integer primary key".to_owned()),
            Key::Uuid => lines.push("id uuid primary key".to_owned()),
            Key::Parents => {}
        }
        lines.push("owner_id uuid default auth.uid()".into());
        lines.extend(self.columns.iter().map(Column::definition));
        for (number, (name, parent)) in self.parents.iter().enumerate() {
            let target = &model.tables[*parent];
            let action = ["", " on delete cascade", " on delete set null"][(number + self.columns.len()) % 3];
            let action =
                if self.key == Key::Parents && action.contains("null") { " on delete cascade" } else { action };
            let kind = target.key_kind().sql();
            let not_null = if self.key == Key::Parents { " not null" } else { "" };
            lines.push(format!("{name} {kind}{not_null} references {}(id){action}", target.name));
        }
        if self.key == Key::Parents {
            lines.push(format!("primary key ({})", self.key_columns().join(", ")));
        }
        lines.extend(self.constraints.iter().cloned());
        format!("create table {} (\n  {}\n);\n", self.name, lines.join(",\n  "))
    }

    fn insert(&self, rng: &mut StdRng, row: i32, model: &Model) -> String {
        let mut names = Vec::new();
        let mut values = Vec::new();
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
            Key::Parents => {}
        }
        names.push("owner_id".into());
        values.push(format!("'{}'", one_of(rng, &USERS)));
        for column in &self.columns {
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
            let own = model.tables[*parent].name == self.name;
            let null = own || (self.key != Key::Parents && chance(rng, 0.2));
            values.push(if null { "null".into() } else { value });
        }
        format!(
            "insert into {} ({}) values ({}) on conflict do nothing;",
            self.name,
            names.join(", "),
            values.join(", ")
        )
    }
}

fn uuid(row: i32) -> String {
    format!("00000000-0000-4000-8000-{row:012}")
}

impl Column {
    fn random(rng: &mut StdRng, number: usize) -> Self {
        let kind = *one_of(rng, &Kind::ALL);
        let name = format!("{}{number}", ["a", "b", "c", "d", "e"][number % 5]);
        let not_null = chance(rng, 0.25);
        let default = chance(rng, 0.3).then(|| kind.literal(rng));
        let unique = kind != Kind::Json && !not_null && chance(rng, 0.1);
        let check = (kind.is_number() && chance(rng, 0.25)).then(|| format!("{name} >= -1"));
        Self { name, kind, not_null, default, unique, check }
    }

    fn definition(&self) -> String {
        let mut text = format!("{} {}", self.name, self.kind.sql());
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
