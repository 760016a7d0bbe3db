//! `roadbed init`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use miette::{IntoDiagnostic, miette};

use super::report;

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The folder to make
    #[arg(default_value = ".")]
    folder: PathBuf,
}

const FILES: [(&str, &str); 4] = [
    ("migrations/0001_notes.sql", include_str!("../../templates/migrations/0001_notes.sql")),
    ("seed.sql", include_str!("../../templates/seed.sql")),
    ("roadbed.toml", include_str!("../../templates/roadbed.toml")),
    (".gitignore", ".roadbed/\n"),
];

pub(super) fn run(init: &Init) -> miette::Result<()> {
    let there: Vec<_> = FILES.iter().map(|(name, _)| init.folder.join(name)).filter(|file| file.exists()).collect();
    if let Some(file) = there.first() {
        return Err(miette!(
            help = "name another folder; nothing is overwritten",
            "`{}` exists already",
            file.display()
        ));
    }
    for (name, text) in FILES {
        write(&init.folder.join(name), text)?;
        report::line(format!("made {}", init.folder.join(name).display()));
    }
    report::line(format!("\nNow run: roadbed dev {}", init.folder.display()));
    Ok(())
}

fn write(file: &Path, text: &str) -> miette::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).into_diagnostic()?;
    }
    fs::write(file, text).into_diagnostic()
}
