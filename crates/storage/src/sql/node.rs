//! Read nodes as statements. SQLite reads embedded rows by statements of their own, once per parent row;
//! PostgreSQL gets one statement with sub-selects that make JSON.

mod postgres;
mod sqlite;

use roadbed_plan::expr::Expr;
use roadbed_plan::plan::{EmbedNode, Link, Node};
use roadbed_plan::schema::{ColumnId, Schema};
use roadbed_plan::value::Type;

use super::dialect::Dialect;
use super::render::{Mode, Param, ParentColumn, Rendered, Renderer};
use postgres::OutputForm;

/// A statement that reads the rows of a node, and what its result columns mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RenderedNode {
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
    pub(crate) outputs: Vec<RenderedOutput>,
    /// How many columns at the end of the result are no outputs.
    pub(crate) hidden: usize,
}

/// One key of each row's object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RenderedOutput {
    Value {
        name: String,
        ty: Type,
        index: usize,
    },
    /// JSON text that goes into the answer as it is; null is `null`.
    Json {
        name: String,
        index: usize,
    },
    /// Rows of a further statement.
    Embed {
        name: String,
        many: bool,
        child: Box<RenderedNode>,
        /// The parent's columns that `child` asks for, and where they stand in the parent's result.
        parent: Vec<(ParentColumn, usize)>,
        /// Without the parent's row, there is null in the place of an empty array.
        optional: bool,
    },
    /// As many keys as `child` has outputs, each with an array of one value per row of it.
    Spread {
        names: Vec<String>,
        child: Box<RenderedNode>,
        parent: Vec<(ParentColumn, usize)>,
        optional: bool,
    },
}

impl RenderedOutput {
    /// The keys that it makes in each row's object.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Value { name, .. } | Self::Json { name, .. } | Self::Embed { name, .. } => vec![name],
            Self::Spread { names, .. } => names.iter().map(String::as_str).collect(),
        }
    }
}

/// What a select list consists of.
#[derive(Default)]
struct Columns {
    outputs: Vec<RenderedOutput>,
    hidden: usize,
    /// Of a grouped node: the terms that rows are grouped by.
    groups: Vec<String>,
}

/// The statement that reads `node`.
pub(crate) fn render_node(schema: &Schema, node: &Node, dialect: Dialect) -> RenderedNode {
    let mut renderer = Renderer::new(schema, dialect, Mode::Statement);
    let (outputs, hidden) = renderer.node(node, None);
    let Rendered { sql, params } = renderer.finish();
    RenderedNode { sql, params, outputs, hidden }
}

/// The statement that counts all rows of `node`, whatever its limit.
pub(crate) fn render_count(schema: &Schema, node: &Node, dialect: Dialect) -> Rendered {
    let mut renderer = Renderer::new(schema, dialect, Mode::Statement);
    renderer.node_source(node);
    renderer.push("select count(*) from ");
    renderer.node_from(node, None);
    renderer.node_filter(node);
    renderer.finish()
}

/// The statement that reads the rows of `node` as `outputs` writes them; it is told the number of a parameter more.
#[cfg(feature = "postgres")]
pub(crate) fn render_rows(
    schema: &Schema,
    node: &Node,
    dialect: Dialect,
    outputs: impl FnOnce(usize) -> String,
) -> Rendered {
    let mut renderer = Renderer::new(schema, dialect, Mode::Statement);
    renderer.node_source(node);
    let start = renderer.sql.len();
    renderer.push(" from ");
    renderer.node_from(node, None);
    renderer.node_condition(node.condition.as_ref(), " where ");
    renderer.node_page(node);
    let outputs = format!("select {}", outputs(renderer.params.len() + 1));
    renderer.sql.insert_str(start, &outputs);
    renderer.finish()
}

