//! Reading: rows are stepped and written as JSON at once. Embedded rows come from a statement per level that is
//! bound anew for each parent row.

use roadbed_plan::query::RowsWanted;
use roadbed_plan::terms::RowForm;
use roadbed_plan::value::{Type, Value, Zone, write_json, write_json_string, write_text};
use roadbed_plan::{EngineError, Outcome};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Row, Rows, Statement, ToSql};

use super::connect::Request;
use super::error::{engine_error, internal};
use super::functions::session_value;
use crate::sql::{Param, ParentColumn, Rendered, RenderedNode, RenderedOutput};

/// A read as it travels to a reader's thread.
pub(super) struct ReadWork {
    pub(super) form: RowForm,
    pub(super) explained: bool,
    pub(super) node: RenderedNode,
    pub(super) count: Option<Rendered>,
    pub(super) rows_wanted: RowsWanted,
    /// Each row is its one value rather than an object.
    pub(super) bare: bool,
}

/// Carries out `work` in the transaction that is open.
pub(super) fn read(request: Request<'_>, work: &ReadWork) -> Result<Outcome, EngineError> {
    if work.explained {
        return explain(request, &work.node);
    }
    let mut body = Vec::with_capacity(1024);
    if work.form == RowForm::Bare {
        let rows = Level::open(request, &work.node)?.write_bare(&mut body)?;
        return Ok(Outcome { body: body.into(), rows, ..Outcome::default() });
    }
    let mut level = Level::open(request, &work.node)?.in_form(&work.form);
    level.bare = work.bare;
    level.begin(&mut body);
    let rows = level.write_rows(&mut body, work.rows_wanted)?;
    level.end(&mut body);
    let total = match &work.count {
        Some(count) => Some(read_count(request, count)?),
        None => None,
    };
    Ok(Outcome { body: body.into(), rows, total, ..Outcome::default() })
}

/// How SQLite finds the rows: a line for each step, those within another one further to the right.
fn explain(request: Request<'_>, node: &RenderedNode) -> Result<Outcome, EngineError> {
    let explained = Rendered { sql: format!("explain query plan {}", node.sql), params: node.params.clone() };
    let mut statement = request.prepare(&explained)?;
    let text = explained_lines(&mut statement.raw_query()).map_err(engine_error)?;
    Ok(Outcome { body: text.into(), ..Outcome::default() })
}

/// The steps of a plan, one a line.
pub(super) fn explained_lines(rows: &mut Rows<'_>) -> rusqlite::Result<String> {
    let mut depths: Vec<(i64, usize)> = Vec::new();
    let mut text = String::new();
    while let Some(row) = rows.next()? {
        let (id, parent): (i64, i64) = (row.get(0)?, row.get(1)?);
        let step: String = row.get(3)?;
        let depth = depths.iter().find(|(known, _)| *known == parent).map_or(0, |(_, depth)| depth + 1);
        depths.push((id, depth));
        text.push_str(&format!("{}{step}\n", "  ".repeat(depth)));
    }
    Ok(text)
}

/// Refuses a number of rows that is not wanted.
pub(super) fn check_rows(wanted: RowsWanted, found: u64) -> Result<(), EngineError> {
    let met = match wanted {
        RowsWanted::Any => true,
        RowsWanted::ExactlyOne => found == 1,
        RowsWanted::AtMost(most) => found <= most,
    };
    if met { Ok(()) } else { Err(EngineError::RowCount { found }) }
}

