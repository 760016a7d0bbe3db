//! What a plan looks like, for who reads logs: what is done to which relations, without any value.

use std::fmt::Write;

use crate::plan::{Node, Plan, ReturningPlan, Work};
use crate::query::{Count, Resolution};
use crate::schema::{RelationId, Schema};

impl Plan {
    /// `read public.films(directors, actors) where order page`
    pub fn shape(&self) -> String {
        let mut text = String::with_capacity(64);
        let schema = &*self.schema;
        match &self.work {
            Work::Read { node, count } => {
                push_relation(&mut text, "read", schema, node.relation);
                push_node(&mut text, schema, node);
                push_count(&mut text, *count);
            }
            Work::Call(call) => {
                // Writing to a text does not fail.
                let _ = write!(text, "call {}.{}", call.function.0, call.function.1);
                push_node(&mut text, schema, &call.node);
                push_count(&mut text, call.count);
            }
            Work::Insert(plan) => {
                push_relation(&mut text, "insert", schema, plan.relation);
                text.push_str(match plan.conflict.as_ref().map(|conflict| conflict.resolution) {
                    Some(Resolution::Merge) => " merging",
                    Some(Resolution::Ignore) => " ignoring",
                    None => "",
                });
                push_returning(&mut text, schema, &plan.returning);
            }
            Work::Update(plan) => {
                push_relation(&mut text, "update", schema, plan.relation);
                push_if(&mut text, plan.condition.is_some(), " where");
                push_returning(&mut text, schema, &plan.returning);
            }
            Work::Delete(plan) => {
                push_relation(&mut text, "delete", schema, plan.relation);
                push_if(&mut text, plan.condition.is_some(), " where");
                push_returning(&mut text, schema, &plan.returning);
            }
        }
        text
    }
}

fn push_relation(text: &mut String, verb: &str, schema: &Schema, relation: RelationId) {
    let relation = schema.relation(relation);
    let _ = write!(text, "{verb} {}.{}", relation.schema, relation.name);
}

fn push_node(text: &mut String, schema: &Schema, node: &Node) {
    push_embeds(text, schema, node);
    push_if(text, node.grouped, " grouped");
    push_if(text, node.condition.is_some(), " where");
    push_if(text, !node.order.is_empty(), " order");
    push_if(text, node.limit.is_some() || node.offset > 0, " page");
}

fn push_embeds(text: &mut String, schema: &Schema, node: &Node) {
    let mut embeds = node.embeds().peekable();
    if embeds.peek().is_none() {
        return;
    }
    let mut before = '(';
    for embed in embeds {
        text.push(before);
        text.push_str(&schema.relation(embed.node.relation).name);
        push_embeds(text, schema, &embed.node);
        before = ',';
    }
    text.push(')');
}

fn push_count(text: &mut String, count: Option<Count>) {
    push_if(text, count.is_some(), " count");
}

fn push_returning(text: &mut String, schema: &Schema, returning: &ReturningPlan) {
    if let ReturningPlan::Rows(node) = returning {
        text.push_str(" returning");
        push_embeds(text, schema, node);
    }
}

fn push_if(text: &mut String, holds: bool, word: &str) {
    if holds {
        text.push_str(word);
    }
}
