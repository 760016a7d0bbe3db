//! Random requests to a random schema: reads and writes, right and wrong.

use std::fmt;

use axum::http::Method;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value as Json, json};

use super::schema::{Key, Model, Table};
use super::words::{Kind, USERS, chance, one_of};
use crate::harness::{self, Ask};

pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) caller: Caller,
    pub(super) body: String,
    /// Rows come in a certain order, which must be the same.
    pub(super) ordered: bool,
    /// Which of several faulty rows is told may differ.
    pub(super) many_rows: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Caller {
    Anonymous,
    User {
        id: &'static str,
        team: &'static str,
    },
    /// The schema's own role.
    Member(String),
    Service,
}

impl Caller {
    fn random(rng: &mut StdRng, model: &Model) -> Self {
        match rng.random_range(0..11) {
            9 => Self::Member(model.role.clone()),
            0..=2 => Self::Anonymous,
            3..=8 => {
                let (id, team) = (*one_of(rng, &USERS), *one_of(rng, &["red", "blue"]));
                Self::User { id, team }
            }
            _ => Self::Service,
        }
    }

    fn as_harness(&self) -> harness::Caller {
        match self {
            Self::Anonymous => harness::Caller::Anonymous,
            Self::User { id, team } => {
                let email = format!("{team}@example.com");
                let claims = [("role", "authenticated"), ("sub", id), ("team", team), ("email", &email)];
                let mut claims = Map::from_iter(claims.map(|(name, value)| (name.to_owned(), Json::from(value))));
                let app = if *team == "red" { json!({"level": 2, "tags": ["a", "b"]}) } else { json!({"level": "1"}) };
                claims.insert("app".into(), app);
                harness::Caller::Claims(claims)
            }
            Self::Member(role) => {
                let claims = [("role", role.as_str()), ("sub", USERS[0])];
                let claims = claims.map(|(name, value)| (name.to_owned(), Json::from(value)));
                harness::Caller::Claims(Map::from_iter(claims))
            }
            Self::Service => harness::Caller::role("service_role"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} as {:?} {:?}", self.method, self.path, self.caller, self.headers)?;
        if self.body.is_empty() { Ok(()) } else { write!(formatter, "\n{}", self.body) }
    }
}

impl Request {
    pub(super) fn ask(&self) -> Ask {
        let method = Method::from_bytes(self.method.as_bytes()).expect("methods are methods");
        let mut ask = Ask::new(method, self.path.as_str()).by(self.caller.as_harness());
        ask.headers.clone_from(&self.headers);
        ask.body = self.body.clone().into();
        ask
    }

    pub(super) fn random(rng: &mut StdRng, model: &Model) -> Self {
        let table = one_of(rng, &model.tables);
        let caller = Caller::random(rng, model);
        if table.is_view() {
            return read(rng, model, table, caller);
        }
        match rng.random_range(0..10) {
            0..=4 => read(rng, model, table, caller),
            5 | 6 => insert(rng, model, table, caller),
            7 | 8 => update(rng, model, table, caller),
            _ => delete(rng, model, table, caller),
        }
    }
}

fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~*(),:".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn read(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let mut query = Vec::new();
    let mut embeds_a_parent = None;
    if chance(rng, 0.7) {
        let selection = select(rng, model, table, 2);
        query.push(format!("select={}", encode(&selection)));
        query.extend(about_embeds(rng, model, table, &selection));
        let shown = |(column, _): &&(String, usize)| selection.contains(&format!("up_{column}:"));
        embeds_a_parent = table.parents.iter().find(shown);
    }
    query.extend(filters(rng, model, table));
    let ordered = chance(rng, 0.6);
    if ordered {
        let own = order(rng, model, table);
        query.push(match embeds_a_parent {
            Some((column, _)) if chance(rng, 0.3) => format!("order=up_{column}(owner_id).desc,{own}"),
            _ => format!("order={own}"),
        });
        if chance(rng, 0.4) {
            query.push(format!("limit={}", rng.random_range(0..4)));
        }
        if chance(rng, 0.2) {
            query.push(format!("offset={}", rng.random_range(0..4)));
        }
    }
    let mut headers = Vec::new();
    let mut add = |share: f64, name: &str, value: &str| {
        if chance(rng, share) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    };
    add(0.25, "prefer", "count=exact");
    add(0.05, "accept", "application/vnd.pgrst.object+json");
    add(0.03, "accept", "text/csv");
    if ordered {
        add(0.05, "range", "1-2");
        add(0.03, "range", "50-60");
    }
    let method = if chance(rng, 0.04) { "HEAD" } else { "GET" };
    Request { method, path: path(table, &query), headers, caller, body: String::new(), ordered, many_rows: true }
}

