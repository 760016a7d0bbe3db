//! The expressions and statements of a body, from their text.

use pg_query::protobuf::{self, node::Node as NodeEnum};

use super::body::Reader;
use super::scope::Place;
use super::source::{place_of, unquoted};
use super::syntax::{Datum, Expression};
use super::{Fault, source};
use crate::expr::{SelectOutput, Statement};
use crate::procedure::{Access, Computed, Into, NestedCall, Query, Target};
use crate::schema::read_expr::{ExprError, FoundCall, Resolver, Sight};
use crate::value::Type;

/// The parser reads an expression as a select of it.
const SELECT: &str = "select ";

impl Reader<'_> {
    pub(super) fn computed(&self, text: &Expression, line: usize) -> Result<Computed, Fault> {
        self.expression(text.text(), line, |resolver, node, sight| resolver.expression_in(node, sight))
    }

    pub(super) fn condition(&self, text: &Expression, line: usize) -> Result<Computed, Fault> {
        self.expression(text.text(), line, |resolver, node, sight| resolver.condition_in(node, sight))
    }

    pub(super) fn computed_as(&self, text: &str, ty: &Type, line: usize) -> Result<Computed, Fault> {
        self.expression(text, line, |resolver, node, sight| resolver.assigned_in(node, ty, sight))
    }

    fn expression(
        &self,
        text: &str,
        line: usize,
        read: impl FnOnce(&Resolver<'_>, &protobuf::Node, &Sight) -> Result<crate::expr::Expr, ExprError>,
    ) -> Result<Computed, Fault> {
        let place = place_of(&self.syntax.source, line, text);
        let node = self.parse(&format!("{SELECT}{text}"), place)?;
        let Some(NodeEnum::SelectStmt(select)) = &node.node else {
            return Err(Fault::at_start("no expression").span(place));
        };
        if !is_bare(select) {
            // `n := count(*) from t`: a select without the word.
            let select = self.resolver.statement_in(&node, &self.scope.sight());
            let (statement, _) = select.map_err(|error| Fault::of(error, place, SELECT.len()))?;
            let Statement::Select(select) = statement else { return Err(Fault::at_start("no expression").span(place)) };
            let ty = Resolver::outputs_of(&select).first().map_or(Type::Unknown, |(_, ty)| ty.clone());
            let expr = crate::expr::Expr::Scalar { select: Box::new(select), ty };
            return self.with_calls(expr).map_err(|error| Fault::of(error, place, SELECT.len()));
        }
        let value = match select.target_list.first().and_then(|target| target.node.as_ref()) {
            Some(NodeEnum::ResTarget(target)) => target.val.as_deref(),
            _ => None,
        };
        let value = value.ok_or_else(|| Fault::at_start("no expression").span(place))?;
        let expr = read(&self.resolver, value, &self.scope.sight());
        expr.and_then(|expr| self.with_calls(expr)).map_err(|error| Fault::of(error, place, SELECT.len()))
    }

    /// The expression with the calls that were found in it.
    fn with_calls(&self, expr: crate::expr::Expr) -> Result<Computed, ExprError> {
        let calls = nested(self.resolver.calls_of_expr(&expr)?);
        Ok(Computed { calls, ..Computed::new(expr) })
    }

    fn parse(&self, text: &str, place: (usize, usize)) -> Result<protobuf::Node, Fault> {
        let parsed = pg_query::parse(text, 0).map_err(|error| match error {
            pg_query::Error::Parse(message) => Fault::at_start(message).span(place),
            other => Fault::at_start(other.to_string()).span(place),
        })?;
        let statement = parsed.protobuf.stmts.into_iter().next().and_then(|raw| raw.stmt);
        statement.map(|node| *node).ok_or_else(|| Fault::at_start("no statement").span(place))
    }

    /// A statement of the body; `target` is where its row goes.
    pub(super) fn query(
        &self,
        text: &str,
        (line, strict): (usize, bool),
        target: Option<&Datum>,
    ) -> Result<Query, Fault> {
        let place = place_of(&self.syntax.source, line, text.split("  ").next().unwrap_or_default());
        let node = self.parse(text, place)?;
        if !is_query(&node) {
            let word = text.split_whitespace().next().unwrap_or_default().to_lowercase();
            let instead = "write an insert, update, delete or select";
            return Err(Fault::unsupported(format!("`{word}` in a body"), instead).span(place));
        }
        let located = |error| Fault::of(error, (place.0, text.len()), 0);
        let read = self.resolver.statement_in(&node, &self.scope.sight());
        let (mut statement, mut returning) = read.map_err(located)?;
        let into = match target {
            None => None,
            Some(target) => {
                let outputs = outputs(&statement, &returning);
                let (targets, types) = self.targets(target, &outputs).map_err(|fault| fault.span(place))?;
                self.convert(&mut statement, &mut returning, &types).map_err(located)?;
                Some(Into { targets, strict })
            }
        };
        let calls = nested(self.resolver.calls_of(&statement).map_err(located)?);
        Ok(Query { calls, statement, returning, into, sets_found: true, access: Access::default() })
    }

    /// Where the columns of a row go, and their types.
    pub(super) fn targets(
        &self,
        target: &Datum,
        outputs: &[(String, Type)],
    ) -> Result<(Vec<Target>, Vec<Type>), Fault> {
        let places = match target {
            Datum::Row { fields } => {
                let datum = |field: &super::syntax::RowField| self.syntax.datums.get(field.varno);
                fields.iter().filter_map(datum).collect::<Vec<_>>()
            }
            Datum::Variable { .. } | Datum::Record { .. } | Datum::Field { .. } => vec![target],
        };
        let mut targets = Vec::new();
        let mut types = Vec::new();
        for datum in places {
            match self.place(datum)? {
                Place::One(target, ty) => {
                    targets.push(target);
                    types.push(ty);
                }
                Place::Row(source) => {
                    let row = self.scope.relation.into_iter().flat_map(|relation| &relation.columns);
                    for column in row {
                        let is_new = source == crate::expr::SourceId::NEW;
                        targets.push(if is_new { Target::New(column.id) } else { Target::Old(column.id) });
                        types.push(column.ty.clone());
                    }
                }
                Place::Record(name) => {
                    targets.extend(self.scope.shape(&name, outputs)?);
                    types.extend(outputs.iter().map(|(_, ty)| ty.clone()));
                }
            }
        }
        Ok((targets, types))
    }

    fn convert(
        &self,
        statement: &mut Statement,
        returning: &mut [SelectOutput],
        types: &[Type],
    ) -> Result<(), ExprError> {
        if let Statement::Select(select) = statement {
            *select = self.resolver.select_as(std::mem::take(select), types)?;
            return Ok(());
        }
        for (output, ty) in returning.iter_mut().zip(types) {
            if output.expr.ty() != *ty {
                let expr = std::mem::replace(&mut output.expr, crate::expr::Expr::boolean(false));
                output.expr = self.resolver.assigned_by_text(expr, ty)?;
            }
        }
        Ok(())
    }

    /// What a datum is called and means.
    pub(super) fn place(&self, datum: &Datum) -> Result<Place, Fault> {
        match datum {
            Datum::Variable { refname, .. } | Datum::Record { refname, .. } => self.scope.place(refname),
            Datum::Field { fieldname, recparentno } => {
                let row = match self.syntax.datums.get(*recparentno) {
                    Some(Datum::Record { refname, .. } | Datum::Variable { refname, .. }) => refname.as_str(),
                    Some(Datum::Field { .. } | Datum::Row { .. }) | None => "",
                };
                self.scope.field(row, fieldname).map(|(target, ty)| Place::One(target, ty))
            }
            Datum::Row { .. } => Err(Fault::unsupported("an assignment to a list", "assign each variable")),
        }
    }

    /// The type of a declaration, or the fields of a row.
    pub(super) fn declared_type(&self, text: &str) -> Result<Declaration, Fault> {
        let compact: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let lower = compact.to_lowercase().replace(' ', "");
        if lower == "record" {
            return Ok(Declaration::Record(None));
        }
        if let Some(name) = lower.strip_suffix("%rowtype") {
            return self.row_of(name).map(|fields| Declaration::Record(Some(fields)));
        }
        if let Some(name) = lower.strip_suffix("%type") {
            return self.type_like(name).map(Declaration::Scalar);
        }
        let place = self.syntax.source.find(text).map_or((0, 0), |at| (at, text.len()));
        let read = match type_written(&compact) {
            Some(name) => self.resolver.type_name(&name).map_err(|error| Fault::of(error, place, usize::MAX)),
            None => Err(Fault::new("42704", format!("type \"{compact}\" does not exist")).span(place)),
        };
        match read {
            Ok(ref ty @ Type::Other(_)) if self.schema.relation_of_row(ty).is_some() => {
                let row = self.schema.relation_of_row(ty).into_iter().flat_map(|relation| &relation.columns);
                Ok(Declaration::Record(Some(row.map(|column| (column.name.clone(), column.ty.clone())).collect())))
            }
            Ok(Type::Other(name)) => {
                Err(Fault::unsupported(format!("a variable of type `{name}`"), "declare a `record`").span(place))
            }
            Ok(ty) => Ok(Declaration::Scalar(ty)),
            Err(fault) => self.row_of(&lower).map(|fields| Declaration::Record(Some(fields))).map_err(|_| fault),
        }
    }

    fn row_of(&self, name: &str) -> Result<Vec<(String, Type)>, Fault> {
        let missing = || {
            let place = self.syntax.source.to_lowercase().find(name).map_or((0, 0), |at| (at, name.len()));
            Fault::new("42P01", format!("relation \"{name}\" does not exist")).span(place)
        };
        let relation = self.relation_named(name).ok_or_else(missing)?;
        Ok(relation.columns.iter().map(|column| (column.name.clone(), column.ty.clone())).collect())
    }

    fn type_like(&self, name: &str) -> Result<Type, Fault> {
        let place = self.syntax.source.to_lowercase().find(name).map_or((0, 0), |at| (at, name.len()));
        let Some((table, column)) = name.rsplit_once('.') else {
            return match self.scope.place(&unquoted(name)) {
                Ok(Place::One(_, ty)) => Ok(ty),
                Ok(Place::Row(_) | Place::Record(_)) | Err(_) => {
                    Err(Fault::new("42601", format!("\"{name}\" is not a known variable")).span(place))
                }
            };
        };
        let found = self.relation_named(table).and_then(|relation| relation.column(&unquoted(column)));
        found.map(|column| column.ty.clone()).ok_or_else(|| {
            Fault::new("42703", format!("column \"{column}\" of relation \"{table}\" does not exist")).span(place)
        })
    }

    fn relation_named(&self, name: &str) -> Option<&crate::schema::Relation> {
        match name.split_once('.') {
            Some((schema, name)) => self.schema.find(&unquoted(schema), &unquoted(name)).map(|found| &**found),
            None => {
                let mut path = self.function.search_path.iter();
                path.find_map(|schema| self.schema.find(schema, &unquoted(name))).map(|found| &**found)
            }
        }
    }

    /// The value of an assignment.
    pub(super) fn assigned_text<'t>(&self, text: &'t str, line: usize) -> Result<&'t str, Fault> {
        let (target, value) = match source::assigned(text) {
            Some((value, at)) => (&text[..at], value.trim_start()),
            None => ("", text),
        };
        if target.contains('[') {
            let place = place_of(&self.syntax.source, line, text);
            let instead = "assign the whole array";
            return Err(Fault::unsupported("an assignment to an array's item", instead).span(place));
        }
        Ok(value)
    }
}

