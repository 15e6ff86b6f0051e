//! The one place where files are written: whole, private and, where it matters, durable.
//!
//! [`Directory`] is a directory of the program's own, in which records, caches, generated files
//! and locks are opened by name. The functions below it write single files elsewhere: keys in
//! `~/.ssh`, git's configuration. Every new file is written as a draft in the directory where it
//! belongs and renamed once it is complete, so that readers see either the old or the new file.

mod call_files;
mod file;
mod lock;
mod owner;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha1::{Digest as _, Sha1};
use tempfile::NamedTempFile;

use crate::context::Context;
use crate::diagnostics::os_error_message;

pub use call_files::{sweep_calls, write_for_call};
pub use file::{nameless_file, read_file, read_text};
pub use lock::{Attempt, Lock};
pub use owner::{check_changeable, check_home, is_own};
use owner::{check_directory, check_owner};

/// What the name of an unfinished file begins with.
pub const DRAFT: &str = ".bitbucket-ssh-";

/// Why a file of the program's own cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no home directory, and so no place for the file.
    #[error("HOME is not set")]
    NoHome,
    /// The home directory or `~/.ssh` belongs to another user (sudo keeps HOME). Nothing is
    /// created there.
    #[error("{} belongs to another user", .0.display())]
    ForeignOwner(PathBuf),
    /// The home directory does not exist.
    #[error("the home directory {} does not exist, so there is no place for keys", .0.display())]
    NoSuchHome(PathBuf),
    /// Other users can change what is in a directory of the program's own, or above one.
    #[error("other users can write to {}", .0.display())]
    WritableByOthers(PathBuf),
    /// `~/.ssh` is on a read-only file system, or its permissions allow no new file.
    #[error("{} is read-only, so no key can be created there", .0.display())]
    ReadOnly(PathBuf),
    /// The system refused, or the content is not what it should be.
    #[error("{}: {why}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What kind of error it is.
        kind: io::ErrorKind,
        /// The system's words, or what is wrong with the content.
        why: String,
    },
    /// The file changed between reading and writing. Nothing was written.
    #[error("{} was changed by another program", .0.display())]
    Changed(PathBuf),
    /// Another process kept the lock for too long.
    #[error("process {} still holds the lock", holder.map_or("?".to_owned(), |pid| pid.to_string()))]
    Locked {
        /// Its process id, where the lock file names it.
        holder: Option<u32>,
    },
}

impl Error {
    /// Whether the place can be read but not be written.
    pub fn is_read_only(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        let Self::File { path, kind, .. } = self else {
            return false;
        };
        let is_there = || {
            let above = path.ancestors().skip(1).find(|above| above.exists());
            above.is_some_and(|above| fs::read_dir(above).is_ok())
        };
        matches!(kind, ReadOnlyFilesystem | PermissionDenied) && is_there()
    }

    /// What the system says of a file.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub fn file(path: &Path, why: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            kind: why.kind(),
            why: os_error_message(&why),
        }
    }
}

/// A directory of the program's own, whose files are opened by name.
///
/// Reading never creates anything. The first write creates the directory and those above it, each
/// with mode 0700, unless the home directory belongs to another user.
///
/// The directory and those above it must be the user's, and nobody else may be able to write to
/// them. Where that does not hold, reading finds nothing, which `-v` names once, and writing fails.
/// Links are not followed.
#[derive(Debug, Clone)]
pub struct Directory<'a> {
    context: &'a Context,
    path: PathBuf,
    /// The outermost directory that is the program's own.
    own: PathBuf,
    kind: Kind,
}

/// What the loss of a directory's files would mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Lost keys and accounts: every step is on disk before the next one begins.
    Records,
    /// A question asked again: files are complete, but not flushed.
    State,
}

impl<'a> Directory<'a> {
    /// `~/.ssh/bitbucket-ssh`: records, tokens, and what undoes changes. Its writes are durable.
    pub fn records(context: &'a Context) -> Result<Self, Error> {
        let path = context.records_directory().ok_or(Error::NoHome)?;
        Ok(Self {
            context,
            own: path.clone(),
            path,
            kind: Kind::Records,
        })
    }

