//! Who may do what: grants are checked, policies become conditions. The only place that reads either.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, FromItem, Select, Source, SourceId};
use crate::plan::{Node, Output, RowCheck, ShownColumns};
use crate::schema::{
    Column, ColumnId, DefaultValue, Grant, Grantee, Policy, PolicyCommand, Privilege, Relation, RelationId, Schema,
};

use super::Planner;
use super::faults::Told;
use super::resolve::Place;

/// What one role may do, by itself and through the roles whose rights it has.
pub(super) struct Rights<'a> {
    roles: Vec<&'a str>,
    pub(super) superuser: bool,
    bypasses_policies: bool,
}

impl<'a> Rights<'a> {
    /// The rights of who asks.
    ///
    /// # Errors
    /// When there is no such role, or it is one that no token may name: a superuser, or one of PostgreSQL's own,
    /// such as `pg_execute_server_program`. A server that logs in as a superuser could become any of them.
    pub(super) fn of_caller(schema: &'a Schema, role: &'a str) -> Result<Self, DatabaseError> {
        let Some(own) = schema.roles.get(role) else {
            return Err(DatabaseError::new("22023", format!("role \"{role}\" does not exist")));
        };
        if own.superuser || role.starts_with("pg_") {
            return Err(DatabaseError::new("42501", format!("permission denied to set role \"{role}\"")));
        }
        Ok(Self::of(schema, role))
    }

    pub(super) fn of(schema: &'a Schema, role: &'a str) -> Self {
        let own = schema.roles.get(role);
        let superuser = own.is_some_and(|role| role.superuser);
        let bypasses_policies = superuser || own.is_some_and(|role| role.bypass_row_security);
        Self { roles: schema.rights_of(role), superuser, bypasses_policies }
    }

    /// Whose rights these are.
    pub(super) fn role(&self) -> &'a str {
        self.roles.first().copied().unwrap_or_default()
    }

    /// The same, bound by no policy: only to tell what policies hide.
    pub(super) fn unbound(self) -> Self {
        Self { bypasses_policies: true, ..self }
    }

    /// Whether the relation exists as far as the caller is told: some right on it, or on a column of it.
    pub(super) fn may_see(&self, relation: &Relation) -> bool {
        self.owns(relation) || relation.grants.iter().any(|grant| self.holds(&grant.grantee))
    }

    pub(super) fn owns(&self, relation: &Relation) -> bool {
        self.superuser || self.roles.contains(&relation.owner.as_str())
    }

    pub(super) fn holds(&self, grantee: &Grantee) -> bool {
        match grantee {
            Grantee::Public => true,
            Grantee::Role(role) => self.roles.contains(&role.as_str()),
        }
    }

    fn has(&self, grants: &[Grant], privilege: Privilege) -> bool {
        let whole = |grant: &Grant| grant.privilege == privilege && grant.columns.is_none();
        self.superuser || grants.iter().any(|grant| whole(grant) && self.holds(&grant.grantee))
    }

    fn has_on_column(&self, grants: &[Grant], privilege: Privilege, column: Option<ColumnId>) -> bool {
        grants.iter().any(|grant| {
            let named = grant.columns.as_ref().is_some_and(|names| column.is_none_or(|column| names.contains(&column)));
            grant.privilege == privilege && named && self.holds(&grant.grantee)
        })
    }

    /// The right on an object that is no relation, as its owner or by a grant.
    pub(super) fn may_use(&self, owner: &str, grants: &[Grant], privilege: Privilege) -> bool {
        self.roles.contains(&owner) || self.has(grants, privilege)
    }

    /// PostgreSQL's rule: the right on the whole relation, or on each column that is used, or, when none is
    /// used, on any.
    pub(super) fn may(&self, relation: &Relation, privilege: Privilege, columns: &[ColumnId]) -> bool {
        if self.owns(relation) || self.has(&relation.grants, privilege) {
            return true;
        }
        let on = |column| self.has_on_column(&relation.grants, privilege, column);
        if columns.is_empty() { on(None) } else { columns.iter().all(|column| on(Some(*column))) }
    }

    /// The columns on which the role has `privilege`: `None` for none, `Some(None)` for all.
    pub(super) fn columns(&self, relation: &Relation, privilege: Privilege) -> Option<Option<Vec<String>>> {
        if self.owns(relation) || self.has(&relation.grants, privilege) {
            return Some(None);
        }
        let readable = |column: &&Column| self.has_on_column(&relation.grants, privilege, Some(column.id));
        let names: Vec<_> = relation.columns.iter().filter(readable).map(|column| column.name.clone()).collect();
        (!names.is_empty()).then_some(Some(names))
    }

    pub(super) fn bound_by_policies(&self, relation: &Relation) -> bool {
        let owner_is_free = self.owns(relation) && !relation.row_security.forced;
        relation.row_security.enabled && !self.bypasses_policies && !owner_is_free
    }
}

