//! Inserts, updates and deletes of migrations and seed files.

use pg_query::protobuf::{
    self, DeleteStmt, InferClause, InsertStmt, OnConflictAction, OnConflictClause, OverridingKind, ResTarget,
    SelectStmt, UpdateStmt, WithClause, node::Node as NodeEnum,
};

use crate::expr::{Expr, Select, SelectOutput, SourceId, Statement, StatementConflict};
use crate::schema::{Column, ColumnId, DefaultValue, Relation};
use crate::value::{Type, Value};

use super::coerce::{Context, cast_context};
use super::expressions::{location, required};
use super::names::{Item, Names, Place};
use super::operators::place_of;
use super::select::columns;
use super::{At, ExprError, Read, Resolver};

impl Resolver<'_> {
    /// `outer` is what is in sight around the statement.
    pub(super) fn read_statement(&self, node: &protobuf::Node, outer: Option<&Names<'_>>) -> Read<Statement> {
        match &node.node {
            Some(NodeEnum::InsertStmt(stmt)) => self.read_insert(stmt, outer),
            Some(NodeEnum::UpdateStmt(stmt)) => self.read_update(stmt, outer),
            Some(NodeEnum::DeleteStmt(stmt)) => self.read_delete(stmt, outer),
            Some(NodeEnum::SelectStmt(stmt)) => self.read_select(stmt, outer).map(Statement::Select),
            _ => Err(ExprError::unsupported(
                At::default(),
                "this statement",
                "write an insert, update, delete or select",
            )),
        }
    }

    fn read_insert(&self, stmt: &InsertStmt, around: Option<&Names<'_>>) -> Read<Statement> {
        let range = stmt.relation.as_ref().ok_or_else(incomplete)?;
        let relation = self.relation(range)?;
        let mut columns = insert_columns(relation, &stmt.cols)?;
        let overriding = match stmt.r#override() {
            OverridingKind::OverridingSystemValue => true,
            OverridingKind::OverridingNotSet | OverridingKind::Undefined => false,
            OverridingKind::OverridingUserValue => {
                let what = "`overriding user value`";
                return Err(ExprError::unsupported(At::default(), what, "leave the identity column out of the insert"));
            }
        };
        let mut outer = Names::within(around);
        let with = self.read_with(stmt.with_clause.as_ref(), &mut outer)?;
        let mut rows = match stmt.select_stmt.as_deref().and_then(|node| node.node.as_ref()) {
            None => None,
            Some(NodeEnum::SelectStmt(select)) if is_values(select) => {
                Some(self.insert_values((stmt, select), &mut columns, &outer)?)
            }
            Some(NodeEnum::SelectStmt(select)) => Some(self.insert_select((stmt, select), &mut columns, &outer)?),
            Some(_) => return Err(incomplete()),
        };
        if let Some(rows) = rows.as_mut() {
            rows.with.splice(0..0, with);
            refuse_generated(&columns, overriding)?;
        } else {
            columns.clear();
        }
        let conflict = match stmt.on_conflict_clause.as_deref() {
            Some(clause) => Some(self.read_conflict(clause, (relation, range), around)?),
            None => None,
        };
        let columns = columns.into_iter().map(|column| column.id).collect();
        Ok(Statement::Insert { relation: relation.id, columns, rows, overriding, conflict })
    }

    /// `values` whose cells take the types of their columns; `default` stands for the column's own.
    fn insert_values(
        &self,
        (insert, stmt): (&InsertStmt, &SelectStmt),
        columns: &mut Vec<&Column>,
        names: &Names<'_>,
    ) -> Read<Select> {
        let names = Names::within(Some(names));
        names.place.set(Place::Values);
        let lists: Vec<&[protobuf::Node]> = stmt
            .values_lists
            .iter()
            .filter_map(|list| match &list.node {
                Some(NodeEnum::List(list)) => Some(list.items.as_slice()),
                _ => None,
            })
            .collect();
        let width = lists.first().map_or(0, |list| list.len());
        if lists.iter().any(|list| list.len() != width) {
            return Err(ExprError::new(At::default(), "42601", "VALUES lists must all be the same length"));
        }
        fit(columns, width, &insert.cols)?;
        // A column that is `default` in every row is as good as left out.
        let given = |index: usize| lists.iter().any(|list| !is_default(&list[index]));
        let kept: Vec<usize> = (0..width).filter(|index| given(*index)).collect();
        let mut values = Vec::with_capacity(lists.len());
        for list in &lists {
            let cell = |index: &usize| self.insert_cell(&list[*index], columns[*index], &names);
            values.push(kept.iter().map(cell).collect::<Read<Vec<_>>>()?);
        }
        *columns = kept.into_iter().map(|index| columns[index]).collect();
        Ok(Select { values, ..Select::default() })
    }

    fn insert_cell(&self, node: &protobuf::Node, column: &Column, names: &Names<'_>) -> Read<Expr> {
        if is_default(node) {
            return default_of(column, place_of(node, At::default()));
        }
        let expr = self.read(node, names)?;
        self.assign_to(expr, column, location(node))
    }

    fn insert_select(
        &self,
        (insert, stmt): (&InsertStmt, &SelectStmt),
        targets: &mut Vec<&Column>,
        names: &Names<'_>,
    ) -> Read<Select> {
        let select = self.read_unsettled(stmt, Some(names))?;
        let have = columns(&select);
        fit(targets, have.len(), &insert.cols)?;
        for ((_, ty), column) in have.iter().zip(targets.iter()) {
            if cast_context(ty, &column.ty).is_none_or(|least| least > Context::Assignment) {
                return Err(mismatch(column, ty, At::default()));
            }
        }
        let types: Vec<Type> = targets.iter().map(|column| column.ty.clone()).collect();
        self.with_types(select, &types, Context::Assignment, At::default())
    }

    /// Converts what is assigned to a column, with PostgreSQL's error for what cannot be.
    fn assign_to(&self, expr: Expr, column: &Column, at: Option<At>) -> Read<Expr> {
        let ty = expr.ty();
        if cast_context(&ty, &column.ty).is_none_or(|least| least > Context::Assignment) {
            return Err(mismatch(column, &ty, at.unwrap_or_default()));
        }
        self.assign(expr, &column.ty, at)
    }

    fn read_conflict(
        &self,
        clause: &OnConflictClause,
        (relation, range): (&Relation, &protobuf::RangeVar),
        outer: Option<&Names<'_>>,
    ) -> Read<StatementConflict> {
        let columns = match clause.infer.as_deref() {
            Some(infer) => conflict_columns(infer, relation)?,
            None if clause.action() == OnConflictAction::OnconflictUpdate => {
                let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
                let error = ExprError::new(At::new(clause.location), "42601", message);
                return Err(error.help("For example, ON CONFLICT (column_name)."));
            }
            None => Vec::new(),
        };
        let excluded = self.new_source();
        let mut conflict = StatementConflict { columns, excluded, update: Vec::new(), condition: None };
        if clause.action() == OnConflictAction::OnconflictUpdate {
            let mut names = Names::within(outer);
            names.items.push(target_item(relation, range)?);
            names.items.push(Item::of_relation(relation, excluded).renamed("excluded", &[], At::default())?);
            conflict.update = self.read_assignments(&clause.target_list, relation, &names)?;
            conflict.condition =
                self.read_condition(clause.where_clause.as_deref(), (Place::Where, "WHERE"), &names)?;
        }
        Ok(conflict)
    }

    fn read_update(&self, stmt: &UpdateStmt, outer: Option<&Names<'_>>) -> Read<Statement> {
        let range = stmt.relation.as_ref().ok_or_else(incomplete)?;
        refuse_with(stmt.with_clause.as_ref())?;
        let relation = self.relation(range)?;
        let mut names = Names::within(outer);
        let (from, items) = self.read_from(&stmt.from_clause, &names)?;
        names.items.push(target_item(relation, range)?);
        names.items.extend(items);
        let assignments = self.read_assignments(&stmt.target_list, relation, &names)?;
        let condition = self.read_condition(stmt.where_clause.as_deref(), (Place::Where, "WHERE"), &names)?;
        Ok(Statement::Update { relation: relation.id, source: SourceId::ROW, assignments, from, condition })
    }

    fn read_delete(&self, stmt: &DeleteStmt, outer: Option<&Names<'_>>) -> Read<Statement> {
        let range = stmt.relation.as_ref().ok_or_else(incomplete)?;
        refuse_with(stmt.with_clause.as_ref())?;
        let relation = self.relation(range)?;
        let mut names = Names::within(outer);
        let (using, items) = self.read_from(&stmt.using_clause, &names)?;
        names.items.push(target_item(relation, range)?);
        names.items.extend(items);
        let condition = self.read_condition(stmt.where_clause.as_deref(), (Place::Where, "WHERE"), &names)?;
        Ok(Statement::Delete { relation: relation.id, source: SourceId::ROW, using, condition })
    }

    /// `returning`: over the row that is written.
    pub(super) fn read_returning(
        &self,
        targets: &[protobuf::Node],
        range: &protobuf::RangeVar,
        outer: &Names<'_>,
    ) -> Read<Vec<SelectOutput>> {
        let mut names = Names::within(Some(outer));
        names.items.push(target_item(self.relation(range)?, range)?);
        names.place.set(Place::Values);
        self.read_outputs(targets, &names)
    }

    fn read_assignments(
        &self,
        targets: &[protobuf::Node],
        relation: &Relation,
        names: &Names<'_>,
    ) -> Read<Vec<(ColumnId, Expr)>> {
        names.place.set(Place::UpdateSet);
        let mut assignments: Vec<(ColumnId, Expr)> = Vec::with_capacity(targets.len());
        for target in targets {
            let Some(NodeEnum::ResTarget(target)) = &target.node else { continue };
            let column = target_column(relation, target)?;
            let at = At::word(target.location, target.name.len());
            if assignments.iter().any(|(id, _)| *id == column.id) {
                let message = format!("multiple assignments to same column \"{}\"", column.name);
                return Err(ExprError::new(at, "42601", message));
            }
            let node = assigned_node(target, at)?;
            if is_default(node) {
                assignments.push((column.id, default_of(column, at)?));
                continue;
            }
            if column.is_generated() || matches!(column.default, Some(DefaultValue::Identity { always: true, .. })) {
                let message = format!("column \"{}\" can only be updated to DEFAULT", column.name);
                let kind = if column.is_generated() {
                    "a generated column"
                } else {
                    "an identity column defined as GENERATED ALWAYS"
                };
                return Err(ExprError::new(at, "428C9", message).help(format!("Column \"{}\" is {kind}.", column.name)));
            }
            let expr = self.read(node, names)?;
            assignments.push((column.id, self.assign_to(expr, column, location(node))?));
        }
        Ok(assignments)
    }
}

