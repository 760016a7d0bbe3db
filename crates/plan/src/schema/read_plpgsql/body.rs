//! The statements of a body, in the order of its text.

use super::scope::{Place, Scope};
use super::source::{place_of, unquoted};
use super::sql::{Declaration, outputs};
use super::syntax::{
    Block, Case, CaseWhen, Condition, Datum, DiagnosticsItem, ElsIf, Exception, Exceptions, Expression, ForRange,
    Raise as ParsedRaise, RaiseOption as ParsedOption, Statement,
};
use super::{Fault, Syntax, conditions};
use crate::expr::{Expr, SourceId};
use crate::procedure::{
    BuiltIn, Computed, Handler, Leaves, Loop, LoopKind, Query, Raise, RaiseOption, Range, Step, Target, Variable,
};
use crate::schema::read_expr::Resolver;
use crate::schema::{Function, Relation, Schema};
use crate::value::Type;

/// PostgreSQL's number for `raise exception`.
const ERROR: u32 = 21;

/// What a body is read for.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    pub schema: &'a Schema,
    pub function: &'a Function,
    /// The table of its trigger.
    pub relation: Option<&'a Relation>,
}

/// A body whose names and types are known, not yet planned for anybody.
#[derive(Debug)]
pub struct Reading {
    pub variables: Vec<Variable>,
    pub body: Vec<Step>,
}

pub(super) struct Reader<'a> {
    pub(super) schema: &'a Schema,
    pub(super) function: &'a Function,
    pub(super) syntax: &'a Syntax,
    pub(super) resolver: Resolver<'a>,
    pub(super) scope: Scope<'a>,
}

impl Syntax {
    /// Finds what the names of the body mean in `header`'s schema.
    ///
    /// # Errors
    /// When a name, type or construct is not known.
    pub fn read(&self, header: Header<'_>) -> Result<Reading, Fault> {
        let Header { schema, function, relation } = header;
        let reader = Reader {
            schema,
            function,
            syntax: self,
            resolver: Resolver::of_body(schema, &function.search_path),
            scope: Scope::new(&function.name, relation),
        };
        reader.scope.declare_args(&function.args);
        reader.declare_outputs();
        let mut body = reader.declarations()?;
        body.push(reader.block(&self.block)?);
        Ok(Reading { variables: reader.scope.variables.take(), body })
    }
}

