//! The type `Database` that supabase-js and postgrest-js take, in the form that Supabase's own generator gives it.

use std::fmt::Write;

use roadbed_plan::Type;
use roadbed_plan::planner::Reached;
use roadbed_plan::schema::{Column, DefaultValue, Function, FunctionArg, FunctionResult};

use super::Api;

const JSON: &str = "export type Json =\n  | string\n  | number\n  | boolean\n  | null\n  | { [key: string]: Json | undefined }\n  | Json[]\n";

/// Shorter names for the parts of `Database`.
const HELPERS: &str = "
type DatabaseWithoutInternals = Omit<Database, \"__InternalSupabase\">
type DefaultSchema = DatabaseWithoutInternals[\"SCHEMA\"]
type Relations = DefaultSchema[\"Tables\"] & DefaultSchema[\"Views\"]

export type Tables<Name extends keyof Relations> = Relations[Name] extends { Row: infer Row } ? Row : never
export type TablesInsert<Name extends keyof DefaultSchema[\"Tables\"]> =
  DefaultSchema[\"Tables\"][Name] extends { Insert: infer Insert } ? Insert : never
export type TablesUpdate<Name extends keyof DefaultSchema[\"Tables\"]> =
  DefaultSchema[\"Tables\"][Name] extends { Update: infer Update } ? Update : never
export type Enums<Name extends keyof DefaultSchema[\"Enums\"]> = DefaultSchema[\"Enums\"][Name]
";

/// The file. All of `apis` are schemas of one database, the first being the default.
pub fn typescript(apis: &[Api]) -> String {
    let mut text = JSON.to_owned();
    text.push_str("\nexport type Database = {\n  // What the client's own types ask for.\n");
    text.push_str("  __InternalSupabase: {\n    PostgrestVersion: \"13\"\n  }\n");
    for api in apis {
        schema(&mut text, api);
    }
    text.push_str("}\n");
    if let Some(first) = apis.first() {
        text.push_str(&HELPERS.replace("SCHEMA", &first.of));
    }
    text
}

fn schema(text: &mut String, api: &Api) {
    let _ = writeln!(text, "  {}: {{", key(&api.of));
    let (views, tables): (Vec<&Reached>, Vec<&Reached>) =
        api.reach.relations.iter().partition(|reached| reached.relation.is_view());
    relations(text, api, ("Tables", &tables));
    relations(text, api, ("Views", &views));
    functions(text, api);
    let enums = api.schema.enums.values().filter(|found| found.schema == api.of);
    let labels = |labels: &[String]| labels.iter().map(|label| string(label)).collect::<Vec<_>>().join(" | ");
    let enums: Vec<String> =
        enums.map(|found| format!("      {}: {}\n", key(&found.name), labels(&found.labels))).collect();
    block(text, "Enums", &enums);
    block(text, "CompositeTypes", &[]);
    text.push_str("  }\n");
}

fn block(text: &mut String, name: &str, entries: &[String]) {
    if entries.is_empty() {
        let _ = writeln!(text, "    {name}: {{\n      [_ in never]: never\n    }}");
    } else {
        let _ = writeln!(text, "    {name}: {{\n{}    }}", entries.concat());
    }
}

fn relations(text: &mut String, api: &Api, (kind, relations): (&str, &[&Reached])) {
    let entries: Vec<String> = relations.iter().map(|reached| relation(api, reached)).collect();
    block(text, kind, &entries);
}

fn relation(api: &Api, reached: &Reached) -> String {
    let mut text = format!("      {}: {{\n", key(&reached.relation.name));
    let row = reached.columns(&reached.select).map(|column| {
        let or_null = if column.not_null { "" } else { " | null" };
        format!("          {}: {}{or_null}\n", key(&column.name), of_type(api, &column.ty))
    });
    object(&mut text, "Row", &row.collect::<Vec<_>>());
    // A view that nobody can write to has rows alone.
    if reached.relation.writable {
        object(
            &mut text,
            "Insert",
            &reached.columns(&reached.insert).map(|column| given(api, column, true)).collect::<Vec<_>>(),
        );
        object(
            &mut text,
            "Update",
            &reached.columns(&reached.update).map(|column| given(api, column, false)).collect::<Vec<_>>(),
        );
    }
    relationships(&mut text, api, reached);
    text.push_str("      }\n");
    text
}

fn object(text: &mut String, name: &str, members: &[String]) {
    if members.is_empty() {
        let _ = writeln!(text, "        {name}: Record<PropertyKey, never>");
    } else {
        let _ = writeln!(text, "        {name}: {{\n{}        }}", members.concat());
    }
}

/// A column as a body may give it.
fn given(api: &Api, column: &Column, is_insert: bool) -> String {
    let name = key(&column.name);
    match &column.default {
        Some(DefaultValue::Generated(_) | DefaultValue::Identity { always: true, .. }) => {
            format!("          {name}?: never\n")
        }
        _ => {
            let is_optional = !is_insert || column.default.is_some() || !column.not_null;
            let (mark, or_null) = (if is_optional { "?" } else { "" }, if column.not_null { "" } else { " | null" });
            format!("          {name}{mark}: {}{or_null}\n", of_type(api, &column.ty))
        }
    }
}

fn relationships(text: &mut String, api: &Api, reached: &Reached) {
    let entries: Vec<String> = api
        .keys_from(&reached.relation)
        .into_iter()
        .map(|(found, to, unique)| {
            let names = |names: Vec<&str>| names.into_iter().map(string).collect::<Vec<_>>().join(", ");
            format!(
                "          {{\n            foreignKeyName: {}\n            columns: [{}]\n            isOneToOne: {unique}\n            \
                 referencedRelation: {}\n            referencedColumns: [{}]\n          }},\n",
                string(&found.name),
                names(reached.relation.column_names(&found.columns).collect()),
                string(&to.name),
                names(to.column_names(&found.target_columns).collect()),
            )
        })
        .collect();
    match entries.is_empty() {
        true => text.push_str("        Relationships: []\n"),
        false => _ = writeln!(text, "        Relationships: [\n{}        ]", entries.concat()),
    }
}

fn functions(text: &mut String, api: &Api) {
    let entries: Vec<String> = api
        .functions()
        .map(|overloads| {
            let name = overloads.first().map_or("", |function| function.name.as_str());
            let forms: Vec<String> = overloads.iter().map(|function| form(api, function)).collect();
            let forms = if forms.len() > 1 {
                format!("\n        | {}", forms.join("\n        | "))
            } else {
                format!(" {}", forms.concat())
            };
            format!("      {}:{forms}\n", key(name))
        })
        .collect();
    block(text, "Functions", &entries);
}

fn form(api: &Api, function: &Function) -> String {
    let arg = |arg: &FunctionArg| {
        let mark = if arg.optional || arg.variadic { "?" } else { "" };
        // The one argument without a name is the body, which the client calls the empty name.
        format!("{}{mark}: {}", key(arg.name.as_deref().unwrap_or_default()), of_type(api, &arg.ty))
    };
    let args: Vec<String> = function.args.iter().map(arg).collect();
    let args = if args.is_empty() { "never".to_owned() } else { format!("{{ {} }}", args.join("; ")) };
    format!("{{ Args: {args}; Returns: {} }}", returned(api, function))
}

fn returned(api: &Api, function: &Function) -> String {
    let one = match function.result {
        FunctionResult::Nothing => return "undefined".into(),
        FunctionResult::Value => of_type(api, &function.returns),
        FunctionResult::Row => {
            let relation = api.schema.relation(function.row);
            let member = |column: &Column| {
                let or_null =
                    if column.not_null || !api.schema.relations.contains_key(&function.row) { "" } else { " | null" };
                format!("{}: {}{or_null}", key(&column.name), of_type(api, &column.ty))
            };
            let members: Vec<String> = relation.columns.iter().map(member).collect();
            format!("{{ {} }}", members.join("; "))
        }
    };
    if function.returns_set { format!("{one}[]") } else { one }
}

fn of_type(api: &Api, ty: &Type) -> String {
    match ty {
        Type::Bool => "boolean".into(),
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Float4 | Type::Float8 | Type::Numeric(_) => "number".into(),
        Type::Json | Type::Jsonb => "Json".into(),
        Type::Enum(of) if of.schema == api.of => {
            format!("Database[{}][\"Enums\"][{}]", string(&of.schema), string(&of.name))
        }
        Type::Enum(of) => of.labels.iter().map(|label| string(label)).collect::<Vec<_>>().join(" | "),
        Type::Domain(domain) => of_type(api, &domain.base),
        Type::Array(item) => match of_type(api, item) {
            item if item.contains('|') => format!("({item})[]"),
            item => format!("{item}[]"),
        },
        Type::Text
        | Type::Varchar(_)
        | Type::Char(_)
        | Type::Uuid
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Interval
        | Type::Bytea => "string".into(),
        Type::Other(name) if &**name == "void" => "undefined".into(),
        Type::Other(name) if name.ends_with("[]") => "unknown[]".into(),
        Type::Unknown | Type::Other(_) => match super::default::is_text(ty) {
            true if super::json_schema::of_type(ty).contains_key("type") => "string".into(),
            _ => "unknown".into(),
        },
    }
}

/// A property's name, in quotes where it must be.
fn key(name: &str) -> String {
    let mut characters = name.chars();
    let is_plain = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_' || first == '$')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_' || other == '$');
    if is_plain { name.to_owned() } else { string(name) }
}

/// A literal; JSON's strings are those of the language.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
