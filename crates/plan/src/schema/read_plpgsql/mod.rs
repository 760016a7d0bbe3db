//! Bodies of functions that are more than a select: PL/pgSQL, and SQL that writes or has several statements. They are
//! parsed by PostgreSQL's own grammar when their function is made, and their names and types are found when they are
//! about to run, as PostgreSQL does. What is not carried over is refused by line.

mod body;
mod conditions;
mod returns;
mod scope;
mod source;
mod sql;
mod sql_body;
mod syntax;

pub use body::{Header, Reading};
pub use conditions::code_of;
pub use sql_body::Statements;

use super::Schema;
use super::read_expr::{ExprError, Resolver};
use source::Declared;
use syntax::{Block, Datum, Node, Statement};

/// A body whose names are not known yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Plpgsql(Syntax),
    Sql(Statements),
}

impl Body {
    /// Finds what the names of the body mean in `header`'s schema.
    ///
    /// # Errors
    /// When a name, type or construct is not known.
    pub fn read(&self, header: Header<'_>) -> Result<Reading, Fault> {
        match self {
            Self::Plpgsql(syntax) => syntax.read(header),
            Self::Sql(statements) => statements.read(header),
        }
    }

    /// The line of a place in the body, from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        let source = match self {
            Self::Plpgsql(syntax) => &syntax.source,
            Self::Sql(statements) => &statements.source,
        };
        source.get(..offset).map_or(1, |before| before.matches('\n').count() + 1)
    }
}

/// What the grammar asks about a function before it reads the body.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// The names of the arguments that a call gives.
    pub args: &'a [String],
    /// The names of `out`, `inout` and `table` columns.
    pub outputs: &'a [String],
    pub gives: Gives,
    /// Where the types of its variables are found.
    pub schema: &'a Schema,
    pub search_path: &'a [String],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// What a trigger's function does.
    Trigger,
    Nothing,
    One,
    Set,
}

/// A body in PL/pgSQL that was parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Syntax {
    /// As it was written.
    source: String,
    datums: Vec<Datum>,
    block: Block,
    declared: Declared,
}

/// Why a body is refused, and where in its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// PostgreSQL's code, where it would refuse as well.
    pub sqlstate: Option<&'static str>,
    pub message: String,
    pub help: Option<String>,
    pub offset: usize,
    pub length: usize,
}

impl Fault {
    fn at_start(message: impl Into<String>) -> Self {
        Self { sqlstate: Some("42601"), message: message.into(), help: None, offset: 0, length: 0 }
    }

    fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate: Some(sqlstate), ..Self::at_start(message) }
    }

    /// Something that PostgreSQL does and this does not carry over.
    fn unsupported(what: impl std::fmt::Display, instead: impl Into<String>) -> Self {
        let message = format!("{what} works only on PostgreSQL");
        Self { sqlstate: None, help: Some(instead.into()), ..Self::at_start(message) }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn at(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    fn span(mut self, (offset, length): (usize, usize)) -> Self {
        self.offset = offset;
        self.length = length;
        self
    }

    /// What the resolver says of a statement within a longer text.
    fn of_statement(error: ExprError, place: (usize, usize)) -> Self {
        let at = error.offset.and_then(|at| usize::try_from(at).ok()).map(|at| (at, error.length));
        let fault = Self { sqlstate: error.sqlstate, help: error.help, ..Self::at_start(error.message) };
        fault.span(at.unwrap_or(place))
    }

    fn of(error: ExprError, (offset, length): (usize, usize), skipped: usize) -> Self {
        let within = error.offset.and_then(|at| usize::try_from(at).ok()).and_then(|at| at.checked_sub(skipped));
        let place = match within {
            Some(within) if within < length => (offset + within, error.length),
            Some(_) | None => (offset, length),
        };
        let fault = Self { sqlstate: error.sqlstate, help: error.help, ..Self::at_start(error.message) };
        fault.span(place)
    }
}

impl Syntax {
    /// Parses a body.
    ///
    /// # Errors
    /// When PostgreSQL would not parse it, or it has a statement that is not carried over.
    pub fn parse(source: &str, form: Form<'_>) -> Result<Self, Fault> {
        let prepared = source::prepare(source, &|name| form.is_row(name))?;
        let header = form.header();
        let tag = (0..).map(|n| format!("$body{n}$")).find(|tag| !prepared.text.contains(tag.as_str()));
        let tag = tag.unwrap_or_default();
        let text = format!(
            "create function f({header}) returns {} language plpgsql as {tag}{}{tag}",
            form.returns(),
            prepared.text
        );
        let parsed = pg_query::parse_plpgsql(&text).map_err(|error| syntax_fault(source, &error))?;
        let mut nodes: Vec<Node> = serde_json::from_value(parsed)
            .map_err(|_| Fault::unsupported("a statement of this body", "write it in `language sql`"))?;
        let Some(Node::Function { datums, action: Statement::Block(block) }) = nodes.pop() else {
            return Err(Fault::at_start("a body begins with `begin` or `declare`"));
        };
        let syntax = Self { source: source.to_owned(), datums, block, declared: prepared.declared };
        match syntax::first_refused(&syntax.block.body).or_else(|| syntax.refused_handler()) {
            Some((what, line, instead)) => {
                Err(Fault::unsupported(what, instead).span(source::place_of(source, line, "")))
            }
            None => Ok(syntax),
        }
    }

    fn refused_handler(&self) -> Option<(&'static str, usize, &'static str)> {
        syntax::refused_in_handlers(&self.block)
    }
}

impl Form<'_> {
    /// The arguments, all as text: types are found later.
    fn header(&self) -> String {
        let given = |name: &String| match self.outputs.contains(name) {
            true => format!("inout {} text", quoted(name)),
            false if name.starts_with('$') => "text".to_owned(),
            false => format!("{} text", quoted(name)),
        };
        let mut header: Vec<String> = self.args.iter().map(given).collect();
        let out = self.outputs.iter().filter(|name| !self.args.contains(name));
        header.extend(out.map(|name| format!("out {} text", quoted(name))));
        if self.gives == Gives::Trigger {
            header.extend(["new record".to_owned(), "old record".to_owned()]);
            let built_in = crate::procedure::BuiltIn::ALL.iter().filter(|(_, name)| name.starts_with("tg_"));
            header.extend(built_in.map(|(_, name)| format!("{name} text")));
        }
        header.join(", ")
    }

    /// Whether a declaration's type is a relation's row, which the grammar has to be told.
    fn is_row(&self, name: &str) -> bool {
        let Some(name) = sql::type_written(name) else { return false };
        let resolver = Resolver::new(self.schema, self.search_path);
        resolver.type_name(&name).is_ok_and(|ty| self.schema.relation_of_row(&ty).is_some())
    }

    fn returns(&self) -> &'static str {
        match (self.gives, self.outputs) {
            // With one column a function returns it, with several a row.
            (Gives::One, [_]) => "text",
            (Gives::Set, [_]) => "setof text",
            (Gives::Trigger | Gives::One, _) => "record",
            (Gives::Nothing, _) => "void",
            (Gives::Set, _) => "setof record",
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The parser tells no place; the word at which it stopped stands somewhere.
fn syntax_fault(source: &str, error: &pg_query::Error) -> Fault {
    let message = match error {
        pg_query::Error::Parse(message) => message.clone(),
        other => other.to_string(),
    };
    let word = message.split('"').nth(1).unwrap_or_default();
    let place = source.find(word).map_or((0, 0), |at| (at, word.len()));
    Fault::at_start(message.clone()).span(place)
}
