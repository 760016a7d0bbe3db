//! Trees as compact text.

use crate::expr::{Expr, FromItem, JoinKind, Order, Select, Source, Statement};
use crate::schema::{ColumnId, RelationId, Schema};
use crate::value::{Type, Value};

pub(super) struct Shown<'a>(pub(super) &'a Schema);

impl Shown<'_> {
    pub(super) fn typed(&self, expr: &Expr) -> String {
        format!("{} -> {}", self.expr(expr), name(&expr.ty()))
    }

    fn list<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>) -> String {
        exprs.into_iter().map(|expr| self.expr(expr)).collect::<Vec<_>>().join(", ")
    }

    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Value { value, ty } => constant(value, ty),
            Expr::Literal { text } => format!("literal {text}"),
            Expr::LiteralList { texts } => format!("literals {texts:?}"),
            Expr::Session(value) => format!("session {value:?}"),
            Expr::Column { source, column, .. } if source.0 == 0 => format!("#{}", column.0),
            Expr::Column { source, column, .. } => format!("{}#{}", source.0, column.0),
            Expr::Output { source, index, .. } => format!("{}.{index}", source.0),
            Expr::DomainValue { .. } => "value".into(),
            Expr::Call { function, args, .. } => format!("{function}({})", self.list(args)),
            Expr::Cast { expr, ty } => format!("{}::{}", self.expr(expr), name(ty)),
            Expr::And(args) => format!("and({})", self.list(args)),
            Expr::Or(args) => format!("or({})", self.list(args)),
            Expr::Not(expr) => format!("not({})", self.expr(expr)),
            Expr::IsNull { expr, negated } => format!("{}null({})", not(*negated), self.expr(expr)),
            Expr::IsBool { expr, value, negated } => format!("{}is({}, {value:?})", not(*negated), self.expr(expr)),
            Expr::IsDistinct { left, right, negated } => {
                format!("{}distinct({}, {})", not(*negated), self.expr(left), self.expr(right))
            }
            Expr::InList { expr, list, negated } => {
                format!("{}in({}, [{}])", not(*negated), self.expr(expr), self.list(list))
            }
            Expr::Case { operand, whens, otherwise, .. } => {
                let operand = operand.iter().map(|e| format!("{}: ", self.expr(e))).collect::<String>();
                let whens: Vec<String> =
                    whens.iter().map(|(when, then)| format!("{} => {}", self.expr(when), self.expr(then))).collect();
                let otherwise = otherwise.iter().map(|e| format!("; {}", self.expr(e))).collect::<String>();
                format!("case({operand}{}{otherwise})", whens.join(", "))
            }
            Expr::Array { items, .. } => format!("[{}]", self.list(items)),
            Expr::Exists { select, negated } => format!("{}exists({})", not(*negated), self.select(select)),
            Expr::InSelect { expr, select, negated } => {
                format!("{}in({}, {})", not(*negated), self.expr(expr), self.select(select))
            }
            Expr::Scalar { select, .. } => format!("({})", self.select(select)),
            Expr::Quantified { left, operator, all, array } => {
                let quantor = if *all { "all" } else { "any" };
                format!("{} {operator} {quantor}({})", self.expr(left), self.expr(array))
            }
            Expr::Aggregate(aggregate) => {
                let distinct = if aggregate.distinct { "distinct " } else { "" };
                let order = self.order(&aggregate.order);
                let filter = aggregate.filter.iter().map(|e| format!(" filter {}", self.expr(e))).collect::<String>();
                format!("{}!({distinct}{}{order}){filter}", aggregate.function, self.list(&aggregate.args))
            }
        }
    }

    fn order(&self, order: &[Order]) -> String {
        let term = |order: &Order| {
            let descending = if order.descending { " desc" } else { "" };
            let nulls = match (order.descending, order.nulls_first) {
                (false, true) => " nulls first",
                (true, false) => " nulls last",
                _ => "",
            };
            format!("{}{descending}{nulls}", self.expr(&order.expr))
        };
        if order.is_empty() {
            String::new()
        } else {
            format!(" order {}", order.iter().map(term).collect::<Vec<_>>().join(", "))
        }
    }

    pub(super) fn select(&self, select: &Select) -> String {
        let mut text = String::new();
        for common in &select.with {
            let recursive = if common.recursive { "recursive " } else { "" };
            text += &format!("with {recursive}{}={} ({}) ", common.source.0, common.name, self.select(&common.select));
        }
        if select.values.is_empty() {
            let distinct = if select.distinct { "distinct " } else { "" };
            let outputs: Vec<String> =
                select.outputs.iter().map(|output| format!("{}: {}", output.name, self.expr(&output.expr))).collect();
            text += &format!("select {distinct}{}", outputs.join(", "));
        } else {
            let rows: Vec<String> = select.values.iter().map(|row| format!("({})", self.list(row))).collect();
            text += &format!("values {}", rows.join(", "));
        }
        if !select.from.is_empty() {
            text += &format!(" from {}", self.from(&select.from));
        }
        text += &self.part("where", select.condition.iter());
        text += &self.part("group", &select.group_by);
        text += &self.part("having", select.having.iter());
        for (operation, other) in &select.combined {
            text += &format!(" {operation:?} {}", self.select(other));
        }
        text += &self.order(&select.order);
        text += &self.part("limit", select.limit.iter());
        text += &self.part("offset", select.offset.iter());
        text
    }

    fn part<'e>(&self, word: &str, exprs: impl IntoIterator<Item = &'e Expr>) -> String {
        let list = self.list(exprs);
        if list.is_empty() { list } else { format!(" {word} {list}") }
    }

    fn from(&self, from: &[FromItem]) -> String {
        from.iter().map(|item| self.item(item)).collect::<Vec<_>>().join(", ")
    }

    fn item(&self, item: &FromItem) -> String {
        match item {
            FromItem::Source { id, source } => {
                let source = match source {
                    Source::Relation(relation) => self.relation(*relation),
                    Source::OwnerRelation(relation) => format!("owner {}", self.relation(*relation)),
                    Source::Filtered { relation, .. } => format!("filtered {}", self.relation(*relation)),
                    Source::View { relation, .. } => format!("view {}", self.relation(*relation)),
                    Source::Select(select) => format!("({})", self.select(select)),
                    Source::Called { call, .. } => self.expr(call),
                    Source::Common(common) => format!("common {}", common.0),
                };
                format!("{}={source}", id.0)
            }
            FromItem::Join { kind, left, right, on } => {
                let kind = match kind {
                    JoinKind::Inner => "join",
                    JoinKind::Left => "left",
                    JoinKind::Right => "right",
                    JoinKind::Full => "full",
                    JoinKind::Cross => "cross",
                };
                let on = on.iter().map(|on| format!(" on {}", self.expr(on))).collect::<String>();
                format!("({} {kind} {}{on})", self.item(left), self.item(right))
            }
        }
    }

    fn relation(&self, id: RelationId) -> String {
        self.0.relation(id).name.clone()
    }

    pub(super) fn statement(&self, statement: &Statement) -> String {
        match statement {
            Statement::Insert { relation, columns, rows, overriding, conflict } => {
                let rows = rows.as_ref().map_or("default".into(), |rows| self.select(rows));
                let overriding = if *overriding { " overriding" } else { "" };
                let conflict = conflict.iter().map(|conflict| {
                    let condition = self.part("where", conflict.condition.iter());
                    let sets = self.sets(&conflict.update);
                    format!(" conflict {} excluded={} [{sets}]{condition}", ids(&conflict.columns), conflict.excluded.0)
                });
                let conflict = conflict.collect::<String>();
                format!("insert {} {}{overriding} {rows}{conflict}", self.relation(*relation), ids(columns))
            }
            Statement::Update { relation, assignments, from, condition, .. } => {
                let from = if from.is_empty() { String::new() } else { format!(" from {}", self.from(from)) };
                let condition = self.part("where", condition.iter());
                format!("update {} [{}]{from}{condition}", self.relation(*relation), self.sets(assignments))
            }
            Statement::Delete { relation, using, condition, .. } => {
                let using = if using.is_empty() { String::new() } else { format!(" using {}", self.from(using)) };
                format!("delete {}{using}{}", self.relation(*relation), self.part("where", condition.iter()))
            }
            Statement::Select(select) => self.select(select),
        }
    }

    fn sets(&self, sets: &[(ColumnId, Expr)]) -> String {
        sets.iter().map(|(column, expr)| format!("#{} = {}", column.0, self.expr(expr))).collect::<Vec<_>>().join(", ")
    }
}

fn ids(columns: &[ColumnId]) -> String {
    format!("({})", columns.iter().map(|column| column.0.to_string()).collect::<Vec<_>>().join(", "))
}

fn not(negated: bool) -> &'static str {
    if negated { "not " } else { "" }
}

fn constant(value: &Value, ty: &Type) -> String {
    let value = match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => format!("'{text}'"),
        Value::Bytes(bytes) => format!("{bytes:?}"),
    };
    match ty {
        Type::Int4 | Type::Bool => value,
        other => format!("{value}:{}", name(other)),
    }
}

/// The type's name with its sizes.
fn name(ty: &Type) -> String {
    match ty {
        Type::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
        Type::Varchar(Some(size)) => format!("varchar({size})"),
        Type::Char(Some(size)) => format!("char({size})"),
        Type::Array(item) => format!("{}[]", name(item)),
        other => other.sql_name(),
    }
}
