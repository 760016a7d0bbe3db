//! Random selections that aggregate: groups, and `count`, `sum`, `avg`, `min`, `max` of them, with casts.

use rand::Rng;
use rand::rngs::StdRng;

use super::schema::{Model, Table};
use super::selection::embeds_of_groups;
use super::words::{Kind, chance, one_of};

/// A selection that gives one row for each group.
pub(super) fn aggregated(rng: &mut StdRng, model: &Model, table: &Table, depth: usize) -> String {
    let names = table.all_columns();
    let mut items: Vec<String> = Vec::new();
    for _ in 0..rng.random_range(0..=2) {
        let name = one_of(rng, &names);
        let kind = table.kind_of(name, model);
        if kind == Kind::Jsonb && chance(rng, 0.5) {
            items.push(format!("{name}->>a"));
        } else if has_one_form(kind) || chance(rng, 0.02) {
            items.push(match rng.random_range(0..6) {
                0 => format!("g{}:{name}", items.len()),
                1 => format!("{name}::text"),
                _ => name.clone(),
            });
        }
    }
    for number in 0..rng.random_range(1..=3) {
        items.push(aggregate(rng, model, table, number));
    }
    if depth > 0 && chance(rng, 0.25) {
        items.extend(embeds_of_groups(rng, model, table, depth));
    }
    items.join(",")
}

fn aggregate(rng: &mut StdRng, model: &Model, table: &Table, number: usize) -> String {
    let alias = if number > 0 || chance(rng, 0.2) { format!("n{number}:") } else { String::new() };
    if chance(rng, 0.25) {
        return format!("{alias}count(){}", one_of(rng, &["", "", "::text", "::int4"]));
    }
    let names = table.all_columns();
    let name = one_of(rng, &names);
    let kind = table.kind_of(name, model);
    let (before, kind) = cast_before(rng, kind);
    let function = *if chance(rng, 0.05) { one_of(rng, &ALL) } else { one_of(rng, fitting(kind)) };
    // The sum of floating numbers hangs on the order of rows.
    let is_float = matches!(kind, Kind::Float8 | Kind::Real);
    let function = if is_float && matches!(function, "sum" | "avg") { "count" } else { function };
    let after = match function {
        "sum" | "avg" | "count" => *one_of(rng, &["", "", "", "::text", "::int8", "::numeric", "::float8"]),
        _ => *one_of(rng, &["", "", "", "::text"]),
    };
    format!("{alias}{name}{before}.{function}(){after}")
}

const ALL: [&str; 5] = ["count", "sum", "avg", "min", "max"];

/// Whether equal values look alike, so that it does not matter which of them stands for a group. `1` and `1.0` are
/// equal, and so are a month and thirty days.
fn has_one_form(kind: Kind) -> bool {
    !matches!(kind, Kind::Numeric | Kind::Interval | Kind::Json | Kind::Jsonb | Kind::Time)
}

fn fitting(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Money | Kind::Amount => &ALL,
        Kind::Numeric | Kind::Interval => &["count", "sum", "avg"],
        Kind::Float8
        | Kind::Real
        | Kind::Text
        | Kind::Varchar
        | Kind::Short
        | Kind::Chars
        | Kind::Mood
        | Kind::Date
        | Kind::Time
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::IntArray
        | Kind::TextArray => &["count", "min", "max"],
        Kind::Bool | Kind::Uuid | Kind::Json | Kind::Jsonb | Kind::Bytea => &["count"],
    }
}

fn cast_before(rng: &mut StdRng, kind: Kind) -> (&'static str, Kind) {
    if chance(rng, 0.7) {
        return ("", kind);
    }
    match kind {
        Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Money | Kind::Numeric | Kind::Amount => {
            *one_of(rng, &[("::numeric", Kind::Numeric), ("::int8", Kind::Int8), ("::text", Kind::Text)])
        }
        Kind::Float8 | Kind::Real => ("::numeric", Kind::Numeric),
        Kind::Jsonb if chance(rng, 0.5) => *one_of(rng, &[("->>a", Kind::Text), ("->a::int4", Kind::Int4)]),
        Kind::Timestamp | Kind::Timestamptz => ("::date", Kind::Date),
        _ => ("::text", Kind::Text),
    }
}
