//! Logs: readable on a terminal, JSON elsewhere.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Log, LogFormat};

/// Sends logs to standard error, for as long as the process lives. A second call changes nothing.
pub(crate) fn start_logs(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let on_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let as_json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !on_terminal,
    };
    let lines = if as_json {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    } else {
        lines.with_ansi(on_terminal).boxed()
    };
    let logs = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_written)).with(lines);
    // An error means that logs were started before, by a program that embeds this crate.
    let _ = logs.try_init();
}

/// What libraries tell in detail holds headers, statements and values, which belong into no log.
fn may_be_written(message: &Metadata<'_>) -> bool {
    message.target().starts_with("roadbed") || *message.level() <= Level::INFO
}
