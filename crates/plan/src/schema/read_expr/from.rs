//! What stands in a `from`: relations, subselects, joins, functions that give rows.

use pg_query::protobuf::{
    self, FuncCall, JoinExpr, JoinType, RangeFunction, RangeSubselect, RangeVar, SelectStmt, node::Node as NodeEnum,
};

use crate::expr::{CommonTable, Expr, FromItem, JoinKind, Select, SelectOutput, SetOperation, Source};
use crate::schema::FunctionResult;
use crate::schema::Relation;
use crate::value::{Type, Value};

use super::expressions::required;
use super::names::{Item, ItemColumn, Names, Place};
use super::select::columns;
use super::set_operations::single_target;
use super::types::strings;
use super::{At, ExprError, Read, Resolver};

type Sources = (FromItem, Vec<Item>);

impl Resolver<'_> {
    /// Reads a list of sources; `names` is their level, whose own items are not yet in sight.
    pub(super) fn read_from(&self, nodes: &[protobuf::Node], names: &Names<'_>) -> Read<(Vec<FromItem>, Vec<Item>)> {
        let mut from = Vec::with_capacity(nodes.len());
        let mut items = Vec::new();
        for node in nodes {
            let (item, brought) = self.read_source(node, names)?;
            from.push(item);
            items.extend(brought);
        }
        refuse_duplicates(&items)?;
        Ok((from, items))
    }

    fn read_source(&self, node: &protobuf::Node, names: &Names<'_>) -> Read<Sources> {
        match &node.node {
            Some(NodeEnum::RangeVar(range)) => self.read_relation(range, names),
            Some(NodeEnum::RangeSubselect(range)) => self.read_subselect(range, names),
            Some(NodeEnum::JoinExpr(join)) => self.read_join(join, names),
            Some(NodeEnum::RangeFunction(range)) => self.read_row_function(range, names),
            Some(NodeEnum::RangeTableSample(sample)) => Err(ExprError::unsupported(
                At::new(sample.location),
                "`tablesample`",
                "write `order by random() limit n`",
            )),
            _ => Err(ExprError::unsupported(At::default(), "this source of rows", "write a table or a subselect")),
        }
    }

    fn read_relation(&self, range: &RangeVar, names: &Names<'_>) -> Read<Sources> {
        let at = At::word(range.location, range.relname.len());
        let alias = range.alias.as_ref();
        let common = names.common(&range.relname).filter(|_| range.schemaname.is_empty());
        if let Some(common) = common {
            let (from, item) = self.common_source(common, &range.relname);
            return Ok((from, vec![aliased(item, alias, at)?]));
        }
        let relation = self.relation(range)?;
        let id = self.new_source();
        let item = aliased(Item::of_relation(relation, id), alias, at)?;
        Ok((FromItem::Source { id, source: Source::Relation(relation.id) }, vec![item]))
    }

    /// The relation that a name means, through the search path where it has no schema.
    pub(super) fn relation(&self, range: &RangeVar) -> Read<&Relation> {
        let at = At::word(range.location, range.relname.len());
        let found = if range.schemaname.is_empty() {
            self.search_path.iter().find_map(|schema| self.schema.find(schema, &range.relname))
        } else {
            self.schema.find(&range.schemaname, &range.relname)
        };
        if let Some(relation) = found {
            return Ok(relation);
        }
        let name = match range.schemaname.as_str() {
            "" => range.relname.clone(),
            schema @ ("pg_catalog" | "information_schema") => {
                let what = format!("the catalog `{schema}.{}`", range.relname);
                return Err(ExprError::unsupported(at, what, "leave it out: only PostgreSQL has this catalog"));
            }
            schema => format!("{schema}.{}", range.relname),
        };
        Err(ExprError::new(at, "42P01", format!("relation \"{name}\" does not exist")))
    }

    fn read_subselect(&self, range: &RangeSubselect, names: &Names<'_>) -> Read<Sources> {
        let at = At::default();
        if range.lateral {
            let instead = "write the subselect as an output, or join on its columns";
            return Err(ExprError::unsupported(at, "`lateral`", instead));
        }
        let Some(NodeEnum::SelectStmt(stmt)) = range.subquery.as_deref().and_then(|node| node.node.as_ref()) else {
            return Err(ExprError::unsupported(at, "this subselect", "write a select"));
        };
        let select = self.read_select(stmt, Some(names))?;
        self.selected(select, ("", range.alias.as_ref()), at)
    }

    fn selected(&self, select: Select, (name, alias): (&str, Option<&protobuf::Alias>), at: At) -> Read<Sources> {
        let id = self.new_source();
        let item = aliased(Item::of_outputs(name, id, &columns(&select)), alias, at)?;
        Ok((FromItem::Source { id, source: Source::Select(Box::new(select)) }, vec![item]))
    }

    fn read_join(&self, join: &JoinExpr, names: &Names<'_>) -> Read<Sources> {
        let at = At::default();
        let (left, mut left_items) = self.read_source(required(join.larg.as_deref(), at)?, names)?;
        let (right, mut right_items) = self.read_source(required(join.rarg.as_deref(), at)?, names)?;
        let kind = kind(join)?;
        let using = using(join, &left_items, &right_items);
        if matches!(kind, JoinKind::Left | JoinKind::Full) {
            right_items.iter_mut().for_each(|item| item.nullable = true);
        }
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            left_items.iter_mut().for_each(|item| item.nullable = true);
        }
        let (on, mut items) = if using.is_empty() {
            left_items.extend(right_items);
            refuse_duplicates(&left_items)?;
            self.join_condition(join, left_items, names)?
        } else {
            let (on, merged) = self.merge(&using, kind, (&left_items, &right_items))?;
            left_items.extend(right_items);
            left_items.iter_mut().for_each(|item| item.bare = false);
            left_items.insert(0, merged);
            (Some(on), left_items)
        };
        let kind = if on.is_none() { JoinKind::Cross } else { kind };
        if let Some(alias) = &join.alias {
            items = vec![self.joined_as(&items, alias)?];
        }
        Ok((FromItem::Join { kind, left: Box::new(left), right: Box::new(right), on }, items))
    }

    fn join_condition(&self, join: &JoinExpr, items: Vec<Item>, names: &Names<'_>) -> Read<(Option<Expr>, Vec<Item>)> {
        let mut inner = Names::within(Some(names));
        inner.items = items;
        let on = self.read_condition(join.quals.as_deref(), (Place::JoinOn, "JOIN/ON"), &inner)?;
        Ok((on, inner.items))
    }

    /// `using (…)`: the condition, and the columns in sight: merged ones first, then the others of both sides.
    fn merge(&self, using: &[String], kind: JoinKind, (left, right): (&[Item], &[Item])) -> Read<(Expr, Item)> {
        let at = At::default();
        let mut conditions = Vec::with_capacity(using.len());
        let mut merged = Vec::new();
        for name in using {
            let (a, b) = (column_of(left, name, "left")?, column_of(right, name, "right")?);
            conditions.push(self.operator("=", vec![a.clone(), b.clone()], at)?);
            let ty = self.common_type(&[a.ty(), b.ty()], "JOIN/USING", at)?;
            let (a, b) = (self.implicit(a, &ty, at)?, self.implicit(b, &ty, at)?);
            merged.push(ItemColumn {
                name: name.clone(),
                expr: match kind {
                    JoinKind::Inner | JoinKind::Left | JoinKind::Cross => a,
                    JoinKind::Right => b,
                    JoinKind::Full => Expr::call("coalesce", vec![a, b], ty),
                },
            });
        }
        let rest = left.iter().chain(right).filter(|item| item.bare).flat_map(|item| &item.columns);
        merged.extend(rest.filter(|column| !using.contains(&column.name)).cloned());
        Ok((Expr::all(conditions).unwrap_or(Expr::boolean(true)), Item::new("", merged)))
    }

    fn joined_as(&self, items: &[Item], alias: &protobuf::Alias) -> Read<Item> {
        let columns = items.iter().filter(|item| item.bare).flat_map(|item| item.columns.iter().cloned()).collect();
        let nullable = items.iter().any(|item| item.nullable);
        aliased(Item { nullable, ..Item::new("", columns) }, Some(alias), At::default())
    }
}

