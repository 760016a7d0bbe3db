//! Faults that are told later than they are found. PostgreSQL reads all names of a statement before it rewrites it, writes
//! policies into it after that, then reads the caller's literals, and asks for rights only once it has a plan.

use std::cell::{Cell, RefCell};

use crate::error::DatabaseError;

/// When PostgreSQL tells a fault; in the order of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// Operators, functions and casts that there are none of for the types they are given, and what is not grouped by.
    Analysing,
    /// The same in what is asked of the rows of a write, which is read after the write itself.
    AnalysingAnswer,
    /// Columns and views that cannot be written.
    Rewriting,
    /// Policies that read each other in a circle.
    Securing,
    /// Literals that their types do not take.
    Binding,
    /// Texts that no search can be made of, which are read by functions of constants.
    Folding,
    /// A key of `on_conflict` that is none.
    Planning,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Faults {
    found: RefCell<Vec<(Told, DatabaseError)>>,
    /// Whether what is read now is asked of the rows of a write.
    pub(super) in_answer: Cell<bool>,
    /// Whether an engine that looks itself may find a type that does not fit.
    suspected: Cell<bool>,
}

impl Faults {
    pub(super) fn keep(&self, told: Told, fault: DatabaseError) {
        self.found.borrow_mut().push((told, fault));
    }

    /// Keeps what PostgreSQL finds when it looks up operators and functions.
    pub(super) fn keep_analysed(&self, fault: DatabaseError) {
        self.keep(if self.in_answer.get() { Told::AnalysingAnswer } else { Told::Analysing }, fault);
    }

    /// Leaves it to the engine to look: it may know more types.
    pub(super) fn suspect(&self) {
        self.suspected.set(true);
    }

    pub(super) fn has_suspicion(&self) -> bool {
        self.suspected.get()
    }

    pub(super) fn forget(&self) {
        self.found.borrow_mut().clear();
    }

    /// The one that PostgreSQL tells.
    pub(super) fn first(&self) -> Option<DatabaseError> {
        let found = self.found.borrow();
        found.iter().min_by_key(|(told, _)| *told).map(|(_, fault)| fault.clone())
    }
}
