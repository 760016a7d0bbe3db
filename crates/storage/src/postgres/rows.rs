//! Rows in PostgreSQL's binary form, written as JSON bytes as `to_json` would write them.

mod binary;

use std::error::Error;

use roadbed_plan::value::{Zone, write_json_string};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Row, Statement};

pub(super) use binary::{Form, form_of, write_text};

/// A column's bytes as they came; `None` is null.
pub(super) struct Raw<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// How a statement's rows become JSON objects.
pub(super) struct RowWriter {
    columns: Vec<ColumnWriter>,
}

struct ColumnWriter {
    index: usize,
    /// What stands before the value: `{"id":` or `,"name":`.
    lead: Vec<u8>,
    form: Form,
}

impl RowWriter {
    /// A writer for `statement`'s columns. `outputs` are the objects' keys with the columns they come from, and
    /// whether the column is JSON text already.
    pub(super) fn new<'a>(
        statement: &Statement,
        outputs: impl Iterator<Item = (&'a str, usize, bool)>,
        zone: Option<&Zone>,
    ) -> Self {
        let columns = outputs.enumerate().filter_map(|(place, (name, index, is_json))| {
            let mut lead = vec![if place == 0 { b'{' } else { b',' }];
            write_string(name.as_bytes(), &mut lead);
            lead.push(b':');
            let ty = statement.columns().get(index)?.type_();
            let form = if is_json { Form::Json } else { form_of(ty).in_zone(zone) };
            Some(ColumnWriter { index, lead, form })
        });
        Self { columns: columns.collect() }
    }

    /// Appends the row's object.
    pub(super) fn write(&self, row: &Row, out: &mut Vec<u8>) -> Result<(), tokio_postgres::Error> {
        if self.columns.is_empty() {
            out.push(b'{');
        }
        for column in &self.columns {
            out.extend_from_slice(&column.lead);
            let Raw(value) = row.try_get(column.index)?;
            match value {
                Some(raw) => column.form.write(raw, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
        Ok(())
    }
}

/// Appends a JSON string.
fn write_string(text: &[u8], out: &mut Vec<u8>) {
    // The server converts everything to UTF-8.
    write_json_string(out, &String::from_utf8_lossy(text));
}