fn read_count(request: Request<'_>, count: &Rendered) -> Result<u64, EngineError> {
    let mut statement = request.prepare(count)?;
    let mut rows = statement.raw_query();
    let row = rows.next().map_err(engine_error)?.ok_or(rusqlite::Error::QueryReturnedNoRows).map_err(internal)?;
    let count: i64 = row.get(0).map_err(internal)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

impl<'c> Request<'c> {
    /// The statement, bound but for what comes from a parent's row.
    pub(super) fn prepare(self, rendered: &Rendered) -> Result<CachedStatement<'c>, EngineError> {
        self.connection.ran.note(&rendered.sql);
        let mut statement = self.connection.sql.prepare_cached(&rendered.sql).map_err(engine_error)?;
        self.bind_all(&mut statement, &rendered.params)?;
        Ok(statement)
    }

    /// Binds each of `params` at its number; those of a parent's row come with each row.
    pub(super) fn bind_all(self, statement: &mut Statement<'_>, params: &[Param]) -> Result<(), EngineError> {
        for (index, param) in params.iter().enumerate() {
            self.bind(statement, index + 1, param)?;
        }
        Ok(())
    }

    fn bind(self, statement: &mut Statement<'_>, number: usize, param: &Param) -> Result<(), EngineError> {
        match param {
            Param::Value(value, _) => statement.raw_bind_parameter(number, Stored(value)),
            Param::Session(wanted) => {
                let value = session_value(wanted, self.session, self.now)?;
                statement.raw_bind_parameter(number, Stored(&value))
            }
            Param::Limit(limit) => statement.raw_bind_parameter(number, limit),
            // Literals are only for engines that read the caller's text themselves.
            Param::Parent(_) | Param::Literal(_) | Param::LiteralList(_) => Ok(()),
        }
        .map_err(engine_error)
    }
}

/// A value in the form in which SQLite stores it.
pub(super) struct Stored<'a>(pub(super) &'a Value);