fn path(table: &Table, query: &[String]) -> String {
    if query.is_empty() { format!("/{}", table.name) } else { format!("/{}?{}", table.name, query.join("&")) }
}

fn select(rng: &mut StdRng, model: &Model, table: &Table, depth: usize) -> String {
    let mut items = Vec::new();
    let names = table.all_columns();
    if chance(rng, 0.4) {
        items.push("*".to_owned());
    } else {
        for _ in 0..rng.random_range(1..=3) {
            let name = one_of(rng, &names);
            let kind = table.kind_of(name, model);
            items.push(match rng.random_range(0..10) {
                0 => format!("x{}:{name}", items.len()),
                1 if kind.is_number() => format!("{name}::{}", one_of(rng, &["int8", "numeric", "float8", "text"])),
                1 => format!("{name}::text"),
                2 | 3 if kind.is_json() => {
                    format!("{name}->{}", one_of(rng, &["a", "a->b", "a->b->1->c", "0", "-1", "b"]))
                }
                4 if kind.is_json() => format!("{name}->>a"),
                _ => name.clone(),
            });
        }
    }
    if chance(rng, 0.02) {
        items.push("nothing".into());
    }
    if depth > 0 && chance(rng, 0.5) {
        items.extend(embeds(rng, model, table, depth));
    }
    items.join(",")
}

/// Parents, children, the table itself, and what is on the other side of the junction.
fn embeds(rng: &mut StdRng, model: &Model, table: &Table, depth: usize) -> Vec<String> {
    let inner = |rng: &mut StdRng| if chance(rng, 0.25) { "!inner" } else { "" };
    let mut found = Vec::new();
    for Embedded { name, hint, to } in embedded(model, table) {
        if chance(rng, 0.45) {
            let other = &model.tables[to];
            let spread = if name == hint && chance(rng, 0.1) { "..." } else { "" };
            let target = if name == hint { other.name.clone() } else { format!("{name}:{}", other.name) };
            let hint = if chance(rng, 0.03) { String::new() } else { format!("!{hint}") };
            found.push(format!("{spread}{target}{hint}{}({})", inner(rng), select(rng, model, other, depth - 1)));
        }
    }
    if chance(rng, 0.02) {
        found.push("nowhere(*)".into());
    }
    found
}

/// One way to embed: the name in the answer, the hint that chooses it, and the table.
struct Embedded {
    name: String,
    hint: String,
    to: usize,
}

fn embedded(model: &Model, table: &Table) -> Vec<Embedded> {
    let at = model.tables.iter().position(|other| other.name == table.name).unwrap_or(0);
    let mut found = Vec::new();
    for (column, parent) in &table.parents {
        found.push(Embedded { name: format!("up_{column}"), hint: column.clone(), to: *parent });
    }
    for (index, other) in model.tables.iter().enumerate() {
        for (column, _) in other.parents.iter().filter(|(_, parent)| *parent == at) {
            let hint = format!("{}_{column}_fkey", other.name);
            found.push(Embedded {
                name: format!("in_{}", other.name),
                hint: if index == at { column.clone() } else { hint },
                to: index,
            });
        }
        if other.key == Key::Parents && other.parents.iter().any(|(_, parent)| *parent == at) {
            let far = other.parents.iter().find(|(_, parent)| *parent != at);
            found.extend(far.map(|(_, to)| Embedded { name: "across".into(), hint: other.name.clone(), to: *to }));
        }
    }
    found
}

/// What may be asked of the embeds of a selection: filters, an order with a limit, that there is none or some.
fn about_embeds(rng: &mut StdRng, model: &Model, table: &Table, selection: &str) -> Vec<String> {
    let mut found = Vec::new();
    for Embedded { name, to, .. } in embedded(model, table) {
        if !selection.contains(&format!("{name}:")) {
            continue;
        }
        let other = &model.tables[to];
        match rng.random_range(0..7) {
            0 => {
                let (column, test) = one_filter(rng, model, other);
                found.push(format!("{name}.{}={}", encode(&column), encode(&test)));
            }
            1 => {
                found.push(format!("{name}.order={}", order(rng, model, other)));
                found.push(format!("{name}.limit={}", rng.random_range(0..3)));
            }
            2 => found.push(format!("{name}={}", one_of(rng, &["is.null", "not.is.null"]))),
            3 => found.push(format!("or=({name}.not.is.null,owner_id.eq.{})", one_of(rng, &USERS))),
            _ => {}
        }
    }
    found
}

