//! Functions in SQL and PL/pgSQL. What is written in another language runs only on PostgreSQL.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, DefElem, Node, ObjectWithArgs, SelectStmt};

use super::drop::Object;
use super::fault::Fault;
use super::names::{dotted, list, show, string};
use super::procedures::is_trigger;
use super::settings::constant;
use super::{Fold, OWNER};
use crate::expr::Select;
use crate::schema::{DefaultPrivilegeObject, Function, FunctionArg, FunctionResult, RelationId, Volatility};
use crate::value::Type;

/// What a body is read against.
#[derive(Clone, Copy)]
pub(super) struct Heading<'h> {
    pub(super) args: &'h [FunctionArg],
    pub(super) returns: &'h Type,
    pub(super) result: FunctionResult,
    pub(super) row: RelationId,
}

impl<'h> Heading<'h> {
    fn of(function: &'h Function) -> Self {
        Self { args: &function.args, returns: &function.returns, result: function.result, row: function.row }
    }
}

/// A function's clauses, before what they name is known.
#[derive(Default)]
struct Clauses {
    language: String,
    source: Option<String>,
    strict: bool,
    security_definer: bool,
    volatility: Volatility,
    one_row: bool,
    search_path: Option<Vec<String>>,
}

impl Fold<'_> {
    pub(super) fn create_function(&mut self, stmt: &pb::CreateFunctionStmt) -> Result<(), Fault> {
        let (schema, name) = dotted(&stmt.funcname);
        if stmt.is_procedure {
            return Err(
                Fault::only_postgres(format!("the procedure `{name}`"), "use statements, or a function").name(name)
            );
        }
        let mut clauses = Clauses::default();
        clauses.read(&stmt.options)?;
        refuse_language(name, &clauses.language)?;
        let schema = self.schema_for_new(schema.unwrap_or_default(), -1)?;
        let header = self.function_header(stmt)?;
        let old = self.same_function((&schema, name), &header.args);
        if let Some(old) = old {
            self.refuse_replacing(old, stmt, &header.returns)?;
        }
        let (result, row) = self.function_result((&schema, name), &header);
        let grants = self.default_grants(DefaultPrivilegeObject::Functions, &schema);
        if stmt.sql_body.is_some() {
            clauses.source = self.atomic_source();
        }
        let heading = Heading { args: &header.args, returns: &header.returns, result, row };
        let read = if is_trigger(&header.returns) { Ok(None) } else { self.function_body(stmt, &clauses, heading) };
        let (body, fault) = match read {
            Ok(body) => (body, None),
            Err(fault) => (None, Some(fault)),
        };
        let search_path = clauses.search_path.take().unwrap_or_else(|| self.search_path.clone());
        let mut function = Function {
            schema,
            name: name.to_owned(),
            args: header.args,
            returns: header.returns,
            returns_set: header.returns_set,
            result,
            row,
            volatility: clauses.volatility,
            one_row: clauses.one_row,
            owner: old.map_or_else(|| OWNER.to_owned(), |old| self.schema.functions[old].owner.clone()),
            language: clauses.language,
            security_definer: clauses.security_definer,
            strict: clauses.strict,
            source: clauses.source.unwrap_or_default(),
            body,
            procedure: None,
            search_path,
            grants: old.map_or(grants, |old| self.schema.functions[old].grants.clone()),
            comment: old.and_then(|old| self.schema.functions[old].comment.clone()),
        };
        if function.body.is_none() {
            // What one select cannot stand for may be steps: it calls what has only steps. Where it is none of both, the
            // select's fault says why.
            let steps = match (self.procedure(&function), fault) {
                (Ok(body), _) => body,
                (Err(_), Some(fault)) | (Err(fault), None) => return Err(fault),
            };
            function.procedure = Some(Arc::new(steps));
        }
        let key = (function.schema.clone(), function.signature());
        if let Some(start) = self.piece.text.find(&function.source).filter(|_| function.procedure.is_some()) {
            self.bodies.insert(key.clone(), self.piece.offset + start);
        }
        self.note_calls(&Object::Function(key.clone()));
        let Some(old) = old else {
            // Others may have been made with an earlier one of this name.
            let before = Function { body: None, ..function.clone() };
            self.schema_mut().functions.push(Arc::new(function));
            return self.follow_function(&before, &key);
        };
        let before = std::mem::replace(&mut self.schema_mut().functions[old], Arc::new(function));
        self.follow_function(&before, &key)
    }

    fn refuse_replacing(&self, old: usize, stmt: &pb::CreateFunctionStmt, returns: &Type) -> Result<(), Fault> {
        let old = &self.schema.functions[old];
        if !stmt.replace {
            let message = format!("function \"{}\" already exists with same argument types", old.name);
            return Err(Fault::new("42723", message).name(&old.name));
        }
        if old.returns != *returns {
            return Err(Fault::new("42P13", "cannot change return type of existing function")
                .name(&old.name)
                .help(format!("Use DROP FUNCTION {} first.", old.signature())));
        }
        Ok(())
    }

    /// What the function computes, where that is one select.
    fn function_body(
        &self,
        stmt: &pb::CreateFunctionStmt,
        clauses: &Clauses,
        heading: Heading<'_>,
    ) -> Result<Option<Select>, Fault> {
        let path = clauses.search_path.as_deref().unwrap_or(&self.search_path);
        if let Some(body) = stmt.sql_body.as_deref() {
            return match standard_body(body) {
                Some(select) => Ok(Some(self.resolve_body(&select, heading, path)?)),
                None => Ok(None),
            };
        }
        let name = dotted(&stmt.funcname).1;
        let source = clauses.source.as_deref().unwrap_or_default();
        let returned = if clauses.language == "plpgsql" { Some(returned_select(source)) } else { None };
        let source = match &returned {
            Some(None) => return Ok(None),
            Some(Some(select)) => select,
            None => source,
        };
        let start_of = clauses.source.as_deref().unwrap_or_default();
        // Positions within the body count from its own start.
        let start = self.piece.text.find(start_of);
        self.body_of_source(source, heading, path).map_err(|fault| match start {
            Some(start) => fault.shift(start),
            None => fault.name(name),
        })
    }

    fn body_of_source(&self, source: &str, heading: Heading<'_>, path: &[String]) -> Result<Option<Select>, Fault> {
        let parsed = pg_query::parse(source, 0).map_err(|error| {
            let message = error.to_string();
            Fault::new("42601", message.trim_start_matches("Invalid statement: ")).span(0, source.len())
        })?;
        let [raw] = parsed.protobuf.stmts.as_slice() else { return Ok(None) };
        match raw.stmt.as_ref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => self.resolve_body(select, heading, path).map(Some),
            _ => Ok(None),
        }
    }

    /// What has the body of a replaced function in it takes the new one: policies and functions, whose text is known.
    fn follow_function(&mut self, before: &Function, key: &(String, String)) -> Result<(), Fault> {
        let Some(now) =
            self.schema.functions.iter().find(|function| function.schema == key.0 && function.signature() == key.1)
        else {
            return Ok(());
        };
        let same =
            now.body == before.body && now.strict == before.strict && now.security_definer == before.security_definer;
        if same {
            return Ok(());
        }
        let name = now.name.clone();
        for user in self.callers(key) {
            match &user {
                Object::Policy(id, policy) => self.read_policy_again(*id, policy)?,
                Object::Function(other) if other != key => self.read_function_again(other)?,
                Object::Function(_) => {}
                Object::Relation(_)
                | Object::Column(..)
                | Object::Constraint(..)
                | Object::Index(..)
                | Object::Trigger(..)
                | Object::Default(..)
                | Object::Sequence(_)
                | Object::Enum(_)
                | Object::Domain(_)
                | Object::Schema(_) => {
                    let user = self.describe(&user);
                    let help = format!("drop the {user} before, and make it again after");
                    let what = format!("replacing the function `{name}` under the {user}");
                    return Err(Fault::only_postgres(what, help).name(&name));
                }
            }
        }
        Ok(())
    }

    fn read_function_again(&mut self, key: &(String, String)) -> Result<(), Fault> {
        let found =
            self.schema.functions.iter().position(|function| function.schema == key.0 && function.signature() == key.1);
        let Some(index) = found else { return Ok(()) };
        let before = Arc::clone(&self.schema.functions[index]);
        let body = self
            .body_of_source(&before.source, Heading::of(&before), &self.search_path)
            .map_err(|fault| fault.name(&before.name))?;
        self.edit_function(index, |function| function.body = body);
        self.note_calls(&Object::Function(key.clone()));
        self.follow_function(&before, key)
    }

    /// A changed name or schema, which noted calls follow.
    pub(super) fn move_function(&mut self, index: usize, change: impl FnOnce(&mut Function)) {
        let key = |function: &Function| (function.schema.clone(), function.signature());
        let old = key(&self.schema.functions[index]);
        self.edit_function(index, change);
        let new = key(&self.schema.functions[index]);
        self.rename_caller(&Object::Function(old.clone()), &Object::Function(new.clone()));
        let calls = std::mem::take(&mut self.schema_mut().calls);
        let moved =
            calls.into_iter().map(|(function, user)| (if function == old { new.clone() } else { function }, user));
        self.schema_mut().calls = moved.collect();
    }

    /// The function with just these argument types.
    fn same_function(&self, (schema, name): (&str, &str), args: &[FunctionArg]) -> Option<usize> {
        self.schema.functions.iter().position(|function| {
            function.schema == schema
                && function.name == name
                && function.args.len() == args.len()
                && function.args.iter().zip(args).all(|(old, new)| same_type(&old.ty, &new.ty))
        })
    }

    /// The place of a function that must exist.
    pub(super) fn function(&self, object: &ObjectWithArgs) -> Result<usize, Fault> {
        let wanted @ (schema, name) = dotted(&object.objname);
        let visible = |function: &Function| match schema {
            Some(schema) => function.schema == schema,
            None => self.search_path.contains(&function.schema),
        };
        let named: Vec<usize> = (0..self.schema.functions.len())
            .filter(|index| self.schema.functions[*index].name == name && visible(&self.schema.functions[*index]))
            .collect();
        if object.args_unspecified {
            return match named.as_slice() {
                [only] => Ok(*only),
                [] => {
                    Err(Fault::new("42883", format!("could not find a function named \"{}\"", show(wanted))).name(name))
                }
                _ => Err(Fault::new("42725", format!("function name \"{}\" is not unique", show(wanted)))
                    .name(name)
                    .help("Specify the argument list to select the function unambiguously.")),
            };
        }
        let mut types = Vec::new();
        for node in &object.objargs {
            let Some(NodeEnum::TypeName(type_name)) = node.node.as_ref() else { continue };
            types.push(self.type_of(Some(type_name))?);
        }
        let fits = |index: &usize| {
            let args = &self.schema.functions[*index].args;
            args.len() == types.len() && args.iter().zip(&types).all(|(arg, ty)| same_type(&arg.ty, ty))
        };
        named.into_iter().find(fits).ok_or_else(|| {
            let types: Vec<String> = types.iter().map(Type::sql_name).collect();
            let message = format!("function {}({}) does not exist", show(wanted), types.join(", "));
            Fault::new("42883", message).name(name)
        })
    }

    pub(super) fn edit_function<T>(&mut self, index: usize, change: impl FnOnce(&mut Function) -> T) -> T {
        change(Arc::make_mut(&mut self.schema_mut().functions[index]))
    }

    pub(super) fn alter_function(&mut self, stmt: &pb::AlterFunctionStmt) -> Result<(), Fault> {
        let Some(object) = stmt.func.as_ref() else { return Ok(()) };
        let index = self.function(object)?;
        let mut clauses = Clauses {
            strict: self.schema.functions[index].strict,
            security_definer: self.schema.functions[index].security_definer,
            volatility: self.schema.functions[index].volatility,
            one_row: self.schema.functions[index].one_row,
            ..Clauses::default()
        };
        clauses.read(&stmt.actions)?;
        let before = Arc::clone(&self.schema.functions[index]);
        self.edit_function(index, |function| {
            function.strict = clauses.strict;
            function.security_definer = clauses.security_definer;
            function.volatility = clauses.volatility;
            function.one_row = clauses.one_row;
        });
        self.follow_function(&before, &(before.schema.clone(), before.signature()))
    }
}

