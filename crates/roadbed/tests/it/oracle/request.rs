//! Random requests to a random schema: reads and writes, right and wrong.

use std::fmt;

use axum::http::Method;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value as Json, json};

use super::aggregates::aggregated;
use super::calls::call;
use super::filters::filters;
use super::schema::{Model, Table};
use super::selection::{about_embeds, order, select};
use super::words::{USERS, chance, one_of};
use super::writes::{delete, insert, put, update};
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

    /// The role of its token.
    pub(super) fn role(&self) -> &str {
        match self {
            Self::Anonymous => "anon",
            Self::User { .. } => "authenticated",
            Self::Member(role) => role,
            Self::Service => "service_role",
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
    pub(super) fn writes(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }

    pub(super) fn calls(&self) -> bool {
        self.path.starts_with("/rpc/")
    }

    /// The table or function.
    pub(super) fn target(&self) -> &str {
        let path = self.path.trim_start_matches("/rpc/").trim_start_matches('/');
        path.split('?').next().unwrap_or(path)
    }

    /// Whether the query says this, which has nothing that is percent-encoded.
    pub(super) fn asks(&self, words: &str) -> bool {
        self.path.split_once('?').is_some_and(|(_, query)| query.contains(words))
    }

    pub(super) fn prefers(&self, what: &str) -> bool {
        self.headers.iter().any(|(name, value)| name == "prefer" && value == what)
    }

    pub(super) fn accepts(&self, what: &str) -> bool {
        self.headers.iter().any(|(name, value)| name == "accept" && value == what)
    }

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
        if chance(rng, 0.15) {
            return call(rng, model, caller);
        }
        if table.is_view() {
            return read(rng, model, table, caller);
        }
        match rng.random_range(0..20) {
            0..=9 => read(rng, model, table, caller),
            10..=13 => insert(rng, model, table, caller),
            14..=16 => update(rng, model, table, caller),
            17 => put(rng, model, table, caller),
            _ => delete(rng, model, table, caller),
        }
    }
}

pub(super) fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~*(),:".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn read(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let mut query = Vec::new();
    let mut embeds_a_parent = None;
    let groups = chance(rng, 0.15);
    if groups {
        query.push(format!("select={}", encode(&aggregated(rng, model, table, 2))));
    } else if chance(rng, 0.7) {
        let selection = select(rng, model, table, 2);
        query.push(format!("select={}", encode(&selection)));
        query.extend(about_embeds(rng, model, table, &selection));
        let shown = |(column, _): &&(String, usize)| selection.contains(&format!("up_{column}:"));
        embeds_a_parent = table.parents.iter().find(shown);
    }
    query.extend(filters(rng, model, table));
    // Groups have no key that would order them in one way only.
    let ordered = !groups && chance(rng, 0.6);
    if groups && chance(rng, 0.2) {
        let columns = table.all_columns();
        query.push(format!("order={}", one_of(rng, &columns)));
    }
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

pub(super) fn path(table: &Table, query: &[String]) -> String {
    if query.is_empty() { format!("/{}", table.name) } else { format!("/{}?{}", table.name, query.join("&")) }
}
