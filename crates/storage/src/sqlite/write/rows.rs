//! Updates and deletes one row after the other, where triggers look at each of them, or a body says what each becomes.

use std::collections::HashMap;

use roadbed_plan::plan::{Cell, RowCheck};
use roadbed_plan::schema::{ColumnId, ReferentialAction, Relation, TriggerEvent, TriggerTiming};
use roadbed_plan::{EngineError, Value};

use super::super::diagnose;
use super::super::foreign_keys::{self, Touched, deferred};
use super::super::triggers::{self, Pending, RowEvent};
use super::{Candidate, Target, Written, update};

/// A row, and what some of its columns become.
pub(in super::super) struct Change {
    pub(in super::super) rowid: i64,
    pub(in super::super) cells: Vec<(ColumnId, Cell)>,
}

/// Updates rows, each through its triggers.
pub(in super::super) fn update(
    target: Target<'_>,
    changes: Vec<Change>,
    checks: &[RowCheck],
) -> Result<Written, EngineError> {
    let columns = target.written;
    triggers::statement(target, TriggerTiming::Before, TriggerEvent::Update, columns)?;
    let mut written = Written::default();
    written.pending.statement.push(TriggerEvent::Update);
    written.pending.columns = columns.to_vec();
    deferred(target.request, || {
        let mut touched = Vec::with_capacity(changes.len());
        for change in changes {
            update_row(target, change, checks, (&mut written, &mut touched))?;
        }
        foreign_keys::violated(target, &touched)?.map_or(Ok(()), |error| Err(error.into()))
    })?;
    Ok(written)
}

fn update_row<'s>(
    target: Target<'s>,
    change: Change,
    checks: &[RowCheck],
    (written, touched): (&mut Written, &mut Vec<Touched<'s>>),
) -> Result<(), EngineError> {
    let Change { rowid, cells } = change;
    // A trigger of an earlier row may have taken it away.
    let Some(old) = triggers::row(target, rowid)? else { return Ok(()) };
    let Some(cells) = changed_cells(target, (rowid, &old), cells)? else { return Ok(()) };
    let columns: Vec<ColumnId> = cells.iter().map(|(id, _)| *id).collect();
    let referenced = foreign_keys::before_update(target, rowid, &columns)?;
    let followers = Followers::of_update(target, rowid, &columns)?;
    let given: Vec<_> = cells.iter().map(|(id, cell)| (*id, cell)).collect();
    let now = update::one(target, rowid, &given, checks)?;
    touched.push(Touched { rowid: Some(now), referenced });
    written.rowids.push(now);
    written.rows += 1;
    if triggers::follow_rows(target.relation, TriggerEvent::Update) {
        let new = triggers::row(target, now)?;
        written.pending.rows.push(RowEvent { event: TriggerEvent::Update, old: Some(old), new });
    }
    followers.changed(target, &mut written.pending)
}

/// What the row's columns become once the triggers before it have run; `None` when one of them leaves it out.
pub(super) fn changed_cells(
    target: Target<'_>,
    (rowid, old): (i64, &[Value]),
    cells: Vec<(ColumnId, Cell)>,
) -> Result<Option<Vec<(ColumnId, Cell)>>, EngineError> {
    if !triggers::precede_rows(target.relation, TriggerEvent::Update) {
        return Ok(Some(cells));
    }
    let given: Vec<_> = cells.iter().map(|(id, cell)| (*id, cell)).collect();
    let new = diagnose::computed(target, &Candidate::Changed { rowid, cells: &given })?;
    let columns: Vec<ColumnId> = target.written.to_vec();
    let rows = (Some(old), Some(new));
    let Some(new) = triggers::before_row(target, TriggerEvent::Update, &columns, rows)? else { return Ok(None) };
    let mut changed = Vec::new();
    for ((column, new), old) in target.relation.columns.iter().zip(new).zip(old) {
        let is_set = cells.iter().any(|(id, _)| *id == column.id);
        if !column.is_generated() && (is_set || new != *old) {
            changed.push((column.id, Cell::Value(new)));
        }
    }
    Ok(Some(changed))
}

/// Rows that are about to be deleted, with what they were.
pub(in super::super) struct Leaving {
    rows: Vec<(i64, Vec<Value>)>,
}

impl Leaving {
    pub(in super::super) fn rowids(&self) -> Vec<i64> {
        self.rows.iter().map(|(rowid, _)| *rowid).collect()
    }
}

/// Lets the triggers before a delete say which rows stay.
pub(in super::super) fn before_delete(target: Target<'_>, rowids: Vec<i64>) -> Result<Leaving, EngineError> {
    triggers::statement(target, TriggerTiming::Before, TriggerEvent::Delete, &[])?;
    let mut rows = Vec::with_capacity(rowids.len());
    for rowid in rowids {
        let Some(old) = triggers::row(target, rowid)? else { continue };
        if triggers::before_row(target, TriggerEvent::Delete, &[], (Some(&old), None))?.is_some() {
            rows.push((rowid, old));
        }
    }
    Ok(Leaving { rows })
}

