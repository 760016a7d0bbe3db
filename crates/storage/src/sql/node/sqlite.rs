//! On SQLite embedded rows come from statements of their own, bound anew for each parent row. Where rows are grouped,
//! the JSON of an embed is one of the values that they are grouped by, so there it is made within the statement.

use roadbed_plan::expr::Expr;
use roadbed_plan::plan::{EmbedNode, Node, Output};
use roadbed_plan::value::write_json_string;

use super::super::dialect::{Dialect, quote_text};
use super::super::render::{Mode, Param, ParentColumn, Rendered, Renderer};
use super::{Columns, RenderedNode, RenderedOutput};

impl Renderer<'_> {
    pub(super) fn sqlite_outputs(&mut self, node: &Node) -> Columns {
        let mut columns = Columns::default();
        let mut index = 0;
        for output in &node.outputs {
            match output {
                Output::Value { name, expr } => {
                    self.push(if index > 0 { ", " } else { "" });
                    self.expression(expr);
                    columns.outputs.push(RenderedOutput::Value { name: name.clone(), ty: expr.ty(), index });
                    index += 1;
                    if node.grouped && !expr.holds_aggregate() {
                        let group = self.aside(|renderer| renderer.term(expr));
                        columns.groups.push(group);
                    }
                }
                Output::Embed(_) | Output::Spread(_) if node.grouped => {
                    for (name, text) in self.sqlite_json(output) {
                        self.push(if index > 0 { ", " } else { "" });
                        self.push(&text);
                        columns.outputs.push(RenderedOutput::Json { name, index });
                        columns.groups.push(text);
                        index += 1;
                    }
                }
                Output::Embed(embed) => columns.outputs.push(self.sqlite_embed(embed)),
                Output::Spread(embed) => columns.outputs.push(self.sqlite_spread(embed)),
            }
        }
        columns.hidden = self.sqlite_links(&mut columns.outputs, index);
        columns
    }

    /// Adds the columns that the statements of embeds ask for, each once. Gives back how many.
    fn sqlite_links(&mut self, outputs: &mut [RenderedOutput], visible: usize) -> usize {
        let mut index = visible;
        let mut linked: Vec<(ParentColumn, usize)> = Vec::new();
        for output in outputs {
            let (RenderedOutput::Embed { parent, .. } | RenderedOutput::Spread { parent, .. }) = output else {
                continue;
            };
            for (column, place) in parent {
                *place = match linked.iter().find(|(known, _)| known == column) {
                    Some((_, known)) => *known,
                    None => {
                        self.push(if index > 0 { ", " } else { "" });
                        self.column(column.0, column.1);
                        linked.push((*column, index));
                        index += 1;
                        index - 1
                    }
                };
            }
        }
        if index == 0 {
            self.push("null");
            return 1;
        }
        index - visible
    }

    fn sqlite_embed(&self, embed: &EmbedNode) -> RenderedOutput {
        let (child, parent) = self.sqlite_child(embed);
        let EmbedNode { name, many, optional, .. } = embed;
        RenderedOutput::Embed { name: name.clone(), many: *many, child, parent, optional: *optional }
    }

    fn sqlite_spread(&self, embed: &EmbedNode) -> RenderedOutput {
        let (child, parent) = self.sqlite_child(embed);
        let names = embed.node.keys().into_iter().map(str::to_owned).collect();
        RenderedOutput::Spread { names, child, parent, optional: embed.optional }
    }

    /// The statement for the rows of an embed, and the parent's columns that it is bound to.
    fn sqlite_child(&self, embed: &EmbedNode) -> (Box<RenderedNode>, Vec<(ParentColumn, usize)>) {
        let mut inner = Renderer::new(self.schema, Dialect::Sqlite, Mode::Statement);
        let node = &embed.node;
        inner.parent = Some(embed.parent);
        inner.asks_indexes = false;
        inner.node_source(node);
        inner.push("select ");
        let Columns { outputs, hidden, groups } = inner.sqlite_outputs(node);
        inner.push(" from ");
        inner.node_from(node, None);
        inner.node_joins(node);
        let mut parents = inner.link(embed, |renderer, column| renderer.param(Param::Parent(column)));
        inner.node_condition(node.condition.as_ref(), " and ");
        inner.node_groups(node, &groups);
        inner.node_page(node);
        if !embed.many && node.limit.is_none() {
            inner.push(" limit 1");
        }
        let Rendered { sql, params } = inner.finish();
        for param in &params {
            if let Param::Parent(column) = param
                && !parents.contains(column)
            {
                parents.push(*column);
            }
        }
        let child = Box::new(RenderedNode { sql, params, outputs, hidden });
        (child, parents.into_iter().map(|column| (column, 0)).collect())
    }
}

