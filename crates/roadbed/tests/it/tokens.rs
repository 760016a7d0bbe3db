//! Tokens of every kind of key, and forged ones, through the routes on every engine.
//! The keys in `tests/keys` are made for these tests and are used nowhere else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use roadbed_plan::Clock;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::harness::{Answer, Ask, On, SECRET, Setup, World, each_engine};

const SCHEMA: &str = "create table notes (id int primary key, owner uuid);
    grant select on notes to anon, authenticated;
    alter table notes enable row level security;
    create policy own on notes to authenticated using (owner = auth.uid());";
const ROWS: &str = "insert into notes values (1, '00000000-0000-0000-0000-000000000001'),
    (2, '00000000-0000-0000-0000-000000000002');";
const NOW: i64 = 1_700_000_000;

/// A pair of keys.
struct Pair {
    algorithm: Algorithm,
    private: EncodingKey,
    public: &'static str,
}

macro_rules! pair {
    ($algorithm:ident, $read:ident, $name:literal) => {
        Pair {
            algorithm: Algorithm::$algorithm,
            private: EncodingKey::$read(include_bytes!(concat!("../keys/test-only-", $name, ".private.pem")))
                .expect("it is a key"),
            public: include_str!(concat!("../keys/test-only-", $name, ".public.pem")),
        }
    };
}

fn rsa() -> [Pair; 2] {
    [pair!(RS256, from_rsa_pem, "rsa-old"), pair!(RS256, from_rsa_pem, "rsa-new")]
}

fn ec() -> [Pair; 2] {
    [pair!(ES256, from_ec_pem, "ec-old"), pair!(ES256, from_ec_pem, "ec-new")]
}

impl Pair {
    /// The public half as a JSON Web Key.
    fn jwk(&self, id: Option<&str>) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).expect("it is a key");
        jwk.common.key_id = id.map(str::to_owned);
        jwk
    }

    fn token(&self, id: Option<&str>, claims: &Json) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.private).expect("it can be signed")
    }
}

/// What user 1 would claim.
fn user() -> Json {
    json!({ "role": "authenticated", "sub": "00000000-0000-0000-0000-000000000001", "exp": NOW + 60 })
}

fn signed(header: &Header, claims: &Json, secret: &[u8]) -> String {
    encode(header, claims, &EncodingKey::from_secret(secret)).expect("it can be signed")
}

fn hs256(claims: &Json) -> String {
    signed(&Header::new(Algorithm::HS256), claims, SECRET.as_bytes())
}

async fn world(on: On, settings: &str) -> (World, Clock) {
    let setup = Setup { settings: settings.to_owned(), ..Setup::new(SCHEMA).rows(ROWS) };
    let clock = Clock::manual(NOW);
    (World::new(on, &setup).await.with_clock(&setup, clock.clone()).await, clock)
}

async fn ask(world: &World, token: &str) -> Answer {
    world.ask(&Ask::get("/notes?select=id").header("Authorization", &format!("Bearer {token}"))).await
}

/// The token stands for user 1, who sees one row of two.
async fn holds(world: &World, token: &str, what: &str) {
    let answer = ask(world, token).await;
    assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#), "{what}");
}

/// The token is turned away with a code, a message and details, as PostgREST does.
async fn fails(world: &World, token: &str, (code, message, details): (&str, &str, Option<&str>), what: &str) {
    let answer = ask(world, token).await;
    let error = json!({ "code": code, "message": message, "details": details, "hint": null });
    assert_eq!((answer.status, answer.json()), (401, error), "{what}");
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{message}\"");
    assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{what}");
}

