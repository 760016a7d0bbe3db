//! The words that dates and times may contain: months, weekdays, eras, special moments, zone abbreviations.

/// What a word in a date or time says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Month(i64),
    Weekday,
    Special(Special),
    Named(Named),
    /// `at`, `on`
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Am,
    Pm,
    Ad,
    Bc,
    Julian,
    /// The `T` between an ISO 8601 date and time.
    IsoTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Now,
    Today,
    Tomorrow,
    Yesterday,
    /// `allballs`: 00:00 UTC.
    Midnight,
    Epoch,
    Infinity,
    NegativeInfinity,
}

impl Special {
    /// Whether it is a whole timestamp that no other field may add to.
    pub(crate) fn is_fixed(self) -> bool {
        match self {
            Self::Epoch | Self::Infinity | Self::NegativeInfinity => true,
            Self::Now | Self::Today | Self::Tomorrow | Self::Yesterday | Self::Midnight => false,
        }
    }
}

/// The meaning of a word in lower case.
pub(crate) fn word(text: &str) -> Option<Word> {
    Some(match text {
        "jan" | "january" => Word::Month(1),
        "feb" | "february" => Word::Month(2),
        "mar" | "march" => Word::Month(3),
        "apr" | "april" => Word::Month(4),
        "may" => Word::Month(5),
        "jun" | "june" => Word::Month(6),
        "jul" | "july" => Word::Month(7),
        "aug" | "august" => Word::Month(8),
        "sep" | "sept" | "september" => Word::Month(9),
        "oct" | "october" => Word::Month(10),
        "nov" | "november" => Word::Month(11),
        "dec" | "december" => Word::Month(12),
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "thu"
        | "thur" | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" => Word::Weekday,
        "now" => Word::Special(Special::Now),
        "today" => Word::Special(Special::Today),
        "tomorrow" => Word::Special(Special::Tomorrow),
        "yesterday" => Word::Special(Special::Yesterday),
        "allballs" => Word::Special(Special::Midnight),
        "epoch" => Word::Special(Special::Epoch),
        "infinity" => Word::Special(Special::Infinity),
        "-infinity" => Word::Special(Special::NegativeInfinity),
        "am" => Word::Named(Named::Am),
        "pm" => Word::Named(Named::Pm),
        "ad" => Word::Named(Named::Ad),
        "bc" => Word::Named(Named::Bc),
        "j" | "jd" | "julian" => Word::Named(Named::Julian),
        "t" => Word::Named(Named::IsoTime),
        "at" | "on" => Word::Ignored,
        _ => return None,
    })
}

/// Seconds east of UTC of a zone's abbreviation, from PostgreSQL's default set.
pub(crate) fn abbreviation(text: &str) -> Option<i64> {
    ABBREVIATIONS.iter().find(|(name, _)| *name == text).map(|(_, minutes)| minutes * 60)
}

/// Minutes east of UTC.
const ABBREVIATIONS: &[(&str, i64)] = &[
    ("acdt", 630),
    ("acst", 570),
    ("adt", -180),
    ("aedt", 660),
    ("aest", 600),
    ("akdt", -480),
    ("akst", -540),
    ("ast", -240),
    ("awst", 480),
    ("bst", 60),
    ("cdt", -300),
    ("cest", 120),
    ("cet", 60),
    ("cst", -360),
    ("edt", -240),
    ("eest", 180),
    ("eet", 120),
    ("est", -300),
    ("gmt", 0),
    ("hkt", 480),
    ("hst", -600),
    ("idt", 180),
    ("ist", 120),
    ("jst", 540),
    ("kst", 540),
    ("mdt", -360),
    ("mest", 120),
    ("met", 60),
    ("msk", 180),
    ("mst", -420),
    ("ndt", -150),
    ("nst", -210),
    ("nzdt", 780),
    ("nzst", 720),
    ("pdt", -420),
    ("pht", 480),
    ("pkt", 300),
    ("pst", -480),
    ("sast", 120),
    ("sgt", 480),
    ("ut", 0),
    ("utc", 0),
    ("uct", 0),
    ("west", 60),
    ("wet", 0),
    ("z", 0),
    ("zulu", 0),
];