/// JSON made within a statement.
impl Renderer<'_> {
    /// The keys of an output, each with the text of an expression for its JSON.
    fn sqlite_json(&mut self, output: &Output) -> Vec<(String, String)> {
        match output {
            Output::Value { name, expr } => {
                vec![(name.clone(), self.aside(|renderer| renderer.typed_call("to_json", std::slice::from_ref(expr))))]
            }
            Output::Embed(embed) => {
                let text = self.aside(|renderer| {
                    renderer.sqlite_rows(embed, embed.many, |renderer| renderer.sqlite_object(&embed.node));
                });
                vec![(embed.name.clone(), text)]
            }
            Output::Spread(embed) => {
                let mut keys = Vec::new();
                for (position, name) in embed.node.keys().into_iter().enumerate() {
                    let text = self.aside(|renderer| {
                        renderer.sqlite_rows(embed, true, |renderer| renderer.sqlite_key(&embed.node, position));
                    });
                    keys.push((name.to_owned(), text));
                }
                keys
            }
        }
    }

    /// What `write` makes of each row of an embed, as an array or as the one value.
    fn sqlite_rows(&mut self, embed: &EmbedNode, many: bool, write: impl FnOnce(&mut Self) -> Vec<String>) {
        let node = &embed.node;
        self.node_source(node);
        if many && embed.optional {
            self.push("case when ");
            embed.parent_columns().take(1).for_each(|column| self.column(embed.parent, column));
            self.push(" is not null then ");
        }
        self.push(if many {
            "(select '[' || coalesce(group_concat(j, ','), '') || ']' from (select "
        } else {
            "(select "
        });
        let groups = write(self);
        self.push(" as j from ");
        self.node_from(node, None);
        self.node_joins(node);
        self.link(embed, |renderer, (source, column)| renderer.column(source, column));
        self.node_condition(node.condition.as_ref(), " and ");
        self.node_groups(node, &groups);
        self.node_page(node);
        self.push(match (many, node.limit) {
            (true, _) => "))",
            (false, None) => " limit 1)",
            (false, Some(_)) => ")",
        });
        self.push(if many && embed.optional { " end" } else { "" });
    }

    /// Writes a row's object. Gives back what the rows are grouped by.
    fn sqlite_object(&mut self, node: &Node) -> Vec<String> {
        let mut groups = Vec::new();
        self.push("('{'");
        let mut first = true;
        for output in &node.outputs {
            groups.extend(self.sqlite_group(output));
            let is_embed = matches!(output, Output::Embed(_) | Output::Spread(_));
            for (name, text) in self.sqlite_json(output) {
                if is_embed {
                    groups.push(text.clone());
                }
                let mut key = Vec::new();
                write_json_string(&mut key, &name);
                let key = format!("{}{}:", if first { "" } else { "," }, String::from_utf8_lossy(&key));
                self.push(&format!(" || {} || coalesce({text}, 'null')", quote_text(&key)));
                first = false;
            }
        }
        self.push(" || '}')");
        groups
    }

    /// Writes the value of the key at `position`, which is never of a grouped node.
    fn sqlite_key(&mut self, node: &Node, position: usize) -> Vec<String> {
        let keys = node.outputs.iter().flat_map(|output| self.sqlite_json(output)).collect::<Vec<_>>();
        let text = keys.get(position).map_or("null", |(_, text)| text.as_str());
        self.push(&format!("coalesce({text}, 'null')"));
        Vec::new()
    }

    fn sqlite_group(&mut self, output: &Output) -> Option<String> {
        let Output::Value { expr, .. } = output else { return None };
        let is_group = |expr: &Expr| !expr.holds_aggregate();
        is_group(expr).then(|| self.aside(|renderer| renderer.term(expr)))
    }
}
