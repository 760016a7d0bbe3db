//! Read nodes as statements. SQLite reads embedded rows by statements of their own, once per parent row;
//! PostgreSQL gets one statement with sub-selects that make JSON.

use roadbed_plan::expr::{Expr, SourceId};
use roadbed_plan::plan::{EmbedNode, Link, Node, Output};
use roadbed_plan::schema::{ColumnId, Schema};
use roadbed_plan::value::Type;

use super::dialect::{Dialect, quote_identifier};
use super::render::{Mode, Param, Rendered, Renderer};

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
        parent: Vec<(ColumnId, usize)>,
    },
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
    renderer.node_condition(node.condition.as_ref(), " where ");
    renderer.finish()
}

impl Renderer<'_> {
    /// Appends the select that reads `node`. `from` is SQL text for where its rows come from, when that is not its
    /// relation: the name of a common table with the rows that a write returned, for instance.
    /// Gives back what the result's columns mean, and how many hidden ones end it.
    pub(crate) fn node(&mut self, node: &Node, from: Option<&str>) -> (Vec<RenderedOutput>, usize) {
        self.node_source(node);
        self.push("select ");
        let columns = match self.dialect {
            Dialect::Sqlite => self.sqlite_outputs(node),
            Dialect::Postgres => (self.postgres_outputs(node, OutputForm::Columns), 0),
        };
        self.push(" from ");
        self.node_from(node, from);
        self.node_condition(node.condition.as_ref(), " where ");
        self.node_page(node);
        columns
    }

    /// Declares the node's source, so that expressions over it can be written.
    pub(crate) fn node_source(&mut self, node: &Node) {
        self.set_source(node.source, node.relation, &self.alias_of(node.source));
    }

    /// The rows of `from`, taken as `node` says, each output in the form that it has in JSON.
    pub(super) fn json_node(&mut self, node: &Node, from: &str) {
        self.node_source(node);
        self.push("select ");
        self.postgres_outputs(node, OutputForm::Json);
        self.push(" from ");
        self.node_from(node, Some(from));
        self.node_condition(node.condition.as_ref(), " where ");
        self.node_page(node);
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

    fn sqlite_outputs(&mut self, node: &Node) -> (Vec<RenderedOutput>, usize) {
        let mut outputs = Vec::new();
        let mut index = 0;
        for output in &node.outputs {
            match output {
                Output::Value { name, expr } => {
                    self.push(if index > 0 { ", " } else { "" });
                    self.expression(expr);
                    outputs.push(RenderedOutput::Value { name: name.clone(), ty: expr.ty(), index });
                    index += 1;
                }
                Output::Embed(embed) => outputs.push(self.sqlite_embed(embed)),
            }
        }
        let visible = index;
        let mut linked: Vec<(ColumnId, usize)> = Vec::new();
        for output in &mut outputs {
            let RenderedOutput::Embed { parent, .. } = output else { continue };
            for (column, place) in parent {
                *place = match linked.iter().find(|(known, _)| known == column) {
                    Some((_, known)) => *known,
                    None => {
                        self.push(if index > 0 { ", " } else { "" });
                        self.column(node.source, *column);
                        linked.push((*column, index));
                        index += 1;
                        index - 1
                    }
                };
            }
        }
        if index == 0 {
            self.push("null");
            return (outputs, 1);
        }
        (outputs, index - visible)
    }

    fn sqlite_embed(&self, embed: &EmbedNode) -> RenderedOutput {
        let mut inner = Renderer::new(self.schema, Dialect::Sqlite, Mode::Statement);
        let node = &embed.node;
        inner.node_source(node);
        inner.push("select ");
        let (outputs, hidden) = inner.sqlite_outputs(node);
        inner.push(" from ");
        inner.node_from(node, None);
        let parents = inner.link(&embed.link, node.source, |renderer, column| renderer.param(Param::Parent(column)));
        inner.node_condition(node.condition.as_ref(), " and ");
        inner.node_page(node);
        if !embed.many && node.limit.is_none() {
            inner.push(" limit 1");
        }
        let Rendered { sql, params } = inner.finish();
        RenderedOutput::Embed {
            name: embed.name.clone(),
            many: embed.many,
            child: Box::new(RenderedNode { sql, params, outputs, hidden }),
            parent: parents.into_iter().map(|column| (column, 0)).collect(),
        }
    }

    /// Writes the join with a junction, if any, and the condition that ties rows to their parent, after a `from`.
    /// `parent` writes one of the parent's columns. Gives back which those are.
    fn link(&mut self, link: &Link, child: SourceId, parent: impl Fn(&mut Self, ColumnId)) -> Vec<ColumnId> {
        match link {
            Link::Direct(pairs) => {
                self.push(" where ");
                self.pairs(pairs, |renderer, (of_parent, of_child)| {
                    renderer.column(child, *of_child);
                    renderer.push(" = ");
                    parent(renderer, *of_parent);
                });
                pairs.iter().map(|(of_parent, _)| *of_parent).collect()
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
                self.pairs(to_parent, |renderer, (of_parent, of_junction)| {
                    renderer.column(*source, *of_junction);
                    renderer.push(" = ");
                    parent(renderer, *of_parent);
                });
                self.node_condition(condition.as_ref(), " and ");
                to_parent.iter().map(|(of_parent, _)| *of_parent).collect()
            }
        }
    }

    fn pairs(&mut self, pairs: &[(ColumnId, ColumnId)], mut write: impl FnMut(&mut Self, &(ColumnId, ColumnId))) {
        for (index, pair) in pairs.iter().enumerate() {
            self.push(if index > 0 { " and " } else { "" });
            write(self, pair);
        }
    }

    fn postgres_outputs(&mut self, node: &Node, form: OutputForm) -> Vec<RenderedOutput> {
        let mut outputs = Vec::new();
        for (index, output) in node.outputs.iter().enumerate() {
            self.push(if index > 0 { ", " } else { "" });
            let (name, rendered) = match output {
                Output::Value { name, expr } => (name, self.postgres_value_output(name, expr, index, form)),
                Output::Embed(embed) => {
                    self.postgres_embed(embed, node.source, form);
                    (&embed.name, RenderedOutput::Json { name: embed.name.clone(), index })
                }
            };
            self.push(&format!(" as {}", quote_identifier(name)));
            outputs.push(rendered);
        }
        outputs
    }

    fn postgres_value_output(&mut self, name: &str, expr: &Expr, index: usize, form: OutputForm) -> RenderedOutput {
        let ty = expr.ty();
        let only_json = matches!(form, OutputForm::Columns) && is_known_to_engine_only(&ty);
        if !only_json {
            self.expression(expr);
            return RenderedOutput::Value { name: name.to_owned(), ty, index };
        }
        self.push("to_json(");
        self.expression(expr);
        self.push(")::text");
        RenderedOutput::Json { name: name.to_owned(), index }
    }

    fn postgres_embed(&mut self, embed: &EmbedNode, parent: SourceId, form: OutputForm) {
        let node = &embed.node;
        let row = format!("r{}", node.source.0);
        let is_column = matches!(form, OutputForm::Columns);
        // `json_agg` would put line ends between the rows; `.*` keeps a column of the row's name from being meant.
        self.push(match (embed.many, is_column) {
            (true, true) => "(select '[' || coalesce(string_agg(",
            (true, false) => "(select ('[' || coalesce(string_agg(",
            (false, true | false) => "(select ",
        });
        self.push(&format!("row_to_json({row}.*)"));
        self.push(match (embed.many, is_column) {
            (true, true) => "::text, ','), '') || ']' from (",
            (true, false) => "::text, ','), '') || ']')::json from (",
            (false, true) => "::text from (",
            (false, false) => " from (",
        });
        self.node_source(node);
        self.push("select ");
        self.postgres_outputs(node, OutputForm::Json);
        self.push(" from ");
        self.node_from(node, None);
        self.link(&embed.link, node.source, |renderer, column| renderer.column(parent, column));
        self.node_condition(node.condition.as_ref(), " and ");
        self.node_page(node);
        self.push(&format!(") as {row}"));
        self.push(if embed.many { ")" } else { " limit 1)" });
    }
}

/// What a select's outputs become.
#[derive(Clone, Copy)]
enum OutputForm {
    /// Columns that the engine reads: JSON arrives as text.
    Columns,
    /// Keys of a JSON object that the database makes.
    Json,
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
