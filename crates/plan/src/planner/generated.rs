//! Columns that the database fills by itself are not for callers to write.

use crate::error::DatabaseError;
use crate::schema::{ColumnId, DefaultValue, Relation};

/// The statement that would write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    Insert,
    Update,
}

/// Refuses generated columns, and identity columns that are always generated.
pub(super) fn refuse_generated(
    relation: &Relation,
    columns: &[ColumnId],
    writing: Writing,
) -> Result<(), DatabaseError> {
    for column in columns.iter().map(|id| relation.column_by_id(*id)) {
        let name = &column.name;
        let (details, is_identity) = match &column.default {
            Some(DefaultValue::Generated(_)) => (format!("Column \"{name}\" is a generated column."), false),
            Some(DefaultValue::Identity { always: true, .. }) => {
                (format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS."), true)
            }
            Some(
                DefaultValue::Identity { always: false, .. }
                | DefaultValue::Expr(_)
                | DefaultValue::Sequence { .. }
                | DefaultValue::Engine(_),
            )
            | None => continue,
        };
        let message = match writing {
            Writing::Insert => format!("cannot insert a non-DEFAULT value into column \"{name}\""),
            Writing::Update => format!("column \"{name}\" can only be updated to DEFAULT"),
        };
        let error = DatabaseError::new("428C9", message).details(details);
        let has_hint = is_identity && writing == Writing::Insert;
        return Err(if has_hint { error.hint("Use OVERRIDING SYSTEM VALUE to override.") } else { error });
    }
    Ok(())
}
