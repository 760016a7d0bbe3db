//! From the names in a statement to what they mean, along the search path; and PostgreSQL's way of naming what the
//! statement left without a name.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar};

use super::Fold;
use super::fault::Fault;
use crate::schema::{Relation, RelationKind};

/// A type, function or sequence: its schema, where one was written, and its name.
pub(super) type Qualified<'a> = (Option<&'a str>, &'a str);

impl Fold<'_> {
    /// The schema that a new object with this name goes to.
    pub(super) fn schema_for_new(&self, schema: &str, location: i32) -> Result<String, Fault> {
        if !schema.is_empty() {
            self.known_schema(schema).map_err(|fault| fault.at(location))?;
            return Ok(schema.to_owned());
        }
        self.search_path
            .iter()
            .find(|name| self.schema.namespaces.contains_key(*name))
            .cloned()
            .ok_or_else(|| Fault::new("3F000", "no schema has been selected to create in").at(location))
    }

    pub(super) fn known_schema(&self, schema: &str) -> Result<(), Fault> {
        if self.schema.namespaces.contains_key(schema) {
            return Ok(());
        }
        Err(Fault::new("3F000", format!("schema \"{schema}\" does not exist")).name(schema))
    }

    /// The key under which something is kept in a map by schema and name.
    pub(super) fn search<'k>(
        &self,
        (schema, name): Qualified<'k>,
        has: impl Fn(&(String, String)) -> bool,
    ) -> Option<(String, String)> {
        if let Some(schema) = schema {
            return Some((schema.to_owned(), name.to_owned())).filter(|key| has(key));
        }
        self.search_path.iter().map(|schema| (schema.clone(), name.to_owned())).find(|key| has(key))
    }

    pub(super) fn find_relation(&self, range: &RangeVar) -> Option<Arc<Relation>> {
        let key = self.search(qualified(range), |key| self.schema.names.contains_key(key))?;
        self.schema.names.get(&key).and_then(|id| self.schema.relations.get(id)).cloned()
    }

    /// A table or view that must exist.
    pub(super) fn relation(&self, range: &RangeVar) -> Result<Arc<Relation>, Fault> {
        self.find_relation(range).ok_or_else(|| {
            let fault = Fault::new("42P01", format!("relation \"{}\" does not exist", shown(range))).at(range.location);
            if (range.schemaname.as_str(), range.relname.as_str()) == ("auth", "users") {
                let help = "there is no table of users yet: keep the user's id in a `uuid` column (`default auth.uid()`) \
                            without a reference";
                return fault.help(help);
            }
            fault
        })
    }

    /// A table that must exist.
    pub(super) fn table(&self, range: &RangeVar) -> Result<Arc<Relation>, Fault> {
        let relation = self.relation(range)?;
        if relation.kind == RelationKind::Table {
            return Ok(relation);
        }
        Err(Fault::new("42809", format!("\"{}\" is not a table", relation.name)).at(range.location))
    }

    /// Whether a table, view, index or sequence of this name exists: they share one space of names.
    pub(super) fn class_exists(&self, schema: &str, name: &str) -> bool {
        let key = (schema.to_owned(), name.to_owned());
        self.schema.names.contains_key(&key)
            || self.schema.sequences.contains_key(&key)
            || self.schema.relations.values().filter(|relation| relation.schema == schema).any(|relation| {
                relation.keys().any(|constraint| constraint.name == name)
                    || relation.indexes.iter().any(|index| index.name == name)
            })
    }

    pub(super) fn refuse_taken_class(&self, schema: &str, name: &str) -> Result<(), Fault> {
        if self.class_exists(schema, name) {
            return Err(Fault::new("42P07", format!("relation \"{name}\" already exists")).name(name));
        }
        Ok(())
    }

    pub(super) fn constraint_exists(&self, schema: &str, name: &str) -> bool {
        self.schema
            .relations
            .values()
            .filter(|relation| relation.schema == schema)
            .any(|relation| constraint_names(relation).any(|taken| taken == name))
    }

    /// A free name for an index or sequence; for a constraint's index no constraint may have it either.
    pub(super) fn new_class_name(&self, schema: &str, parts: (&str, &str, &str), constraint: bool) -> String {
        first_free(parts, |name| {
            self.class_exists(schema, name) || (constraint && self.constraint_exists(schema, name))
        })
    }

    pub(super) fn new_constraint_name(&self, schema: &str, parts: (&str, &str, &str)) -> String {
        first_free(parts, |name| self.constraint_exists(schema, name))
    }

    /// An object's name as messages show it: with its schema only where the search path does not lead to it.
    pub(super) fn display(&self, schema: &str, name: &str) -> String {
        if self.search_path.iter().any(|visible| visible == schema) {
            name.to_owned()
        } else {
            format!("{schema}.{name}")
        }
    }
}

