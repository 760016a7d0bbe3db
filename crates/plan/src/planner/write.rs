//! Inserts, updates and deletes.

use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, SourceId};
use crate::plan::{Cell, ConflictPlan, DeletePlan, InsertPlan, Node, ReturningPlan, RowCheck, RowSource, UpdatePlan};
use crate::query::{
    Conflict, Delete, Filter, Insert, Operand, Operator, Resolution, Returning, RowsWanted, Selection, Update,
};
use crate::schema::{Column, ColumnId, PolicyCommand, Privilege, Relation};
use crate::value::{self, Value};

use super::Planner;
use super::faults::Told;
use super::generated::{Writing, refuse_generated};
use super::resolve::Place;

impl<'a> Planner<'a> {
    pub(super) fn insert(&self, insert: &Insert) -> Result<InsertPlan, PlanError> {
        let relation = self.visible_relation(&insert.target)?;
        let columns = body_columns(relation, &insert.rows.columns)?;
        let ids: Vec<_> = columns.iter().map(|column| column.id).collect();
        let keyed = insert.put.as_deref().map_or_else(|| Ok(Vec::new()), |filters| key_of(relation, filters))?;
        let key = self.key_values(relation, &keyed);
        let conflict = insert.conflict.as_ref().map(|c| self.conflict_columns(relation, c)).transpose()?.flatten();
        let single = insert.rows.json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        self.refuse_view(relation, "insert into");
        self.refuse_generated(relation, &ids, Writing::Insert);

        self.needs.add(relation, Privilege::Insert, ids.clone());
        let returning = self.returning(relation, &insert.returning)?;
        let reads = conflict.as_ref().is_some_and(|(columns, _)| !columns.is_empty()) || reads_rows(&returning);
        let mut checks = self.row_checks(relation, PolicyCommand::Insert, false)?;
        checks.extend(self.reading_checks(relation, reads)?);
        let conflict = conflict.map(|found| self.conflict(relation, &ids, found, reads)).transpose()?;
        // Values are read by whoever may write them only.
        self.authorize()?;
        let (rows, fault) = self.rows(&insert.rows, &columns, insert.missing_default, single);
        let rows = match fault {
            Some(_) => rows,
            None => {
                self.authorize_sequences(relation, &ids)?;
                rows_with_key(rows, &ids, &key)?
            }
        };
        Ok(InsertPlan {
            relation: relation.id,
            columns: ids,
            rows,
            fault,
            missing_default: insert.missing_default,
            conflict,
            keyed,
            checks,
            shown: self.shown_columns(relation),
            returning: without_empty_embeds(returning),
            count: insert.count,
        })
    }

    /// The values of the key that a PUT names; where the engine reads literals, it reads these as well.
    fn key_values(&self, relation: &Relation, keyed: &[(ColumnId, String)]) -> Vec<(ColumnId, Value)> {
        let read = |(column, text): &(ColumnId, String)| {
            if self.capabilities.reads_literals {
                return (*column, Value::Null);
            }
            let value = value::parse(text, &relation.column_by_id(*column).ty, &self.limits.clock);
            let value = value.unwrap_or_else(|fault| {
                self.literal_fault.borrow_mut().get_or_insert(fault);
                Value::Null
            });
            (*column, value)
        };
        keyed.iter().map(read).collect()
    }

    fn conflict(
        &self,
        relation: &Relation,
        written: &[ColumnId],
        (columns, resolution): (Vec<ColumnId>, Resolution),
        reads: bool,
    ) -> Result<ConflictPlan, PlanError> {
        if !columns.is_empty() {
            self.needs.add(relation, Privilege::Select, columns.clone());
        }
        // A body without columns has nothing to merge.
        if resolution == Resolution::Ignore || written.is_empty() {
            let resolution = Resolution::Ignore;
            return Ok(ConflictPlan { columns, resolution, using: Vec::new(), checks: Vec::new() });
        }
        self.needs.add(relation, Privilege::Update, written.to_vec());
        // `excluded.column` is read like the column itself.
        self.needs.add(relation, Privilege::Select, written.to_vec());
        let mut using = self.row_checks(relation, PolicyCommand::Update, true)?;
        using.extend(self.reading_checks(relation, reads)?);
        let mut checks = self.row_checks(relation, PolicyCommand::Update, false)?;
        checks.extend(self.reading_checks(relation, reads)?);
        Ok(ConflictPlan { columns, resolution, using, checks })
    }

