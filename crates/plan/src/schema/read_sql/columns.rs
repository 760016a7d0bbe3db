//! Columns as `create table` and `add column` declare them: their types, and what they hold when nobody says.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, ColumnDef, ConstrType, Constraint, Node};

use super::Fold;
use super::drop::Object;
use super::fault::Fault;
use super::names::{self, strings};
use super::resolve;
use crate::schema::read_expr::Scope;
use crate::schema::{Column, DefaultPrivilegeObject, DefaultValue, Relation, RelationId, Sequence};
use crate::value::Type;

/// Names that every PostgreSQL table has already.
const SYSTEM_COLUMNS: &[&str] = &["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// A column's clauses, sorted by what they say.
pub(super) struct Declared<'a> {
    pub(super) def: &'a ColumnDef,
    pub(super) serial: bool,
    pub(super) default: Option<&'a Node>,
    pub(super) generated: Option<&'a Node>,
    pub(super) identity: Option<&'a Constraint>,
    pub(super) not_null: bool,
    /// Keys, checks and foreign keys, with the `deferrable` that followed them.
    pub(super) constraints: Vec<Constraint>,
}

impl Fold<'_> {
    /// The column without its default, which may need the others, and its clauses.
    pub(super) fn declare_column<'d>(
        &mut self,
        relation: &Relation,
        def: &'d ColumnDef,
    ) -> Result<(Column, Declared<'d>), Fault> {
        let name = def.colname.as_str();
        if SYSTEM_COLUMNS.contains(&name) {
            let message = format!("column name \"{name}\" conflicts with a system column name");
            return Err(Fault::new("42701", message).at(def.location));
        }
        refuse_collation(def.coll_clause.as_deref())?;
        let (ty, serial) = self.column_type(def)?;
        let declared = sort_clauses(&relation.name, def, serial)?;
        let integer = matches!(ty.base(), Type::Int2 | Type::Int4 | Type::Int8);
        if declared.identity.is_some() && !integer {
            return Err(
                Fault::new("22023", "identity column type must be smallint, integer, or bigint").at(def.location)
            );
        }
        let not_null = declared.not_null || serial || declared.identity.is_some();
        let id = self.new_column_id(relation);
        Ok((Column { id, name: name.to_owned(), ty, not_null, default: None, comment: None }, declared))
    }

    fn column_type(&self, def: &ColumnDef) -> Result<(Type, bool), Fault> {
        let type_name = def.type_name.as_ref();
        let names = type_name.map(|name| strings(&name.names)).unwrap_or_default();
        let serial = match names.as_slice() {
            ["serial" | "serial4"] => Some(Type::Int4),
            ["bigserial" | "serial8"] => Some(Type::Int8),
            ["smallserial" | "serial2"] => Some(Type::Int2),
            _ => None,
        };
        match serial {
            Some(_) if type_name.is_some_and(|name| !name.array_bounds.is_empty()) => {
                Err(Fault::new("0A000", "array of serial is not implemented").at(def.location))
            }
            Some(ty) => Ok((ty, true)),
            None => Ok((self.type_of(type_name)?, false)),
        }
    }

    /// Gives a column that stands in its relation already what its clauses say it holds.
    pub(super) fn fill_column(
        &mut self,
        relation: RelationId,
        name: &str,
        declared: &Declared<'_>,
    ) -> Result<(), Fault> {
        let found = self.schema.relation(relation).clone();
        let Some(column) = found.column(name) else { return Ok(()) };
        let value = if declared.serial {
            Some(self.new_serial(&found, column))
        } else if let Some(identity) = declared.identity {
            Some(self.new_identity(&found, column, identity)?)
        } else if let Some(node) = declared.generated {
            let expr = self.assigned(node, Scope::Relation(&found), (name, &column.ty), "generation")?;
            self.refuse_generated_in(&found, &expr, name)?;
            Some(DefaultValue::Generated(expr))
        } else if let Some(node) = declared.default {
            self.default_value(node, (name, &column.ty))?
        } else {
            domain_default(&column.ty)
        };
        let id = column.id;
        let generated = matches!(value, Some(DefaultValue::Generated(_)));
        self.note_calls(&if generated { Object::Column(relation, id) } else { Object::Default(relation, id) });
        self.edit(relation, |relation| {
            for column in relation.columns.iter_mut().filter(|column| column.id == id) {
                column.default.clone_from(&value);
            }
        });
        Ok(())
    }

    fn refuse_generated_in(&self, relation: &Relation, expr: &crate::expr::Expr, name: &str) -> Result<(), Fault> {
        let mut fault = None;
        expr.walk(&mut |part| {
            if let crate::expr::Expr::Column { column, .. } = part {
                let used = relation.columns.iter().find(|other| other.id == *column);
                if used.is_some_and(|other| other.is_generated() || other.name == name) {
                    let other = used.map_or("", |other| other.name.as_str());
                    let message = format!("cannot use generated column \"{other}\" in column generation expression");
                    fault = Some(
                        Fault::new("42P17", message)
                            .name(name)
                            .help("A generated column cannot reference another generated column."),
                    );
                }
            }
        });
        fault.map_or(Ok(()), Err)
    }

    /// `default <expression>`; `nextval('…')` is known as such.
    pub(super) fn default_value(&self, node: &Node, column: (&str, &Type)) -> Result<Option<DefaultValue>, Fault> {
        if is_null(node) {
            return Ok(None);
        }
        if let Some(sequence) = nextval(node) {
            let (schema, name) = super::writes::split_name(&sequence);
            let wanted = (schema.as_deref(), name.as_str());
            let key = self.search(wanted, |key| self.schema.sequences.contains_key(key)).ok_or_else(|| {
                Fault::new("42P01", format!("relation \"{}\" does not exist", names::show(wanted)))
                    .at(resolve::location(node))
            })?;
            return Ok(Some(DefaultValue::Sequence { sequence: key }));
        }
        refuse_columns(node)?;
        Ok(Some(DefaultValue::Expr(self.assigned(node, Scope::None, column, "default")?)))
    }

    fn new_serial(&mut self, relation: &Relation, column: &Column) -> DefaultValue {
        let name = self.new_class_name(&relation.schema, (&relation.name, &column.name, "seq"), false);
        let key = (relation.schema.clone(), name);
        let grants = self.default_grants(DefaultPrivilegeObject::Sequences, &relation.schema);
        let sequence = Sequence { start: 1, increment: 1, owner: Some((relation.id, column.id)), grants };
        self.schema_mut().sequences.insert(key.clone(), sequence);
        DefaultValue::Sequence { sequence: key }
    }

    /// An identity has a sequence too, by whose name `setval` finds it.
    pub(super) fn new_identity(
        &mut self,
        relation: &Relation,
        column: &Column,
        identity: &Constraint,
    ) -> Result<DefaultValue, Fault> {
        let options = super::sequences::read_options(&identity.options)?;
        let (schema, name) = match &options.name {
            Some((schema, name)) => (schema.clone().unwrap_or_else(|| relation.schema.clone()), name.clone()),
            None => {
                let name = self.new_class_name(&relation.schema, (&relation.name, &column.name, "seq"), false);
                (relation.schema.clone(), name)
            }
        };
        self.refuse_taken_class(&schema, &name)?;
        let (start, increment) = options.start_and_increment();
        let owner = Some((relation.id, column.id));
        let grants = self.default_grants(DefaultPrivilegeObject::Sequences, &schema);
        self.schema_mut().sequences.insert((schema, name), Sequence { start, increment, owner, grants });
        Ok(DefaultValue::Identity { always: identity.generated_when == "a", start, increment })
    }
}

