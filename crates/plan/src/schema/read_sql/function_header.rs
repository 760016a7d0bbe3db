//! What a function takes and returns, from its declaration.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, FunctionParameter, FunctionParameterMode};

use super::Fold;
use super::fault::Fault;
use crate::schema::read_expr::Scope;
use crate::schema::{Function, FunctionArg, FunctionResult, Relation, RelationId};
use crate::value::Type;

/// What stands between a function's name and its clauses.
pub(super) struct Header {
    pub(super) args: Vec<FunctionArg>,
    pub(super) returns: Type,
    pub(super) returns_set: bool,
    /// The columns of `returns table (…)`, or of `out` arguments.
    columns: Vec<(String, Type)>,
}

impl Fold<'_> {
    pub(super) fn function_header(&self, stmt: &pb::CreateFunctionStmt) -> Result<Header, Fault> {
        let (mut args, mut columns) = (Vec::new(), Vec::new());
        let mut table = false;
        for node in &stmt.parameters {
            let Some(NodeEnum::FunctionParameter(parameter)) = node.node.as_ref() else { continue };
            let (takes, gives) = match parameter.mode() {
                FunctionParameterMode::FuncParamTable => {
                    table = true;
                    (false, true)
                }
                FunctionParameterMode::FuncParamOut => (false, true),
                FunctionParameterMode::FuncParamInout => (true, true),
                FunctionParameterMode::FuncParamIn
                | FunctionParameterMode::FuncParamVariadic
                | FunctionParameterMode::FuncParamDefault
                | FunctionParameterMode::Undefined => (true, false),
            };
            let ty = self.type_of(parameter.arg_type.as_ref())?;
            if gives {
                let name = Some(parameter.name.clone()).filter(|name| !name.is_empty());
                columns.push((name.unwrap_or_else(|| format!("column{}", columns.len() + 1)), ty.clone()));
            }
            if takes {
                args.push(self.function_arg(parameter, ty)?);
            }
        }
        let returns_set = table || stmt.return_type.as_ref().is_some_and(|returned| returned.setof);
        let returns = match (columns.as_slice(), stmt.return_type.as_ref()) {
            ([(_, only)], _) => only.clone(),
            ([_, _, ..], _) => Type::Other("record".into()),
            ([], Some(returned)) => self.type_of(Some(returned))?,
            ([], None) => Type::Other("void".into()),
        };
        Ok(Header { args, returns, returns_set, columns })
    }

    fn function_arg(&self, parameter: &FunctionParameter, ty: Type) -> Result<FunctionArg, Fault> {
        let default = match parameter.defexpr.as_deref() {
            Some(node) => Some(self.assigned(node, Scope::None, (&parameter.name, &ty), "default")?),
            None => None,
        };
        Ok(FunctionArg {
            name: Some(parameter.name.clone()).filter(|name| !name.is_empty()),
            ty,
            optional: default.is_some(),
            default,
            variadic: parameter.mode() == FunctionParameterMode::FuncParamVariadic,
        })
    }

    /// What one answer is, and its columns: those of the relation whose rows it gives, or a new row of its own.
    pub(super) fn function_result(
        &mut self,
        (schema, name): (&str, &str),
        header: &Header,
    ) -> (FunctionResult, RelationId) {
        if let Some(relation) = self.schema.relation_of_row(&header.returns).map(|relation| relation.id)
            && header.columns.is_empty()
        {
            return (FunctionResult::Row, relation);
        }
        let (result, columns) = match (header.columns.as_slice(), &header.returns) {
            ([_, ..], _) => (FunctionResult::Row, header.columns.clone()),
            ([], Type::Other(void)) if &**void == "void" => (FunctionResult::Nothing, value_column(&Type::Text)),
            ([], ty) => (FunctionResult::Value, value_column(ty)),
        };
        let id = self.schema_mut().new_relation_id();
        let row = Relation::of_function(id, (schema, name), columns);
        self.schema_mut().rows.insert(id, row.into());
        (result, id)
    }
}

fn value_column(ty: &Type) -> Vec<(String, Type)> {
    vec![(Function::VALUE.to_owned(), ty.clone())]
}
