//! The places of a request where a caller writes: `§` stands for what is written, encoded as its place asks for,
//! and `¤` for the same as it is.

use axum::http::Method;

use crate::harness::{Ask, Caller};

#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) method: Verb,
    pub(super) path: &'static str,
    pub(super) header: Option<(&'static str, &'static str)>,
    pub(super) body: &'static str,
}

/// Methods as a constant can hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Head,
    Post,
    Patch,
    Delete,
}

const fn read(path: &'static str) -> Place {
    Place { method: Verb::Get, path, header: None, body: "" }
}

const fn header(name: &'static str, value: &'static str) -> Place {
    Place { method: Verb::Get, path: "/authors?select=id", header: Some((name, value)), body: "" }
}

const fn write(method: Verb, path: &'static str, body: &'static str) -> Place {
    Place { method, path, header: None, body }
}

const fn write_with(method: Verb, path: &'static str, name: &'static str, value: &'static str) -> Place {
    Place { method, path, header: Some((name, value)), body: r#"{"name":null}"# }
}

impl Place {
    pub(super) fn name(&self) -> String {
        format!("{:?} {} {:?} {}", self.method, self.path, self.header, self.body)
    }

    /// Who asks: a signed-in user as well where that makes a difference, and where she may not write.
    pub(super) fn callers(&self) -> Vec<Caller> {
        let both = self.path.contains("books") && self.method == Verb::Get;
        if both { vec![Caller::Anonymous, Caller::user(1)] } else { vec![Caller::Anonymous] }
    }

    /// `None` where the payload cannot be sent at all.
    pub(super) fn ask(&self, payload: &str, in_url: &str) -> Option<Ask> {
        let json = serde_json::to_string(payload).expect("texts are JSON");
        let json = &json[1..json.len() - 1];
        let method = match self.method {
            Verb::Get => Method::GET,
            Verb::Head => Method::HEAD,
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        };
        let mut ask = Ask::new(method, self.path.replace('§', in_url));
        if let Some((name, value)) = self.header {
            if value.contains('§') && payload.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                return None;
            }
            ask = ask.header(name, &value.replace('§', payload));
        }
        ask.body = self.body.replace('§', json).replace('¤', payload).into();
        Some(ask)
    }
}

use Verb::{Delete, Get, Head, Patch, Post};

