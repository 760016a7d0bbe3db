//! Migrations read for review rather than to be carried out: what only PostgreSQL can do is noted and passed over, so
//! that folders made for PostgreSQL are looked into as well.

use std::sync::Arc;

use pg_query::protobuf::Node;

use super::fault::Fault;
use super::split::{self, Piece, Splitter};
use super::{Fold, SqlFile, Wanted};
use crate::engine::SqlError;
use crate::schema::Schema;

/// One statement with the schema around it.
pub(crate) struct Reviewed<'r> {
    pub(crate) file: &'r SqlFile<'r>,
    pub(crate) node: &'r Node,
    pub(crate) before: &'r Arc<Schema>,
    /// The same as `before` where the statement was passed over.
    pub(crate) after: &'r Arc<Schema>,
    piece: Piece<'r>,
}

/// A statement that was passed over: whether it grants anything is not known.
#[derive(Clone, Debug)]
pub struct PassedOver {
    /// The statement's text.
    pub text: String,
    pub reason: SqlError,
}

/// Reads a file's statements on top of `schema`, showing each to `visit`; those that cannot be carried out here are
/// passed over and given back.
///
/// # Errors
/// When the text is not SQL.
#[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
pub(crate) fn review(
    schema: &mut Arc<Schema>,
    file: &SqlFile<'_>,
    visit: &mut dyn FnMut(&Reviewed<'_>),
) -> Result<Vec<PassedOver>, SqlError> {
    let mut fold = Fold::new(Arc::clone(schema), Wanted::SchemaAlone);
    let mut splitter = Splitter::new(file.text);
    let mut passed_over = Vec::new();
    while let Some(found) = splitter.next() {
        let empty = Piece { offset: splitter.offset(), text: "" };
        fold.piece = found.map_err(|fault| fault.locate(file, &empty))?;
        let parsed = split::parse(&mut splitter, &mut fold.piece).map_err(|fault| fault.locate(file, &fold.piece))?;
        fold.called.take();
        for node in &parsed {
            let before = Arc::clone(&fold.schema);
            if let Err(fault) = fold.statement(node, &mut splitter) {
                fold.schema = Arc::clone(&before);
                let reason = fault.locate(file, &fold.piece);
                passed_over.push(PassedOver { text: fold.piece.text.to_owned(), reason });
            }
            fold.conversions.clear();
            fold.writes.clear();
            fold.steps.clear();
            visit(&Reviewed { file, node, before: &before, after: &fold.schema, piece: fold.piece });
        }
    }
    *schema = fold.schema;
    Ok(passed_over)
}

/// The schema that `files` leave, and the statements that were passed over.
///
/// # Errors
/// When a file is not SQL.
#[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
pub fn fold_known(files: &[SqlFile<'_>]) -> Result<(Schema, Vec<PassedOver>), SqlError> {
    let mut schema = Arc::new(Schema::initial());
    let mut passed_over = Vec::new();
    for file in files {
        passed_over.append(&mut review(&mut schema, file, &mut |_| {})?);
    }
    Ok((Arc::unwrap_or_clone(schema), passed_over))
}

impl Reviewed<'_> {
    /// The statement as it was written, without its semicolon.
    pub(crate) fn text(&self) -> &str {
        self.piece.text
    }

    /// A remark on the statement, at the parser's `location` or, without one, at the first `name`.
    pub(crate) fn remark(&self, place: (i32, &str), message: String, help: &str) -> SqlError {
        let (location, name) = place;
        Fault::new("", message).help(help).at(location).or_name(name).locate(self.file, &self.piece)
    }

    /// The lints that comments straight above the statement allow: `-- roadbed: allow name, other-name`.
    pub(crate) fn allowed(&self) -> Vec<String> {
        let before = self.file.text.get(..self.piece.offset).unwrap_or_default();
        let comments = before.lines().rev().take_while(|line| line.trim().is_empty() || line.trim().starts_with("--"));
        comments
            .filter_map(|line| line.trim().trim_start_matches('-').trim().strip_prefix("roadbed: allow "))
            .flat_map(|names| names.split([',', ' ']))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }
}
