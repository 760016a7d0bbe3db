//! Functions of the catalogs: what they take, and the columns of what they return.

use std::sync::Arc;

use roadbed_plan::Type;
use roadbed_plan::schema::{Function, FunctionArg, FunctionResult, Relation, RelationId, Volatility};
use tokio_postgres::{Error, Row};

use super::Fields;
use super::fold::Fold;

/// Puts the functions into the schema. Relations and types are known before.
pub(super) fn read(fold: &mut Fold, rows: &[Row]) -> Result<(), Error> {
    let next = fold.relations.values().map(|relation| relation.id.0).max().unwrap_or(0);
    fold.schema.next_relation = fold.schema.next_relation.max(next + 1);
    for row in rows {
        let function = read_one(fold, row)?;
        fold.schema.functions.push(Arc::new(function));
    }
    Ok(())
}

/// What the catalog has of a function's arguments and result, besides its input types.
struct Declared {
    /// Of all arguments, in and out.
    names: Vec<String>,
    /// Of all arguments; empty when all are in.
    types: Vec<u32>,
    modes: Vec<String>,
    /// The relation whose row it returns, or 0.
    relation: u32,
    /// The columns of a composite type that is no relation's.
    columns: Vec<(String, u32)>,
}

fn read_one(fold: &mut Fold, row: &Row) -> Result<Function, Error> {
    let mut fields = Fields::of(row);
    let oid: u32 = fields.take()?;
    let (schema, name): (String, String) = (fields.take()?, fields.take()?);
    let names = fields.take::<Option<Vec<String>>>()?.unwrap_or_default();
    let input: Vec<u32> = fields.take()?;
    let formatted: Vec<String> = fields.take()?;
    let (returned, returned_name): (u32, &str) = (fields.take()?, fields.take()?);
    let returns = fold.types.type_of(returned, -1, returned_name);
    let (returns_set, language) = (fields.take()?, fields.take()?);
    let (security_definer, strict, source, comment) = (fields.take()?, fields.take()?, fields.take()?, fields.take()?);
    let volatility = volatility(fields.take()?);
    let (defaults, variadic): (i16, bool) = (fields.take()?, fields.take()?);
    let owner = fields.take()?;
    let declared = Declared {
        names,
        types: fields.take::<Option<Vec<u32>>>()?.unwrap_or_default(),
        modes: fields.take::<Option<Vec<String>>>()?.unwrap_or_default(),
        relation: fields.take()?,
        columns: fields.take::<Vec<String>>()?.into_iter().zip(fields.take::<Vec<u32>>()?).collect(),
    };
    let one_row = fields.take()?;
    let args = arguments(fold, &declared, (&input, &formatted), (defaults, variadic));
    let (result, row) = result(fold, &declared, (&schema, &name), &returns);
    Ok(Function {
        schema,
        name,
        args,
        returns,
        returns_set,
        result,
        row,
        volatility,
        one_row,
        owner,
        language,
        security_definer,
        strict,
        source,
        body: None,
        procedure: None,
        search_path: Vec::new(),
        grants: fold.take_grants(b'f', oid),
        comment,
    })
}

fn arguments(
    fold: &mut Fold,
    declared: &Declared,
    (types, formatted): (&[u32], &[String]),
    (defaults, variadic): (i16, bool),
) -> Vec<FunctionArg> {
    let is_input = |index: usize| declared.modes.get(index).is_none_or(|mode| matches!(mode.as_str(), "i" | "b" | "v"));
    let mut names = declared.names.iter().enumerate().filter(|(index, _)| is_input(*index)).map(|(_, name)| name);
    let required = types.len().saturating_sub(usize::try_from(defaults).unwrap_or(0));
    let mut args = Vec::with_capacity(types.len());
    for (index, (oid, formatted)) in types.iter().zip(formatted).enumerate() {
        args.push(FunctionArg {
            name: names.next().filter(|name| !name.is_empty()).cloned(),
            ty: fold.types.type_of(*oid, -1, formatted),
            optional: index >= required,
            default: None,
            variadic: variadic && index + 1 == types.len(),
        });
    }
    args
}

fn result(
    fold: &mut Fold,
    declared: &Declared,
    function: (&str, &str),
    returns: &Type,
) -> (FunctionResult, RelationId) {
    let mut columns: Vec<(String, u32)> = Vec::new();
    for ((mode, name), ty) in declared.modes.iter().zip(&declared.names).zip(&declared.types) {
        if matches!(mode.as_str(), "o" | "b" | "t") {
            let unnamed = || format!("column{}", columns.len() + 1);
            columns.push((if name.is_empty() { unnamed() } else { name.clone() }, *ty));
        }
    }
    if columns.is_empty() {
        if let Some(relation) = fold.relations.get(&declared.relation) {
            return (FunctionResult::Row, relation.id);
        }
        columns.clone_from(&declared.columns);
    }
    let result = match returns {
        _ if !columns.is_empty() => FunctionResult::Row,
        Type::Other(name) if &**name == "void" => FunctionResult::Nothing,
        _ => FunctionResult::Value,
    };
    let columns = match result {
        FunctionResult::Row => columns.into_iter().map(|(name, oid)| (name, fold.types.type_of(oid, -1, ""))).collect(),
        FunctionResult::Nothing | FunctionResult::Value => vec![(Function::VALUE.to_owned(), returns.clone())],
    };
    let id = fold.schema.new_relation_id();
    fold.schema.rows.insert(id, Relation::of_function(id, function, columns).into());
    (result, id)
}

fn volatility(letter: &str) -> Volatility {
    match letter {
        "i" => Volatility::Immutable,
        "s" => Volatility::Stable,
        _ => Volatility::Volatile,
    }
}
