//! `roadbed access explain`: the same words on both engines.

use super::{folder, write};
use crate::harness::{EmptyDatabase, On, each_engine};
use crate::process::{as_argument, run, run_well};

const SCHEMA: &str = "
    create table teams (id int primary key);
    create table members (team_id int references teams, user_id uuid, primary key (team_id, user_id));
    create table notes (
        id int primary key, team_id int references teams, owner uuid default auth.uid(), text text not null,
        secret text, archived boolean not null default false
    );
    alter table notes enable row level security;
    alter table members enable row level security;
    create policy own on notes using (owner = auth.uid());
    create policy team on notes for select to authenticated using (
        exists (select from members where members.team_id = notes.team_id and user_id = auth.uid()));
    create policy \"not archived\" on notes as restrictive for select using (not archived);
    create policy short on notes as restrictive for insert with check (length(text) < 10);
    create policy mine on members for select using (user_id = auth.uid());
    create table open (id int primary key);
    create role reader;
    grant reader to authenticated;
    grant select on teams to reader;
    grant select (id, team_id, owner, text, archived), insert, delete, update (text, owner) on notes to authenticated;
    grant select on members, open to authenticated;
    grant select on notes to service_role;
    insert into teams values (1), (2);
    insert into members values (1, '00000000-0000-0000-0000-000000000001');
    insert into notes (id, team_id, owner, text, archived) values
        (1, null, '00000000-0000-0000-0000-000000000001', 'own', false),
        (2, 1, '00000000-0000-0000-0000-000000000002', 'of the team', false),
        (3, 2, '00000000-0000-0000-0000-000000000002', 'of others', false),
        (4, 1, '00000000-0000-0000-0000-000000000001', 'old', true);
    insert into open values (1);
";

const USER: &str = r#"{"role":"authenticated","sub":"00000000-0000-0000-0000-000000000001"}"#;

/// Roles belong to the whole server, which other runs of this test may use.
fn reader() -> String {
    format!("reader_{}", std::process::id())
}

/// A folder whose database is on one of the engines.
struct Place {
    folder: tempfile::TempDir,
    database: Option<EmptyDatabase>,
}

impl Place {
    async fn new(on: On) -> Self {
        let folder = folder(&SCHEMA.replace("reader", &reader()));
        let database = match on {
            On::Sqlite => None,
            On::Postgres => Some(EmptyDatabase::new().await),
        };
        if let Some(database) = &database {
            write(folder.path(), "roadbed.toml", &format!("[database]\nurl = \"{}\"\n", database.url()));
        }
        run_well(&["migrate", "up", as_argument(folder.path())]);
        Self { folder, database }
    }

    /// Exit code and output of an explanation.
    fn explain(&self, who: &str, request: &[&str]) -> (Option<i32>, String) {
        let arguments = [&["access", "explain", as_argument(self.folder.path())], request, &["--as", who]].concat();
        let output = run(&arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    async fn end(self) {
        if let Some(database) = self.database {
            database.end_and_run(&format!("drop role {}", reader())).await;
        }
    }
}

/// Exit code and lines that the explanation must have.
type Expected<'e> = (&'e str, &'e [&'e str], i32, &'e [&'e str]);

