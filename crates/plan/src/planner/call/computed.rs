//! Computed columns and relationships: functions of one argument, a relation's row, that give one value, or rows.

use crate::error::PlanError;
use crate::expr::{Expr, FromItem, Select, SelectOutput, Source, SourceId};
use crate::plan::{EmbedNode, Link};
use crate::planner::Planner;
use crate::planner::resolve::{Place, column_expr};
use crate::query::Embed;
use crate::schema::read_expr::is_plain;
use crate::schema::{Column, Function, FunctionResult, Privilege, Relation};
use crate::value::Type;

impl<'a> Planner<'a> {
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

    /// The rows that the function called like the embed gives for the row of `place`: a relationship that is computed,
    /// and stands before those of foreign keys.
    pub(in crate::planner) fn computed_embed(
        &self,
        place: Place<'a>,
        embed: &Embed,
        depth: usize,
    ) -> Result<Option<EmbedNode>, PlanError> {
        let gives_rows = |function: &Function| {
            function.result == FunctionResult::Row && self.schema.relations.contains_key(&function.row)
        };
        let found = self.function_of_row(place.relation, &embed.target, gives_rows);
        let Some((index, function)) = found.filter(|_| embed.hint.is_none()) else { return Ok(None) };
        let many = !function.one_row;
        if embed.spread && !many && !self.capabilities.enforces_access {
            return Err(PlanError::Unsupported {
                what: format!("the spread of the computed relationship '{}'", embed.target),
                engine: "this engine",
                instead: Some(format!("Embed it as an object: '{}(…)'.", embed.target)),
            });
        }
        let child = Place { relation: self.schema.relation(function.row), source: self.new_source() };
        let mut node = self.unfiltered_node(child, &embed.selection, depth)?;
        let mut conditions: Vec<Expr> = node.condition.take().into_iter().collect();
        conditions.extend(self.conditions(child, &embed.selection.filter, &node)?);
        node.condition = Expr::all(conditions);
        node.order = self.order(child, &embed.selection, &node)?;
        if !embed.spread || many {
            self.check_grouping(child, &node, &embed.selection, depth);
        }
        node.forget_empty_embeds();
        node.view = Some(Box::new(match self.capabilities.enforces_access {
            true => self.rows_called(function, place, child.relation),
            false => {
                self.need_row(place.relation, index);
                let body = self.secured_body(function, &[], place.source)?;
                self.with_columns(body, function, child.relation)?
            }
        }));
        let (name, link) = (embed.name().to_owned(), Link::Direct(Vec::new()));
        Ok(Some(EmbedNode { name, many, node: Box::new(node), link, parent: place.source, optional: false }))
    }

    /// The rows of a function that the engine calls itself.
    fn rows_called(&self, function: &Function, place: Place<'_>, relation: &Relation) -> Select {
        let id = self.new_source();
        let name = format!("{}.{}", function.schema, function.name);
        let row = whole_row(place, &function.args[0].ty);
        let call = Box::new(Expr::call(&name, vec![row], function.returns.clone()));
        let output = |column: &Column| SelectOutput { name: column.name.clone(), expr: column_expr(id, column) };
        Select {
            outputs: relation.columns.iter().map(output).collect(),
            from: vec![FromItem::Source { id, source: Source::Called { relation: relation.id, call } }],
            ..Select::default()
        }
    }

    /// A function that takes the relation's row and nothing else must be given.
    fn function_of_row(
        &self,
        relation: &Relation,
        name: &str,
        fits: impl Fn(&Function) -> bool,
    ) -> Option<(usize, &'a Function)> {
        let functions = self.schema.functions.iter().map(|function| &**function).enumerate();
        let mut found: Vec<(usize, &'a Function)> = functions
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
