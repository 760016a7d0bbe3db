//! Random filters, right and wrong.

use rand::Rng;
use rand::rngs::StdRng;

use super::request::encode;
use super::schema::{Model, Table};
use super::words::{Kind, chance, one_of};

pub(super) fn filters(rng: &mut StdRng, model: &Model, table: &Table) -> Vec<String> {
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
pub(super) fn one_filter(rng: &mut StdRng, model: &Model, table: &Table) -> (String, String) {
    let names = table.all_columns();
    let name = one_of(rng, &names).clone();
    let kind = table.kind_of(&name, model);
    let not = if chance(rng, 0.2) { "not." } else { "" };
    let value = |rng: &mut StdRng, kind: Kind| if chance(rng, 0.05) { kind.wrong(rng) } else { kind.text(rng) };
    // In a list or tree, commas and quotes need quoting.
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (name, kind) =
        if kind.is_json() && chance(rng, 0.7) { (format!("{name}->>a"), Kind::Text) } else { (name, kind) };
    if kind.is_text() && chance(rng, 0.12) || kind == Kind::Jsonb && chance(rng, 0.1) || chance(rng, 0.003) {
        return (name, format!("{not}{}", search(rng)));
    }
    let is_container = kind.is_array() || kind == Kind::Jsonb;
    if is_container && chance(rng, 0.3) {
        return (name, format!("{not}{}", containment(rng, kind)));
    }
    let test = match rng.random_range(0..12) {
        3 => format!("neq.{}", plain(&value(rng, kind))),
        4 => format!("{}.{}", one_of(rng, &["gt", "gte", "lt", "lte"]), plain(&value(rng, kind))),
        5 => format!("in.({},{})", quoted(&value(rng, kind)), quoted(&value(rng, kind))),
        6 => format!("is.{}", one_of(rng, &["null", "not_null"])),
        7 if kind == Kind::Bool => format!("is.{}", one_of(rng, &["true", "false", "unknown"])),
        8 => format!("isdistinct.{}", plain(&value(rng, kind))),
        9 if chance(rng, 0.05) => containment(rng, kind),
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

fn containment(rng: &mut StdRng, kind: Kind) -> String {
    let operator = if kind == Kind::Jsonb {
        *one_of(rng, &["cs", "cs", "cd", "cd", "ov"])
    } else {
        *one_of(rng, &["cs", "cd", "ov"])
    };
    let value = kind.text(rng);
    // Without its quotes JSON is wrong more often than not.
    let value = if kind == Kind::Jsonb && chance(rng, 0.7) { value } else { value.replace('"', "").replace(", ", ",") };
    format!("{operator}.{value}")
}

/// A full-text search.
fn search(rng: &mut StdRng) -> String {
    let configuration = *one_of(rng, &["", "", "", "(english)", "(simple)", "(english)", "(nothing)"]);
    let (operator, words) = match rng.random_range(0..4) {
        0 => (
            "fts",
            *one_of(rng, &["cat", "hello&world", "hello|cat", "!hello", "hel:*", "run<->cat", "the", "cat &", ""]),
        ),
        1 => ("plfts", *one_of(rng, &["cats", "hello world", "the", "Running cats", "x y", ""])),
        2 => ("phfts", *one_of(rng, &["hello world", "world hello", "cats running", "it's", ""])),
        _ => ("wfts", *one_of(rng, &["hello or cat", "-hello", "\"hello world\"", "cat -dog", "the", "\"cat"])),
    };
    format!("{operator}{configuration}.{words}")
}

/// Text that means itself outside and inside of a tree.
fn plain(text: &str) -> String {
    text.replace([',', '(', ')', '"'], "")
}
