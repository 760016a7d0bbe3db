//! Connections: so many at a time, each with so long for its requests' headers, and all let to end at a stop.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::assemble::stopped;
use crate::config::Limits;

/// How long nothing is accepted after the system could not, as when it is out of files.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves until `stop` says so and the requests that run then have ended.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: &Limits, stop: watch::Receiver<bool>) {
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(limits.header_seconds.get()));
    let most = limits.connections.get();
    let places = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)));
    tokio::select! {
        () = stopped(stop.clone()) => {}
        () = accept_all(&listener, &places, |stream, place| {
            tokio::spawn(connection(protocol.clone(), router.clone(), stream, (place, stop.clone())));
        }) => {}
    }
    drop(listener);
    // All places are free when the last connection has ended. Nobody closes the semaphore.
    let _ = places.acquire_many(most).await;
}

/// Hands over each connection with the place that it takes; those beyond the last place are left waiting.
async fn accept_all(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    hand_over: impl Fn(TcpStream, OwnedSemaphorePermit),
) {
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => hand_over(stream, place),
            Err(error) if is_the_callers(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "connections cannot be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether only the one caller who was to be accepted has gone.
fn is_the_callers(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

async fn connection(
    protocol: http1::Builder,
    router: Router,
    stream: TcpStream,
    (place, stop): (OwnedSemaphorePermit, watch::Receiver<bool>),
) {
    let serving = protocol.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopped(stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
    drop(place);
}