fn filters(rng: &mut StdRng, model: &Model, table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..rng.random_range(0..=2) {
        if chance(rng, 0.02) {
            found.push((*one_of(rng, &WRONG_FILTERS)).to_owned());
        } else if chance(rng, 0.25) {
            let inside: Vec<_> =
                (0..2).map(|_| one_filter(rng, model, table)).map(|(name, test)| format!("{name}.{test}")).collect();
            let word = *one_of(rng, &["or", "and", "not.or", "not.and"]);
            found.push(format!("{word}={}", encode(&format!("({})", inside.join(",")))));
        } else {
            let (name, test) = one_filter(rng, model, table);
            found.push(format!("{}={}", encode(&name), encode(&test)));
        }
    }
    found
}

const WRONG_FILTERS: [&str; 10] = [
    "nothing=eq.1",
    "owner=eq.1",
    "owner_id=equals.1",
    "owner_id=eq",
    "owner_id=is.maybe",
    "or=(owner_id.eq.1",
    "owner_id->a=eq.1",
    "owner_id=in.(1",
    "owner_id=cs.{1}",
    "owner_id=like.*a*",
];

/// A column and its test, such as `age` and `not.gte.3`.
fn one_filter(rng: &mut StdRng, model: &Model, table: &Table) -> (String, String) {
    let names = table.all_columns();
    let name = one_of(rng, &names).clone();
    let kind = table.kind_of(&name, model);
    let not = if chance(rng, 0.2) { "not." } else { "" };
    let value = |rng: &mut StdRng, kind: Kind| if chance(rng, 0.05) { kind.wrong(rng) } else { kind.text(rng) };
    // In a list or tree, commas and quotes need quoting.
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (name, kind) =
        if kind.is_json() && chance(rng, 0.7) { (format!("{name}->>a"), Kind::Text) } else { (name, kind) };
    let test = match rng.random_range(0..12) {
        3 => format!("neq.{}", plain(&value(rng, kind))),
        4 => format!("{}.{}", one_of(rng, &["gt", "gte", "lt", "lte"]), plain(&value(rng, kind))),
        5 => format!("in.({},{})", quoted(&value(rng, kind)), quoted(&value(rng, kind))),
        6 => format!("is.{}", one_of(rng, &["null", "not_null"])),
        7 if kind == Kind::Bool => format!("is.{}", one_of(rng, &["true", "false", "unknown"])),
        8 => format!("isdistinct.{}", plain(&value(rng, kind))),
        9 if kind.is_array() || kind == Kind::Jsonb => {
            format!("{}.{}", one_of(rng, &["cs", "cd", "ov"]), kind.text(rng).replace('"', "").replace(", ", ","))
        }
        10 if chance(rng, 0.4) && !kind.is_array() && !kind.is_json() => {
            let word = *one_of(rng, &["eq", "gt", "lte"]);
            format!(
                "{word}({}).{{{},{}}}",
                one_of(rng, &["any", "all"]),
                quoted(&kind.text(rng)),
                quoted(&kind.text(rng))
            )
        }
        11 if chance(rng, 0.3) && kind.is_text() => {
            format!("{}({}).{{a*,*l*}}", one_of(rng, &["like", "ilike"]), one_of(rng, &["any", "all"]))
        }
        9 | 10 if kind.is_text() => {
            let pattern = *one_of(rng, &["a*", "*l*", "*O*", "_", "100%"]);
            format!("{}.{pattern}", one_of(rng, &["like", "ilike"]))
        }
        11 if kind.is_text() => format!("{}.^[a-h]", one_of(rng, &["match", "imatch"])),
        _ => format!("eq.{}", plain(&value(rng, kind))),
    };
    (name, format!("{not}{test}"))
}

/// Text that means itself outside and inside of a tree.
fn plain(text: &str) -> String {
    text.replace([',', '(', ')', '"'], "")
}

fn order(rng: &mut StdRng, model: &Model, table: &Table) -> String {
    let names: Vec<_> =
        table.all_columns().into_iter().filter(|name| table.kind_of(name, model) != Kind::Json).collect();
    let mut terms = Vec::new();
    if chance(rng, 0.6) {
        let direction = *one_of(rng, &["", ".asc", ".desc"]);
        let nulls = *one_of(rng, &["", ".nullsfirst", ".nullslast"]);
        terms.push(format!("{}{direction}{nulls}", one_of(rng, &names)));
    }
    terms.extend(table.key_columns());
    terms.join(",")
}

fn body(rng: &mut StdRng, model: &Model, table: &Table, rows: usize, with_key: bool) -> String {
    let mut names: Vec<_> = table.all_columns().into_iter().filter(|_| chance(rng, 0.75)).collect();
    let is_made = |name: &String| table.columns.iter().any(|column| column.name == *name && column.generated.is_some());
    names.retain(|name| !is_made(name) || chance(rng, 0.05));
    names.retain(|name| with_key || chance(rng, 0.08) || !table.key_columns().contains(name));
    if with_key {
        for key in table.key_columns() {
            if !names.contains(&key) {
                names.push(key);
            }
        }
    }
    if chance(rng, 0.02) {
        names.push("nothing".into());
    }
    let mut objects = Vec::new();
    for _ in 0..rows {
        let members: Vec<_> =
            names.iter().map(|name| format!("\"{name}\":{}", member(rng, model, table, name))).collect();
        objects.push(format!("{{{}}}", members.join(",")));
    }
    if rows == 1 && chance(rng, 0.7) { objects.remove(0) } else { format!("[{}]", objects.join(",")) }
}

