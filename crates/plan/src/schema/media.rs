//! Media types that functions of the database make: aggregates over rows, and functions whose result has a type that is
//! named like a media type, such as `create domain "image/png" as bytea`.

use crate::schema::{Function, FunctionResult, Schema};
use crate::terms::RowForm;
use crate::value::Type;

/// The media type that stands for all of them.
pub const ANY: &str = "*/*";

/// A media type, and what makes it of the rows of a relation, or of any rows.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaHandler {
    /// `text/html`; [`ANY`] stands for every type.
    pub media: String,
    /// The schema and name of the relation that it is for.
    pub relation: Option<(String, String)>,
    pub form: RowForm,
}

/// What the database makes of one target's rows: media types and forms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Handlers {
    /// Made for just this relation or function.
    pub own: Vec<(String, RowForm)>,
    /// Made for any rows.
    pub general: Vec<(String, RowForm)>,
}

impl Schema {
    /// What there is for rows of this relation, of the handlers in `exposed` schemas.
    pub fn media_handlers_of(&self, (schema, name): (&str, &str), exposed: &[String]) -> Handlers {
        let is_offered = |handler: &&MediaHandler| match &handler.form {
            RowForm::Handled(function) => exposed.contains(&function.schema),
            RowForm::Json | RowForm::Csv | RowForm::GeoJson(_) | RowForm::Bare => true,
        };
        let mut handlers = Handlers::default();
        for MediaHandler { media, relation, form } in self.media_handlers.iter().filter(is_offered) {
            let handler = (media.clone(), form.clone());
            match relation {
                None => handlers.general.push(handler),
                Some((of, relation)) if of == schema && relation == name => handlers.own.push(handler),
                Some(_) => {}
            }
        }
        handlers
    }

    /// What there is for what `function` gives.
    pub fn media_handlers_of_function(&self, function: &Function, exposed: &[String]) -> Handlers {
        let of_relation = |(schema, name)| self.media_handlers_of((schema, name), exposed);
        let mut handlers = match self.relations.get(&function.row) {
            Some(relation) => of_relation((&relation.schema, &relation.name)),
            None => of_relation((&function.schema, &function.name)),
        };
        if let (FunctionResult::Value, false, Type::Domain(domain)) =
            (function.result, function.returns_set, &function.returns)
            && is_media_type(&domain.name)
        {
            handlers.own.push((domain.name.to_ascii_lowercase(), RowForm::Bare));
        }
        handlers
    }
}

/// Whether the name of a type is that of a media type.
pub fn is_media_type(name: &str) -> bool {
    let is_token = |part: &str, more: &[u8]| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte) || more.contains(&byte))
    };
    let named = name.split_once('/').is_some_and(|(kind, rest)| is_token(kind, b"") && is_token(rest, b"+"));
    named || name == ANY
}

#[cfg(test)]
mod tests {
    use super::is_media_type;

    #[test]
    fn names_of_media_types() {
        for (name, is) in [
            ("image/png", true),
            ("application/vnd.geo+json", true),
            ("*/*", true),
            ("text/*", false),
            ("a+b/c", false),
            ("a/b/c", false),
            ("/png", false),
            ("email", false),
        ] {
            assert_eq!(is_media_type(name), is, "{name}");
        }
    }
}
