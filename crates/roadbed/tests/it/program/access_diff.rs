//! `roadbed access diff`: what a change of migrations newly allows or forbids.

use std::path::Path;
use std::process::Command;

use super::{folder, write};
use crate::process::{as_argument, run};

const START: &str = "create table notes (id int primary key, owner uuid, text text, secret text);
    alter table notes enable row level security;
    create policy own on notes for select to authenticated using (owner = auth.uid());
    grant select (id, owner, text) on notes to authenticated;
    create role editor;";

fn git(folder: &Path, arguments: &[&str]) {
    let settings = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").arg("-C").arg(folder).args(settings).args(arguments).output();
    let output = output.expect("there is git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository whose first commit has `START`.
fn repository() -> tempfile::TempDir {
    let place = folder(START);
    git(place.path(), &["init", "--quiet"]);
    git(place.path(), &["add", "."]);
    git(place.path(), &["commit", "--quiet", "-m", "first"]);
    place
}

/// Exit code and output of `access diff HEAD` with one more migration.
fn diff(migration: &str) -> (Option<i32>, String) {
    let place = repository();
    write(place.path(), "migrations/0002_next.sql", migration);
    diff_in(place.path(), "HEAD")
}

fn diff_in(folder: &Path, revision: &str) -> (Option<i32>, String) {
    let output = run(&["access", "diff", revision, as_argument(folder)]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn what_widens_is_told_and_ends_with_1() {
    let widened = [
        ("grant select on notes to anon;", "+ role anon: may select public.notes"),
        ("grant select (secret) on notes to authenticated;", "+ role authenticated: may select public.notes (secret)"),
        ("grant insert on notes to authenticated;", "+ role authenticated: may insert public.notes"),
        ("alter table notes disable row level security;", "+ table public.notes: row security is switched off"),
        ("create policy all_rows on notes using (true);", "+ table public.notes: policy new: \"all_rows\""),
        (
            "alter policy own on notes using (owner = auth.uid() or text is null);",
            "+ table public.notes: policy changed",
        ),
        ("alter policy own on notes to public;", "+ table public.notes: policy changed"),
        ("alter policy own on notes using (id > 3);", "+ table public.notes: policy changed"),
        ("alter role editor bypassrls;", "+ role editor: bypasses row security"),
        ("grant service_role to anon;", "+ role anon: is a member of service_role"),
        ("create function one() returns int language sql as $$ select 1 $$;", "+ role anon: may execute public.one()"),
        ("alter default privileges in schema public grant select on tables to anon;", "+ default privileges"),
        ("create table open (id int); grant select on open to anon;", "+ role anon: may select public.open"),
        ("create type pair as (a int, b int);", "0002_next.sql:1: not looked into, and so counted"),
    ];
    for (migration, line) in widened {
        let (code, printed) = diff(migration);
        assert!(code == Some(1) && printed.contains(line), "{migration}\n{code:?} {printed}");
    }
}

#[test]
fn what_narrows_or_changes_nothing_ends_with_0() {
    let narrowed = [
        (
            "revoke select (text) on notes from authenticated;",
            "- role authenticated: may not select public.notes (text) any more",
        ),
        ("drop policy own on notes;", "- table public.notes: policy dropped: \"own\""),
        (
            "create policy recent on notes as restrictive using (id > 3);",
            "- table public.notes: policy new: \"recent\" as restrictive",
        ),
        ("alter policy own on notes using (owner = auth.uid() and id > 3);", "- table public.notes: policy changed"),
        ("alter table notes force row level security;", "- table public.notes: row security binds the owner"),
        ("drop role editor;", "- role editor: role dropped"),
        ("create index on notes (text);", "access is the same"),
        ("create table closed (id int);", "~ role service_role: may select public.closed"),
    ];
    for (migration, line) in narrowed {
        let (code, printed) = diff(migration);
        assert!(code == Some(0) && printed.contains(line), "{migration}\n{code:?} {printed}");
    }
}

#[test]
fn restrictive_policies_are_judged_the_other_way_round() {
    let place = repository();
    let restrictive = "create policy recent on notes as restrictive to authenticated using (id > 3 and id < 9);";
    write(place.path(), "migrations/0002_next.sql", restrictive);
    git(place.path(), &["add", "."]);
    git(place.path(), &["commit", "--quiet", "-m", "second"]);
    let after = |migration: &str| {
        write(place.path(), "migrations/0003_next.sql", migration);
        diff_in(place.path(), "HEAD").0
    };
    assert_eq!(after("drop policy recent on notes;"), Some(1));
    assert_eq!(after("alter policy recent on notes to anon;"), Some(1));
    assert_eq!(after("alter policy recent on notes to public;"), Some(0));
    assert_eq!(after("alter policy recent on notes using (id > 3);"), Some(1));
    assert_eq!(after("alter policy recent on notes using (id > 3 and id < 9 and id <> 5);"), Some(0));
    assert_eq!(diff_in(place.path(), "HEAD~1").0, Some(0), "against the first commit the policy is new");
}

#[test]
fn what_cannot_be_compared_ends_with_2() {
    let place = repository();
    let (code, printed) = diff_in(place.path(), "no-such-branch");
    assert!(code == Some(2) && printed.contains("no revision"), "{code:?} {printed}");
    let (code, printed) = diff_in(place.path(), "--output=planted");
    assert!(code == Some(2) && !place.path().join("planted").exists(), "{printed}");
    let outside = folder(START);
    let (code, printed) = diff_in(outside.path(), "HEAD");
    assert!(code == Some(2) && printed.contains("git"), "{code:?} {printed}");
    write(place.path(), "migrations/0002_next.sql", "slect 1;");
    assert_eq!(diff_in(place.path(), "HEAD").0, Some(2));
}
