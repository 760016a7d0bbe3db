//! Full-text filters: `fts(english).cat&dog` becomes `to_tsvector('english', column) @@ to_tsquery('english', …)`.

use crate::error::DatabaseError;
use crate::expr::Expr;
use crate::query::Operator;
use crate::value::search::{Configuration, QueryForm, TSQUERY, TSVECTOR};
use crate::value::{Type, Value};

use super::Planner;
use super::faults::Told;

impl Planner<'_> {
    /// Whether the words of `expr` are what `text` asks for.
    pub(super) fn search(&self, expr: Expr, operator: Operator, language: Option<&str>, text: &str) -> Expr {
        let form = form_of(operator);
        let with_language = |argument: Expr| match language {
            Some(language) => vec![self.language(language), argument],
            None => vec![argument],
        };
        let vector = if is_vector(&expr.ty()) {
            expr
        } else {
            self.note(check_searchable(&expr.ty(), language.is_some()));
            Expr::call("to_tsvector", with_language(expr), Type::Other(TSVECTOR.into()))
        };
        let query = if self.capabilities.reads_literals {
            let text = Expr::Literal { text: text.to_owned() };
            Expr::call(form.function(), with_language(text), Type::Other(TSQUERY.into()))
        } else {
            self.search_query(form, language, text)
        };
        Expr::call("@@", vec![vector, query], Type::Bool)
    }

    fn language(&self, language: &str) -> Expr {
        if self.capabilities.reads_literals {
            // Bare numbers and `-` would be internal ids to PostgreSQL, and an id that is none an internal error.
            let is_id = language == "-" || language.bytes().all(|byte| byte.is_ascii_digit());
            let text = if is_id && !language.is_empty() { format!("\"{language}\"") } else { language.to_owned() };
            Expr::Literal { text }
        } else {
            Expr::value(Value::text(language), Type::Text)
        }
    }

    /// What is searched for, read now: PostgreSQL tells a fault in it even when there is no row.
    fn search_query(&self, form: QueryForm, language: Option<&str>, text: &str) -> Expr {
        let configuration = language.map_or(Ok(Configuration::default()), Configuration::named);
        let value = match configuration {
            Ok(configuration) => match form.read(configuration, text) {
                Ok(query) => Value::text(query.to_string()),
                Err(fault) => {
                    self.faults.keep(Told::Folding, fault);
                    Value::Null
                }
            },
            Err(fault) => {
                self.literal_fault.borrow_mut().get_or_insert(fault);
                Value::Null
            }
        };
        Expr::value(value, Type::Other(TSQUERY.into()))
    }
}

fn check_searchable(ty: &Type, with_language: bool) -> Result<(), DatabaseError> {
    if ty.is_text() || ty.is_json() {
        return Ok(());
    }
    let before = if with_language { "unknown, " } else { "" };
    let message = format!("function to_tsvector({before}{}) does not exist", ty.sql_name());
    let hint = "No function matches the given name and argument types. You might need to add explicit type casts.";
    Err(DatabaseError::new("42883", message).hint(hint))
}

fn is_vector(ty: &Type) -> bool {
    matches!(ty.base(), Type::Other(name) if **name == *TSVECTOR)
}

fn form_of(operator: Operator) -> QueryForm {
    match operator {
        Operator::PlainText => QueryForm::Plain,
        Operator::PhraseText => QueryForm::Phrase,
        Operator::WebText => QueryForm::Web,
        // The grammar gives a search to none but these and `fts`.
        Operator::FullText
        | Operator::Adjacent
        | Operator::ContainedBy
        | Operator::Contains
        | Operator::Equal
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::ILike
        | Operator::IMatch
        | Operator::In
        | Operator::Is
        | Operator::IsDistinct
        | Operator::Like
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Match
        | Operator::NotEqual
        | Operator::NotLeftOf
        | Operator::NotRightOf
        | Operator::Overlaps
        | Operator::LeftOf
        | Operator::RightOf => QueryForm::Standard,
    }
}
