//! Enums and domains, and following a changed type into everything that has it.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, ConstrType, Constraint, Node};

use super::dependents::exprs_mut;
use super::drop::Object;
use super::fault::Fault;
use super::names::{Qualified, dotted, make_name, show, strings};
use super::{Conversion, Fold};
use crate::expr::{Expr, SourceId};
use crate::schema::read_expr::Scope;
use crate::schema::{DefaultValue, Function, Relation};
use crate::value::{DomainCheck, DomainType, EnumType, Type, Value};

type Key = (String, String);

impl Fold<'_> {
    fn new_type_key(&self, wanted: Qualified<'_>) -> Result<Key, Fault> {
        let (schema, name) = wanted;
        let key = (self.schema_for_new(schema.unwrap_or_default(), -1)?, name.to_owned());
        let taken = self.schema.enums.contains_key(&key)
            || self.schema.domains.contains_key(&key)
            || self.schema.names.contains_key(&key);
        if taken {
            return Err(Fault::new("42710", format!("type \"{name}\" already exists")).name(name));
        }
        Ok(key)
    }

    pub(super) fn find_enum(&self, wanted: Qualified<'_>) -> Option<Key> {
        self.search(wanted, |key| self.schema.enums.contains_key(key))
    }

    pub(super) fn find_domain(&self, wanted: Qualified<'_>) -> Option<Key> {
        self.search(wanted, |key| self.schema.domains.contains_key(key))
    }

    /// A type of the user's own or a built-in one.
    pub(super) fn known_type(&self, wanted: Qualified<'_>) -> Result<(), Fault> {
        if self.find_enum(wanted).or_else(|| self.find_domain(wanted)).is_some() {
            return Ok(());
        }
        Err(no_type(wanted))
    }

    pub(super) fn create_enum(&mut self, stmt: &pb::CreateEnumStmt) -> Result<(), Fault> {
        let (schema, name) = self.new_type_key(dotted(&stmt.type_name))?;
        let mut labels: Vec<String> = Vec::new();
        for label in strings(&stmt.vals) {
            refuse_long_label(label)?;
            if labels.iter().any(|taken| taken == label) {
                return Err(Fault::new("42710", format!("enum label \"{label}\" already exists")).name(label));
            }
            labels.push(label.to_owned());
        }
        let made = EnumType { schema: schema.clone(), name: name.clone(), labels };
        self.schema_mut().enums.insert((schema, name), Arc::new(made));
        Ok(())
    }

    pub(super) fn alter_enum(&mut self, stmt: &pb::AlterEnumStmt) -> Result<(), Fault> {
        let wanted = dotted(&stmt.type_name);
        let key = self.find_enum(wanted).ok_or_else(|| no_type(wanted))?;
        let mut changed = (*self.schema.enums[&key]).clone();
        let new = stmt.new_val.as_str();
        let position =
            |label: &str| {
                changed.labels.iter().position(|found| found == label).ok_or_else(|| {
                    Fault::new("22023", format!("\"{label}\" is not an existing enum label")).name(label)
                })
            };
        if changed.labels.iter().any(|label| label == new) {
            if stmt.skip_if_new_val_exists {
                return Ok(());
            }
            return Err(Fault::new("42710", format!("enum label \"{new}\" already exists")).name(new));
        }
        refuse_long_label(new)?;
        if !stmt.old_val.is_empty() {
            let at = position(&stmt.old_val)?;
            changed.labels[at] = new.to_owned();
            return self.rename_label(&key, changed, &stmt.old_val, new);
        }
        let at = match stmt.new_val_neighbor.as_str() {
            "" => changed.labels.len(),
            neighbor => position(neighbor)? + usize::from(stmt.new_val_is_after),
        };
        changed.labels.insert(at, new.to_owned());
        self.replace_enum(&key, changed);
        Ok(())
    }

    /// The label is what the rows hold, so they are converted.
    fn rename_label(&mut self, key: &Key, changed: EnumType, old: &str, new: &str) -> Result<(), Fault> {
        let old_type = Type::Enum(Arc::clone(&self.schema.enums[key]));
        let new_type = Type::Enum(Arc::new(changed.clone()));
        for relation in self.schema.relations.values().filter(|relation| !relation.is_view()) {
            for column in &relation.columns {
                if matches!(column.ty.base(), Type::Array(item) if *item.base() == old_type) {
                    let help = "add a label instead, or change the column to `text[]` first";
                    return Err(Fault::only_postgres("renaming a label that arrays hold", help).name(old));
                }
                if *column.ty.base() != old_type {
                    continue;
                }
                let value = Expr::Column { source: SourceId::ROW, column: column.id, ty: column.ty.clone() };
                let label = |text: &str, ty: &Type| Expr::value(Value::text(text), ty.clone());
                let is_old = Expr::call("=", vec![value.clone(), label(old, &old_type)], Type::Bool);
                let whens = vec![(is_old, label(new, &new_type))];
                let using = Expr::Case { operand: None, whens, otherwise: Some(Box::new(value)), ty: new_type.clone() };
                self.conversions.push(Conversion { relation: relation.id, column: column.id, using });
            }
        }
        self.change_types(&|_| {}, &|expr| {
            if let Expr::Value { value: Value::Text(text), ty } = expr
                && *ty.base() == old_type
                && **text == *old
            {
                *text = new.into();
            }
        });
        self.replace_enum(key, changed);
        Ok(())
    }

    /// Puts a changed enum in place of the one under `key`, wherever that is used.
    pub(super) fn replace_enum(&mut self, key: &Key, changed: EnumType) {
        let changed = Arc::new(changed);
        let schema = self.schema_mut();
        schema.enums.remove(key);
        schema.enums.insert((changed.schema.clone(), changed.name.clone()), Arc::clone(&changed));
        self.change_types(
            &|ty| {
                if let Type::Enum(found) = ty
                    && found.schema == key.0
                    && found.name == key.1
                {
                    *found = Arc::clone(&changed);
                }
            },
            &|_| {},
        );
    }

    pub(super) fn create_domain(&mut self, stmt: &pb::CreateDomainStmt) -> Result<(), Fault> {
        super::columns::refuse_collation(stmt.coll_clause.as_deref())?;
        let (schema, name) = self.new_type_key(dotted(&stmt.domainname))?;
        let base = self.type_of(stmt.type_name.as_ref())?;
        let default = match &base {
            Type::Domain(below) => below.default.clone(),
            _ => None,
        };
        let mut domain = DomainType { schema, name, base, not_null: false, default, checks: Vec::new() };
        for node in &stmt.constraints {
            let Some(NodeEnum::Constraint(constraint)) = node.node.as_ref() else { continue };
            self.constrain_domain(&mut domain, constraint)?;
        }
        let key = (domain.schema.clone(), domain.name.clone());
        self.schema_mut().domains.insert(key.clone(), Arc::new(domain));
        self.note_calls(&Object::Domain(key));
        Ok(())
    }

    fn constrain_domain(&self, domain: &mut DomainType, constraint: &Constraint) -> Result<(), Fault> {
        let expr = constraint.raw_expr.as_deref();
        match (constraint.contype(), expr) {
            (ConstrType::ConstrNotnull, _) => domain.not_null = true,
            (ConstrType::ConstrNull, _) => domain.not_null = false,
            (ConstrType::ConstrDefault, Some(node)) => domain.default = self.domain_default(domain, node)?,
            (ConstrType::ConstrCheck, Some(node)) => {
                let condition = self.condition(node, Scope::Domain(&domain.base), "CHECK")?;
                let name = new_check_name(domain, constraint)?;
                domain.checks.push(DomainCheck { name, condition });
            }
            _ => return Err(Fault::new("42601", "this constraint is not possible for domains").at(constraint.location)),
        }
        Ok(())
    }

    fn domain_default(&self, domain: &DomainType, node: &Node) -> Result<Option<Expr>, Fault> {
        match self.default_value(node, (&domain.name, &domain.base))? {
            Some(DefaultValue::Expr(expr)) => Ok(Some(expr)),
            None => Ok(None),
            Some(_) => Err(Fault::only_postgres("a sequence as a domain's default", "give the columns the default")
                .name("default")),
        }
    }

    pub(super) fn alter_domain(&mut self, stmt: &pb::AlterDomainStmt) -> Result<(), Fault> {
        let wanted = dotted(&stmt.type_name);
        let key = self.find_domain(wanted).ok_or_else(|| no_type(wanted))?;
        let old = Arc::clone(&self.schema.domains[&key]);
        let mut changed = (*old).clone();
        match stmt.subtype.as_str() {
            "T" => {
                changed.default = match stmt.def.as_deref() {
                    Some(node) => self.domain_default(&changed, node)?,
                    None => None,
                };
            }
            "N" => changed.not_null = false,
            "O" => changed.not_null = true,
            "C" => {
                if let Some(NodeEnum::Constraint(constraint)) = stmt.def.as_ref().and_then(|node| node.node.as_ref()) {
                    self.constrain_domain(&mut changed, constraint)?;
                }
            }
            "X" => {
                let before = changed.checks.len();
                changed.checks.retain(|check| check.name != stmt.name);
                if changed.checks.len() == before && !stmt.missing_ok {
                    let message = format!("constraint \"{}\" of domain \"{}\" does not exist", stmt.name, changed.name);
                    return Err(Fault::new("42704", message).name(&stmt.name));
                }
            }
            _ => {}
        }
        if old.default != changed.default {
            self.follow_domain_default(&old, &changed);
        }
        self.replace_domain(&key, changed);
        self.note_calls(&Object::Domain(key));
        Ok(())
    }

    /// Columns that have the domain's default as theirs.
    fn follow_domain_default(&mut self, old: &Arc<DomainType>, changed: &DomainType) {
        let before = old.default.clone().map(DefaultValue::Expr);
        let after = changed.default.clone().map(DefaultValue::Expr);
        let has = |relation: &Relation| {
            relation.columns.iter().any(|column| column.ty == Type::Domain(Arc::clone(old)) && column.default == before)
        };
        let ids: Vec<_> = self
            .schema
            .relations
            .values()
            .filter(|relation| !relation.is_view() && has(relation))
            .map(|relation| relation.id)
            .collect();
        for id in ids {
            self.edit(id, |relation| {
                for column in &mut relation.columns {
                    if column.ty == Type::Domain(Arc::clone(old)) && column.default == before {
                        column.default.clone_from(&after);
                    }
                }
            });
        }
    }

    /// Puts a changed domain in place of the one under `key`, wherever that is used.
    pub(super) fn replace_domain(&mut self, key: &Key, changed: DomainType) {
        let changed = Arc::new(changed);
        let schema = self.schema_mut();
        schema.domains.remove(key);
        schema.domains.insert((changed.schema.clone(), changed.name.clone()), Arc::clone(&changed));
        self.change_types(
            &|ty| {
                if let Type::Domain(found) = ty
                    && found.schema == key.0
                    && found.name == key.1
                {
                    *found = Arc::clone(&changed);
                }
            },
            &|_| {},
        );
    }

    /// Applies `change` to every type and `each` to every expression of the schema.
    fn change_types(&mut self, change: &dyn Fn(&mut Type), each: &dyn Fn(&mut Expr)) {
        let walk = TypeWalk { change, each };
        let relations: Vec<_> = self.schema.relations.values().cloned().collect();
        for old in relations {
            let mut new = (*old).clone();
            new.columns.iter_mut().for_each(|column| walk.ty(&mut column.ty));
            exprs_mut(&mut new, &mut |expr| walk.expr(expr));
            if new != *old {
                self.schema_mut().put(new);
            }
        }
        let schema = self.schema_mut();
        for domain in schema.domains.values_mut() {
            walk.domain(domain);
        }
        for row in schema.rows.values_mut() {
            Arc::make_mut(row).columns.iter_mut().for_each(|column| walk.ty(&mut column.ty));
        }
        for function in &mut schema.functions {
            let mut new = (**function).clone();
            walk.function(&mut new);
            if new != **function {
                *function = Arc::new(new);
            }
        }
    }
}

