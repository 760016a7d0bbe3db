//! Requests, and the queries that they become. A case is a request as text: a line, headers, a blank line, a body.

use std::fmt::Write;

use axum::body::Bytes;
use http::Request;
use http::request::Parts;
use roadbed_plan::query::{
    Field, Filter, IsOperand, JsonKey, Operand, Portion, Query, Returning, Rows, RowsWanted, SelectItem, Selection,
};

use super::super::error::{Caller, summary};
use super::super::routes::RestSettings;
use super::{Wanted, request};

fn parts(text: &str) -> (Parts, Bytes) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines().map(str::trim);
    let (method, uri) = lines.next().unwrap().split_once(' ').unwrap();
    let uri: String = uri.chars().map(|c| if c == ' ' { "%20".into() } else { c.to_string() }).collect();
    let uri: String = uri
        .chars()
        .map(|c| if "\"<>{}|\\^`".contains(c) { format!("%{:02X}", c as u32) } else { c.to_string() })
        .collect();
    let mut builder = Request::builder().method(method).uri(uri);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        builder = builder.header(name, value);
    }
    (builder.body(()).unwrap().into_parts().0, Bytes::copy_from_slice(body.as_bytes()))
}

fn wanted(text: &str) -> Result<Wanted, String> {
    let (parts, body) = parts(text);
    request(&RestSettings::default(), &parts, body).map_err(|error| summary(&error, Caller::Known))
}

/// The query that a request becomes, in short; or what is answered instead.
fn query(text: &str) -> String {
    wanted(text).map_or_else(|error| error, |wanted| shown(&wanted.query))
}

fn shown(query: &Query) -> String {
    match query {
        Query::Read(read) => {
            format!(
                "read {}.{} {}{}",
                read.target.schema,
                read.target.name,
                selection(&read.selection),
                wish(read.rows)
            )
        }
        Query::Insert(insert) => format!(
            "insert {} {}{}{}{}{}",
            insert.target.name,
            rows(&insert.rows),
            if insert.missing_default { " default" } else { "" },
            insert.conflict.as_ref().map(|c| format!(" on {:?} {:?}", c.columns, c.resolution)).unwrap_or_default(),
            returned(&insert.returning),
            wish(insert.rows_wanted),
        ),
        Query::Update(update) => format!(
            "update {} {} where {}{}{}{}",
            update.target.name,
            rows(&update.row),
            filters(&update.filter, " & "),
            update.portion.as_ref().map(portion).unwrap_or_default(),
            returned(&update.returning),
            wish(update.rows_wanted)
        ),
        Query::Call(call) => {
            format!("call {} {:?} {}{}", call.target.name, call.arguments, selection(&call.selection), wish(call.rows))
        }
        Query::Delete(delete) => format!(
            "delete {} where {}{}{}{}",
            delete.target.name,
            filters(&delete.filter, " & "),
            delete.portion.as_ref().map(portion).unwrap_or_default(),
            returned(&delete.returning),
            wish(delete.rows_wanted)
        ),
    }
}

fn portion(of: &Portion) -> String {
    format!(" only {:?} from {} by {}", of.limit, of.offset, of.order.len())
}

fn wish(rows: RowsWanted) -> String {
    match rows {
        RowsWanted::Any => String::new(),
        other => format!(" {other:?}"),
    }
}

fn rows(rows: &Rows) -> String {
    format!("{} x{} ({})", String::from_utf8_lossy(&rows.json), rows.count, rows.columns.join(","))
}

fn returned(returning: &Returning) -> String {
    match returning {
        Returning::Nothing => String::new(),
        Returning::Key => " -> key".into(),
        Returning::Rows(rows) => format!(" -> {}", selection(rows)),
    }
}

