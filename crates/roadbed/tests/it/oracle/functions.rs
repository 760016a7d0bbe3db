//! Random functions in SQL: values, sets of values, rows of tables, tables of their own, and overloads.

use std::fmt::Write;

use rand::Rng;
use rand::rngs::StdRng;

use super::schema::{Column, Key, Model, Table};
use super::words::{Kind, chance, one_of};

pub(super) struct Function {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) returns: Returns,
    body: String,
    /// `stable`, `strict`, `security definer`.
    traits: String,
    rights: Vec<String>,
}

pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Option<String>,
}

pub(super) enum Returns {
    Value(Kind),
    Values(Kind),
    /// One row of a table, by its place among the tables.
    Row(usize),
    Rows(usize),
    /// Rows of columns of its own.
    Made(Table),
    Nothing,
}

/// The functions of a schema; each reads one of its tables, or none.
pub(super) fn functions(rng: &mut StdRng, model: &Model) -> Vec<Function> {
    let mut made = Vec::new();
    for number in 0..rng.random_range(3..=5) {
        let name = format!("f{number}");
        let first = Function::random(rng, model, &name);
        let overload = chance(rng, 0.3).then(|| first.overload(rng, model)).flatten();
        made.push(first);
        made.extend(overload);
    }
    made
}

impl Function {
    pub(super) fn definition(&self, model: &Model) -> String {
        let argument = |argument: &Argument| {
            let default = argument.default.as_ref().map(|default| format!(" default {default}")).unwrap_or_default();
            format!("{} {}{default}", argument.name, argument.kind.sql())
        };
        let arguments: Vec<_> = self.arguments.iter().map(argument).collect();
        let returns = match &self.returns {
            Returns::Value(kind) => kind.sql().to_owned(),
            Returns::Values(kind) => format!("setof {}", kind.sql()),
            Returns::Row(table) => model.tables[*table].name.clone(),
            Returns::Rows(table) => format!("setof {}", model.tables[*table].name),
            Returns::Made(table) => {
                let columns = table.columns.iter().map(|column| format!(", {} {}", column.name, column.kind.sql()));
                format!("table (owner_id uuid{})", columns.collect::<String>())
            }
            Returns::Nothing => "void".to_owned(),
        };
        let Self { name, body, traits, .. } = self;
        let mut sql = format!(
            "create function {name}({}) returns {returns} language sql{traits} as $$ {body} $$;\n",
            arguments.join(", ")
        );
        let kinds: Vec<_> = self.arguments.iter().map(|argument| argument.kind.sql()).collect();
        for right in &self.rights {
            let _ = writeln!(sql, "{};", right.replace("{}", &format!("function {name}({})", kinds.join(", "))));
        }
        sql
    }

    /// The table whose columns its rows have, if it has rows.
    pub(super) fn rows<'a>(&'a self, model: &'a Model) -> Option<&'a Table> {
        match &self.returns {
            Returns::Row(table) | Returns::Rows(table) => Some(&model.tables[*table]),
            Returns::Made(table) => Some(table),
            Returns::Value(_) | Returns::Values(_) | Returns::Nothing => None,
        }
    }

    pub(super) fn writes(&self) -> bool {
        !self.body.starts_with("select")
    }

    fn random(rng: &mut StdRng, model: &Model, name: &str) -> Self {
        let index = rng.random_range(0..model.tables.len());
        if chance(rng, 0.2) {
            let (arguments, returns, body) = writing(rng, model);
            let traits = String::from(*one_of(rng, &["", "", "", " strict", " security definer"]));
            let rights = rights(rng, &model.role);
            return Self { name: name.to_owned(), arguments, returns, body, traits, rights };
        }
        let (arguments, returns, body) = match rng.random_range(0..10) {
            0 | 1 => value(rng),
            2 => looked_up(rng, model, index),
            3 => values(model, index),
            4..=6 => rows(rng, model, index),
            7 => row(rng, model, index),
            8 => made(rng, model, index, name),
            _ => (vec![Argument::optional("a", Kind::Int4, "1")], Returns::Nothing, "select a + 1".to_owned()),
        };
        Self { name: name.to_owned(), arguments, returns, body, traits: traits(rng), rights: rights(rng, &model.role) }
    }

