//! Which form the answer takes, by the `Accept` header; and which form the body has.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use roadbed_plan::schema::{ANY_MEDIA, Handlers};
use roadbed_plan::terms::{Explain, ExplainFormat, ExplainOption, RowForm};

use super::super::error::RestError;

/// The form of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Media {
    /// An array of objects.
    Json(Nulls),
    /// The one row as an object.
    Object(Nulls),
    Csv,
    /// How the rows would be found, if they were asked for in the form `of`.
    Plan {
        of: Box<Media>,
        explain: Explain,
    },
    /// What the database makes: whole, and of a type that it has a function for.
    Handled {
        content_type: String,
        form: RowForm,
    },
}

/// What becomes of keys whose value is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Nulls {
    Kept,
    Stripped,
}

/// What is offered beside the forms that there always are.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Offer {
    pub(in super::super) plans: PlanOffer,
    /// What the database makes of the rows.
    pub(in super::super) handlers: Handlers,
}

/// Whether and how plans are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum PlanOffer {
    #[default]
    None,
    /// As text.
    Text,
    TextAndJson,
}

impl Media {
    pub(in super::super) fn content_type(&self) -> String {
        match self {
            Self::Handled { content_type, .. } if TEXTS.contains(&content_type.as_str()) => {
                format!("{content_type}; charset=utf-8")
            }
            Self::Handled { content_type, .. } => content_type.clone(),
            Self::Plan { of, explain } => {
                let format = match explain.format {
                    ExplainFormat::Json => "json",
                    ExplainFormat::Text => "text",
                };
                let options: Vec<&str> = explain.options.iter().map(|option| option.name()).collect();
                let options =
                    if options.is_empty() { String::new() } else { format!("; options={}", options.join("|")) };
                format!("application/vnd.pgrst.plan+{format}; for=\"{}\"{options}; charset=utf-8", of.name())
            }
            Self::Json(_) | Self::Object(_) | Self::Csv => format!("{}; charset=utf-8", self.name()),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Json(Nulls::Kept) => "application/json",
            Self::Json(Nulls::Stripped) => "application/vnd.pgrst.array+json;nulls=stripped",
            Self::Object(Nulls::Kept) => "application/vnd.pgrst.object+json",
            Self::Object(Nulls::Stripped) => "application/vnd.pgrst.object+json;nulls=stripped",
            Self::Csv => "text/csv",
            Self::Plan { .. } => "application/vnd.pgrst.plan",
            Self::Handled { content_type, .. } => content_type,
        }
    }

    /// What the engine has to make of the rows.
    pub(in super::super) fn form(&self) -> RowForm {
        match self {
            Self::Json(_) | Self::Object(_) => RowForm::Json,
            Self::Csv => RowForm::Csv,
            Self::Plan { of, .. } => of.form(),
            Self::Handled { form, .. } => form.clone(),
        }
    }
}

/// The first of the accepted forms, by quality, that there is.
pub(super) fn accepted(headers: &HeaderMap, offer: &Offer) -> Result<Media, RestError> {
    let wishes = wishes(headers);
    wishes
        .iter()
        .find_map(|(_, wish)| media(wish, offer))
        .ok_or_else(|| RestError::MediaType { accepted: wishes.into_iter().map(|(_, wish)| wish).collect() })
}

/// What the `Accept` headers wish for, the dearest first; anything, where there are none.
fn wishes(headers: &HeaderMap) -> Vec<(f32, String)> {
    let mut wishes: Vec<(f32, String)> = Vec::new();
    for header in headers.get_all(ACCEPT) {
        for wish in String::from_utf8_lossy(header.as_bytes()).split(',') {
            let wish: String = wish.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
            if !wish.is_empty() {
                wishes.push(quality(&wish));
            }
        }
    }
    if wishes.is_empty() {
        wishes.push((1.0, "*/*".to_owned()));
    }
    wishes.sort_by(|a, b| b.0.total_cmp(&a.0));
    wishes
}

/// The quality of a wish, and the wish without it.
fn quality(wish: &str) -> (f32, String) {
    let mut quality = 1.0;
    let mut kept = Vec::new();
    for part in wish.split(';') {
        match part.strip_prefix("q=") {
            Some(number) => quality = number.parse().unwrap_or(1.0),
            None => kept.push(part),
        }
    }
    (quality, kept.join(";"))
}