    /// `$XDG_STATE_HOME/bitbucket-ssh`: history, caches and generated files, all of which may be
    /// lost.
    pub fn state(context: &'a Context) -> Result<Self, Error> {
        let path = context.state_directory().ok_or(Error::NoHome)?;
        Ok(Self {
            context,
            own: path.clone(),
            path,
            kind: Kind::State,
        })
    }

    /// A directory in this one.
    #[must_use]
    pub fn below(mut self, name: &str) -> Self {
        self.path.push(name);
        self
    }

    /// Where it is, whether it exists or not.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of this name is, whether it exists or not.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates the directory where it does not exist. Fails where another user could change it.
    pub fn create(&self) -> Result<(), Error> {
        check_owner(self.context.home())?;
        if self
            .path
            .starts_with(self.context.home().unwrap_or(&self.path))
        {
            check_home(self.context)?;
        }
        if self.kind == Kind::State {
            if !self.check()? {
                create_private(&self.path).map_err(|why| Error::file(&self.path, why))?;
                self.check()?;
            }
            return Ok(());
        }
        let ssh = self.context.ssh_directory().ok_or(Error::NoHome)?;
        check_owner(Some(&ssh))?;
        if !self.check()? {
            for path in self.path.ancestors().collect::<Vec<_>>().into_iter().rev() {
                if path.starts_with(&ssh) && !path.is_dir() {
                    create_durably(path).map_err(|why| Error::file(path, why))?;
                }
            }
            self.check()?;
        }
        Ok(())
    }

    /// Whether it exists. Fails where another user could change it.
    pub fn check(&self) -> Result<bool, Error> {
        check_directory(&self.path, &self.own, self.context.home())
    }

    /// Whether it exists and nobody else can change it.
    fn is_trusted(&self) -> bool {
        static NAMED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
        match self.check() {
            Ok(exists) => exists,
            Err(error) => {
                let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
                if !named.contains(&self.own) {
                    tracing::info!("{} is not used: {error}", self.own.display());
                    named.push(self.own.clone());
                }
                false
            }
        }
    }

    /// The content of a file. `None`: it does not exist.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        if !self.is_trusted() {
            return Ok(None);
        }
        let path = self.file(name);
        match file::read_own(&path) {
            Ok(content) => Ok(Some(content)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(Error::file(&path, why)),
        }
    }

    /// The value in a JSON file. `None`: it does not exist.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let parse = |text: Vec<u8>| {
            serde_json::from_slice(&text).map_err(|why| {
                Error::file(
                    &self.file(name),
                    io::Error::new(io::ErrorKind::InvalidData, why),
                )
            })
        };
        self.read(name)?.map(parse).transpose()
    }

    /// Writes a file (0600), in place of one of the same name.
    pub fn replace(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        self.write(name, content, |draft, path| {
            draft.persist(path).map(drop).map_err(|error| error.error)
        })
    }

    /// Writes a value as a JSON file (0600), in place of one of the same name.
    pub fn replace_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(value)
            .map_err(|why| Error::file(&self.file(name), io::Error::other(why)))?;
        self.replace(name, &text)
    }

    /// Writes a file (0600) that must not exist yet. `false`: it does, and stays as it is.
    pub fn create_file(&self, name: &str, content: &[u8]) -> Result<bool, Error> {
        self.write(name, content, |draft, path| persist_new(draft, &path))
    }

    /// Removes a file. One that does not exist is fine.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        if !self.is_trusted() {
            return Ok(());
        }
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(Error::file(&path, why)),
            _ => Ok(()),
        }
    }

    /// Takes the lock of this name, for a short change: waits for at most 20 seconds.
    pub fn lock(&self, name: &str) -> Result<Lock, Error> {
        self.create()?;
        let path = self.file(name);
        Lock::take(&path).map_err(|why| Error::file(&path, why))?
    }

    /// Takes the lock of this name where no other process holds it.
    pub fn try_lock(&self, name: &str) -> Result<Attempt, Error> {
        self.create()?;
        let path = self.file(name);
        Lock::attempt(&path).map_err(|why| Error::file(&path, why))
    }

    /// Removes what killed processes left unfinished. Never fails.
    pub fn sweep(&self) {
        if self.is_trusted() {
            sweep_drafts(&self.path);
        }
    }

    fn write<T>(
        &self,
        name: &str,
        content: &[u8],
        persist: impl FnOnce(NamedTempFile, PathBuf) -> io::Result<T>,
    ) -> Result<T, Error> {
        self.create()?;
        let path = self.file(name);
        let written = || {
            let mut draft = new_draft(&self.path)?;
            draft.write_all(content)?;
            if self.kind == Kind::State {
                return persist(draft, path.clone());
            }
            draft.as_file().sync_all()?;
            let result = persist(draft, path.clone())?;
            sync_directory(&self.path)?;
            Ok(result)
        };
        written().map_err(|why| Error::file(&path, why))
    }
}

