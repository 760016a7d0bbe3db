//! The user's folder: migrations, seed, and the private place.

use std::fs;
use std::io;
use std::path::Path;

use roadbed_plan::engine::Migration;

/// The `*.sql` files of `folder`, by name. A folder that does not exist has none.
///
/// # Errors
/// When the folder or a file cannot be read.
pub(crate) fn read_migrations(folder: &Path) -> io::Result<Vec<Migration>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut migrations = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") && path.is_file() {
            migrations.push(read_script(&path)?);
        }
    }
    migrations.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(migrations)
}

/// One SQL file.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub(crate) fn read_script(path: &Path) -> io::Result<Migration> {
    let sql = fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Migration { name, path: path.display().to_string(), sql })
}

/// Makes the folder for what belongs to this machine, and keeps it out of version control.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(ignore, "*\n")?;
    }
    Ok(())
}