fn sort_clauses<'a>(table: &str, def: &'a ColumnDef, serial: bool) -> Result<Declared<'a>, Fault> {
    let mut declared = Declared {
        def,
        serial,
        default: None,
        generated: None,
        identity: None,
        not_null: false,
        constraints: Vec::new(),
    };
    let mut nullable = false;
    for node in &def.constraints {
        let Some(NodeEnum::Constraint(constraint)) = node.node.as_ref() else { continue };
        match constraint.contype() {
            ConstrType::ConstrNull => nullable = true,
            ConstrType::ConstrNotnull => declared.not_null = true,
            ConstrType::ConstrDefault => {
                if declared.default.replace(constraint.raw_expr.as_deref().unwrap_or(node)).is_some() || serial {
                    return Err(said_twice("multiple default values", table, def, constraint.location));
                }
            }
            ConstrType::ConstrIdentity => {
                if declared.identity.replace(constraint).is_some() {
                    return Err(said_twice("multiple identity specifications", table, def, constraint.location));
                }
            }
            ConstrType::ConstrGenerated => {
                if constraint.generated_kind == "v" {
                    return Err(
                        Fault::only_postgres("a virtual generated column", "write `stored`").at(constraint.location)
                    );
                }
                if declared.generated.replace(constraint.raw_expr.as_deref().unwrap_or(node)).is_some() {
                    return Err(said_twice("multiple generation clauses", table, def, constraint.location));
                }
            }
            ConstrType::ConstrAttrDeferrable
            | ConstrType::ConstrAttrNotDeferrable
            | ConstrType::ConstrAttrDeferred
            | ConstrType::ConstrAttrImmediate
            | ConstrType::ConstrAttrEnforced
            | ConstrType::ConstrAttrNotEnforced => change_timing(&mut declared.constraints, constraint)?,
            _ => declared.constraints.push((**constraint).clone()),
        }
    }
    refuse_contradictions(table, &declared, nullable)?;
    Ok(declared)
}

