//! The load: clients that each ask, wait for the answer, and ask again.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::LocalSet;

use crate::client::Connection;
use crate::cpu::Processes;

/// How long a contestant is asked before it counts.
const WARM_UP: Duration = Duration::from_millis(100);

/// What is asked, by how many, for how long.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Rc<Vec<Vec<u8>>>,
    /// What every answer must have.
    pub(crate) status: u16,
    pub(crate) clients: usize,
    pub(crate) time: Duration,
}

/// Whose CPU time is taken.
#[derive(Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) server: Processes,
    pub(crate) database: Option<Processes>,
}

/// One contestant in one round. Times are in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) requests_per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// CPU time per request.
    pub(crate) server_cpu: f64,
    pub(crate) database_cpu: Option<f64>,
    pub(crate) load_cpu: f64,
}

/// Asks for the load's time, after a short warm-up. Also gives the number of all answers, the warm-up's included.
pub(crate) async fn measure(load: &Load, watched: Watched) -> Result<(Measured, usize)> {
    let warm_up = ask(load, WARM_UP).await?.len();
    let used = || {
        let load = Processes::One(std::process::id()).cpu_time();
        (watched.server.cpu_time(), watched.database.map(Processes::cpu_time), load)
    };
    let before = used();
    let began = Instant::now();
    let mut latencies = ask(load, load.time).await?;
    let seconds = began.elapsed().as_secs_f64();
    let after = used();
    latencies.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
    let requests = latencies.len() as f64;
    let per_request = |before: Duration, after: Duration| (after - before).as_secs_f64() * 1e6 / requests;
    let measured = Measured {
        requests_per_second: requests / seconds,
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
        server_cpu: per_request(before.0, after.0),
        database_cpu: before.1.zip(after.1).map(|(before, after)| per_request(before, after)),
        load_cpu: per_request(before.2, after.2),
    };
    Ok((measured, warm_up + latencies.len()))
}

/// Microseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
}

/// The latencies of all requests that were begun within `time`; each was answered.
async fn ask(load: &Load, time: Duration) -> Result<Vec<Duration>> {
    let mut connections = Vec::with_capacity(load.clients);
    for _ in 0..load.clients {
        connections.push(Connection::open(load.address).await?);
    }
    let clients = LocalSet::new();
    let until = Instant::now() + time;
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(number, connection)| {
            let first = number * load.requests.len() / load.clients;
            clients.spawn_local(client(connection, load.requests.clone(), (first, load.status), until))
        })
        .collect();
    clients.await;
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.map_err(Error::other)??);
    }
    Ok(latencies)
}

async fn client(
    mut connection: Connection,
    requests: Rc<Vec<Vec<u8>>>,
    (first, status): (usize, u16),
    until: Instant,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(16 * 1024);
    for request in requests.iter().cycle().skip(first) {
        let began = Instant::now();
        if began >= until {
            break;
        }
        let answer = connection.ask(request).await?;
        if answer.status != status {
            let body = String::from_utf8_lossy(answer.body);
            return Err(Error::other(format!("status {} instead of {status}: {body}", answer.status)));
        }
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}
