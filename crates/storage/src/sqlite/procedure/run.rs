//! The steps of a body, one after the other.

use std::ops::ControlFlow;

use roadbed_plan::procedure::{
    BuiltIn, Computed, Handler, Leaves, Loop, LoopKind, NestedCall, Procedure, Range, Returned, Step, Target,
};
use roadbed_plan::schema::Schema;
use roadbed_plan::{DatabaseError, EngineError, Type, Value};

use super::super::connect::Request;
use super::super::error::internal;
use super::super::writer::execute;
use super::Given;
use super::frame::{self, CalledRows, Frame};
use super::function::rows_of_call;
use super::statements::fit;

/// A body that runs.
pub(super) struct Run<'a, 'p> {
    pub(super) request: Request<'a>,
    pub(super) schema: &'a Schema,
    pub(super) procedure: &'p Procedure,
    pub(super) frame: Frame<'a>,
    /// The rows that the last statement found or wrote.
    pub(super) row_count: u64,
    /// The error that the innermost handler has caught.
    pub(super) caught: Option<DatabaseError>,
    /// Rows of a function that returns a set.
    pub(super) rows: Vec<Vec<Value>>,
    /// How many `begin … exception` are open.
    tries: usize,
}

/// How a body ended.
pub(super) enum End {
    Returned(Given),
    /// Without `return`.
    Went,
}

/// What a step does to the steps after it.
enum Leave<'p> {
    Return(Given),
    Exit { label: Option<&'p str>, leaves: Leaves },
}

type Flow<'p> = ControlFlow<Leave<'p>>;

impl<'a, 'p> Run<'a, 'p> {
    pub(super) fn new(
        (request, schema): (Request<'a>, &'a Schema),
        procedure: &'p Procedure,
        frame: Frame<'a>,
    ) -> Self {
        Self { request, schema, procedure, frame, row_count: 0, caught: None, rows: Vec::new(), tries: 0 }
    }

    pub(super) fn body(&mut self) -> Result<End, EngineError> {
        let procedure = self.procedure;
        match self.steps(&procedure.body)? {
            ControlFlow::Break(Leave::Return(given)) => Ok(End::Returned(given)),
            ControlFlow::Break(Leave::Exit { .. }) | ControlFlow::Continue(()) => Ok(End::Went),
        }
    }