/// Functions that give rows.
impl Resolver<'_> {
    fn read_row_function(&self, range: &RangeFunction, names: &Names<'_>) -> Read<Sources> {
        let calls = match range.functions.as_slice() {
            [only] => match &only.node {
                Some(NodeEnum::List(list)) => list.items.first(),
                _ => Some(only),
            },
            _ => None,
        };
        let Some(NodeEnum::FuncCall(call)) = calls.and_then(|node| node.node.as_ref()) else {
            return Err(ExprError::unsupported(At::default(), "this source of rows", "write a table or a subselect"));
        };
        let at = At::new(call.location);
        if range.ordinality || range.is_rowsfrom || !range.coldeflist.is_empty() {
            let what = "`with ordinality`, `rows from` or a column list";
            return Err(ExprError::unsupported(at, what, "keep the rows in a table"));
        }
        let name = strings(&call.funcname).last().copied().unwrap_or_default();
        let mut select = self.rows_of(call, names)?;
        // A function of one column lends its alias to the column.
        if let ([output], Some(alias)) = (select.outputs.as_mut_slice(), &range.alias) {
            output.name.clone_from(&alias.aliasname);
        }
        self.selected(select, (name, range.alias.as_ref()), at)
    }

    /// `select f(…)` where `f` gives rows.
    pub(super) fn set_function_target(&self, stmt: &SelectStmt, names: &Names<'_>) -> Read<Option<Select>> {
        let Some(target) = single_target(stmt) else { return Ok(None) };
        let Some(NodeEnum::FuncCall(call)) = target.val.as_deref().and_then(|node| node.node.as_ref()) else {
            return Ok(None);
        };
        let parts = strings(&call.funcname);
        let (schema, name) = match parts.as_slice() {
            [schema, name] => (Some(*schema), *name),
            [.., name] => (None, *name),
            [] => return Ok(None),
        };
        let gives_rows = self.own_functions(schema, name).iter().any(|function| {
            let is_no_value = function.result != FunctionResult::Value && self.is_step_call(function);
            function.returns_set || is_no_value
        });
        if !gives_rows && name != "generate_series" {
            return Ok(None);
        }
        let mut select = self.rows_of(call, names)?;
        if let ([output], false) = (select.outputs.as_mut_slice(), target.name.is_empty()) {
            output.name.clone_from(&target.name);
        }
        Ok(Some(select))
    }

    fn rows_of(&self, call: &FuncCall, names: &Names<'_>) -> Read<Select> {
        let parts = strings(&call.funcname);
        let (schema, name) = match parts.as_slice() {
            [schema, name] => (Some(*schema), *name),
            [.., name] => (None, *name),
            [] => (None, ""),
        };
        let at = At::word(call.location, name.len().max(1));
        if name == "generate_series" {
            return self.series(call, names, at);
        }
        if self.may_be_step_call(schema, name)
            && let Some((function, args)) = self.own_call(self.call_of(call, (schema, name), names, at)?)?
        {
            return match self.is_step_call(&function) {
                true => self.step_rows(&function, args, at),
                false => self.body_of(&function, args, at),
            };
        }
        let own = self.own_functions(schema, name);
        let fitting = own.into_iter().find(|function| function.args.len() == call.args.len());
        let Some(function) = fitting else {
            // The ordinary reading has the right error for each function that gives rows.
            let expr = self.read_call(call, names)?;
            let output = SelectOutput { name: name.to_owned(), expr };
            return Ok(Select { outputs: vec![output], ..Select::default() });
        };
        let call = self.call_of(call, (schema, name), names, at)?;
        let mut select = self.body_of(function, call.args, at)?;
        let of_one_value = !matches!(function.returns, Type::Other(_));
        if let ([output], true) = (select.outputs.as_mut_slice(), of_one_value) {
            name.clone_into(&mut output.name);
        }
        if !function.returns_set && select.limit.is_none() {
            select.limit = Some(Expr::value(Value::Int(1), Type::Int8));
        }
        Ok(select)
    }

    /// `generate_series(start, stop, step)` as a recursive select.
    fn series(&self, call: &FuncCall, names: &Names<'_>, at: At) -> Read<Select> {
        let args = call.args.iter().map(|arg| self.read(arg, names)).collect::<Read<Vec<_>>>()?;
        let mut args = args.into_iter();
        let (Some(start), Some(stop)) = (args.next(), args.next()) else {
            return Err(ExprError::new(at, "42883", "function generate_series() does not exist"));
        };
        let step = args.next().unwrap_or(Expr::value(Value::Int(1), Type::Int4));
        let downward = match &step {
            Expr::Value { value: Value::Int(step), .. } => *step < 0,
            Expr::Value { value: Value::Text(step), .. } => step.starts_with('-'),
            _ => {
                return Err(ExprError::unsupported(
                    at,
                    "`generate_series` with a step that is no constant",
                    "write the step",
                ));
            }
        };
        let (mut bounds, ty) = self.unify(vec![start, stop], "generate_series", at)?;
        let (stop, start) =
            (bounds.pop().unwrap_or(Expr::boolean(false)), bounds.pop().unwrap_or(Expr::boolean(false)));
        let ty = if ty == Type::Date { Type::Timestamptz } else { ty };
        let (start, stop) = (self.implicit(start, &ty, at)?, self.implicit(stop, &ty, at)?);
        let within = if downward { ">=" } else { "<=" };
        let (common, own, outer) = (self.new_source(), self.new_source(), self.new_source());
        let output = |expr| vec![SelectOutput { name: "generate_series".into(), expr }];
        let next = self.operator("+", vec![Expr::Output { source: own, index: 0, ty: ty.clone() }, step], at)?;
        let next = self.implicit(next, &ty, at)?;
        let following = Select {
            outputs: output(next.clone()),
            from: vec![FromItem::Source { id: own, source: Source::Common(common) }],
            condition: Some(self.operator(within, vec![next, stop.clone()], at)?),
            ..Select::default()
        };
        let first = Select {
            outputs: output(start.clone()),
            condition: Some(self.operator(within, vec![start, stop], at)?),
            combined: vec![(SetOperation::UnionAll, following)],
            ..Select::default()
        };
        let table = CommonTable { source: common, name: "generate_series".into(), recursive: true, select: first };
        Ok(Select {
            with: vec![table],
            outputs: output(Expr::Output { source: outer, index: 0, ty }),
            from: vec![FromItem::Source { id: outer, source: Source::Common(common) }],
            ..Select::default()
        })
    }
}

