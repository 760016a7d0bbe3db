//! Where statements hand their expressions and types to `read_expr`.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, Node, TypeName};

use super::Fold;
use super::drop::Object;
use super::fault::Fault;
use super::functions::Heading;
use crate::expr::{Expr, Select, Statement};
use crate::schema::FunctionResult;
use crate::schema::read_expr::{ExprError, Resolver, Scope, Sight};
use crate::value::Type;

impl Fold<'_> {
    /// Reads with a fresh resolver, and remembers whose bodies it took.
    fn reading<T>(
        &self,
        path: &[String],
        read: impl FnOnce(&Resolver<'_>) -> Result<T, ExprError>,
    ) -> Result<T, Fault> {
        let resolver = Resolver::new(&self.schema, path);
        let found = read(&resolver)?;
        self.called.borrow_mut().append(&mut resolver.inlined());
        Ok(found)
    }

    /// Notes that what was read since the last such note is in `user` now.
    pub(super) fn note_calls(&mut self, user: &Object) {
        for function in self.called.take() {
            self.schema_mut().calls.insert((function, user.clone()));
        }
    }

    pub(super) fn expr(&self, node: &Node, scope: Scope<'_>) -> Result<Expr, Fault> {
        self.reading(&self.search_path, |resolver| resolver.expression(node, scope))
    }

    /// A condition over the rows in `sight`.
    pub(super) fn reading_in(&self, node: &Node, sight: &Sight) -> Result<Expr, Fault> {
        self.reading(&self.search_path, |resolver| resolver.condition_in(node, sight))
    }

    /// An expression that must be a boolean; `place` is PostgreSQL's word for where it stands.
    pub(super) fn condition(&self, node: &Node, scope: Scope<'_>, place: &str) -> Result<Expr, Fault> {
        let expr = self.expr(node, scope)?;
        match expr.ty().base() {
            Type::Bool => Ok(expr),
            Type::Unknown => self.coerce(expr, &Type::Bool),
            other => {
                let message = format!("argument of {place} must be type boolean, not type {}", other.sql_name());
                Err(Fault::new("42804", message).at(location(node)))
            }
        }
    }

    pub(super) fn coerce(&self, expr: Expr, ty: &Type) -> Result<Expr, Fault> {
        Ok(Resolver::new(&self.schema, &self.search_path).coerce(expr, ty)?)
    }

    /// A column's default or generated value, converted as an assignment would. `kind` is PostgreSQL's word for it.
    pub(super) fn assigned(
        &self,
        node: &Node,
        scope: Scope<'_>,
        column: (&str, &Type),
        kind: &str,
    ) -> Result<Expr, Fault> {
        let expr = self.expr(node, scope)?;
        let (from, unknown) = (expr.ty(), expr.ty() == Type::Unknown);
        self.coerce(expr, column.1).map_err(|fault| {
            if unknown {
                return fault;
            }
            let (name, ty) = (column.0, column.1.sql_name());
            let message =
                format!("column \"{name}\" is of type {ty} but {kind} expression is of type {}", from.sql_name());
            Fault::new("42804", message).at(location(node)).help("You will need to rewrite or cast the expression.")
        })
    }

    pub(super) fn select(&self, stmt: &pb::SelectStmt) -> Result<Select, Fault> {
        self.reading(&self.search_path, |resolver| resolver.select(stmt))
    }

    pub(super) fn resolve_body(
        &self,
        stmt: &pb::SelectStmt,
        heading: Heading<'_>,
        path: &[String],
    ) -> Result<Select, Fault> {
        let columns: Vec<(String, Type)> = match heading.result {
            FunctionResult::Nothing | FunctionResult::Value => Vec::new(),
            FunctionResult::Row => {
                let row = self.schema.relation(heading.row);
                row.columns.iter().map(|column| (column.name.clone(), column.ty.clone())).collect()
            }
        };
        self.reading(path, |resolver| match heading.result {
            FunctionResult::Row => resolver.rows_body(stmt, heading.args, (heading.returns, &columns)),
            FunctionResult::Nothing | FunctionResult::Value => {
                resolver.function_body(stmt, heading.args, heading.returns)
            }
        })
    }

    pub(super) fn resolve_statement(&self, node: &Node) -> Result<Statement, Fault> {
        Ok(Resolver::new(&self.schema, &self.search_path).statement(node)?)
    }

    pub(super) fn type_of(&self, name: Option<&TypeName>) -> Result<Type, Fault> {
        let name = name.ok_or_else(|| Fault::new("42601", "a type is missing"))?;
        Ok(Resolver::new(&self.schema, &self.search_path).type_name(name)?)
    }
}