/// The rights that a plan needs, in the order in which PostgreSQL would ask for them.
#[derive(Default)]
pub(super) struct Needs {
    relations: RefCell<Vec<Need>>,
    /// Functions that it runs, by their places in the schema.
    functions: RefCell<Vec<usize>>,
    /// What was needed before it was forgotten.
    former: RefCell<Vec<Need>>,
}

struct Need {
    relation: RelationId,
    privilege: Privilege,
    columns: Vec<ColumnId>,
}

/// A need whose columns are told later.
#[derive(Clone, Copy)]
pub(super) struct NeedSlot(usize);

impl Needs {
    pub(super) fn add(&self, relation: &Relation, privilege: Privilege, columns: Vec<ColumnId>) -> NeedSlot {
        let mut needs = self.relations.borrow_mut();
        needs.push(Need { relation: relation.id, privilege, columns });
        NeedSlot(needs.len() - 1)
    }

    pub(super) fn add_function(&self, index: usize) {
        self.functions.borrow_mut().push(index);
    }

    /// Each with its columns, in their order, for people to read.
    pub(super) fn all(&self) -> Vec<(RelationId, Privilege, Vec<ColumnId>)> {
        let needs = self.relations.borrow();
        needs.iter().map(|need| (need.relation, need.privilege, need.columns.clone())).collect()
    }

    /// The functions, by their places in the schema.
    pub(super) fn functions(&self) -> Vec<usize> {
        self.functions.borrow().clone()
    }

    /// As [`Self::all`], with what was forgotten.
    pub(super) fn ever(&self) -> Vec<(RelationId, Privilege, Vec<ColumnId>)> {
        let former = self.former.borrow();
        let former = former.iter().map(|need| (need.relation, need.privilege, need.columns.clone()));
        former.chain(self.all()).collect()
    }

    pub(super) fn forget(&self) {
        self.former.borrow_mut().append(&mut self.relations.borrow_mut());
        self.functions.borrow_mut().clear();
    }

    pub(super) fn extend(&self, slot: NeedSlot, more: impl IntoIterator<Item = ColumnId>) {
        self.relations.borrow_mut()[slot.0].columns.extend(more);
    }
}

impl<'a> Planner<'a> {
    /// Refuses the plan when a fault was kept, or the caller lacks a right that it needs. Every plan passes here before
    /// it exists.
    pub(super) fn authorize(&self) -> Result<(), PlanError> {
        if let Some(fault) = self.literal_fault.take() {
            self.faults.keep(Told::Binding, fault);
        }
        if let Some(fault) = self.faults.first() {
            return Err(fault.into());
        }
        if self.capabilities.enforces_access {
            return Ok(());
        }
        for need in self.needs.relations.borrow().iter() {
            let relation = self.schema.relation(need.relation);
            self.authorize_schema(&relation.schema)?;
            if !self.rights.may(relation, need.privilege, &need.columns) {
                let kind = if relation.is_view() { "view" } else { "table" };
                return Err(denied(kind, &relation.name));
            }
        }
        for index in self.needs.functions.borrow().iter() {
            self.authorize_function(&self.schema.functions[*index])?;
        }
        Ok(())
    }