    /// The key that decides what a conflict is. `None` when the relation has no primary key and none was named:
    /// then no row can conflict.
    fn conflict_columns(
        &self,
        relation: &Relation,
        conflict: &Conflict,
    ) -> Result<Option<(Vec<ColumnId>, Resolution)>, PlanError> {
        let Some(names) = &conflict.columns else {
            return Ok(self.schema.primary_key(relation).map(|key| (key.to_vec(), conflict.resolution)));
        };
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let column = relation.column(name).ok_or_else(|| PlanError::UnknownConflictColumn {
                relation: relation.name.clone(),
                column: name.clone(),
            })?;
            columns.push(column.id);
        }
        let is_key = relation
            .keys()
            .any(|key| key.columns.len() == columns.len() && columns.iter().all(|c| key.columns.contains(c)));
        let is_index =
            relation.indexes.iter().any(|index| index.unique && index.condition.is_none() && index.covers(&columns));
        if !is_key && !is_index && !self.capabilities.enforces_access {
            let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
            self.faults.keep(Told::Planning, DatabaseError::new("42P10", message));
        }
        Ok(Some((columns, conflict.resolution)))
    }

    pub(super) fn update(&self, update: &Update) -> Result<UpdatePlan, PlanError> {
        let relation = self.visible_relation(&update.target)?;
        let columns = body_columns(relation, &update.row.columns)?;
        let ids: Vec<_> = columns.iter().map(|column| column.id).collect();
        self.refuse_view(relation, "update");
        self.refuse_generated(relation, &ids, Writing::Update);

        self.needs.add(relation, Privilege::Update, ids.clone());
        let returning = self.returning(relation, &update.returning)?;
        refuse_most_of_groups(&returning, update.rows_wanted)?;
        let reads = !update.filter.is_empty() || update.portion.is_some() || reads_rows(&returning);
        let mut condition = self.written_rows(relation, &update.filter, PolicyCommand::Update, (reads, &returning))?;
        if let Some(portion) = &update.portion {
            let among = self.in_portion(relation, &update.filter, portion, &update.returning)?;
            condition = Expr::all(condition.into_iter().chain([among]).collect());
        }
        let mut checks = self.row_checks(relation, PolicyCommand::Update, false)?;
        checks.extend(self.reading_checks(relation, reads)?);
        if ids.is_empty() {
            // Nothing is set: PostgREST asks the database nothing, so nothing is read or asked for.
            self.needs.forget();
            self.faults.forget();
            self.literal_fault.take();
        }
        self.authorize()?;
        let (row, fault) = self.rows(&update.row, &columns, update.missing_default, true);
        Ok(UpdatePlan {
            relation: relation.id,
            columns: ids,
            row,
            fault,
            missing_default: update.missing_default,
            condition,
            checks,
            shown: self.shown_columns(relation),
            returning: without_empty_embeds(returning),
            count: update.count,
        })
    }

    pub(super) fn delete(&self, delete: &Delete) -> Result<DeletePlan, PlanError> {
        let relation = self.visible_relation(&delete.target)?;
        self.refuse_view(relation, "delete from");
        self.needs.add(relation, Privilege::Delete, Vec::new());
        let returning = self.returning(relation, &delete.returning)?;
        refuse_most_of_groups(&returning, delete.rows_wanted)?;
        let reads = !delete.filter.is_empty() || delete.portion.is_some() || reads_rows(&returning);
        let mut condition = self.written_rows(relation, &delete.filter, PolicyCommand::Delete, (reads, &returning))?;
        if let Some(portion) = &delete.portion {
            let among = self.in_portion(relation, &delete.filter, portion, &delete.returning)?;
            condition = Expr::all(condition.into_iter().chain([among]).collect());
        }
        Ok(DeletePlan {
            relation: relation.id,
            condition,
            shown: self.shown_columns(relation),
            returning: without_empty_embeds(returning),
            count: delete.count,
        })
    }

    /// Which existing rows an update or delete touches: the caller's filters, and the policies of its command and,
    /// when it reads them, of reading.
    fn written_rows(
        &self,
        relation: &'a Relation,
        filter: &[Filter],
        command: PolicyCommand,
        (reads, returning): (bool, &ReturningPlan),
    ) -> Result<Option<Expr>, PlanError> {
        let place = Place { relation, source: SourceId::ROW };
        let bare;
        let node = match returning {
            ReturningPlan::Rows(node) => node,
            ReturningPlan::Nothing | ReturningPlan::Key(_) => {
                bare = self.unfiltered_node(place, &Selection::default(), 0)?;
                &bare
            }
        };
        let filters = self.conditions(place, filter, node)?;
        if !filters.is_empty() {
            let bare = Node { outputs: Vec::new(), order: Vec::new(), ..node.clone() };
            self.needs.add(relation, Privilege::Select, self.columns_read(place, &bare, &filters));
        }
        let mut conditions = self.using(place, command, &mut Vec::new())?;
        if reads {
            conditions.extend(self.read_policies(place)?);
        }
        conditions.extend(filters);
        Ok(Expr::all(conditions))
    }

    /// A statement that reads rows must be able to see those it writes.
    fn reading_checks(&self, relation: &Relation, reads: bool) -> Result<Vec<RowCheck>, PlanError> {
        if reads { self.row_checks(relation, PolicyCommand::Select, true) } else { Ok(Vec::new()) }
    }

    fn returning(&self, relation: &'a Relation, returning: &Returning) -> Result<ReturningPlan, PlanError> {
        match returning {
            Returning::Nothing => Ok(ReturningPlan::Nothing),
            Returning::Key => {
                let columns = self.schema.primary_key(relation).map_or_else(Vec::new, <[ColumnId]>::to_vec);
                if !columns.is_empty() {
                    self.needs.add(relation, Privilege::Select, columns.clone());
                }
                Ok(ReturningPlan::Key(columns))
            }
            Returning::Rows(selection) => {
                let place = Place { relation, source: SourceId::ROW };
                let slot = self.needs.add(relation, Privilege::Select, Vec::new());
                self.check_aggregates(selection)?;
                self.faults.in_answer.set(true);
                let mut node = self.unfiltered_node(place, selection, 0)?;
                node.order = self.order(place, selection, &node)?;
                self.check_grouping(place, &node, selection, 0);
                self.faults.in_answer.set(false);
                let mut read = self.columns_read(place, &node, &[]);
                if node.grouped && read.is_empty() {
                    // To count rows is to read them, whole.
                    read = relation.columns.iter().map(|column| column.id).collect();
                }
                self.needs.extend(slot, read);
                Ok(ReturningPlan::Rows(node))
            }
        }
    }

    fn refuse_generated(&self, relation: &Relation, columns: &[ColumnId], writing: Writing) {
        // An engine with catalogs of its own refuses them itself.
        if !self.capabilities.enforces_access
            && let Err(fault) = refuse_generated(relation, columns, writing)
        {
            self.faults.keep(Told::Rewriting, fault);
        }
    }

    /// Views are written where the engine knows how.
    fn refuse_view(&self, relation: &Relation, verb: &str) {
        if relation.writable || self.capabilities.enforces_access {
            return;
        }
        let error = DatabaseError::new("55000", format!("cannot {verb} view \"{}\"", relation.name));
        self.faults.keep(Told::Rewriting, error.hint("Write to the tables that the view reads."));
    }
}

