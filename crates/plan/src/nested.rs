//! Inserting rows with the rows that are nested in them: those that a row refers to go before it, those that refer to
//! it after. Each relation's rows are one insert of their own, planned and authorized as any other.

mod rows;

use indexmap::IndexMap;

use crate::engine::Outcome;
use crate::error::{DatabaseError, PlanError};
use crate::planner::{NestedLink, Nesting};
use crate::query::{
    Field, Filter, Insert, Operand, Operator, Query, Read, Returning, Rows, RowsWanted, SelectItem, Selection, Target,
};
use crate::session::Session;
use crate::transaction::{Asking, Waiting};
use rows::{Row, body_of, members, reordered, text_of};

/// As [`Asking::ask`]; an insert may have other relations' rows nested in its own.
///
/// # Errors
/// When an outcome is missing, or the rows do not fit each other.
pub fn ask(asking: &mut Asking<'_>, session: &Session, query: Query) -> Result<Outcome, Waiting> {
    match query {
        Query::Insert(insert) => Nested { asking, session }.top(insert),
        other => asking.ask(session, other),
    }
}

struct Nested<'a, 't> {
    asking: &'a mut Asking<'t>,
    session: &'a Session,
}

/// Rows of one relation, with what nests in them.
struct Level {
    target: Target,
    rows: Vec<Row>,
    /// The keys that are heeded.
    keys: Vec<String>,
    missing_default: bool,
    nestings: IndexMap<String, Nesting>,
    depth: usize,
}

/// What nested rows of one key, of all rows of a level, come to.
struct Gathered {
    rows: Vec<Row>,
    /// For each of them, the row of the level that it was in.
    owners: Vec<usize>,
}

impl Nested<'_, '_> {
    fn top(&mut self, insert: Insert) -> Result<Outcome, Waiting> {
        let nestings = match self.asking.nestings(self.session, &insert) {
            Ok(nestings) if nestings.is_empty() => return self.asking.ask(self.session, Query::Insert(insert)),
            Ok(nestings) => nestings,
            Err(error @ PlanError::AmbiguousRelationship { .. }) => return Err(self.asking.fail(error)),
            // The planner tells it in its own order of faults.
            Err(_) => return self.asking.ask(self.session, Query::Insert(insert)),
        };
        if insert.conflict.is_some() {
            let error = DatabaseError::new("0A000", "rows with nested rows cannot be upserted");
            return Err(self.asking.fail(error.hint("Leave resolution out of Prefer, or nest nothing.").into()));
        }
        let rows = members(&insert.rows.json).map_err(|reason| self.asking.fail(PlanError::Body { reason }))?;
        let depth = 0;
        let target = insert.target.clone();
        let level = Level {
            target,
            rows,
            keys: insert.rows.columns.clone(),
            missing_default: insert.missing_default,
            nestings,
            depth,
        };
        let only_parents = level.nestings.values().all(|nesting| matches!(nesting.link, NestedLink::Parent(_)));
        let key = self.asking.primary_key(&insert.target);
        if insert.returning == Returning::Nothing || only_parents && key.is_empty() {
            let (own, _) = self.level(level, &[], Some(&insert))?;
            return Ok(own);
        }
        if key.is_empty() {
            let error = DatabaseError::new("0A000", "rows without a primary key cannot be shown with nested rows");
            return Err(self.asking.fail(error.hint("Use Prefer: return=minimal.").into()));
        }
        let silent = Insert { returning: Returning::Nothing, ..insert.clone() };
        let (own, written) = self.level(level, &key, Some(&silent))?;
        self.shown(&insert, own, (&key, &written))
    }

    /// What the request wants to see of the rows, now that all are there.
    fn shown(
        &mut self,
        insert: &Insert,
        own: Outcome,
        (key, written): (&[String], &[Row]),
    ) -> Result<Outcome, Waiting> {
        let Returning::Rows(selection) = &insert.returning else {
            let values = written.first().filter(|_| written.len() == 1).into_iter();
            let key =
                values.flat_map(|row| key.iter().filter_map(|name| Some((name.clone(), text_of(row.get(name)?)))));
            return Ok(Outcome { key: key.collect(), ..own });
        };
        let mut selection = selection.clone();
        selection.filter.push(rows::filter_of(key, written));
        let marks: Vec<String> = (0..key.len()).map(|index| format!("\u{E000}{index}")).collect();
        for (name, mark) in key.iter().zip(&marks) {
            let field = Field { column: name.clone(), path: Vec::new() };
            selection.items.push(SelectItem::Field { field, alias: Some(mark.clone()), cast: None });
        }
        let is_ordered = !selection.order.is_empty();
        let read = Read { target: insert.target.clone(), selection, count: None, rows: insert.rows_wanted };
        let found = self.asking.ask(self.session, Query::Read(read))?;
        let order = (!is_ordered).then_some((key, written));
        let body =
            reordered(&found.body, &marks, order).map_err(|reason| self.asking.fail(PlanError::Body { reason }))?;
        Ok(Outcome { body, rows: found.rows, total: insert.count.map(|_| found.rows), ..own })
    }