fn member(rng: &mut StdRng, model: &Model, table: &Table, name: &str) -> String {
    let is_reference = table.parents.iter().any(|(parent, _)| parent == name);
    let kind = table.kind_of(name, model);
    if name == "id" && table.key == Key::Int {
        return rng.random_range(1..40).to_string();
    }
    if name == "id" {
        return format!("\"00000000-0000-4000-8000-{:012}\"", rng.random_range(1..40));
    }
    if is_reference && kind == Kind::Int4 {
        return if chance(rng, 0.15) { "null".into() } else { rng.random_range(1..6).to_string() };
    }
    if name == "owner_id" {
        return format!("\"{}\"", one_of(rng, &USERS));
    }
    kind.json(rng)
}

fn returning(rng: &mut StdRng, model: &Model, table: &Table, query: &mut Vec<String>) -> Vec<(String, String)> {
    let word = *one_of(rng, &["minimal", "representation", "representation", "headers-only", ""]);
    if word == "representation" && chance(rng, 0.6) {
        query.push(format!("select={}", encode(&select(rng, model, table, 1))));
    }
    if word.is_empty() { Vec::new() } else { vec![("prefer".to_owned(), format!("return={word}"))] }
}

fn insert(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let mut query = Vec::new();
    let mut headers = returning(rng, model, table, &mut query);
    let rows = if chance(rng, 0.7) { 1 } else { rng.random_range(2..=3) };
    if chance(rng, 0.3) {
        headers.push(("prefer".to_owned(), format!("resolution={}-duplicates", one_of(rng, &["merge", "ignore"]))));
        if chance(rng, 0.25) {
            let names = table.all_columns();
            query.push(format!("on_conflict={}", one_of(rng, &names)));
        }
    }
    if chance(rng, 0.2) {
        headers.push(("prefer".to_owned(), "missing=default".to_owned()));
    }
    headers.extend(single(rng));
    if chance(rng, 0.1) {
        let names: Vec<_> = table.all_columns().into_iter().filter(|_| chance(rng, 0.7)).collect();
        if !names.is_empty() {
            query.push(format!("columns={}", names.join(",")));
        }
    }
    let body = if chance(rng, 0.03) {
        (*one_of(rng, &WRONG_BODIES)).to_owned()
    } else {
        let with_key = chance(rng, 0.97);
        body(rng, model, table, rows, with_key)
    };
    Request { method: "POST", path: path(table, &query), headers, caller, body, ordered: false, many_rows: rows > 1 }
}

const WRONG_BODIES: [&str; 11] = [
    "",
    "{}",
    "[]",
    "[{}]",
    "{",
    "7",
    "null",
    "\"text\"",
    "[{\"id\": 1}, {\"owner_id\": null}]",
    "{\"id\": 30, \"id\": 31}",
    "{\"id\": \"\\u0000\"}",
];

fn single(rng: &mut StdRng) -> Option<(String, String)> {
    let one = ("accept".to_owned(), "application/vnd.pgrst.object+json".to_owned());
    chance(rng, 0.06).then_some(one)
}

fn update(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let (mut query, many_rows) = target(rng, model, table);
    let mut headers = returning(rng, model, table, &mut query);
    headers.extend(single(rng));
    if chance(rng, 0.05) {
        headers.push(("prefer".to_owned(), "count=exact".to_owned()));
    }
    let body = body(rng, model, table, 1, false);
    Request { method: "PATCH", path: path(table, &query), headers, caller, body, ordered: false, many_rows }
}

fn delete(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let (mut query, many_rows) = target(rng, model, table);
    let mut headers = returning(rng, model, table, &mut query);
    headers.extend(single(rng));
    Request {
        method: "DELETE",
        path: path(table, &query),
        headers,
        caller,
        body: String::new(),
        ordered: false,
        many_rows,
    }
}

/// Filters of a write: mostly one row by its key. Whether it may be several rows.
fn target(rng: &mut StdRng, model: &Model, table: &Table) -> (Vec<String>, bool) {
    if chance(rng, 0.7) && table.key != Key::Parents {
        let key =
            if table.key == Key::Uuid { (*one_of(rng, &USERS)).to_owned() } else { rng.random_range(1..9).to_string() };
        return (vec![format!("id=eq.{key}")], false);
    }
    (filters(rng, model, table), true)
}
