# Every command that a developer types. `just` alone lists them.

_list:
    @just --list --unsorted

# Format, lints and tests on SQLite
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace sqlite

# Every check on both engines, with a private PostgreSQL
test *arguments:
    bin/test {{ arguments }}

# Tests that have an engine's name in theirs: `just test-engine pg`
test-engine engine:
    bin/test --workspace {{ if engine == "pg" { "postgres" } else { engine } }}

# Play the case files with this in their path: `just case embed`
case file:
    ROADBED_TEST_CASES={{ file }} cargo test -p roadbed --test it cases -- --nocapture

# Write PostgreSQL's answers into the case files
bless:
    ROADBED_TEST_BLESS=1 bin/test -p roadbed --test it cases

# Build and run the program: `just run dev examples/todo`
run *arguments:
    bin/roadbed {{ arguments }}

# Measure against hand-written handlers on the same drivers
bench *arguments:
    bench/run {{ arguments }}

# Attack the example with sqlmap on both engines; it takes long: `just attack sqlite`
attack *arguments:
    bin/attack {{ arguments }}

# Fuzz one parser, or all: `just fuzz all 60`
fuzz *arguments:
    fuzz/run {{ arguments }}