/// Every place. What is written must not be accepted by any: a name is missing, or no row fits.
pub(super) const PLACES: &[Place] = &[
    // Paths.
    read("/§"),
    read("/authors§"),
    read("/authors/§"),
    read("/rpc/§"),
    read("//§"),
    write(Head, "/§", ""),
    write(Post, "/rpc/§", r#"{"§":"§"}"#),
    // Columns, aliases, casts, JSON paths, aggregates.
    read("/authors?select=§"),
    read("/authors?select=id,§:name"),
    read("/authors?select=name:§"),
    read("/authors?select=id::§"),
    read("/authors?select=meta->§"),
    read("/authors?select=meta->>§"),
    read("/authors?select=meta->a->§->>b"),
    read("/authors?select=x:meta->>\"§\""),
    read("/authors?select=\"§\""),
    read("/authors?select=id.§()"),
    read("/authors?select=id.count()::§"),
    read("/books?select=§"),
    read("/books?select=id::§"),
    read("/we%22ird%20%27n%3B%20--%20name?select=§"),
    read("/we%22ird%20%27n%3B%20--%20name?co%22l%27%3B%20--=eq.§"),
    // Embeds: target, hint, alias, columns, join.
    read("/authors?select=name,§(id)"),
    read("/authors?select=name,books!§(id)"),
    read("/authors?select=name,books!inner!§(id)"),
    read("/authors?select=name,§:books(id)"),
    read("/authors?select=name,books(§)"),
    read("/authors?select=name,books(§:id)"),
    read("/authors?select=name,...books(§)"),
    read("/books?select=id,authors(§)"),
    // Filters: column, operator, modifier, value, each kind of value.
    read("/authors?§=eq.1"),
    read("/authors?id=§"),
    read("/authors?id=§.1"),
    read("/authors?id=not.§.1"),
    read("/authors?name=eq(§).x"),
    read("/authors?name=eq.§"),
    read("/authors?name=neq.§"),
    read("/authors?name=gt.§"),
    read("/authors?name=lte.§"),
    read("/authors?name=like.§"),
    read("/authors?name=ilike.§"),
    read("/authors?name=match.§"),
    read("/authors?name=imatch.§"),
    read("/authors?name=is.§"),
    read("/authors?name=isdistinct.§"),
    read("/authors?name=fts.§"),
    read("/authors?name=fts(§).a"),
    read("/authors?name=in.§"),
    read("/authors?name=in.(§)"),
    read("/authors?name=in.(\"§\")"),
    read("/authors?name=eq(any).{§}"),
    read("/authors?name=like(all).{§}"),
    read("/authors?id=eq.§"),
    read("/authors?id=in.(1,§)"),
    read("/authors?id=is.§"),
    read("/authors?mood=eq.§"),
    read("/authors?mood=in.(§)"),
    read("/authors?born=eq.§"),
    read("/authors?meta=eq.§"),
    read("/authors?meta=cs.§"),
    read("/authors?meta->§=eq.1"),
    read("/authors?meta->>§=eq.1"),
    read("/authors?meta->a->>§=in.(§)"),
    read("/books?select=id&price=eq.§"),
    read("/books?select=id&tags=cs.§"),
    read("/books?select=id&tags=cs.{§}"),
    read("/books?select=id&tags=eq.§"),
    read("/books?select=id&made=gt.§"),
    read("/books?select=id&owner=eq.§"),
    read("/books?select=id&doc->>§=eq.§"),
    read("/books?select=id&secret=eq.§"),
    // Conditions.
    read("/authors?or=§"),
    read("/authors?or=(§)"),
    read("/authors?or=(id.eq.§,name.eq.§)"),
    read("/authors?or=(id.§.1)"),
    read("/authors?and=(§.eq.1)"),
    read("/authors?not.or=(id.eq.1,§)"),
    read("/authors?or=(and(§),id.eq.1)"),
    // Order, page, and both in embeds.
    read("/authors?order=§"),
    read("/authors?order=id.§"),
    read("/authors?order=id.asc.§"),
    read("/authors?order=meta->>§"),
    read("/authors?limit=§"),
    read("/authors?offset=§"),
    read("/books?select=id,authors(name)&order=authors(§)"),
    read("/books?select=id,authors(name)&order=§(name)"),
    read("/authors?select=id,books(id)&books.limit=§"),
    read("/authors?select=id,books(id)&books.offset=§"),
    read("/authors?select=id,books(id)&books.§=eq.1"),
    read("/authors?select=id,books(id)&books.title=eq.§"),
    read("/authors?select=id,books(id)&§.id=eq.1"),
    read("/authors?select=id,books(id)&books.order=§"),
    read("/authors?select=id,books(id)&books.or=(§)"),
    // Headers.
    header("Accept", "§"),
    header("Accept", "application/vnd.pgrst.§"),
    header("Accept-Profile", "§"),
    header("apikey", "§"),
    header("Authorization", "§"),
    header("Authorization", "Bearer §"),
    header("Cookie", "§"),
    header("Cookie", "a=§; §=b"),
    header("Origin", "§"),
    header("Prefer", "§"),
    header("Prefer", "count=§"),
    header("Prefer", "handling=strict, §"),
    header("Prefer", "timezone=§"),
    header("Prefer", "tx=§"),
    header("Range", "§"),
    header("Range", "0-§"),
    header("Range", "§-1"),
    header("Range-Unit", "§"),
    header("X-Custom", "§"),
    header("X-Request-Id", "§"),
    write_with(Post, "/authors", "Content-Profile", "§"),
    write_with(Post, "/authors", "Content-Type", "§"),
    write_with(Post, "/authors", "Prefer", "resolution=§"),
    write_with(Post, "/authors", "Prefer", "return=representation, max-affected=§"),
    write_with(Patch, "/authors?id=eq.99", "Prefer", "§"),
    write_with(Get, "/rpc/§", "Prefer", "params=§"),
    // Writes: table, keys, values, columns, conflicts, what is returned.
    write(Post, "/§", r#"{"a":1}"#),
    write(Post, "/authors", r#"{"§":1}"#),
    write(Post, "/authors", r#"{"name":null,"§":"§"}"#),
    write(Post, "/authors", r#"[{"name":null},{"§":1}]"#),
    write(Post, "/authors", r#"{"name":null,"mood":"§"}"#),
    write(Post, "/authors", r#"{"name":null,"born":"§"}"#),
    write(Post, "/authors", r#"{"name":null,"meta":"§"}"#),
    write(Post, "/authors", r#"{"name":null,"meta":{"§":["§"]}}"#),
    write(Post, "/authors", r#"{"name":null,"id":"§"}"#),
    write(Post, "/authors?columns=§", r#"{"name":null}"#),
    write(Post, "/authors?columns=name,§", r#"{"name":null,"§":1}"#),
    write(Post, "/authors?select=§", r#"{"name":null}"#),
    write_with(Post, "/authors?on_conflict=§", "Prefer", "resolution=merge-duplicates"),
    write_with(Post, "/authors?on_conflict=id,§", "Prefer", "resolution=ignore-duplicates"),
    write_with(Post, "/authors?select=§", "Prefer", "return=representation"),
    write(Post, "/books", r#"{"title":"§","price":"§","tags":"§"}"#),
    write(Post, "/books", r#"{"title":"x","tags":["§"]}"#),
    write(Post, "/books", "¤"),
    write(Post, "/books", "[¤]"),
    write(Post, "/books", r#"{"title":¤}"#),
    write(Post, "/books", r#"{"title":"¤"}"#),
    Place { method: Post, path: "/books", header: Some(("Content-Type", "text/csv")), body: "¤,title\n1,2" },
    Place {
        method: Post,
        path: "/books",
        header: Some(("Content-Type", "application/x-www-form-urlencoded")),
        body: "title=¤&¤=1",
    },
    write(Patch, "/authors?id=eq.999", r#"{"§":1}"#),
    write(Patch, "/authors?id=eq.999", r#"{"name":"§","mood":"§"}"#),
    write(Patch, "/authors?id=eq.999&§=eq.1", r#"{"name":"x"}"#),
    write(Patch, "/authors?id=eq.999&name=eq.§", r#"{"name":"§"}"#),
    write(Patch, "/authors?id=eq.999&or=(§)", r#"{"name":"§"}"#),
    write(Patch, "/authors?id=eq.999&columns=§", r#"{"name":"§"}"#),
    write(Patch, "/authors?id=eq.999&select=§", r#"{"name":"§"}"#),
    write(Delete, "/authors?id=eq.999&name=eq.§", ""),
    write(Delete, "/authors?id=eq.999&§=eq.1", ""),
    write(Delete, "/authors?id=eq.999&or=(§)", ""),
    write(Delete, "/authors?id=eq.999&limit=§", ""),
    write(Delete, "/books?title=eq.§", ""),
];
