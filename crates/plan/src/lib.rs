//! What to do: the schema, the query, the planner, the plan, and the engine trait.
//! Everything between a dialect and an engine; knows no database, driver or HTTP.

pub mod clock;
pub mod database;
pub mod engine;
pub mod error;
pub mod expr;
pub mod health;
pub mod nested;
pub mod observe;
pub mod plan;
pub mod planner;
pub mod procedure;
pub mod query;
pub mod schema;
pub mod session;
mod shape;
pub mod terms;
pub mod transaction;
pub mod value;

pub use clock::Clock;
pub use database::{Database, RunError};
pub use engine::{Capabilities, Engine, EngineError, Outcome};
pub use error::{DatabaseError, PlanError};
pub use expr::Expr;
pub use observe::{Observed, Stage};
pub use plan::Plan;
pub use query::Query;
pub use schema::Schema;
pub use session::Session;
pub use terms::Terms;
pub use value::{Type, Value};
