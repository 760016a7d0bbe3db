//! Full-text search as PostgreSQL does it: texts become vectors of lexemes with their positions, queries ask for them.
//! Engines without a text search of their own use this one; its answers are compared with PostgreSQL's.

mod candidates;
mod languages;
mod matching;
mod query;
mod read_query;
mod tokens;
mod vector;

use crate::error::DatabaseError;
use languages::{LANGUAGES, Language, ONLY_POSTGRES, lower};
use tokens::{Dictionary, Token, tokens};

pub use query::TsQuery;
pub use read_query::QueryForm;
pub use vector::TsVector;

/// PostgreSQL's names of the two types, which are [`super::Type::Other`] here.
pub const TSVECTOR: &str = "tsvector";
pub const TSQUERY: &str = "tsquery";

/// The type of a configuration's name.
pub const REGCONFIG: &str = "regconfig";

/// Whether `name` is one of the types of text search.
pub fn is_search_type(name: &str) -> bool {
    [TSVECTOR, TSQUERY, REGCONFIG].contains(&name)
}

/// Reads `text` as the type called `name`, into PostgreSQL's output form; texts of other types stay as they are.
///
/// # Errors
/// When it is not written so.
pub fn canonical(name: &str, text: &str) -> Result<String, DatabaseError> {
    match name {
        TSVECTOR => TsVector::parse(text).map(|vector| vector.to_string()),
        TSQUERY => TsQuery::parse(text).map(|query| query.to_string()),
        REGCONFIG => Configuration::named(text).map(|configuration| configuration.name().to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// Longer words are left out, as PostgreSQL does with a notice.
const LONGEST_WORD: usize = 2046;

/// How words become lexemes.
#[derive(Clone, Copy, Debug)]
pub struct Configuration(&'static Language);

impl PartialEq for Configuration {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Configuration {}

impl Default for Configuration {
    fn default() -> Self {
        Self::known("english").unwrap_or(Self(&LANGUAGES[0]))
    }
}

impl Configuration {
    /// The configuration called `name`, perhaps with its schema.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self, DatabaseError> {
        let plain = name.trim().trim_matches('"').to_lowercase();
        let plain = plain.strip_prefix("pg_catalog.").unwrap_or(&plain);
        if plain.is_empty() {
            return Err(DatabaseError::new("42602", "invalid name syntax"));
        }
        Self::known(plain).ok_or_else(|| {
            if !ONLY_POSTGRES.contains(&plain) {
                let message = format!("text search configuration \"{plain}\" does not exist");
                return DatabaseError::new("42704", message);
            }
            let names: Vec<_> = LANGUAGES.iter().map(|language| language.name).collect();
            let message = format!("the text search configuration \"{plain}\" works only on PostgreSQL");
            DatabaseError::new("0A000", message).hint(format!("There are {}.", names.join(", ")))
        })
    }

    fn known(name: &str) -> Option<Self> {
        LANGUAGES.iter().find(|language| language.name == name).map(Self)
    }

    fn name(self) -> &'static str {
        self.0.name
    }

    /// The lexeme that a word becomes; `None` when it is too common to be searched for.
    fn lexeme(self, word: &str, dictionary: Dictionary) -> Option<String> {
        match dictionary {
            Dictionary::Words => self.0.lexeme(word),
            Dictionary::Verbatim => Some(lower(word)),
        }
    }

    /// The lexemes of `text` with their positions from `position` on, which becomes that of the last word; words that
    /// are left out count as well.
    fn lexemes(self, text: &str, position: &mut usize) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        for Token { text, dictionary } in tokens(text) {
            if text.len() > LONGEST_WORD {
                continue;
            }
            *position += 1;
            if let Some(lexeme) = self.lexeme(text, dictionary) {
                found.push((lexeme, *position));
            }
        }
        found
    }

    /// `to_tsvector(configuration, text)`
    ///
    /// # Errors
    /// When there are more words than a vector holds.
    pub fn vector(self, text: &str) -> Result<TsVector, DatabaseError> {
        TsVector::of(self.lexemes(text, &mut 0))
    }

    /// `to_tsvector(configuration, json)`: the strings in it, in their order. A phrase does not reach from one into
    /// the next.
    ///
    /// # Errors
    /// As for [`Self::vector`].
    pub fn vector_of_json(self, json: &serde_json::Value) -> Result<TsVector, DatabaseError> {
        let mut found = Vec::new();
        let mut position = 0;
        self.collect(json, &mut position, &mut found);
        TsVector::of(found)
    }

    fn collect(self, json: &serde_json::Value, position: &mut usize, found: &mut Vec<(String, usize)>) {
        match json {
            serde_json::Value::String(text) => {
                let lexemes = self.lexemes(text, position);
                *position += usize::from(!lexemes.is_empty());
                found.extend(lexemes);
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.collect(item, position, found)),
            serde_json::Value::Object(members) => {
                members.values().for_each(|member| self.collect(member, position, found));
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
