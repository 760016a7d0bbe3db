//! Random conditions over a row, as policies have them.

use rand::Rng;
use rand::rngs::StdRng;

use super::schema::{Key, Model, Table};
use super::words::{Kind, chance, one_of};

/// What a caller is known by; none of it looks at a row.
const ABOUT_CALLER: [&str; 16] = [
    "true",
    "false",
    "auth.uid() is not null",
    "auth.role() = 'authenticated'",
    "coalesce(auth.jwt() ->> 'team', '') = 'red'",
    "(auth.jwt() -> 'app' ->> 'level')::int >= 2",
    "(auth.jwt() -> 'app' -> 'tags') ? 'b'",
    "auth.jwt() #>> '{app,tags,0}' = 'a'",
    "auth.jwt() @> '{\"team\": \"red\"}'",
    "auth.email() like 'red@%'",
    "split_part(auth.email(), '@', 1) in ('red', 'green')",
    "(select auth.uid()) = '00000000-0000-4000-8000-000000000001'",
    "(current_setting('request.jwt.claims', true)::json ->> 'email') like '%@example.com'",
    "current_user = 'authenticated'",
    "nullif(auth.jwt() ->> 'team', 'red') is null",
    "case auth.jwt() ->> 'team' when 'red' then true when 'blue' then false end",
];

impl Model {
    /// A random condition over a table's row.
    pub(super) fn condition(&self, rng: &mut StdRng, index: usize, depth: usize) -> String {
        let name = &self.tables[index].name;
        let choice = rng.random_range(0..if depth == 0 { 7 } else { 14 });
        match choice {
            0 | 1 => format!("{name}.owner_id = auth.uid()"),
            2 => (*one_of(rng, &ABOUT_CALLER)).to_owned(),
            3..=6 => self.comparison(rng, index),
            7 => format!("({} or {})", self.condition(rng, index, depth - 1), self.condition(rng, index, depth - 1)),
            8 => format!("({} and {})", self.condition(rng, index, depth - 1), self.condition(rng, index, depth - 1)),
            9 => format!("not ({})", self.condition(rng, index, depth - 1)),
            10 => format!(
                "case when {} then {} else {} end",
                self.condition(rng, index, depth - 1),
                self.condition(rng, index, depth - 1),
                self.comparison(rng, index)
            ),
            11 => format!(
                "coalesce({}, {})",
                self.comparison(rng, index),
                *one_of(rng, &["false", "true", "auth.uid() is not null"])
            ),
            12 if self.tables[index].key == Key::Int && self.tables[index].secured => format!("owns_{name}({name}.id)"),
            _ => self.subquery(rng, index),
        }
    }

    /// A condition on one column of the row.
    pub(super) fn comparison(&self, rng: &mut StdRng, index: usize) -> String {
        let table = &self.tables[index];
        let usable: Vec<_> = table.columns.iter().filter(|column| column.kind != Kind::Json).collect();
        if usable.is_empty() {
            return "true".into();
        }
        let column = one_of(rng, &usable);
        let name = format!("{}.{}", table.name, column.name);
        let kind = column.kind;
        if chance(rng, 0.45)
            && let Some(pattern) = of_kind(rng, kind)
        {
            return pattern.replace("{}", &name);
        }
        match rng.random_range(0..9) {
            0 => format!("{name} is not null"),
            1 => format!("{name} in ({}, {})", kind.literal(rng), kind.literal(rng)),
            2 if kind != Kind::Jsonb => format!("{name} between {} and {}", kind.literal(rng), kind.literal(rng)),
            3 => format!("{name} is distinct from {}", kind.literal(rng)),
            4 if !kind.is_array() => {
                format!("{name} = any (array[{}, {}]::{}[])", kind.literal(rng), kind.literal(rng), kind.sql())
            }
            5 => format!("coalesce({name}, {}) = {}", kind.literal(rng), kind.literal(rng)),
            _ => format!("{name} {} {}", one_of(rng, &["=", "<>", "<", ">=", "<=", ">"]), kind.literal(rng)),
        }
    }

    /// A condition on other rows; only of tables made before, so that policies do not recurse, except now and then.
    fn subquery(&self, rng: &mut StdRng, index: usize) -> String {
        let table = &self.tables[index];
        if chance(rng, 0.04) {
            return format!("exists (select 1 from {0} self where self.owner_id = {0}.owner_id)", table.name);
        }
        let Some((column, parent)) = table.parents.iter().find(|(_, parent)| *parent < index) else {
            return self.comparison(rng, index);
        };
        let (name, other) = (&table.name, &self.tables[*parent].name);
        let inside = self.condition_without_helpers(rng, *parent);
        match rng.random_range(0..8) {
            0 => format!("exists (select 1 from {other} where {other}.id = {name}.{column} and {inside})"),
            1 => format!("{name}.{column} in (select {other}.id from {other} where {inside})"),
            2 => format!(
                "(select count(*) from {other} where {other}.owner_id = auth.uid()) > {}",
                rng.random_range(0..2)
            ),
            3 => format!("not exists (select 1 from {other} where {other}.id = {name}.{column} and {inside})"),
            4 => format!("(select {other}.owner_id from {other} where {other}.id = {name}.{column}) = auth.uid()"),
            5 => format!("{name}.{column} = any (select {other}.id from {other} where {inside})"),
            6 => format!("{name}.{column} not in (select o.id from {other} o where o.owner_id = auth.uid())"),
            _ => format!(
                "{name}.owner_id = (select o.owner_id from {other} o where {} order by o.id desc limit 1)",
                if chance(rng, 0.5) { format!("o.id = {name}.{column}") } else { "true".into() }
            ),
        }
    }