fn selection(selection: &Selection) -> String {
    let items: Vec<String> = selection.items.iter().map(item).collect();
    let mut text = format!("[{}]", items.join(", "));
    if !selection.filter.is_empty() {
        write!(text, " where {}", filters(&selection.filter, " & ")).unwrap();
    }
    for term in &selection.order {
        let embed = term.embed.as_ref().map(|embed| format!("{embed}.")).unwrap_or_default();
        write!(text, " by {embed}{}", field(&term.field)).unwrap();
        text += if term.descending { " desc" } else { "" };
        text += match term.nulls_first {
            Some(true) => " nulls first",
            Some(false) => " nulls last",
            None => "",
        };
    }
    if let Some(limit) = selection.limit {
        write!(text, " limit {limit}").unwrap();
    }
    if selection.offset > 0 {
        write!(text, " offset {}", selection.offset).unwrap();
    }
    text
}

fn item(item: &SelectItem) -> String {
    match item {
        SelectItem::All => "*".into(),
        SelectItem::Field { field: f, alias, cast } => format!(
            "{}{}{}",
            field(f),
            cast.as_ref().map(|cast| format!("::{cast}")).unwrap_or_default(),
            alias.as_ref().map(|alias| format!(" as {alias}")).unwrap_or_default()
        ),
        SelectItem::Aggregate(aggregation) => {
            let cast = |cast: &Option<String>| cast.as_ref().map(|cast| format!("::{cast}")).unwrap_or_default();
            let of = aggregation.field.as_ref().map(field).unwrap_or_default();
            let (before, after) = (cast(&aggregation.cast), cast(&aggregation.result_cast));
            let alias = aggregation.alias.as_ref().map(|alias| format!(" as {alias}")).unwrap_or_default();
            format!("{}({of}{before}){after}{alias}", aggregation.function.name())
        }
        SelectItem::Embed(embed) => format!(
            "{}{}{}{}{}{}",
            if embed.spread { "..." } else { "" },
            if embed.inner { "inner " } else { "" },
            embed.target,
            embed.hint.as_ref().map(|hint| format!("!{hint}")).unwrap_or_default(),
            embed.alias.as_ref().map(|alias| format!(" as {alias}")).unwrap_or_default(),
            selection(&embed.selection)
        ),
    }
}

fn field(field: &Field) -> String {
    let steps = field.path.iter().map(|step| {
        let arrow = if step.as_text { "->>" } else { "->" };
        match &step.key {
            JsonKey::Name(name) => format!("{arrow}'{name}'"),
            JsonKey::Index(index) => format!("{arrow}{index}"),
        }
    });
    format!("{}{}", field.column, steps.collect::<String>())
}

fn filters(list: &[Filter], between: &str) -> String {
    list.iter().map(filter).collect::<Vec<_>>().join(between)
}

fn filter(one: &Filter) -> String {
    match one {
        Filter::All(list) => format!("({})", filters(list, " & ")),
        Filter::Any(list) => format!("({})", filters(list, " | ")),
        Filter::Not(inner) => format!("!{}", filter(inner)),
        Filter::Test { field: f, operator, operand } => {
            let operand = match operand {
                Operand::Text(text) => format!("{text:?}"),
                Operand::List(list) => format!("{list:?}"),
                Operand::Is(IsOperand::NotNull) => "not null".into(),
                Operand::Is(is) => format!("{is:?}").to_lowercase(),
                Operand::Search { language, text } => format!("{language:?} {text:?}"),
                Operand::Quantified { all, array } => format!("{} {array}", if *all { "all" } else { "any" }),
            };
            format!("{} {} {operand}", field(f), operator.symbol())
        }
    }
}

/// Each case: a request, and what it becomes.
fn each(cases: &[(&str, &str)]) {
    for (request, expected) in cases {
        assert_eq!(query(request), *expected, "{request}");
    }
}

