//! `copy … from stdin`, whose rows stand in the file itself.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, DefElem};

use super::fault::Fault;
use super::names::list;
use super::settings::constant;
use super::split::Splitter;
use super::tables::{column_ids, no_column};
use super::{Fold, Step};
use crate::schema::Column;

/// How the rows of a `copy` are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFormat {
    pub kind: CopyKind,
    pub delimiter: char,
    /// The text that stands for null; in csv, only without quotes.
    pub null: String,
    /// Whether the first line holds names.
    pub header: bool,
    /// Only of csv.
    pub quote: char,
    /// Only of csv.
    pub escape: char,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyKind {
    /// Tabs between values, backslashes before what is special, `\N` for null.
    Text,
    Csv,
}

impl<'a> Fold<'a> {
    pub(super) fn copy(&mut self, stmt: &pb::CopyStmt, splitter: &mut Splitter<'a>) -> Result<(), Fault> {
        if !stmt.is_from {
            return Err(Fault::only_postgres("`copy … to`", "leave it out").name("to"));
        }
        if stmt.is_program || !stmt.filename.is_empty() {
            let help = "write `from stdin` and put the rows below, ended by a line `\\.`";
            return Err(Fault::only_postgres("`copy` from a file or program", help).name("from"));
        }
        if stmt.where_clause.is_some() {
            return Err(Fault::only_postgres("`copy … where`", "leave the rows out").name("where"));
        }
        let Some(range) = stmt.relation.as_ref() else { return Ok(()) };
        let relation = self.table(range)?;
        let columns = if stmt.attlist.is_empty() {
            relation.columns.iter().filter(|column| !column.is_generated()).map(|column| column.id).collect()
        } else {
            column_ids(&relation, &stmt.attlist, |name| no_column(&relation, name))?
        };
        if let Some(name) =
            columns.iter().map(|id| relation.column_by_id(*id)).find(|column| column.is_generated()).map(generated_name)
        {
            let message = format!("column \"{name}\" is a generated column");
            return Err(Fault::new("42P10", message).name(&name).help("Generated columns cannot be used in COPY."));
        }
        let format = read_format(&stmt.options)?;
        let rows = splitter.copy_rows();
        self.steps.push(Step::Copy {
            schema: Arc::clone(&self.schema),
            relation: relation.id,
            columns,
            format,
            rows,
            offset: self.piece.offset,
            length: self.piece.text.len(),
        });
        Ok(())
    }
}

fn generated_name(column: &Column) -> String {
    column.name.clone()
}

fn read_format(options: &[pb::Node]) -> Result<CopyFormat, Fault> {
    let options: Vec<&DefElem> = options
        .iter()
        .filter_map(|node| match node.node.as_ref() {
            Some(NodeEnum::DefElem(option)) => Some(&**option),
            _ => None,
        })
        .collect();
    let kind = match options.iter().find(|option| option.defname == "format") {
        None => CopyKind::Text,
        Some(option) => match option.arg.as_deref().and_then(constant).as_deref() {
            Some("text") => CopyKind::Text,
            Some("csv") => CopyKind::Csv,
            _ => return Err(Fault::only_postgres("this format of `copy`", "use `text` or `csv`").at(option.location)),
        },
    };
    let mut format = match kind {
        CopyKind::Text => {
            CopyFormat { kind, delimiter: '\t', null: "\\N".into(), header: false, quote: '"', escape: '"' }
        }
        CopyKind::Csv => {
            CopyFormat { kind, delimiter: ',', null: String::new(), header: false, quote: '"', escape: '"' }
        }
    };
    let mut escape = None;
    for option in options {
        let text = option.arg.as_deref().and_then(constant);
        match option.defname.as_str() {
            "format" => {}
            "delimiter" => format.delimiter = one_character(option, text)?,
            "null" => format.null = text.unwrap_or_default(),
            "header" => format.header = text.is_none_or(|text| text != "false" && text != "off" && text != "0"),
            "quote" => format.quote = one_character(option, text)?,
            "escape" => escape = Some(one_character(option, text)?),
            "encoding"
                if text
                    .as_deref()
                    .is_some_and(|text| text.eq_ignore_ascii_case("utf8") || text.eq_ignore_ascii_case("utf-8")) => {}
            other => {
                let listed = if list(option.arg.as_deref()).is_empty() { "" } else { " with columns" };
                let what = format!("the option `{other}`{listed} of `copy`");
                return Err(Fault::only_postgres(what, "leave it out").at(option.location));
            }
        }
    }
    format.escape = escape.unwrap_or(format.quote);
    Ok(format)
}

fn one_character(option: &DefElem, text: Option<String>) -> Result<char, Fault> {
    let text = text.unwrap_or_default();
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) if only.is_ascii() => Ok(only),
        _ => {
            let message = format!("COPY {} must be a single one-byte character", option.defname);
            Err(Fault::new("0A000", message).at(option.location))
        }
    }
}