impl Clauses {
    fn read(&mut self, options: &[Node]) -> Result<(), Fault> {
        if self.language.is_empty() {
            self.language = "sql".to_owned();
        }
        for node in options {
            let Some(NodeEnum::DefElem(option)) = node.node.as_ref() else { continue };
            let text = option.arg.as_deref().and_then(constant);
            let on = text.as_deref() == Some("true") || text.as_deref() == Some("1");
            match option.defname.as_str() {
                "as" => self.source = list(option.arg.as_deref()).first().and_then(string).map(str::to_owned),
                "language" => self.language = text.unwrap_or_default().to_ascii_lowercase(),
                "strict" => self.strict = on,
                "security" => self.security_definer = on,
                "set" => self.read_setting(option)?,
                "volatility" => {
                    self.volatility = match text.as_deref() {
                        Some("immutable") => Volatility::Immutable,
                        Some("stable") => Volatility::Stable,
                        _ => Volatility::Volatile,
                    };
                }
                // These tell PostgreSQL's planner what to expect; the answers are the same without.
                "leakproof" | "cost" | "parallel" => {}
                "rows" => self.one_row = text.as_deref() == Some("1"),
                other => {
                    return Err(
                        Fault::only_postgres(format!("a function's `{other}`"), "leave it out").at(option.location)
                    );
                }
            }
        }
        Ok(())
    }

