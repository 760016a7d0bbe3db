//! Selects and data-changing statements as text.

use roadbed_plan::expr::{
    CommonTable, Expr, FromItem, JoinKind, Order, Select, SelectOutput, SetOperation, Source, SourceId, Statement,
    StatementConflict,
};
use roadbed_plan::schema::{ColumnId, RelationId};
use roadbed_plan::value::Value;

use super::dialect::{Dialect, quote_identifier};
use super::render::{Renderer, SourceText};

/// How the outputs of a select are called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// As it says itself.
    Given,
    /// `c0`, `c1`, …: what [`Expr::Output`] refers to.
    Numbered,
}

impl Renderer<'_> {
    /// A select whose outputs have the names that it gives them.
    pub(crate) fn select(&mut self, select: &Select) {
        self.select_named(select, Names::Given);
    }

    fn select_named(&mut self, select: &Select, names: Names) {
        self.with(&select.with);
        // A compound's `order by` may only name its outputs, so one with expressions goes around it.
        self.select_core(select, names);
        for (operation, right) in &select.combined {
            self.push(match operation {
                SetOperation::Union => " union ",
                SetOperation::UnionAll => " union all ",
                SetOperation::Intersect => " intersect ",
                SetOperation::Except => " except ",
            });
            self.combined_part(right, names);
        }
        if select.combined.is_empty() {
            self.order_by(&select.order);
        } else {
            self.order_by_output(&select.order, &select.outputs);
        }
        self.limit_and_offset(select.limit.as_ref(), select.offset.as_ref());
    }

    /// A part of a compound: neither dialect takes an `order by`, nor SQLite parentheses, directly in one.
    fn combined_part(&mut self, select: &Select, names: Names) {
        let simple = select.with.is_empty()
            && select.combined.is_empty()
            && select.order.is_empty()
            && select.limit.is_none()
            && select.offset.is_none();
        if simple {
            self.select_core(select, names);
        } else {
            self.push("select * from (");
            self.select_named(select, names);
            self.push(") as part");
        }
    }

    /// The name of a common table; as [`Self::alias_of`], none that a table could have.
    fn common_name(&self, source: SourceId) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("sqlite_with{}", source.0),
            Dialect::Postgres => format!("with{}", source.0),
        }
    }

    fn with(&mut self, tables: &[CommonTable]) {
        if tables.is_empty() {
            return;
        }
        for table in tables {
            let text = SourceText { alias: self.alias_of(table.source), relation: None, has_rowid: false };
            self.sources.insert(table.source, text);
        }
        self.push(if tables.iter().any(|table| table.recursive) { "with recursive " } else { "with " });
        self.comma_separated(tables, |renderer, table| {
            renderer.push(&format!("{} as (", renderer.common_name(table.source)));
            renderer.select_named(&table.select, Names::Numbered);
            renderer.push(")");
        });
        self.push(" ");
    }

    fn select_core(&mut self, select: &Select, names: Names) {
        if !select.values.is_empty() {
            self.values(select, names);
            return;
        }
        self.declare(&select.from);
        self.push(if select.distinct { "select distinct " } else { "select " });
        let compared = select.distinct || !select.combined.is_empty();
        if select.outputs.is_empty() {
            self.push("1");
        }
        for (index, output) in select.outputs.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.output(output, index, names, compared);
        }
        self.from(&select.from);
        if let Some(condition) = &select.condition {
            self.push(" where ");
            self.filter(condition);
        }
        if !select.group_by.is_empty() {
            self.push(" group by ");
            self.comma_separated(&select.group_by, Self::term);
        }
        if let Some(having) = &select.having {
            self.push(" having ");
            self.expression(having);
        }
    }

    fn output(&mut self, output: &SelectOutput, index: usize, names: Names, compared: bool) {
        match self.dialect {
            _ if compared => self.comparable(&output.expr),
            Dialect::Sqlite => self.sqlite_output(&output.expr),
            Dialect::Postgres => self.expression(&output.expr),
        }
        match names {
            Names::Given => self.push(&format!(" as {}", quote_identifier(&output.name))),
            Names::Numbered => self.push(&format!(" as \"c{index}\"")),
        }
    }

    fn values(&mut self, select: &Select, names: Names) {
        if names == Names::Numbered {
            let width = select.values.first().map_or(0, Vec::len);
            let columns: Vec<String> = (0..width).map(|index| format!("column{} as c{index}", index + 1)).collect();
            self.push(&format!("select {} from (", columns.join(", ")));
        }
        self.push("values ");
        self.comma_separated(&select.values, |renderer, row| {
            renderer.push("(");
            renderer.comma_separated(row, Self::expression);
            renderer.push(")");
        });
        if names == Names::Numbered {
            self.push(") as rows");
        }
    }

    /// Gives the sources of a `from` their aliases before anything refers to them.
    pub(super) fn declare(&mut self, items: &[FromItem]) {
        for item in items {
            match item {
                FromItem::Source { id, source } => {
                    let relation = match source {
                        Source::Relation(relation)
                        | Source::OwnerRelation(relation)
                        | Source::Filtered { relation, .. }
                        | Source::Called { relation, .. }
                        | Source::View { relation, .. } => Some(*relation),
                        Source::Select(_) | Source::Common(_) => None,
                    };
                    let has_rowid = matches!(source, Source::Relation(_) | Source::OwnerRelation(_));
                    self.sources.insert(*id, SourceText { alias: self.alias_of(*id), relation, has_rowid });
                }
                FromItem::Join { left, right, .. } => {
                    self.declare(std::slice::from_ref(left));
                    self.declare(std::slice::from_ref(right));
                }
            }
        }
    }

    fn from(&mut self, items: &[FromItem]) {
        if items.is_empty() {
            return;
        }
        self.push(" from ");
        // Commas and joins of different strength do not mix with `on` conditions alike everywhere; cross joins do.
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(" cross join ");
            }
            let joined = matches!(item, FromItem::Join { .. }) && items.len() > 1;
            self.push(if joined { "(" } else { "" });
            self.joined_item(item);
            self.push(if joined { ")" } else { "" });
        }
    }

    fn joined_item(&mut self, item: &FromItem) {
        match item {
            FromItem::Source { id, source } => self.source(*id, source),
            FromItem::Join { kind, left, right, on } => {
                self.joined_item(left);
                self.push(match kind {
                    JoinKind::Inner => " join ",
                    JoinKind::Left => " left join ",
                    JoinKind::Right => " right join ",
                    JoinKind::Full => " full join ",
                    JoinKind::Cross => " cross join ",
                });
                let nested = matches!(**right, FromItem::Join { .. });
                self.push(if nested { "(" } else { "" });
                self.joined_item(right);
                self.push(if nested { ")" } else { "" });
                match (on, kind) {
                    (Some(on), _) => {
                        self.push(" on ");
                        self.expression(on);
                    }
                    (None, JoinKind::Cross) => {}
                    (None, JoinKind::Inner | JoinKind::Left | JoinKind::Right | JoinKind::Full) => {
                        self.push(" on true");
                    }
                }
            }
        }
    }

    fn source(&mut self, id: SourceId, source: &Source) {
        match source {
            Source::Relation(relation) | Source::OwnerRelation(relation) => {
                let name = self.relation_name(*relation);
                self.push(&name);
            }
            Source::Filtered { relation, condition } => {
                let name = self.relation_name(*relation);
                self.push(&format!("(select * from {name} as {} where ", self.alias_of(id)));
                self.expression(condition);
                self.push(")");
            }
            Source::View { select, .. } => {
                self.push("(");
                self.select(select);
                self.push(")");
            }
            Source::Select(select) => {
                self.push("(");
                self.select_named(select, Names::Numbered);
                self.push(")");
            }
            Source::Called { call, .. } => self.expression(call),
            Source::Common(common) => self.push(&self.common_name(*common)),
        }
        self.push(&format!(" as {}", self.alias_of(id)));
    }

    /// `order by` and its terms; nothing when there are none.
    pub(crate) fn order_by(&mut self, order: &[Order]) {
        if order.is_empty() {
            return;
        }
        self.push(" order by ");
        self.comma_separated(order, |renderer, term| {
            match renderer.dialect {
                Dialect::Sqlite => renderer.sqlite_sort_key(&term.expr),
                Dialect::Postgres => renderer.expression(&term.expr),
            }
            renderer.direction(term);
        });
    }

    /// The `order by` of a compound, whose terms can only be its outputs, by number.
    fn order_by_output(&mut self, order: &[Order], outputs: &[SelectOutput]) {
        if order.is_empty() {
            return;
        }
        self.push(" order by ");
        self.comma_separated(order, |renderer, term| {
            match (&term.expr, outputs.iter().position(|output| output.expr == term.expr)) {
                (Expr::Output { index, .. }, None) => renderer.push(&(index + 1).to_string()),
                (_, Some(position)) => renderer.push(&(position + 1).to_string()),
                (expr, None) => renderer.expression(expr),
            }
            renderer.direction(term);
        });
    }

    fn direction(&mut self, term: &Order) {
        // Each dialect has its own place for nulls; said only where it differs, so that indexes serve the order.
        self.push(if term.descending { " desc" } else { "" });
        let by_itself = match self.dialect {
            Dialect::Sqlite => !term.descending,
            Dialect::Postgres => term.descending,
        };
        if term.nulls_first != by_itself {
            self.push(if term.nulls_first { " nulls first" } else { " nulls last" });
        }
    }

    fn limit_and_offset(&mut self, limit: Option<&Expr>, offset: Option<&Expr>) {
        match (limit, self.dialect) {
            (Some(limit), Dialect::Sqlite) => {
                self.page_bound(" limit ", "limit", limit);
            }
            (Some(limit), Dialect::Postgres) => {
                self.push(" limit ");
                self.expression(limit);
            }
            (None, Dialect::Sqlite) if offset.is_some() => self.push(" limit -1"),
            (None, Dialect::Sqlite | Dialect::Postgres) => {}
        }
        if let Some(offset) = offset {
            match self.dialect {
                Dialect::Sqlite => self.page_bound(" offset ", "offset", offset),
                Dialect::Postgres => {
                    self.push(" offset ");
                    self.expression(offset);
                }
            }
        }
    }

    /// For SQLite, to which a negative number means none at all, and null nothing.
    fn page_bound(&mut self, before: &str, function: &str, bound: &Expr) {
        self.push(before);
        let is_plain = matches!(bound, Expr::Value { value: Value::Int(0..), .. });
        if !is_plain {
            self.push(&format!("pg_{function}('int8', "));
        }
        self.expression(bound);
        if !is_plain {
            self.push(")");
        }
    }

    /// `(select ...)` as one value. PostgreSQL refuses a second row, so SQLite is made to look for one.
    pub(super) fn scalar(&mut self, select: &Select) {
        if self.dialect == Dialect::Postgres || has_one_row_at_most(select) {
            self.push("(");
            self.select(select);
            self.push(")");
        } else {
            self.push("(select pg_single(c0) from (");
            self.select_named(select, Names::Numbered);
            self.push("))");
        }
    }

    /// The rows that a statement is about to write: the rowid of `source`, and then the select's outputs.
    pub(crate) fn rows_to_write(&mut self, (source, rowid): (SourceId, &str), select: &Select) {
        self.declare(&select.from);
        let alias = self.alias_of(source);
        self.push(&format!("select {alias}.{rowid}"));
        for output in &select.outputs {
            self.push(", ");
            self.expression(&output.expr);
        }
        self.from(&select.from);
        self.condition(select.condition.as_ref());
    }

    /// A data-changing statement of a file.
    pub(crate) fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Insert { relation, columns, rows, overriding, conflict } => {
                self.insert(*relation, columns, rows.as_ref(), *overriding);
                if let Some(conflict) = conflict {
                    self.on_conflict(*relation, conflict);
                }
            }
            Statement::Update { relation, source, assignments, from, condition } => {
                self.set_source(*source, *relation, &self.alias_of(*source));
                self.declare(from);
                let name = self.relation_name(*relation);
                self.push(&format!("update {name} as {} set ", self.alias_of(*source)));
                self.assignments(*relation, assignments);
                self.from(from);
                self.condition(condition.as_ref());
            }
            Statement::Delete { relation, source, using, condition } => {
                self.delete(*relation, *source, using, condition.as_ref());
            }
            Statement::Select(select) => self.select(select),
        }
    }

    fn insert(&mut self, relation: RelationId, columns: &[ColumnId], rows: Option<&Select>, overriding: bool) {
        let name = self.relation_name(relation);
        self.push(&format!("insert into {name} as {}", self.alias_of(SourceId::ROW)));
        let Some(rows) = rows else {
            self.push(" default values");
            return;
        };
        self.push(" (");
        self.column_names(relation, columns);
        self.push(") ");
        if overriding && self.dialect == Dialect::Postgres {
            self.push("overriding system value ");
        }
        // Without a condition, SQLite would read `on conflict` as the `on` of a join.
        self.push("select * from (");
        self.select_named(rows, Names::Numbered);
        self.push(") as rows where true");
    }

    fn column_names(&mut self, relation: RelationId, columns: &[ColumnId]) {
        let relation = self.schema.relation(relation);
        let names: Vec<String> = relation.column_names(columns).map(quote_identifier).collect();
        self.push(&names.join(", "));
    }

    pub(crate) fn on_conflict(&mut self, relation: RelationId, conflict: &StatementConflict) {
        self.set_source(SourceId::ROW, relation, &self.alias_of(SourceId::ROW));
        self.set_source(conflict.excluded, relation, "excluded");
        self.push(" on conflict");
        if !conflict.columns.is_empty() {
            self.push(" (");
            self.column_names(relation, &conflict.columns);
            self.push(")");
        }
        if conflict.update.is_empty() {
            self.push(" do nothing");
            return;
        }
        self.push(" do update set ");
        self.assignments(relation, &conflict.update);
        self.condition(conflict.condition.as_ref());
    }

    fn assignments(&mut self, relation: RelationId, assignments: &[(ColumnId, Expr)]) {
        self.comma_separated(assignments, |renderer, (column, expr)| {
            renderer.column_names(relation, &[*column]);
            renderer.push(" = ");
            renderer.expression(expr);
        });
    }

    fn delete(&mut self, relation: RelationId, source: SourceId, using: &[FromItem], condition: Option<&Expr>) {
        self.set_source(source, relation, &self.alias_of(source));
        self.declare(using);
        let name = self.relation_name(relation);
        self.push(&format!("delete from {name} as {}", self.alias_of(source)));
        if using.is_empty() {
            self.condition(condition);
            return;
        }
        self.push(" where exists (select 1");
        self.from(using);
        self.condition(condition);
        self.push(")");
    }

    fn condition(&mut self, condition: Option<&Expr>) {
        if let Some(condition) = condition {
            self.push(" where ");
            self.expression(condition);
        }
    }
}

fn has_one_row_at_most(select: &Select) -> bool {
    if !select.combined.is_empty() || !select.group_by.is_empty() || select.values.len() > 1 {
        return false;
    }
    let mut limit_one = false;
    if let Some(Expr::Value { value, .. }) = &select.limit {
        limit_one = *value == roadbed_plan::value::Value::Int(1);
    }
    // An aggregate without groups makes one row of any number.
    select.from.is_empty() || limit_one || select.outputs.iter().any(|output| output.expr.holds_aggregate())
}
