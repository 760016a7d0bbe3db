//! Calls of functions: arguments become variables, and what a body gives back becomes rows.

use roadbed_plan::expr::{Expr, FromItem, Select, SelectOutput, Source, SourceId};
use roadbed_plan::procedure::{BuiltIn, FunctionCall, Procedure};
use roadbed_plan::schema::{Function, FunctionResult, Relation, Schema};
use roadbed_plan::{DatabaseError, EngineError, Value};

use super::super::connect::Request;
use super::frame::{Frame, value_of_expr};
use super::run::{End, Run};
use super::{Given, as_owner, fit};

/// The id of the rows within the select that stands for them; no statement gives its sources such ids.
const ROWS: SourceId = SourceId(SourceId::CALLS.0 - 1);

/// Runs a function, and gives its rows as a select with the columns of [`Function::row`].
pub(in super::super) fn call(
    request: Request<'_>,
    schema: &Schema,
    call: &FunctionCall,
) -> Result<Select, EngineError> {
    let function = &schema.functions[call.function];
    let outside = Frame::outside(Vec::new());
    let mut arguments = Vec::with_capacity(call.arguments.len());
    for (value, arg) in call.arguments.iter().zip(&function.args) {
        let value = value_of_expr((request, schema), &outside, value)?;
        arguments.push(fit(value, &arg.ty)?);
    }
    let rows = rows_of_call(request, schema, call.function, arguments)?;
    Ok(select_of(schema.relation(function.row), rows))
}

/// The rows that a function gives for these arguments; one at most where it is no set.
pub(super) fn rows_of_call(
    request: Request<'_>,
    schema: &Schema,
    index: usize,
    arguments: Vec<Value>,
) -> Result<Vec<Vec<Value>>, EngineError> {
    let function = &schema.functions[index];
    let nothing = || vec![Value::Null; schema.relation(function.row).columns.len()];
    if function.strict && arguments.iter().any(Value::is_null) {
        return Ok(if function.returns_set { Vec::new() } else { vec![nothing()] });
    }
    let procedures = &request.connection.procedures;
    let procedure = procedures.planned_function(schema, index, &request.session.role)?;
    let (given, rows) = procedures
        .deeper(|| as_owner(&procedure, request, |request| run((request, schema), &procedure, function, arguments)))?;
    if function.returns_set {
        return Ok(rows);
    }
    let row = match given {
        Given::Row(row) => Some(row),
        Given::Nothing => rows.into_iter().next(),
    };
    Ok(vec![row.unwrap_or_else(nothing)])
}

type Ran = (Given, Vec<Vec<Value>>);

fn run(
    (request, schema): (Request<'_>, &Schema),
    procedure: &Procedure,
    function: &Function,
    arguments: Vec<Value>,
) -> Result<Ran, EngineError> {
    let mut variables: Vec<Value> = vec![Value::Null; procedure.variables.len()];
    variables[BuiltIn::Found.index()] = Value::Bool(false);
    for (variable, value) in variables.iter_mut().skip(BuiltIn::ALL.len()).zip(arguments) {
        *variable = value;
    }
    let frame = Frame::outside(variables);
    let mut run = Run::new((request, schema), procedure, frame);
    match run.body()? {
        End::Returned(given) => Ok((given, run.rows)),
        End::Went if function.returns_set || function.result == FunctionResult::Nothing => {
            Ok((Given::Nothing, run.rows))
        }
        End::Went => Err(DatabaseError::new("2F005", "control reached end of function without RETURN").into()),
    }
}

/// The relation's columns without a row.
pub(in super::super) fn no_rows(relation: &Relation) -> Select {
    let null = |column: &roadbed_plan::schema::Column| SelectOutput {
        name: column.name.clone(),
        expr: Expr::value(Value::Null, column.ty.clone()),
    };
    let outputs = relation.columns.iter().map(null).collect();
    Select { outputs, condition: Some(Expr::boolean(false)), ..Select::default() }
}

/// Rows that are known as a select of the relation's columns.
pub(super) fn select_of(relation: &Relation, rows: Vec<Vec<Value>>) -> Select {
    if rows.is_empty() {
        return no_rows(relation);
    }
    let typed = |row: Vec<Value>| {
        row.into_iter().zip(&relation.columns).map(|(value, column)| Expr::value(value, column.ty.clone())).collect()
    };
    let values = Select { values: rows.into_iter().map(typed).collect(), ..Select::default() };
    let outputs = relation.columns.iter().zip(0..).map(|(column, index)| SelectOutput {
        name: column.name.clone(),
        expr: Expr::Output { source: ROWS, index, ty: column.ty.clone() },
    });
    Select {
        outputs: outputs.collect(),
        from: vec![FromItem::Source { id: ROWS, source: Source::Select(Box::new(values)) }],
        ..Select::default()
    }
}
