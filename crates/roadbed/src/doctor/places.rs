//! Addresses that are listened on: whether they can be had.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Finding;
use crate::config::{MetricsAt, Settings};

/// How long a server that listens already has to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![place("server.listen", &settings.server.listen).await];
    if let MetricsAt::Address(address) = settings.telemetry.metrics_at() {
        findings.push(place("telemetry.metrics", address).await);
    }
    findings
}

async fn place(setting: &str, address: &str) -> Finding {
    let Err(error) = TcpListener::bind(address).await else {
        return Finding::good("ports", format!("`{setting}`: `{address}` is free"));
    };
    match error.kind() {
        ErrorKind::AddrInUse if is_roadbed(address).await => {
            Finding::good("ports", format!("`{setting}`: a server of Roadbed's listens on `{address}` already"))
        }
        ErrorKind::AddrInUse => Finding::bad(
            "ports",
            format!("`{setting}`: another program listens on `{address}`"),
            format!("stop it, or give `{setting}` another port; `ss -ltnp` says which program it is"),
        ),
        ErrorKind::PermissionDenied => Finding::bad(
            "ports",
            format!("`{setting}`: `{address}` may not be listened on"),
            "take a port from 1024 on, or give the program `CAP_NET_BIND_SERVICE`",
        ),
        _ => Finding::bad(
            "ports",
            format!("`{setting}`: `{address}` cannot be listened on: {error}"),
            "write an address of this machine and a port, as in `127.0.0.1:3000` or `0.0.0.0:3000`",
        ),
    }
}

/// Whether what listens answers as Roadbed does.
async fn is_roadbed(address: &str) -> bool {
    let answer = async {
        let mut stream = TcpStream::connect(address.replace("0.0.0.0:", "127.0.0.1:")).await?;
        stream
            .write_all(b"GET /.well-known/roadbed.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut text = Vec::new();
        stream.take(4096).read_to_end(&mut text).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer
        .is_ok_and(|answer| answer.is_ok_and(|text| text.contains("\"publishable\"") || text.contains("x-request-id")))
}
