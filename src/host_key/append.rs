//! Adding a line to known_hosts as ssh(1) does.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use ssh_key::PublicKey;

use super::entry::{Written, hashed};

/// Appends a line for `name`, hashed where that is wished. Makes the file (0600) where it does not
/// exist, not its folder; a file whose last line has no end gets one first. Links are followed. One write.
/// The errors are the system's; nothing was written then.
pub fn append(file: &Path, name: &str, key: &PublicKey, hash: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut known = options.open(file)?;
    let key = Written::of(key).ok_or_else(|| io::Error::other("a key that cannot be written"))?;
    let line = line(&name.to_ascii_lowercase(), &key, hash)?;
    let newline = if ends_in_a_line(&mut known)? {
        ""
    } else {
        "\n"
    };
    known.write_all(format!("{newline}{line}").as_bytes())
}

/// The line for a name in lower case, with its end. The error: no random bytes for the hash.
pub(super) fn line(name: &str, key: &Written, hash: bool) -> io::Result<String> {
    if !hash {
        return Ok(format!("{name} {key}\n"));
    }
    let mut salt = [0; 20];
    getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{} {key}\n", hashed(&salt, name)))
}

fn ends_in_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0] == b'\n')
}

/// Makes `folder` (0700), the home's `.ssh`, where `file` lies in it and it does not exist; ssh(1)
/// makes no other one. The errors are the system's.
pub fn make_folder(folder: &Path, file: &Path) -> io::Result<()> {
    if !file.starts_with(folder) || folder.exists() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::{append, make_folder};
    use crate::host_key::known_hosts::load;
    use crate::host_key::published;

    #[test]
    fn a_line_is_added_whatever_the_file_looks_like() {
        let directory = tempfile::tempdir().expect("a folder");
        let key = &published::keys()[0];
        for (before, hash, why) in [
            (None, false, "neither file nor folder"),
            (Some(""), false, "an empty file"),
            (
                Some("other ssh-ed25519 AAAA"),
                false,
                "no newline at the end",
            ),
            (Some("other ssh-ed25519 AAAA\n"), true, "hashed"),
        ] {
            let file = directory.path().join(".ssh").join(why);
            if let Some(text) = before {
                std::fs::write(&file, text).expect("a file");
            }
            make_folder(&directory.path().join(".ssh"), &file).expect(why);
            append(&file, "[h]:2222", key, hash).expect(why);
            let text = std::fs::read_to_string(&file).expect("a file");
            assert!(
                text.starts_with(before.unwrap_or_default()),
                "{why}: what was there stays"
            );
            assert!(text.ends_with('\n'), "{why}");
            assert_eq!(text.contains("[h]"), !hash, "{why}");
            let found = load(&[file]).about("[h]:2222", &[]).len();
            assert_eq!(found, 1, "{why}: {text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_new_file_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("real");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        append(&link, "h", &published::keys()[0], false).expect("written");
        let mode = std::fs::metadata(&file)
            .expect("the file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(link.is_symlink());
    }
}