    /// Another of the same name, with one argument more or with none.
    fn overload(&self, rng: &mut StdRng, model: &Model) -> Option<Self> {
        let mut other = Self::random(rng, model, &self.name);
        let names = |function: &Self| function.arguments.iter().map(|argument| argument.name).collect::<Vec<_>>();
        if chance(rng, 0.5) {
            other.arguments.push(Argument { name: "more", kind: Kind::Int4, default: None });
            // What follows an argument with a default has one.
            if other.arguments.iter().any(|argument| argument.default.is_some()) {
                other.arguments.iter_mut().for_each(|argument| argument.default = None);
            }
        }
        let kinds = |function: &Self| function.arguments.iter().map(|argument| argument.kind.sql()).collect::<Vec<_>>();
        (names(self) != names(&other) && kinds(self) != kinds(&other)).then_some(other)
    }
}

impl Argument {
    fn needed(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, default: None }
    }

    fn optional(name: &'static str, kind: Kind, default: &str) -> Self {
        Self { name, kind, default: Some(default.to_owned()) }
    }
}

type Parts = (Vec<Argument>, Returns, String);

/// A value made of the arguments alone.
fn value(rng: &mut StdRng) -> Parts {
    let two = |kind, default: &str| vec![Argument::needed("a", kind), Argument::optional("b", kind, default)];
    match rng.random_range(0..5) {
        0 => (two(Kind::Int4, "2"), Returns::Value(Kind::Int4), "select a + b".into()),
        1 => (two(Kind::Text, "'x'"), Returns::Value(Kind::Text), "select upper(a) || b".into()),
        2 => (Vec::new(), Returns::Value(Kind::Uuid), "select auth.uid()".into()),
        3 => {
            let body = "select jsonb_build_object('a', a, 'b', b)";
            (two(Kind::Numeric, "1.50"), Returns::Value(Kind::Jsonb), body.into())
        }
        _ => {
            let kind = *one_of(rng, &Kind::ALL);
            (vec![Argument::needed("a", kind)], Returns::Value(kind), "select a".into())
        }
    }
}

/// A value of a table's rows.
fn looked_up(rng: &mut StdRng, model: &Model, index: usize) -> Parts {
    let table = &model.tables[index];
    let name = &table.name;
    if table.key == Key::Int && chance(rng, 0.5) {
        let body = format!("select owner_id from {name} where id = wanted");
        return (vec![Argument::needed("wanted", Kind::Int4)], Returns::Value(Kind::Uuid), body);
    }
    let body = format!("select count(*) from {name} where {}", model.comparison(rng, index));
    (Vec::new(), Returns::Value(Kind::Int8), body)
}

fn values(model: &Model, index: usize) -> Parts {
    let table = &model.tables[index];
    let (name, order) = (&table.name, table.key_columns().join(", "));
    let (column, kind) = table.columns.first().map_or(("owner_id", Kind::Uuid), |column| (&column.name, column.kind));
    (Vec::new(), Returns::Values(kind), format!("select {column} from {name} order by {order}"))
}

fn rows(rng: &mut StdRng, model: &Model, index: usize) -> Parts {
    let table = &model.tables[index];
    let name = &table.name;
    let comparable: Vec<_> = table.columns.iter().filter(|column| column.kind != Kind::Json).collect();
    if comparable.is_empty() || chance(rng, 0.3) {
        let body = format!("select * from {name} where {}", model.comparison(rng, index));
        return (Vec::new(), Returns::Rows(index), body);
    }
    let column = one_of(rng, &comparable);
    let at = format!("{name}.{}", column.name);
    if chance(rng, 0.5) {
        let body = format!("select * from {name} where {at} {} wanted", one_of(rng, &["=", "<>", "<=", ">"]));
        return (vec![Argument::needed("wanted", column.kind)], Returns::Rows(index), body);
    }
    let body = format!("select * from {name} where wanted is null or {at} = wanted");
    (vec![Argument::optional("wanted", column.kind, "null")], Returns::Rows(index), body)
}