/// The row that an update, delete or conflict is about.
fn target_item(relation: &Relation, range: &protobuf::RangeVar) -> Read<Item> {
    let item = Item::of_relation(relation, SourceId::ROW);
    match &range.alias {
        Some(alias) => item.renamed(&alias.aliasname, &[], At::new(range.location)),
        None => Ok(item),
    }
}

fn insert_columns<'r>(relation: &'r Relation, targets: &[protobuf::Node]) -> Read<Vec<&'r Column>> {
    if targets.is_empty() {
        return Ok(relation.columns.iter().collect());
    }
    let mut columns: Vec<&Column> = Vec::with_capacity(targets.len());
    for target in targets {
        let Some(NodeEnum::ResTarget(target)) = &target.node else { continue };
        let column = target_column(relation, target)?;
        if columns.iter().any(|other| other.id == column.id) {
            let at = At::word(target.location, target.name.len());
            return Err(ExprError::new(at, "42701", format!("column \"{}\" specified more than once", column.name)));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn target_column<'r>(relation: &'r Relation, target: &ResTarget) -> Read<&'r Column> {
    let at = At::word(target.location, target.name.len());
    if !target.indirection.is_empty() {
        return Err(ExprError::unsupported(at, "an assignment to a part of a column", "assign the whole column"));
    }
    relation.column(&target.name).ok_or_else(|| {
        let message = format!("column \"{}\" of relation \"{}\" does not exist", target.name, relation.name);
        ExprError::new(at, "42703", message)
    })
}