impl Reader<'_> {
    /// Declares the variables, and gives the steps that set their defaults.
    fn declarations(&self) -> Result<Vec<Step>, Fault> {
        let mut steps = Vec::new();
        for (name, text) in &self.syntax.declared.types {
            let declared = self.declared_type(text)?;
            let datum = self.syntax.datums.iter().find(|datum| name_of(datum) == Some(name));
            let default = datum.and_then(default_of);
            match declared {
                Declaration::Scalar(ty) => {
                    let index = self.scope.declare(name, ty.clone());
                    self.scope.variables.borrow_mut()[index].not_null = datum.is_some_and(is_not_null);
                    if let Some(default) = default {
                        let value = self.computed_as(default.text(), &ty, 1)?;
                        steps.push(Step::Set { target: Target::Variable(index), value });
                    }
                }
                Declaration::Record(fields) => {
                    self.scope.declare_record(name);
                    if let Some(fields) = fields {
                        self.scope.shape(name, &fields)?;
                    }
                    if let Some(default) = default {
                        steps.extend(self.assign_row(&Place::Record(name.clone()), default.text(), 1)?);
                    }
                }
            }
        }
        Ok(steps)
    }

    fn block(&self, block: &Block) -> Result<Step, Fault> {
        let body = self.steps(&block.body)?;
        let label = block.label.clone();
        let Some(Exceptions::Block { exc_list }) = &block.exceptions else { return Ok(Step::Block { label, body }) };
        let mut handlers = Vec::new();
        for Exception::Handler { conditions: names, action } in exc_list {
            let mut codes = Vec::new();
            for Condition::Named { condname } in names {
                let code = if condname == "others" { Some("others") } else { conditions::code_of(condname) };
                let unknown = || Fault::new("42704", format!("unrecognized exception condition \"{condname}\""));
                codes.push(code.ok_or_else(|| self.somewhere(unknown(), condname))?.to_owned());
            }
            handlers.push(Handler { conditions: codes, body: self.steps(action)? });
        }
        Ok(Step::Try { label, body, handlers })
    }

    fn somewhere(&self, fault: Fault, word: &str) -> Fault {
        let place = self.syntax.source.find(word).map_or((0, 0), |at| (at, word.len()));
        fault.span(place)
    }

    fn steps(&self, statements: &[Statement]) -> Result<Vec<Step>, Fault> {
        let mut steps = Vec::with_capacity(statements.len());
        for statement in statements {
            match statement {
                Statement::Assign { lineno, varno, expr } => steps.extend(self.assign(*lineno, *varno, expr)?),
                Statement::Case(case) => steps.extend(self.case(case)?),
                Statement::Diagnostics { lineno, is_stacked, diag_items } => {
                    steps.extend(self.diagnostics(*lineno, *is_stacked, diag_items)?);
                }
                other => steps.push(self.step(other)?),
            }
        }
        Ok(steps)
    }

    fn step(&self, statement: &Statement) -> Result<Step, Fault> {
        match statement {
            Statement::Block(block) => self.block(block),
            Statement::If { lineno, cond, then_body, elsif_list, else_body } => {
                let mut branches = vec![(self.condition(cond, *lineno)?, self.steps(then_body)?)];
                for ElsIf::Branch { lineno, cond, stmts } in elsif_list {
                    branches.push((self.condition(cond, *lineno)?, self.steps(stmts)?));
                }
                Ok(Step::If { branches, otherwise: self.steps(else_body)? })
            }
            Statement::Loop { label, body } => {
                Ok(loop_of(Loop { label: label.clone(), kind: LoopKind::Endless, body: self.steps(body)? }))
            }
            Statement::While { lineno, label, cond, body } => {
                let kind = LoopKind::While(self.condition(cond, *lineno)?);
                Ok(loop_of(Loop { label: label.clone(), kind, body: self.steps(body)? }))
            }
            Statement::ForRange(range) => self.for_range(range),
            Statement::ForRows { lineno, label, var, query, body } => {
                let mut query = self.query(query.text(), (*lineno, false), Some(var))?;
                let targets = query.into.take().map(|into| into.targets).unwrap_or_default();
                let kind = LoopKind::Rows { query: Box::new(query), targets };
                Ok(loop_of(Loop { label: label.clone(), kind, body: self.steps(body)? }))
            }
            Statement::Exit { lineno, is_exit, label, cond } => {
                let condition = cond.as_ref().map(|cond| self.condition(cond, *lineno)).transpose()?;
                let leaves = if *is_exit { Leaves::TheLoop } else { Leaves::ThisTurn };
                Ok(Step::Exit { label: label.clone(), condition, leaves })
            }
            Statement::Return { lineno, expr } => self.returned(expr.as_ref(), *lineno).map(Step::Return),
            Statement::ReturnNext { lineno, expr } => self.return_next(expr.as_ref(), *lineno),
            Statement::ReturnQuery { lineno, query } => self.return_query(query.as_ref(), *lineno),
            Statement::Raise(raise) => self.raise(raise),
            Statement::Assert { lineno, cond, message } => {
                let message = message.as_ref().map(|message| self.computed_as(message.text(), &Type::Text, *lineno));
                Ok(Step::Assert { condition: self.condition(cond, *lineno)?, message: message.transpose()? })
            }
            Statement::Sql { lineno, sqlstmt, strict, target } => {
                let query = self.query(sqlstmt.text(), (*lineno, *strict), target.as_ref())?;
                self.refuse_bare_select(&query, *lineno)?;
                Ok(Step::Query(Box::new(query)))
            }
            Statement::Perform { lineno, expr } => {
                Ok(Step::Query(Box::new(self.query(expr.text(), (*lineno, false), None)?)))
            }
            other => {
                let (what, line, instead) =
                    super::syntax::refused(other).unwrap_or(("this statement", 1, "leave it out"));
                Err(Fault::unsupported(what, instead).span(place_of(&self.syntax.source, line, "")))
            }
        }
    }

    /// A select whose rows go nowhere.
    fn refuse_bare_select(&self, query: &Query, line: usize) -> Result<(), Fault> {
        let goes_nowhere = query.into.is_none() && !outputs(&query.statement, &query.returning).is_empty();
        if !goes_nowhere {
            return Ok(());
        }
        let fault = Fault::new("42601", "query has no destination for result data");
        let hint = "If you want to discard the results of a SELECT, use PERFORM instead.";
        Err(fault.help(hint).span(place_of(&self.syntax.source, line, "")))
    }

    fn assign(&self, line: usize, varno: usize, expr: &Expression) -> Result<Vec<Step>, Fault> {
        let located = |fault: Fault| fault.span(place_of(&self.syntax.source, line, expr.text()));
        let datum = self.syntax.datums.get(varno).ok_or_else(|| located(Fault::at_start("an unknown variable")))?;
        let text = self.assigned_text(expr.text(), line)?;
        match self.place(datum).map_err(located)? {
            Place::One(target, ty) => Ok(vec![Step::Set { target, value: self.computed_as(text, &ty, line)? }]),
            place @ (Place::Row(_) | Place::Record(_)) => self.assign_row(&place, text, line),
        }
    }

    /// `r := new`: each field for itself.
    fn assign_row(&self, place: &Place, text: &str, line: usize) -> Result<Vec<Step>, Fault> {
        let at = place_of(&self.syntax.source, line, text);
        let name = bare_name(text);
        if !self.scope.is_row(&name) && name != "null" {
            let instead = "write `select … into` the record";
            return Err(Fault::unsupported("an assignment of such a row", instead).span(at));
        }
        let fields =
            if name == "null" { Vec::new() } else { self.scope.fields(&name).map_err(|fault| fault.span(at))? };
        let shape: Vec<_> = fields.iter().map(|(name, expr)| (name.clone(), expr.ty())).collect();
        let targets = match place {
            Place::Record(record) => self.scope.shape(record, &shape).map_err(|fault| fault.span(at))?,
            Place::Row(source) => {
                let columns = self.scope.relation.into_iter().flat_map(|relation| &relation.columns);
                let target = |id| if *source == SourceId::NEW { Target::New(id) } else { Target::Old(id) };
                columns.map(|column| target(column.id)).collect()
            }
            Place::One(target, _) => vec![target.clone()],
        };
        let values = fields.into_iter().map(|(_, expr)| Computed::new(expr));
        Ok(targets.into_iter().zip(values).map(|(target, value)| Step::Set { target, value }).collect())
    }

    fn case(&self, case: &Case) -> Result<Vec<Step>, Fault> {
        let mut steps = Vec::new();
        let name = match (&case.t_expr, self.syntax.datums.get(case.t_varno)) {
            (Some(operand), Some(Datum::Variable { refname, .. })) => {
                let value = self.computed(operand, case.lineno)?;
                let index = self.scope.declare(refname, value.expr.ty());
                steps.push(Step::Set { target: Target::Variable(index), value });
                Some(refname)
            }
            _ => None,
        };
        let mut branches = Vec::new();
        for CaseWhen::Branch { lineno, expr, stmts } in &case.case_when_list {
            branches.push((self.condition(expr, *lineno)?, self.steps(stmts)?));
        }
        let otherwise = if case.have_else { self.steps(&case.else_stmts)? } else { vec![case_not_found()] };
        steps.push(Step::If { branches, otherwise });
        if let Some(name) = name {
            self.scope.forget(name);
        }
        Ok(steps)
    }

    fn for_range(&self, range: &ForRange) -> Result<Step, Fault> {
        let bound = |text: &Expression| self.computed_as(text.text(), &Type::Int4, range.lineno);
        let (lower, upper) = (bound(&range.lower)?, bound(&range.upper)?);
        let step = range.step.as_ref().map(bound).transpose()?;
        let name = match &range.var {
            Datum::Variable { refname, .. } => refname.as_str(),
            Datum::Record { .. } | Datum::Field { .. } | Datum::Row { .. } => "",
        };
        let variable = self.scope.declare(name, Type::Int4);
        let body = self.steps(&range.body);
        self.scope.forget(name);
        let kind = LoopKind::Range(Box::new(Range { variable, lower, upper, step, reverse: range.reverse }));
        Ok(loop_of(Loop { label: range.label.clone(), kind, body: body? }))
    }

    fn raise(&self, raise: &ParsedRaise) -> Result<Step, Fault> {
        let text = |text: &Expression| self.computed_as(text.text(), &Type::Text, raise.lineno);
        if let Some(name) = &raise.condname
            && conditions::code_of(name).is_none()
        {
            let fault = Fault::new("42704", format!("unrecognized exception condition \"{name}\""));
            return Err(self.somewhere(fault, name));
        }
        let mut args = Vec::new();
        for param in &raise.params {
            let value = self.computed(param, raise.lineno)?;
            args.push(value);
        }
        let mut options = Vec::new();
        for ParsedOption::Option { opt_type, expr } in &raise.options {
            let option = match opt_type {
                0 => RaiseOption::ErrorCode,
                1 => RaiseOption::Message,
                2 => RaiseOption::Detail,
                3 => RaiseOption::Hint,
                _ => RaiseOption::Other,
            };
            options.push((option, text(expr)?));
        }
        let again = raise.condname.is_none() && raise.message.is_none() && options.is_empty();
        Ok(Step::Raise(Box::new(Raise {
            fails: raise.elog_level >= ERROR,
            again,
            condition: raise.condname.clone(),
            format: raise.message.clone(),
            args,
            options,
        })))
    }

    fn diagnostics(&self, line: usize, stacked: bool, items: &[DiagnosticsItem]) -> Result<Vec<Step>, Fault> {
        let mut steps = Vec::new();
        for DiagnosticsItem::Item { kind, target } in items {
            let located = |fault: Fault| fault.span(place_of(&self.syntax.source, line, ""));
            let datum =
                self.syntax.datums.get(*target).ok_or_else(|| located(Fault::at_start("an unknown variable")))?;
            let Place::One(target, ty) = self.place(datum).map_err(located)? else {
                return Err(located(Fault::new("42804", "a diagnostics item goes into a variable")));
            };
            let source = match (kind.as_str(), stacked) {
                ("ROW_COUNT", false) => {
                    steps.push(Step::RowCount(target));
                    continue;
                }
                ("MESSAGE_TEXT", true) => BuiltIn::SqlError,
                ("RETURNED_SQLSTATE", true) => BuiltIn::SqlState,
                _ => {
                    let what = format!("the diagnostics item `{}`", kind.to_lowercase());
                    return Err(located(Fault::unsupported(what, "use `row_count`, `sqlerrm` or `sqlstate`")));
                }
            };
            let value = super::scope::variable(source.index(), &source.ty());
            let value = self.resolver.assigned_by_text(value, &ty).map_err(|error| Fault::of(error, (0, 0), 0));
            steps.push(Step::Set { target, value: Computed::new(value.map_err(located)?) });
        }
        Ok(steps)
    }
}

