//! Random calls of the schema's functions.

use rand::Rng;
use rand::rngs::StdRng;

use super::aggregates::aggregated;
use super::filters::one_filter;
use super::functions::{Argument, Function, Returns};
use super::request::{Caller, Request, encode};
use super::schema::{Key, Model, Table};
use super::selection::{about_embeds, order, select};
use super::words::{chance, one_of};

pub(super) fn call(rng: &mut StdRng, model: &Model, caller: Caller) -> Request {
    let function = one_of(rng, &model.functions);
    let method = *one_of(rng, &["GET", "GET", "GET", "POST", "POST", "POST", "HEAD"]);
    let given: Vec<_> = function.arguments.iter().filter(|argument| is_given(rng, argument)).collect();
    let (mut query, body) =
        if method == "POST" { (Vec::new(), in_body(rng, &given)) } else { (in_query(rng, &given), String::new()) };
    if chance(rng, 0.02) {
        query.push("unknown=1".to_owned());
    }
    let ordered = about_result(rng, model, function, &mut query);
    let mut headers = Vec::new();
    let mut add = |share: f64, name: &str, value: &str| {
        if chance(rng, share) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    };
    add(0.15, "prefer", "count=exact");
    add(0.05, "accept", "application/vnd.pgrst.object+json");
    add(0.03, "accept", "text/csv");
    let path = format!("/rpc/{}", function.name);
    let path = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
    Request { method, path, headers, caller, body, ordered, many_rows: false }
}

fn is_given(rng: &mut StdRng, argument: &Argument) -> bool {
    chance(rng, if argument.default.is_some() { 0.5 } else { 0.96 })
}

fn in_body(rng: &mut StdRng, given: &[&Argument]) -> String {
    let members: Vec<_> =
        given.iter().map(|argument| format!("\"{}\":{}", argument.name, argument.kind.json(rng))).collect();
    format!("{{{}}}", members.join(","))
}

fn in_query(rng: &mut StdRng, given: &[&Argument]) -> Vec<String> {
    let value = |rng: &mut StdRng, argument: &Argument| {
        if chance(rng, 0.05) { argument.kind.wrong(rng) } else { argument.kind.text(rng) }
    };
    given.iter().map(|argument| format!("{}={}", argument.name, encode(&value(rng, argument)))).collect()
}

/// Adds what is asked of the rows that come back; whether they come in a certain order.
fn about_result(rng: &mut StdRng, model: &Model, function: &Function, query: &mut Vec<String>) -> bool {
    let Some(table) = function.rows(model) else {
        return matches!(function.returns, Returns::Values(_));
    };
    if chance(rng, 0.12) && !function.writes() {
        query.push(format!("select={}", encode(&aggregated(rng, model, table, 1))));
        query.extend(filter(rng, model, table));
        return false;
    }
    if chance(rng, 0.6) {
        let selection = select(rng, model, table, if function.writes() { 0 } else { 1 });
        query.push(format!("select={}", encode(&selection)));
        query.extend(about_embeds(rng, model, table, &selection));
    }
    query.extend(filter(rng, model, table));
    if function.writes() {
        // PostgreSQL calls it only where a row of its may be wanted.
        return false;
    }
    let ordered = chance(rng, 0.5);
    if ordered {
        query.push(format!("order={}", order(rng, model, table)));
        if chance(rng, 0.3) && table.key != Key::Owner {
            query.push(format!("limit={}&offset={}", rng.random_range(1..4), rng.random_range(0..2)));
        }
    }
    // An owner may have several rows.
    ordered && table.key != Key::Owner
}

/// One filter at most: PostgreSQL does not even call a function whose rows two filters rule out.
fn filter(rng: &mut StdRng, model: &Model, table: &Table) -> Option<String> {
    let (name, test) = one_filter(rng, model, table);
    chance(rng, 0.5).then(|| format!("{}={}", encode(&name), encode(&test)))
}
