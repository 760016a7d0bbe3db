//! The text search configurations that PostgreSQL has by itself: how the words of each become lexemes, with Snowball's
//! stemmers and PostgreSQL's stop words.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

/// PostgreSQL takes longer words for no language's.
const LONGEST_STEMMED: usize = 1000;

/// A configuration: two dictionaries, for words of ASCII letters and for others.
#[derive(Debug)]
pub(super) struct Language {
    pub(super) name: &'static str,
    ascii: Option<&'static Snowball>,
    other: Option<&'static Snowball>,
}

#[derive(Debug)]
struct Snowball {
    stemmer: Algorithm,
    stop: &'static str,
}

macro_rules! snowball {
    ($name:ident, $stem:expr) => {
        snowball!($name, $stem, "");
    };
    ($name:ident, $stem:expr, $stop:expr) => {
        static $name: Snowball = Snowball { stemmer: $stem, stop: $stop };
    };
}

snowball!(ARABIC, Algorithm::Arabic);
snowball!(DANISH, Algorithm::Danish, include_str!("stop/danish.stop"));
snowball!(DUTCH, Algorithm::Dutch, include_str!("stop/dutch.stop"));
snowball!(ENGLISH, Algorithm::English, include_str!("stop/english.stop"));
snowball!(FINNISH, Algorithm::Finnish, include_str!("stop/finnish.stop"));
snowball!(FRENCH, Algorithm::French, include_str!("stop/french.stop"));
snowball!(GERMAN, Algorithm::German, include_str!("stop/german.stop"));
snowball!(GREEK, Algorithm::Greek);
snowball!(HUNGARIAN, Algorithm::Hungarian, include_str!("stop/hungarian.stop"));
snowball!(ITALIAN, Algorithm::Italian, include_str!("stop/italian.stop"));
snowball!(NORWEGIAN, Algorithm::Norwegian, include_str!("stop/norwegian.stop"));
snowball!(PORTUGUESE, Algorithm::Portuguese, include_str!("stop/portuguese.stop"));
snowball!(ROMANIAN, Algorithm::Romanian);
snowball!(RUSSIAN, Algorithm::Russian, include_str!("stop/russian.stop"));
snowball!(SPANISH, Algorithm::Spanish, include_str!("stop/spanish.stop"));
snowball!(SWEDISH, Algorithm::Swedish, include_str!("stop/swedish.stop"));
snowball!(TAMIL, Algorithm::Tamil);
snowball!(TURKISH, Algorithm::Turkish, include_str!("stop/turkish.stop"));

const fn of(name: &'static str, snowball: &'static Snowball) -> Language {
    Language { name, ascii: Some(snowball), other: Some(snowball) }
}

/// PostgreSQL's further ones, for which there is no stemmer here; sorted.
pub(super) const ONLY_POSTGRES: &[&str] =
    &["armenian", "basque", "catalan", "hindi", "indonesian", "irish", "lithuanian", "nepali", "serbian", "yiddish"];

/// Sorted by name.
pub(super) static LANGUAGES: &[Language] = &[
    of("arabic", &ARABIC),
    of("danish", &DANISH),
    of("dutch", &DUTCH),
    of("english", &ENGLISH),
    of("finnish", &FINNISH),
    of("french", &FRENCH),
    of("german", &GERMAN),
    of("greek", &GREEK),
    of("hungarian", &HUNGARIAN),
    of("italian", &ITALIAN),
    of("norwegian", &NORWEGIAN),
    of("portuguese", &PORTUGUESE),
    of("romanian", &ROMANIAN),
    // Words of ASCII letters in it are taken for English ones.
    Language { name: "russian", ascii: Some(&ENGLISH), other: Some(&RUSSIAN) },
    Language { name: "simple", ascii: None, other: None },
    of("spanish", &SPANISH),
    of("swedish", &SWEDISH),
    of("tamil", &TAMIL),
    of("turkish", &TURKISH),
];

static STOP_WORDS: LazyLock<HashMap<&str, HashSet<&str>>> = LazyLock::new(|| {
    let words = |list: &'static str| list.lines().map(str::trim).filter(|word| !word.is_empty()).collect();
    let lists = LANGUAGES.iter().flat_map(|language| [language.ascii, language.other]).flatten();
    lists.map(|snowball| (snowball.stop, words(snowball.stop))).collect()
});

impl Language {
    /// The lexeme that a word becomes; `None` when it is too common to be searched for.
    pub(super) fn lexeme(&self, word: &str) -> Option<String> {
        let lower = lower(word);
        let dictionary = if word.is_ascii() { self.ascii } else { self.other };
        match dictionary {
            Some(_) if word.len() > LONGEST_STEMMED => Some(lower),
            Some(snowball) => snowball.lexeme(lower),
            None => Some(lower),
        }
    }
}

impl Snowball {
    fn lexeme(&self, lower: String) -> Option<String> {
        if STOP_WORDS.get(self.stop).is_some_and(|words| words.contains(lower.as_str())) {
            return None;
        }
        let stem = Stemmer::create(self.stemmer).stem(&lower).into_owned();
        Some(if stem.is_empty() { lower } else { stem })
    }
}

/// As PostgreSQL makes letters small, each by itself: `Σ` at the end of a word is no exception, and `İ` one letter.
pub(super) fn lower(word: &str) -> String {
    word.chars().filter_map(|c| c.to_lowercase().next()).collect()
}
