//! `copy … from stdin`: the rows that stand in the file, in PostgreSQL's text format or as csv.

use roadbed_plan::expr::Expr;
use roadbed_plan::schema::read_sql::{CopyFormat, CopyKind};
use roadbed_plan::schema::{ColumnId, Relation, Schema};
use roadbed_plan::value::{self, Value};
use roadbed_plan::{Clock, DatabaseError, EngineError};
use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use super::functions::to_sql;
use super::load::{RowFault, Target, insert_rows};
use super::read::value_of;
use super::sequences::Sequences;

/// What a `copy` says of its rows.
pub(super) struct CopyRows<'a> {
    pub(super) schema: &'a Schema,
    pub(super) relation: &'a Relation,
    pub(super) columns: &'a [ColumnId],
    pub(super) format: &'a CopyFormat,
}

/// Why rows were not copied, and the offset and length of the faulty place in their text.
#[derive(Debug)]
pub(super) struct CopyFault {
    pub(super) place: Option<(usize, usize)>,
    pub(super) error: EngineError,
}

/// Inserts the rows that `text` holds.
///
/// # Errors
/// At the first row that cannot be read or is refused.
pub(super) fn load(
    connection: &Connection,
    sequences: &mut Sequences,
    clock: &Clock,
    (copy, text): (&CopyRows<'_>, &str),
) -> Result<(), CopyFault> {
    let records = records(copy, text)?;
    let mut places = Vec::with_capacity(records.len());
    let mut rows = Vec::with_capacity(records.len());
    for record in &records {
        places.push((record.offset, record.length));
        rows.push(cells(copy, record, clock)?);
    }
    let target = Target { schema: copy.schema, relation: copy.relation, columns: copy.columns, conflict: None };
    insert_rows(connection, sequences, &target, rows)
        .map_err(|RowFault { row, error }| CopyFault { place: places.get(row).copied(), error })
}

/// The rows that `text` holds, as values of an insert.
///
/// # Errors
/// At the first row that cannot be read.
pub(super) fn values(copy: &CopyRows<'_>, text: &str, clock: &Clock) -> Result<Vec<Vec<Expr>>, CopyFault> {
    let mut rows = Vec::new();
    for record in &records(copy, text)? {
        let cells = cells(copy, record, clock)?;
        let value = |(cell, id): (&Cell, &ColumnId)| {
            let ty = &copy.relation.column_by_id(*id).ty;
            Expr::value(value_of(cell.into(), ty), ty.clone())
        };
        rows.push(cells.iter().zip(copy.columns).map(value).collect());
    }
    Ok(rows)
}

fn records(copy: &CopyRows<'_>, text: &str) -> Result<Vec<Record>, CopyFault> {
    let mut records = match copy.format.kind {
        CopyKind::Text => text_records(text, copy.format),
        CopyKind::Csv => csv_records(text, copy.format)?,
    };
    if copy.format.header && !records.is_empty() {
        records.remove(0);
    }
    Ok(records)
}

/// One row's texts and where it stands.
struct Record {
    offset: usize,
    length: usize,
    fields: Vec<Field>,
}

struct Field {
    offset: usize,
    length: usize,
    /// `None`: null.
    text: Option<String>,
}

fn cells(copy: &CopyRows<'_>, record: &Record, clock: &Clock) -> Result<Vec<Cell>, CopyFault> {
    let whole = Some((record.offset, record.length));
    let fault = |place, message: String| {
        let error = DatabaseError::new("22P04", message).into();
        Err(CopyFault { place, error })
    };
    if let Some(extra) = record.fields.get(copy.columns.len()) {
        let place = Some((extra.offset, extra.length));
        return fault(place, "extra data after last expected column".into());
    }
    if let Some(id) = copy.columns.get(record.fields.len()) {
        let name = &copy.relation.column_by_id(*id).name;
        return fault(whole, format!("missing data for column \"{name}\""));
    }
    let cell = |(id, field): (&ColumnId, &Field)| {
        let Some(text) = &field.text else { return Ok(to_sql(Value::Null)) };
        let ty = &copy.relation.column_by_id(*id).ty;
        value::parse(text, ty, clock)
            .map(to_sql)
            .map_err(|error| CopyFault { place: Some((field.offset, field.length)), error: error.into() })
    };
    copy.columns.iter().zip(&record.fields).map(cell).collect()
}

fn text_records(text: &str, format: &CopyFormat) -> Vec<Record> {
    let mut records = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let content = content.strip_suffix('\r').unwrap_or(content);
        let fields = text_fields(content, offset, format);
        records.push(Record { offset, length: content.len(), fields });
        offset += line.len();
    }
    records
}

