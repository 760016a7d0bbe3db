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

/// One operation of `cases/arithmetic.jsonl` on its arguments as texts.
fn evaluate(operation: &str, args: &[&str]) -> Result<String, DatabaseError> {
    use arithmetic::*;
    let clock = &Clock::System;
    let int = |index: usize| args[index].parse::<i64>().unwrap();
    let float = |index: usize| match parse(args[index], &Type::Float8, clock) {
        Ok(Value::Float(number)) => number,
        other => panic!("{other:?} is no float"),
    };
    let value = |index: usize, ty: &str| parse(args[index], &type_named(ty), clock).unwrap();
    let moment = |index: usize, ty: &str| match value(index, ty) {
        Value::Int(number) => number,
        other => panic!("{other:?} is no moment"),
    };
    let timestamp = |index| moment(index, "timestamp");
    let show = |number: i64, ty: &str| to_text(&Value::Int(number), &type_named(ty));
    let order = |ordering: std::cmp::Ordering| (ordering as i8).to_string();
    let operator = |name: &str| match name {
        "add" => Arithmetic::Add,
        "subtract" => Arithmetic::Subtract,
        "multiply" => Arithmetic::Multiply,
        "divide" => Arithmetic::Divide,
        "modulo" => Arithmetic::Modulo,
        other => panic!("{other} is no operator"),
    };
    Ok(match operation {
        "numeric_negate" => numeric_negate(args[0])?,
        "numeric_abs" => numeric_abs(args[0])?,
        "numeric_ceil" => numeric_ceil(args[0])?,
        "numeric_floor" => numeric_floor(args[0])?,
        "numeric_sign" => numeric_sign(args[0])?,
        "numeric_sqrt" => numeric_sqrt(args[0])?,
        "numeric_exp" => numeric_exp(args[0])?,
        "numeric_ln" => numeric_ln(args[0])?,
        "numeric_log" => numeric_log("10", args[0])?,
        "numeric_log2" => numeric_log(args[0], args[1])?,
        "numeric_power" => numeric_power(args[0], args[1])?,
        "numeric_round" => numeric_round(args[0], int(1))?,
        "numeric_trunc" => numeric_trunc(args[0], int(1))?,
        "numeric_compare" => {
            let canonical = [0, 1].map(|index| to_text(&value(index, "numeric"), &Type::Numeric(None)));
            order(compare_numerics(&canonical[0], &canonical[1]))
        }
        "interval_compare" => order(compare_intervals(args[0], args[1])),
        "interval_add" => interval_add(args[0], args[1])?,
        "interval_subtract" => interval_subtract(args[0], args[1])?,
        "interval_negate" => interval_negate(args[0])?,
        "interval_multiply" => interval_multiply(args[0], float(1))?,
        "interval_divide" => interval_divide(args[0], float(1))?,
        "justify_days" => interval_justify_days(args[0])?,
        "justify_hours" => interval_justify_hours(args[0])?,
        "justify_interval" => interval_justify_interval(args[0])?,
        "timestamp_add" => show(timestamp_add_interval(timestamp(0), args[1])?, "timestamp"),
        "timestamp_difference" => timestamp_difference(timestamp(0), timestamp(1))?,
        "age" => age(timestamp(0), timestamp(1))?,
        "extract" => {
            let field = extract(args[0], &value(1, args[2]), &type_named(args[2]))?;
            to_text(&field, &Type::Numeric(None))
        }
        "date_part" => to_text(&date_part(args[0], &value(1, args[2]), &type_named(args[2]))?, &Type::Float8),
        "date_trunc" => show(date_trunc(args[0], timestamp(1), &Type::Timestamp)?, "timestamp"),
        "interval_trunc" => interval_trunc(args[0], args[1])?,
        "time_add" => show(time_add_interval(moment(0, "time"), args[1]), "time"),
        "make_date" => show(make_date(int(0), int(1), int(2))?, "date"),
        "make_time" => show(make_time(int(0), int(1), float(2))?, "time"),
        "make_interval" => make_interval([int(0), int(1), int(2), int(3), int(4), int(5)], float(6))?,
        "to_timestamp" => show(timestamp_from_epoch(float(0))?, "timestamptz"),
        "date_add" => show(date_add_days(moment(0, "date"), int(1))?, "date"),
        "date_add_interval" => show(date_add_interval(moment(0, "date"), args[1])?, "timestamp"),
        "zone_local" => show(shift_zone(args[0], timestamp(1), true)?, "timestamp"),
        "zone_moment" => show(shift_zone(args[0], timestamp(1), false)?, "timestamptz"),
        other => match other.split_once('_').unwrap() {
            ("numeric", name) => numeric_arithmetic(operator(name), args[0], args[1])?,
            ("int", name) => int_arithmetic(operator(name), int(0), int(1), &Type::Int4)?.to_string(),
            ("float", name) => {
                to_text(&Value::Float(float_arithmetic(operator(name), float(0), float(1))?), &Type::Float8)
            }
            _ => panic!("{other} is no operation"),
        },
    })
}

#[test]
fn operations_give_what_postgresql_gives() {
    let mut wrong = Vec::new();
    for case in cases(include_str!("cases/arithmetic.jsonl")) {
        let operation = case[0].as_str().unwrap();
        let args: Vec<&str> = case[1].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let found = evaluate(operation, &args).map_or_else(|error| error_json(&error), Json::from);
        if found != case[2] {
            wrong.push(format!("{operation} {args:?}\n  wanted {}\n  found  {found}", case[2]));
        }
    }
    assert_none(&wrong);
}

