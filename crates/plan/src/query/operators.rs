//! The list of filter operators. A new one is a line here plus the matches that the compiler then asks for.

macro_rules! operators {
    ($($variant:ident $name:literal $symbol:literal,)*) => {
        /// A filter operator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operator { $($variant,)* }

        impl Operator {
            /// Every operator, sorted by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// PostgreSQL's symbol or keyword for it.
            pub fn symbol(self) -> &'static str {
                match self { $(Self::$variant => $symbol,)* }
            }
        }
    };
}

operators! {
    Adjacent "adj" "-|-",
    ContainedBy "cd" "<@",
    Contains "cs" "@>",
    Equal "eq" "=",
    FullText "fts" "@@",
    Greater "gt" ">",
    GreaterOrEqual "gte" ">=",
    ILike "ilike" "~~*",
    IMatch "imatch" "~*",
    In "in" "in",
    Is "is" "is",
    IsDistinct "isdistinct" "is distinct from",
    Like "like" "~~",
    Less "lt" "<",
    LessOrEqual "lte" "<=",
    Match "match" "~",
    NotEqual "neq" "<>",
    NotLeftOf "nxl" "&>",
    NotRightOf "nxr" "&<",
    Overlaps "ov" "&&",
    PhraseText "phfts" "@@",
    PlainText "plfts" "@@",
    LeftOf "sl" "<<",
    RightOf "sr" ">>",
    WebText "wfts" "@@",
}

impl Operator {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operator| operator.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Operator;

    #[test]
    fn the_list_is_sorted_and_each_name_is_found() {
        assert!(Operator::ALL.is_sorted_by(|a, b| a.name() < b.name()));
        for operator in Operator::ALL {
            assert_eq!(Operator::from_name(operator.name()), Some(*operator));
        }
    }
}
