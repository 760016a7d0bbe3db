//! The parser's tree of a PL/pgSQL body, as it is told in JSON. Expressions are still text.

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum Node {
    #[serde(rename = "PLpgSQL_function")]
    Function {
        #[serde(default)]
        datums: Vec<Datum>,
        action: Statement,
    },
}

/// A variable, or a part of one; statements refer to it by its place in the list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum Datum {
    #[serde(rename = "PLpgSQL_var")]
    Variable {
        refname: String,
        default_val: Option<Expression>,
        #[serde(default)]
        notnull: bool,
    },
    #[serde(rename = "PLpgSQL_rec")]
    Record { refname: String, default_val: Option<Expression> },
    #[serde(rename = "PLpgSQL_recfield")]
    Field {
        fieldname: String,
        #[serde(default)]
        recparentno: usize,
    },
    #[serde(rename = "PLpgSQL_row")]
    Row {
        #[serde(default)]
        fields: Vec<RowField>,
    },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct RowField {
    #[serde(default)]
    pub(super) varno: usize,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum Expression {
    #[serde(rename = "PLpgSQL_expr")]
    Text { query: String },
}

impl Expression {
    pub(super) fn text(&self) -> &str {
        let Self::Text { query } = self;
        query
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Line {
    #[serde(default)]
    pub(super) lineno: usize,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum Statement {
    #[serde(rename = "PLpgSQL_stmt_block")]
    Block(Block),
    #[serde(rename = "PLpgSQL_stmt_assign")]
    Assign {
        #[serde(default)]
        lineno: usize,
        #[serde(default)]
        varno: usize,
        expr: Expression,
    },
    #[serde(rename = "PLpgSQL_stmt_if")]
    If {
        #[serde(default)]
        lineno: usize,
        cond: Expression,
        #[serde(default)]
        then_body: Vec<Self>,
        #[serde(default)]
        elsif_list: Vec<ElsIf>,
        #[serde(default)]
        else_body: Vec<Self>,
    },
    #[serde(rename = "PLpgSQL_stmt_case")]
    Case(Case),
    #[serde(rename = "PLpgSQL_stmt_loop")]
    Loop {
        label: Option<String>,
        #[serde(default)]
        body: Vec<Self>,
    },
    #[serde(rename = "PLpgSQL_stmt_while")]
    While {
        #[serde(default)]
        lineno: usize,
        label: Option<String>,
        cond: Expression,
        #[serde(default)]
        body: Vec<Self>,
    },
    #[serde(rename = "PLpgSQL_stmt_fori")]
    ForRange(ForRange),
    #[serde(rename = "PLpgSQL_stmt_fors")]
    ForRows {
        #[serde(default)]
        lineno: usize,
        label: Option<String>,
        var: Datum,
        query: Expression,
        #[serde(default)]
        body: Vec<Self>,
    },
    #[serde(rename = "PLpgSQL_stmt_exit")]
    Exit {
        #[serde(default)]
        lineno: usize,
        #[serde(default)]
        is_exit: bool,
        label: Option<String>,
        cond: Option<Expression>,
    },
    #[serde(rename = "PLpgSQL_stmt_return")]
    Return {
        #[serde(default)]
        lineno: usize,
        expr: Option<Expression>,
    },
    #[serde(rename = "PLpgSQL_stmt_return_next")]
    ReturnNext {
        #[serde(default)]
        lineno: usize,
        expr: Option<Expression>,
    },
    #[serde(rename = "PLpgSQL_stmt_return_query")]
    ReturnQuery {
        #[serde(default)]
        lineno: usize,
        query: Option<Expression>,
    },
    #[serde(rename = "PLpgSQL_stmt_raise")]
    Raise(Raise),
    #[serde(rename = "PLpgSQL_stmt_assert")]
    Assert {
        #[serde(default)]
        lineno: usize,
        cond: Expression,
        message: Option<Expression>,
    },
    #[serde(rename = "PLpgSQL_stmt_execsql")]
    Sql {
        #[serde(default)]
        lineno: usize,
        sqlstmt: Expression,
        #[serde(default)]
        strict: bool,
        target: Option<Datum>,
    },
    #[serde(rename = "PLpgSQL_stmt_perform")]
    Perform {
        #[serde(default)]
        lineno: usize,
        expr: Expression,
    },
    #[serde(rename = "PLpgSQL_stmt_getdiag")]
    Diagnostics {
        #[serde(default)]
        lineno: usize,
        #[serde(default)]
        is_stacked: bool,
        diag_items: Vec<DiagnosticsItem>,
    },
    #[serde(rename = "PLpgSQL_stmt_dynexecute")]
    Execute(Line),
    #[serde(rename = "PLpgSQL_stmt_dynfors")]
    ForExecute(Line),
    #[serde(rename = "PLpgSQL_stmt_foreach_a")]
    ForEach(Line),
    #[serde(rename = "PLpgSQL_stmt_forc")]
    ForCursor(Line),
    #[serde(rename = "PLpgSQL_stmt_open")]
    Open(Line),
    #[serde(rename = "PLpgSQL_stmt_fetch")]
    Fetch(Line),
    #[serde(rename = "PLpgSQL_stmt_close")]
    Close(Line),
    #[serde(rename = "PLpgSQL_stmt_call")]
    Call(Line),
    #[serde(rename = "PLpgSQL_stmt_commit")]
    Commit(Line),
    #[serde(rename = "PLpgSQL_stmt_rollback")]
    Rollback(Line),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Block {
    pub(super) label: Option<String>,
    #[serde(default)]
    pub(super) body: Vec<Statement>,
    pub(super) exceptions: Option<Exceptions>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum Exceptions {
    #[serde(rename = "PLpgSQL_exception_block")]
    Block { exc_list: Vec<Exception> },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum Exception {
    #[serde(rename = "PLpgSQL_exception")]
    Handler {
        conditions: Vec<Condition>,
        #[serde(default)]
        action: Vec<Statement>,
    },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum Condition {
    #[serde(rename = "PLpgSQL_condition")]
    Named { condname: String },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum ElsIf {
    #[serde(rename = "PLpgSQL_if_elsif")]
    Branch {
        #[serde(default)]
        lineno: usize,
        cond: Expression,
        #[serde(default)]
        stmts: Vec<Statement>,
    },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Case {
    #[serde(default)]
    pub(super) lineno: usize,
    pub(super) t_expr: Option<Expression>,
    #[serde(default)]
    pub(super) t_varno: usize,
    pub(super) case_when_list: Vec<CaseWhen>,
    #[serde(default)]
    pub(super) have_else: bool,
    #[serde(default)]
    pub(super) else_stmts: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum CaseWhen {
    #[serde(rename = "PLpgSQL_case_when")]
    Branch {
        #[serde(default)]
        lineno: usize,
        expr: Expression,
        #[serde(default)]
        stmts: Vec<Statement>,
    },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct ForRange {
    #[serde(default)]
    pub(super) lineno: usize,
    pub(super) label: Option<String>,
    pub(super) var: Datum,
    pub(super) lower: Expression,
    pub(super) upper: Expression,
    pub(super) step: Option<Expression>,
    #[serde(default)]
    pub(super) reverse: bool,
    #[serde(default)]
    pub(super) body: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Raise {
    #[serde(default)]
    pub(super) lineno: usize,
    #[serde(default)]
    pub(super) elog_level: u32,
    pub(super) condname: Option<String>,
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) params: Vec<Expression>,
    #[serde(default)]
    pub(super) options: Vec<RaiseOption>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum RaiseOption {
    #[serde(rename = "PLpgSQL_raise_option")]
    Option {
        #[serde(default)]
        opt_type: u32,
        expr: Expression,
    },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) enum DiagnosticsItem {
    #[serde(rename = "PLpgSQL_diag_item")]
    Item {
        kind: String,
        #[serde(default)]
        target: usize,
    },
}

/// What a statement that is not carried over is called, and its line.
pub(super) fn refused(statement: &Statement) -> Option<(&'static str, usize, &'static str)> {
    const STATIC: &str = "write the statement itself, once for each table";
    const CURSOR: &str = "write `for … in select … loop`";
    const WHOLE: &str = "leave it out: a function is part of its caller's transaction";
    Some(match statement {
        Statement::Execute(line) => ("`execute`, a statement made at run time,", line.lineno, STATIC),
        Statement::ForExecute(line) => ("`for … in execute`, a statement made at run time,", line.lineno, STATIC),
        Statement::ForEach(line) => ("`foreach`", line.lineno, "write `for` over an integer range, or over a query"),
        Statement::ForCursor(line) => ("a loop over a cursor", line.lineno, CURSOR),
        Statement::Open(line) => ("`open`, a cursor,", line.lineno, CURSOR),
        Statement::Fetch(line) => ("`fetch`, a cursor,", line.lineno, CURSOR),
        Statement::Close(line) => ("`close`, a cursor,", line.lineno, CURSOR),
        Statement::Call(line) => ("`call` and `do`", line.lineno, "write the statements themselves"),
        Statement::Commit(line) => ("`commit`", line.lineno, WHOLE),
        Statement::Rollback(line) => ("`rollback`", line.lineno, WHOLE),
        Statement::Block(_)
        | Statement::Assign { .. }
        | Statement::If { .. }
        | Statement::Case(_)
        | Statement::Loop { .. }
        | Statement::While { .. }
        | Statement::ForRange(_)
        | Statement::ForRows { .. }
        | Statement::Exit { .. }
        | Statement::Return { .. }
        | Statement::ReturnNext { .. }
        | Statement::ReturnQuery { .. }
        | Statement::Raise(_)
        | Statement::Assert { .. }
        | Statement::Sql { .. }
        | Statement::Perform { .. }
        | Statement::Diagnostics { .. } => return None,
    })
}

/// The first statement, in the order of the text, that is not carried over.
pub(super) fn first_refused(body: &[Statement]) -> Option<(&'static str, usize, &'static str)> {
    body.iter().find_map(|statement| refused(statement).or_else(|| refused_inside(statement)))
}

/// As [`first_refused`], within a block's exception handlers.
pub(super) fn refused_in_handlers(block: &Block) -> Option<(&'static str, usize, &'static str)> {
    let Some(Exceptions::Block { exc_list }) = &block.exceptions else { return None };
    exc_list.iter().find_map(|Exception::Handler { action, .. }| first_refused(action))
}

fn refused_inside(statement: &Statement) -> Option<(&'static str, usize, &'static str)> {
    match statement {
        Statement::Block(block) => first_refused(&block.body).or_else(|| refused_in_handlers(block)),
        Statement::If { then_body, elsif_list, else_body, .. } => first_refused(then_body)
            .or_else(|| elsif_list.iter().find_map(|ElsIf::Branch { stmts, .. }| first_refused(stmts)))
            .or_else(|| first_refused(else_body)),
        Statement::Case(case) => {
            let branches = &case.case_when_list;
            branches
                .iter()
                .find_map(|CaseWhen::Branch { stmts, .. }| first_refused(stmts))
                .or_else(|| first_refused(&case.else_stmts))
        }
        Statement::Loop { body, .. } | Statement::While { body, .. } | Statement::ForRows { body, .. } => {
            first_refused(body)
        }
        Statement::ForRange(range) => first_refused(&range.body),
        _ => None,
    }
}
