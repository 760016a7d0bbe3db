//! Values against answers recorded from PostgreSQL 15 (UTC, C.UTF-8): each line of `cases/*.jsonl` is one case.

use std::sync::Arc;

use serde_json::Value as Json;

use super::*;
use crate::clock::Clock;
use crate::error::DatabaseError;

fn cases(text: &str) -> impl Iterator<Item = Vec<Json>> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn type_named(name: &str) -> Type {
    if let Some(item) = name.strip_suffix("[]") {
        return Type::Array(Box::new(type_named(item)));
    }
    let (name, size) = name.split_once('(').unwrap_or((name, ""));
    let sizes: Vec<i32> = size.trim_end_matches(')').split(',').filter_map(|part| part.parse().ok()).collect();
    let length = sizes.first().map(|length| *length as u32);
    match name {
        "boolean" => Type::Bool,
        "smallint" => Type::Int2,
        "integer" => Type::Int4,
        "bigint" => Type::Int8,
        "real" => Type::Float4,
        "double precision" => Type::Float8,
        "numeric" => Type::Numeric(sizes.first().map(|p| (*p as u16, sizes.get(1).map_or(0, |s| *s as i16)))),
        "text" => Type::Text,
        "varchar" => Type::Varchar(length),
        "char" => Type::Char(length),
        "uuid" => Type::Uuid,
        "date" => Type::Date,
        "time" => Type::Time,
        "timestamp" => Type::Timestamp,
        "timestamptz" => Type::Timestamptz,
        "interval" => Type::Interval,
        "json" => Type::Json,
        "jsonb" => Type::Jsonb,
        "bytea" => Type::Bytea,
        "mood" => Type::Enum(Arc::new(EnumType {
            schema: "public".into(),
            name: "mood".into(),
            labels: vec!["sad".into(), "ok".into(), "very happy".into()],
        })),
        other => Type::Other(other.into()),
    }
}

fn error_json(error: &DatabaseError) -> Json {
    serde_json::json!({
        "code": error.sqlstate, "message": error.message, "details": error.details, "hint": error.hint,
    })
}

fn answer(text: &str, ty: &Type) -> Json {
    match parse(text, ty, &Clock::System) {
        Ok(value) => serde_json::json!({ "text": to_text(&value, ty), "json": json_text(&value, ty) }),
        Err(error) => error_json(&error),
    }
}

fn json_text(value: &Value, ty: &Type) -> String {
    let mut out = Vec::new();
    write_json(&mut out, value, ty);
    String::from_utf8(out).unwrap()
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn texts_are_read_and_written_as_postgresql_does() {
    let mut wrong = Vec::new();
    for case in cases(include_str!("cases/parse.jsonl")) {
        let (name, text) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        let found = answer(text, &type_named(name));
        if found != case[2] {
            wrong.push(format!("{name} {text:?}\n  wanted {}\n  found  {found}", case[2]));
        }
    }
    assert_none(&wrong);
}

#[test]
fn written_texts_are_read_back_as_the_same_value() {
    for case in cases(include_str!("cases/parse.jsonl")) {
        let (name, text) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        let ty = type_named(name);
        let Ok(value) = parse(text, &ty, &Clock::System) else { continue };
        let again = parse(&to_text(&value, &ty), &ty, &Clock::System).unwrap();
        let nan = matches!(value, Value::Float(number) if number.is_nan());
        assert!(nan || again == value, "{name} {text:?}: {value:?} became {again:?}");
        if !matches!(ty, Type::Json) {
            let raw = serde_json::value::RawValue::from_string(json_text(&value, &ty)).unwrap();
            let again = from_json(&raw, &ty, &Clock::System).unwrap();
            assert!(nan || again == value || value == Value::text("null"), "{name} {raw}: {value:?} became {again:?}");
        }
    }
}

#[test]
fn the_bounds_of_an_array_are_not_kept() {
    assert_eq!(answer("[2:3]={1,2}", &type_named("integer[]"))["text"], "{1,2}");
}