#[test]
fn select_takes_columns_renames_casts_paths_and_embeds() {
    each(&[
        ("GET /films", "read public.films [*]"),
        ("GET /films?select=", "read public.films []"),
        ("GET /films?select=id,name:title,year::text", "read public.films [id, title as name, year::text]"),
        ("GET /films?select=*,a:b::int", "read public.films [*, b::int as a]"),
        ("GET /films?select=count(),n:count()::text", "read public.films [count(), count()::text as n]"),
        (
            "GET /films?select=n:a.sum()::int,a->b::numeric.avg()",
            "read public.films [sum(a)::int as n, avg(a->'b'::numeric)]",
        ),
        ("GET /films?select=*,...e!inner(a,...f(b))", "read public.films [*, ...inner e[a, ...f[b]]]"),
        (
            "GET /films?select=data->a->>b,x:data->0->-1->>c::int",
            "read public.films [data->'a'->>'b', data->0->-1->>'c'::int as x]",
        ),
        (
            "GET /films?select=\"a,b\",\"say \\\"x\\\"\":\"c(d\",two words , dash-ed",
            "read public.films [a,b, c(d as say \"x\", two words, dash-ed]",
        ),
        (
            "GET /films?select=title,director(name),cast:actors!roles!inner(*,awards(),home:places!left(city))",
            "read public.films [title, director[name], inner actors!roles as cast[*, awards[], places as home[city]]]",
        ),
        ("GET /films?select=a!inner!fk(id),b!fk!inner(id)", "read public.films [inner a!fk[id], inner b!fk[id]]"),
        ("GET /fil%20ms%C3%A4", "read public.fil msä [*]"),
    ]);
}

#[test]
fn filters_take_every_operator() {
    each(&[
        ("GET /t?a=eq.1&b=neq.x y", "read public.t [*] where a = \"1\" & b <> \"x y\""),
        (
            "GET /t?a=gt.1&a=gte.1&a=lt.2&a=lte.2",
            "read public.t [*] where a > \"1\" & a >= \"1\" & a < \"2\" & a <= \"2\"",
        ),
        ("GET /t?a=like.*b*&a=ilike.c%25", "read public.t [*] where a ~~ \"%b%\" & a ~~* \"c%\""),
        ("GET /t?a=match.^b*&a=imatch.c", "read public.t [*] where a ~ \"^b*\" & a ~* \"c\""),
        ("GET /t?a=isdistinct.1", "read public.t [*] where a is distinct from \"1\""),
        (
            "GET /t?a=in.(1,\"b,c\",\"d\\\"e\", f )",
            "read public.t [*] where a in [\"1\", \"b,c\", \"d\\\"e\", \" f \"]",
        ),
        ("GET /t?a=in.()", "read public.t [*] where a in []"),
        (
            "GET /t?a=is.null&a=is.not_null&a=is.TRUE&a=is.false&a=is.unknown",
            "read public.t [*] where a is null & a is not null & a is true & a is false & a is unknown",
        ),
        (
            "GET /t?a=not.eq.1&a=not.is.null&a=not.in.(1)",
            "read public.t [*] where !a = \"1\" & !a is null & !a in [\"1\"]",
        ),
        (
            "GET /t?a=eq(any).{1,\"b c\"}&a=not.like(all).{a*,*b}",
            "read public.t [*] where a = any {1,\"b c\"} & !a ~~ all {a%,%b}",
        ),
        ("GET /t?a=eq.&a=eq.eq.1.2", "read public.t [*] where a = \"\" & a = \"eq.1.2\""),
        ("GET /t?d->a->>b=eq.x&d->0=is.null", "read public.t [*] where d->'a'->>'b' = \"x\" & d->0 is null"),
    ]);
}

#[test]
fn logic_nests_and_knows_where_it_belongs() {
    each(&[
        ("GET /t?or=(a.eq.1,b.eq.2)", "read public.t [*] where (a = \"1\" | b = \"2\")"),
        (
            "GET /t?and=(a.not.eq.1, or(b.in.(1,2),not.and(c.is.null,d.like.*x)))",
            "read public.t [*] where (!a = \"1\" & (b in [\"1\", \"2\"] | !(c is null & d ~~ \"%x\")))",
        ),
        ("GET /t?not.or=(a.eq.\"x,y\",b->>c.eq.{1,2})", "read public.t [*] where !(a = \"x,y\" | b->>'c' = \"{1,2}\")"),
        (
            "GET /t?select=e(*,f(*))&e.or=(a.eq.1,b.eq.2)&e.f.not.and=(c.gt.3)&e.f.d=eq.4&e.a=lt.9",
            "read public.t [e[*, f[*] where d = \"4\" & !(c > \"3\")] where a < \"9\" & (a = \"1\" | b = \"2\")]",
        ),
        ("GET /t?select=x:e(id)&x.id=eq.1&x=is.null", "read public.t [e as x[id] where id = \"1\"] where x is null"),
        (
            "GET /t?select=id,e(id)&f.a=eq.1",
            "400 PGRST108 'f' is not an embedded resource in this request; hint: Verify that 'f' is included in the 'select' query parameter.",
        ),
    ]);
}