    /// Inserts a level's rows with all that nests in them. Gives the outcome of its own insert, and of its rows the
    /// columns that are `wanted`.
    fn level(
        &mut self,
        mut level: Level,
        wanted: &[String],
        top: Option<&Insert>,
    ) -> Result<(Outcome, Vec<Row>), Waiting> {
        if level.depth > self.asking.limits.max_depth {
            let limit = self.asking.limits.max_depth;
            return Err(self.asking.fail(PlanError::TooDeep { depth: level.depth, limit }));
        }
        let place = self.asking.place.path.clone();
        let nestings = std::mem::take(&mut level.nestings);
        for (key, nesting) in &nestings {
            if let NestedLink::Parent(pairs) = &nesting.link {
                self.parents(&mut level, (key, nesting), pairs, &place)?;
            }
        }
        let mut needed = wanted.to_vec();
        let mut gathered = Vec::new();
        for (key, nesting) in &nestings {
            let near = match &nesting.link {
                NestedLink::Parent(_) => continue,
                NestedLink::Children { pairs, .. } => pairs,
                NestedLink::Through { near, .. } => near,
            };
            let many = !matches!(&nesting.link, NestedLink::Children { many: false, .. });
            let rows = self.gather(&mut level, key, many, &place)?;
            if !rows.rows.is_empty() {
                needed.extend(near.iter().map(|(own, _)| own.clone()));
                gathered.push((key, nesting, rows));
            }
        }
        needed.sort_unstable();
        needed.dedup();
        let missing_default = level.missing_default;
        let depth = level.depth;
        self.asking.place.path.clone_from(&place);
        let (own, written) = self.own(level, &nestings, &needed, top)?;
        for (key, nesting, rows) in gathered {
            self.asking.place.path = joined(&place, key);
            self.dependents(nesting, rows, &written, (missing_default, depth))?;
        }
        self.asking.place.path = place;
        Ok((own, written))
    }

    /// The level's own insert, less what nested in it.
    fn own(
        &mut self,
        level: Level,
        nestings: &IndexMap<String, Nesting>,
        needed: &[String],
        top: Option<&Insert>,
    ) -> Result<(Outcome, Vec<Row>), Waiting> {
        let mut columns: Vec<String> = level.keys.iter().filter(|key| !nestings.contains_key(*key)).cloned().collect();
        columns.sort_unstable();
        columns.dedup();
        let count = level.rows.len();
        let shown = top.map_or(&Returning::Nothing, |insert| &insert.returning);
        let returning = match needed.is_empty() {
            true => shown.clone(),
            false => Returning::Rows(columns_only(needed)),
        };
        let is_array = top.is_none_or(|insert| insert.rows.json.trim_ascii_start().first() == Some(&b'['));
        let insert = Insert {
            target: level.target,
            rows: Rows { json: body_of(&level.rows, is_array), columns, count },
            missing_default: level.missing_default,
            conflict: None,
            put: None,
            returning,
            count: top.and_then(|insert| insert.count),
            rows_wanted: top.map_or(RowsWanted::Any, |insert| insert.rows_wanted),
        };
        let outcome = self.asking.ask(self.session, Query::Insert(insert))?;
        if needed.is_empty() {
            return Ok((outcome, Vec::new()));
        }
        let written = members(&outcome.body).map_err(|reason| self.asking.fail(PlanError::Body { reason }))?;
        if written.len() != count {
            let error = DatabaseError::new("0A000", "rows that a trigger leaves out cannot have nested rows");
            return Err(self.asking.fail(error.into()));
        }
        Ok((Outcome { body: bytes::Bytes::new(), ..outcome }, written))
    }

    /// Inserts the rows that those of `level` refer to, and puts their keys into it.
    fn parents(
        &mut self,
        level: &mut Level,
        (key, nesting): (&String, &Nesting),
        pairs: &[(String, String)],
        place: &str,
    ) -> Result<(), Waiting> {
        if let Some((own, _)) = pairs.iter().find(|(own, _)| level.keys.contains(own)) {
            let reason = format!("`{own}` and `{key}` both say what the row refers to");
            return Err(self.asking.fail(PlanError::Body { reason }));
        }
        let gathered = self.gather(level, key, false, place)?;
        let far: Vec<String> = pairs.iter().map(|(_, far)| far.clone()).collect();
        self.asking.place.path = joined(place, key);
        let written = match gathered.rows.is_empty() {
            true => Vec::new(),
            false => {
                let below = self.below(nesting, gathered.rows, (level.missing_default, level.depth))?;
                self.level(below, &far, None)?.1
            }
        };
        for (own, far) in pairs {
            level.keys.push(own.clone());
            for row in &mut level.rows {
                row.insert(own.clone(), rows::null());
            }
            for (owner, parent) in gathered.owners.iter().zip(&written) {
                if let Some(value) = parent.get(far) {
                    level.rows[*owner].insert(own.clone(), value.clone());
                }
            }
        }
        Ok(())
    }

