//! `cases.txt`: SQL, and below it, indented, what it is read as. A line that begins with `!` is a refusal.
//! Statements are those that begin like one; everything else is an expression over the columns of `all_types`.
//! `BLESS=1 cargo test -p roadbed-plan` writes the answers anew.

use std::path::Path;

use super::{read, read_statement};

const STATEMENTS: &[&str] = &["(select", "delete ", "insert ", "select", "update ", "values", "with "];

fn answer(sql: &str) -> String {
    if STATEMENTS.iter().any(|start| sql.starts_with(start)) && !is_subselect(sql) {
        read_statement(sql)
    } else {
        read(sql)
    }
}

/// A subselect that is an expression stands in parentheses from the first character on.
fn is_subselect(sql: &str) -> bool {
    sql.starts_with("(select") && !sql.contains(" union ")
}

#[test]
fn expressions_and_statements_are_read_as_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema/read_expr/tests/cases.txt");
    let recorded = std::fs::read_to_string(&path).expect("the cases are there");
    let mut fresh = String::with_capacity(recorded.len());
    for line in recorded.lines().filter(|line| !line.starts_with("    ")) {
        fresh.push_str(line);
        fresh.push('\n');
        if !line.is_empty() && !line.starts_with('#') {
            fresh.push_str(&format!("    {}\n", answer(line)));
        }
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &fresh).expect("the cases can be written");
    }
    let differing = recorded.lines().zip(fresh.lines()).find(|(old, new)| old != new);
    assert_eq!(differing.map(|(old, _)| old), differing.map(|(_, new)| new));
    assert_eq!(recorded.lines().count(), fresh.lines().count());
}
