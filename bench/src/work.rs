//! The questions, as each contestant wants them asked.

use clap::ValueEnum;
use serde::Serialize;

use crate::world::World;

/// Different requests of each kind; clients walk through them from different places.
const REQUESTS: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    GetByKey,
    TwentyRows,
    Insert,
}

/// Who asks. The hand-written server is asked the same without saying who.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Caller {
    /// Another user with each request, each with a token.
    Users,
    Anonymous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contestant {
    Roadbed,
    ByHand,
}

impl Work {
    /// Inserts come last: they make the table grow.
    pub(crate) const ALL: [Self; 3] = [Self::GetByKey, Self::TwentyRows, Self::Insert];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::GetByKey => "get by key",
            Self::TwentyRows => "20 rows filtered and ordered",
            Self::Insert => "single insert",
        }
    }

    pub(crate) fn callers(self) -> &'static [Caller] {
        match self {
            Self::GetByKey | Self::TwentyRows => &[Caller::Users, Caller::Anonymous],
            Self::Insert => &[Caller::Users],
        }
    }

    pub(crate) fn status(self) -> u16 {
        match self {
            Self::GetByKey | Self::TwentyRows => 200,
            Self::Insert => 201,
        }
    }
}

impl Caller {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Anonymous => "anonymous",
        }
    }
}

/// The requests as bytes; those of the two contestants stand at the same places.
pub(crate) fn requests(world: &World, work: Work, caller: Caller, contestant: Contestant) -> Vec<Vec<u8>> {
    (0..REQUESTS).map(|number| request(world, work, (caller, number), contestant)).collect()
}

fn request(world: &World, work: Work, (caller, number): (Caller, usize), contestant: Contestant) -> Vec<u8> {
    // Callers ask for their own rows, some of which only they may see; the anonymous for those that all may see.
    let (author, token) = match caller {
        Caller::Users => {
            let user = &world.users[number % world.users.len()];
            (user.author, Some(&user.token))
        }
        Caller::Anonymous => (world.public_author(number), None),
    };
    let token = token.filter(|_| contestant == Contestant::Roadbed);
    let id = world.author_id(author);
    let post = world.post_of(author, number / world.users.len());
    let (method, path, headers, body) = match (work, contestant) {
        (Work::GetByKey, Contestant::Roadbed) => (
            "GET",
            format!("/rest/v1/posts?id=eq.{post}"),
            "accept: application/vnd.pgrst.object+json\r\n",
            String::new(),
        ),
        (Work::GetByKey, Contestant::ByHand) => ("GET", format!("/posts/{post}"), "", String::new()),
        (Work::TwentyRows, Contestant::Roadbed) => (
            "GET",
            format!("/rest/v1/posts?select=id,title,views,created_at&author_id=eq.{id}&order=created_at.desc&limit=20"),
            "",
            String::new(),
        ),
        (Work::TwentyRows, Contestant::ByHand) => ("GET", format!("/authors/{id}/posts"), "", String::new()),
        (Work::Insert, contestant) => {
            let path = match contestant {
                Contestant::Roadbed => "/rest/v1/posts",
                Contestant::ByHand => "/posts",
            };
            ("POST", path.to_owned(), "content-type: application/json\r\n", world.new_post(author, number))
        }
    };
    let token = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{token}{headers}{length}\r\n{body}").into_bytes()
}