#[test]
fn order_and_page_apply_to_the_top_and_to_embeds() {
    each(&[
        (
            "GET /t?order=a.desc.nullslast,b,c.nullsfirst,d->>x.asc",
            "read public.t [*] by a desc nulls last by b by c nulls first by d->>'x'",
        ),
        ("GET /t?select=*,e(*)&order=e(a->b).desc&e.order=c.asc", "read public.t [*, e[*] by c] by e.a->'b' desc"),
        ("GET /t?limit=10&offset=5", "read public.t [*] limit 10 offset 5"),
        ("GET /t?limit=0", "read public.t [*] limit 0"),
        ("GET /t?limit=x", "read public.t [*]"),
        (
            "GET /t?select=*,e(*,f(*))&e.limit=3&e.offset=2&e.f.limit=1",
            "read public.t [*, e[*, f[*] limit 1] limit 3 offset 2]",
        ),
        ("GET /t\nRange: 10-19", "read public.t [*] limit 10 offset 10"),
        ("GET /t\nRange: 10-", "read public.t [*] offset 10"),
        ("GET /t\nRange: bytes=0-5", "read public.t [*]"),
        ("GET /t?limit=5&offset=12\nRange: 10-19", "read public.t [*] limit 5 offset 12"),
        ("HEAD /t\nRange: 10-19", "read public.t [*]"),
        (
            "GET /t\nRange: 5-3",
            "416 PGRST103 Requested range not satisfiable; The lower boundary must be lower than or equal to the upper boundary in the Range header.",
        ),
        (
            "GET /t?limit=-1",
            "416 PGRST103 Requested range not satisfiable; Limit should be greater than or equal to zero.",
        ),
        ("GET /t?select=e(*)&e.limit=-1", "400 2201W LIMIT must not be negative"),
        ("GET /t?select=e(*)&e.offset=-1", "400 2201X OFFSET must not be negative"),
        (
            "GET /t?limit=99999999999999999999&offset=9223372036854775807",
            "416 PGRST103 Requested range not satisfiable; Limit should be greater than or equal to zero.",
        ),
        (
            "GET /t?offset=9223372036854775807&limit=9223372036854775807",
            "read public.t [*] limit 1 offset 9223372036854775807",
        ),
    ]);
}

