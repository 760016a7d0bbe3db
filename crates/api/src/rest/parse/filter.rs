//! Filters: `column=operator.operand`, and the trees of `and=(…)` and `or=(…)`.

use roadbed_plan::query::{Field, Filter, IsOperand, Operand, Operator};

use super::super::error::RestError;
use super::field::{delimiter, field, identifier, name, quoted, tree_path};
use super::reader::{Parsed, Reader, read};

/// A filter and the embeds that it is inside of.
pub(super) type Placed = (Vec<String>, Filter);

/// `actors.age=gt.5`
pub(super) fn test(key: &str, value: &str) -> Result<Placed, RestError> {
    let (path, field) = read("tree path", key, tree_path)?;
    let filter = read("filter", value, |reader| Ok(operation(reader, single)?.on(field.clone())))?;
    Ok((path, filter))
}

/// Whether the value of a parameter begins with an operator, so that it is a filter and no argument.
pub(super) fn is_test(value: &str) -> bool {
    read("filter", value, |reader| operation(reader, single).map(drop)).is_ok()
}

/// `actors.not.or=(age.gt.5,name.is.null)`
pub(super) fn logic(key: &str, value: &str) -> Result<Placed, RestError> {
    let names = read("logic path", key, |reader| reader.separated(name, |reader| delimiter(reader)))?;
    let operator = names.last().map(String::as_str).unwrap_or_default();
    let negation = if names.iter().any(|name| name == "not") { "not." } else { "" };
    let path = names[..names.len().saturating_sub(1)].iter().filter(|name| *name != "not").cloned().collect();
    // Messages name the value alone, but count columns from the operator on.
    let whole = format!("{negation}{operator}{value}");
    let filter = read("logic tree", &whole, tree).map_err(|error| match error {
        RestError::Syntax { message, details } => {
            RestError::Syntax { message: message.replacen(&whole, value, 1), details }
        }
        other => other,
    })?;
    Ok((path, filter))
}

/// Everything of a filter but its column.
struct Test {
    negated: bool,
    operator: Operator,
    operand: Operand,
}

impl Test {
    fn on(self, field: Field) -> Filter {
        let test = Filter::Test { field, operator: self.operator, operand: self.operand };
        if self.negated { Filter::Not(Box::new(test)) } else { test }
    }
}

type Value = for<'r, 'a> fn(&'r mut Reader<'a>) -> Parsed<String>;

fn tree(reader: &mut Reader<'_>) -> Parsed<Filter> {
    reader.either(
        |reader| {
            reader.attempt(|reader| {
                let field = field(reader)?;
                delimiter(reader)?;
                Ok(operation(reader, single_in_list)?.on(field))
            })
        },
        branch,
    )
}

fn branch(reader: &mut Reader<'_>) -> Parsed<Filter> {
    let negated = reader.labelled("negation operator (not)", negation)?;
    let all = reader.labelled("logic operator (and, or)", |reader| {
        reader.either(
            |reader| reader.attempt(|reader| reader.text("and").map(|()| true)),
            |reader| reader.text("or").map(|()| false),
        )
    })?;
    reader.lexeme(|reader| reader.text("("))?;
    let filters = reader.deeper(|reader| reader.separated(tree, |reader| reader.lexeme(|reader| reader.text(","))))?;
    reader.lexeme(|reader| reader.text(")"))?;
    let filter = if all { Filter::All(filters) } else { Filter::Any(filters) };
    Ok(if negated { Filter::Not(Box::new(filter)) } else { filter })
}

fn negation(reader: &mut Reader<'_>) -> Parsed<bool> {
    let not = |reader: &mut Reader<'_>| {
        reader.text("not")?;
        delimiter(reader)
    };
    Ok(reader.optional(|reader| reader.attempt(not))?.is_some())
}

fn operation(reader: &mut Reader<'_>, value: Value) -> Parsed<Test> {
    let negated = negation(reader)?;
    let (operator, operand) = reader.labelled("operator (eq, gt, ...)", |reader| {
        reader.either(in_list, |reader| {
            reader.either(is, |reader| {
                reader.either(
                    |reader| distinct(reader, value),
                    |reader| {
                        reader.either(
                            |reader| reader.attempt(|reader| full_text(reader, value)),
                            |reader| {
                                reader.either(
                                    |reader| reader.attempt(|reader| simple(reader, value)),
                                    |reader| reader.attempt(|reader| quantifiable(reader, value)),
                                )
                            },
                        )
                    },
                )
            })
        })
    })?;
    Ok(Test { negated, operator, operand })
}

fn in_list(reader: &mut Reader<'_>) -> Parsed<(Operator, Operand)> {
    keyword(reader, "in")?;
    reader.lexeme(|reader| reader.text("("))?;
    let mut list = reader.separated(element, |reader| reader.text(","))?;
    reader.lexeme(|reader| reader.text(")"))?;
    if let [only] = list.as_slice()
        && only.is_empty()
    {
        // `in.()` asks for nothing, not for the empty text.
        list.clear();
    }
    Ok((Operator::In, Operand::List(list)))
}

fn is(reader: &mut Reader<'_>) -> Parsed<(Operator, Operand)> {
    const WORDS: [(&str, IsOperand); 5] = [
        ("null", IsOperand::Null),
        ("not_null", IsOperand::NotNull),
        ("true", IsOperand::True),
        ("false", IsOperand::False),
        ("unknown", IsOperand::Unknown),
    ];
    keyword(reader, "is")?;
    let operand = reader.labelled("isVal: (null, not_null, true, false, unknown)", |reader| one_of(reader, &WORDS))?;
    Ok((Operator::Is, Operand::Is(operand)))
}