type Refusal = (&'static str, &'static str, Option<&'static str>);

const KEY: &str = "No suitable key or wrong key type";
const NO_KEY: Refusal = ("PGRST301", KEY, Some("No suitable key was found to decode the JWT"));
const FORGED: Refusal = ("PGRST301", KEY, Some("None of the keys was able to decode the JWT"));
const UNSIGNED: Refusal =
    ("PGRST301", "Wrong or unsupported encoding algorithm", Some("JWT is unsecured but expected 'alg' was not 'none'"));
const CRITICAL: Refusal = (
    "PGRST301",
    "JWT cryptographic operation failed",
    Some("The header demands extensions in 'crit', of which none is understood"),
);

/// The public key as its owner may publish it: each text with the id that tokens may name.
fn published(pair: &Pair, other: &Pair) -> Vec<(String, Option<&'static str>)> {
    let text = |keys: serde_json::Result<String>| keys.expect("keys are JSON");
    let set = JwkSet { keys: vec![other.jwk(Some("other")), pair.jwk(Some("this"))] };
    vec![
        (pair.public.to_owned(), None),
        (pair.public.to_owned(), Some("any")),
        (text(serde_json::to_string(&pair.jwk(None))), None),
        (text(serde_json::to_string(&pair.jwk(Some("this")))), Some("this")),
        (text(serde_json::to_string(&set)), Some("this")),
        (text(serde_json::to_string(&set)), None),
    ]
}

#[test]
fn a_public_key_in_a_file_verifies_in_each_of_its_forms() {
    each_engine("a public key in a file verifies in each of its forms", async |on| {
        for [pair, other] in [rsa(), ec()] {
            for (text, id) in published(&pair, &other) {
                let file = tempfile::NamedTempFile::new().expect("there is room for a file");
                std::fs::write(file.path(), &text).expect("files can be written");
                let (world, _) = world(on, &format!("[jwt]\nkey-file = '{}'\n", file.path().display())).await;
                let what = format!("{:?} {id:?} on {on} by {text}", pair.algorithm);
                holds(&world, &pair.token(id, &user()), &what).await;
                // A set has the other key too, and does not keep it from a token that names none.
                if !(text.contains("\"kid\"") && id.is_none()) {
                    fails(&world, &other.token(id, &user()), FORGED, &what).await;
                }
                confused(&world, &pair, &text, &what).await;
                world.end().await;
            }
        }
    });
}

/// What is public signs nothing: neither the file's bytes nor the key's text as a shared secret.
async fn confused(world: &World, pair: &Pair, text: &str, what: &str) {
    let header = Header::new(Algorithm::HS256);
    for secret in [text, text.trim(), pair.public, pair.public.trim()] {
        fails(world, &signed(&header, &user(), secret.as_bytes()), FORGED, what).await;
    }
    holds(world, &hs256(&user()), what).await;
}

#[test]
fn a_key_with_an_id_is_meant_by_that_id_only() {
    each_engine("a key with an id is meant by that id only", async |on| {
        let [pair, _] = ec();
        let file = tempfile::NamedTempFile::new().expect("there is room for a file");
        let text = serde_json::to_string(&pair.jwk(Some("this"))).expect("keys are JSON");
        std::fs::write(file.path(), text).expect("files can be written");
        let (world, _) = world(on, &format!("[jwt]\nkey-file = '{}'\n", file.path().display())).await;
        fails(&world, &pair.token(Some("that"), &user()), NO_KEY, "another id").await;
        let [rsa, _] = rsa();
        fails(&world, &rsa.token(Some("this"), &user()), NO_KEY, "a key of another kind").await;
        world.end().await;
    });
}

/// A key set behind an address of this machine.
struct KeyServer {
    url: String,
    set: Arc<Mutex<JwkSet>>,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl KeyServer {
    async fn start(keys: Vec<Jwk>) -> Self {
        let (set, asked) = (Arc::new(Mutex::new(JwkSet { keys })), Arc::<AtomicUsize>::default());
        let (served, counted) = (set.clone(), asked.clone());
        let answer = get(move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            axum::Json(served.lock().expect("no holder panics").clone())
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
        let url = format!("http://{}/keys", listener.local_addr().expect("it is bound"));
        let routes = Router::new().route("/keys", answer);
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { url, set, asked, serving }
    }

    fn publish(&self, keys: Vec<Jwk>) {
        self.set.lock().expect("no holder panics").keys = keys;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn stop(self) {
        self.serving.abort();
        // It was told to end in the middle.
        let _ = self.serving.await;
    }
}

#[test]
fn published_keys_may_change_and_their_server_may_go_away() {
    each_engine("published keys may change and their server may go away", async |on| {
        for [old, new] in [rsa(), ec()] {
            let keys = KeyServer::start(vec![old.jwk(Some("old"))]).await;
            let (world, clock) = world(on, &format!("[jwt]\njwks-url = '{}'\n", keys.url)).await;
            holds(&world, &old.token(Some("old"), &user()), "the first key").await;
            let asked = keys.asked();
            // An id that nobody has is looked for once, however often it is named.
            clock.advance(10);
            for _ in 0..3 {
                fails(&world, &new.token(Some("new"), &user()), NO_KEY, "a key that is not published").await;
            }
            assert_eq!(keys.asked(), asked + 1, "on {on}");
            fails(&world, &new.token(Some("old"), &user()), FORGED, "a known id with another's signature").await;
            keys.publish(vec![old.jwk(Some("old")), new.jwk(Some("new"))]);
            clock.advance(10);
            holds(&world, &new.token(Some("new"), &user()), "the new key").await;
            holds(&world, &old.token(Some("old"), &user()), "the old key beside it").await;
            assert_eq!(keys.asked(), asked + 2, "on {on}");
            keys.stop().await;
            clock.advance(10);
            fails(&world, &old.token(Some("third"), &user()), NO_KEY, "nobody can be asked").await;
            holds(&world, &new.token(Some("new"), &user()), "what is known stays").await;
            world.end().await;
        }
    });
}

#[test]
fn keys_come_when_their_server_does() {
    each_engine("keys come when their server does", async |on| {
        let [pair, other] = ec();
        let keys = KeyServer::start(vec![]).await;
        let (world, clock) = world(on, &format!("[jwt]\njwks-url = '{}'\n", keys.url)).await;
        fails(&world, &pair.token(None, &user()), NO_KEY, "no keys yet").await;
        keys.publish(vec![pair.jwk(None)]);
        clock.advance(10);
        holds(&world, &pair.token(None, &user()), "a key without an id").await;
        fails(&world, &other.token(None, &user()), FORGED, "another's signature").await;
        keys.stop().await;
        world.end().await;
    });
}

#[test]
fn a_published_set_gives_no_shared_secrets_and_no_keys_for_encryption() {
    each_engine("a published set gives no shared secrets", async |on| {
        let [pair, _] = ec();
        let secret = b"a secret of 32 bytes that all see";
        let mut shared = Jwk::from_encoding_key(&EncodingKey::from_secret(secret), Algorithm::HS256).expect("a key");
        shared.common.key_id = Some("shared".into());
        let mut encrypting = pair.jwk(Some("encrypting"));
        encrypting.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Encryption);
        let keys = KeyServer::start(vec![shared, encrypting]).await;
        let (world, _) = world(on, &format!("[jwt]\njwks-url = '{}'\n", keys.url)).await;
        let header = Header { kid: Some("shared".into()), ..Header::new(Algorithm::HS256) };
        fails(&world, &signed(&header, &user(), secret), FORGED, "a secret that everybody can read").await;
        fails(&world, &pair.token(Some("encrypting"), &user()), NO_KEY, "a key for encryption").await;
        keys.stop().await;
        world.end().await;
    });
}

#[test]
fn forged_and_strange_tokens_are_refused() {
    each_engine("forged and strange tokens are refused", async |on| {
        let (world, _) = world(on, "").await;
        let good = hs256(&user());
        holds(&world, &good, "a good token").await;
        let (signed_part, signature) = good.rsplit_once('.').expect("it has three parts");
        let service = hs256(&json!({ "role": "service_role" }));
        let payload = service.split('.').nth(1).expect("it has three parts");
        let (head, _) = signed_part.split_once('.').expect("it has three parts");
        fails(&world, &format!("{head}.{payload}.{signature}"), FORGED, "other claims").await;
        fails(&world, &format!("{signed_part}."), FORGED, "no signature").await;
        for none in ["eyJhbGciOiJub25lIn0", "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0"] {
            fails(&world, &format!("{none}.{payload}."), UNSIGNED, "no algorithm").await;
            fails(&world, &format!("{none}.{payload}.{signature}"), UNSIGNED, "no algorithm, but a signature").await;
        }
        // {"alg":"NONE"}
        let unknown = ("PGRST301", "JWT cryptographic operation failed", None);
        fails(&world, &format!("eyJhbGciOiJOT05FIn0.{payload}."), unknown, "an unknown algorithm").await;
        let other = signed(&Header::new(Algorithm::HS512), &user(), SECRET.as_bytes());
        fails(&world, &other, NO_KEY, "an algorithm that no key is for").await;
        for [pair, _] in [rsa(), ec()] {
            // The token brings its own key.
            let header = Header { jwk: Some(pair.jwk(None)), ..Header::new(pair.algorithm) };
            let token = encode(&header, &user(), &pair.private).expect("it can be signed");
            fails(&world, &token, NO_KEY, "a key of nobody's").await;
        }
        for crit in [vec![], vec!["exp".to_owned()], vec!["b64".to_owned()]] {
            let header = Header { crit: Some(crit), ..Header::new(Algorithm::HS256) };
            fails(&world, &signed(&header, &user(), SECRET.as_bytes()), CRITICAL, "critical extensions").await;
        }
        world.end().await;
    });
}

#[test]
fn times_have_thirty_seconds_of_patience_and_the_clock_moves_on() {
    each_engine("times have thirty seconds of patience", async |on| {
        let (world, clock) = world(on, "").await;
        let with = |claim: &str, value: i64| {
            let mut claims = user();
            claims[claim] = value.into();
            hs256(&claims)
        };
        for (claim, last, first, message) in [
            ("exp", NOW - 30, NOW - 31, "JWT expired"),
            ("nbf", NOW + 30, NOW + 31, "JWT not yet valid"),
            ("iat", NOW + 30, NOW + 31, "JWT issued at future"),
        ] {
            holds(&world, &with(claim, last), claim).await;
            fails(&world, &with(claim, first), ("PGRST303", message, None), claim).await;
        }
        let (short, early) = (with("exp", NOW), with("nbf", NOW + 31));
        clock.advance(30);
        holds(&world, &short, "its last second").await;
        holds(&world, &early, "its time has come").await;
        clock.advance(1);
        fails(&world, &short, ("PGRST303", "JWT expired", None), "one second later").await;
        world.end().await;
    });
}

#[test]
fn a_token_for_others_and_one_without_a_role_are_refused() {
    each_engine("a token for others and one without a role", async |on| {
        let (world, _) = world(on, "[jwt]\naud = 'shop'\n[rest]\nanon-role = ''\n").await;
        let with = |audience: Json| {
            let mut claims = user();
            claims["aud"] = audience;
            hs256(&claims)
        };
        holds(&world, &with(json!(["bank", "shop"])), "one of its audiences").await;
        fails(&world, &with(json!("bank")), ("PGRST303", "JWT not in audience", None), "another audience").await;
        fails(&world, &with(json!(["bank"])), ("PGRST303", "JWT not in audience", None), "other audiences").await;
        let answer = ask(&world, &hs256(&json!({ "sub": "1" }))).await;
        let error =
            json!({ "code": "PGRST302", "message": "Anonymous access is disabled", "details": null, "hint": null });
        assert_eq!((answer.status, answer.json()), (401, error));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        world.end().await;
    });
}

#[test]
fn a_token_without_a_role_is_anonymous_where_somebody_may_be() {
    each_engine("a token without a role is anonymous", async |on| {
        let (world, _) = world(on, "").await;
        let answer = ask(&world, &hs256(&json!({ "sub": "00000000-0000-0000-0000-000000000001" }))).await;
        assert_eq!((answer.status, answer.text()), (200, "[]"), "nothing of the one whom `sub` names");
        world.end().await;
    });
}

/// A world whose only public key is this text.
async fn world_with_key(text: &str) -> World {
    let file = tempfile::NamedTempFile::new().expect("there is room for a file");
    std::fs::write(file.path(), text).expect("files can be written");
    world(On::Sqlite, &format!("[jwt]\nkey-file = '{}'\n", file.path().display())).await.0
}

#[tokio::test]
async fn a_key_verifies_the_algorithm_that_it_names_and_no_other() {
    use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
    let all = [RS256, RS384, RS512, PS256, PS384, PS512];
    for named in all {
        let [pair, _] = rsa();
        let pair = Pair { algorithm: named, ..pair };
        let text = serde_json::to_string(&pair.jwk(None)).expect("keys are JSON");
        let world = world_with_key(&text).await;
        for used in all {
            let token = encode(&Header::new(used), &user(), &pair.private).expect("it can be signed");
            match used == named {
                true => holds(&world, &token, &format!("{used:?}")).await,
                false => fails(&world, &token, NO_KEY, &format!("{used:?} by a key for {named:?}")).await,
            }
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_curve_has_one_algorithm() {
    let pairs = [pair!(ES384, from_ec_pem, "p384"), pair!(EdDSA, from_ed_pem, "ed25519")];
    let [es256, _] = ec();
    for pair in pairs {
        let jwk = serde_json::to_string(&pair.jwk(Some("this"))).expect("keys are JSON");
        let mut unnamed = pair.jwk(None);
        unnamed.common.key_algorithm = None;
        let unnamed = serde_json::to_string(&unnamed).expect("keys are JSON");
        for text in [pair.public, &jwk, &unnamed] {
            let world = world_with_key(text).await;
            holds(&world, &pair.token(Some("this"), &user()), text).await;
            fails(&world, &es256.token(Some("this"), &user()), NO_KEY, "another curve").await;
            confused(&world, &pair, text, text).await;
            world.end().await;
        }
    }
}
