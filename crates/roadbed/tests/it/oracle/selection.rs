//! What a request asks for of each row: columns, embeds, what it asks of the embeds, and the order.

use rand::Rng;
use rand::rngs::StdRng;

use super::aggregates::aggregated;
use super::filters::one_filter;
use super::request::encode;
use super::schema::{Key, Model, Table};
use super::words::{Kind, USERS, chance, one_of};

pub(super) fn select(rng: &mut StdRng, model: &Model, table: &Table, depth: usize) -> String {
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
    let mut found = Vec::new();
    for embedded in embedded(model, table) {
        if chance(rng, 0.45) {
            let other = &model.tables[embedded.to];
            let spread = chance(rng, 0.15);
            let inside = if !spread && chance(rng, 0.15) {
                aggregated(rng, model, other, depth - 1)
            } else {
                select(rng, model, other, depth - 1)
            };
            found.push(embedded.written(rng, other, spread, &inside));
        }
    }
    if chance(rng, 0.02) {
        found.push("nowhere(*)".into());
    }
    found
}

/// Embeds beside aggregates. The rows of an embed are what is grouped by, so there are none whose order may differ.
pub(super) fn embeds_of_groups(rng: &mut StdRng, model: &Model, table: &Table, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    for embedded in embedded(model, table).into_iter().filter(|embedded| !embedded.many) {
        if chance(rng, 0.5) {
            let other = &model.tables[embedded.to];
            let spread = chance(rng, 0.5);
            let inside =
                if chance(rng, 0.5) { aggregated(rng, model, other, depth - 1) } else { select(rng, model, other, 0) };
            found.push(embedded.written(rng, other, spread, &inside));
        }
    }
    found
}

/// One way to embed: the name in the answer, the hint that chooses it, and the table.
struct Embedded {
    name: String,
    hint: String,
    to: usize,
    /// There may be several rows.
    many: bool,
}

impl Embedded {
    fn written(&self, rng: &mut StdRng, other: &Table, spread: bool, inside: &str) -> String {
        let inner = if chance(rng, 0.25) { "!inner" } else { "" };
        let hint = if chance(rng, 0.03) { String::new() } else { format!("!{}", self.hint) };
        let begin = if spread { "...".to_owned() } else { format!("{}:", self.name) };
        format!("{begin}{}{hint}{inner}({inside})", other.name)
    }
}

fn embedded(model: &Model, table: &Table) -> Vec<Embedded> {
    let at = model.tables.iter().position(|other| other.name == table.name).unwrap_or(0);
    let mut found = Vec::new();
    for (column, parent) in &table.parents {
        found.push(Embedded { name: format!("up_{column}"), hint: column.clone(), to: *parent, many: false });
    }
    for (index, other) in model.tables.iter().enumerate() {
        for (column, _) in other.parents.iter().filter(|(_, parent)| *parent == at) {
            let hint = format!("{}_{column}_fkey", other.name);
            found.push(Embedded {
                name: format!("in_{}", other.name),
                hint: if index == at { column.clone() } else { hint },
                to: index,
                many: true,
            });
        }
        if other.key == Key::Parents && other.parents.iter().any(|(_, parent)| *parent == at) {
            let far = other.parents.iter().find(|(_, parent)| *parent != at);
            let across = |to: usize| Embedded { name: "across".into(), hint: other.name.clone(), to, many: true };
            found.extend(far.map(|(_, to)| across(*to)));
        }
    }
    found
}

/// What may be asked of the embeds of a selection: filters, an order with a limit, that there is none or some.
pub(super) fn about_embeds(rng: &mut StdRng, model: &Model, table: &Table, selection: &str) -> Vec<String> {
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

pub(super) fn order(rng: &mut StdRng, model: &Model, table: &Table) -> String {
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
