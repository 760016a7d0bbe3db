//! Documents whose commands were really run: every `console` block is replayed, and must print what is printed there.
//!
//! A line with `$ ` is a command (`> ` continues it), what follows is its output. `bin/roadbed dev FOLDER` starts a
//! server that the commands after it ask. `…` stands for any text; line breaks and the blanks around them do not count.
//! A block whose fence says `console sqlite` is left out on PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cases::matches;
use crate::harness::{EmptyDatabase, On, engines, runtime};
use crate::process::{Program, roadbed};

/// The address that documents use.
const WRITTEN: &str = "http://127.0.0.1:3000";

#[test]
fn the_readme_prints_what_its_commands_print() {
    replay_on_each_engine("README.md");
}

#[test]
fn the_page_about_sqlite_prints_what_its_commands_print() {
    replay_on_each_engine("docs/sqlite.md");
}

#[test]
fn the_page_about_safe_writes_prints_what_its_commands_print() {
    replay_on_each_engine("docs/safe-writes.md");
}

struct Step {
    line: usize,
    command: String,
    output: String,
    only_sqlite: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn replay_on_each_engine(document: &str) {
    let text = std::fs::read_to_string(root().join(document)).expect("the document is there");
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{document} has no `console` block");
    for on in engines(document) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        copy(&root().join("examples"), &folder.path().join("examples"));
        let database = (on == On::Postgres).then(|| runtime().block_on(EmptyDatabase::new()));
        let mut replay = Replay { folder: folder.path(), database: database.as_ref(), program: None };
        for step in steps.iter().filter(|step| on == On::Sqlite || !step.only_sqlite) {
            let printed = replay.run(&step.command);
            let (expected, found) = (joined(&step.output), joined(&printed));
            let place = format!("{document}:{} on {on}\n$ {}", step.line, step.command);
            assert!(matches(&expected, &found), "{place}\n{printed}\n--- is not as printed:\n{}", step.output);
        }
        drop(replay);
        if let Some(database) = database {
            runtime().block_on(database.end());
        }
    }
}

fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Outside of blocks there is nothing to read.
    let mut block: Option<bool> = None;
    for (number, line) in document.lines().enumerate() {
        let Some(only_sqlite) = block else {
            block = line.strip_prefix("```console").map(|rest| rest.trim() == "sqlite");
            continue;
        };
        if line == "```" {
            block = None;
        } else if let Some(command) = line.strip_prefix("$ ") {
            let (line, command) = (number + 1, command.to_owned());
            steps.push(Step { line, command, output: String::new(), only_sqlite });
        } else if let Some(step) = steps.last_mut() {
            match line.strip_prefix("> ").filter(|_| step.output.is_empty()) {
                Some(more) => step.command = format!("{}\n{more}", step.command),
                None => step.output = format!("{}{line}\n", step.output),
            }
        }
    }
    steps
}

/// One text of a document's line or an answer's, however it is broken.
fn joined(text: &str) -> String {
    text.lines().map(str::trim).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("there is room");
    for entry in std::fs::read_dir(from).expect("the examples are there").flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        if path.is_dir() && name != ".roadbed" {
            copy(&path, &to.join(name));
        } else if path.is_file() {
            std::fs::copy(&path, to.join(name)).expect("there is room");
        }
    }
}

struct Replay<'a> {
    folder: &'a Path,
    database: Option<&'a EmptyDatabase>,
    program: Option<Program>,
}

impl Replay<'_> {
    /// What a command prints.
    fn run(&mut self, command: &str) -> String {
        let printed = match command.strip_prefix("bin/roadbed dev ") {
            Some(folder) => self.start(folder),
            None => self.output(command),
        };
        match &self.program {
            Some(program) => printed.replace(&program.url, WRITTEN),
            None => printed,
        }
    }

    fn start(&mut self, folder: &str) -> String {
        self.program = None;
        if let Some(database) = self.database {
            runtime().block_on(database.clear());
        }
        let mut command = roadbed();
        self.place(&mut command);
        let program = Program::start(command.args(["dev", folder, "--listen", "127.0.0.1:0"]));
        // The last line of the welcome shows a request.
        program.output.wait_for("the welcome", |line| line.trim_start().starts_with("curl ").then_some(()));
        self.program.insert(program).output.text()
    }

    fn output(&self, command: &str) -> String {
        let mut shell = Command::new("sh");
        let environment = roadbed();
        shell.env_clear().envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.place(&mut shell);
        let command = command.replace("bin/roadbed", env!("CARGO_BIN_EXE_roadbed"));
        let command = match &self.program {
            Some(program) => command.replace(WRITTEN, &program.url),
            None => command,
        };
        let output = shell.args(["-c", &command]).output().expect("there is a shell");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).replace('\r', "")
    }

    fn place(&self, command: &mut Command) {
        command.current_dir(self.folder);
        if let Some(database) = self.database {
            command.env("ROADBED_DATABASE_URL", database.url());
        }
    }
}