fn refuse_contradictions(table: &str, declared: &Declared<'_>, nullable: bool) -> Result<(), Fault> {
    let def = declared.def;
    let sources =
        (declared.default.is_some() || declared.serial, declared.identity.is_some(), declared.generated.is_some());
    let what = match sources {
        (true, true, _) => "both default and identity",
        (true, _, true) => "both default and generation expression",
        (_, true, true) => "both identity and generation expression",
        _ => {
            if nullable && (declared.not_null || declared.serial || declared.identity.is_some()) {
                let name = &def.colname;
                let message =
                    format!("conflicting NULL/NOT NULL declarations for column \"{name}\" of table \"{table}\"");
                return Err(Fault::new("42601", message).at(def.location));
            }
            return Ok(());
        }
    };
    Err(said_twice(what, table, def, def.location))
}

fn said_twice(what: &str, table: &str, def: &ColumnDef, location: i32) -> Fault {
    Fault::new("42601", format!("{what} specified for column \"{}\" of table \"{table}\"", def.colname)).at(location)
}

/// `deferrable` and its kin stand as clauses of their own after the one they are about.
fn change_timing(constraints: &mut [Constraint], attribute: &Constraint) -> Result<(), Fault> {
    let Some(last) = constraints.last_mut() else {
        return Err(Fault::new("42601", "misplaced DEFERRABLE clause").at(attribute.location));
    };
    match attribute.contype() {
        ConstrType::ConstrAttrDeferrable => last.deferrable = true,
        ConstrType::ConstrAttrNotDeferrable => last.deferrable = false,
        ConstrType::ConstrAttrDeferred => {
            last.deferrable = true;
            last.initdeferred = true;
        }
        ConstrType::ConstrAttrImmediate => last.initdeferred = false,
        ConstrType::ConstrAttrNotEnforced => {
            return Err(Fault::only_postgres("`not enforced`", "leave the constraint out").at(attribute.location));
        }
        _ => {}
    }
    Ok(())
}

/// A column without a default of its own has its domain's.
pub(super) fn domain_default(ty: &Type) -> Option<DefaultValue> {
    match ty {
        Type::Domain(domain) => domain.default.clone().map(DefaultValue::Expr),
        _ => None,
    }
}

pub(super) fn refuse_collation(clause: Option<&pb::CollateClause>) -> Result<(), Fault> {
    let Some(clause) = clause else { return Ok(()) };
    let (_, name) = names::dotted(&clause.collname);
    if matches!(name, "C" | "POSIX" | "default" | "ucs_basic" | "C.UTF-8" | "C.utf8") {
        return Ok(());
    }
    Err(Fault::only_postgres(
        format!("the collation \"{name}\""),
        "leave it out: text is ordered by its bytes, as with \"C\"",
    )
    .at(clause.location))
}

pub(super) fn is_null(node: &Node) -> bool {
    match node.node.as_ref() {
        Some(NodeEnum::AConst(constant)) => constant.isnull,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_null),
        _ => false,
    }
}

fn nextval(node: &Node) -> Option<String> {
    let Some(NodeEnum::FuncCall(call)) = node.node.as_ref() else { return None };
    let name = call.funcname.last().and_then(names::string);
    match call.args.as_slice() {
        [argument] if name == Some("nextval") => super::settings::constant(argument),
        _ => None,
    }
}

fn refuse_columns(node: &Node) -> Result<(), Fault> {
    match node.node.as_ref() {
        Some(NodeEnum::ColumnRef(column)) => {
            Err(Fault::new("0A000", "cannot use column reference in DEFAULT expression").at(column.location))
        }
        Some(NodeEnum::SubLink(link)) => {
            Err(Fault::new("0A000", "cannot use subquery in DEFAULT expression").at(link.location))
        }
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().map_or(Ok(()), refuse_columns),
        Some(NodeEnum::FuncCall(call)) => call.args.iter().try_for_each(refuse_columns),
        Some(NodeEnum::AExpr(expr)) => expr.lexpr.iter().chain(&expr.rexpr).try_for_each(|side| refuse_columns(side)),
        _ => Ok(()),
    }
}