    fn condition_without_helpers(&self, rng: &mut StdRng, index: usize) -> String {
        if chance(rng, 0.3) { self.subquery(rng, index) } else { self.comparison(rng, index) }
    }
}

/// A condition that only columns of a kind can be in; `{}` stands for the column.
fn of_kind(rng: &mut StdRng, kind: Kind) -> Option<String> {
    let list: &[&str] = match kind {
        Kind::Bool => &["{} is true", "{}", "not {}", "{} is not false", "{} is unknown", "coalesce({}, false)"],
        Kind::Jsonb => &[
            "{} ->> 'a' = '1'",
            "{} ? 'a'",
            "{} @> '{\"a\": 1}'",
            "jsonb_typeof({}) = 'object'",
            "({} ->> 'a') is not distinct from '2'",
            "{} -> 'a' -> 'b' is null",
            "{} #>> '{a,b}' is null",
        ],
        Kind::Text | Kind::Varchar => &[
            "lower({}) like '%a%'",
            "{} ilike 'h%'",
            "length({}) > 1",
            "left({}, 1) = 'a'",
            "{} || 'x' <> 'ax'",
            "upper(coalesce({}, 'none')) = 'HELLO'",
            "{} ~ '^[a-h]'",
            "starts_with({}, 'a')",
            "substring({} from 1 for 1) = 'a'",
            "nullif({}, '') is not null",
            "position('l' in {}) > 0",
            "replace({}, 'a', '') = ''",
            "trim({}) <> ''",
            "{} not like 'a%'",
            "{} similar to '(a|b)%'",
        ],
        Kind::Short => &["length({}) > 1", "lower({}) = 'a'"],
        Kind::Chars => &["{} = 'a'", "length({}) = 1", "{} || 'x' = 'ax'", "{} like 'a%'"],
        Kind::Int2 | Kind::Int4 | Kind::Int8 => {
            &["{} + 1 > 2", "{} % 2 = 0", "abs({}) = 1", "{} * 2 < 7", "greatest({}, 2) = 2", "{} / 2 = 1", "-{} < 0"]
        }
        Kind::Numeric | Kind::Money | Kind::Amount => {
            &["{} + 1 > 2", "round({}) = 1", "abs({}) < 2", "{} * 1.5 > 1", "floor({}) = 1", "{} / 3 < 1"]
        }
        Kind::Float8 | Kind::Real => &["{} + 1 > 1", "{} * 2 < 1", "abs({}) > 1"],
        Kind::Date => &[
            "{} + 1 > date '2024-01-02'",
            "extract(year from {}) = 2024",
            "{} < date '2024-03-01' - interval '1 day'",
            "{} - date '2024-01-01' > 10",
            "date_trunc('month', {}) = timestamp '2024-01-01'",
            "to_char({}, 'YYYY') = '2024'",
        ],
        Kind::Timestamp => &[
            "{} + interval '1 day' > timestamp '2024-01-02'",
            "{}::date = date '2024-01-01'",
            "date_part('hour', {}) = 12",
            "date_trunc('day', {}) = {}",
        ],
        Kind::Timestamptz => &[
            "{} < now()",
            "{} - interval '1 hour' < '2024-01-01Z'",
            "({} at time zone 'UTC')::date = date '2024-01-01'",
        ],
        Kind::Interval => {
            &["{} > interval '1 day'", "{} + interval '1 day' = interval '2 days'", "extract(day from {}) = 1"]
        }
        Kind::Mood => &["{}::text = 'ok'", "{} >= 'ok'", "{} in ('sad', 'ok')"],
        Kind::IntArray => &[
            "1 = any ({})",
            "cardinality({}) > 0",
            "{} @> '{1}'",
            "{} && array[2, 3]",
            "{}[1] = 1",
            "array_length({}, 1) is null",
        ],
        Kind::TextArray => &["'a' = any ({})", "{} @> array['a']", "array_position({}, 'b') is not null"],
        Kind::Time => &["{} > time '12:00'", "{} + interval '1 hour' > '13:00'", "extract(hour from {}) = 12"],
        Kind::Uuid => &["{} = auth.uid()", "{}::text like '%1'"],
        Kind::Bytea => &["length({}) = 2", "encode({}, 'hex') = '00ff'"],
        Kind::Json => return None,
    };
    Some((*one_of(rng, list)).to_owned())
}

impl Table {
    /// A function that looks past the policies of the table.
    pub(super) fn helper(&self) -> String {
        let name = &self.name;
        format!(
            "create function owns_{name}(row_id integer) returns boolean language sql stable security definer as \
             $$ select exists (select 1 from {name} where {name}.id = row_id and {name}.owner_id = auth.uid()) $$;"
        )
    }
}
