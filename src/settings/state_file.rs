//! Files in the state directory: named after what they are about, private, whole once they have
//! their name. What they hold may be lost. Knows nobody.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use sha1::{Digest as _, Sha1};

use super::paths::private_directory;

/// A short name for what a file is about: the beginning of its SHA-1, as a file name takes it.
pub fn short_name(about: &[u8]) -> String {
    let mut name = String::new();
    for byte in &Sha1::digest(about)[..8] {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// Writes the file (0600) as a whole, with the directories (0700) that are missing above it. What
/// was there is replaced.
///
/// # Errors
///
/// Directory or file cannot be written; what was there stands then.
pub fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    private_directory(directory)?;
    let mut draft = tempfile::NamedTempFile::new_in(directory)?;
    draft.write_all(text)?;
    draft.persist(file)?;
    Ok(())
}
