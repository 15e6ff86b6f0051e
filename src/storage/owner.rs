//! Who can change a file. With sudo, HOME may be another user's, who could not use what root writes
//! there; and a directory that others can write to may hold files that they made.

use std::io;
use std::path::Path;

use super::Error;
use crate::context::Context;

/// Whether a file or directory (for a link, its target) belongs to the effective user. Fails where
/// it does not exist or cannot be examined.
#[cfg(unix)]
pub fn is_own(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid().as_raw();
    std::fs::metadata(path).map(|metadata| metadata.uid() == user)
}

/// A profile has its own access rights there.
#[cfg(not(unix))]
pub fn is_own(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| true)
}

/// Fails without a home directory, and where it belongs to another user.
pub fn check_home(context: &Context) -> Result<(), Error> {
    let home = context.home().ok_or(Error::NoHome)?;
    match is_own(home) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::ForeignOwner(home.to_owned())),
        Err(why) if is_missing(&why) => Err(Error::NoSuchHome(home.to_owned())),
        Err(why) => Err(Error::file(home, why)),
    }
}

fn is_missing(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Fails where the path exists and belongs to another user.
pub(super) fn check_owner(path: Option<&Path>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    match is_own(path) {
        Ok(false) => Err(Error::ForeignOwner(path.to_owned())),
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(Error::file(path, why)),
        _ => Ok(()),
    }
}

/// Fails where `file` is in a home directory or a `~/.ssh` of another user; for root (sudo), also
/// where the file, or the directory in which it would be created, is another user's.
pub fn check_changeable(context: &Context, file: &Path) -> Result<(), Error> {
    if let Some(home) = context.home().filter(|home| file.starts_with(home)) {
        check_owner(Some(home))?;
        check_owner(context.ssh_directory().as_deref())?;
    }
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        check_owner(Some(file))?;
        check_owner(file.parent().filter(|above| !above.as_os_str().is_empty()))?;
    }
    Ok(())
}

/// Whether a directory of the program's own exists. Fails where another user could have put
/// something into it, or could exchange it.
///
/// Every component, from the first that is not root's, must be a directory of the effective user to
/// which nobody else can write. What is above the home directory is not examined: it is the
/// administrator's, and ssh(1) relies on it, too. A link of the user's is followed, and what it
/// leads to is examined; from `own` on, there must be none.
#[cfg(unix)]
pub(super) fn check_directory(path: &Path, own: &Path, home: Option<&Path>) -> Result<bool, Error> {
    use std::os::unix::fs::MetadataExt as _;
    let real_home = home.and_then(|home| home.canonicalize().ok());
    let (mut current, rest) = match (home, &real_home) {
        (Some(home), Some(real)) if path.starts_with(home) => {
            (real.clone(), path.strip_prefix(home))
        }
        (_, Some(real)) if path.starts_with(real) => (real.clone(), path.strip_prefix(real)),
        _ => (Path::new("/").to_owned(), path.strip_prefix("/")),
    };
    let parts: Vec<_> = rest.unwrap_or(path).components().collect();
    let own_parts = path
        .strip_prefix(own)
        .map_or(0, |below| below.components().count() + 1);
    let fail = |path: &Path, why| Error::file(path, why);
    let metadata = current.metadata().map_err(|why| fail(&current, why))?;
    check_component(&current, &metadata)?;
    for (number, part) in parts.iter().enumerate() {
        current.push(part);
        let metadata = match current.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(why) => return Err(fail(&current, why)),
        };
        if metadata.is_symlink() && number + own_parts < parts.len() {
            let user = rustix::process::geteuid().as_raw();
            if metadata.uid() != 0 && metadata.uid() != user {
                return Err(Error::ForeignOwner(current));
            }
            let target = current.canonicalize().map_err(|why| fail(&current, why))?;
            check_directory(&target, Path::new(""), real_home.as_deref())?;
            current = target;
            continue;
        }
        check_component(&current, &metadata)?;
    }
    Ok(true)
}

#[cfg(unix)]
fn check_component(path: &Path, metadata: &std::fs::Metadata) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    if !metadata.is_dir() {
        return Err(Error::file(
            path,
            io::Error::new(io::ErrorKind::NotADirectory, "not a directory"),
        ));
    }
    let user = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode());
    // In a directory like /tmp nobody can exchange what is another user's.
    let is_sticky = owner == 0 && mode & 0o1000 != 0;
    let others = if owner == user { 0o022 } else { 0o002 };
    if owner != user && owner != 0 {
        return Err(Error::ForeignOwner(path.to_owned()));
    }
    if mode & others != 0 && !is_sticky {
        return Err(Error::WritableByOthers(path.to_owned()));
    }
    Ok(())
}

/// A profile's inherited access lists keep others out there.
#[cfg(not(unix))]
pub(super) fn check_directory(path: &Path, _: &Path, _: Option<&Path>) -> Result<bool, Error> {
    Ok(path.is_dir())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_change_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let home = base.join("home");
        let own = home.join("a/state/bitbucket-ssh");
        let below = own.join("openssh");
        let check = || check_directory(&below, &own, Some(&home));
        fs::create_dir(&home).unwrap();
        assert_eq!(check(), Ok(false), "nothing is there");
        fs::create_dir_all(&below).unwrap();
        assert_eq!(check(), Ok(true));
        for part in ["", "a", "a/state", "a/state/bitbucket-ssh"] {
            let part = home.join(part);
            for open in [0o775, 0o757] {
                mode(&part, open);
                let found = check().unwrap_err();
                assert!(matches!(found, Error::WritableByOthers(_)), "{found}");
                mode(&part, 0o755);
            }
            if rustix::process::geteuid().is_root() {
                chown(&part, Some(1234), None).unwrap();
                let found = check().unwrap_err();
                assert!(matches!(found, Error::ForeignOwner(_)), "{found}");
                chown(&part, Some(0), None).unwrap();
            }
        }
        mode(&base, 0o777);
        assert_eq!(check(), Ok(true), "above the home");
        mode(&base, 0o700);
        let moved = base.join("moved");
        fs::rename(home.join("a"), &moved).unwrap();
        symlink(&moved, home.join("a")).unwrap();
        assert_eq!(check(), Ok(true), "a link of the user's");
        mode(&moved, 0o777);
        assert!(check().is_err(), "to a directory that others can write to");
        mode(&moved, 0o755);
        fs::remove_dir(&below).unwrap();
        symlink(&base, &below).unwrap();
        assert!(check().is_err(), "a link in the program's own directory");
    }
}
