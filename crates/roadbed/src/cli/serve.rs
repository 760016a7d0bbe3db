//! `roadbed serve`.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use miette::IntoDiagnostic;
use roadbed_plan::engine::MigrationError;
use roadbed_plan::{Engine, EngineError};
use tokio::sync::watch;

use super::{Common, migrate, report};
use crate::assemble::{Server, StartError, connect};
use crate::config::Settings;

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
    let server = open(settings, engine).await?;
    let listener = server.listen().await.map_err(report::start)?;
    let address = listener.local_addr().into_diagnostic()?;
    ready(&server, address)?;
    tracing::info!(%address, "serving");
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("stopping: running requests may end");
        // Nobody listening means that the server has ended already.
        let _ = stop.send(true);
    });
    server.serve(listener, stopping).await.map_err(report::start)
}

/// Waits for a database that is away, as long as nobody stops us.
async fn open(settings: Settings, engine: Arc<dyn Engine>) -> miette::Result<Server> {
    loop {
        match Server::new(settings.clone(), engine.clone()).await {
            Ok(server) => return Ok(server),
            Err(StartError::Migration(MigrationError::Engine(EngineError::Unavailable { reason, retry_after }))) => {
                tracing::warn!(reason, "the database does not answer; trying again");
                tokio::time::sleep(retry_after).await;
            }
            Err(error) => return Err(report::start(error)),
        }
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