    /// Inserts the rows that refer to those of a level, which are `written`.
    fn dependents(
        &mut self,
        nesting: &Nesting,
        mut gathered: Gathered,
        written: &[Row],
        (missing_default, depth): (bool, usize),
    ) -> Result<(), Waiting> {
        match &nesting.link {
            NestedLink::Parent(_) => Ok(()),
            NestedLink::Children { pairs, .. } => {
                for (own, child) in pairs {
                    for (row, owner) in gathered.rows.iter_mut().zip(&gathered.owners) {
                        let given =
                            row.insert(child.clone(), written[*owner].get(own).cloned().unwrap_or_else(rows::null));
                        if given.is_some() {
                            let reason = format!("`{child}` is told by the row that it is nested in");
                            return Err(self.asking.fail(PlanError::Body { reason }));
                        }
                    }
                }
                let below = self.below(nesting, gathered.rows, (missing_default, depth))?;
                self.level(below, &[], None).map(|_| ())
            }
            NestedLink::Through { junction, near, far } => {
                let below = self.below(nesting, gathered.rows, (missing_default, depth))?;
                let keys: Vec<String> = far.iter().map(|(_, target)| target.clone()).collect();
                let (_, targets) = self.level(below, &keys, None)?;
                let mut rows = Vec::with_capacity(targets.len());
                for (owner, target) in gathered.owners.iter().zip(&targets) {
                    let mut row = Row::new();
                    for (own, column) in near {
                        row.insert(column.clone(), written[*owner].get(own).cloned().unwrap_or_else(rows::null));
                    }
                    for (column, of) in far {
                        row.insert(column.clone(), target.get(of).cloned().unwrap_or_else(rows::null));
                    }
                    rows.push(row);
                }
                let link = Nesting { target: junction.clone(), link: NestedLink::Parent(Vec::new()) };
                let below = self.below(&link, rows, (missing_default, depth))?;
                self.level(below, &[], None).map(|_| ())
            }
        }
    }

    /// The level that rows of a nesting make.
    fn below(
        &mut self,
        nesting: &Nesting,
        rows: Vec<Row>,
        (missing_default, depth): (bool, usize),
    ) -> Result<Level, Waiting> {
        let keys: Vec<String> = rows.first().map(|row| row.keys().cloned().collect()).unwrap_or_default();
        if rows.iter().any(|row| row.len() != keys.len() || !keys.iter().all(|key| row.contains_key(key))) {
            return Err(self.asking.fail(PlanError::Body { reason: "All object keys must match".into() }));
        }
        let insert = Insert {
            target: nesting.target.clone(),
            rows: Rows { json: bytes::Bytes::new(), columns: keys.clone(), count: rows.len() },
            missing_default,
            conflict: None,
            put: None,
            returning: Returning::Nothing,
            count: None,
            rows_wanted: RowsWanted::Any,
        };
        let nestings = self.asking.nestings(self.session, &insert).map_err(|error| self.asking.fail(error))?;
        Ok(Level { target: nesting.target.clone(), rows, keys, missing_default, nestings, depth: depth + 1 })
    }

    /// Takes what stands under `key` out of the level's rows.
    fn gather(&mut self, level: &mut Level, key: &str, many: bool, place: &str) -> Result<Gathered, Waiting> {
        let mut gathered = Gathered { rows: Vec::new(), owners: Vec::new() };
        for (owner, row) in level.rows.iter_mut().enumerate() {
            let Some(json) = row.shift_remove(key) else { continue };
            let found = rows::nested(&json, many).map_err(|reason| {
                self.asking.place.path = joined(place, key);
                self.asking.fail(PlanError::Body { reason })
            })?;
            gathered.owners.extend(found.iter().map(|_| owner));
            gathered.rows.extend(found);
        }
        Ok(gathered)
    }
}

fn joined(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

fn columns_only(names: &[String]) -> Selection {
    let field = |name: &String| Field { column: name.clone(), path: Vec::new() };
    let items = names.iter().map(|name| SelectItem::Field { field: field(name), alias: None, cast: None });
    Selection { items: items.collect(), ..Selection::default() }
}

/// `column = value`.
fn equals(column: &str, text: String) -> Filter {
    let field = Field { column: column.to_owned(), path: Vec::new() };
    Filter::Test { field, operator: Operator::Equal, operand: Operand::Text(text) }
}
