//! What the databases spell differently, and how names and texts are quoted in each.

/// Whose SQL is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// `name` as an identifier, whatever it contains.
pub(crate) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a string literal, whatever it contains.
pub(crate) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A relation's name as a statement writes it. SQLite has no schemas: there, those other than `public` are part of the name.
pub(crate) fn table_name(dialect: Dialect, schema: &str, name: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("{}.{}", quote_identifier(schema), quote_identifier(name)),
        Dialect::Sqlite if schema == "public" => quote_identifier(name),
        Dialect::Sqlite => quote_identifier(&format!("{schema}.{name}")),
    }
}