/// Without names, an insert may give fewer values than there are columns.
fn fit(columns: &mut Vec<&Column>, width: usize, named: &[protobuf::Node]) -> Read<()> {
    if width > columns.len() {
        return Err(ExprError::new(At::default(), "42601", "INSERT has more expressions than target columns"));
    }
    if width < columns.len() && !named.is_empty() {
        return Err(ExprError::new(At::default(), "42601", "INSERT has more target columns than expressions"));
    }
    columns.truncate(width);
    Ok(())
}

fn is_values(stmt: &SelectStmt) -> bool {
    !stmt.values_lists.is_empty()
        && stmt.sort_clause.is_empty()
        && stmt.limit_count.is_none()
        && stmt.limit_offset.is_none()
        && stmt.with_clause.is_none()
}

fn is_default(node: &protobuf::Node) -> bool {
    matches!(node.node, Some(NodeEnum::SetToDefault(_)))
}

/// What `default` means where it stands beside other values.
fn default_of(column: &Column, at: At) -> Read<Expr> {
    match &column.default {
        None => Ok(Expr::value(Value::Null, column.ty.clone())),
        Some(DefaultValue::Expr(expr)) => Ok(expr.clone()),
        Some(
            DefaultValue::Sequence { .. }
            | DefaultValue::Identity { .. }
            | DefaultValue::Generated(_)
            | DefaultValue::Engine(_),
        ) => {
            let what = format!("`default` for `{}` beside other values", column.name);
            Err(ExprError::unsupported(at, what, "write a statement of its own that leaves the column out"))
        }
    }
}