/// Deletes rows, and notes what foreign keys take with them.
pub(in super::super) fn delete(target: Target<'_>, leaving: Leaving) -> Result<Written, EngineError> {
    let mut written = Written::default();
    written.pending.statement.push(TriggerEvent::Delete);
    deferred(target.request, || {
        let mut touched = Vec::new();
        for (rowid, old) in leaving.rows {
            let doomed = foreign_keys::before_delete(target, &[rowid])?;
            let followers = Followers::of_delete(target, rowid, &doomed.descendants)?;
            let mut leaves_first = doomed.descendants.iter().rev();
            let gone = leaves_first
                .try_for_each(|(relation, rowid)| Target { relation, ..target }.delete_row(*rowid).map(drop))
                .and_then(|()| target.delete_row(rowid));
            touched.extend(doomed.touched);
            match gone {
                Ok(0) => continue,
                Ok(_) => {}
                Err(cause) => return Err(foreign_keys::why_kept(target, &touched, cause)?.into()),
            }
            written.rows += 1;
            if triggers::follow_rows(target.relation, TriggerEvent::Delete) {
                let event = RowEvent { event: TriggerEvent::Delete, old: Some(old), new: None };
                written.pending.rows.push(event);
            }
            followers.changed(target, &mut written.pending)?;
        }
        foreign_keys::violated(target, &touched)?.map_or(Ok(()), |error| Err(error.into()))
    })?;
    Ok(written)
}

/// Rows of tables with triggers that an action of a foreign key is about to change.
#[derive(Default)]
struct Followers<'s> {
    rows: Vec<Follower<'s>>,
}

struct Follower<'s> {
    relation: &'s Relation,
    rowid: i64,
    old: Vec<Value>,
    /// Of an update: the columns that the action sets.
    columns: Vec<ColumnId>,
}

impl<'s> Followers<'s> {
    fn add(
        &mut self,
        target: Target<'s>,
        (relation, rowid): (&'s Relation, i64),
        columns: &[ColumnId],
    ) -> Result<(), EngineError> {
        if !triggers::any(relation) {
            return Ok(());
        }
        let of = Target { relation, ..target };
        let known = self.rows.iter_mut().find(|row| row.relation.id == relation.id && row.rowid == rowid);
        match (known, triggers::row(of, rowid)?) {
            (Some(known), _) => known.columns.extend(columns),
            (None, Some(old)) => self.rows.push(Follower { relation, rowid, old, columns: columns.to_vec() }),
            (None, None) => {}
        }
        Ok(())
    }

    fn of_update(target: Target<'s>, rowid: i64, columns: &[ColumnId]) -> Result<Self, EngineError> {
        let mut followers = Self::default();
        for (child, key, rows) in foreign_keys::followers(target, target.relation, rowid)? {
            let moves = key.target_columns.iter().any(|id| columns.contains(id));
            if moves && key.on_update.changes_rows() {
                for row in rows {
                    followers.add(target, (child, row), &key.columns)?;
                }
            }
        }
        Ok(followers)
    }

    fn of_delete(target: Target<'s>, rowid: i64, descendants: &[(&'s Relation, i64)]) -> Result<Self, EngineError> {
        let mut followers = Self::default();
        let mut going: HashMap<_, ()> = descendants.iter().map(|(relation, row)| ((relation.id, *row), ())).collect();
        going.insert((target.relation.id, rowid), ());
        for (relation, row) in std::iter::once((target.relation, rowid)).chain(descendants.iter().copied()) {
            for (child, key, rows) in foreign_keys::followers(target, relation, row)? {
                let sets = matches!(key.on_delete, ReferentialAction::SetNull | ReferentialAction::SetDefault);
                for row in rows.into_iter().filter(|row| sets && !going.contains_key(&(child.id, *row))) {
                    followers.add(target, (child, row), &key.columns)?;
                }
            }
        }
        for (relation, row) in descendants {
            followers.add(target, (relation, *row), &[])?;
        }
        Ok(followers)
    }

    /// Fires the triggers before these rows, which see what was done already, and notes those after them.
    fn changed(self, target: Target<'_>, pending: &mut Pending) -> Result<(), EngineError> {
        for row in self.rows {
            let of = Target { relation: row.relation, written: &row.columns, ..target };
            let event = match triggers::row(of, row.rowid)? {
                None => {
                    if triggers::before_row(of, TriggerEvent::Delete, &[], (Some(&row.old), None))?.is_none() {
                        return Err(kept(row.relation));
                    }
                    RowEvent { event: TriggerEvent::Delete, old: Some(row.old), new: None }
                }
                Some(now) => {
                    let rows = (Some(&row.old[..]), Some(now.clone()));
                    let Some(new) = triggers::before_row(of, TriggerEvent::Update, &row.columns, rows)? else {
                        return Err(kept(row.relation));
                    };
                    let columns = of.relation.columns.iter().zip(new).zip(&now);
                    let changed = columns.filter(|((column, new), now)| !column.is_generated() && new != *now);
                    let cells: Vec<_> = changed.map(|((column, new), _)| (column.id, Cell::Value(new))).collect();
                    if !cells.is_empty() {
                        let given: Vec<_> = cells.iter().map(|(id, cell)| (*id, cell)).collect();
                        update::one(of, row.rowid, &given, &[])?;
                    }
                    RowEvent { event: TriggerEvent::Update, old: Some(row.old), new: triggers::row(of, row.rowid)? }
                }
            };
            pending.others.push((row.relation.id, row.columns, event));
        }
        Ok(())
    }
}

/// A trigger that keeps a row from a foreign key's action, which would leave the row pointing nowhere.
fn kept(relation: &Relation) -> EngineError {
    let message = format!("a trigger of \"{}\" keeps a row that a foreign key's action must change", relation.name);
    roadbed_plan::DatabaseError::new("27000", message).into()
}