/// Parameters; and of the answer: what is at fault, the column, and the details.
const FAULTS: &[(&str, &str, usize, &str)] = &[
    ("a=foo.1", "failed to parse filter (foo.1)", 1, "unexpected \"f\" expecting \"not\" or operator (eq, gt, ...)"),
    ("a=noop.0", "failed to parse filter (noop.0)", 1, "unexpected \"o\" expecting \"not\" or operator (eq, gt, ...)"),
    ("a=fts().value", "failed to parse filter (fts().value)", 5, "unexpected \")\" expecting operator (eq, gt, ...)"),
    ("a=eq().value", "failed to parse filter (eq().value)", 4, "unexpected \")\" expecting operator (eq, gt, ...)"),
    ("a=is().value", "failed to parse filter (is().value)", 3, "unexpected \"(\" expecting operator (eq, gt, ...)"),
    ("a=in().value", "failed to parse filter (in().value)", 3, "unexpected \"(\" expecting operator (eq, gt, ...)"),
    (
        "a=is.nope",
        "failed to parse filter (is.nope)",
        6,
        "unexpected \"p\" expecting isVal: (null, not_null, true, false, unknown)",
    ),
    ("a=in.1", "failed to parse filter (in.1)", 4, "unexpected \"1\" expecting \"(\""),
    (
        "order=id.ac",
        "failed to parse order (id.ac)",
        4,
        "unexpected \"c\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"",
    ),
    (
        "order=id.descc",
        "failed to parse order (id.descc)",
        8,
        "unexpected 'c' expecting delimiter (.), \",\" or end of input",
    ),
    (
        "order=id.nullslasttt",
        "failed to parse order (id.nullslasttt)",
        13,
        "unexpected 't' expecting \",\" or end of input",
    ),
    (
        "order=id.asc.nlsfst",
        "failed to parse order (id.asc.nlsfst)",
        8,
        "unexpected \"l\" expecting \"nullsfirst\" or \"nullslast\"",
    ),
    (
        "order=clients(name,id)",
        "failed to parse order (clients(name,id))",
        8,
        "unexpected '(' expecting letter, digit, \"-\", \"->>\", \"->\", delimiter (.), \",\" or end of input",
    ),
    (
        "select=id,clients(name[])",
        "failed to parse select parameter (id,clients(name[]))",
        16,
        "unexpected '[' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", \")\", \",\" or end of input",
    ),
    (
        "select=data->>-78xy",
        "failed to parse select parameter (data->>-78xy)",
        11,
        "unexpected 'x' expecting digit, \"->\", \"::\", \".\", \",\" or end of input",
    ),
    (
        "select=name::",
        "failed to parse select parameter (name::)",
        7,
        "unexpected end of input expecting letter or digit",
    ),
    (
        "select=name!hint",
        "failed to parse select parameter (name!hint)",
        5,
        "unexpected '!' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", \")\", \",\" or end of input",
    ),
    (
        "or=()",
        "failed to parse logic tree (())",
        4,
        "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)",
    ),
    (
        "or=(id.in.1,2,id.eq.3)",
        "failed to parse logic tree ((id.in.1,2,id.eq.3))",
        10,
        "unexpected \"1\" expecting \"(\"",
    ),
    ("or=)(", "failed to parse logic tree ()()", 3, "unexpected \")\" expecting \"(\""),
    (
        "and=(ord(id.eq.1,id.eq.1),id.eq.2)",
        "failed to parse logic tree ((ord(id.eq.1,id.eq.1),id.eq.2))",
        7,
        "unexpected \"d\" expecting \"(\"",
    ),
    (
        "or=(id.eq.1,not.xor(id.eq.2,id.eq.3))",
        "failed to parse logic tree ((id.eq.1,not.xor(id.eq.2,id.eq.3)))",
        16,
        "unexpected \"x\" expecting logic operator (and, or)",
    ),
    (":=eq.1", "failed to parse tree path (:)", 1, "unexpected \":\" expecting field name (* or [a..z0..9_$])"),
];

#[test]
fn grammar_faults_are_told_in_postgrests_words() {
    for (parameters, name, column, details) in FAULTS {
        let expected = format!("400 PGRST100 \"{name}\" (line 1, column {column}); {details}");
        assert_eq!(query(&format!("GET /t?{parameters}")), expected);
    }
}

#[test]
fn what_postgrest_has_and_we_do_not_is_said_so() {
    each(&[("TRACE /t", "405 PGRST117 Unsupported HTTP method: TRACE")]);
}

#[test]
fn inserts_take_objects_whose_keys_are_the_same() {
    each(&[
        ("POST /t\n\n{\"b\":1,\"a\":[{\"x\":1}]}", "insert t {\"b\":1,\"a\":[{\"x\":1}]} x1 (a,b)"),
        ("POST /t\n\n[{\"b\":1,\"a\":2},{\"a\":3,\"b\":4}]", "insert t [{\"b\":1,\"a\":2},{\"a\":3,\"b\":4}] x2 (a,b)"),
        ("POST /t\n\n[]", "insert t [] x0 ()"),
        ("POST /t\n\n[{},{}]", "insert t [{},{}] x2 ()"),
        ("POST /t\n\n1", "insert t [] x0 ()"),
        ("POST /t?columns=b,a,b\n\n[{\"a\":1},{\"c\":2}]", "insert t [{\"a\":1},{\"c\":2}] x2 (a,b)"),
        ("POST /t\n\n[{\"a\":1},{\"b\":1}]", "400 PGRST102 All object keys must match"),
        ("POST /t\n\n[{\"a\":1},{\"a\":1,\"b\":1}]", "400 PGRST102 All object keys must match"),
        ("POST /t\n\n[{\"a\":1,\"b\":1},{\"a\":1,\"a\":2}]", "400 PGRST102 All object keys must match"),
        ("POST /t\n\n[{\"a\":1},2]", "400 PGRST102 All object keys must match"),
        ("POST /t\n\n", "400 PGRST102 Empty or invalid json"),
        ("POST /t\n\n{\"a\":1", "400 PGRST102 Empty or invalid json"),
        ("POST /t\n\n{\"a\":1}x", "400 PGRST102 Empty or invalid json"),
        ("POST /t\n\n[{\"a\":01}]", "400 PGRST102 Empty or invalid json"),
        ("POST /t\nContent-Type: text/plain\n\n{}", "400 PGRST102 Content-Type not acceptable: text/plain"),
    ]);
}

