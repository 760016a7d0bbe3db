//! TLS from files, read again when they change or at SIGHUP. Connections keep what they began with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

use crate::assemble::stopped;
use crate::config::{TlsSection, TlsVersion};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The newest first.
static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("`tls.certificate` and `tls.key` go together; `{missing}` is not set")]
    Half { missing: &'static str },
    #[error("`{file}`: {reason}")]
    File { file: String, reason: String },
    #[error("the certificate in `{file}` has no use with its key: {reason}")]
    Pair { file: String, reason: String },
}

#[derive(Debug)]
pub(crate) struct Tls {
    files: Files,
    current: ArcSwap<ServerConfig>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Tls {
    /// What the settings name; none where they name nothing.
    ///
    /// # Errors
    /// When a file cannot be read, or certificate and key do not belong together.
    pub(crate) fn load(folder: &Path, settings: &TlsSection) -> Result<Option<Arc<Self>>, TlsError> {
        let (certificate, key) = match (&settings.certificate, &settings.key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (folder.join(certificate), folder.join(key)),
            (Some(_), None) => return Err(TlsError::Half { missing: "tls.key" }),
            (None, Some(_)) => return Err(TlsError::Half { missing: "tls.certificate" }),
        };
        let versions: &[_] = match settings.min_version {
            TlsVersion::V1_2 => &VERSIONS,
            TlsVersion::V1_3 => &VERSIONS[..1],
        };
        let files = Files { certificate, key, versions };
        let current = ArcSwap::from_pointee(files.read()?);
        Ok(Some(Arc::new(Self { files, current })))
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reads the files again whenever they have changed, until `stop` says so.
    pub(crate) async fn follow(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let mut known = self.files.state();
        let mut hang_ups = HangUps::new();
        loop {
            let is_asked = tokio::select! {
                () = stopped(stop.clone()) => return,
                () = hang_ups.next() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let state = self.files.state();
            if !is_asked && state == known {
                continue;
            }
            known = state;
            match self.files.read() {
                Ok(read) => {
                    self.current.store(Arc::new(read));
                    tracing::info!("the certificate was read again");
                }
                // Certificate and key are seldom written at the same instant: the next look tells.
                Err(error) => tracing::warn!(%error, "the old certificate stays"),
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<ServerConfig, TlsError> {
        let chain = read_chain(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unread(&self.key, &error))?;
        let pair = |reason: &dyn ToString| TlsError::Pair {
            file: self.certificate.display().to_string(),
            reason: reason.to_string(),
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(self.versions)
            .map_err(|error| pair(&error))?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(|error| pair(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Changes when a file does.
    fn state(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.certificate, &self.key].map(|file| {
            let metadata = fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unread(file, &error))?;
    let chain: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| unread(file, &error))?;
    if chain.is_empty() {
        return Err(unread(file, &"no certificate is in it"));
    }
    Ok(chain)
}

fn unread(file: &Path, reason: &dyn ToString) -> TlsError {
    TlsError::File { file: file.display().to_string(), reason: reason.to_string() }
}

/// SIGHUP, where there is one.
struct HangUps(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl HangUps {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::hangup()).ok())
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self()
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending().await
    }
}
