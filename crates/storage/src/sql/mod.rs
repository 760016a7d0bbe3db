//! Typed trees as SQL text with parameters, for the engines that speak SQL.
//! Knows the words of each database, and nothing of connections.

mod call;
mod dialect;
mod node;
mod postgres;
mod render;
mod search;
mod select;
mod sqlite;
#[cfg(test)]
mod tests;
mod type_code;

pub(crate) use call::{features, handled, render_call};
pub(crate) use dialect::{Dialect, quote_identifier, quote_text, table_name};
pub(crate) use node::{RenderedNode, RenderedOutput, render_count, render_node, render_rows};
pub(crate) use postgres::type_name;
pub(crate) use render::{Mode, Param, ParentColumn, Rendered, Renderer};
pub(crate) use search::{SearchIndex, WORDS, rowid_name, search_indexes};
pub(crate) use sqlite::collation;
pub(crate) use type_code::{read_signature, read_type};