#[test]
fn casts_give_what_postgresql_gives() {
    let mut wrong = Vec::new();
    for case in cases(include_str!("cases/cast.jsonl")) {
        let [text, from, to] = [0, 1, 2].map(|index| case[1][index].as_str().unwrap());
        let (from, to) = (type_named(from), type_named(to));
        let value = parse(text, &from, &Clock::System).unwrap();
        let found = match cast(&value, &from, &to, &Clock::System) {
            Ok(value) => to_text(&value, &to).into(),
            Err(error) => error_json(&error),
        };
        if found != case[2] {
            wrong.push(format!("{}\n  wanted {}\n  found  {found}", case[1], case[2]));
        }
    }
    assert_none(&wrong);
}

/// The first line of `cases/regex.jsonl` lists the texts; each further one says which of them match.
#[test]
fn patterns_match_what_they_match_in_postgresql() {
    let mut lines = cases(include_str!("cases/regex.jsonl"));
    let texts = lines.next().unwrap();
    let mut wrong = Vec::new();
    for case in lines {
        let (pattern, any_case) = (case[0].as_str().unwrap(), case[1].as_bool().unwrap());
        let found = match regex(pattern, any_case) {
            Ok(regex) => {
                texts.iter().map(|text| if regex.is_match(text.as_str().unwrap()) { '1' } else { '0' }).collect()
            }
            Err(error) if error.sqlstate == "0A000" => continue,
            Err(error) => format!("{} {}", error.sqlstate, error.message),
        };
        if found != case[2] {
            wrong.push(format!("{pattern:?} {any_case}\n  wanted {}\n  found  {found:?}", case[2]));
        }
    }
    assert_none(&wrong);
}

#[test]
fn json_members_become_what_json_to_recordset_makes_of_them() {
    let mut wrong = Vec::new();
    for case in cases(include_str!("cases/from_json.jsonl")) {
        let (name, text) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        let ty = type_named(name);
        let raw = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
        let found = match from_json_member("x", &raw, &ty, &Clock::System) {
            Ok(value) => json_text(&value, &ty).into(),
            Err(error) => error_json(&error),
        };
        if found != case[2] {
            wrong.push(format!("{name} {text}\n  wanted {}\n  found  {found}", case[2]));
        }
    }
    assert_none(&wrong);
}

mod any_value {
    use proptest::prelude::*;

    use super::*;

    fn assert_kept(value: &Value, ty: &Type) {
        let text = to_text(value, ty);
        assert_eq!(parse(&text, ty, &Clock::System).as_ref(), Ok(value), "{text}");
        let raw = serde_json::value::RawValue::from_string(json_text(value, ty)).unwrap();
        assert_eq!(from_json(&raw, ty, &Clock::System).as_ref(), Ok(value), "{raw}");
    }

    proptest! {
        #[test]
        fn is_read_back_from_its_text_and_json(
            days in -2_451_545i64..2_145_031_949,
            micros in -211_813_488_000_000_000i64..9_223_371_331_200_000_000,
            time in 0i64..86_400_000_000,
            double in any::<f64>().prop_filter("a number", |number| number.is_finite()),
            single in any::<f32>().prop_filter("a number", |number| number.is_finite()),
            bytes in any::<Vec<u8>>(),
        ) {
            assert_kept(&Value::Int(days), &Type::Date);
            assert_kept(&Value::Int(micros), &Type::Timestamp);
            assert_kept(&Value::Int(micros), &Type::Timestamptz);
            assert_kept(&Value::Int(time), &Type::Time);
            assert_kept(&Value::Float(double), &Type::Float8);
            assert_kept(&Value::Float(single.into()), &Type::Float4);
            assert_kept(&Value::Bytes(bytes.into()), &Type::Bytea);
        }

        #[test]
        fn of_text_is_read_back(
            text in "[^\0]*",
            texts in proptest::collection::vec("[^\0]*", 0..5),
            digits in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,20})?",
            (months, days, micros) in any::<(i32, i32, i64)>(),
        ) {
            assert_kept(&Value::text(text), &Type::Text);
            assert_kept(&Value::text(digits), &Type::Numeric(None));
            let interval = interval::Interval { months, days, micros: micros / 4 };
            assert_kept(&Value::text(interval.to_string()), &Type::Interval);
            let array = Type::Array(Box::new(Type::Text));
            let mut json = Vec::new();
            json.push(b'[');
            for (index, item) in texts.iter().enumerate() {
                if index > 0 {
                    json.push(b',');
                }
                write_json_string(&mut json, item);
            }
            json.push(b']');
            assert_kept(&Value::text(String::from_utf8(json).unwrap()), &array);
        }

        #[test]
        fn hostile_texts_are_refused_without_a_panic(text in "\\PC*") {
            for name in ["integer", "numeric(5,2)", "date", "time", "timestamptz", "interval", "jsonb", "text[]", "bytea"] {
                let _ = parse(&text, &type_named(name), &Clock::System);
            }
            let _ = regex(&text, false);
        }

        #[test]
        fn hostile_times_are_refused_without_a_panic(text in "[-+0-9:./ TZjanpm]{0,30}") {
            for name in ["date", "time", "timestamp", "timestamptz", "interval"] {
                let _ = parse(&text, &type_named(name), &Clock::System);
            }
        }
    }
}

#[test]
fn json_that_is_too_deep_is_refused() {
    for (text, ty) in [("[".repeat(100_000), Type::Json), ("{\"a\":".repeat(100_000), Type::Jsonb)] {
        assert_eq!(parse(&text, &ty, &Clock::System).unwrap_err().sqlstate, "54001");
    }
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    assert_eq!(parse(&deep, &Type::Jsonb, &Clock::System), Ok(Value::text(deep.as_str())));
}