impl Renderer<'_> {
    /// Appends the select that reads `node`. `from` is SQL text for where its rows come from, when that is not its
    /// relation: the name of a common table with the rows that a write returned, for instance.
    /// Gives back what the result's columns mean, and how many hidden ones end it.
    pub(crate) fn node(&mut self, node: &Node, from: Option<&str>) -> (Vec<RenderedOutput>, usize) {
        self.node_source(node);
        if from.is_some() {
            self.without_rowid(node.source);
        }
        self.push("select ");
        let columns = match self.dialect {
            Dialect::Sqlite => self.sqlite_outputs(node),
            Dialect::Postgres => self.postgres_outputs(node, OutputForm::Columns),
        };
        self.push(" from ");
        self.node_from(node, from);
        self.node_joins(node);
        self.node_filter(node);
        self.node_groups(node, &columns.groups);
        self.node_page(node);
        (columns.outputs, columns.hidden)
    }

    /// As [`Self::node`], for PostgreSQL: gives `what` of each row, which goes by the name `row`. With the keys.
    pub(crate) fn node_as(&mut self, node: &Node, from: Option<&str>, what: &str) -> Vec<String> {
        self.push(&format!("select {what} from ("));
        self.node_source(node);
        self.push("select ");
        let columns = self.postgres_outputs(node, OutputForm::Json);
        self.push(" from ");
        self.node_from(node, from);
        self.node_joins(node);
        self.node_condition(node.condition.as_ref(), " where ");
        self.node_groups(node, &columns.groups);
        self.node_page(node);
        self.push(") as \"row\"");
        columns.outputs.iter().flat_map(RenderedOutput::names).map(str::to_owned).collect()
    }

    /// Declares the node's source, so that expressions over it can be written.
    pub(crate) fn node_source(&mut self, node: &Node) {
        self.set_source(node.source, node.relation, &self.alias_of(node.source));
        if node.view.is_some() {
            self.without_rowid(node.source);
        }
        for join in &node.joins {
            self.node_source(&join.node);
        }
    }

    /// The rows that are joined to the node's own, each or nothing.
    fn node_joins(&mut self, node: &Node) {
        for join in &node.joins {
            // A row that there is one of at most is never found through a junction.
            let (Link::Direct(pairs) | Link::Junction { child: pairs, .. }) = &join.link;
            self.push(if pairs.is_empty() { " left join lateral " } else { " left join " });
            self.node_from(&join.node, None);
            self.push(" on ");
            self.pairs(pairs, |renderer, (of_parent, of_child)| {
                renderer.column(join.node.source, *of_child);
                renderer.push(" = ");
                renderer.column(join.parent, *of_parent);
            });
            self.node_condition(join.node.condition.as_ref(), " and ");
        }
        if self.dialect == Dialect::Postgres {
            self.postgres_spreads(node);
        }
    }

    fn node_groups(&mut self, node: &Node, groups: &[String]) {
        if node.grouped && !groups.is_empty() {
            self.push(" group by ");
            self.push(&groups.join(", "));
        }
    }

    /// The rows of `from`, taken as `node` says, each output in the form that it has in JSON. Gives back their names.
    pub(super) fn json_node(&mut self, node: &Node, from: &str) -> Vec<String> {
        self.node_source(node);
        self.push("select ");
        let columns = self.postgres_outputs(node, OutputForm::Json);
        self.push(" from ");
        self.node_from(node, Some(from));
        self.node_joins(node);
        self.node_condition(node.condition.as_ref(), " where ");
        self.node_groups(node, &columns.groups);
        self.node_page(node);
        columns.outputs.iter().flat_map(RenderedOutput::names).map(str::to_owned).collect()
    }

    pub(super) fn node_from(&mut self, node: &Node, from: Option<&str>) {
        match (&node.view, from) {
            (Some(view), None) => {
                self.push("(");
                self.select(view);
                self.push(")");
            }
            (_, Some(from)) => self.push(from),
            (None, None) => {
                let table = self.relation_name(node.relation);
                self.push(&table);
            }
        }
        self.push(&format!(" as {}", self.alias_of(node.source)));
    }

    /// The node's own condition, which decides on its rows.
    fn node_filter(&mut self, node: &Node) {
        if let Some(condition) = &node.condition {
            self.push(" where ");
            self.filter(condition);
        }
    }

    pub(super) fn node_condition(&mut self, condition: Option<&Expr>, word: &str) {
        if let Some(condition) = condition {
            self.push(word);
            self.expression(condition);
        }
    }

    fn node_page(&mut self, node: &Node) {
        self.order_by(&node.order);
        match (node.limit, self.dialect) {
            (Some(limit), Dialect::Sqlite | Dialect::Postgres) => {
                self.push(" limit ");
                self.param(Param::Limit(i64::try_from(limit).unwrap_or(i64::MAX)));
            }
            (None, Dialect::Sqlite) if node.offset > 0 => self.push(" limit -1"),
            (None, Dialect::Sqlite | Dialect::Postgres) => {}
        }
        if node.offset > 0 {
            self.push(" offset ");
            self.param(Param::Limit(i64::try_from(node.offset).unwrap_or(i64::MAX)));
        }
    }

    /// Writes the join with a junction, if any, and the condition that ties rows to their parent, after a `from`.
    /// `parent` writes one of the parent's columns. Gives back which those are.
    fn link(&mut self, embed: &EmbedNode, parent: impl Fn(&mut Self, ParentColumn)) -> Vec<ParentColumn> {
        let child = embed.node.source;
        let of_parent = |column: &ColumnId| (embed.parent, *column);
        match &embed.link {
            Link::Direct(pairs) => {
                self.push(" where ");
                self.pairs(pairs, |renderer, (column, of_child)| {
                    renderer.column(child, *of_child);
                    renderer.push(" = ");
                    parent(renderer, of_parent(column));
                });
                pairs.iter().map(|(column, _)| of_parent(column)).collect()
            }
            Link::Junction { source, relation, condition, parent: to_parent, child: to_child } => {
                self.set_source(*source, *relation, &self.alias_of(*source));
                let name = self.relation_name(*relation);
                self.push(&format!(" join {name} as {} on ", self.alias_of(*source)));
                self.pairs(to_child, |renderer, (of_junction, of_child)| {
                    renderer.column(*source, *of_junction);
                    renderer.push(" = ");
                    renderer.column(child, *of_child);
                });
                self.push(" where ");
                self.pairs(to_parent, |renderer, (column, of_junction)| {
                    renderer.column(*source, *of_junction);
                    renderer.push(" = ");
                    parent(renderer, of_parent(column));
                });
                self.node_condition(condition.as_ref(), " and ");
                to_parent.iter().map(|(column, _)| of_parent(column)).collect()
            }
        }
    }

    fn pairs(&mut self, pairs: &[(ColumnId, ColumnId)], mut write: impl FnMut(&mut Self, &(ColumnId, ColumnId))) {
        // What a function gives for a row needs no other tie to it.
        self.push(if pairs.is_empty() { "true" } else { "" });
        for (index, pair) in pairs.iter().enumerate() {
            self.push(if index > 0 { " and " } else { "" });
            write(self, pair);
        }
    }
}

fn is_known_to_engine_only(ty: &Type) -> bool {
    match ty {
        Type::Other(_) | Type::Unknown => true,
        Type::Domain(domain) => is_known_to_engine_only(&domain.base),
        Type::Array(item) => is_known_to_engine_only(item),
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Numeric(_)
        | Type::Text
        | Type::Varchar(_)
        | Type::Char(_)
        | Type::Uuid
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Interval
        | Type::Json
        | Type::Jsonb
        | Type::Bytea
        | Type::Enum(_) => false,
    }
}
