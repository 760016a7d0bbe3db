//! `roadbed access diff`: what a change of migrations newly allows or forbids.

use std::path::Path;
use std::process::Command;

use super::{folder, write};
use crate::process::{as_argument, run};

const START: &str = "create table notes (id int primary key, owner uuid, text text, secret text);
    alter table notes enable row level security;
    create policy own on notes for select to authenticated using (owner = auth.uid());
    grant select (id, owner, text) on notes to authenticated;
    create role editor;
    create role reader;
    grant reader to authenticated;
    create view shown with (security_invoker = true) as select id, text from notes;
    create view owned as select id from notes;
    create function total() returns int language sql security definer set search_path = '' as $$ select 1 $$;
    create function plain() returns int language sql as $$ select 1 $$;
    create function closed() returns int language sql as $$ select 1 $$;
    revoke execute on function closed() from public, anon, authenticated, service_role;
    alter default privileges in schema public grant usage on sequences to reader;";

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
        ("grant reader to anon;", "+ role anon: is a member of reader"),
        ("grant update (text) on notes to authenticated;", "+ role authenticated: may update public.notes"),
        (
            "grant select on notes to editor with grant option;",
            "+ role editor: may grant-others select on public.notes",
        ),
        ("alter view shown set (security_invoker = false);", "+ view public.shown: reads with its owner's rights"),
        ("create or replace view owned as select id from notes where id > 1;", "+ view public.owned: shows other rows"),
        (
            "create view peek as select secret from notes; grant select on peek to anon;",
            "+ role anon: may select public.peek",
        ),
        ("alter function plain() security definer;", "+ function public.plain(): runs with its owner's rights"),
        (
            "create or replace function total() returns int language sql security definer set search_path = '' as $$ select 2 $$;",
            "+ function public.total(): does something else, with its owner's rights",
        ),
        ("grant execute on function closed() to anon;", "+ role anon: may execute public.closed()"),
        (
            "alter default privileges in schema public grant execute on functions to editor;",
            "+ default privileges: execute on new functions in public for editor, where postgres makes them",
        ),
        (
            "revoke reader from authenticated; grant execute on function closed() to editor;",
            "+ role editor: may execute public.closed()",
        ),
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
        ("revoke reader from authenticated;", "- role authenticated: is no member of reader any more"),
        ("revoke select on notes from authenticated;", "- role authenticated: may not select public.notes any more"),
        ("alter view owned set (security_invoker = true);", "- view public.owned: reads with its caller's rights"),
        ("alter function total() security invoker;", "- function public.total(): runs with its caller's rights"),
        ("drop function plain();", "- role anon: may not execute public.plain() any more"),
        ("revoke execute on function plain() from public;", "- role anon: may not execute public.plain() any more"),
        (
            "alter default privileges in schema public revoke usage on sequences from reader;",
            "- default privileges: no more usage on new sequences in public for reader",
        ),
        ("create or replace function plain() returns int language sql as $$ select 2 $$;", "access is the same"),
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