fn media(wish: &str, offer: &Offer) -> Option<Media> {
    let (name, parameters) = wish.split_once(';').unwrap_or((wish, ""));
    let nulls = if parameters == "nulls=stripped" { Nulls::Stripped } else { Nulls::Kept };
    match name {
        "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" if nulls == Nulls::Stripped => {
            Some(Media::Json(nulls))
        }
        "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => Some(Media::Object(nulls)),
        "application/vnd.pgrst.plan" | "application/vnd.pgrst.plan+text" if offer.plans != PlanOffer::None => {
            plan(parameters, ExplainFormat::Text, offer)
        }
        "application/vnd.pgrst.plan+json" if offer.plans == PlanOffer::TextAndJson => {
            plan(parameters, ExplainFormat::Json, offer)
        }
        "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => usual("application/json", offer),
        _ => usual(name, offer),
    }
}

/// The forms that a function of the database may give in the place of what is built in.
fn usual(name: &str, offer: &Offer) -> Option<Media> {
    let Handlers { own, general } = &offer.handlers;
    let made = |list: &[(String, RowForm)], media: &str| {
        list.iter().find(|(known, _)| known == media).map(|(_, form)| form.clone())
    };
    // A function that takes every type for its own goes before one that is for this type.
    if let Some(form) = made(own, ANY_MEDIA) {
        return Some(Media::Handled { content_type: BYTES.to_owned(), form });
    }
    if let Some(form) = made(own, name).or_else(|| made(general, name)) {
        let content_type = if name == ANY_MEDIA { BYTES } else { name };
        return Some(Media::Handled { content_type: content_type.to_owned(), form });
    }
    match name {
        "*/*" | "application/*" | "application/json" => Some(Media::Json(Nulls::Kept)),
        "text/csv" => Some(Media::Csv),
        _ => None,
    }
}

const BYTES: &str = "application/octet-stream";

/// The types whose letters are named with them.
const TEXTS: [&str; 5] = ["application/json", "application/geo+json", "text/csv", "text/plain", "text/xml"];

/// The media type of the body, less its parameters; empty when the request does not say.
pub(super) fn name_of_body(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|header| String::from_utf8_lossy(header.as_bytes()).into_owned());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `for="text/csv";options=analyze|verbose`
fn plan(parameters: &str, format: ExplainFormat, offer: &Offer) -> Option<Media> {
    let (of, rest) = match parameters.split_once("for=\"") {
        Some((before, after)) => {
            let (of, behind) = after.split_once('"').unwrap_or((after, ""));
            (of, format!("{before};{behind}"))
        }
        None => {
            let plain = parameters.split(';').find_map(|part| part.strip_prefix("for="));
            (plain.unwrap_or("application/json"), parameters.to_owned())
        }
    };
    let named = rest.split(';').find_map(|part| part.strip_prefix("options=")).unwrap_or_default();
    let is_named = |option: &ExplainOption| named.split('|').any(|name| name == option.name());
    let explain = Explain { format, options: ExplainOption::ALL.into_iter().filter(is_named).collect() };
    let of = media(of, &Offer { plans: PlanOffer::None, ..offer.clone() })?;
    Some(Media::Plan { of: Box::new(of), explain })
}

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyForm {
    Json,
    Csv,
    /// `application/x-www-form-urlencoded`
    Form,
}

pub(super) fn of_body(headers: &HeaderMap) -> Result<BodyForm, RestError> {
    let Some(header) = headers.get(CONTENT_TYPE) else {
        return Ok(BodyForm::Json);
    };
    let value = String::from_utf8_lossy(header.as_bytes());
    let name = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "" | "application/json" | "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => {
            Ok(BodyForm::Json)
        }
        "text/csv" => Ok(BodyForm::Csv),
        "application/x-www-form-urlencoded" => Ok(BodyForm::Form),
        _ => Err(RestError::Body { reason: format!("Content-Type not acceptable: {name}") }),
    }
}

/// Refuses bodies that are not JSON.
pub(in super::super) fn check_json(headers: &HeaderMap) -> Result<(), RestError> {
    match of_body(headers)? {
        BodyForm::Json => Ok(()),
        BodyForm::Csv | BodyForm::Form => {
            let name = name_of_body(headers);
            Err(RestError::Body { reason: format!("Content-Type not acceptable: {name}") })
        }
    }
}

/// The first of `known`, or of the wildcards, that the caller accepts, for what is no rows.
pub(in super::super) fn accepts(headers: &HeaderMap, known: &[&'static str]) -> Result<&'static str, RestError> {
    let wishes = wishes(headers);
    let found = wishes.iter().find_map(|(_, wish)| {
        let name = wish.split(';').next().unwrap_or_default();
        let is_any = name == "*/*" || name == "application/*";
        known.iter().copied().find(|media| is_any || *media == name)
    });
    found.ok_or_else(|| RestError::MediaType { accepted: wishes.into_iter().map(|(_, wish)| wish).collect() })
}
