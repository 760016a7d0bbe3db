//! Differences, as a person reads them.

use super::parse::{Case, CaseFile};
use super::play::{Difference, body_text};
use crate::harness::On;

pub(super) fn differences(file: &CaseFile, case: &Case, on: On, differences: &[Difference<'_>]) -> String {
    let mut text = format!("{}:{}: {} ({on})\n", file.path.display(), case.line, case.name);
    for difference in differences {
        let Difference { ask, expected, answer } = difference;
        text.push_str(&format!("    {} {}\n", ask.method, ask.path));
        if expected.status != Some(answer.status) {
            let status = expected.status.map_or("(unwritten)".to_owned(), |status| status.to_string());
            text.push_str(&format!("      status    {status}\n      was       {}\n", answer.status));
        }
        for (name, value) in &expected.headers {
            let found = answer.header(name).unwrap_or("(none)");
            if found != value {
                text.push_str(&format!("      {name}: {value}\n      was       {found}\n"));
            }
        }
        let body = body_text(answer);
        if body != expected.body {
            let same = body.chars().zip(expected.body.chars()).take_while(|(a, b)| a == b).count();
            text.push_str(&format!("      body      {}\n      was       {body}\n", expected.body));
            if same > 0 {
                text.push_str(&format!("                {}^\n", " ".repeat(same)));
            }
        }
    }
    text
}