fn text_fields(line: &str, offset: usize, format: &CopyFormat) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == format.delimiter {
            fields.push(text_field(&line[start..at], offset + start, format));
            start = at + character.len_utf8();
        }
    }
    fields.push(text_field(&line[start..], offset + start, format));
    fields
}

fn text_field(raw: &str, offset: usize, format: &CopyFormat) -> Field {
    let text = (raw != format.null).then(|| if raw.contains('\\') { unescape(raw) } else { raw.to_owned() });
    Field { offset, length: raw.len(), text }
}

/// Backslash sequences of the text format; numbers are bytes.
fn unescape(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let (b'\\', Some((&code, after))) = (byte, rest.split_first()) else {
            bytes.push(byte);
            continue;
        };
        rest = after;
        match code {
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'v' => bytes.push(11),
            b'0'..=b'7' => {
                let (value, after) = number(code - b'0', rest, 8, 2);
                bytes.push(value);
                rest = after;
            }
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                let (value, after) = number(0, rest, 16, 2);
                bytes.push(value);
                rest = after;
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Goes on reading a number of at most `digits` further digits.
fn number(first: u8, mut rest: &[u8], radix: u8, digits: usize) -> (u8, &[u8]) {
    let mut value = first;
    for _ in 0..digits {
        let digit = rest.first().and_then(|byte| char::from(*byte).to_digit(u32::from(radix)));
        let Some(digit) = digit.and_then(|digit| u8::try_from(digit).ok()) else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        rest = &rest[1..];
    }
    (value, rest)
}

fn csv_records(text: &str, format: &CopyFormat) -> Result<Vec<Record>, CopyFault> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let offset = at;
        let mut fields = Vec::new();
        loop {
            let (field, next) = csv_field(text, at, format)?;
            fields.push(field);
            at = next;
            match text[at..].chars().next() {
                Some(character) if character == format.delimiter => at += character.len_utf8(),
                _ => break,
            }
        }
        let length = at - offset;
        at += line_end(&text[at..]);
        records.push(Record { offset, length, fields });
    }
    Ok(records)
}

fn line_end(rest: &str) -> usize {
    if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) }
}

/// The field at `start`, and where it ends: at a delimiter, a line's end or the text's.
fn csv_field(text: &str, start: usize, format: &CopyFormat) -> Result<(Field, usize), CopyFault> {
    let mut value = String::new();
    let (mut quoted, mut inside) = (false, false);
    let mut characters = text[start..].char_indices().peekable();
    let mut end = text.len();
    while let Some((at, character)) = characters.next() {
        if inside {
            let next = characters.peek().map(|(_, next)| *next);
            if character == format.escape && next.is_some_and(|next| next == format.quote || next == format.escape) {
                value.extend(next);
                characters.next();
            } else if character == format.quote {
                inside = false;
            } else {
                value.push(character);
            }
        } else if character == format.quote {
            (quoted, inside) = (true, true);
        } else if character == format.delimiter || character == '\n' || text[start + at..].starts_with("\r\n") {
            end = start + at;
            break;
        } else {
            value.push(character);
        }
    }
    if inside {
        let error = DatabaseError::new("22P04", "unterminated CSV quoted field").into();
        return Err(CopyFault { place: Some((start, 1)), error });
    }
    let text = (quoted || value != format.null).then_some(value);
    Ok((Field { offset: start, length: end - start, text }, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(records: &[Record]) -> Vec<Vec<Option<&str>>> {
        records.iter().map(|record| record.fields.iter().map(|field| field.text.as_deref()).collect()).collect()
    }

    fn format(kind: CopyKind) -> CopyFormat {
        let (delimiter, null) = match kind {
            CopyKind::Text => ('\t', "\\N"),
            CopyKind::Csv => (',', ""),
        };
        CopyFormat { kind, delimiter, null: null.into(), header: false, quote: '"', escape: '"' }
    }

    #[test]
    fn text_rows_are_split_and_their_escapes_read() {
        let records = text_records("1\ta\\tb\\\\\t\\N\r\n2\t\\x41\\102\\.\t\n", &format(CopyKind::Text));
        assert_eq!(texts(&records), [[Some("1"), Some("a\tb\\"), None], [Some("2"), Some("AB."), Some("")],]);
        assert_eq!((records[1].offset, records[1].fields[1].offset), (13, 15));
    }

    #[test]
    fn csv_rows_keep_quoted_line_ends_and_tell_empty_from_null() {
        let records = csv_records("a,\"x \"\"y\"\"\n z\",\"\"\nb,,1", &format(CopyKind::Csv)).unwrap();
        assert_eq!(texts(&records), [[Some("a"), Some("x \"y\"\n z"), Some("")], [Some("b"), None, Some("1")],]);
        assert!(csv_records("\"open", &format(CopyKind::Csv)).is_err());
    }
}
