//! Calls that PostgreSQL makes itself. The answer is one row: how many rows were taken, what is made of them, and how
//! many there are; the function runs once, whatever is counted.

use roadbed_plan::plan::{CallPlan, EngineArgument, EngineArguments, EngineCall, Shape};
use roadbed_plan::query::Count;
use roadbed_plan::schema::{Function, Schema};
use roadbed_plan::terms::{Handler, RowForm};

use super::dialect::{Dialect, quote_identifier};
use super::postgres::type_name;
use super::render::{Mode, Param, Rendered, Renderer};

/// The name of the function's answer, for the rows and for their number.
const CALLED: &str = "\"roadbed called\"";

/// The name of the arguments that come in a JSON body.
const BODY: &str = "\"roadbed body\"";

/// The statement that makes the call of `plan`, and the names of what it takes of each row.
pub(crate) fn render_call(
    schema: &Schema,
    plan: &CallPlan,
    (call, form): (&EngineCall, &RowForm),
) -> (Rendered, Vec<String>) {
    let mut renderer = Renderer::new(schema, Dialect::Postgres, Mode::Statement);
    renderer.push(&format!("with {CALLED} as materialized (select "));
    renderer.push("called.* from ");
    renderer.called(call);
    renderer.push(&format!(") select count(*), {}, ", answer_of(plan.shape, form)));
    match plan.count {
        Some(Count::Exact | Count::Planned | Count::Estimated) => renderer.count_called(plan),
        None => renderer.push("null::bigint"),
    }
    renderer.push(" from (");
    let names = renderer.json_node(&plan.node, CALLED);
    renderer.push(") as answer");
    (renderer.finish(), names)
}

/// What is made of the rows of `answer`, all in one.
fn answer_of(shape: Shape, form: &RowForm) -> String {
    let is_row = match shape {
        Shape::Rows | Shape::Row | Shape::Nothing => true,
        Shape::Values | Shape::Value => false,
    };
    let value = format!("answer.{}", quote_identifier(Function::VALUE));
    match form {
        RowForm::Json => {
            let json = if is_row {
                "row_to_json(answer.*)::text".to_owned()
            } else {
                format!("coalesce(to_json({value})::text, 'null')")
            };
            format!("coalesce('[' || string_agg({json}, ',') || ']', '[]')")
        }
        // The brackets around a row are not part of its line, which the line of names comes before.
        RowForm::Csv => {
            "coalesce(string_agg(E'\\n' || substr(answer::text, 2, length(answer::text) - 2), ''), E'\\n')".to_owned()
        }
        RowForm::GeoJson(schema) => features(schema, "answer.*"),
        RowForm::Handled(handler) if is_row => handled(handler, "answer.*"),
        RowForm::Handled(handler) => handled(&Handler { relation: None, ..handler.clone() }, &value),
        RowForm::Bare => format!("(array_agg({value}))[1]"),
    }
}

/// A GeoJSON collection of `rows`, by PostGIS in `schema`.
pub(crate) fn features(schema: &str, rows: &str) -> String {
    let function = format!("{}.st_asgeojson", quote_identifier(schema));
    format!(
        "json_build_object('type', 'FeatureCollection', 'features', \
         coalesce(json_agg({function}({rows})::json), '[]'))::text"
    )
}

/// What an aggregate of the user's makes of `rows`.
pub(crate) fn handled(Handler { schema, name, relation }: &Handler, rows: &str) -> String {
    let function = format!("{}.{}", quote_identifier(schema), quote_identifier(name));
    match relation {
        Some((schema, name)) => {
            format!("{function}(({rows})::{}.{})", quote_identifier(schema), quote_identifier(name))
        }
        None => format!("{function}({rows})"),
    }
}

impl Renderer<'_> {
    fn count_called(&mut self, plan: &CallPlan) {
        self.node_source(&plan.node);
        self.push("(select count(*) from ");
        self.node_from(&plan.node, Some(CALLED));
        self.node_condition(plan.node.condition.as_ref(), " where ");
        self.push(")");
    }

    /// The call as something to select from, called `called`.
    fn called(&mut self, call: &EngineCall) {
        match &call.arguments {
            EngineArguments::Json { text, single, members } if !members.is_empty() => {
                let columns: Vec<String> = members
                    .iter()
                    .map(|member| format!("{} {}", quote_identifier(&member.name), type_name(&member.ty)))
                    .collect();
                let function = if *single { "json_to_record" } else { "json_to_recordset" };
                self.push(&format!("(select * from {function}("));
                self.param(Param::Literal(String::from_utf8_lossy(text).into_owned()));
                self.push(&format!("::json) as body({}) limit 1) as {BODY}, lateral ", columns.join(", ")));
                self.call_with(call, members, |renderer, member| {
                    renderer.push(&format!("{BODY}.{}", quote_identifier(&member.name)));
                });
            }
            EngineArguments::Json { .. } => self.call_with(call, &[], |_, _| {}),
            EngineArguments::Named(arguments) => self.call_with(call, arguments, Self::argument_value),
            EngineArguments::Single(argument) => {
                self.call_with(call, std::slice::from_ref(argument), Self::argument_value);
            }
        }
        // `called.*` of a bare value has the function's name otherwise.
        self.push(if call.bare { ") as called" } else { " as called" });
    }

    fn call_with(
        &mut self,
        call: &EngineCall,
        arguments: &[EngineArgument],
        mut value: impl FnMut(&mut Self, &EngineArgument),
    ) {
        self.push(if call.bare { "(select " } else { "" });
        self.push(&format!("{}.{}(", quote_identifier(&call.schema), quote_identifier(&call.name)));
        for (index, argument) in arguments.iter().enumerate() {
            self.push(if index > 0 { ", " } else { "" });
            self.push(if argument.variadic { "variadic " } else { "" });
            if !argument.name.is_empty() {
                self.push(&format!("{} := ", quote_identifier(&argument.name)));
            }
            value(self, argument);
        }
        self.push(")");
        if call.bare {
            self.push(&format!(" as {}", quote_identifier(Function::VALUE)));
        }
    }

    fn argument_value(&mut self, argument: &EngineArgument) {
        if let Some(value) = &argument.value {
            self.push("(");
            self.expression(value);
            self.push(&format!(")::{}", type_name(&argument.ty)));
        }
    }
}