#[test]
fn inserts_heed_their_preferences() {
    each(&[
        (
            "POST /t?select=id,e(*)&e.limit=1\nPrefer: return=representation, missing=default\n\n{\"a\":1}",
            "insert t {\"a\":1} x1 (a) default -> [id, e[*] limit 1]",
        ),
        ("POST /t\nPrefer: return=headers-only\n\n{}", "insert t {} x1 () -> key"),
        (
            "POST /t?on_conflict=a,b\nPrefer: resolution=merge-duplicates\nPrefer: resolution=ignore-duplicates\n\n{}",
            "insert t {} x1 () on Some([\"a\", \"b\"]) Merge",
        ),
        ("POST /t\nPrefer: resolution=ignore-duplicates\n\n{}", "insert t {} x1 () on None Ignore"),
        ("POST /t?on_conflict=a\n\n{}", "insert t {} x1 ()"),
        (
            "POST /t\nPrefer: handling=strict, tx=commit, foo, timezone=Mars/Base\n\n{}",
            "400 PGRST122 Invalid preferences given with handling=strict; Invalid preferences: foo, timezone=Mars/Base",
        ),
        ("POST /t\nPrefer: handling=lenient, foo\n\n{}", "insert t {} x1 ()"),
    ]);
}

#[test]
fn changes_take_filters_and_one_row() {
    each(&[
        ("PATCH /t?id=eq.1\n\n{\"a\":2}", "update t {\"a\":2} x1 (a) where id = \"1\""),
        ("PATCH /t?id=eq.1\n\n[ {\"a\":2} , {\"a\":3}]", "update t {\"a\":2} x1 (a) where id = \"1\""),
        ("PATCH /t?id=eq.1\n\n{}", "update t {} x1 () where id = \"1\""),
        ("PATCH /t?columns=b\n\n[]", "update t {} x1 () where "),
        (
            "PATCH /t?or=(a.eq.1,b.eq.2)&select=id,e(*)&e.x=eq.1&order=id&limit=1\nPrefer: return=representation\n\n{\"a\":1}",
            "update t {\"a\":1} x1 (a) where (a = \"1\" | b = \"2\") only Some(1) from 0 by 1 -> [id, e[*] where x = \"1\"] by id",
        ),
        (
            "DELETE /t?id=in.(1,2)\nPrefer: handling=strict, max-affected=1",
            "delete t where id in [\"1\", \"2\"] AtMost(1)",
        ),
        ("DELETE /t?order=id&limit=2&offset=1", "delete t where  only Some(2) from 1 by 1"),
        ("DELETE /t?id=in.(1,2)\nPrefer: max-affected=1", "delete t where id in [\"1\", \"2\"]"),
        (
            "DELETE /t\nAccept: application/vnd.pgrst.object+json\nPrefer: return=representation",
            "delete t where  -> [*] ExactlyOne",
        ),
    ]);
}

#[test]
fn profiles_name_the_schema() {
    each(&[
        ("GET /t\nAccept-Profile: api", "read api.t [*]"),
        ("GET /t\nContent-Profile: api", "read public.t [*]"),
        ("HEAD /t\nAccept-Profile: api", "read api.t [*]"),
    ]);
    assert_eq!(wanted("GET /t\nAccept-Profile: api").unwrap().reply.profile.as_deref(), Some("api"));
    assert_eq!(wanted("GET /t").unwrap().reply.profile, None);
    let several = RestSettings { schemas: vec!["a".into(), "b".into()], ..RestSettings::default() };
    let (parts, body) = parts("POST /t\n\n{}");
    assert_eq!(request(&several, &parts, body).unwrap().reply.profile.as_deref(), Some("a"));
}

