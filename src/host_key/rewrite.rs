//! Writing what UpdateHostKeys decided into a known_hosts file, as ssh(1) does
//! (hostfile.c, hostfile_replace_entries): a new file takes the old one's place, which stays
//! beside it as `FILE.old`.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use ssh_key::PublicKey;

use super::entry::{Entry, Marker, Written};

/// Of the lines for `name`, keeps those with one of `keys` and takes the others out; then adds
/// lines for the keys that had none, hashed where that is wished. Lines with a marker, for other
/// names, and such as cannot be understood stay. Changes nothing where nothing is to change. A
/// link is followed (ssh(1) puts a file in its place).
/// The errors are the system's; the file is as it was then.
pub fn rewrite(file: &Path, name: &str, keys: &[PublicKey], hash: bool) -> io::Result<()> {
    let file = fs::canonicalize(file)?;
    let before = fs::read(&file)?;
    let after = rewritten(&before, name, keys, hash)?;
    if after == before {
        return Ok(());
    }
    let mut beside = file.file_name().unwrap_or_default().to_owned();
    beside.push(".");
    // 0600, whatever the old one had, as ssh(1) leaves it.
    let mut new = tempfile::Builder::new()
        .prefix(&beside)
        .tempfile_in(file.parent().unwrap_or(Path::new(".")))?;
    new.write_all(&after)?;
    new.as_file().sync_all()?;
    beside.push("old");
    let old = file.with_file_name(beside);
    match fs::remove_file(&old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::hard_link(&file, &old)?;
    new.persist(&file)?;
    Ok(())
}

fn rewritten(before: &[u8], name: &str, keys: &[PublicKey], hash: bool) -> io::Result<Vec<u8>> {
    let name = name.to_ascii_lowercase();
    let mut missing: Vec<_> = keys.iter().filter_map(Written::of).collect();
    let wanted = missing.clone();
    let mut changed = false;
    let mut after = Vec::with_capacity(before.len() + 512);
    for line in before.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        let own = Entry::parse(&text).filter(|entry| {
            entry.marker == Marker::None && entry.speaks_of(&name) && entry.public_key().is_some()
        });
        if let Some(entry) = own {
            let Some(key) = wanted.iter().find(|key| entry.has(key)) else {
                changed = true;
                continue;
            };
            missing.retain(|other| other != key);
        }
        after.extend_from_slice(line);
        after.push(b'\n');
    }
    for key in &missing {
        after.extend_from_slice(super::append::line(&name, key, hash)?.as_bytes());
        changed = true;
    }
    // A last line without an end is no reason to write.
    Ok(if changed { after } else { before.to_vec() })
}
