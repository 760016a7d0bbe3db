//! Computed columns: functions of one argument, a relation's row, that give one value.

use crate::error::PlanError;
use crate::expr::{Expr, SourceId};
use crate::planner::Planner;
use crate::planner::resolve::Place;
use crate::schema::read_expr::is_plain;
use crate::schema::{Column, Function, FunctionResult, Privilege, Relation};
use crate::value::Type;

impl Planner<'_> {
    /// The value that the function called `name` gives for the row of `place`, if there is such a function.
    pub(in crate::planner) fn computed_column(&self, place: Place<'_>, name: &str) -> Result<Option<Expr>, PlanError> {
        let found = self.function_of_row(place.relation, name, |function| {
            function.result == FunctionResult::Value && !function.returns_set
        });
        let Some((index, function)) = found else { return Ok(None) };
        if self.capabilities.enforces_access {
            let call = format!("{}.{}", function.schema, function.name);
            return Ok(Some(Expr::call(&call, vec![whole_row(place, &function.args[0].ty)], function.returns.clone())));
        }
        self.need_row(place.relation, index);
        let body = self.secured_body(function, &[], place.source)?;
        let only = body.outputs.first().map(|output| output.expr.clone());
        Ok(Some(match only {
            Some(expr) if is_plain(&body) => expr,
            _ => Expr::Scalar { select: Box::new(body), ty: function.returns.clone() },
        }))
    }

    /// A function that takes the relation's row and nothing else must be given.
    fn function_of_row(
        &self,
        relation: &Relation,
        name: &str,
        fits: impl Fn(&Function) -> bool,
    ) -> Option<(usize, &Function)> {
        let functions = self.schema.functions.iter().map(|function| &**function).enumerate();
        let mut found: Vec<(usize, &Function)> = functions
            .filter(|(_, function)| function.name == name && takes_row(function, relation) && fits(function))
            .filter(|(_, function)| function.schema == relation.schema || function.schema == "public")
            .collect();
        found.sort_by_key(|(_, function)| function.schema != relation.schema);
        found.first().copied()
    }

    /// To give a row as an argument is to read all of it.
    fn need_row(&self, relation: &Relation, function: usize) {
        let columns = relation.columns.iter().map(|column: &Column| column.id).collect();
        if self.schema.relations.contains_key(&relation.id) {
            self.needs.add(relation, Privilege::Select, columns);
        }
        self.needs.add_function(function);
    }
}

fn takes_row(function: &Function, relation: &Relation) -> bool {
    match function.args.as_slice() {
        [row] => relation.is_row_type(&row.ty),
        _ => false,
    }
}

/// All of the row of `place` as one value, of the type that a function wants.
fn whole_row(place: Place<'_>, ty: &Type) -> Expr {
    let source: SourceId = place.source;
    Expr::Output { source, index: Expr::WHOLE_ROW, ty: ty.clone() }
}