impl From<ExprError> for Fault {
    fn from(error: ExprError) -> Self {
        let mut fault = Self::new(error.sqlstate.unwrap_or("0A000"), error.message);
        if let Some(offset) = error.offset.and_then(|offset| usize::try_from(offset).ok()) {
            fault = fault.span(offset, error.length);
        }
        match error.help {
            Some(help) => fault.help(help),
            None => fault,
        }
    }
}

/// An expression as SQL text.
pub(crate) fn deparse(node: &Node) -> Option<String> {
    let target = pb::ResTarget { val: Some(Box::new(node.clone())), ..pb::ResTarget::default() };
    let select = pb::SelectStmt {
        target_list: vec![Node { node: Some(NodeEnum::ResTarget(Box::new(target))) }],
        limit_option: pb::LimitOption::Default as i32,
        op: pb::SetOperation::SetopNone as i32,
        ..pb::SelectStmt::default()
    };
    let text = NodeEnum::SelectStmt(Box::new(select)).deparse(pg_query::DeparseOptions::default()).ok()?;
    text.strip_prefix("SELECT ").map(str::to_owned)
}

/// The other way: [`deparse`]'s text as a tree.
pub(super) fn parse_expression(text: &str) -> Option<Node> {
    let parsed = pg_query::parse(&format!("SELECT {text}"), 0).ok()?;
    let [raw] = parsed.protobuf.stmts.as_slice() else { return None };
    let Some(NodeEnum::SelectStmt(select)) = raw.stmt.as_ref()?.node.as_ref() else { return None };
    let [target] = select.target_list.as_slice() else { return None };
    match target.node.as_ref()? {
        NodeEnum::ResTarget(target) => target.val.as_deref().cloned(),
        _ => None,
    }
}

/// What joins conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Junction {
    And,
    Or,
}

/// The conditions that `junction` joins in a condition's text, at its outermost level; the whole where it joins none.
pub(crate) fn operands(text: &str, junction: Junction) -> Vec<String> {
    let wanted = match junction {
        Junction::And => pb::BoolExprType::AndExpr,
        Junction::Or => pb::BoolExprType::OrExpr,
    };
    let Some(node) = parse_expression(text) else { return vec![text.to_owned()] };
    let mut found = Vec::new();
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        match node.node.as_ref() {
            Some(NodeEnum::BoolExpr(joined)) if joined.boolop() == wanted => {
                waiting.extend(joined.args.iter().cloned())
            }
            _ => found.push(deparse(&node).unwrap_or_else(|| text.to_owned())),
        }
    }
    found
}

/// Where an expression starts, as far as the parser tells.
pub(super) fn location(node: &Node) -> i32 {
    match node.node.as_ref() {
        Some(NodeEnum::ColumnRef(found)) => found.location,
        Some(NodeEnum::AConst(found)) => found.location,
        Some(NodeEnum::TypeCast(found)) => found.arg.as_deref().map_or(found.location, location),
        Some(NodeEnum::FuncCall(found)) => found.location,
        Some(NodeEnum::AExpr(found)) => found.lexpr.as_deref().map_or(found.location, location),
        Some(NodeEnum::BoolExpr(found)) => found.args.first().map_or(found.location, location),
        Some(NodeEnum::SubLink(found)) => found.location,
        Some(NodeEnum::CaseExpr(found)) => found.location,
        Some(NodeEnum::NullTest(found)) => found.location,
        _ => -1,
    }
}
