//! Views that do not read with a superuser's rights: those of their caller, or of an owner of their own.
//! Such a view is read by its select, secured, as an engine that knows no roles would read all of its tables.

use std::collections::HashMap;

use super::Planner;
use super::authorize::Rights;
use crate::error::PlanError;
use crate::expr::Select;
use crate::schema::{Privilege, Relation, RelationId};

impl Planner<'_> {
    /// What `view` reads, secured; `None` for tables, and for views that may read everything.
    pub(super) fn view_rows(
        &self,
        view: &Relation,
        open: &mut Vec<RelationId>,
    ) -> Result<Option<Box<Select>>, PlanError> {
        let Some(definition) = view.definition.as_deref().filter(|_| !self.capabilities.enforces_access) else {
            return Ok(None);
        };
        if view.security_invoker {
            return self.secured_view(view, definition, open).map(Some);
        }
        if self.schema.roles.get(&view.owner).is_none_or(|owner| owner.superuser) {
            return Ok(None);
        }
        let owner = self.for_owner(&view.owner);
        let select = owner.secured_view(view, definition, open)?;
        owner.authorize()?;
        self.next_source.set(owner.next_source.get());
        Ok(Some(select))
    }

    /// A planner that reads with the rights of `owner`, and gives sources ids that this one has not given.
    pub(super) fn for_owner<'p>(&'p self, owner: &'p str) -> Planner<'p> {
        Planner {
            schema: self.schema,
            capabilities: self.capabilities,
            limits: self.limits,
            rights: Rights::of(self.schema, owner),
            needs: super::Needs::default(),
            literal_fault: std::cell::RefCell::default(),
            faults: super::Faults::default(),
            next_source: self.next_source.clone(),
            copied: self.copied.clone(),
        }
    }

    fn secured_view(
        &self,
        view: &Relation,
        definition: &Select,
        open: &mut Vec<RelationId>,
    ) -> Result<Box<Select>, PlanError> {
        let mut select = definition.clone();
        let mut renamed = HashMap::new();
        select.rename_sources(&mut |id| *renamed.entry(id).or_insert_with(|| self.new_source()));
        for (output, column) in select.outputs.iter_mut().zip(&view.columns) {
            output.name.clone_from(&column.name);
        }
        self.need_select(&select);
        self.secure_select(&mut select, open)?;
        Ok(Box::new(select))
    }

    /// The tables that a view's select names, and those that its expressions read.
    pub(super) fn need_select(&self, select: &Select) {
        let mut sources = Vec::new();
        select.for_each_caller_relation(&mut |source, relation| sources.push((source, relation)));
        for (source, relation) in sources {
            let mut columns = Vec::new();
            select.for_each_expr(&mut |expr| super::authorize::collect_columns(expr, source, &mut columns));
            self.needs.add(self.schema.relation(relation), Privilege::Select, columns);
        }
        select.for_each_expr(&mut |expr| self.need_sources(expr));
    }
}
