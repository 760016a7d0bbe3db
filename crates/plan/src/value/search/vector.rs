//! `tsvector`: lexemes in byte order, each with where it stands.

use std::collections::BTreeMap;
use std::fmt;

use super::read_query::{Reader, Word};
use crate::error::DatabaseError;

/// Positions beyond are taken for the last one.
const LAST_POSITION: usize = 16_383;
const MOST_POSITIONS: usize = 256;
const MOST_BYTES: usize = (1 << 20) - 1;

/// A place of a lexeme and its weight: 3 for `A` to 0 for `D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) position: u16,
    pub(super) weight: u8,
}

/// What a text has to be found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TsVector {
    pub(super) lexemes: BTreeMap<String, Vec<Place>>,
}

impl TsVector {
    pub(super) fn of(found: Vec<(String, usize)>) -> Result<Self, DatabaseError> {
        let mut vector = Self::default();
        for (lexeme, position) in found {
            let position = u16::try_from(position.min(LAST_POSITION)).unwrap_or(u16::MAX);
            vector.add(lexeme, Some(Place { position, weight: 0 }));
        }
        vector.check_size()
    }

    fn add(&mut self, lexeme: String, place: Option<Place>) {
        let places = self.lexemes.entry(lexeme).or_default();
        if let Some(place) = place
            && places.len() < MOST_POSITIONS
        {
            match places.iter_mut().find(|known| known.position == place.position) {
                Some(known) => known.weight = known.weight.max(place.weight),
                None => places.push(place),
            }
        }
    }

    fn check_size(self) -> Result<Self, DatabaseError> {
        let of = |(lexeme, places): (&String, &Vec<Place>)| match places.len() {
            0 => lexeme.len(),
            count => lexeme.len().next_multiple_of(2) + 2 + 2 * count,
        };
        let bytes: usize = self.lexemes.iter().map(of).sum();
        if bytes <= MOST_BYTES {
            return Ok(self);
        }
        let message = format!("string is too long for tsvector ({bytes} bytes, max {MOST_BYTES} bytes)");
        Err(DatabaseError::new("54000", message))
    }

    /// Reads PostgreSQL's form: `'cat':3 'dog':1,2A`.
    ///
    /// # Errors
    /// When it is not that.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        let fault = || DatabaseError::new("42601", format!("syntax error in tsvector: \"{text}\""));
        let mut reader = Reader::new(text);
        let mut vector = Self::default();
        loop {
            reader.skip_space();
            if reader.is_done() {
                break;
            }
            let Word { text: lexeme, .. } = reader.lexeme(false).ok_or_else(fault)?;
            if lexeme.len() > super::LONGEST_WORD {
                let message = format!("word is too long ({} bytes, max {} bytes)", lexeme.len(), super::LONGEST_WORD);
                return Err(DatabaseError::new("54000", message));
            }
            let places = reader.places().ok_or_else(fault)?;
            if places.is_empty() {
                vector.add(lexeme, None);
                continue;
            }
            for (position, weight) in places {
                if position == 0 {
                    let message = format!("wrong position info in tsvector: \"{text}\"");
                    return Err(DatabaseError::new("42601", message));
                }
                let position = u16::try_from(position.min(LAST_POSITION)).unwrap_or(u16::MAX);
                vector.add(lexeme.clone(), Some(Place { position, weight }));
            }
        }
        vector.lexemes.values_mut().for_each(|places| places.sort());
        vector.check_size()
    }

    /// `left || right`: what is in the right one stands behind the left one.
    #[must_use]
    pub fn concatenated(mut self, right: &Self) -> Self {
        let last = self.lexemes.values().flatten().map(|place| place.position).max().unwrap_or(0);
        for (lexeme, places) in &right.lexemes {
            self.lexemes.entry(lexeme.clone()).or_default();
            for place in places {
                let position = (usize::from(place.position) + usize::from(last)).min(LAST_POSITION);
                let position = u16::try_from(position).unwrap_or(u16::MAX);
                self.add(lexeme.clone(), Some(Place { position, weight: place.weight }));
            }
        }
        self
    }

    /// `setweight(vector, 'A')`; `weight` is 3 for `A` to 0 for `D`.
    #[must_use]
    pub fn weighted(mut self, weight: u8) -> Self {
        self.lexemes.values_mut().flatten().for_each(|place| place.weight = weight);
        self
    }

    /// The same without positions.
    #[must_use]
    pub fn stripped(mut self) -> Self {
        self.lexemes.values_mut().for_each(Vec::clear);
        self
    }

    /// How many lexemes there are.
    pub fn len(&self) -> usize {
        self.lexemes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lexemes.is_empty()
    }
}

impl fmt::Display for TsVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (lexeme, places)) in self.lexemes.iter().enumerate() {
            f.write_str(if index > 0 { " " } else { "" })?;
            write!(f, "'{}'", lexeme.replace('\\', "\\\\").replace('\'', "''"))?;
            for (index, place) in places.iter().enumerate() {
                let weight = ["", "C", "B", "A"][usize::from(place.weight.min(3))];
                write!(f, "{}{}{weight}", if index > 0 { "," } else { ":" }, place.position)?;
            }
        }
        Ok(())
    }
}
