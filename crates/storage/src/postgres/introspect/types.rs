//! PostgreSQL's types by their numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roadbed_plan::Type;
use roadbed_plan::value::{DomainType, EnumType};
use tokio_postgres::{Error, Row};

use super::Fields;

/// A row of `pg_type`.
struct TypeRow {
    schema: String,
    name: String,
    kind: String,
    element: u32,
    base: u32,
    modifier: i32,
    not_null: bool,
    formatted: String,
}

/// Every type that a column can have.
pub(super) struct Types {
    rows: HashMap<u32, TypeRow>,
    enums: HashMap<u32, Arc<EnumType>>,
    /// Made when first asked for, since a domain can stand on another.
    domains: HashMap<u32, Arc<DomainType>>,
}

impl Types {
    pub(super) fn read(rows: &[Row], labels: &[Row]) -> Result<Self, Error> {
        let mut types = Self { rows: HashMap::new(), enums: HashMap::new(), domains: HashMap::new() };
        for row in rows {
            let mut fields = Fields::of(row);
            let oid = fields.take()?;
            let row = TypeRow {
                schema: fields.take()?,
                name: fields.take()?,
                kind: fields.take()?,
                element: fields.take()?,
                base: fields.take()?,
                modifier: fields.take()?,
                not_null: fields.take()?,
                formatted: fields.take()?,
            };
            types.rows.insert(oid, row);
        }
        types.read_enums(labels)?;
        let domains: Vec<u32> = types.rows.iter().filter(|(_, row)| row.kind == "d").map(|(oid, _)| *oid).collect();
        for oid in domains {
            types.type_of(oid, -1, "");
        }
        Ok(types)
    }

    fn read_enums(&mut self, labels: &[Row]) -> Result<(), Error> {
        let mut by_type: HashMap<u32, Vec<String>> = HashMap::new();
        for row in labels {
            let mut fields = Fields::of(row);
            by_type.entry(fields.take()?).or_default().push(fields.take()?);
        }
        for (oid, row) in self.rows.iter().filter(|(_, row)| row.kind == "e") {
            let labels = by_type.remove(oid).unwrap_or_default();
            let found = EnumType { schema: row.schema.clone(), name: row.name.clone(), labels };
            self.enums.insert(*oid, Arc::new(found));
        }
        Ok(())
    }

    /// The user's enums and domains, by schema and name.
    #[expect(clippy::type_complexity, reason = "the two maps of `Schema`")]
    pub(super) fn named(
        &self,
    ) -> (BTreeMap<(String, String), Arc<EnumType>>, BTreeMap<(String, String), Arc<DomainType>>) {
        let users_own = |schema: &str| schema != "information_schema" && !schema.starts_with("pg_");
        let enums = self.enums.values().map(|found| ((found.schema.clone(), found.name.clone()), Arc::clone(found)));
        let domains =
            self.domains.values().map(|found| ((found.schema.clone(), found.name.clone()), Arc::clone(found)));
        (
            enums.filter(|((schema, _), _)| users_own(schema)).collect(),
            domains.filter(|((schema, _), _)| users_own(schema)).collect(),
        )
    }

    /// The type with number `oid` and PostgreSQL's type modifier, or -1. `formatted` is its name where it is none of ours.
    pub(super) fn type_of(&mut self, oid: u32, modifier: i32, formatted: &str) -> Type {
        if let Some(found) = built_in(oid, modifier) {
            return found;
        }
        if let Some(found) = self.enums.get(&oid) {
            return Type::Enum(Arc::clone(found));
        }
        if let Some(found) = self.domains.get(&oid) {
            return Type::Domain(Arc::clone(found));
        }
        let Some(row) = self.rows.get(&oid) else { return Type::Other(formatted.into()) };
        if row.kind == "d" {
            return Type::Domain(self.domain(oid));
        }
        // Only true arrays: some types of fixed length (`point`, `name`) have elements as well.
        if row.element != 0 && row.name.starts_with('_') {
            let element = row.element;
            return Type::Array(Box::new(self.type_of(element, modifier, formatted.trim_end_matches("[]"))));
        }
        Type::Other(if formatted.is_empty() { row.formatted.as_str() } else { formatted }.into())
    }

    fn domain(&mut self, oid: u32) -> Arc<DomainType> {
        let row = &self.rows[&oid];
        let (schema, name, not_null) = (row.schema.clone(), row.name.clone(), row.not_null);
        let (base, modifier) = (row.base, row.modifier);
        let base = self.type_of(base, modifier, "");
        // PostgreSQL tests the checks and fills in the default itself.
        let domain = Arc::new(DomainType { schema, name, base, not_null, default: None, checks: Vec::new() });
        self.domains.insert(oid, Arc::clone(&domain));
        domain
    }
}

/// The types that are the same in every database, by the numbers of PostgreSQL's `pg_type.dat`.
fn built_in(oid: u32, modifier: i32) -> Option<Type> {
    // Lengths are stored with the four bytes of a header added.
    let length = (modifier >= 4).then(|| modifier.unsigned_abs() - 4);
    Some(match oid {
        16 => Type::Bool,
        17 => Type::Bytea,
        20 => Type::Int8,
        21 => Type::Int2,
        23 => Type::Int4,
        25 => Type::Text,
        114 => Type::Json,
        700 => Type::Float4,
        701 => Type::Float8,
        1042 => Type::Char(length),
        1043 => Type::Varchar(length),
        1082 => Type::Date,
        1083 => Type::Time,
        1114 => Type::Timestamp,
        1184 => Type::Timestamptz,
        1186 => Type::Interval,
        1700 => Type::Numeric(numeric_size(modifier)),
        2950 => Type::Uuid,
        3802 => Type::Jsonb,
        _ => return None,
    })
}

/// Precision and scale: the scale stands in the lower eleven bits, signed since PostgreSQL 15.
fn numeric_size(modifier: i32) -> Option<(u16, i16)> {
    if modifier < 4 {
        return None;
    }
    let packed = modifier - 4;
    let precision = u16::try_from((packed >> 16) & 0xffff).ok()?;
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    Some((precision, i16::try_from(scale).ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Type, built_in};

    #[test]
    fn sizes_are_read_from_type_modifiers() {
        assert_eq!(built_in(1043, 44), Some(Type::Varchar(Some(40))));
        assert_eq!(built_in(1043, -1), Some(Type::Varchar(None)));
        assert_eq!(built_in(1700, (10 << 16 | 2) + 4), Some(Type::Numeric(Some((10, 2)))));
        assert_eq!(built_in(1700, (5 << 16 | (-2 & 0x7ff)) + 4), Some(Type::Numeric(Some((5, -2)))));
    }
}
