//! Random values of each type, as SQL literals, as JSON and as the text of a filter.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// The types that columns are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int2,
    Int4,
    Int8,
    Numeric,
    Money,
    Float8,
    Text,
    Varchar,
    Bool,
    Uuid,
    Date,
    Timestamp,
    Timestamptz,
    Interval,
    Jsonb,
    Json,
    Mood,
    IntArray,
    Bytea,
    Real,
    Time,
    /// `char(4)`.
    Chars,
    TextArray,
    /// A domain over numeric.
    Amount,
    /// A domain over text.
    Short,
}

impl Kind {
    pub(super) const ALL: [Self; 25] = [
        Self::Int2,
        Self::Int4,
        Self::Int8,
        Self::Numeric,
        Self::Money,
        Self::Float8,
        Self::Text,
        Self::Varchar,
        Self::Bool,
        Self::Uuid,
        Self::Date,
        Self::Timestamp,
        Self::Timestamptz,
        Self::Interval,
        Self::Jsonb,
        Self::Json,
        Self::Mood,
        Self::IntArray,
        Self::Bytea,
        Self::Real,
        Self::Time,
        Self::Chars,
        Self::TextArray,
        Self::Amount,
        Self::Short,
    ];

    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Numeric => "numeric",
            Self::Money => "numeric(8,2)",
            Self::Float8 => "double precision",
            Self::Text => "text",
            Self::Varchar => "varchar(6)",
            Self::Bool => "boolean",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Interval => "interval",
            Self::Jsonb => "jsonb",
            Self::Json => "json",
            Self::Mood => "mood",
            Self::IntArray => "integer[]",
            Self::Bytea => "bytea",
            Self::Real => "real",
            Self::Time => "time",
            Self::Chars => "char(4)",
            Self::TextArray => "text[]",
            Self::Amount => "amount",
            Self::Short => "short",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8 | Self::Numeric | Self::Money)
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Varchar | Self::Short)
    }

    pub(super) fn is_array(self) -> bool {
        matches!(self, Self::IntArray | Self::TextArray)
    }

    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Jsonb)
    }

    /// A value as its type's input function reads it; few of them, so that rows meet.
    pub(super) fn text(self, rng: &mut StdRng) -> String {
        let pick = |rng: &mut StdRng, list: &[&str]| (*list.choose(rng).expect("no list is empty")).to_owned();
        match self {
            Self::Int2 | Self::Int4 | Self::Int8 => pick(rng, &["0", "1", "2", "3", "7", "-1", "100"]),
            Self::Numeric => {
                pick(rng, &["0", "1", "1.0", "1.50", "-2.25", "3.14159265358979", "1e3", "100000000000000000001"])
            }
            Self::Money => pick(rng, &["0", "1.5", "19.99", "-3.456", "100"]),
            Self::Float8 => pick(rng, &["0", "1", "0.1", "-2.5", "1e20", "1e-7", "123456.789"]),
            Self::Text => pick(
                rng,
                &[
                    "",
                    "a",
                    "b",
                    "A",
                    "hello",
                    "Hello World",
                    "it's",
                    "über",
                    "100%",
                    "a_b",
                    "null",
                    "Ω",
                    "a,b",
                    "x\"y",
                    "the cats run",
                    "Running cat",
                    "hello, world",
                ],
            ),
            Self::Varchar => pick(rng, &["", "a", "b", "abc", "ABCDEF"]),
            Self::Bool => pick(rng, &["true", "false"]),
            Self::Uuid => pick(rng, &USERS),
            Self::Date => pick(rng, &["2024-01-01", "2024-02-29", "1999-12-31", "2030-06-15"]),
            Self::Timestamp => pick(rng, &["2024-01-01 00:00:00", "2024-01-01T12:34:56.789", "1999-12-31 23:59:59"]),
            Self::Timestamptz => {
                pick(rng, &["2024-01-01 00:00:00+00", "2024-01-01T12:34:56.789+02:00", "1999-12-31T23:59:59Z"])
            }
            Self::Interval => pick(rng, &["1 day", "02:30:00", "1 mon", "30 days", "-1 day", "1 year 2 mons 3 days"]),
            Self::Jsonb | Self::Json => pick(
                rng,
                &[
                    r#"{"a": 1, "b": "x"}"#,
                    r#"{"a": 2}"#,
                    "[1, 2, 3]",
                    r#""text""#,
                    "7",
                    "true",
                    r#"{"a": {"b": [1, {"c": null}]}}"#,
                ],
            ),
            Self::Mood => pick(rng, &["sad", "ok", "happy"]),
            Self::IntArray => pick(rng, &["{}", "{1}", "{1,2,3}", "{3,NULL}"]),
            Self::Bytea => pick(rng, &["\\x", "\\x00ff", "\\x68656c6c6f"]),
            Self::Real => pick(rng, &["0", "1", "0.1", "-2.5", "1e20", "1e-7", "3.1415927"]),
            Self::Time => pick(rng, &["00:00:00", "12:34:56.789", "23:59:59", "24:00:00", "08:00"]),
            Self::Chars => pick(rng, &["", "a", "ab", "abcd", "ab  ", " a"]),
            Self::TextArray => pick(rng, &["{}", "{a}", "{a,b}", r#"{"x y",NULL,"q\"u"}"#]),
            Self::Amount => pick(rng, &["0", "1", "2.50", "19.99"]),
            Self::Short => pick(rng, &["", "a", "abc", "über"]),
        }
    }

    /// Something that the type does not take.
    pub(super) fn wrong(self, rng: &mut StdRng) -> String {
        let list: &[&str] = match self {
            Self::Int2 => &["40000", "x", "1.5", ""],
            Self::Int4 => &["3000000000", "one", "1.5"],
            Self::Int8 => &["99999999999999999999", "abc"],
            Self::Numeric => &["1.2.3", "x"],
            Self::Money => &["10000000", "x"],
            Self::Float8 => &["x", "1e400"],
            Self::Text => &["plain"],
            Self::Varchar => &["much too long"],
            Self::Bool => &["maybe", "2"],
            Self::Uuid => &["not-a-uuid", "123"],
            Self::Date => &["2024-02-30", "soon", "2024-13-01"],
            Self::Timestamp | Self::Timestamptz => &["2024-01-01 25:00:00", "soon"],
            Self::Interval => &["one", "5 parsecs"],
            Self::Jsonb | Self::Json => &["{a: 1}", "{", ""],
            Self::Mood => &["angry", ""],
            Self::IntArray => &["1,2", "{a}"],
            Self::Bytea => &["\\x0", "\\xzz"],
            Self::Real => &["x", "1e40"],
            Self::Time => &["25:00", "noon", "12:60:00"],
            Self::Chars => &["abcde"],
            Self::TextArray => &["a", "{a"],
            Self::Amount => &["-1", "x"],
            Self::Short => &["far too long for it"],
        };
        (*list.choose(rng).expect("no list is empty")).to_owned()
    }

    pub(super) fn literal(self, rng: &mut StdRng) -> String {
        format!("'{}'", self.text(rng).replace('\'', "''"))
    }

    /// A value of a body.
    pub(super) fn json(self, rng: &mut StdRng) -> String {
        if rng.random_bool(0.08) {
            return "null".into();
        }
        let text = if rng.random_bool(0.04) { self.wrong(rng) } else { self.text(rng) };
        let bare = match self {
            Self::Int2
            | Self::Int4
            | Self::Int8
            | Self::Numeric
            | Self::Money
            | Self::Float8
            | Self::Real
            | Self::Amount => rng.random_bool(0.7),
            Self::Bool | Self::Jsonb | Self::Json => rng.random_bool(0.8),
            _ => false,
        };
        let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        if bare && is_json { text } else { serde_json::Value::String(text).to_string() }
    }
}

/// The users there are; `sub` of their tokens.
pub(super) const USERS: [&str; 3] = [
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002",
    "00000000-0000-4000-8000-000000000003",
];

pub(super) fn chance(rng: &mut StdRng, share: f64) -> bool {
    rng.random_bool(share)
}

pub(super) fn one_of<'a, T>(rng: &mut StdRng, list: &'a [T]) -> &'a T {
    list.choose(rng).expect("no list is empty")
}