/// The content of a regular file. `None`: it does not exist.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match read_file(path) {
        Ok(content) => Ok(Some(content)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(Error::file(path, why)),
    }
}

/// Writes a file that must not exist yet, durably. `false`: it does, and stays as it is.
pub fn create_file(path: &Path, content: &[u8], mode: u32) -> io::Result<bool> {
    let draft = written_draft(path, content, mode)?;
    let created = persist_new(draft, path)?;
    sync_directory(directory_of(path))?;
    Ok(created)
}

/// Writes a file in place of one of the same name, durably.
pub fn replace_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let draft = written_draft(path, content, mode)?;
    draft.persist(path).map_err(|error| error.error)?;
    sync_directory(directory_of(path))
}

/// As [`replace_file`]; the old content keeps a name, in place of an older backup.
pub fn replace_with_backup(
    path: &Path,
    content: &[u8],
    mode: u32,
    backup: &Path,
) -> io::Result<()> {
    let draft = written_draft(path, content, mode)?;
    match fs::remove_file(backup) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::hard_link(path, backup)?;
    draft.persist(path).map_err(|error| error.error)?;
    sync_directory(directory_of(path))
}

/// Changes a file as git changes its configuration: `FILE.lock` is created, written and renamed
/// over the file, whose mode and symbolic link stay. `None` removes the file. Fails where the lock
/// exists ([`Error::File`] names it), and with [`Error::Changed`] where the file no longer holds
/// `expected`.
pub fn replace_locked(
    file: &Path,
    expected: Option<&[u8]>,
    content: Option<&[u8]>,
) -> Result<(), Error> {
    let target = followed(file);
    let mut name = target.clone().into_os_string();
    name.push(".lock");
    let lock = PathBuf::from(name);
    let mut held = File::create_new(&lock).map_err(|why| Error::file(&lock, why))?;
    let outcome = (|| {
        if read(&target)?.as_deref() != expected {
            return Err(Error::Changed(file.to_owned()));
        }
        let fail = |why| Error::file(file, why);
        let Some(content) = content else {
            return fs::remove_file(&target).map_err(fail);
        };
        if let Ok(metadata) = fs::metadata(&target) {
            fs::set_permissions(&lock, metadata.permissions()).map_err(fail)?;
        }
        held.write_all(content)
            .and_then(|()| held.sync_all())
            .map_err(fail)?;
        drop(held);
        fs::rename(&lock, &target).map_err(fail)
    })();
    if outcome.is_err() || content.is_none() {
        // Created above, so not another program's.
        let _ = fs::remove_file(&lock);
    }
    outcome
}

/// Where a symbolic link leads, also to a file that does not exist yet; every other path as it is.
fn followed(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| match fs::read_link(file) {
        Ok(target) => file.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => file.to_owned(),
    })
}