fn loop_of(found: Loop) -> Step {
    Step::Loop(Box::new(found))
}

/// A `case` without `else` that no branch took.
fn case_not_found() -> Step {
    let hint = Expr::value(crate::value::Value::text("CASE statement is missing ELSE part."), Type::Text);
    Step::Raise(Box::new(Raise {
        fails: true,
        again: false,
        condition: Some("case_not_found".into()),
        format: Some("case not found".into()),
        args: Vec::new(),
        options: vec![(RaiseOption::Hint, Computed::new(hint))],
    }))
}

fn name_of(datum: &Datum) -> Option<&String> {
    match datum {
        Datum::Variable { refname, .. } | Datum::Record { refname, .. } => Some(refname),
        Datum::Field { .. } | Datum::Row { .. } => None,
    }
}

fn default_of(datum: &Datum) -> Option<&Expression> {
    match datum {
        Datum::Variable { default_val, .. } | Datum::Record { default_val, .. } => default_val.as_ref(),
        Datum::Field { .. } | Datum::Row { .. } => None,
    }
}

fn is_not_null(datum: &Datum) -> bool {
    matches!(datum, Datum::Variable { notnull: true, .. })
}

/// The name that an expression is, if it is nothing else.
pub(super) fn bare_name(text: &str) -> String {
    unquoted(text.trim().trim_start_matches('(').trim_end_matches(')').trim())
}
