//! Bodies in SQL that write or have several statements: each is a step, and the last one's rows are the answer.

use pg_query::protobuf::{self, node::Node as NodeEnum};

use super::body::{Header, Reading};
use super::scope::{Scope, variable};
use super::sql::nested;
use super::{Fault, sql};
use crate::expr::{SelectOutput, Statement};
use crate::procedure::{Access, BuiltIn, Query, Returned, Step};
use crate::schema::read_expr::{ExprError, Resolver, Sight};
use crate::schema::{FunctionResult, Relation};
use crate::value::Type;

/// The statements of a body, as they were written.
#[derive(Clone, Debug, PartialEq)]
pub struct Statements {
    pub(super) source: String,
}

impl Statements {
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned() }
    }

    pub(super) fn read(&self, header: Header<'_>) -> Result<Reading, Fault> {
        let Header { schema, function, .. } = header;
        let parsed = pg_query::parse(&self.source, 0).map_err(|error| {
            let message = error.to_string();
            Fault::new("42601", message.trim_start_matches("Invalid statement: ")).span((0, self.source.len()))
        })?;
        let scope = Scope::new(&function.name, None);
        scope.declare_args(&function.args);
        let reader = StatementReader {
            resolver: Resolver::of_body(schema, &function.search_path),
            sight: sight_of(header),
            header,
        };
        let statements: Vec<(&protobuf::Node, (usize, usize))> =
            parsed.protobuf.stmts.iter().filter_map(|raw| Some((raw.stmt.as_deref()?, self.place(raw)))).collect();
        let mut body = Vec::with_capacity(statements.len() + 1);
        let last = statements.len().saturating_sub(1);
        for (number, (node, place)) in statements.into_iter().enumerate() {
            body.push(reader.step(node, place, number == last)?);
        }
        if body.is_empty() && function.result != FunctionResult::Nothing {
            return Err(reader.no_rows().span((0, self.source.len())));
        }
        body.push(Step::Return(Returned::Nothing));
        Ok(Reading { variables: scope.variables.take(), body })
    }

    /// Where a statement stands, without the blanks before it.
    fn place(&self, raw: &protobuf::RawStmt) -> (usize, usize) {
        let start = usize::try_from(raw.stmt_location).unwrap_or(0);
        let rest = self.source.get(start..).unwrap_or_default();
        let length = match usize::try_from(raw.stmt_len) {
            Ok(0) | Err(_) => rest.trim_end().len(),
            Ok(length) => length,
        };
        let blank = rest.len() - rest.trim_start().len();
        (start + blank, length.saturating_sub(blank))
    }
}

/// The arguments by name and number. Columns of a statement hide them.
fn sight_of(header: Header<'_>) -> Sight {
    let function = header.function;
    let mut sight = Sight { function: function.name.clone(), behind_columns: true, ..Sight::default() };
    for (arg, index) in function.args.iter().zip(BuiltIn::ALL.len()..) {
        let value = variable(index, &arg.ty);
        if let Some(name) = &arg.name {
            sight.variables.push((name.clone(), value.clone()));
        }
        sight.numbered.push(value);
    }
    sight
}

struct StatementReader<'r> {
    header: Header<'r>,
    resolver: Resolver<'r>,
    sight: Sight,
}

impl StatementReader<'_> {
    fn step(&self, node: &protobuf::Node, place: (usize, usize), is_last: bool) -> Result<Step, Fault> {
        if !sql::is_query(node) {
            let instead = "write an insert, update, delete or select";
            return Err(Fault::unsupported("such a statement in a function in SQL", instead).span(place));
        }
        let located = |error: ExprError| Fault::of_statement(error, place);
        let (mut statement, mut returning) = self.resolver.statement_in(node, &self.sight).map_err(located)?;
        let gives_rows = is_last && self.header.function.result != FunctionResult::Nothing;
        if gives_rows {
            if !matches!(node.node, Some(NodeEnum::SelectStmt(_))) && returning.is_empty() {
                return Err(self.no_rows().span(place));
            }
            (statement, returning) = self.converted((statement, returning)).map_err(located)?;
        }
        let access = Access::default();
        let calls = nested(self.resolver.calls_of(&statement).map_err(located)?);
        let query = Box::new(Query { calls, statement, returning, into: None, sets_found: false, access });
        Ok(if gives_rows { Step::ReturnQuery(query) } else { Step::Query(query) })
    }

    /// The last statement with its rows as the function says that it returns them.
    fn converted(
        &self,
        (statement, returning): (Statement, Vec<SelectOutput>),
    ) -> Result<(Statement, Vec<SelectOutput>), ExprError> {
        let Header { schema, function, .. } = self.header;
        let columns = match function.result {
            FunctionResult::Nothing => return Ok((statement, returning)),
            FunctionResult::Value => None,
            FunctionResult::Row => Some(columns_of(schema.relation(function.row))),
        };
        match statement {
            Statement::Select(select) => {
                let select = self.resolver.returned_select(select, &function.returns, columns.as_deref())?;
                Ok((Statement::Select(select), returning))
            }
            statement @ (Statement::Insert { .. } | Statement::Update { .. } | Statement::Delete { .. }) => {
                let returning = self.resolver.returned_rows(returning, &function.returns, columns.as_deref())?;
                Ok((statement, returning))
            }
        }
    }

    fn no_rows(&self) -> Fault {
        let returns = self.header.function.returns.sql_name();
        let message = format!("return type mismatch in function declared to return {returns}");
        Fault::new("42P13", message)
            .help("Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.")
    }
}

fn columns_of(relation: &Relation) -> Vec<(String, Type)> {
    relation.columns.iter().map(|column| (column.name.clone(), column.ty.clone())).collect()
}
