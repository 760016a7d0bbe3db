//! On PostgreSQL one statement reads a node with all that hangs on it: sub-selects make the JSON of embeds.

use roadbed_plan::expr::Expr;
use roadbed_plan::plan::{EmbedNode, Node, Output};

use super::super::dialect::quote_identifier;
use super::super::render::Renderer;
use super::{Columns, RenderedOutput, is_known_to_engine_only};

/// What a select's outputs become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputForm {
    /// Columns that the engine reads: JSON arrives as text.
    Columns,
    /// Keys of a JSON object that the database makes.
    Json,
    /// Columns of a derived table, called `c0`, `c1`, …
    Numbered,
}

/// An output's text, and what it is grouped by unless it is an aggregate.
struct Term {
    text: String,
    group: Option<String>,
    is_json: bool,
}

impl Renderer<'_> {
    pub(super) fn postgres_outputs(&mut self, node: &Node, form: OutputForm) -> Columns {
        let mut columns = Columns::default();
        for output in &node.outputs {
            match output {
                Output::Value { name, expr } => {
                    let term = self.postgres_term(expr, form);
                    let index = columns.outputs.len();
                    let rendered = match term.is_json {
                        true => RenderedOutput::Json { name: name.clone(), index },
                        false => RenderedOutput::Value { name: name.clone(), ty: expr.ty(), index },
                    };
                    self.postgres_output(&mut columns, term, rendered, form);
                }
                Output::Embed(embed) => {
                    let text = self.aside(|renderer| renderer.postgres_embed(embed, node.grouped, form));
                    let rendered = RenderedOutput::Json { name: embed.name.clone(), index: columns.outputs.len() };
                    self.postgres_output(&mut columns, json_term(text, node.grouped, form), rendered, form);
                }
                Output::Spread(embed) => {
                    for (position, name) in embed.node.keys().into_iter().enumerate() {
                        let text = format!("{}.c{position}", spread_alias(embed));
                        let rendered = RenderedOutput::Json { name: name.to_owned(), index: columns.outputs.len() };
                        self.postgres_output(&mut columns, json_term(text, true, form), rendered, form);
                    }
                }
            }
        }
        columns
    }

    fn postgres_output(&mut self, columns: &mut Columns, term: Term, rendered: RenderedOutput, form: OutputForm) {
        let index = columns.outputs.len();
        let name = match (form, rendered.names().first()) {
            (OutputForm::Columns | OutputForm::Json, Some(name)) => quote_identifier(name),
            (OutputForm::Numbered, _) | (_, None) => format!("c{index}"),
        };
        self.push(if index > 0 { ", " } else { "" });
        self.push(&format!("{} as {name}", term.text));
        columns.groups.extend(term.group);
        columns.outputs.push(rendered);
    }

    /// Text that is written once may stand in `group by` again: its placeholders keep their numbers.
    fn postgres_term(&mut self, expr: &Expr, form: OutputForm) -> Term {
        let text = self.aside(|renderer| renderer.expression(expr));
        let is_json = form == OutputForm::Columns && is_known_to_engine_only(&expr.ty());
        let group = (!expr.holds_aggregate()).then(|| text.clone());
        let text = if is_json { format!("to_json({text})::text") } else { text };
        Term { text, group, is_json }
    }

    /// The sub-select that makes the JSON of an embed. Rows are grouped by its text, as JSON cannot be compared.
    fn postgres_embed(&mut self, embed: &EmbedNode, grouped: bool, form: OutputForm) {
        let node = &embed.node;
        let row = format!("r{}", node.source.0);
        let is_text = grouped || form == OutputForm::Columns;
        let optional = embed.optional && embed.many;
        if optional {
            self.postgres_without_parent(embed);
        }
        // `json_agg` would put line ends between the rows; `.*` keeps a column of the row's name from being meant.
        self.push(match (embed.many, is_text) {
            (true, true) => "(select '[' || coalesce(string_agg(",
            (true, false) => "(select ('[' || coalesce(string_agg(",
            (false, true | false) => "(select ",
        });
        self.push(&format!("row_to_json({row}.*)"));
        self.push(match (embed.many, is_text) {
            (true, true) => "::text, ','), '') || ']' from (",
            (true, false) => "::text, ','), '') || ']')::json from (",
            (false, true) => "::text from (",
            (false, false) => " from (",
        });
        self.postgres_rows(embed, OutputForm::Json);
        self.push(&format!(") as {row}"));
        self.push(if embed.many { ")" } else { " limit 1)" });
        self.push(if optional { " end)" } else { "" });
    }

    fn postgres_without_parent(&mut self, embed: &EmbedNode) {
        self.push("(case when ");
        match embed.parent_columns().next() {
            Some(column) => self.column(embed.parent, column),
            None => self.push("null"),
        }
        self.push(" is not null then ");
    }

    /// The select of an embed's rows for one row of its parent.
    fn postgres_rows(&mut self, embed: &EmbedNode, form: OutputForm) {
        let node = &embed.node;
        self.node_source(node);
        self.push("select ");
        let columns = self.postgres_outputs(node, form);
        self.push(" from ");
        self.node_from(node, None);
        self.node_joins(node);
        self.link(embed, |renderer, (source, column)| renderer.column(source, column));
        self.node_condition(node.condition.as_ref(), " and ");
        self.node_groups(node, &columns.groups);
        self.node_page(node);
    }

    /// The arrays of to-many spreads: each is one row, joined to the node's.
    pub(super) fn postgres_spreads(&mut self, node: &Node) {
        for output in &node.outputs {
            let Output::Spread(embed) = output else { continue };
            let row = format!("r{}", embed.node.source.0);
            self.push(" left join lateral (select ");
            for position in 0..embed.node.keys().len() {
                self.push(if position > 0 { ", " } else { "" });
                if embed.optional {
                    self.postgres_without_parent(embed);
                }
                self.push(&format!(
                    "'[' || coalesce(string_agg(coalesce(to_json({row}.c{position})::text, 'null'), ','), '') || ']'"
                ));
                self.push(if embed.optional { " end)" } else { "" });
                self.push(&format!(" as c{position}"));
            }
            self.push(" from (");
            self.postgres_rows(embed, OutputForm::Numbered);
            self.push(&format!(") as {row}) as {} on true", spread_alias(embed)));
        }
    }
}

/// JSON as `form` wants it; `is_text` says how the text gives it.
fn json_term(text: String, is_text: bool, form: OutputForm) -> Term {
    let written = match form {
        OutputForm::Json | OutputForm::Numbered if is_text => format!("({text})::json"),
        OutputForm::Columns | OutputForm::Json | OutputForm::Numbered => text.clone(),
    };
    Term { text: written, group: Some(text), is_json: true }
}

fn spread_alias(embed: &EmbedNode) -> String {
    format!("s{}", embed.node.source.0)
}
