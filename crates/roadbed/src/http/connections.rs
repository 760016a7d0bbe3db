//! Connections: so many at a time, each with so long for what it must say, and all let to end at a stop.

use std::convert::Infallible;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tower::ServiceExt;

use super::activity::{Activity, Running};
use super::caller::Peer;
use super::tls::Tls;
use super::wire::Wire;
use crate::assemble::stopped;
use crate::config::Limits;

/// How long nothing is accepted after the system could not, as when it is out of files.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a connection of HTTP/2 is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a connection of HTTP/2 may have sent that nobody has read, and one stream of it.
const CONNECTION_WINDOW: u32 = 512 * 1024;
const STREAM_WINDOW: u32 = 256 * 1024;

/// What a stream may have waiting to be sent.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that a peer may reset before they were looked at; beyond them it is an attack (CVE-2023-44487).
const RESETS: usize = 20;

/// What is read of a request beside its path and headers: the method, the version, line ends.
const HEAD_EXTRA: usize = 4096;

/// The routes, and how connections to them are treated.
pub(crate) struct Door {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// Where connections are encrypted.
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Door {
    /// Serves until `stop` says so and the requests that run then have ended.
    pub(crate) async fn serve(self, listener: TcpListener, stop: watch::Receiver<bool>) {
        let most = self.limits.connections.get();
        let places = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)));
        let protocols = Arc::new(Protocols::new(self, stop.clone()));
        tokio::select! {
            () = stopped(stop) => {}
            () = accept_all(&listener, &places, |stream, peer, place| {
                tokio::spawn(connection(protocols.clone(), stream, peer, place));
            }) => {}
        }
        drop(listener);
        // All places are free when the last connection has ended. Nobody closes the semaphore.
        let _ = places.acquire_many(most).await;
    }
}

/// Hands over each connection with the place that it takes; those beyond the last place are left waiting.
async fn accept_all(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    hand_over: impl Fn(TcpStream, SocketAddr, OwnedSemaphorePermit),
) {
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => hand_over(stream, peer, place),
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

/// What all connections share.
struct Protocols {
    door: Door,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    stop: watch::Receiver<bool>,
}

impl Protocols {
    fn new(door: Door, stop: watch::Receiver<bool>) -> Self {
        let limits = &door.limits;
        let head = limits.url_bytes + limits.header_bytes + HEAD_EXTRA;
        let patience = Duration::from_secs(limits.header_seconds.get());
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(head.max(8192));
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams.get())
            .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESETS)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(patience)
            .keep_alive_timeout(patience);
        Self { door, http1, http2, stop }
    }

    /// The bytes of a connection, decrypted, and whether HTTP/2 is spoken over them.
    async fn open(&self, stream: TcpStream) -> std::io::Result<(Box<dyn Bytes>, bool)> {
        // What is written is whole messages: waiting for more only delays them. A connection without this is slower.
        let _ = stream.set_nodelay(true);
        let mut wire = Wire::new(stream, Duration::from_secs(self.door.limits.write_seconds.get()));
        match &self.door.tls {
            Some(tls) => {
                let stream = tls.acceptor().accept(wire).await?;
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok((Box::new(stream), is_http2))
            }
            None => {
                let is_http2 = wire.begins_http2().await?;
                Ok((Box::new(wire), is_http2))
            }
        }
    }
}

/// A stream of bytes, encrypted or not: the protocols are compiled once.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

async fn connection(protocols: Arc<Protocols>, stream: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) {
    let patience = Duration::from_secs(protocols.door.limits.header_seconds.get());
    let opened = tokio::select! {
        opened = timeout(patience, protocols.open(stream)) => opened,
        () = async { stopped(protocols.stop.clone()).await; tokio::time::sleep(protocols.drain()).await; } => return,
    };
    let peer = Peer { address: address.ip().to_canonical(), is_secure: protocols.door.tls.is_some() };
    let ended = match opened {
        Ok(Ok((bytes, true))) => protocols.speak_http2(bytes, peer).await,
        Ok(Ok((bytes, false))) => protocols.speak_http1(bytes, peer).await,
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::from(ErrorKind::TimedOut)),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
    drop(place);
}

async fn answer(router: Router, request: Request<Incoming>, peer: Peer) -> Response {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

impl Protocols {
    /// How long a connection without a request stays open at a stop: its peer may just be sending one.
    fn drain(&self) -> Duration {
        Duration::from_secs(self.door.limits.drain_seconds)
    }

    async fn speak_http1(&self, bytes: Box<dyn Bytes>, peer: Peer) -> std::io::Result<()> {
        let service = service_fn(|request| {
            let (router, stop) = (self.door.router.clone(), &self.stop);
            async move {
                let mut response = answer(router, request, peer).await;
                if *stop.borrow() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut serving = std::pin::pin!(self.http1.serve_connection(TokioIo::new(bytes), service));
        tokio::select! {
            ended = serving.as_mut() => return ended.map_err(Error::other),
            () = stopped(self.stop.clone()) => {}
        }
        if let Ok(ended) = timeout(self.drain(), serving.as_mut()).await {
            return ended.map_err(Error::other);
        }
        serving.as_mut().graceful_shutdown();
        serving.await.map_err(Error::other)
    }

    async fn speak_http2(&self, bytes: Box<dyn Bytes>, peer: Peer) -> std::io::Result<()> {
        let activity = Arc::new(Activity::new());
        // Streams are tasks of their own, so that each takes what it needs along.
        let (router, watched) = (self.door.router.clone(), activity.clone());
        let service = service_fn(move |request| {
            let (router, running) = (router.clone(), Running::new(&watched));
            async move { Ok::<_, Infallible>(answer(router, request, peer).await.map(|body| running.answers(body))) }
        });
        let mut serving = std::pin::pin!(self.http2.serve_connection(TokioIo::new(bytes), service));
        let mut is_told = false;
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                ended = serving.as_mut() => return ended.map_err(Error::other),
                () = stopped(self.stop.clone()), if !is_told => {
                    serving.as_mut().graceful_shutdown();
                    is_told = true;
                }
                _ = look.tick() => match self.verdict(&activity) {
                    Verdict::Stays => {}
                    Verdict::Ends if is_told => {}
                    Verdict::Ends => {
                        serving.as_mut().graceful_shutdown();
                        is_told = true;
                    }
                    Verdict::IsCut => return Err(Error::from(ErrorKind::TimedOut)),
                },
            }
        }
    }

    fn verdict(&self, activity: &Activity) -> Verdict {
        let header = Duration::from_secs(self.door.limits.header_seconds.get());
        let write = Duration::from_secs(self.door.limits.write_seconds.get());
        let Some((still, is_answering)) = activity.stillness() else { return Verdict::Stays };
        let (ends, is_cut) = if is_answering { (write, write) } else { (header, header * 2) };
        if still > is_cut {
            Verdict::IsCut
        } else if still > ends {
            Verdict::Ends
        } else {
            Verdict::Stays
        }
    }
}

/// What becomes of a connection of HTTP/2.
enum Verdict {
    Stays,
    /// Nothing has been asked for long: the peer is told to go.
    Ends,
    /// It does not go, or does not take its answer.
    IsCut,
}