    pub(super) fn authorize_schema(&self, name: &str) -> Result<(), PlanError> {
        let grants = self.schema.namespaces.get(name).map_or(&[][..], |namespace| &namespace.grants);
        if self.rights.has(grants, Privilege::Usage) { Ok(()) } else { Err(denied("schema", name)) }
    }

    /// The sequences behind serial columns that an insert leaves to their default.
    pub(super) fn authorize_sequences(&self, relation: &Relation, given: &[ColumnId]) -> Result<(), PlanError> {
        if self.capabilities.enforces_access || self.rights.owns(relation) {
            return Ok(());
        }
        for column in relation.columns.iter().filter(|column| !given.contains(&column.id)) {
            let Some(DefaultValue::Sequence { sequence }) = &column.default else { continue };
            let grants = self.schema.sequences.get(sequence).map_or(&[][..], |found| &found.grants);
            if !self.rights.has(grants, Privilege::Usage) && !self.rights.has(grants, Privilege::Update) {
                return Err(denied("sequence", &sequence.1));
            }
        }
        Ok(())
    }

    /// The columns of its own relation that a node reads: outputs, order, filters and what embeds hang on.
    pub(super) fn columns_read(&self, place: Place<'_>, node: &Node, conditions: &[Expr]) -> Vec<ColumnId> {
        let mut columns = Vec::new();
        let mut collect = |expr: &Expr| collect_columns(expr, place.source, &mut columns);
        conditions.iter().for_each(&mut collect);
        node.order.iter().for_each(|order| collect(&order.expr));
        for output in &node.outputs {
            if let Output::Value { expr, .. } = output {
                collect(expr);
            }
        }
        for embed in node.embeds().filter(|embed| embed.parent == place.source) {
            columns.extend(embed.parent_columns());
        }
        columns
    }

    /// Which columns of a row the caller may see in an error about it.
    pub(super) fn shown_columns(&self, relation: &Relation) -> ShownColumns {
        if self.rights.bound_by_policies(relation) {
            return ShownColumns::None;
        }
        // A right on each of the columns is none on the table: PostgreSQL then says which columns it shows.
        if self.rights.owns(relation) || self.rights.has(&relation.grants, Privilege::Select) {
            return ShownColumns::All;
        }
        let readable = |id| self.rights.has_on_column(&relation.grants, Privilege::Select, Some(id));
        ShownColumns::These(relation.columns.iter().map(|column| column.id).filter(|id| readable(*id)).collect())
    }

    /// The conditions under which the caller sees rows of `place`.
    pub(super) fn read_policies(&self, place: Place<'_>) -> Result<Vec<Expr>, PlanError> {
        self.using(place, PolicyCommand::Select, &mut Vec::new())
    }

    /// The conditions that `using` puts on existing rows, for one command.
    pub(super) fn using(
        &self,
        place: Place<'_>,
        command: PolicyCommand,
        open: &mut Vec<RelationId>,
    ) -> Result<Vec<Expr>, PlanError> {
        let Some(policies) = self.policies(place.relation, command) else { return Ok(Vec::new()) };
        // Without a permissive one no row is seen, and PostgreSQL does not look at the restrictive ones.
        if !policies.iter().any(|policy| policy.permissive && policy.using.is_some()) {
            return Ok(vec![Expr::boolean(false)]);
        }
        // PostgreSQL asks before it folds, and whether `using` or `with check` has a select is one to it.
        let has_selects = policies.iter().filter(|policy| policy.using.is_some()).any(|policy| {
            policy.using.as_ref().is_some_and(has_select) || policy.with_check.as_ref().is_some_and(has_select)
        });
        // A permissive policy without `using` lets nothing through; a restrictive one holds nothing back.
        let (permissive, restrictive): (Vec<_>, Vec<_>) = policies.into_iter().partition(|policy| policy.permissive);
        let mut conditions = vec![Expr::any(permissive.into_iter().filter_map(|policy| policy.using).collect())];
        conditions.extend(restrictive.into_iter().filter_map(|policy| policy.using));
        let condition = Expr::And(conditions).folded();
        if condition.is_true() {
            return Ok(Vec::new());
        }
        if !has_selects {
            return Ok(vec![self.instance(condition, place.source, open)?]);
        }
        if !self.enter(place.relation, open) {
            return Ok(vec![Expr::boolean(false)]);
        }
        let condition = self.instance(condition, place.source, open);
        open.pop();
        Ok(vec![condition?])
    }