impl ToSql for Stored<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Value::Int(value) => ValueRef::Integer(*value),
            // As in a computed value: SQLite has no NaN.
            Value::Float(value) if value.is_nan() => ValueRef::Text(b"NaN"),
            Value::Float(value) => ValueRef::Real(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A node's statement, ready to be bound and stepped, with those of its embeds.
pub(super) struct Level<'c, 'n> {
    statement: CachedStatement<'c>,
    /// Numbers of the parameters that come from the parent's row, and which of its columns they are.
    from_parent: Vec<(usize, ParentColumn)>,
    keys: Vec<Key<'c, 'n>>,
    /// Each row is its one value rather than an object.
    bare: bool,
    /// The names of the columns, where the rows become lines.
    header: Option<String>,
    names: Vec<&'n str>,
}

/// One key of each object.
struct Key<'c, 'n> {
    /// The name and what stands around it: `{"id":` or `,"name":`.
    text: Vec<u8>,
    value: KeyValue<'c, 'n>,
}

enum KeyValue<'c, 'n> {
    Column {
        index: usize,
        ty: &'n Type,
        zone: Option<&'c Zone>,
    },
    Json {
        index: usize,
    },
    Embed {
        many: bool,
        child: Child<'c, 'n>,
    },
    /// Has a name for each of its arrays, so the key's own text is only what comes before the first name.
    Spread {
        names: &'n [String],
        child: Child<'c, 'n>,
    },
}

/// The rows that hang on a row.
struct Child<'c, 'n> {
    level: Box<Level<'c, 'n>>,
    parent: &'n [(ParentColumn, usize)],
    optional: bool,
}

impl<'c, 'n> Level<'c, 'n> {
    pub(super) fn open(request: Request<'c>, node: &'n RenderedNode) -> Result<Self, EngineError> {
        request.connection.ran.note(&node.sql);
        let mut statement = request.connection.sql.prepare_cached(&node.sql).map_err(engine_error)?;
        request.bind_all(&mut statement, &node.params)?;
        let from_parent = node.params.iter().enumerate().filter_map(|(index, param)| match param {
            Param::Parent(column) => Some((index + 1, *column)),
            Param::Value(..) | Param::Literal(_) | Param::LiteralList(_) | Param::Session(_) | Param::Limit(_) => None,
        });
        let from_parent = from_parent.collect();
        let mut keys = Vec::with_capacity(node.outputs.len());
        for output in &node.outputs {
            keys.push(Key::open(request, output, keys.is_empty())?);
        }
        let names = node.outputs.iter().flat_map(RenderedOutput::names).collect();
        Ok(Self { statement, from_parent, keys, bare: false, header: None, names })
    }

    pub(super) fn in_form(mut self, form: &RowForm) -> Self {
        self.header = match form {
            RowForm::Csv => Some(self.names.join(",")),
            // The others are made by functions of PostgreSQL's; nobody is offered one here.
            RowForm::Json | RowForm::GeoJson(_) | RowForm::Handled(_) | RowForm::Bare => None,
        };
        self
    }

    /// What stands before the rows.
    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        if self.header.is_none() {
            out.push(b'[');
        }
    }

    /// What stands behind them.
    pub(super) fn end(&self, out: &mut Vec<u8>) {
        match self.header {
            None => out.push(b']'),
            Some(_) if out.is_empty() => out.push(b'\n'),
            Some(_) => {}
        }
    }

    fn separate(header: Option<&str>, first: bool, out: &mut Vec<u8>) {
        match (header, first) {
            (None, true) => {}
            (None, false) => out.push(b','),
            (Some(header), true) => {
                out.extend_from_slice(header.as_bytes());
                out.push(b'\n');
            }
            (Some(_), false) => out.push(b'\n'),
        }
    }

    /// Appends the rows' objects with commas between, and counts them.
    fn write_rows(&mut self, out: &mut Vec<u8>, wanted: RowsWanted) -> Result<u64, EngineError> {
        let begins = out.len();
        let mut found = 0;
        let mut rows = self.statement.raw_query();
        while let Some(row) = rows.next().map_err(engine_error)? {
            found += 1;
            // Once there are too many rows, only their number matters.
            if check_rows(wanted, found.max(1)).is_err() {
                out.truncate(begins);
                continue;
            }
            Self::separate(self.header.as_deref(), found == 1, out);
            match self.keys.first() {
                Some(Key { value: KeyValue::Column { index, ty, .. }, .. }) if self.bare && self.header.is_none() => {
                    write_column(out, row.get_ref(*index).map_err(internal)?, ty);
                }
                _ => write_row(&mut self.keys, self.header.is_some(), row, out)?,
            }
        }
        check_rows(wanted, found)?;
        Ok(found)
    }

    /// Appends the first row's first value as it is: bytes, or its text.
    fn write_bare(&mut self, out: &mut Vec<u8>) -> Result<u64, EngineError> {
        let mut rows = self.statement.raw_query();
        let Some(row) = rows.next().map_err(engine_error)? else { return Ok(0) };
        if let Some(Key { value: KeyValue::Column { index, ty, .. }, .. }) = self.keys.first() {
            match row.get_ref(*index).map_err(internal)? {
                ValueRef::Null => {}
                ValueRef::Blob(bytes) if *ty.base() == Type::Bytea => out.extend_from_slice(bytes),
                value => write_text(out, &value_of(value, ty), ty),
            }
        }
        Ok(1)
    }

    /// Appends the first row's object, or `null`.
    fn write_first(&mut self, out: &mut Vec<u8>) -> Result<(), EngineError> {
        let mut rows = self.statement.raw_query();
        match rows.next().map_err(engine_error)? {
            Some(row) => write_object(&mut self.keys, row, out),
            None => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }

    /// Binds the first parameters to `values` and appends the rows' objects, each with a comma before it unless it is
    /// the first.
    pub(super) fn append_rows_of(&mut self, values: &[&dyn ToSql], out: &mut Vec<u8>) -> Result<u64, EngineError> {
        for (index, value) in values.iter().enumerate() {
            self.statement.raw_bind_parameter(index + 1, value).map_err(internal)?;
        }
        let mut found = 0;
        let mut rows = self.statement.raw_query();
        while let Some(row) = rows.next().map_err(engine_error)? {
            found += 1;
            Self::separate(self.header.as_deref(), out.len() <= 1, out);
            write_row(&mut self.keys, self.header.is_some(), row, out)?;
        }
        Ok(found)
    }

    /// Appends the values of each row to the arrays, one for each key.
    fn append_values(&mut self, arrays: &mut [Vec<u8>]) -> Result<(), EngineError> {
        let mut rows = self.statement.raw_query();
        while let Some(row) = rows.next().map_err(engine_error)? {
            let mut rest = &mut *arrays;
            for key in &mut self.keys {
                let (own, others) = rest.split_at_mut(key.width());
                rest = others;
                for array in &mut *own {
                    array.push(if array.is_empty() { b'[' } else { b',' });
                }
                key.value.append(row, own)?;
            }
        }
        Ok(())
    }

    fn bind_parent(&mut self, row: &Row<'_>, columns: &[(ParentColumn, usize)]) -> rusqlite::Result<()> {
        for (number, column) in &self.from_parent {
            if let Some((_, index)) = columns.iter().find(|(known, _)| known == column) {
                let value = ToSqlOutput::Borrowed(row.get_ref(*index)?);
                self.statement.raw_bind_parameter(*number, value)?;
            }
        }
        Ok(())
    }
}

impl<'c, 'n> Key<'c, 'n> {
    fn open(request: Request<'c>, output: &'n RenderedOutput, first: bool) -> Result<Self, EngineError> {
        let mut text = vec![if first { b'{' } else { b',' }];
        let mut named = |name: &str| {
            write_json_string(&mut text, name);
            text.push(b':');
        };
        let value = match output {
            RenderedOutput::Value { name, ty, index } => {
                named(name);
                KeyValue::Column { index: *index, ty, zone: request.zone }
            }
            RenderedOutput::Json { name, index } => {
                named(name);
                KeyValue::Json { index: *index }
            }
            RenderedOutput::Embed { name, many, child, parent, optional } => {
                named(name);
                let level = Box::new(Level::open(request, child)?);
                KeyValue::Embed { many: *many, child: Child { level, parent, optional: *optional } }
            }
            RenderedOutput::Spread { names, child, parent, optional } => {
                let level = Box::new(Level::open(request, child)?);
                KeyValue::Spread { names, child: Child { level, parent, optional: *optional } }
            }
        };
        Ok(Self { text, value })
    }

    fn is_column(&self) -> bool {
        matches!(self.value, KeyValue::Column { .. })
    }

    /// How many keys of the object it stands for.
    fn width(&self) -> usize {
        match &self.value {
            KeyValue::Column { .. } | KeyValue::Json { .. } | KeyValue::Embed { .. } => 1,
            KeyValue::Spread { names, .. } => names.len(),
        }
    }
}

impl KeyValue<'_, '_> {
    /// Appends what it is in `row`: to the one text, or of a spread to one text for each of its keys.
    fn append(&mut self, row: &Row<'_>, texts: &mut [Vec<u8>]) -> Result<(), EngineError> {
        match self {
            KeyValue::Spread { child, .. } => {
                for (text, array) in texts.iter_mut().zip(child.arrays(row)?) {
                    text.extend_from_slice(&array);
                }
                Ok(())
            }
            KeyValue::Column { .. } | KeyValue::Json { .. } | KeyValue::Embed { .. } => match texts.first_mut() {
                Some(text) => self.write(row, text),
                None => Ok(()),
            },
        }
    }

    fn write(&mut self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), EngineError> {
        match self {
            KeyValue::Column { index, ty, zone } => {
                let value = row.get_ref(*index).map_err(internal)?;
                match (zone, ty.base(), value) {
                    (Some(zone), Type::Timestamptz, ValueRef::Integer(at)) => zone.write_json(out, at),
                    _ => write_column(out, value, ty),
                }
            }
            KeyValue::Json { index } => match row.get_ref(*index).map_err(internal)? {
                ValueRef::Text(text) => out.extend_from_slice(text),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
                    out.extend_from_slice(b"null");
                }
            },
            KeyValue::Embed { many, child } => {
                if !*many {
                    child.level.bind_parent(row, child.parent).map_err(internal)?;
                    return child.level.write_first(out);
                }
                if child.is_missing(row)? {
                    out.extend_from_slice(b"null");
                    return Ok(());
                }
                child.level.bind_parent(row, child.parent).map_err(internal)?;
                out.push(b'[');
                child.level.write_rows(out, RowsWanted::Any)?;
                out.push(b']');
            }
            KeyValue::Spread { names, child } => {
                for (index, (name, array)) in names.iter().zip(child.arrays(row)?).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_json_string(out, name);
                    out.push(b':');
                    out.extend_from_slice(&array);
                }
            }
        }
        Ok(())
    }
}

