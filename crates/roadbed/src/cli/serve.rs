//! `roadbed serve`.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use miette::IntoDiagnostic;
use roadbed_plan::engine::MigrationError;
use roadbed_plan::{Engine, EngineError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Common, migrate, report};
use crate::assemble::{Server, StartError, connect, entrance, listen, stopped};
use crate::config::Settings;
use crate::http::{Door, Tls, waiting_router};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    common: Common,
    /// Apply new migrations before serving
    #[arg(long)]
    migrate: bool,
}

pub(super) async fn run(serve: &Serve) -> miette::Result<()> {
    let settings = serve.common.settings_and_logs()?;
    let engine = connect(&settings).map_err(report::start)?;
    if serve.migrate {
        migrate::up(&settings, &*engine).await?;
    }
    until_signal(settings, engine, |_, _| Ok(())).await
}

/// Serves until a stop signal; `ready` is called when callers can connect, with the address that they can.
pub(super) async fn until_signal(
    settings: Settings,
    engine: Arc<dyn Engine>,
    ready: impl FnOnce(&Server, SocketAddr) -> miette::Result<()>,
) -> miette::Result<()> {
    let listener = listen(&settings).await.map_err(report::start)?;
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("stopping: running requests may end");
        // Nobody listening means that the server has ended already.
        let _ = stop.send(true);
    });
    let opened = tokio::select! {
        opened = open(settings, engine, &listener) => opened?,
        () = stopped(stopping.clone()) => return Ok(()),
    };
    let address = listener.local_addr().into_diagnostic()?;
    ready(&opened, address)?;
    tracing::info!(%address, "serving");
    opened.serve(listener, stopping).await.map_err(report::start)
}

/// Waits for a database that is away, as long as nobody stops us. Callers are told meanwhile.
async fn open(settings: Settings, engine: Arc<dyn Engine>, listener: &TcpListener) -> miette::Result<Server> {
    let mut waiting: Option<Waiting> = None;
    loop {
        match Server::new(settings.clone(), engine.clone()).await {
            Ok(server) => {
                if let Some(waiting) = waiting {
                    waiting.end().await;
                }
                return Ok(server);
            }
            Err(StartError::Migration(MigrationError::Engine(EngineError::Unavailable { reason, retry_after }))) => {
                tracing::warn!(reason, "the database does not answer; trying again");
                if waiting.is_none() {
                    waiting = Some(Waiting::start(listener, &settings)?);
                }
                tokio::time::sleep(retry_after).await;
            }
            Err(error) => return Err(report::start(error)),
        }
    }
}

/// Answers callers on a listener that another server will take over.
struct Waiting {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Waiting {
    fn start(listener: &TcpListener, settings: &Settings) -> miette::Result<Self> {
        let address = listener.local_addr().into_diagnostic()?;
        let tls = Tls::load(&settings.folder, &settings.tls).map_err(|error| report::start(error.into()))?;
        let shared = listener.as_fd().try_clone_to_owned().into_diagnostic()?;
        let shared = TcpListener::from_std(shared.into()).into_diagnostic()?;
        let (stop, stopping) = watch::channel(false);
        let door =
            Door { router: waiting_router(&settings.cors, entrance(settings)), limits: settings.limits.clone(), tls };
        let serving = door.serve(shared, stopping);
        tracing::info!(%address, "waiting for the database");
        Ok(Self { stop, task: tokio::spawn(serving) })
    }

    async fn end(self) {
        // Nobody listening means that it has ended already.
        let _ = self.stop.send(true);
        // Its answers take no time; a caller that does not read them is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.task).await;
    }
}

async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
            return;
        }
    }
    // Without a handler there is nothing to wait for but the process's end.
    if interrupt.await.is_err() {
        std::future::pending::<()>().await;
    }
}