    fn read_setting(&mut self, option: &DefElem) -> Result<(), Fault> {
        let Some(NodeEnum::VariableSetStmt(set)) = option.arg.as_ref().and_then(|arg| arg.node.as_ref()) else {
            return Ok(());
        };
        if set.name != "search_path" {
            return Err(Fault::only_postgres(format!("a function's setting `{}`", set.name), "leave it out")
                .at(option.location));
        }
        let names = set.args.iter().filter_map(constant).filter(|name| !name.is_empty());
        self.search_path = Some(names.collect());
        Ok(())
    }
}

fn refuse_language(name: &str, language: &str) -> Result<(), Fault> {
    match language {
        "sql" | "plpgsql" => Ok(()),
        other => Err(Fault::only_postgres(
            format!("the function `{name}` in `language {other}`"),
            "write it in `language sql`",
        )
        .name(name)),
    }
}

/// The select that a PL/pgSQL body `begin return …; end` is, with everything at its place.
fn returned_select(source: &str) -> Option<String> {
    let tokens = pg_query::scan(source).ok()?.tokens;
    let is_comment = |token: &&pb::ScanToken| matches!(token.token(), pb::Token::SqlComment | pb::Token::CComment);
    let tokens: Vec<&pb::ScanToken> = tokens.iter().filter(|token| !is_comment(token)).collect();
    let words = |token: &pb::ScanToken| source.get(token.start as usize..token.end as usize).unwrap_or_default();
    let tokens = match tokens.as_slice() {
        [inner @ .., last] if words(last) == ";" => inner,
        all => all,
    };
    let [begin, back, inner @ .., stop, end] = tokens else { return None };
    let is = |token: &pb::ScanToken, word: &str| words(token).eq_ignore_ascii_case(word);
    let framed = is(begin, "begin") && is(back, "return") && is(stop, ";") && is(end, "end");
    if !framed || inner.iter().any(|token| words(token) == ";") || inner.first().is_none_or(|token| is(token, "query"))
    {
        return None;
    }
    let before = " ".repeat(back.start as usize);
    Some(format!("{before}select{}", source.get(back.end as usize..stop.start as usize)?))
}

/// `return …` and `begin atomic select … end`.
fn standard_body(body: &Node) -> Option<SelectStmt> {
    match body.node.as_ref()? {
        NodeEnum::ReturnStmt(returned) => {
            let target = pb::ResTarget { val: returned.returnval.clone(), ..pb::ResTarget::default() };
            Some(SelectStmt {
                target_list: vec![Node { node: Some(NodeEnum::ResTarget(Box::new(target))) }],
                limit_option: pb::LimitOption::Default as i32,
                op: pb::SetOperation::SetopNone as i32,
                ..SelectStmt::default()
            })
        }
        NodeEnum::SelectStmt(select) => Some((**select).clone()),
        NodeEnum::List(list) => match list.items.as_slice() {
            [only] => standard_body(only),
            _ => None,
        },
        _ => None,
    }
}

/// Sizes are no part of an argument's type.
fn same_type(left: &Type, right: &Type) -> bool {
    left.sql_name() == right.sql_name()
}
