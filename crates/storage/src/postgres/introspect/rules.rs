//! Where the columns of views come from, as PostgreSQL notes it in a view's rule: a tree of nodes as text,
//! `{QUERY … :targetList ({TARGETENTRY … :resno 1 … :resorigtbl 16385 :resorigcol 2 …} …) …}`.

use std::collections::BTreeMap;

/// An output that is a column of a relation, unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The number of the view's column.
    pub(super) column: i16,
    pub(super) relation: u32,
    pub(super) relation_column: i16,
}

/// The origins that the rule of a view tells.
pub(super) fn origins(rule: &str) -> Vec<Origin> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut in_list = false;
    let mut entry = Entry::default();
    let mut label = "";
    for token in tokens(rule) {
        match token {
            "{" => {
                depth += 1;
                if in_list && depth == 2 {
                    entry = Entry::default();
                }
            }
            "}" => {
                if in_list && depth == 2 {
                    found.extend(entry.origin());
                }
                depth = depth.saturating_sub(1);
            }
            // Only the labels of the query itself and of its outputs matter, not those of what is inside them.
            _ if depth == 1 && token.starts_with(':') => in_list = token == ":targetList",
            _ if depth == 2 && in_list && token.starts_with(':') => label = token,
            _ if depth == 2 && in_list => entry.set(label, token),
            _ => {}
        }
    }
    found
}

/// The relations that the rule of a view reads, with the numbers of the columns. An entry says `:relid 16385`, and later
/// `:selectedCols (b 8 9)`, where the numbers begin at minus seven for the columns that every table has.
pub(super) fn reads(rule: &str) -> BTreeMap<u32, Vec<i16>> {
    let mut found: BTreeMap<u32, Vec<i16>> = BTreeMap::new();
    let (mut relation, mut label) = (0, "");
    for token in tokens(rule) {
        match (token, label) {
            ("(" | "b", ":selectedCols") => {}
            (label_of, _) if label_of.starts_with(':') => label = label_of,
            (oid, ":relid") => {
                (relation, label) = (oid.parse().unwrap_or(0), "");
                found.entry(relation).or_default();
            }
            (number, ":selectedCols") => match number.parse::<i16>() {
                Ok(number) => found.entry(relation).or_default().push(number - 7),
                Err(_) => label = "",
            },
            _ => {}
        }
    }
    found.remove(&0);
    for columns in found.values_mut() {
        columns.sort_unstable();
        columns.dedup();
    }
    found
}

#[derive(Default)]
struct Entry {
    origin: Origin,
    is_hidden: bool,
}

impl Entry {
    fn set(&mut self, label: &str, value: &str) {
        match label {
            ":resno" => self.origin.column = value.parse().unwrap_or(0),
            ":resorigtbl" => self.origin.relation = value.parse().unwrap_or(0),
            ":resorigcol" => self.origin.relation_column = value.parse().unwrap_or(0),
            ":resjunk" => self.is_hidden = value == "true",
            _ => {}
        }
    }

    fn origin(&self) -> Option<Origin> {
        (!self.is_hidden && self.origin.relation != 0 && self.origin.relation_column > 0).then_some(self.origin)
    }
}

/// Brackets, and the words between them. A backslash takes the meaning from the next character.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let mut length = first.len_utf8();
        if !is_bracket(first) {
            let mut escaped = false;
            let ends = |(_, c): &(usize, char)| {
                let ends = !escaped && (c.is_whitespace() || is_bracket(*c));
                escaped = !escaped && *c == '\\';
                ends
            };
            length = rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at);
        }
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}

fn is_bracket(c: char) -> bool {
    matches!(c, '{' | '}' | '(' | ')')
}

#[cfg(test)]
mod tests {
    use super::{Origin, origins, reads};

    #[test]
    fn only_the_outputs_of_the_view_itself_are_taken() {
        let rule = r"({QUERY :rtable ({RTE :subquery {QUERY :targetList ({TARGETENTRY :resno 1 :resorigtbl 9 :resorigcol 9 :resjunk false})}})
            :targetList ({TARGETENTRY :expr {VAR :varno 1 :location 8} :resno 1 :resname a\ \{b :resorigtbl 5 :resorigcol 2 :resjunk false}
            {TARGETENTRY :expr {SUBLINK :subselect {QUERY :targetList ({TARGETENTRY :resno 7 :resorigtbl 7 :resorigcol 7 :resjunk false})}} :resno 2
            :resname x :resorigtbl 0 :resorigcol 0 :resjunk false} {TARGETENTRY :resno 3 :resorigtbl 5 :resorigcol 1 :resjunk true}) :override 0})";
        assert_eq!(origins(rule), [Origin { column: 1, relation: 5, relation_column: 2 }]);
        assert_eq!(origins("}{)( \\"), []);
    }

    #[test]
    fn every_relation_of_the_tree_is_read_with_its_columns() {
        let rule = r"({QUERY :rtable ({RTE :alias <> :relid 16385 :relkind r :selectedCols (b 8 9) :insertedCols (b)}
            {RTE :relid 16400 :inh true :selectedCols (b)} {RTE :subquery {QUERY :rtable ({RTE :relid 16385 :selectedCols (b 9 11)})}
            :relid 0 :selectedCols (b 10)}) :targetList <>})";
        let found: Vec<_> = reads(rule).into_iter().collect();
        assert_eq!(found, [(16385, vec![1, 2, 4]), (16400, vec![])]);
    }
}
