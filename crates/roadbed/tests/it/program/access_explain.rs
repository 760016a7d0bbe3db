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
    has_role: bool,
}

impl Place {
    async fn new(on: On, schema: &str) -> Self {
        let folder = folder(&schema.replace("reader", &reader()));
        let database = match on {
            On::Sqlite => None,
            On::Postgres => Some(EmptyDatabase::new().await),
        };
        if let Some(database) = &database {
            write(folder.path(), "roadbed.toml", &format!("[database]\nurl = \"{}\"\n", database.url()));
        }
        run_well(&["migrate", "up", as_argument(folder.path())]);
        Self { folder, database, has_role: schema.contains("role reader") }
    }

    /// Exit code and output of an explanation.
    fn explain(&self, who: &str, request: &[&str]) -> (Option<i32>, String) {
        let arguments = [&["access", "explain", as_argument(self.folder.path())], request, &["--as", who]].concat();
        let output = run(&arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    fn all_explained(&self, on: On, expected: &[Expected<'_>]) {
        for (who, request, code, lines) in expected {
            let who = who.replace("reader", &reader());
            let (found, printed) = self.explain(&who, request);
            let printed = printed.replace(&reader(), "reader");
            assert_eq!(found, Some(*code), "{request:?} as {who} on {}:\n{printed}", on.name());
            for line in *lines {
                assert!(printed.contains(line), "{request:?} as {who} on {}: `{line}` is not in\n{printed}", on.name());
            }
        }
    }

    async fn end(self) {
        if let Some(database) = self.database {
            match self.has_role {
                true => database.end_and_run(&format!("drop role {}", reader())).await,
                false => database.end().await,
            }
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

/// Who may see what of books, by whom, and what is said of them.
const LIBRARY: &str = "
    create table authors (id int primary key, name text, hidden boolean not null default false);
    create table books (id int primary key, title text, author_id int references authors);
    create table tags (id int primary key, word text);
    create table book_tags (book_id int references books, tag_id int references tags, primary key (book_id, tag_id));
    alter table authors enable row level security;
    alter table book_tags enable row level security;
    create policy open on authors for select using (not hidden);
    create policy low on book_tags for select using (tag_id < 2);
    create table counters (name text primary key, owner text not null, hits int not null default 0);
    alter table counters enable row level security;
    create policy seen on counters for select using (true);
    create policy added on counters for insert with check (hits < 10);
    create policy own on counters for update using (owner = 'me') with check (hits < 100);
    create view theirs with (security_invoker = true) as select id, name from authors where id > 0;
    create view all_authors as select id, name from authors;
    create view over with (security_invoker = true) as select id, name as called from theirs;
    create function named(word text) returns setof authors language sql stable as
        $$ select * from authors where name = word $$;
    create function counted() returns bigint language sql stable security definer set search_path = '' as
        $$ select count(*) from public.authors $$;
    create function counted_up(which text) returns void language plpgsql as
        $$ begin update counters set hits = hits + 1 where name = which; end $$;
    create function secret() returns int language sql stable as $$ select 1 $$;
    revoke execute on function secret() from public, anon, authenticated;
    grant select on authors, books, tags, book_tags, theirs, all_authors, over to authenticated;
    grant select, insert, update on counters to authenticated;
    grant select on theirs to anon;
    insert into authors values (1, 'Ada', false), (2, 'Bob', true);
    insert into books values (1, 'one', 1), (2, 'two', 2);
    insert into tags values (1, 'short'), (2, 'long');
    insert into book_tags values (1, 1), (1, 2);
    insert into counters values ('a', 'me', 1), ('b', 'them', 1);
";

const MERGE: &[&str] = &["--prefer", "resolution=merge-duplicates"];

const EXPECTED_OF_OTHERS: &[Expected<'_>] = &[
    (
        USER,
        &["GET", "/books?select=title,authors(name)&order=id"],
        1,
        &[
            "  select on public.authors (id, name): granted to authenticated",
            "embed authors: public.authors",
            "  row security is on for `authors`, and binds the role",
            "  visible {\"id\":1}  select: let in by \"open\"",
            "  hidden {\"id\":2}  select: no permissive policy lets it in, \"open\" does not",
        ],
    ),
    (
        USER,
        &["GET", "/books?select=title,authors(name)&id=eq.1"],
        0,
        &["  visible {\"id\":1}  select: let in by \"open\""],
    ),
    (
        USER,
        &["GET", "/books?select=title,by:authors!inner(name)&by.name=eq.Bob"],
        1,
        &[
            "rows that the filter finds: 1\n  visible {\"id\":2}",
            "embed by: public.authors",
            "`by` is inner",
            "  hidden {\"id\":2}",
        ],
    ),
    (
        USER,
        &["GET", "/authors?select=name,books(title)&books.title=eq.one&id=eq.1"],
        0,
        &["embed books: public.books", "row security is off for `books`"],
    ),
    (
        USER,
        &["GET", "/books?select=id,tags(word)&id=eq.1"],
        1,
        &[
            "embed tags, by way of public.book_tags",
            "  visible {\"book_id\":1,\"tag_id\":1}  select: let in by \"low\"",
            "  hidden {\"book_id\":1,\"tag_id\":2}",
            "embed tags: public.tags",
            "  visible {\"id\":2}",
        ],
    ),
    (
        USER,
        &["GET", "/tags?select=word,books(title,...authors(name))&id=eq.2"],
        1,
        &["embed books.authors: public.authors\n", "  visible {\"id\":1}  select: let in by \"open\""],
    ),
    (
        USER,
        &["PATCH", "/books?id=eq.2&select=title,authors(name)", "--body", "{\"title\":\"x\"}"],
        1,
        &["update on public.books (title): MISSING"],
    ),
    (
        USER,
        &["GET", "/theirs?id=eq.2"],
        1,
        &[
            "`theirs` is a view: it reads its tables with its caller's rights",
            "view theirs reads public.authors",
            "  as authenticated",
            "  hidden {\"id\":2}",
        ],
    ),
    (
        USER,
        &["GET", "/over?called=eq.Ada"],
        0,
        &["view over reads public.theirs", "view theirs reads public.authors", "  visible {\"id\":1}"],
    ),
    (
        USER,
        &["GET", "/all_authors"],
        0,
        &[
            "with its owner's rights",
            "view all_authors reads public.authors\n  select on public.authors (id, name): granted to the owner",
            "every row passes",
        ],
    ),
    (
        "anon",
        &["GET", "/theirs"],
        1,
        &["  select on public.authors (id, name): MISSING", "refused: a grant is missing"],
    ),
    (
        USER,
        &["POST", "/counters", "--body", r#"[{"name":"a","owner":"me","hits":5},{"name":"c","owner":"me","hits":5}]"#],
        0,
        &["  allowed {\"name\":\"a\"}  insert: let in by \"added\"", "  allowed {\"name\":\"c\"}"],
    ),
    (
        USER,
        &["GET", "/rpc/named?word=Ada&select=id"],
        0,
        &[
            "execute as authenticated",
            "  execute on function public.named(text): granted to public",
            "function public.named(text)\n  language sql, stable: it only reads; it runs with its caller's rights",
        ],
    ),
    (
        USER,
        &["POST", "/rpc/counted", "--body", "{}"],
        0,
        &["it runs with the rights of its owner, postgres (security definer)"],
    ),
    (
        USER,
        &["GET", "/rpc/secret"],
        1,
        &["  execute on function public.secret(): MISSING", "refused: a grant is missing"],
    ),
    (USER, &["GET", "/rpc/nothing"], 1, &["refused: "]),
];

#[test]
fn embeds_views_and_functions_are_explained_in_the_same_words_on_both_engines() {
    each_engine("access explain others", async |on| {
        let place = Place::new(on, LIBRARY).await;
        place.all_explained(on, EXPECTED_OF_OTHERS);
        let inside = match on {
            On::Sqlite => {
                "function named uses public.authors\n  row security is on for `authors`, and binds the role\n  policy for select: \"open\""
            }
            On::Postgres => "cannot be seen from outside",
        };
        let written: &[&str] = match on {
            On::Sqlite => &[
                "  update on public.counters (hits): granted to authenticated",
                "function counted_up uses public.counters\n  row security is on",
                "  policy for update: \"own\"",
            ],
            On::Postgres => &["cannot be seen from outside"],
        };
        let up = ["POST", "/rpc/counted_up", "--body", "{\"which\":\"a\"}"];
        place.all_explained(on, &[(USER, &["GET", "/rpc/named?word=Ada"], 0, &[inside]), (USER, &up, 0, written)]);
        place.end().await;
    });
}

#[test]
fn both_sides_of_an_upsert_are_explained() {
    each_engine("access explain upserts", async |on| {
        let place = Place::new(on, LIBRARY).await;
        let body = r#"[{"name":"a","owner":"me","hits":5},{"name":"b","owner":"me","hits":5},{"name":"c","owner":"me","hits":5}]"#;
        let many = [&["POST", "/counters", "--body", body], MERGE].concat();
        let lines: &[&str] = &[
            "  allowed {\"name\":\"c\"}  insert: let in by \"added\"",
            "rows that exist under the keys of the body: 2",
            "  allowed {\"name\":\"a\"}  update: let in by \"own\"; select: let in by \"seen\"",
            "  refused {\"name\":\"b\"}  update: no permissive policy lets it in, \"own\" does not",
            "the same rows as the upsert would leave them: 2",
        ];
        let much = [&["POST", "/counters", "--body", r#"{"name":"a","owner":"me","hits":500}"#], MERGE].concat();
        let put = ["PUT", "/counters?name=eq.a", "--body", r#"{"name":"a","owner":"me","hits":7}"#];
        place.all_explained(
            on,
            &[
                (USER, &many, 1, lines),
                (
                    USER,
                    &much,
                    1,
                    &["  refused {\"name\":\"a\"}  insert:", "  refused {\"name\":\"a\"}  update: no permissive"],
                ),
                (USER, &put, 0, &["rows that exist under the keys of the body: 1"]),
            ],
        );
        place.end().await;
    });
}

#[test]
fn each_row_has_its_reason_in_the_same_words_on_both_engines() {
    each_engine("access explain", async |on| {
        let place = Place::new(on, SCHEMA).await;
        let before = place.explain("service_role", &["GET", "/notes"]);
        place.all_explained(on, EXPECTED);
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
