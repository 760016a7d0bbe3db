//! Faults that are told later than they are found. PostgreSQL reads all names of a statement before it rewrites it, writes
//! policies into it after that, then reads the caller's literals, and asks for rights only once it has a plan.

use std::cell::RefCell;

use crate::error::DatabaseError;

/// When PostgreSQL tells a fault; in the order of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// Columns and views that cannot be written.
    Rewriting,
    /// Policies that read each other in a circle.
    Securing,
    /// Literals that their types do not take.
    Binding,
    /// A key of `on_conflict` that is none.
    Planning,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Faults(RefCell<Vec<(Told, DatabaseError)>>);

impl Faults {
    pub(super) fn keep(&self, told: Told, fault: DatabaseError) {
        self.0.borrow_mut().push((told, fault));
    }

    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    /// The one that PostgreSQL tells.
    pub(super) fn first(&self) -> Option<DatabaseError> {
        let found = self.0.borrow();
        found.iter().min_by_key(|(told, _)| *told).map(|(_, fault)| fault.clone())
    }
}