struct TypeWalk<'w> {
    change: &'w dyn Fn(&mut Type),
    each: &'w dyn Fn(&mut Expr),
}

impl TypeWalk<'_> {
    fn ty(&self, ty: &mut Type) {
        match ty {
            Type::Array(item) => self.ty(item),
            Type::Domain(domain) => self.domain(domain),
            _ => {}
        }
        (self.change)(ty);
    }

    fn domain(&self, domain: &mut Arc<DomainType>) {
        let mut new = (**domain).clone();
        self.ty(&mut new.base);
        new.default.iter_mut().for_each(|expr| self.expr(expr));
        new.checks.iter_mut().for_each(|check| self.expr(&mut check.condition));
        if new != **domain {
            *domain = Arc::new(new);
        }
    }

    fn function(&self, function: &mut Function) {
        self.ty(&mut function.returns);
        for arg in &mut function.args {
            self.ty(&mut arg.ty);
            arg.default.iter_mut().for_each(|expr| self.expr(expr));
        }
        if let Some(body) = &mut function.body {
            body.for_each_expr_mut(&mut |expr| self.expr(expr));
        }
    }

    fn expr(&self, expr: &mut Expr) {
        (self.each)(expr);
        match expr {
            Expr::Value { ty, .. }
            | Expr::Column { ty, .. }
            | Expr::Output { ty, .. }
            | Expr::DomainValue { ty }
            | Expr::Call { ty, .. }
            | Expr::Cast { ty, .. }
            | Expr::Case { ty, .. }
            | Expr::Array { ty, .. }
            | Expr::Scalar { ty, .. } => self.ty(ty),
            Expr::Aggregate(aggregate) => self.ty(&mut aggregate.ty),
            Expr::Literal { .. }
            | Expr::LiteralList { .. }
            | Expr::Session(_)
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull { .. }
            | Expr::IsBool { .. }
            | Expr::IsDistinct { .. }
            | Expr::InList { .. }
            | Expr::Exists { .. }
            | Expr::InSelect { .. }
            | Expr::Quantified { .. } => {}
        }
        expr.for_each_child_mut(&mut |child| self.expr(child));
    }
}

fn new_check_name(domain: &DomainType, constraint: &Constraint) -> Result<String, Fault> {
    let taken = |name: &str| domain.checks.iter().any(|check| check.name == name);
    if constraint.conname.is_empty() {
        let mut number = 0;
        let mut name = make_name(&domain.name, "", "check");
        while taken(&name) {
            number += 1;
            name = make_name(&domain.name, "", &format!("check{number}"));
        }
        return Ok(name);
    }
    let name = constraint.conname.as_str();
    if taken(name) {
        let message = format!("constraint \"{name}\" for domain \"{}\" already exists", domain.name);
        return Err(Fault::new("42710", message).name(name));
    }
    Ok(name.to_owned())
}

fn refuse_long_label(label: &str) -> Result<(), Fault> {
    if label.len() > 63 {
        return Err(Fault::new("42602", format!("invalid enum label \"{label}\""))
            .name(label)
            .help("Labels must be 63 bytes or less."));
    }
    Ok(())
}

pub(super) fn no_type(wanted: Qualified<'_>) -> Fault {
    Fault::new("42704", format!("type \"{}\" does not exist", show(wanted))).name(wanted.1)
}