fn one_of(reader: &mut Reader<'_>, words: &'static [(&'static str, IsOperand)]) -> Parsed<IsOperand> {
    let Some(((word, meaning), others)) = words.split_first() else {
        return Ok(IsOperand::Null);
    };
    let this = |reader: &mut Reader<'_>| {
        reader.attempt(|reader| {
            for wanted in word.chars() {
                reader.character(Some(word), |c| c.eq_ignore_ascii_case(&wanted))?;
            }
            Ok(*meaning)
        })
    };
    if others.is_empty() { this(reader) } else { reader.either(this, |reader| one_of(reader, others)) }
}

fn distinct(reader: &mut Reader<'_>, value: Value) -> Parsed<(Operator, Operand)> {
    keyword(reader, "isdistinct")?;
    Ok((Operator::IsDistinct, Operand::Text(value(reader)?)))
}

/// `name.`
fn keyword(reader: &mut Reader<'_>, name: &'static str) -> Parsed<()> {
    reader.attempt(|reader| {
        reader.text(name)?;
        delimiter(reader)
    })
}

/// `fts(english)`
fn full_text(reader: &mut Reader<'_>, value: Value) -> Parsed<(Operator, Operand)> {
    const WORDS: [(&str, Operator); 4] = [
        ("fts", Operator::FullText),
        ("plfts", Operator::PlainText),
        ("phfts", Operator::PhraseText),
        ("wfts", Operator::WebText),
    ];
    let operator = operator_named(reader, &WORDS)?;
    let language = reader.optional(|reader| {
        reader.attempt(|reader| {
            reader.text("(")?;
            let language = identifier(reader)?;
            reader.text(")")?;
            Ok(language)
        })
    })?;
    delimiter(reader)?;
    Ok((operator, Operand::Search { language, text: value(reader)? }))
}

/// Operators that take a value and no quantifier.
fn simple(reader: &mut Reader<'_>, value: Value) -> Parsed<(Operator, Operand)> {
    const WORDS: [(&str, Operator); 9] = [
        ("neq", Operator::NotEqual),
        ("cs", Operator::Contains),
        ("cd", Operator::ContainedBy),
        ("ov", Operator::Overlaps),
        ("sl", Operator::LeftOf),
        ("sr", Operator::RightOf),
        ("nxr", Operator::NotRightOf),
        ("nxl", Operator::NotLeftOf),
        ("adj", Operator::Adjacent),
    ];
    let operator = operator_named(reader, &WORDS)?;
    delimiter(reader)?;
    Ok((operator, Operand::Text(value(reader)?)))
}

fn operator_named(reader: &mut Reader<'_>, words: &'static [(&'static str, Operator)]) -> Parsed<Operator> {
    let ((word, operator), others) = words.split_first().expect("lists of words are not empty");
    let this = |reader: &mut Reader<'_>| reader.attempt(|reader| reader.text(word).map(|()| *operator));
    if others.is_empty() { this(reader) } else { reader.either(this, |reader| operator_named(reader, others)) }
}

fn quantifiable(reader: &mut Reader<'_>, value: Value) -> Parsed<(Operator, Operand)> {
    let name = word(reader, &["eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch"])?;
    let operator = Operator::from_name(name).unwrap_or(Operator::Equal);
    let all = reader.optional(|reader| {
        reader.attempt(|reader| {
            reader.text("(")?;
            let word = word(reader, &["any", "all"])?;
            reader.text(")")?;
            Ok(word == "all")
        })
    })?;
    delimiter(reader)?;
    let mut text = value(reader)?;
    if matches!(operator, Operator::Like | Operator::ILike) {
        // Who writes addresses by hand is spared the escape that `%` needs.
        text = text.replace('*', "%");
    }
    let operand = match all {
        None => Operand::Text(text),
        Some(all) => Operand::Quantified { all, array: text },
    };
    Ok((operator, operand))
}

fn word(reader: &mut Reader<'_>, words: &'static [&'static str]) -> Parsed<&'static str> {
    let (word, others) = words.split_first().expect("lists of words are not empty");
    let this = |reader: &mut Reader<'_>| reader.attempt(|reader| reader.text(word).map(|()| *word));
    if others.is_empty() { this(reader) } else { reader.either(this, |reader| self::word(reader, others)) }
}

/// The operand of a parameter of its own: all of it.
fn single(reader: &mut Reader<'_>) -> Parsed<String> {
    Ok(reader.rest().to_owned())
}

/// The operand inside of `and=(…)`: quoted, an array literal, or up to the next comma or parenthesis.
fn single_in_list(reader: &mut Reader<'_>) -> Parsed<String> {
    reader.either(
        |reader| reader.attempt(quoted_element),
        |reader| reader.either(|reader| reader.attempt(array_literal), bare_element),
    )
}

fn array_literal(reader: &mut Reader<'_>) -> Parsed<String> {
    reader.text("{")?;
    let inside = reader.while_(|c| c != '{' && c != '}')?;
    reader.text("}")?;
    Ok(format!("{{{inside}}}"))
}

fn element(reader: &mut Reader<'_>) -> Parsed<String> {
    reader.either(|reader| reader.attempt(quoted_element), bare_element)
}

fn quoted_element(reader: &mut Reader<'_>) -> Parsed<String> {
    let value = quoted(reader)?;
    reader.none_ahead(None, |c| c != ',' && c != ')')?;
    Ok(value)
}

fn bare_element(reader: &mut Reader<'_>) -> Parsed<String> {
    Ok(reader.while_(|c| c != ',' && c != ')')?.to_owned())
}