const EXPECTED: &[Expected<'_>] = &[
    (
        USER,
        &["GET", "/notes?select=id"],
        1,
        &[
            "select as authenticated",
            "  authenticated -> reader (only after `set role`)",
            "  usage on schema public: granted to public",
            "  select on public.notes (id): granted to authenticated",
            "row security is on for `notes`, and binds the role",
            "  \"not archived\" as restrictive for select to public using (",
            "rows that the filter finds: 4",
            "  visible {\"id\":1}  select: let in by \"own\"",
            "  visible {\"id\":2}  select: let in by \"team\"",
            "  hidden {\"id\":3}  select: no permissive policy lets it in, \"own\", \"team\" does not",
            "  hidden {\"id\":4}  select: let in by \"own\", \"team\", but kept out by restrictive \"not archived\"",
        ],
    ),
    (USER, &["GET", "/notes?select=id&id=eq.1"], 0, &["rows that the filter finds: 1", "  visible {\"id\":1}"]),
    (USER, &["GET", "/rest/v1/notes?select=id&id=gt.9"], 0, &["rows that the filter finds: 0"]),
    (USER, &["GET", "/notes?select=id,secret"], 1, &["MISSING on secret", "refused: a grant is missing"]),
    (USER, &["GET", "/notes?secret=eq.x&select=id"], 1, &["MISSING on secret"]),
    (USER, &["GET", "/teams"], 1, &["refused: `public.teams` does not exist for this role"]),
    (USER, &["GET", "/nothing"], 1, &["refused: `public` has no relation `nothing`"]),
    (USER, &["GET", "/open"], 0, &["row security is off for `open`: every row passes", "  visible {\"id\":1}"]),
    ("anon", &["GET", "/notes"], 1, &["refused: `public.notes` does not exist for this role"]),
    (
        "service_role",
        &["GET", "/notes?id=eq.3"],
        0,
        &["but the role bypasses it: every row passes", "  visible {\"id\":3}"],
    ),
    ("nobody", &["GET", "/notes"], 1, &["refused: role \"nobody\" does not exist"]),
    ("reader", &["GET", "/teams?order=id"], 0, &["  visible {\"id\":2}"]),
    (
        USER,
        &["DELETE", "/notes?id=lte.2"],
        1,
        &[
            "  delete on public.notes: granted to authenticated",
            "  visible {\"id\":1}  delete: let in by \"own\"; select: let in by \"own\"",
            "  hidden {\"id\":2}  delete: no permissive policy lets it in, \"own\" does not; select: let in by \"team\"",
        ],
    ),
    (
        USER,
        &["PATCH", "/notes?id=eq.1", "--body", r#"{"owner":"00000000-0000-0000-0000-000000000002"}"#],
        1,
        &[
            "  visible {\"id\":1}  update: let in by \"own\"; select: let in by \"own\"",
            "the same rows as the update would leave them: 1",
            "  refused {\"id\":1}  update: no permissive policy lets it in, \"own\" does not",
        ],
    ),
    (
        USER,
        &["PATCH", "/notes?id=eq.1", "--body", r#"{"text":"new"}"#],
        0,
        &["  allowed {\"id\":1}  update: let in by \"own\""],
    ),
    (
        USER,
        &["PATCH", "/notes?id=eq.1", "--body", r#"{"archived":true}"#],
        1,
        &["MISSING", "update on public.notes (archived)"],
    ),
    (
        USER,
        &["POST", "/notes", "--body", r#"[{"id":8,"text":"short"},{"id":9,"text":"much too long"}]"#],
        1,
        &[
            "  allowed {\"id\":8}  insert: let in by \"own\"",
            "  refused {\"id\":9}  insert: let in by \"own\", but kept out by restrictive \"short\"",
        ],
    ),
    (
        USER,
        &["POST", "/notes", "--body", r#"{"id":8,"text":"x","owner":null}"#],
        1,
        &["  refused {\"id\":8}  insert: no permissive policy lets it in, \"own\" does not"],
    ),
    ("authenticated", &["GET", "/notes?select=id&id=eq.1"], 1, &["  hidden {\"id\":1}"]),
];

#[test]
fn each_row_has_its_reason_in_the_same_words_on_both_engines() {
    each_engine("access explain", async |on| {
        let place = Place::new(on).await;
        let before = place.explain("service_role", &["GET", "/notes"]);
        for (who, request, code, lines) in EXPECTED {
            let who = who.replace("reader", &reader());
            let (found, printed) = place.explain(&who, request);
            let printed = printed.replace(&reader(), "reader");
            assert_eq!(found, Some(*code), "{request:?} as {who} on {}:\n{printed}", on.name());
            for line in *lines {
                assert!(printed.contains(line), "{request:?} as {who} on {}: `{line}` is not in\n{printed}", on.name());
            }
        }
        assert_eq!(place.explain("service_role", &["GET", "/notes"]), before, "nothing was changed");
        place.end().await;
    });
}

#[test]
fn an_explanation_is_bounded_and_made_for_programs_too() {
    let place = folder(SCHEMA);
    let path = as_argument(place.path());
    run_well(&["migrate", "up", path]);
    let output = run(&["access", "explain", path, "GET", "/notes?select=id", "--as", USER, "--rows", "2", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(output.status.code(), Some(0), "the first two are visible");
    assert_eq!(told["tests"][0]["more"], true);
    assert_eq!(told["tests"][0]["rows"][1]["key"]["id"], 2);
    assert_eq!(told["tests"][0]["rows"].as_array().map(Vec::len), Some(2));
    for wrong in [["GET", "/notes?id=eq"], ["BREW", "/notes"], ["GET", "/notes?id=eq.x"]] {
        let output = run(&["access", "explain", path, wrong[0], wrong[1], "--as", USER]);
        assert_ne!(output.status.code(), Some(0), "{wrong:?}");
    }
    let token = run(&["access", "explain", path, "GET", "/notes", "--as", "a.b.c"]);
    assert_eq!(token.status.code(), Some(2), "a token must hold");
}
