//! `raise` and `assert`: the error that a body makes.

use roadbed_plan::procedure::{Raise, RaiseOption};
use roadbed_plan::schema::read_plpgsql::code_of;
use roadbed_plan::{DatabaseError, EngineError};

use super::run::Run;

/// What `raise` without a condition means.
const RAISED: &str = "P0001";

impl Run<'_, '_> {
    /// The error that a `raise` makes; `None` where it only tells something.
    pub(super) fn raised(&mut self, raise: &Raise) -> Result<Option<DatabaseError>, EngineError> {
        if raise.again {
            let error = self.caught.clone().unwrap_or_else(|| {
                DatabaseError::new("0Z002", "RAISE without parameters cannot be used outside an exception handler")
            });
            return Ok(Some(error));
        }
        let mut code = raise.condition.as_deref().and_then(code_of).map(str::to_owned);
        let mut message = match &raise.format {
            Some(format) => Some(self.formatted(format, raise)?),
            None => None,
        };
        let (mut details, mut hint) = (None, None);
        for (option, value) in &raise.options {
            let ty = value.expr.ty();
            let value = self.value(value)?;
            if value.is_null() {
                return Err(DatabaseError::new("22004", "RAISE statement option cannot be null").into());
            }
            let text = roadbed_plan::value::to_text(&value, &ty);
            match option {
                RaiseOption::ErrorCode => {
                    let unknown =
                        || DatabaseError::new("42704", format!("unrecognized exception condition \"{text}\""));
                    code = Some(code_of(&text).ok_or_else(unknown)?.to_owned());
                }
                RaiseOption::Message => message = Some(text),
                RaiseOption::Detail => details = Some(text),
                RaiseOption::Hint => hint = Some(text),
                RaiseOption::Other => {}
            }
        }
        if !raise.fails {
            return Ok(None);
        }
        let code = code.unwrap_or_else(|| RAISED.to_owned());
        let message = message.or_else(|| raise.condition.clone()).unwrap_or_else(|| code.clone());
        let mut error = DatabaseError::new(code, message);
        error.details = details;
        error.hint = hint;
        Ok(Some(error))
    }

    /// The format with its `%` replaced, `%%` standing for one.
    fn formatted(&mut self, format: &str, raise: &Raise) -> Result<String, EngineError> {
        let mut text = String::new();
        let mut args = raise.args.iter();
        let mut characters = format.chars().peekable();
        while let Some(character) = characters.next() {
            if character != '%' {
                text.push(character);
            } else if characters.peek() == Some(&'%') {
                characters.next();
                text.push('%');
            } else if let Some(arg) = args.next() {
                let value = self.value(arg)?;
                let shown = if value.is_null() {
                    "<NULL>".to_owned()
                } else {
                    roadbed_plan::value::to_text(&value, &arg.expr.ty())
                };
                text.push_str(&shown);
            }
        }
        Ok(text)
    }
}
