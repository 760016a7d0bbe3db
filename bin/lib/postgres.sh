# shellcheck shell=bash
# A PostgreSQL server for one run of the tests: its own folder, socket and port, on the loopback address only.

postgres_pid=

# PostgreSQL refuses to run as root: its packages come with an account for it.
as_postgres() {
  if [[ $(id -u) -ne 0 ]]; then "$@"; else
    setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/tmp "$@"
  fi
}

# A port that nobody listens on.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
  done
  return 1
}

# start_postgres FOLDER [durable]: sets ROADBED_TEST_POSTGRES where a server can be had.
start_postgres() {
  [[ -n ${ROADBED_TEST_POSTGRES:-} ]] && return
  local programs port folder=$1/postgres
  programs=$(postgres_programs) || return 0
  if [[ $(id -u) -eq 0 ]]; then
    id -u postgres >/dev/null 2>&1 || return 0
    chmod 711 "$1"
  fi
  mkdir "$folder"
  [[ $(id -u) -eq 0 ]] && chown postgres: "$folder"
  port=$(free_port)
  if ! (cd / && as_postgres "$programs/initdb" -D "$folder/data" -U postgres -A trust --locale=C.UTF-8 -E UTF8 --no-sync) >"$1/initdb.log" 2>&1; then
    cat "$1/initdb.log" >&2
    return 0
  fi
  # Tests need no durability: their data is gone with the run.
  local quick='-c fsync=off -c synchronous_commit=off -c full_page_writes=off'
  [[ ${2:-} == durable ]] && quick=
  as_postgres "$programs/pg_ctl" -s -w -t 60 -D "$folder/data" -l "$folder/log" start \
    -o "-p $port -k $folder -c listen_addresses=127.0.0.1 -c max_connections=300 $quick" ||
    { cat "$folder/log" >&2; return 0; }
  postgres_pid=$(head -n 1 "$folder/data/postmaster.pid")
  export ROADBED_TEST_POSTGRES=postgres://postgres@127.0.0.1:$port/postgres
}

# Stops the server of this run, and only that one.
stop_postgres() {
  [[ -n $postgres_pid ]] || return 0
  kill -INT "$postgres_pid" 2>/dev/null
  for _ in {1..100}; do
    kill -0 "$postgres_pid" 2>/dev/null || break
    sleep 0.1
  done
  postgres_pid=
}
