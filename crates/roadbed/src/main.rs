//! The program: a few lines over the crate that it ships.

fn main() -> std::process::ExitCode {
    roadbed::cli::run(std::env::args_os())
}
