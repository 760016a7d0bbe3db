//! Function calls: which overload is meant, its arguments, and the rows that its answer is.

mod arguments;
mod body;
mod computed;
mod overload;

pub(crate) use overload::function_meant;
pub(super) use overload::is_callable;

use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, SourceId};
use crate::plan::{CallPlan, Node, Shape};
use crate::procedure::FunctionCall;
use crate::query::{Call, SelectItem};
use crate::schema::{Function, FunctionResult, Privilege, Volatility};
use crate::value::Value;

use super::Planner;
use super::resolve::Place;

impl<'a> Planner<'a> {
    pub(super) fn call(&self, call: &Call) -> Result<CallPlan, PlanError> {
        let function = self.function_meant(&call.target, &call.arguments)?;
        let place = Place { relation: self.schema.relation(function.row), source: self.new_source() };
        // Literals are read in the order of the statement: the arguments before what is asked of the rows.
        let texts = match self.capabilities.enforces_access {
            true => None,
            false => self.text_arguments(function, &call.arguments)?,
        };
        let mut node = self.called_node(place, call)?;
        let mut steps = None;
        if self.capabilities.enforces_access {
            node.call = Some(Box::new(self.engine_call(function, &call.arguments)?));
        } else {
            self.authorize_schema(&function.schema)?;
            self.authorize()?;
            self.authorize_function(function)?;
            let arguments = match texts {
                Some(arguments) => arguments,
                None => self.body_arguments(function, &call.arguments).or_else(|fault| {
                    if function.is_merged() {
                        // Its body is part of the statement, whose rights are asked for before the body is read.
                        self.answer_of(function, Vec::new())?;
                        self.authorize()?;
                    }
                    Err(fault)
                })?,
            };
            match &function.procedure {
                Some(_) => steps = Some(self.steps_of(function, arguments)?),
                None => node.view = Some(Box::new(self.answer_of(function, arguments)?)),
            }
        }
        Ok(CallPlan {
            function: (function.schema.clone(), function.name.clone()),
            shape: function.shape(),
            read_only: call.read_only || function.volatility != Volatility::Volatile,
            node,
            steps,
            count: call.count,
        })
    }

    /// The call of a function whose body is carried out step by step. Defaults are the caller's to compute.
    fn steps_of(&self, function: &Function, given: arguments::Given) -> Result<FunctionCall, PlanError> {
        let mut arguments = Vec::with_capacity(function.args.len());
        let given = given.into_iter().chain(std::iter::repeat(None));
        for (arg, given) in function.args.iter().zip(given) {
            arguments.push(match (given, &arg.default) {
                (Some(value), _) => value,
                (None, Some(default)) => self.instance(default.clone(), SourceId::ROW, &mut Vec::new())?,
                (None, None) => Expr::value(Value::Null, arg.ty.clone()),
            });
        }
        let signature = function.signature();
        let is_meant =
            |known: &std::sync::Arc<Function>| known.schema == function.schema && known.signature() == signature;
        let function = self.schema.functions.iter().position(is_meant).unwrap_or(usize::MAX);
        Ok(FunctionCall { function, arguments })
    }

    /// What is taken of the answer. No right to a relation is needed for it: the rows are the function's.
    fn called_node(&self, place: Place<'a>, call: &Call) -> Result<Node, PlanError> {
        self.check_aggregates(&call.selection)?;
        let mut node = self.unfiltered_node(place, &call.selection, 0)?;
        let mut conditions: Vec<Expr> = node.condition.take().into_iter().collect();
        conditions.extend(self.conditions(place, &call.selection.filter, &node)?);
        node.condition = Expr::all(conditions);
        node.order = self.order(place, &call.selection, &node)?;
        self.check_grouping(place, &node, &call.selection, 0);
        node.forget_empty_embeds();
        let is_row = place.relation.column(Function::VALUE).is_none();
        if !is_row {
            // Whatever was selected, the value itself is the answer.
            let all = crate::query::Selection { items: vec![SelectItem::All], ..crate::query::Selection::default() };
            (node.outputs, node.grouped) = (self.unfiltered_node(place, &all, 0)?.outputs, false);
        }
        Ok(node)
    }

    /// Whether the caller may run the function.
    pub(super) fn authorize_function(&self, function: &Function) -> Result<(), PlanError> {
        if self.rights.may_execute(function) {
            return Ok(());
        }
        Err(DatabaseError::new("42501", format!("permission denied for function {}", function.name)).into())
    }
}

impl Function {
    /// Whether PostgreSQL puts the function's body into the statement that calls it.
    fn is_merged(&self) -> bool {
        self.returns_set
            && self.volatility != Volatility::Volatile
            && !self.strict
            && !self.security_definer
            && self.procedure.is_none()
    }

    fn shape(&self) -> Shape {
        match (self.result, self.returns_set) {
            (FunctionResult::Nothing, _) => Shape::Nothing,
            (FunctionResult::Value, true) => Shape::Values,
            (FunctionResult::Value, false) => Shape::Value,
            (FunctionResult::Row, true) => Shape::Rows,
            (FunctionResult::Row, false) => Shape::Row,
        }
    }
}

impl super::authorize::Rights<'_> {
    pub(super) fn may_execute(&self, function: &Function) -> bool {
        self.may_use(&function.owner, &function.grants, Privilege::Execute)
    }
}
