//! Where the role stands among the claims: a JSONPath (RFC 9535), or a path as PostgREST has written them before its
//! version 16, with comparisons of its own.

use serde_json::Value as Json;
use serde_json_path::JsonPath;

/// The way to the role inside the claims, such as `$.role`, `$.roles[?search(@, '^editor')]` or `.roles[0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleClaim {
    path: JsonPath,
    /// Which item of the array that the path leads to.
    wanted: Option<(Comparison, String)>,
}

/// PostgREST's comparisons, of which RFC 9535 has the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains,
}

const COMPARISONS: [(&str, Comparison); 5] = [
    ("^==", Comparison::StartsWith),
    ("==^", Comparison::EndsWith),
    ("*==", Comparison::Contains),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
];

impl Default for RoleClaim {
    fn default() -> Self {
        Self { path: JsonPath::parse("$.role").expect("it is a path"), wanted: None }
    }
}

impl RoleClaim {
    /// Reads `$.a.b[0]` as RFC 9535 says; and `.a."b c"[0]` or `.a[?(@ ^== "b")]` as PostgREST did before.
    ///
    /// # Errors
    /// With what was expected, where the text is not such a path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, wanted) = match text.starts_with('$') {
            true => (text.to_owned(), None),
            false => translated(text).ok_or_else(|| {
                format!("`{text}` is not a path; expected something like `$.role` or `$.a['b c'][0]`")
            })?,
        };
        let path = JsonPath::parse(&path).map_err(|error| format!("`{text}` is not a path: {error}"))?;
        Ok(Self { path, wanted })
    }

    /// The role that `claims` name: the first that the path leads to, if it is text.
    pub fn find(&self, claims: &Json) -> Option<String> {
        let found = self.path.query(claims).first()?;
        let role = match &self.wanted {
            None => found.as_str(),
            Some((comparison, text)) => {
                found.as_array()?.iter().filter_map(Json::as_str).find(|item| comparison.holds(item, text))
            }
        };
        role.map(str::to_owned)
    }
}

impl Comparison {
    fn holds(self, item: &str, text: &str) -> bool {
        match self {
            Self::Equal => item == text,
            Self::NotEqual => item != text,
            Self::StartsWith => item.starts_with(text),
            Self::EndsWith => item.ends_with(text),
            Self::Contains => item.contains(text),
        }
    }
}

/// A path of PostgREST's as one of RFC 9535, and the comparison at its end.
fn translated(text: &str) -> Option<(String, Option<(Comparison, String)>)> {
    let mut path = String::from("$");
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(filter) = rest.strip_prefix("[?(@").and_then(|filter| filter.strip_suffix(")]")) {
            return Some((path, Some(comparison(filter.trim())?)));
        }
        let (step, after) = next_step(rest)?;
        path.push_str(&step);
        rest = after;
    }
    (path.len() > 1).then_some((path, None))
}

/// `^== "text"`
fn comparison(filter: &str) -> Option<(Comparison, String)> {
    let (sign, comparison) = COMPARISONS.iter().find(|(sign, _)| filter.starts_with(sign))?;
    let text = filter[sign.len()..].trim().strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('"')).then(|| (*comparison, text.to_owned()))
}

/// The first step of a path of PostgREST's, as RFC 9535 writes it.
fn next_step(text: &str) -> Option<(String, &str)> {
    let named = |key: &str| format!("['{}']", key.replace('\\', "\\\\").replace('\'', "\\'"));
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let index: u32 = inside.parse().ok()?;
        return Some((format!("[{index}]"), after));
    }
    let rest = text.strip_prefix('.')?;
    if let Some(quoted) = rest.strip_prefix('"') {
        let (key, after) = quoted.split_once('"')?;
        return Some((named(key), after));
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    (end > 0).then(|| (named(&rest[..end]), &rest[end..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::RoleClaim;

    fn find(path: &str) -> Option<String> {
        let claims = json!({
            "role": "r",
            "a": {"b c": ["x", "editor"], "it's": "quoted"},
            "https://example.com/role": {"key": "author"},
            "roles": ["other", "author", 7],
            "grants": [{"app": "shop", "role": "buyer"}, {"app": "bank", "role": "teller"}],
            "number": 7,
        });
        RoleClaim::parse(path).unwrap_or_else(|error| panic!("{error}")).find(&claims)
    }

    #[test]
    fn paths_of_the_standard() {
        for (path, role) in [
            ("$.role", Some("r")),
            ("$['a']['b c'][1]", Some("editor")),
            ("$.a[\"it's\"]", Some("quoted")),
            ("$['https://example.com/role'].key", Some("author")),
            ("$.roles[-2]", Some("author")),
            ("$.roles[1:]", Some("author")),
            ("$.roles[::-1]", None),
            ("$.roles[*]", Some("other")),
            ("$.roles[?(@ == \"author\")]", Some("author")),
            ("$.roles[?@ == 'author']", Some("author")),
            ("$.roles[?@ != 'other']", Some("author")),
            ("$.roles[?search(@, 'uth')]", Some("author")),
            ("$.roles[?match(@, 'auth.*')]", Some("author")),
            ("$.grants[?@.app == 'bank'].role", Some("teller")),
            ("$..key", Some("author")),
            ("$[nothing, 'role']".replace("nothing, ", "'nothing', ").as_str(), Some("r")),
            ("$.nothing", None),
            ("$.number", None),
            ("$", None),
        ] {
            assert_eq!(find(path).as_deref(), role, "{path}");
        }
    }

    #[test]
    fn paths_as_they_were_before() {
        for (path, role) in [
            (".role", Some("r")),
            (".a.\"b c\"[1]", Some("editor")),
            (".a.it's", Some("quoted")),
            (".\"https://example.com/role\".key", Some("author")),
            (".roles[1]", Some("author")),
            (".roles[?(@ == \"author\")]", Some("author")),
            (".roles[?(@ != \"other\")]", Some("author")),
            (".roles[?(@ ^== \"aut\")]", Some("author")),
            (".roles[?(@ ==^ \"hor\")]", Some("author")),
            (".roles[?(@ *== \"utho\")]", Some("author")),
            (".roles[?(@ ^== \"hor\")]", None),
            (".role[?(@ == \"r\")]", None),
            (".nothing", None),
        ] {
            assert_eq!(find(path).as_deref(), role, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", "role", ".", "$.", "$.role[", ".roles[1:]", ".roles[?(@ ~= \"a\")]", ".roles[?(@ == a)]", "$[?@ ==]"]
        {
            assert!(RoleClaim::parse(text).is_err(), "{text}");
        }
    }
}
