//! The JWT secret: from the settings, or made once and kept in the folder's private place.

use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use roadbed_auth::KeyError;
use secrecy::SecretString;

use crate::config::Settings;

/// The settings' secret, or the folder's own. `None` where keys of another kind are set and no secret is.
///
/// # Errors
/// When the folder's secret can be neither read nor made.
pub(crate) fn jwt_secret(settings: &Settings) -> Result<Option<SecretString>, KeyError> {
    if settings.jwt.secret.is_some() {
        return Ok(settings.jwt.secret.clone());
    }
    if settings.jwt.key_file.is_some() || settings.jwt.jwks_url.is_some() {
        return Ok(None);
    }
    let file = settings.private_folder().join("secret");
    let failed = |source| KeyError::File { path: file.display().to_string(), source };
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some(SecretString::from(text.trim()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(&file).map(Some).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn make(file: &Path) -> std::io::Result<SecretString> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    let text = URL_SAFE_NO_PAD.encode(bytes);
    if let Some(folder) = file.parent() {
        crate::files::make_private_folder(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())?;
    Ok(SecretString::from(text))
}
