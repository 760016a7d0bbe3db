//! The program as a process: started, watched, asked over real HTTP, and stopped or killed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// What tokens of processes are signed with, so that restarts and tests agree.
pub(crate) const PROCESS_SECRET: &str = "a secret that only processes of tests sign with";

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program with nothing of this process's environment but the way to other programs.
pub(crate) fn roadbed() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roadbed"));
    let kept = std::env::vars_os().filter(|(name, _)| ["HOME", "PATH", "TMPDIR"].iter().any(|kept| name == *kept));
    let kept: Vec<_> = kept.collect();
    command.env_clear().envs(kept).env("ROADBED_JWT_SECRET", PROCESS_SECRET).env("NO_COLOR", "1");
    command.stdin(Stdio::null());
    command
}

/// Runs a command of the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    roadbed().args(arguments).output().expect("the program can be started")
}

/// As [`run`]; what it printed. Panics where it failed.
pub(crate) fn run_well(arguments: &[&str]) -> String {
    let output = run(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A path as an argument.
pub(crate) fn as_argument(path: &Path) -> &str {
    path.to_str().expect("folders of tests have plain names")
}

/// Lines as they come out of a process.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<(Mutex<Heard>, Condvar)>);

/// The lines so far, and whether there will be no more.
type Heard = (Vec<String>, bool);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let filled = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                filled.0.0.lock().expect("no holder panics").0.push(line);
                filled.0.1.notify_all();
            }
            filled.0.0.lock().expect("no holder panics").1 = true;
            filled.0.1.notify_all();
        });
        lines
    }

    /// What the first line in which `find` sees something shows it.
    pub(crate) fn wait_for<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let (state, changed) = &*self.0;
        let mut state = state.lock().expect("no holder panics");
        loop {
            if let Some(found) = state.0.iter().find_map(|line| find(line)) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!state.1 && !left.is_zero(), "{what} did not come:\n{}", state.0.join("\n"));
            state = changed.wait_timeout(state, left).expect("no holder panics").0;
        }
    }

    pub(crate) fn text(&self) -> String {
        self.0.0.lock().expect("no holder panics").0.join("\n")
    }
}

/// A program that serves. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    pub(crate) output: Lines,
    pub(crate) logs: Lines,
}

impl Program {
    /// Starts `command`, which serves, and waits until it does. It logs as JSON.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut program = Self::begin(command);
        program.url = program.address_in("serving");
        program
    }

    /// Waits for the log line `message`, which has the address: `http://127.0.0.1:PORT`.
    pub(crate) fn address_in(&self, message: &str) -> String {
        let address = self.logs.wait_for(message, |line| {
            let line: Json = serde_json::from_str(line).ok()?;
            (line["message"] == message).then(|| line["address"].as_str().map(str::to_owned)).flatten()
        });
        format!("http://{address}")
    }

    /// `roadbed serve FOLDER` on a free port.
    pub(crate) fn serve(folder: &Path, more: &[&str]) -> Self {
        Self::start(roadbed().args(["serve", as_argument(folder), "--listen", "127.0.0.1:0"]).args(more))
    }

    /// `roadbed dev FOLDER` on a free port.
    pub(crate) fn dev(folder: &Path, more: &[&str]) -> Self {
        Self::start(roadbed().args(["dev", as_argument(folder), "--listen", "127.0.0.1:0"]).args(more))
    }

    /// Starts `command` and waits for nothing.
    pub(crate) fn begin(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program is there");
        let output = Lines::of(child.stdout.take().expect("it is piped"));
        let logs = Lines::of(child.stderr.take().expect("it is piped"));
        Self { child, url: String::new(), output, logs }
    }

    /// Ends it at once, as a lack of memory or a loss of power would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Asks it to stop, as a supervisor does.
    pub(crate) fn terminate(&self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.expect("there is a `kill`").success());
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it is ours")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until `done` is content; fails when that takes too long.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut done: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = done().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