fn aliased(item: Item, alias: Option<&protobuf::Alias>, at: At) -> Read<Item> {
    match alias {
        None => Ok(item),
        Some(alias) => {
            let columns: Vec<String> = strings(&alias.colnames).into_iter().map(str::to_owned).collect();
            item.renamed(&alias.aliasname, &columns, at)
        }
    }
}

fn kind(join: &JoinExpr) -> Read<JoinKind> {
    match join.jointype() {
        JoinType::JoinInner => Ok(JoinKind::Inner),
        JoinType::JoinLeft => Ok(JoinKind::Left),
        JoinType::JoinFull => Ok(JoinKind::Full),
        JoinType::JoinRight => Ok(JoinKind::Right),
        _ => Err(ExprError::unsupported(At::default(), "this kind of join", "write an inner or outer join")),
    }
}

/// The columns that `using` or `natural` join by.
fn using(join: &JoinExpr, left: &[Item], right: &[Item]) -> Vec<String> {
    if !join.is_natural {
        return strings(&join.using_clause).into_iter().map(str::to_owned).collect();
    }
    let bare = |items: &[Item]| -> Vec<String> {
        items.iter().filter(|item| item.bare).flat_map(|item| item.columns.iter().map(|c| c.name.clone())).collect()
    };
    let right = bare(right);
    bare(left).into_iter().filter(|name| right.contains(name)).collect()
}

fn column_of(items: &[Item], name: &str, side: &str) -> Read<Expr> {
    let mut found = items.iter().filter(|item| item.bare).filter_map(|item| item.column(name));
    match (found.next(), found.next()) {
        (Some(column), None) => Ok(column.expr.clone()),
        (None, _) => {
            let message = format!("column \"{name}\" specified in USING clause does not exist in {side} table");
            Err(ExprError::new(At::default(), "42703", message))
        }
        (Some(_), Some(_)) => {
            let message = format!("common column name \"{name}\" appears more than once in {side} table");
            Err(ExprError::new(At::default(), "42702", message))
        }
    }
}

fn refuse_duplicates(items: &[Item]) -> Read<()> {
    for (index, item) in items.iter().enumerate() {
        let twin = items[..index].iter().find(|other| {
            !item.alias.is_empty()
                && other.alias == item.alias
                && (other.schema == item.schema || other.schema.is_none() || item.schema.is_none())
        });
        if twin.is_some() {
            let message = format!("table name \"{}\" specified more than once", item.alias);
            return Err(ExprError::new(At::default(), "42712", message));
        }
    }
    Ok(())
}