/// Calls as steps know them.
pub(super) fn nested(calls: Vec<FoundCall>) -> Vec<NestedCall> {
    let nested = |call: FoundCall| NestedCall {
        function: call.function,
        arguments: call.arguments.into_iter().map(Computed::new).collect(),
    };
    calls.into_iter().map(nested).collect()
}

/// What a declaration declares.
pub(super) enum Declaration {
    Scalar(Type),
    Record(Option<Vec<(String, Type)>>),
}

/// The names and types of what a statement gives back.
pub(super) fn outputs(statement: &Statement, returning: &[SelectOutput]) -> Vec<(String, Type)> {
    match statement {
        Statement::Select(select) => Resolver::outputs_of(select),
        Statement::Insert { .. } | Statement::Update { .. } | Statement::Delete { .. } => {
            returning.iter().map(|output| (output.name.clone(), output.expr.ty())).collect()
        }
    }
}

fn is_bare(select: &protobuf::SelectStmt) -> bool {
    select.target_list.len() == 1
        && select.from_clause.is_empty()
        && select.where_clause.is_none()
        && select.group_clause.is_empty()
        && select.sort_clause.is_empty()
        && select.limit_count.is_none()
        && select.larg.is_none()
}

pub(super) fn is_query(node: &protobuf::Node) -> bool {
    matches!(
        node.node,
        Some(NodeEnum::InsertStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::DeleteStmt(_) | NodeEnum::SelectStmt(_))
    )
}

/// A type's name as the grammar understands it.
pub(super) fn type_written(text: &str) -> Option<protobuf::TypeName> {
    let parsed = pg_query::parse(&format!("select null::{text}"), 0).ok()?.protobuf;
    let [only] = parsed.stmts.as_slice() else { return None };
    type_name(only.stmt.as_deref()?).cloned()
}

fn type_name(node: &protobuf::Node) -> Option<&protobuf::TypeName> {
    let NodeEnum::SelectStmt(select) = node.node.as_ref()? else { return None };
    let NodeEnum::ResTarget(target) = select.target_list.first()?.node.as_ref()? else { return None };
    match target.val.as_ref()?.node.as_ref()? {
        NodeEnum::TypeCast(cast) => cast.type_name.as_ref(),
        _ => None,
    }
}