/// How many rows were written is not told by the number of their groups.
fn refuse_most_of_groups(returning: &ReturningPlan, wanted: RowsWanted) -> Result<(), PlanError> {
    match (returning, wanted) {
        (ReturningPlan::Rows(node), RowsWanted::AtMost(_)) if node.grouped => {
            let what = "`max-affected` does not go with aggregates of the written rows.";
            Err(PlanError::NotImplemented { what })
        }
        (ReturningPlan::Rows(_) | ReturningPlan::Nothing | ReturningPlan::Key(_), _) => Ok(()),
    }
}

/// The rows that have the key; where the engine reads them, it has to look itself.
fn rows_with_key(rows: RowSource, written: &[ColumnId], key: &[(ColumnId, Value)]) -> Result<RowSource, PlanError> {
    if key.iter().any(|(column, _)| !written.contains(column)) {
        return Err(PlanError::KeyDiffers);
    }
    let RowSource::Values(mut rows) = rows else { return Ok(rows) };
    for (column, value) in key {
        let place = written.iter().position(|id| id == column);
        rows.retain(|row| place.and_then(|place| row.get(place)) == Some(&Cell::Value(value.clone())));
    }
    Ok(RowSource::Values(rows))
}

/// The key that the filters of a PUT name, with its values as text.
fn key_of(relation: &Relation, filters: &[Filter]) -> Result<Vec<(ColumnId, String)>, PlanError> {
    let mut keyed = Vec::new();
    for filter in filters {
        let Filter::Test { field, operator: Operator::Equal, operand: Operand::Text(text) } = filter else {
            return Err(PlanError::NotTheKey);
        };
        let column = relation.column(&field.column).filter(|_| field.path.is_empty()).ok_or(PlanError::NotTheKey)?;
        keyed.push((column.id, text.clone()));
    }
    let key = relation.primary_key.as_ref().map(|key| key.columns.as_slice()).unwrap_or_default();
    let named = |column: &ColumnId| keyed.iter().any(|(known, _)| known == column);
    let is_key = !key.is_empty() && key.iter().all(named) && keyed.iter().all(|(column, _)| key.contains(column));
    if is_key { Ok(keyed) } else { Err(PlanError::NotTheKey) }
}

/// The embeds without columns have served the filters.
fn without_empty_embeds(mut returning: ReturningPlan) -> ReturningPlan {
    if let ReturningPlan::Rows(node) = &mut returning {
        node.forget_empty_embeds();
    }
    returning
}

fn reads_rows(returning: &ReturningPlan) -> bool {
    match returning {
        ReturningPlan::Nothing => false,
        ReturningPlan::Key(columns) => !columns.is_empty(),
        ReturningPlan::Rows(_) => true,
    }
}

fn body_columns<'a>(relation: &'a Relation, names: &[String]) -> Result<Vec<&'a Column>, PlanError> {
    let find = |name: &String| {
        relation
            .column(name)
            .ok_or_else(|| PlanError::UnknownBodyColumn { relation: relation.name.clone(), column: name.clone() })
    };
    names.iter().map(find).collect()
}
