//! Functions' bodies, planned for the role that runs them: each expression and statement is authorized by itself, and
//! one that may not run fails only when its turn comes, as in PostgreSQL.

use std::cell::{Cell, RefCell};

use super::authorize::{Needs, Rights, collect_columns};
use super::resolve::Place;
use super::{Limits, Planner};
use crate::engine::Capabilities;
use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, FromItem, Select, SelectOutput, SourceId, Statement, StatementConflict};
use crate::plan::{Authorized, RowCheck};
use crate::procedure::{Access, Computed, LoopKind, NestedCall, Procedure, Query, Returned, Step};
use crate::schema::read_plpgsql::Header;
use crate::schema::{ColumnId, Function, PolicyCommand, Privilege, Relation, RelationId, Schema, Trigger, Volatility};
use crate::value::Type;

/// Ids that no statement of a body has given to its own sources.
const FIRST_SOURCE: u32 = 1 << 20;

/// The body that a trigger runs, planned for `caller`, or for the function's owner where it is `security definer`.
///
/// # Errors
/// When the body no longer fits the schema.
pub fn plan_trigger(
    schema: &Schema,
    relation: &Relation,
    trigger: &Trigger,
    caller: &str,
) -> Result<Procedure, DatabaseError> {
    let (namespace, name) = &trigger.function;
    let found = schema
        .functions
        .iter()
        .find(|function| function.schema == *namespace && function.name == *name && function.args.is_empty());
    let missing = || DatabaseError::new("42883", format!("function {namespace}.{name}() does not exist"));
    plan_body(schema, (found.ok_or_else(missing)?, Some(relation)), caller)
}

/// The body of a function that `caller` calls, planned for `caller`, or for its owner where it is `security definer`.
///
/// # Errors
/// When the caller may not run it, or the body no longer fits the schema.
pub fn plan_function(schema: &Schema, function: usize, caller: &str) -> Result<Procedure, DatabaseError> {
    let missing = || DatabaseError::new("42883", "the function does not exist");
    let function = schema.functions.get(function).ok_or_else(missing)?;
    let limits = Limits::default();
    let planner = planner(schema, &limits, caller);
    let allowed = planner.authorize_schema(&function.schema).and_then(|()| planner.authorize_function(function));
    allowed.map_err(fault)?;
    plan_body(schema, (function, None), caller)
}

/// A statement of a migration or seed file as a body's would be, for `role`.
pub fn plan_statement(schema: &Schema, statement: Statement, role: &str) -> Query {
    let mut query = Query {
        calls: Vec::new(),
        statement,
        returning: Vec::new(),
        into: None,
        sets_found: false,
        access: Access::default(),
    };
    let limits = Limits::default();
    planner(schema, &limits, role).query(&mut query);
    query
}

fn plan_body(
    schema: &Schema,
    (function, relation): (&Function, Option<&Relation>),
    caller: &str,
) -> Result<Procedure, DatabaseError> {
    let no_body = || DatabaseError::new("0A000", format!("the function \"{}\" has no body here", function.name));
    let body = function.procedure.as_deref().ok_or_else(no_body)?;
    let read = body.read(Header { schema, function, relation }).map_err(|fault| {
        let error = DatabaseError::new(fault.sqlstate.unwrap_or("0A000"), fault.message);
        match fault.help {
            Some(help) => error.hint(help),
            None => error,
        }
    })?;
    let runs_as = function.security_definer.then(|| function.owner.clone());
    let limits = Limits::default();
    let role = if function.security_definer { function.owner.as_str() } else { caller };
    let planner = planner(schema, &limits, role);
    let mut procedure = Procedure {
        name: function.name.clone(),
        variables: read.variables,
        body: read.body,
        runs_as,
        volatile: function.volatility == Volatility::Volatile,
        _authorized: Authorized,
    };
    planner.steps(&mut procedure.body);
    Ok(procedure)
}

/// The relations that a body reads and writes for `role`, by the rights that it needs.
pub(super) fn body_needs(
    schema: &Schema,
    function: &Function,
    role: &str,
) -> Vec<(RelationId, Privilege, Vec<ColumnId>)> {
    let read = function.procedure.as_deref().map(|body| body.read(Header { schema, function, relation: None }));
    let Some(Ok(mut read)) = read else { return Vec::new() };
    let limits = Limits::default();
    let planner = planner(schema, &limits, role);
    planner.steps(&mut read.body);
    planner.needs.ever()
}

fn planner<'p>(schema: &'p Schema, limits: &'p Limits, role: &'p str) -> Planner<'p> {
    Planner {
        schema,
        capabilities: Capabilities::default(),
        limits,
        rights: Rights::of(schema, role),
        needs: Needs::default(),
        literal_fault: RefCell::default(),
        faults: super::faults::Faults::default(),
        next_source: Cell::new(FIRST_SOURCE),
        copied: Cell::new(0),
    }
}