    fn steps(&mut self, steps: &'p [Step]) -> Result<Flow<'p>, EngineError> {
        for step in steps {
            if let ControlFlow::Break(leave) = self.step(step)? {
                return Ok(ControlFlow::Break(leave));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn step(&mut self, step: &'p Step) -> Result<Flow<'p>, EngineError> {
        self.request.connection.check_time()?;
        match step {
            Step::Set { target, value } => {
                let value = self.value(value)?;
                self.set(target, value)?;
            }
            Step::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.holds(condition)? {
                        return self.steps(body);
                    }
                }
                return self.steps(otherwise);
            }
            Step::Loop(found) => return self.run_loop(found),
            Step::Exit { label, condition, leaves } => {
                let goes = condition.as_ref().map_or(Ok(true), |condition| self.holds(condition))?;
                if goes {
                    return Ok(ControlFlow::Break(Leave::Exit { label: label.as_deref(), leaves: *leaves }));
                }
            }
            Step::Query(query) => self.query(query)?,
            Step::Return(returned) => {
                return self.returned(returned).map(|given| ControlFlow::Break(Leave::Return(given)));
            }
            Step::ReturnNext(values) => {
                let row = values.iter().map(|value| self.value(value)).collect::<Result<_, _>>()?;
                self.rows.push(row);
            }
            Step::ReturnQuery(query) => {
                let rows = self.rows_of(query, usize::MAX)?;
                if query.sets_found {
                    self.set_found(!rows.is_empty());
                }
                self.rows.extend(rows);
            }
            Step::Raise(raise) => {
                if let Some(error) = self.raised(raise)? {
                    return Err(error.into());
                }
            }
            Step::Assert { condition, message } => {
                if !self.holds(condition)? {
                    let text = message.as_ref().map(|message| self.value(message)).transpose()?;
                    let text = match text {
                        Some(Value::Text(text)) => text.to_string(),
                        _ => "assertion failed".to_owned(),
                    };
                    return Err(DatabaseError::new("P0004", text).into());
                }
            }
            Step::RowCount(target) => {
                let count = i64::try_from(self.row_count).unwrap_or(i64::MAX);
                self.set(target, Value::Int(count))?;
            }
            Step::Try { label, body, handlers } => return self.attempt(label.as_deref(), body, handlers),
            Step::Block { label, body } => {
                let flow = self.steps(body)?;
                return Ok(leave_block(flow, label.as_deref()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(super) fn value(&mut self, computed: &Computed) -> Result<Value, EngineError> {
        if let Some(fault) = &computed.fault {
            return Err(fault.clone().into());
        }
        self.make_calls(&computed.calls)?;
        let value = frame::value_of_expr((self.request, self.schema), &self.frame, &computed.expr);
        self.frame.called.clear();
        value
    }

    /// Makes the calls that stand in what is about to be carried out, one after the other.
    pub(super) fn make_calls(&mut self, calls: &[NestedCall]) -> Result<(), EngineError> {
        for call in calls {
            let mut arguments = Vec::with_capacity(call.arguments.len());
            for argument in &call.arguments {
                if let Some(fault) = &argument.fault {
                    return Err(fault.clone().into());
                }
                arguments.push(frame::value_of_expr((self.request, self.schema), &self.frame, &argument.expr)?);
            }
            self.frame.called.push(CalledRows {
                relation: self.schema.functions[call.function].row,
                rows: rows_of_call(self.request, self.schema, call.function, arguments)?,
            });
        }
        Ok(())
    }

    fn holds(&mut self, condition: &Computed) -> Result<bool, EngineError> {
        Ok(self.value(condition)? == Value::Bool(true))
    }

    pub(super) fn set(&mut self, target: &Target, value: Value) -> Result<(), EngineError> {
        match target {
            Target::Variable(index) => {
                let variable = &self.procedure.variables[*index];
                if variable.not_null && value.is_null() {
                    let message =
                        format!("null value cannot be assigned to variable \"{}\" declared NOT NULL", variable.name);
                    return Err(DatabaseError::new("22004", message).into());
                }
                self.frame.variables[*index] = fit(value, &variable.ty)?;
            }
            Target::New(column) | Target::Old(column) => {
                let Some(position) = self.frame.position(*column) else { return Ok(()) };
                let ty = self.frame.relation.map_or(Type::Unknown, |relation| relation.columns[position].ty.clone());
                let value = fit(value, &ty)?;
                let row = if matches!(target, Target::New(_)) { &mut self.frame.new } else { &mut self.frame.old };
                row[position] = value;
            }
        }
        Ok(())
    }

    fn returned(&mut self, returned: &Returned) -> Result<Given, EngineError> {
        Ok(match returned {
            Returned::New | Returned::NewOrOld if self.frame.has_new => Given::Row(self.frame.new.clone()),
            // A row that there is not is null.
            Returned::Nothing | Returned::New => Given::Nothing,
            Returned::Old | Returned::NewOrOld => Given::Row(self.frame.old.clone()),
            Returned::Value(value) => Given::Row(vec![self.value(value)?]),
            Returned::Row(values) => {
                Given::Row(values.iter().map(|value| self.value(value)).collect::<Result<_, _>>()?)
            }
        })
    }

    fn run_loop(&mut self, found: &'p Loop) -> Result<Flow<'p>, EngineError> {
        match &found.kind {
            LoopKind::Endless => loop {
                self.request.connection.check_time()?;
                if let Some(flow) = self.turn(found)? {
                    return Ok(flow);
                }
            },
            LoopKind::While(condition) => {
                while self.holds(condition)? {
                    self.request.connection.check_time()?;
                    if let Some(flow) = self.turn(found)? {
                        return Ok(flow);
                    }
                }
            }
            LoopKind::Range(range) => return self.run_range(found, range),
            LoopKind::Rows { query, targets } => {
                let rows = self.rows_of(query, usize::MAX)?;
                let entered = !rows.is_empty();
                if !entered {
                    self.assign(targets, Vec::new())?;
                }
                for row in rows {
                    self.request.connection.check_time()?;
                    self.assign(targets, row)?;
                    if let Some(flow) = self.turn(found)? {
                        self.set_found(true);
                        return Ok(flow);
                    }
                }
                self.set_found(entered);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn run_range(&mut self, found: &'p Loop, range: &Range) -> Result<Flow<'p>, EngineError> {
        let mut at = self.bound(&range.lower, "lower bound")?;
        let end = self.bound(&range.upper, "upper bound")?;
        let by = range.step.as_ref().map_or(Ok(1), |step| self.bound(step, "BY value"))?;
        if by <= 0 {
            return Err(DatabaseError::new("22023", "BY value of FOR loop must be greater than zero").into());
        }
        let mut entered = false;
        while if range.reverse { at >= end } else { at <= end } {
            entered = true;
            self.request.connection.check_time()?;
            self.frame.variables[range.variable] = Value::Int(at);
            if let Some(flow) = self.turn(found)? {
                self.set_found(true);
                return Ok(flow);
            }
            at = if range.reverse { at.saturating_sub(by) } else { at.saturating_add(by) };
        }
        self.set_found(entered);
        Ok(ControlFlow::Continue(()))
    }

    fn bound(&mut self, bound: &Computed, what: &str) -> Result<i64, EngineError> {
        match self.value(bound)? {
            Value::Int(number) => Ok(number),
            _ => Err(DatabaseError::new("22004", format!("{what} of FOR loop cannot be null")).into()),
        }
    }

    /// One turn of a loop; what follows after the loop, where this was its last.
    fn turn(&mut self, found: &'p Loop) -> Result<Option<Flow<'p>>, EngineError> {
        let ControlFlow::Break(leave) = self.steps(&found.body)? else { return Ok(None) };
        let Leave::Exit { label, leaves } = leave else { return Ok(Some(ControlFlow::Break(leave))) };
        let mine = label.is_none() || label == found.label.as_deref();
        Ok(match (mine, leaves) {
            (true, Leaves::ThisTurn) => None,
            (true, Leaves::TheLoop) => Some(ControlFlow::Continue(())),
            (false, _) => Some(ControlFlow::Break(Leave::Exit { label, leaves })),
        })
    }

    /// `begin … exception`: what the body did is undone before a handler runs.
    fn attempt(
        &mut self,
        label: Option<&str>,
        body: &'p [Step],
        handlers: &'p [Handler],
    ) -> Result<Flow<'p>, EngineError> {
        let connection = self.request.connection;
        let name = format!("try{}_{}", connection.procedures.level(), self.tries);
        execute(connection, &format!("savepoint {name}")).map_err(internal)?;
        self.tries += 1;
        let result = self.steps(body);
        self.tries -= 1;
        self.frame.called.clear();
        let error = match result {
            Ok(flow) => {
                execute(connection, &format!("release {name}")).map_err(internal)?;
                return Ok(leave_block(flow, label));
            }
            Err(EngineError::Database(error)) if !connection.sql.is_autocommit() => error,
            Err(error) => return Err(error),
        };
        execute(connection, &format!("rollback to {name}")).map_err(internal)?;
        execute(connection, &format!("release {name}")).map_err(internal)?;
        let Some(handler) = handlers.iter().find(|handler| catches(handler, &error)) else { return Err(error.into()) };
        let before = self.caught.replace(error.clone());
        let told = [(BuiltIn::SqlState, &*error.sqlstate), (BuiltIn::SqlError, error.message.as_str())];
        for (built_in, text) in told {
            self.frame.variables[built_in.index()] = Value::text(text);
        }
        let flow = self.steps(&handler.body)?;
        self.caught = before;
        Ok(leave_block(flow, label))
    }

    pub(super) fn set_found(&mut self, found: bool) {
        self.frame.variables[BuiltIn::Found.index()] = Value::Bool(found);
    }
}

/// `exit` from a block by its label.
fn leave_block<'p>(flow: Flow<'p>, own: Option<&str>) -> Flow<'p> {
    match flow {
        ControlFlow::Break(Leave::Exit { label: Some(label), leaves: Leaves::TheLoop }) if Some(label) == own => {
            ControlFlow::Continue(())
        }
        other => other,
    }
}

/// Whether a handler is for this error; `others` leaves the end of time and failed assertions alone.
fn catches(handler: &Handler, error: &DatabaseError) -> bool {
    let code = &*error.sqlstate;
    handler.conditions.iter().any(|condition| match condition.as_str() {
        "others" => code != "57014" && code != "P0004",
        // A code that ends with three zeros is its whole class.
        class if class.ends_with("000") => code.starts_with(&class[..2]),
        exact => exact == code,
    })
}
