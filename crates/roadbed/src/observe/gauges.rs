//! What is looked up when somebody asks for metrics, rather than counted: how busy the engine is, and the process.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use roadbed_plan::Engine;

/// How busy the engine is, and which it is.
#[derive(Debug)]
pub(super) struct EngineGauges {
    engine: Arc<dyn Engine>,
}

impl EngineGauges {
    pub(super) fn of(engine: &Arc<dyn Engine>) -> Self {
        Self { engine: Arc::clone(engine) }
    }
}

impl Collector for EngineGauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let load = self.engine.load();
        let gauges = [
            ("connections_in_use", "Connections, or readers of SQLite, that work", Some(load.in_use)),
            ("connections", "Connections, or readers of SQLite, that there can be", Some(load.size)),
            ("connections_waiting", "Requests that wait for a connection or reader", Some(load.waiting)),
            ("writes_waiting", "Writes that wait for SQLite's writer", load.writes_waiting),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let value = i64::try_from(value).unwrap_or(i64::MAX);
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(metric)?;
            }
        }
        // The type `info` is not known to readers of the older form.
        let build = [("version", env!("CARGO_PKG_VERSION")), ("engine", self.engine.name())];
        let mut metric = encoder.encode_descriptor("build_info", "What runs; always 1", None, MetricType::Gauge)?;
        ConstGauge::new(1_i64).encode(metric.encode_family(&build)?)
    }
}

/// What the system says of the process, where it says it as Linux does.
#[derive(Debug)]
pub(super) struct ProcessGauges;

impl Collector for ProcessGauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let memory = [
            ("process_resident_memory", "Memory of the process", "VmRSS:"),
            ("process_resident_memory_max", "The most memory that the process has had", "VmHWM:"),
        ];
        // Elsewhere there is no such file, and nothing to tell.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        for (name, help, line) in memory {
            if let Some(kibibytes) = number_after(&status, line) {
                let metric = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Gauge)?;
                ConstGauge::new(kibibytes.saturating_mul(1024)).encode(metric)?;
            }
        }
        if let Some(threads) = number_after(&status, "Threads:") {
            let metric =
                encoder.encode_descriptor("process_threads", "Threads of the process", None, MetricType::Gauge)?;
            ConstGauge::new(threads).encode(metric)?;
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            let open = i64::try_from(files.count()).unwrap_or(i64::MAX);
            let metric =
                encoder.encode_descriptor("process_open_files", "Files and sockets", None, MetricType::Gauge)?;
            ConstGauge::new(open).encode(metric)?;
        }
        Ok(())
    }
}

fn number_after(text: &str, start: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(start))?;
    line.split_whitespace().next()?.parse().ok()
}
