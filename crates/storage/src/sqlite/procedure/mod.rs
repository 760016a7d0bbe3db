//! Functions' bodies on SQLite: a planned body is carried out step by step inside the request's transaction, and SQLite
//! computes its expressions, with variables bound as values.

mod frame;
mod function;
mod raise;
mod run;
mod statements;

use roadbed_plan::procedure::{BuiltIn, Procedure};
use roadbed_plan::schema::{Trigger, TriggerEvent, TriggerLevel, TriggerTiming};
use roadbed_plan::value::{self, Type};
use roadbed_plan::{DatabaseError, EngineError, Session, Value};

use super::connect::Request;
use super::write::Target;
use frame::Frame;
use run::{End, Run};

pub(super) use function::{call, no_rows};
pub(super) use statements::{fit, write_statement};

/// A trigger that is about to run.
pub(super) struct Call<'a> {
    pub(super) target: Target<'a>,
    pub(super) trigger: &'a Trigger,
    pub(super) event: TriggerEvent,
    pub(super) old: Option<&'a [Value]>,
    pub(super) new: Option<&'a [Value]>,
}

/// What a trigger's function gave back.
pub(super) enum Given {
    Nothing,
    Row(Vec<Value>),
}

/// Whether a trigger's `when` lets it run.
pub(super) fn condition_holds(call: &Call<'_>) -> Result<bool, EngineError> {
    let Some(condition) = &call.trigger.condition else { return Ok(true) };
    let frame = frame_of(call, Vec::new());
    let value = frame::value_of_expr((call.target.request, call.target.schema), &frame, condition)?;
    Ok(value == Value::Bool(true))
}

/// Runs a trigger's function, as its owner where it is `security definer`.
pub(super) fn run_trigger(procedure: &Procedure, call: &Call<'_>) -> Result<Given, EngineError> {
    as_owner(procedure, call.target.request, |request| run(procedure, call, request))
}

/// Runs `work` as whoever the body runs as.
fn as_owner<T>(
    procedure: &Procedure,
    request: Request<'_>,
    work: impl FnOnce(Request<'_>) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let Some(owner) = &procedure.runs_as else { return work(request) };
    let session = Session { role: owner.as_str().into(), ..request.session.clone() };
    request.connection.session.start(&session, request.now);
    let result = work(Request { session: &session, ..request });
    request.connection.session.start(request.session, request.now);
    result
}

fn run(procedure: &Procedure, call: &Call<'_>, request: Request<'_>) -> Result<Given, EngineError> {
    let mut variables: Vec<Value> = vec![Value::Null; procedure.variables.len()];
    for (built_in, _) in BuiltIn::ALL {
        variables[built_in.index()] = built_in_value(built_in, call);
    }
    let mut run = Run::new((request, call.target.schema), procedure, frame_of(call, variables));
    match run.body()? {
        End::Returned(given) => Ok(given),
        End::Went => {
            let message = "control reached end of trigger procedure without RETURN";
            Err(DatabaseError::new("2F005", message).into())
        }
    }
}

fn frame_of<'a>(call: &Call<'a>, variables: Vec<Value>) -> Frame<'a> {
    let relation = call.target.relation;
    let row =
        |values: Option<&[Value]>| values.map_or_else(|| vec![Value::Null; relation.columns.len()], <[Value]>::to_vec);
    Frame {
        relation: Some(relation),
        new: row(call.new),
        old: row(call.old),
        has_new: call.new.is_some(),
        ..Frame::outside(variables)
    }
}

fn built_in_value(built_in: BuiltIn, call: &Call<'_>) -> Value {
    let (trigger, relation) = (call.trigger, call.target.relation);
    match built_in {
        BuiltIn::Found => Value::Bool(false),
        BuiltIn::Op => Value::text(call.event.name()),
        BuiltIn::When => Value::text(TriggerTiming::name(trigger.timing)),
        BuiltIn::Level => Value::text(TriggerLevel::name(trigger.level)),
        BuiltIn::Name => Value::text(trigger.name.as_str()),
        BuiltIn::TableName => Value::text(relation.name.as_str()),
        BuiltIn::TableSchema => Value::text(relation.schema.as_str()),
        BuiltIn::Args => array_of(&trigger.args),
        BuiltIn::ArgCount => Value::Int(i64::try_from(trigger.args.len()).unwrap_or(i64::MAX)),
        BuiltIn::SqlState | BuiltIn::SqlError => Value::Null,
    }
}

/// The texts as an array. It begins with 1: whoever reads `tg_argv[0]` was told so.
fn array_of(texts: &[String]) -> Value {
    let quoted: Vec<String> =
        texts.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    let ty = Type::Array(Box::new(Type::Text));
    let text = format!("{{{}}}", quoted.join(","));
    value::parse(&text, &ty, &roadbed_plan::Clock::System).unwrap_or(Value::Null)
}
