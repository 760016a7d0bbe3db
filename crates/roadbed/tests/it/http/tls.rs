//! TLS from files, and what becomes of it when they change.

use std::path::Path;
use std::process::Command;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, CertifiedKey, DnType, KeyPair};
use reqwest::{Certificate, Client};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};

use super::{PATIENCE, exchange, folder, host, write};
use crate::harness::runtime;
use crate::process::{Program, as_argument, run, until};

const SETTINGS: &str = "[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";

/// A certificate for `localhost` that vouches for itself, called `name`.
fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("both are names");
    params.distinguished_name.push(DnType::CommonName, name);
    let signing_key = KeyPair::generate().expect("there are random numbers");
    CertifiedKey { cert: params.self_signed(&signing_key).expect("it has all it needs"), signing_key }
}

fn put(folder: &Path, pair: &CertifiedKey<KeyPair>) {
    write(folder, "server.key", &pair.signing_key.serialize_pem());
    write(folder, "server.pem", &pair.cert.pem());
}

fn start(folder: &Path) -> Program {
    let mut program = Program::serve(folder, &[]);
    program.url = program.url.replace("http://", "https://");
    program
}

/// Somebody who trusts this certificate alone, and whose connections are new ones.
fn client(pair: &CertifiedKey<KeyPair>) -> Client {
    let root = Certificate::from_pem(pair.cert.pem().as_bytes()).expect("it is one");
    let client = Client::builder().tls_certs_only([root]).pool_max_idle_per_host(0).timeout(PATIENCE);
    client.build().expect("it has all it needs")
}

/// A connection with what it agreed on: the version of TLS and the protocol inside.
async fn agreed(
    program: &Program,
    pair: &CertifiedKey<KeyPair>,
    version: &'static SupportedProtocolVersion,
    protocols: &[&[u8]],
) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(pair.cert.der().to_vec())).expect("it is one");
    let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into());
    let config = config.with_protocol_versions(&[version]).expect("it is known");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = tokio::net::TcpStream::connect(host(program)).await?;
    let name = ServerName::try_from("localhost").expect("it is a name");
    TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await
}

#[test]
fn requests_come_encrypted_by_either_protocol() {
    let pair = certificate("first");
    let folder = folder(SETTINGS);
    put(folder.path(), &pair);
    let program = start(folder.path());
    runtime().block_on(async {
        let answer = client(&pair).get(format!("{}/healthz", program.url)).send().await.expect("it answers");
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
        let stranger = client(&certificate("first")).get(format!("{}/healthz", program.url)).send().await;
        assert!(stranger.is_err(), "another key vouches for nothing");

        let stream = agreed(&program, &pair, &TLS13, &[b"h2", b"http/1.1"]).await.expect("they agree");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let spoken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = spoken.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let request = hyper::Request::get(format!("{}/rest/v1/notes", program.url)).body(Empty::<Bytes>::new());
        let answer = sender.send_request(request.expect("it is well-formed")).await.expect("it answers");
        assert_eq!((answer.status().as_u16(), answer.version()), (200, hyper::Version::HTTP_2));

        let stream = agreed(&program, &pair, &TLS13, &[b"http/1.1"]).await.expect("they agree");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    });
    let plain = exchange(&program, "GET /healthz HTTP/1.1\r\nHost: x", "");
    assert!(!plain.contains("ok"), "what is not encrypted is not answered: {plain}");
}

#[test]
fn old_versions_are_refused_where_they_are_to_be() {
    let pair = certificate("first");
    let folder = folder(SETTINGS);
    put(folder.path(), &pair);
    for (settings, is_spoken) in [(SETTINGS.to_owned(), true), (format!("{SETTINGS}min-version = \"1.3\"\n"), false)] {
        write(folder.path(), "roadbed.toml", &settings);
        let program = start(folder.path());
        runtime().block_on(async {
            let old = agreed(&program, &pair, &TLS12, &[]).await;
            assert_eq!(old.is_ok(), is_spoken, "{settings}: {:?}", old.err());
            let new = agreed(&program, &pair, &TLS13, &[]).await.expect("the newest is always spoken");
            assert_eq!(new.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        });
    }
}

#[test]
fn a_new_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let (first, second, third) = (certificate("first"), certificate("second"), certificate("third"));
    let folder = folder(SETTINGS);
    put(folder.path(), &first);
    let program = start(folder.path());
    let url = format!("{}/healthz", program.url);
    runtime().block_on(async {
        let held = client(&first);
        assert_eq!(held.get(&url).send().await.expect("it answers").status(), 200);
        put(folder.path(), &second);
        until("the second certificate", async || client(&second).get(&url).send().await.ok()).await;
        assert!(client(&first).get(&url).send().await.is_err(), "the first is gone");

        write(folder.path(), "server.pem", "nothing");
        hang_up(&program);
        program.logs.wait_for("a line about it", |line| line.contains("the old certificate stays").then_some(()));
        assert_eq!(client(&second).get(&url).send().await.expect("it still answers").status(), 200);

        put(folder.path(), &third);
        hang_up(&program);
        until("the third certificate", async || client(&third).get(&url).send().await.ok()).await;
    });
}

fn hang_up(program: &Program) {
    let told = Command::new("kill").args(["-HUP", &program.id().to_string()]).status();
    assert!(told.expect("there is a `kill`").success());
}

#[test]
fn what_cannot_be_encrypted_with_is_said_at_the_start() {
    let folder = folder(SETTINGS);
    put(folder.path(), &certificate("first"));
    let whole = std::fs::read_to_string(folder.path().join("server.key")).expect("it is there");
    write(folder.path(), "server.key", &certificate("other").signing_key.serialize_pem());
    let refused = |settings: &str, what: &str| {
        write(folder.path(), "roadbed.toml", settings);
        let output = run(&["serve", as_argument(folder.path()), "--listen", "127.0.0.1:0"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(what), "{settings}: {text}");
        assert!(!text.contains(whole.lines().nth(1).expect("it has lines")), "a key is shown: {text}");
    };
    refused(SETTINGS, "server.pem");
    refused("[tls]\nkey = \"server.key\"\n", "`tls.certificate`");
    refused("[tls]\ncertificate = \"server.pem\"\n", "`tls.key`");
    refused(&SETTINGS.replace("server.key", "nothing.key"), "nothing.key");
    refused(&SETTINGS.replace("server.key", "roadbed.toml"), "roadbed.toml");
    refused(&format!("{SETTINGS}min-version = \"1.1\"\n"), "tls.min-version");
}