impl Child<'_, '_> {
    /// Whether the row that it hangs on is not there.
    fn is_missing(&self, row: &Row<'_>) -> Result<bool, EngineError> {
        let Some((_, index)) = self.parent.first().filter(|_| self.optional) else { return Ok(false) };
        Ok(row.get_ref(*index).map_err(internal)? == ValueRef::Null)
    }

    /// An array for each key of its rows.
    fn arrays(&mut self, row: &Row<'_>) -> Result<Vec<Vec<u8>>, EngineError> {
        let width = self.level.keys.iter().map(Key::width).sum();
        if self.is_missing(row)? {
            return Ok(vec![b"null".to_vec(); width]);
        }
        let mut arrays = vec![Vec::new(); width];
        self.level.bind_parent(row, self.parent).map_err(internal)?;
        self.level.append_values(&mut arrays)?;
        for array in &mut arrays {
            if array.is_empty() {
                array.push(b'[');
            }
            array.push(b']');
        }
        Ok(arrays)
    }
}

fn write_object(keys: &mut [Key<'_, '_>], row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), EngineError> {
    if keys.is_empty() {
        out.push(b'{');
    }
    for key in keys {
        out.extend_from_slice(&key.text);
        key.value.write(row, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_row(keys: &mut [Key<'_, '_>], is_line: bool, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), EngineError> {
    if !is_line {
        return write_object(keys, row, out);
    }
    for (place, key) in keys.iter_mut().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let mut texts = vec![Vec::new(); key.width()];
        match &mut key.value {
            KeyValue::Column { index, ty, zone } => {
                let value = row.get_ref(*index).map_err(internal)?;
                if value == ValueRef::Null {
                    continue;
                }
                match (zone, ty.base(), value) {
                    (Some(zone), Type::Timestamptz, ValueRef::Integer(at)) => zone.write_text(&mut texts[0], at),
                    _ => write_text(&mut texts[0], &value_of(value, ty), ty),
                }
            }
            value @ (KeyValue::Json { .. } | KeyValue::Embed { .. } | KeyValue::Spread { .. }) => {
                value.append(row, &mut texts)?;
            }
        }
        for (place, text) in texts.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            // JSON's null stands for a row that is not there.
            if key.is_column() || text != b"null" {
                write_field(out, text);
            }
        }
    }
    Ok(())
}

/// Appends a field as PostgreSQL writes it in the text of a row.
fn write_field(out: &mut Vec<u8>, text: &[u8]) {
    let special = |byte: &u8| b"\"\\(),".contains(byte) || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !text.is_empty() && !text.iter().any(special) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Appends a column's value as JSON. The commonest types are written without a copy.
fn write_column(out: &mut Vec<u8>, value: ValueRef<'_>, ty: &Type) {
    match (ty.base(), value) {
        (_, ValueRef::Null) => out.extend_from_slice(b"null"),
        (Type::Int2 | Type::Int4 | Type::Int8, ValueRef::Integer(number)) => {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        (Type::Bool, ValueRef::Integer(number)) => {
            out.extend_from_slice(if number == 0 { b"false" } else { b"true" });
        }
        (Type::Text | Type::Varchar(_) | Type::Uuid | Type::Enum(_) | Type::Unknown, ValueRef::Text(text)) => {
            match std::str::from_utf8(text) {
                Ok(text) => write_json_string(out, text),
                Err(_) => write_json_string(out, &String::from_utf8_lossy(text)),
            }
        }
        (_, value) => write_json(out, &value_of(value, ty), ty),
    }
}

/// A stored value in its canonical form.
pub(super) fn value_of(value: ValueRef<'_>, ty: &Type) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => match ty.base() {
            Type::Bool => Value::Bool(number != 0),
            #[expect(clippy::cast_precision_loss, reason = "SQLite may keep a whole float as an integer")]
            Type::Float4 | Type::Float8 => Value::Float(number as f64),
            _ => Value::Int(number),
        },
        ValueRef::Real(number) => Value::Float(number),
        ValueRef::Text(_) if matches!(ty.base(), Type::Float4 | Type::Float8) => Value::Float(f64::NAN),
        ValueRef::Text(text) => Value::text(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
    }
}