fn refuse_generated(columns: &[&Column], overriding: bool) -> Read<()> {
    for column in columns {
        let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
        let error = ExprError::new(At::default(), "428C9", message);
        match &column.default {
            Some(DefaultValue::Generated(_)) => {
                return Err(error.help(format!("Column \"{}\" is a generated column.", column.name)));
            }
            Some(DefaultValue::Identity { always: true, .. }) if !overriding => {
                return Err(error.help("Use OVERRIDING SYSTEM VALUE to override."));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The columns of the key that `on conflict` names.
fn conflict_columns(infer: &InferClause, relation: &Relation) -> Read<Vec<ColumnId>> {
    let at = At::new(infer.location);
    if !infer.conname.is_empty() {
        let key = relation.keys().find(|key| key.name == infer.conname);
        return key.map(|key| key.columns.clone()).ok_or_else(|| {
            let message = format!("constraint \"{}\" for table \"{}\" does not exist", infer.conname, relation.name);
            ExprError::new(at, "42704", message)
        });
    }
    if infer.where_clause.is_some() {
        return Err(ExprError::unsupported(at, "`on conflict … where`", "name a key that holds for all rows"));
    }
    let mut columns = Vec::new();
    for element in &infer.index_elems {
        let Some(NodeEnum::IndexElem(element)) = &element.node else { continue };
        if element.expr.is_some() {
            return Err(ExprError::unsupported(at, "`on conflict` by an expression", "name the columns of a key"));
        }
        let column = relation
            .column(&element.name)
            .ok_or_else(|| ExprError::new(at, "42703", format!("column \"{}\" does not exist", element.name)))?;
        columns.push(column.id);
    }
    let same_set = |key: &[ColumnId]| key.len() == columns.len() && key.iter().all(|id| columns.contains(id));
    let by_index = relation.indexes.iter().filter(|index| index.unique && index.condition.is_none()).any(|index| {
        let ids: Option<Vec<ColumnId>> = index
            .terms
            .iter()
            .map(|term| match &term.expr {
                Expr::Column { column, .. } => Some(*column),
                _ => None,
            })
            .collect();
        ids.is_some_and(|ids| same_set(&ids))
    });
    if !by_index && !relation.keys().any(|key| same_set(&key.columns)) {
        let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
        return Err(ExprError::new(at, "42P10", message));
    }
    Ok(columns)
}

/// What a column is set to; `(a, b) = (x, y)` comes as one target per column.
fn assigned_node(target: &ResTarget, at: At) -> Read<&protobuf::Node> {
    let node = required(target.val.as_deref(), at)?;
    let Some(NodeEnum::MultiAssignRef(multiple)) = &node.node else { return Ok(node) };
    let Some(NodeEnum::RowExpr(row)) = multiple.source.as_deref().and_then(|source| source.node.as_ref()) else {
        let instead = "write one assignment per column, each with its own subselect";
        return Err(ExprError::unsupported(at, "`(a, b) = (select …)`", instead));
    };
    if usize::try_from(multiple.ncolumns).ok() != Some(row.args.len()) {
        return Err(ExprError::new(at, "42601", "number of columns does not match number of values"));
    }
    let index = usize::try_from(multiple.colno).ok().and_then(|number| number.checked_sub(1));
    index.and_then(|index| row.args.get(index)).ok_or_else(incomplete)
}

fn refuse_with(with: Option<&WithClause>) -> Read<()> {
    match with {
        None => Ok(()),
        Some(with) => {
            let what = "`with` before an update or delete";
            Err(ExprError::unsupported(At::new(with.location), what, "write it as a subselect"))
        }
    }
}

fn mismatch(column: &Column, ty: &Type, at: At) -> ExprError {
    let message = format!(
        "column \"{}\" is of type {} but expression is of type {}",
        column.name,
        column.ty.sql_name(),
        ty.sql_name()
    );
    ExprError::new(at, "42804", message).help("You will need to rewrite or cast the expression.")
}

fn incomplete() -> ExprError {
    ExprError::unsupported(At::default(), "an incomplete statement", "write it out")
}
