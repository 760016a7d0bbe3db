//! Files: whether others on this machine can read secrets, and whether the disk has room for the database.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::config::Settings;

const MIB: u64 = 1 << 20;
/// With less, writes may fail soon.
const LITTLE: u64 = 1024 * MIB;
/// With less, they probably do.
const TOO_LITTLE: u64 = 64 * MIB;

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings: Vec<Finding> = secrets(settings).iter().filter_map(|file| permissions(file)).collect();
    if findings.is_empty() {
        findings.push(Finding::good("permissions", "secrets are readable for their owner alone"));
    }
    if let Some(folder) = database_file(settings).as_deref().and_then(Path::parent)
        && let Some(free) = free_bytes(folder)
    {
        findings.push(room(free, folder));
    }
    findings
}

/// Files that hold something which only the server's user may read.
fn secrets(settings: &Settings) -> Vec<PathBuf> {
    let mut files = vec![settings.private_folder().join("secret")];
    files.extend(database_file(settings));
    let file = settings.folder.join("roadbed.toml");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    if has_secret(&text) {
        files.push(file);
    }
    files.retain(|file| file.is_file());
    files
}

/// Whether settings hold a secret, or an address with a password.
fn has_secret(text: &str) -> bool {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).any(|(name, value)| {
        let login = value.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(login, _)| login);
        matches!(name.trim(), "secret" | "jwt.secret") || login.is_some_and(|login| login.contains(':'))
    })
}

fn database_file(settings: &Settings) -> Option<PathBuf> {
    let url = settings.database_url();
    let file = url.strip_prefix("sqlite:")?;
    (!file.is_empty() && file != ":memory:").then(|| PathBuf::from(file))
}

#[cfg(unix)]
fn permissions(file: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    // Who cannot pass through the folder cannot open what is in it.
    let folder = file.parent().and_then(|folder| std::fs::metadata(folder).ok());
    let is_shut = folder.is_some_and(|folder| folder.permissions().mode() & 0o001 == 0);
    let what = match mode & 0o006 {
        0 => return None,
        _ if is_shut => return None,
        0o004 => "read",
        _ => "change",
    };
    let name = file.display();
    Some(Finding::bad(
        "permissions",
        format!("everybody on this machine can {what} `{name}`"),
        format!("chmod 600 {name}"),
    ))
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Option<Finding> {
    None
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

fn room(free: u64, folder: &Path) -> Finding {
    let message = format!("{} MiB are free for the database in `{}`", free / MIB, folder.display());
    let advice = "make room, or move the database: writes fail when the disk is full";
    if free < TOO_LITTLE {
        Finding::bad("disk", message, advice)
    } else if free < LITTLE {
        Finding::doubtful("disk", message, advice)
    } else {
        Finding::good("disk", message)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::State;
    use super::{MIB, has_secret, room};

    #[test]
    fn little_room_is_told_before_none_is_left() {
        let state = |mebibytes: u64| room(mebibytes * MIB, Path::new("/data")).state;
        assert_eq!([63, 64, 1023, 1024].map(state), [State::Bad, State::Doubtful, State::Doubtful, State::Good]);
    }

    #[test]
    fn a_password_in_an_address_is_a_secret() {
        assert!(has_secret("[jwt]\nsecret = \"x\"\n"));
        assert!(has_secret("[database]\nurl = \"postgres://a:b@c/d\"\n"));
        assert!(!has_secret(
            "[database]\nurl = \"postgres://a@c:5432/d\"\n# secret = 1\n[jwt]\nsecret-is-base64 = true"
        ));
    }
}
