//! `return` in its forms: what a body gives back, and whether that is what its function says.

use super::Fault;
use super::body::{Reader, bare_name};
use super::scope::variable;
use super::source::place_of;
use super::sql::outputs;
use super::syntax::Expression;
use crate::procedure::{Computed, Returned, Step};
use crate::schema::FunctionResult;
use crate::value::Type;

impl Reader<'_> {
    /// `out` and `table` columns are variables. One that is `inout` is an argument, and there already.
    pub(super) fn declare_outputs(&self) {
        for (name, ty) in self.output_columns() {
            if !self.function.args.iter().any(|arg| arg.name.as_ref() == Some(&name)) {
                self.scope.declare(&name, ty);
            }
        }
    }

    /// The columns of a row of the function's own; none where it returns a value, or rows of a relation.
    fn output_columns(&self) -> Vec<(String, Type)> {
        let is_own = self.function.result == FunctionResult::Row && self.schema.rows.contains_key(&self.function.row);
        if is_own { self.result_columns() } else { Vec::new() }
    }

    fn result_columns(&self) -> Vec<(String, Type)> {
        let columns = &self.schema.relation(self.function.row).columns;
        columns.iter().map(|column| (column.name.clone(), column.ty.clone())).collect()
    }

    /// The variables that `out` columns are.
    fn output_values(&self) -> Vec<Computed> {
        let variables = self.scope.variables.borrow();
        let value = |(name, ty): (String, Type)| {
            let index = variables.iter().position(|variable| variable.name == name).unwrap_or(usize::MAX);
            Computed::new(variable(index, &ty))
        };
        self.output_columns().into_iter().map(value).collect()
    }

    pub(super) fn returned(&self, expr: Option<&Expression>, line: usize) -> Result<Returned, Fault> {
        let Some(expr) = expr else {
            let values = if self.function.returns_set { Vec::new() } else { self.output_values() };
            return Ok(if values.is_empty() { Returned::Nothing } else { Returned::Row(values) });
        };
        if self.scope.relation.is_some() {
            return self.returned_by_trigger(expr, line);
        }
        match self.function.result {
            FunctionResult::Nothing => Ok(Returned::Nothing),
            FunctionResult::Value => self.computed_as(expr.text(), &self.function.returns, line).map(Returned::Value),
            FunctionResult::Row if bare_name(expr.text()) == "null" => Ok(Returned::Nothing),
            FunctionResult::Row => {
                let message = "returned record type does not match expected record type";
                self.row_of_record(expr, line, message).map(Returned::Row)
            }
        }
    }

    fn returned_by_trigger(&self, expr: &Expression, line: usize) -> Result<Returned, Fault> {
        let compact: String = expr.text().to_lowercase().split_whitespace().collect();
        match compact.trim_start_matches('(').trim_end_matches(')') {
            "null" => return Ok(Returned::Nothing),
            "new" => return Ok(Returned::New),
            "old" => return Ok(Returned::Old),
            "coalesce(new,old" => return Ok(Returned::NewOrOld),
            _ => {}
        }
        let name = bare_name(expr.text());
        let place = place_of(&self.syntax.source, line, "");
        if !self.scope.is_row(&name) {
            let fault = Fault::unsupported("a trigger that returns a computed row", "change `new` and return it");
            return Err(fault.span(place));
        }
        let fields = self.scope.fields(&name).map_err(|fault| fault.span(place))?;
        let columns = self.scope.relation.map_or(0, |relation| relation.columns.len());
        if fields.len() != columns {
            let message = "returned row structure does not match the structure of the triggering table";
            return Err(Fault::new("42804", message).span(place));
        }
        Ok(Returned::Row(fields.into_iter().map(|(_, expr)| Computed::new(expr)).collect()))
    }

    /// The fields of a record that a function gives as its row.
    fn row_of_record(&self, expr: &Expression, line: usize, mismatch: &str) -> Result<Vec<Computed>, Fault> {
        let name = bare_name(expr.text());
        let place = place_of(&self.syntax.source, line, "");
        if !self.scope.is_row(&name) {
            let instead = "select it into a record, and return the record";
            return Err(Fault::unsupported("a computed row", instead).span(place));
        }
        let fields = self.scope.fields(&name).map_err(|fault| fault.span(place))?;
        let have: Vec<(String, Type)> = fields.iter().map(|(name, expr)| (name.clone(), expr.ty())).collect();
        self.check_columns(&have, mismatch).map_err(|fault| fault.span(place))?;
        Ok(fields.into_iter().map(|(_, expr)| Computed::new(expr)).collect())
    }

    pub(super) fn return_next(&self, expr: Option<&Expression>, line: usize) -> Result<Step, Fault> {
        let Some(expr) = expr else { return Ok(Step::ReturnNext(self.output_values())) };
        if self.function.result == FunctionResult::Row {
            let row = self.row_of_record(expr, line, "wrong record type supplied in RETURN NEXT")?;
            return Ok(Step::ReturnNext(row));
        }
        Ok(Step::ReturnNext(vec![self.computed_as(expr.text(), &self.function.returns, line)?]))
    }

    pub(super) fn return_query(&self, query: Option<&Expression>, line: usize) -> Result<Step, Fault> {
        let place = place_of(&self.syntax.source, line, "");
        let Some(query) = query else {
            let instead = "write the query itself";
            let fault = Fault::unsupported("`return query execute`, a statement made at run time,", instead);
            return Err(fault.span(place));
        };
        let query = self.query(query.text(), (line, false), None)?;
        let have = outputs(&query.statement, &query.returning);
        if have.is_empty() {
            return Err(Fault::new("42601", "the statement of `return query` returns no rows").span(place));
        }
        let message = "structure of query does not match function result type";
        self.check_columns(&have, message).map_err(|fault| fault.span(place))?;
        Ok(Step::ReturnQuery(Box::new(query)))
    }

    /// The columns of a row must have just the types of those that the function says it gives.
    fn check_columns(&self, have: &[(String, Type)], message: &str) -> Result<(), Fault> {
        let wanted = self.result_columns();
        if have.len() != wanted.len() {
            let (have, wanted) = (have.len(), wanted.len());
            let help = format!("Number of returned columns ({have}) does not match expected column count ({wanted}).");
            return Err(Fault::new("42804", message).help(help));
        }
        for (number, ((_, have), (_, wanted))) in have.iter().zip(&wanted).enumerate() {
            if !same_type(have, wanted) {
                let (have, wanted) = (have.sql_name(), wanted.sql_name());
                let number = number + 1;
                let help = format!("Returned type {have} does not match expected type {wanted} in column {number}.");
                return Err(Fault::new("42804", message).help(help));
            }
        }
        Ok(())
    }
}

/// Whether two types are one, sizes aside.
fn same_type(left: &Type, right: &Type) -> bool {
    match (left, right) {
        (Type::Array(left), Type::Array(right)) => same_type(left, right),
        (Type::Numeric(_), Type::Numeric(_))
        | (Type::Varchar(_), Type::Varchar(_))
        | (Type::Char(_), Type::Char(_)) => true,
        _ => left.sql_name() == right.sql_name(),
    }
}