    /// What new rows must satisfy, for one command: first any permissive policy, then each restrictive one.
    /// `by_using` tests the row with what existing rows are tested with.
    pub(super) fn row_checks(
        &self,
        relation: &Relation,
        command: PolicyCommand,
        by_using: bool,
    ) -> Result<Vec<RowCheck>, PlanError> {
        let Some(policies) = self.policies(relation, command) else { return Ok(Vec::new()) };
        let tested = |policy: &Policy| match &policy.with_check {
            Some(check) if !by_using => Some(check.clone()),
            Some(_) | None => policy.using.clone(),
        };
        let (permissive, mut restrictive): (Vec<_>, Vec<_>) = policies.iter().partition(|policy| policy.permissive);
        restrictive.sort_by(|a, b| a.name.cmp(&b.name));
        let permissive: Vec<Expr> = permissive.into_iter().filter_map(tested).collect();
        if permissive.is_empty() {
            return Ok(vec![RowCheck { condition: Expr::boolean(false), policy: None }]);
        }
        let mut checks = vec![(Expr::any(permissive), None)];
        checks.extend(restrictive.into_iter().filter_map(|policy| Some((tested(policy)?, Some(policy.name.clone())))));
        let mut open = vec![relation.id];
        let checks = checks.into_iter().map(|(condition, policy)| (condition.folded(), policy));
        let mut check = |(condition, policy)| {
            Ok(RowCheck { condition: self.instance(condition, SourceId::ROW, &mut open)?, policy })
        };
        checks.filter(|(condition, _)| !condition.is_true()).map(&mut check).collect()
    }

    /// The policies of `relation` that bind the caller for `command`; `None` when none could.
    fn policies(&self, relation: &'_ Relation, command: PolicyCommand) -> Option<Vec<Policy>> {
        if self.capabilities.enforces_access || !self.rights.bound_by_policies(relation) {
            return None;
        }
        let applies = |policy: &&Policy| {
            (policy.command == command || policy.command == PolicyCommand::All)
                && policy.roles.iter().any(|role| self.rights.holds(role))
        };
        Some(relation.policies.iter().filter(applies).cloned().collect())
    }

    /// Whether policies of `relation` that have selects of their own may be written into the plan: not below themselves.
    fn enter(&self, relation: &Relation, open: &mut Vec<RelationId>) -> bool {
        if open.contains(&relation.id) {
            let message = format!("infinite recursion detected in policy for relation \"{}\"", relation.name);
            self.faults.keep(Told::Securing, DatabaseError::new("42P17", message));
            return false;
        }
        open.push(relation.id);
        true
    }

    /// A stored expression as part of this plan: its row is `row`, its other sources are new, and what it
    /// reads elsewhere is itself authorized.
    pub(super) fn instance(&self, stored: Expr, row: SourceId, open: &mut Vec<RelationId>) -> Result<Expr, PlanError> {
        let mut expr = stored;
        let mut renamed = HashMap::from([(SourceId::ROW, row)]);
        expr.rename_sources(&mut |id| *renamed.entry(id).or_insert_with(|| self.new_source()));
        self.need_sources(&expr);
        self.secure_expr(&mut expr, open)?;
        Ok(expr)
    }

