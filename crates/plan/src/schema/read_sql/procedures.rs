//! Functions whose bodies are more than one select: they are kept as they were parsed, and carried out step by step.

use pg_query::protobuf::{ScanToken, Token};

use super::Fold;
use super::fault::Fault;
use super::triggers::as_fault;
use crate::schema::read_plpgsql::{Body, Form, Gives, Header, Statements, Syntax};
use crate::schema::{Function, FunctionResult};
use crate::value::Type;

impl Fold<'_> {
    /// The body of a function that has no select to stand for it.
    pub(super) fn procedure(&self, function: &Function) -> Result<Body, Fault> {
        let name = function.name.as_str();
        if is_trigger(&function.returns) && !function.args.is_empty() {
            return Err(Fault::new("42P13", "trigger functions cannot have declared arguments").name(name));
        }
        self.refuse_types(function)?;
        let start = self.piece.text.find(&function.source);
        let located = |fault| match start {
            Some(start) => as_fault(fault, start),
            None => as_fault(fault, 0).name(name),
        };
        if function.language == "plpgsql" {
            return self.parsed(function).map(Body::Plpgsql).map_err(located);
        }
        let body = Body::Sql(Statements::new(&function.source));
        // As PostgreSQL, which looks into a body in SQL as soon as it is made.
        body.read(Header { schema: &self.schema, function, relation: None }).map_err(located)?;
        Ok(body)
    }

    fn parsed(&self, function: &Function) -> Result<Syntax, crate::schema::read_plpgsql::Fault> {
        let names = function.args.iter().zip(1..);
        let args: Vec<String> =
            names.map(|(arg, number)| arg.name.clone().unwrap_or_else(|| format!("${number}"))).collect();
        let outputs = match self.schema.rows.get(&function.row) {
            Some(row) if function.result == FunctionResult::Row => {
                row.columns.iter().map(|column| column.name.clone()).collect()
            }
            Some(_) | None => Vec::new(),
        };
        let gives = match function.result {
            _ if is_trigger(&function.returns) => Gives::Trigger,
            FunctionResult::Nothing => Gives::Nothing,
            FunctionResult::Value | FunctionResult::Row if function.returns_set => Gives::Set,
            FunctionResult::Value | FunctionResult::Row => Gives::One,
        };
        let form =
            Form { args: &args, outputs: &outputs, gives, schema: &self.schema, search_path: &function.search_path };
        Syntax::parse(&function.source, form)
    }

    /// Rows as arguments, and values whose type only a call tells.
    fn refuse_types(&self, function: &Function) -> Result<(), Fault> {
        let name = function.name.as_str();
        let is_known = |ty: &Type| !matches!(ty, Type::Other(name) if !crate::value::search::is_search_type(name));
        if let Some(arg) = function.args.iter().find(|arg| !is_known(&arg.ty)) {
            let what = format!("an argument of type `{}` of a function that is more than a select", arg.ty.sql_name());
            return Err(Fault::only_postgres(what, "give the row's key").name(name));
        }
        let fits = function.result != FunctionResult::Value || is_known(&function.returns);
        if fits || is_trigger(&function.returns) {
            return Ok(());
        }
        let what = format!("a function that returns `{}`", function.returns.sql_name());
        Err(Fault::only_postgres(what, "write `returns table (…)`, or the type").name(name))
    }

    /// The statements of `begin atomic … end`, or the value of `return`, as they were written.
    pub(super) fn atomic_source(&self) -> Option<String> {
        let text = self.piece.text;
        let tokens = pg_query::scan(text).ok()?.tokens;
        let place = |at: i32| usize::try_from(at).unwrap_or(0);
        let begins = |pair: &&[ScanToken]| pair[0].token() == Token::BeginP && pair[1].token() == Token::Atomic;
        let start = tokens.windows(2).find(begins).map(|pair| place(pair[1].end))?;
        let end = tokens.iter().rev().find(|token| token.token() == Token::EndP).map(|token| place(token.start))?;
        text.get(start..end).map(str::to_owned)
    }
}

pub(super) fn is_trigger(returns: &Type) -> bool {
    *returns == Type::Other("trigger".into())
}