/// Renames to a name that nobody has, in one step: what another process puts there meanwhile is not
/// retargetd.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub fn rename_new(file: &Path, target: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, file, CWD, target, RenameFlags::NOREPLACE) {
        // A file system, or a kernel, that does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_new(file, target),
        renamed => Ok(renamed?),
    }
}

/// As above, with links.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn rename_new(file: &Path, target: &Path) -> io::Result<()> {
    link_new(file, target)
}

/// As [`rename_new`], in two steps: killed between them, the file has both names.
fn link_new(file: &Path, target: &Path) -> io::Result<()> {
    fs::hard_link(file, target)?;
    fs::remove_file(file)
}

/// Creates a directory, and those missing above it, with mode 0700. An existing one stays as it is.
pub fn create_private(path: &Path) -> io::Result<()> {
    private_builder().recursive(true).create(path)
}

/// Creates one directory (0700) whose name is on disk before anything is written into it: a key in
/// a directory that a power cut takes away would be lost. Another process may create it meanwhile.
pub fn create_durably(path: &Path) -> io::Result<()> {
    match private_builder().create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory(directory_of(path)),
    }
}

fn private_builder() -> fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the mode is Unix's"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn written_draft(path: &Path, content: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut draft = new_draft(directory_of(path))?;
    draft.write_all(content)?;
    set_mode(draft.as_file(), mode)?;
    draft.as_file().sync_all()?;
    Ok(draft)
}

/// Gives a draft its name in one step (renameat2 or link), unless a file has it. `false`: one has.
fn persist_new(draft: NamedTempFile, path: &Path) -> io::Result<bool> {
    match draft.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// A new file (0600) without its final name. It is locked, so that [`sweep_drafts`] in another
/// process can tell it from one that a killed process left. A draft that was swept between its
/// creation and its lock is created again.
fn new_draft(directory: &Path) -> io::Result<NamedTempFile> {
    loop {
        let draft = tempfile::Builder::new()
            .prefix(DRAFT)
            .tempfile_in(directory)?;
        draft.as_file().lock()?;
        if has_name(draft.as_file())? {
            return Ok(draft);
        }
    }
}

/// Removes what killed processes left unfinished in a directory. Never fails.
pub fn sweep_drafts(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let is_draft = entry.file_name().to_string_lossy().starts_with(DRAFT)
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_draft
            && let Ok(file) = file::open_with(File::options().read(true), &entry.path(), false)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A short file name for what a file is about: the beginning of its SHA-1.
pub fn short_name(about: &[u8]) -> String {
    let mut name = String::new();
    for byte in &Sha1::digest(about)[..8] {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(unix)]
fn has_name(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(file.metadata()?.nlink() > 0)
}

/// An open file cannot be removed there.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
fn has_name(_file: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Access lists are inherited from the directory.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A directory cannot be flushed there; NTFS journals its names.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_of_the_living_stay_and_those_of_the_dead_go() {
        let folder = tempfile::tempdir().unwrap();
        let living = new_draft(folder.path()).unwrap();
        let dead = folder.path().join(format!("{DRAFT}dead"));
        fs::write(&dead, "half a ke").unwrap();
        let other = folder.path().join("id_ed25519");
        fs::write(&other, "a key").unwrap();
        sweep_drafts(folder.path());
        assert!(living.path().exists() && other.exists() && !dead.exists());
        // Many writers beside many sweepers: no draft is lost while it is being written.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        sweep_drafts(folder.path());
                        let draft = new_draft(folder.path()).unwrap();
                        assert!(draft.path().exists());
                    }
                });
            }
        });
    }

    #[test]
    fn whichever_way_a_name_that_is_taken_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        for (number, act) in [rename_new, link_new].into_iter().enumerate() {
            let place = |name: &str| folder.path().join(format!("{name}{number}"));
            fs::write(place("new"), "new").expect("written");
            fs::write(place("old"), "old").expect("written");
            let error = act(&place("new"), &place("old")).expect_err("it is taken");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(place("old")).expect("there"), "old");
            act(&place("new"), &place("free")).expect("a free name");
            assert!(!place("new").exists() && place("free").exists());
        }
    }
}