pub(super) fn constraint_names(relation: &Relation) -> impl Iterator<Item = &str> {
    let keys = relation.keys().map(|key| key.name.as_str());
    let foreign = relation.foreign_keys.iter().map(|key| key.name.as_str());
    keys.chain(foreign).chain(relation.checks.iter().map(|check| check.name.as_str()))
}

pub(super) fn qualified(range: &RangeVar) -> Qualified<'_> {
    (Some(range.schemaname.as_str()).filter(|schema| !schema.is_empty()), &range.relname)
}

pub(super) fn shown(range: &RangeVar) -> String {
    show(qualified(range))
}

pub(super) fn show((schema, name): Qualified<'_>) -> String {
    schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"))
}

/// The strings of a list of names.
pub(super) fn strings(nodes: &[Node]) -> Vec<&str> {
    nodes.iter().filter_map(string).collect()
}

pub(super) fn string(node: &Node) -> Option<&str> {
    match node.node.as_ref() {
        Some(NodeEnum::String(text)) => Some(&text.sval),
        _ => None,
    }
}

/// A dotted name: `name` or `schema.name`.
pub(super) fn dotted(nodes: &[Node]) -> Qualified<'_> {
    match strings(nodes).as_slice() {
        [name] => (None, name),
        [.., schema, name] => (Some(schema), name),
        [] => (None, ""),
    }
}

/// The names within a node that is a list.
pub(super) fn list(node: Option<&Node>) -> &[Node] {
    match node.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::List(list)) => &list.items,
        _ => &[],
    }
}

/// `name`, `name1`, `name2`, …: the number goes to the label's end.
fn first_free((first, second, label): (&str, &str, &str), taken: impl Fn(&str) -> bool) -> String {
    let mut name = make_name(first, second, label);
    let mut pass = 0;
    while taken(&name) {
        pass += 1;
        name = make_name(first, second, &format!("{label}{pass}"));
    }
    name
}

/// `first_second_label` within 63 bytes; the longer of the first two loses its end, and the label never does.
pub(super) fn make_name(first: &str, second: &str, label: &str) -> String {
    let parts = usize::from(!second.is_empty()) + label.len() + usize::from(!label.is_empty());
    let room = 63_usize.saturating_sub(parts);
    let (mut a, mut b) = (first.len(), second.len());
    while a + b > room {
        if a > b { a -= 1 } else { b -= 1 }
    }
    let mut name = clip(first, a).to_owned();
    for part in [clip(second, b), label] {
        if !part.is_empty() {
            name.push('_');
            name.push_str(part);
        }
    }
    name
}

fn clip(text: &str, mut length: usize) -> &str {
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    &text[..length]
}

#[cfg(test)]
mod tests {
    use super::make_name;

    #[test]
    fn long_names_lose_their_ends_but_keep_the_label() {
        assert_eq!(make_name("films", "", "pkey"), "films_pkey");
        assert_eq!(make_name("films", "a_b", "key"), "films_a_b_key");
        let long = make_name(&"t".repeat(60), &"c".repeat(50), "fkey");
        assert_eq!(long, format!("{}_{}_fkey", "t".repeat(29), "c".repeat(28)));
    }
}