impl Planner<'_> {
    fn steps(&self, steps: &mut [Step]) {
        steps.iter_mut().for_each(|step| self.step(step));
    }

    fn step(&self, step: &mut Step) {
        match step {
            Step::Set { value, .. } | Step::Return(Returned::Value(value)) => self.computed(value),
            Step::If { branches, otherwise } => {
                for (condition, body) in branches {
                    self.computed(condition);
                    self.steps(body);
                }
                self.steps(otherwise);
            }
            Step::Loop(found) => {
                match &mut found.kind {
                    LoopKind::Endless => {}
                    LoopKind::While(condition) => self.computed(condition),
                    LoopKind::Range(range) => {
                        self.computed(&mut range.lower);
                        self.computed(&mut range.upper);
                        range.step.iter_mut().for_each(|step| self.computed(step));
                    }
                    LoopKind::Rows { query, .. } => self.query(query),
                }
                self.steps(&mut found.body);
            }
            Step::Exit { condition, .. } => condition.iter_mut().for_each(|condition| self.computed(condition)),
            Step::Query(query) | Step::ReturnQuery(query) => self.query(query),
            Step::Return(Returned::Row(values)) | Step::ReturnNext(values) => {
                values.iter_mut().for_each(|value| self.computed(value));
            }
            Step::Return(Returned::Nothing | Returned::New | Returned::Old | Returned::NewOrOld)
            | Step::RowCount(_) => {}
            Step::Raise(raise) => {
                raise.args.iter_mut().for_each(|value| self.computed(value));
                raise.options.iter_mut().for_each(|(_, value)| self.computed(value));
            }
            Step::Assert { condition, message } => {
                self.computed(condition);
                message.iter_mut().for_each(|message| self.computed(message));
            }
            Step::Try { body, handlers, .. } => {
                self.steps(body);
                handlers.iter_mut().for_each(|handler| self.steps(&mut handler.body));
            }
            Step::Block { body, .. } => self.steps(body),
        }
    }

    fn computed(&self, computed: &mut Computed) {
        self.calls(&mut computed.calls);
        self.needs.forget();
        self.faults.forget();
        let secured = self.secure(&mut computed.expr).and_then(|()| self.authorize());
        computed.fault = secured.err().map(fault);
    }

    /// What an expression reads must be allowed, and is read through policies.
    fn secure(&self, expr: &mut Expr) -> Result<(), PlanError> {
        self.need_sources(expr);
        self.secure_stored(expr)
    }

    fn calls(&self, calls: &mut [NestedCall]) {
        calls.iter_mut().flat_map(|call| &mut call.arguments).for_each(|argument| self.computed(argument));
    }

    fn query(&self, query: &mut Query) {
        self.calls(&mut query.calls);
        self.needs.forget();
        self.faults.forget();
        let secured = self.statement(query).and_then(|()| self.authorize());
        query.access.fault = secured.err().map(fault);
    }

    fn statement(&self, query: &mut Query) -> Result<(), PlanError> {
        let Query { statement, returning, access, .. } = query;
        match statement {
            Statement::Select(select) => self.secured_select(select),
            Statement::Insert { relation, columns, rows, conflict, .. } => {
                let relation = self.schema.relation(*relation);
                self.refuse_writing_view(relation)?;
                self.needs.add(relation, Privilege::Insert, columns.clone());
                self.authorize_sequences(relation, columns)?;
                rows.iter_mut().try_for_each(|rows| self.secured_select(rows))?;
                let reads = !returning.is_empty() || conflict.as_ref().is_some_and(|found| !found.update.is_empty());
                access.checks = self.row_checks(relation, PolicyCommand::Insert, false)?;
                access.checks.extend(self.checks_of_reading(relation, reads)?);
                if let Some(conflict) = conflict {
                    self.conflict_of(relation, conflict, access)?;
                }
                self.returned(relation, returning)?;
                access.shown = self.shown_columns(relation);
                Ok(())
            }
            Statement::Update { relation, source, assignments, from, condition } => {
                let relation = self.schema.relation(*relation);
                self.refuse_writing_view(relation)?;
                let written: Vec<ColumnId> = assignments.iter().map(|(id, _)| *id).collect();
                self.needs.add(relation, Privilege::Update, written);
                let mut read = Vec::new();
                let values = assignments.iter().map(|(_, expr)| expr).chain(&*condition);
                values.for_each(|expr| collect_columns(expr, *source, &mut read));
                let reads = !read.is_empty() || !returning.is_empty();
                if !read.is_empty() {
                    self.needs.add(relation, Privilege::Select, read);
                }
                for (_, expr) in assignments {
                    self.secure(expr)?;
                }
                self.rows_to_write((relation, *source, PolicyCommand::Update, reads), from, condition)?;
                access.checks = self.row_checks(relation, PolicyCommand::Update, false)?;
                access.checks.extend(self.checks_of_reading(relation, reads)?);
                self.returned(relation, returning)?;
                access.shown = self.shown_columns(relation);
                Ok(())
            }
            Statement::Delete { relation, source, using, condition } => {
                let relation = self.schema.relation(*relation);
                self.refuse_writing_view(relation)?;
                self.needs.add(relation, Privilege::Delete, Vec::new());
                let mut read = Vec::new();
                condition.iter().for_each(|expr| collect_columns(expr, *source, &mut read));
                let reads = !read.is_empty() || !returning.is_empty();
                if !read.is_empty() {
                    self.needs.add(relation, Privilege::Select, read);
                }
                self.rows_to_write((relation, *source, PolicyCommand::Delete, reads), using, condition)?;
                self.returned(relation, returning)?;
                access.shown = self.shown_columns(relation);
                Ok(())
            }
        }
    }

    /// Which rows an update or delete touches: its own condition, and what policies leave.
    fn rows_to_write(
        &self,
        (relation, source, command, reads): (&Relation, SourceId, PolicyCommand, bool),
        from: &mut Vec<FromItem>,
        condition: &mut Option<Expr>,
    ) -> Result<(), PlanError> {
        if !from.is_empty() {
            let mut others = Select { from: std::mem::take(from), ..Select::default() };
            if let Some(condition) = condition.clone() {
                others.condition = Some(condition);
            }
            self.secured_select(&mut others)?;
            *from = others.from;
            *condition = others.condition;
        } else if let Some(condition) = condition {
            self.secure(condition)?;
        }
        let place = Place { relation, source };
        let mut conditions = self.using(place, command, &mut Vec::new())?;
        if reads {
            conditions.extend(self.read_policies(place)?);
        }
        conditions.extend(condition.take());
        *condition = Expr::all(conditions);
        Ok(())
    }

    fn conflict_of(
        &self,
        relation: &Relation,
        conflict: &mut StatementConflict,
        access: &mut Access,
    ) -> Result<(), PlanError> {
        if !conflict.columns.is_empty() {
            self.needs.add(relation, Privilege::Select, conflict.columns.clone());
        }
        if conflict.update.is_empty() {
            return Ok(());
        }
        self.needs.add(relation, Privilege::Update, conflict.update.iter().map(|(id, _)| *id).collect());
        let mut read = Vec::new();
        for expr in conflict.update.iter().map(|(_, expr)| expr).chain(&conflict.condition) {
            collect_columns(expr, SourceId::ROW, &mut read);
            collect_columns(expr, conflict.excluded, &mut read);
        }
        if !read.is_empty() {
            self.needs.add(relation, Privilege::Select, read);
        }
        for expr in conflict.update.iter_mut().map(|(_, expr)| expr).chain(&mut conflict.condition) {
            self.secure(expr)?;
        }
        access.conflict_using = self.row_checks(relation, PolicyCommand::Update, true)?;
        access.conflict_using.extend(self.checks_of_reading(relation, true)?);
        access.conflict_checks = self.row_checks(relation, PolicyCommand::Update, false)?;
        access.conflict_checks.extend(self.checks_of_reading(relation, true)?);
        Ok(())
    }

    fn returned(&self, relation: &Relation, returning: &mut [SelectOutput]) -> Result<(), PlanError> {
        if returning.is_empty() {
            return Ok(());
        }
        let mut read = Vec::new();
        returning.iter().for_each(|output| collect_columns(&output.expr, SourceId::ROW, &mut read));
        self.needs.add(relation, Privilege::Select, read);
        returning.iter_mut().try_for_each(|output| self.secure(&mut output.expr))
    }

    fn checks_of_reading(&self, relation: &Relation, reads: bool) -> Result<Vec<RowCheck>, PlanError> {
        if reads { self.row_checks(relation, PolicyCommand::Select, true) } else { Ok(Vec::new()) }
    }

    /// A select by itself: what it names must be readable.
    fn secured_select(&self, select: &mut Select) -> Result<(), PlanError> {
        let mut whole = Expr::Scalar { select: Box::new(std::mem::take(select)), ty: Type::Unknown };
        let secured = self.secure(&mut whole);
        if let Expr::Scalar { select: found, .. } = whole {
            *select = *found;
        }
        secured
    }

    fn refuse_writing_view(&self, relation: &Relation) -> Result<(), PlanError> {
        if relation.writable {
            return Ok(());
        }
        let error = DatabaseError::new("55000", format!("cannot write view \"{}\"", relation.name));
        Err(error.hint("Write to the tables that the view reads.").into())
    }
}

/// Why a statement may not run, in the database's words.
fn fault(error: PlanError) -> DatabaseError {
    match error {
        PlanError::Database(error) => error,
        other => DatabaseError::new("XX000", other.to_string()),
    }
}