#[test]
fn accept_decides_the_form() {
    let form = |accept: &str| query(&format!("GET /t\nAccept: {accept}"));
    for json in [
        "*/*",
        "application/json",
        "text/csv, application/json;q=0.5",
        "application/vnd.pgrst.array+json",
        "text/html;q=0.9,*/*;q=0.8",
    ] {
        assert_eq!(form(json), "read public.t [*]", "{json}");
    }
    for object in [
        "application/vnd.pgrst.object+json",
        "application/vnd.pgrst.object",
        "application/json;q=0.1, application/vnd.pgrst.object+json",
    ] {
        assert_eq!(form(object), "read public.t [*] ExactlyOne", "{object}");
    }
    assert_eq!(
        form("image/png, text/unknown"),
        "406 PGRST107 None of these media types are available: image/png, text/unknown"
    );
}

#[test]
fn hostile_requests_are_refused_and_nothing_panics() {
    let deep_select = format!("GET /t?select={}*{}", "a(".repeat(5000), ")".repeat(5000));
    assert!(query(&deep_select).contains("more than 32 levels deep"), "{}", query(&deep_select));
    let deep_logic = format!("GET /t?and=({}a.eq.1{})", "not.and(".repeat(5000), ")".repeat(5000));
    assert!(query(&deep_logic).contains("more than 32 levels deep"), "{}", query(&deep_logic));
    let nots = format!("GET /t?a={}eq.1", "not.".repeat(5000));
    assert!(query(&nots).starts_with("400 PGRST100"));
    let long_list = format!("GET /t?a=in.({})", "1,".repeat(20000) + "1");
    assert!(query(&long_list).starts_with("read"));
    let deep_body = format!("POST /t\n\n{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(query(&deep_body).starts_with("insert"));
    each(&[
        ("GET /t?a=eq.%FF", "400 22021 invalid byte sequence for encoding \"UTF8\": 0xff"),
        ("GET /t?%C3=eq.1", "400 22021 invalid byte sequence for encoding \"UTF8\": 0xc3"),
        ("GET /%FF", "400 22021 invalid byte sequence for encoding \"UTF8\": 0xff"),
        ("GET /t?a=eq.%00", "400 22021 invalid byte sequence for encoding \"UTF8\": 0x00"),
        ("GET /t?a=eq.%zz%", "read public.t [*] where a = \"%zz%\""),
    ]);
    let (parts, _) = parts("POST /t");
    let refused = request(&RestSettings::default(), &parts, Bytes::from_static(b"{\"a\":\"\xff\"}"));
    assert!(refused.is_err());
    // Every prefix of something that uses the whole grammar.
    let whole = "select=*,\"q\\\"\":a->b->>0::int.sum(),x:e!h!inner(*,...s(c),f())&e.or=(a.not.in.(1,\"2\"),not.and(b.is.null,c.eq(any).{1,2}))&order=a->>b.desc.nullslast,e(c).asc&a=fts(x).é&e.limit=1&columns=a,b&on_conflict=c";
    for (end, _) in whole.char_indices() {
        for body in ["", "[{\"a\":", "{\"a\":1}"] {
            let encoded: String = whole[..end]
                .bytes()
                .map(|b| {
                    if b.is_ascii_alphanumeric() || b == b'&' || b == b'=' {
                        (b as char).to_string()
                    } else {
                        format!("%{b:02X}")
                    }
                })
                .collect();
            for method in ["GET", "POST", "PATCH"] {
                _ = query(&format!("{method} /t?{encoded}\n\n{body}"));
            }
        }
    }
}

#[test]
fn the_canonical_address_is_sorted_and_escaped() {
    let reply = wanted("GET /t?select=id,name&a=eq.x+y&b").unwrap().reply;
    assert_eq!(reply.canonical, "a=eq.x%20y&b=&select=id%2Cname");
}
