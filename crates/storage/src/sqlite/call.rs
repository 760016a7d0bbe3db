//! Calls of functions: those that one select stands for are reads; the others run step by step, and their rows are read
//! like a relation's.

use roadbed_plan::plan::{CallPlan, Node, Shape};
use roadbed_plan::{EngineError, Outcome, Plan};

use super::connect::Request;
use super::procedure;
use super::read::{self, ReadWork};
use super::read_work;

/// Carries out a call in the transaction that is open.
pub(super) fn call(request: Request<'_>, plan: &Plan, call: &CallPlan) -> Result<Outcome, EngineError> {
    let Some(steps) = &call.steps else { return read::read(request, &work(plan, call, &call.node)) };
    if plan.terms.explain.is_some() {
        let rows = procedure::no_rows(plan.schema.relation(call.node.relation));
        let node = Node { view: Some(Box::new(rows)), ..call.node.clone() };
        return read::read(request, &work(plan, call, &node));
    }
    if call.read_only {
        request.connection.procedures.only_read();
    }
    let rows = procedure::call(request, &plan.schema, steps)?;
    let node = Node { view: Some(Box::new(rows)), ..call.node.clone() };
    read::read(request, &work(plan, call, &node))
}

/// Whether a call may only be carried out by the writer.
pub(super) fn writes(call: &CallPlan) -> bool {
    call.steps.is_some() && !call.read_only
}

/// The statements that take what is asked for from the function's rows.
pub(super) fn work(plan: &Plan, call: &CallPlan, node: &Node) -> ReadWork {
    let bare = matches!(call.shape, Shape::Value | Shape::Values);
    ReadWork { bare, ..read_work(&plan.schema, &plan.terms, node, (call.count, plan.rows_wanted)) }
}
