//! Types of Python: a `TypedDict` for rows, inserts and updates of each relation, and for the arguments of functions.

use std::fmt::Write;

use roadbed_plan::Type;
use roadbed_plan::planner::Reached;
use roadbed_plan::schema::{Column, FunctionArg, FunctionResult};
use serde_json::Value as Json;

use super::{Api, is_read_only};

const HEAD: &str = "\"\"\"Rows and bodies of the API, as `roadbed types python` wrote them.\"\"\"

from __future__ import annotations

from typing import Any, List, Literal, Optional, TypedDict, Union

try:
    from typing import NotRequired
except ImportError:  # before Python 3.11
    from typing_extensions import NotRequired  # type: ignore[assignment]

# What a column of `json` or `jsonb` holds.
Json = Any

";

/// Words that no class or alias can be called.
const KEYWORDS: [&str; 3] = ["None", "True", "False"];

/// The module. All of `apis` are schemas of one database.
pub fn python(apis: &[Api]) -> String {
    let mut text = HEAD.to_owned();
    for api in apis {
        enums(&mut text, api);
        for reached in &api.reach.relations {
            relation(&mut text, api, reached);
        }
        functions(&mut text, api);
    }
    text.trim_end().to_owned() + "\n"
}

fn enums(text: &mut String, api: &Api) {
    for found in api.schema.enums.values().filter(|found| found.schema == api.of) {
        let labels: Vec<String> = found.labels.iter().map(|label| string(label)).collect();
        let _ = writeln!(text, "{} = Literal[{}]\n", class(api, &found.name), labels.join(", "));
    }
}

fn relation(text: &mut String, api: &Api, reached: &Reached) {
    let name = class(api, &reached.relation.name);
    let row = reached.columns(&reached.select).map(|column| member(column, nullable(api, column)));
    dict(text, (&name, reached.relation.comment.as_deref()), row.collect());
    let given = |ids, is_required: fn(&Column) -> bool| -> Vec<(String, String)> {
        let columns = reached.columns(ids).filter(|column| !is_read_only(column));
        let one = |column: &Column| match is_required(column) {
            true => member(column, nullable(api, column)),
            false => member(column, format!("NotRequired[{}]", nullable(api, column))),
        };
        columns.map(one).collect()
    };
    let needed = |column: &Column| column.not_null && column.default.is_none();
    let (insert, update) = (given(&reached.insert, needed), given(&reached.update, |_| false));
    for (suffix, members) in [("Insert", insert), ("Update", update)] {
        if !members.is_empty() {
            dict(text, (&format!("{name}{suffix}"), None), members);
        }
    }
}

fn functions(text: &mut String, api: &Api) {
    for overloads in api.functions() {
        for (number, function) in overloads.iter().enumerate() {
            let number = if number == 0 { String::new() } else { (number + 1).to_string() };
            let name = format!("{}{number}", class(api, &function.name));
            let arg = |arg: &FunctionArg| {
                let ty = of_type(api, &arg.ty);
                let ty = if arg.optional || arg.variadic { format!("NotRequired[{ty}]") } else { ty };
                (arg.name.clone().unwrap_or_default(), ty)
            };
            let args: Vec<(String, String)> = function.args.iter().map(arg).collect();
            if !args.is_empty() {
                dict(text, (&format!("{name}Args"), function.comment.as_deref()), args);
            }
            let is_own = !api.schema.relations.contains_key(&function.row);
            if function.result == FunctionResult::Row && is_own {
                let columns = &api.schema.relation(function.row).columns;
                let members = columns.iter().map(|column| member(column, nullable(api, column)));
                dict(text, (&format!("{name}Returns"), None), members.collect());
            }
        }
    }
}

fn member(column: &Column, ty: String) -> (String, String) {
    (column.name.clone(), ty)
}

/// A class where all names can be attributes, else the call that makes the same.
fn dict(text: &mut String, (name, comment): (&str, Option<&str>), members: Vec<(String, String)>) {
    if members.is_empty() || !members.iter().all(|(member, _)| is_identifier(member)) {
        // Names in a call are looked up at once, so that they stand in quotes.
        let members: Vec<String> =
            members.iter().map(|(member, ty)| format!("    {}: {},\n", string(member), string(ty))).collect();
        let _ = writeln!(text, "{name} = TypedDict({}, {{\n{}}})\n", string(name), members.concat());
        return;
    }
    let _ = writeln!(text, "\nclass {name}(TypedDict):");
    if let Some(comment) = comment {
        let _ = writeln!(text, "    {}\n", string(comment));
    }
    for (member, ty) in members {
        let _ = writeln!(text, "    {member}: {ty}");
    }
    text.push_str("\n\n");
}

fn is_identifier(name: &str) -> bool {
    const RESERVED: [&str; 35] = [
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
        "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
        "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
    ];
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        // Two underscores at the front are made into another name.
        && !name.starts_with("__")
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_')
        && !RESERVED.contains(&name)
}

/// `public.order_lines` is `PublicOrderLines`.
fn class(api: &Api, name: &str) -> String {
    let words =
        api.of.split(|c: char| !c.is_ascii_alphanumeric()).chain(name.split(|c: char| !c.is_ascii_alphanumeric()));
    let mut class = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        class.push_str(&first.to_ascii_uppercase());
        class.push_str(rest);
    }
    // A name without a plain letter still has to be told from others.
    if !name.is_ascii() || name.contains('-') {
        class.extend(
            name.chars().filter(|c| !c.is_ascii_alphanumeric() && *c != '_').map(|c| format!("_{:x}", u32::from(c))),
        );
    }
    if class.is_empty() || class.starts_with(|c: char| c.is_ascii_digit()) || KEYWORDS.contains(&class.as_str()) {
        class.insert(0, '_');
    }
    class
}

fn nullable(api: &Api, column: &Column) -> String {
    let ty = of_type(api, &column.ty);
    if column.not_null { ty } else { format!("Optional[{ty}]") }
}

fn of_type(api: &Api, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::Int2 | Type::Int4 | Type::Int8 => "int".into(),
        // A number without a fraction is read as an `int`.
        Type::Float4 | Type::Float8 | Type::Numeric(_) => "Union[int, float]".into(),
        Type::Json | Type::Jsonb => "Json".into(),
        Type::Enum(of) if of.schema == api.of => class(api, &of.name),
        Type::Enum(of) => {
            format!("Literal[{}]", of.labels.iter().map(|label| string(label)).collect::<Vec<_>>().join(", "))
        }
        Type::Domain(domain) => of_type(api, &domain.base),
        Type::Array(item) => format!("List[Optional[{}]]", of_type(api, item)),
        Type::Text
        | Type::Varchar(_)
        | Type::Char(_)
        | Type::Uuid
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Interval
        | Type::Bytea => "str".into(),
        Type::Unknown | Type::Other(_) => match super::json_schema::of_type(ty).get("type") {
            Some(Json::String(word)) if word == "string" => "str".into(),
            _ => "Any".into(),
        },
    }
}

/// A literal; JSON's strings are Python's, but for surrogates, which it never writes.
fn string(text: &str) -> String {
    Json::from(text).to_string()
}