fn row(rng: &mut StdRng, model: &Model, index: usize) -> Parts {
    let table = &model.tables[index];
    let name = &table.name;
    if table.key == Key::Int && chance(rng, 0.7) {
        let body = format!("select * from {name} where id = wanted");
        return (vec![Argument::needed("wanted", Kind::Int4)], Returns::Row(index), body);
    }
    let order = table.key_columns().join(", ");
    (Vec::new(), Returns::Row(index), format!("select * from {name} order by {order} limit 1"))
}

fn made(rng: &mut StdRng, model: &Model, index: usize, function: &str) -> Parts {
    let table = &model.tables[index];
    let (name, order) = (&table.name, table.key_columns().join(", "));
    let (column, kind) = table.columns.first().map_or(("owner_id", Kind::Uuid), |column| (&column.name, column.kind));
    if chance(rng, 0.4) {
        let columns = vec![Column::plain("n", Kind::Int8)];
        let body = format!("select owner_id, count(*) from {name} group by owner_id");
        return (Vec::new(), Returns::Made(Table::made_by(function, columns)), body);
    }
    let columns = vec![Column::plain("label", Kind::Text), Column::plain("value", kind)];
    let body =
        format!("select owner_id, upper(left(owner_id::text, 3)), {column} from {name} order by {order} limit most");
    (vec![Argument::optional("most", Kind::Int8, "3")], Returns::Made(Table::made_by(function, columns)), body)
}

/// A function that changes a table.
fn writing(rng: &mut StdRng, model: &Model) -> Parts {
    let index = rng.random_range(0..model.tables.iter().filter(|table| !table.is_view()).count());
    let table = &model.tables[index];
    let name = &table.name;
    let who = Argument::needed("who", Kind::Uuid);
    if table.key != Key::Int {
        let body = format!("update {name} set owner_id = who where owner_id = auth.uid() returning *");
        return (vec![who], Returns::Rows(index), body);
    }
    let which = || Argument::needed("which", Kind::Int4);
    match rng.random_range(0..5) {
        0 => (vec![which()], Returns::Nothing, format!("delete from {name} where id = which")),
        1 => (vec![which()], Returns::Rows(index), format!("delete from {name} where id = which returning *")),
        2 => {
            let body = format!("update {name} set owner_id = who where id = which returning id");
            (vec![which(), who], Returns::Value(Kind::Int4), body)
        }
        3 => {
            let body = format!("update {name} set owner_id = who where id = which; select count(*) from {name}");
            (vec![which(), who], Returns::Value(Kind::Int8), body)
        }
        _ => {
            let body = format!("update {name} set owner_id = who where id <= which returning *");
            (vec![which(), who], Returns::Rows(index), body)
        }
    }
}

fn traits(rng: &mut StdRng) -> String {
    let mut traits = String::from(*one_of(rng, &["", " stable", " stable"]));
    if chance(rng, 0.15) {
        traits.push_str(" strict");
    }
    if chance(rng, 0.2) {
        traits.push_str(" security definer");
    }
    traits
}

fn rights(rng: &mut StdRng, role: &str) -> Vec<String> {
    if chance(rng, 0.85) {
        return Vec::new();
    }
    let mut rights = vec!["revoke execute on {} from public".to_owned()];
    for role in ["anon", "authenticated", role] {
        if chance(rng, 0.5) {
            rights.push(format!("grant execute on {{}} to {role}"));
        }
    }
    rights
}
