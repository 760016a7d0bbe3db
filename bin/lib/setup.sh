# shellcheck shell=bash
# Looks for what a command needs, and installs from the system's packages what is missing. Where that may not be done,
# prints the command that would do it. Sourced by bin/roadbed and bin/test.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*" >&2; }

# Rust that rustup installed in this account may not be on the path of this shell.
[[ -d ${CARGO_HOME:-${HOME:-/root}/.cargo}/bin ]] && PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin

# Runs its arguments as root, or fails where that needs a password.
as_root() {
  if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null || return 1
  [[ $(id -u) -eq 0 ]] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

lists_are_fresh=
apt_install() {
  if [[ -z $lists_are_fresh ]]; then
    as_root apt-get update -qq >&2 || return 1
    lists_are_fresh=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# require WHAT FOUND PACKAGES...: installs PACKAGES unless the command FOUND succeeds; ends the script where it cannot.
require() {
  local what=$1 found=$2
  shift 2
  "$found" && return
  if may_install; then
    say "Installing $what: apt-get install $*"
    apt_install "$@" && "$found" && return
  fi
  say "Roadbed needs $what. Install it with:"
  say "  sudo apt-get update && sudo apt-get install --no-install-recommends $*"
  exit 1
}

# wish WHAT FOUND PACKAGES...: the same, but its absence is the caller's to report.
wish() {
  local what=$1 found=$2
  shift 2
  "$found" && return
  may_install || return 1
  say "Installing $what: apt-get install $*"
  apt_install "$@" && "$found"
}

oldest_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repository/Cargo.toml")

at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

has_rust() {
  command -v cargo >/dev/null && command -v rustc >/dev/null || return 1
  local version
  version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) && [[ -n $version ]] && at_least "$oldest_rust" "$version"
}

has_checkers() { cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; }
has_compiler() { command -v cc >/dev/null && [[ -e /usr/include/stdio.h || $(uname) != Linux ]]; }
has_certificates() { [[ -s /etc/ssl/certs/ca-certificates.crt || -s /etc/ssl/cert.pem || -s /etc/pki/tls/certs/ca-bundle.crt ]]; }
has_curl() { command -v curl >/dev/null; }
has_shellcheck() { command -v shellcheck >/dev/null; }
has_browser() { command -v chromedriver >/dev/null && { command -v chromium || command -v google-chrome; } >/dev/null; }

has_node() { command -v node >/dev/null && command -v npm >/dev/null; }

has_libclang() {
  [[ -n ${LIBCLANG_PATH:-} ]] && return
  local found
  found=$(compgen -G '/usr/lib/llvm-*/lib/libclang*.so*'; compgen -G '/usr/lib/*/libclang*.so*'; compgen -G '/usr/lib*/libclang*.so*')
  [[ -n $found ]]
}

# The folder of the newest PostgreSQL server on this machine.
postgres_programs() {
  local folder
  for folder in $(compgen -G '/usr/lib/postgresql/*/bin' | sort -rV) $(dirname "$(command -v initdb)" 2>/dev/null); do
    [[ -x $folder/initdb && -x $folder/postgres ]] && echo "$folder" && return
  done
  return 1
}
has_postgres() { postgres_programs >/dev/null; }

# Debian's packages would make and start a server of their own; Roadbed's tests only want the programs.
wish_postgres() {
  has_postgres && return
  may_install || return 1
  as_root mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.d/roadbed.conf >/dev/null
  wish PostgreSQL has_postgres postgresql
}

packaged_version() { apt-cache policy "$1" 2>/dev/null | sed -n 's/ *Candidate: *\([0-9.]*\).*/\1/p'; }

# Rust moves faster than distributions do. Debian has a newer one beside its own, for building browsers; where neither
# is new enough, rustup puts one into this account.
require_rust() {
  has_rust && return
  if command -v rustup >/dev/null; then
    say "Rust is older than $oldest_rust: rustup toolchain install stable"
    rustup toolchain install stable --profile minimal -c rustfmt -c clippy >&2
    export RUSTUP_TOOLCHAIN=stable
    has_rust && return
  elif may_install && as_root apt-get update -qq >&2; then
    lists_are_fresh=yes
    at_least "$oldest_rust" "$(packaged_version rustc)" && wish Rust has_rust cargo rustc rustfmt rust-clippy && return
    at_least "$oldest_rust" "$(packaged_version rustc-web)" && wish Rust has_rust cargo-web rustc-web rustfmt-web rust-web-clippy && return
  fi
  say "Roadbed needs Rust $oldest_rust or newer. Install it with:"
  say "  curl --proto =https --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy"
  exit 1
}

require_checkers() {
  has_checkers && return
  command -v rustup >/dev/null && rustup component add rustfmt clippy >&2
  require "rustfmt and clippy" has_checkers rustfmt rust-clippy
}

# What building takes: the SQL parser and SQLite are C, and the parser's bindings are made with libclang.
require_build() {
  require "a C compiler" has_compiler gcc libc6-dev
  require libclang has_libclang libclang-dev
  require "the certificates that Rust's registry is known by" has_certificates ca-certificates
  require_rust
}