    /// What a stored expression reads elsewhere, it reads with the caller's rights.
    pub(super) fn need_sources(&self, expr: &Expr) {
        let mut sources = Vec::new();
        expr.walk(&mut |part| match part {
            Expr::Exists { select, .. } | Expr::Scalar { select, .. } | Expr::InSelect { select, .. } => {
                select.for_each_caller_relation(&mut |source, relation| sources.push((source, relation)));
            }
            _ => {}
        });
        for (source, relation) in sources {
            let mut columns = Vec::new();
            collect_columns(expr, source, &mut columns);
            self.needs.add(self.schema.relation(relation), Privilege::Select, columns);
        }
    }

    /// Puts the caller's policies around what an expression reads. Its needs were told before.
    pub(super) fn secure_stored(&self, expr: &mut Expr) -> Result<(), PlanError> {
        self.secure_expr(expr, &mut Vec::new())
    }

    fn secure_expr(&self, expr: &mut Expr, open: &mut Vec<RelationId>) -> Result<(), PlanError> {
        match expr {
            Expr::Exists { select, .. } | Expr::Scalar { select, .. } => return self.secure_select(select, open),
            Expr::InSelect { select, .. } => self.secure_select(select, open)?,
            _ => {}
        }
        let mut outcome = Ok(());
        if let Expr::InSelect { expr: left, .. } = expr {
            return self.secure_expr(left, open);
        }
        expr.for_each_child_mut(&mut |child| {
            if outcome.is_ok() {
                outcome = self.secure_expr(child, open);
            }
        });
        outcome
    }

    pub(super) fn secure_select(&self, select: &mut Select, open: &mut Vec<RelationId>) -> Result<(), PlanError> {
        for common in &mut select.with {
            self.secure_select(&mut common.select, open)?;
        }
        for item in &mut select.from {
            self.secure_from(item, open)?;
        }
        for (_, combined) in &mut select.combined {
            self.secure_select(combined, open)?;
        }
        let mut outcome = Ok(());
        select.for_each_own_expr_mut(&mut |expr| {
            if outcome.is_ok() {
                outcome = self.secure_expr(expr, open);
            }
        });
        outcome
    }

    fn secure_from(&self, item: &mut FromItem, open: &mut Vec<RelationId>) -> Result<(), PlanError> {
        match item {
            FromItem::Join { left, right, .. } => {
                self.secure_from(left, open)?;
                self.secure_from(right, open)
            }
            FromItem::Source { source: Source::Select(select), .. } => self.secure_select(select, open),
            FromItem::Source { id, source } => {
                // What else there is: common tables, secured where they are declared, and relations read as their owner.
                let Source::Relation(relation) = *source else { return Ok(()) };
                let place = Place { relation: self.schema.relation(relation), source: *id };
                if let Some(select) = self.view_rows(place.relation, open)? {
                    *source = Source::View { relation, select };
                    return Ok(());
                }
                if let Some(condition) = Expr::all(self.using(place, PolicyCommand::Select, open)?) {
                    *source = Source::Filtered { relation, condition: Box::new(condition) };
                }
                Ok(())
            }
        }
    }
}

/// Whether a stored expression has a select of its own; one inside a `security definer` function, which reads as the
/// function's owner, is not the expression's.
fn has_select(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |part| match part {
        Expr::Exists { select, .. } | Expr::Scalar { select, .. } | Expr::InSelect { select, .. } => {
            found |= !select.reads_as_owner();
        }
        _ => {}
    });
    found
}

/// Adds the columns of `source` that `expr` names.
pub(super) fn collect_columns(expr: &Expr, source: SourceId, columns: &mut Vec<ColumnId>) {
    if let Expr::Column { source: of, column, .. } = expr
        && *of == source
    {
        columns.push(*column);
    }
    expr.for_each_child(&mut |child| collect_columns(child, source, columns));
}

fn denied(kind: &str, name: &str) -> PlanError {
    DatabaseError::new("42501", format!("permission denied for {kind} {name}")).into()
}
