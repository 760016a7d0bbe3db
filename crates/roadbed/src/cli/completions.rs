//! `roadbed completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::CommandLine;

#[derive(Debug, Args)]
pub(super) struct Completions {
    shell: Shell,
}

pub(super) fn run(completions: &Completions) -> miette::Result<()> {
    clap_complete::generate(completions.shell, &mut CommandLine::command(), "roadbed", &mut std::io::stdout().lock());
    Ok(())
}
