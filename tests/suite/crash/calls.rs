//! Which system calls change a file.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nix::libc::{self, c_long, user_regs_struct};
use nix::unistd::Pid;

/// A call that changes a file of the machine under test, or locks one or brings it onto the disk.
#[derive(Clone, Debug)]
pub struct Call {
    /// Counted from 1, over all threads and children.
    pub number: usize,
    /// The system call's name.
    pub name: &'static str,
    /// The file or folder, from the machine's root.
    pub place: String,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.number, self.name, self.place)
    }
}

/// What tells where a call works.
#[derive(Clone, Copy)]
enum Where {
    /// An open descriptor, in this argument.
    Descriptor(usize),
    /// A path, in this argument.
    Path(usize),
}

use Where::{Descriptor, Path as At};

/// Every call of x86_64 Linux that changes a file's bytes, length, mode, owner, times, name or
/// lock, or its folder's entries. `open` in its forms counts only where it may write or make.
const CHANGES: &[(c_long, &str, Where)] = &[
    (libc::SYS_open, "open", At(0)),
    (libc::SYS_openat, "openat", At(1)),
    (libc::SYS_creat, "creat", At(0)),
    (libc::SYS_write, "write", Descriptor(0)),
    (libc::SYS_pwrite64, "pwrite64", Descriptor(0)),
    (libc::SYS_writev, "writev", Descriptor(0)),
    (libc::SYS_pwritev, "pwritev", Descriptor(0)),
    (libc::SYS_pwritev2, "pwritev2", Descriptor(0)),
    (libc::SYS_sendfile, "sendfile", Descriptor(0)),
    (libc::SYS_splice, "splice", Descriptor(2)),
    (libc::SYS_copy_file_range, "copy_file_range", Descriptor(2)),
    (libc::SYS_ftruncate, "ftruncate", Descriptor(0)),
    (libc::SYS_truncate, "truncate", At(0)),
    (libc::SYS_fallocate, "fallocate", Descriptor(0)),
    (libc::SYS_fsync, "fsync", Descriptor(0)),
    (libc::SYS_fdatasync, "fdatasync", Descriptor(0)),
    (libc::SYS_syncfs, "syncfs", Descriptor(0)),
    (libc::SYS_flock, "flock", Descriptor(0)),
    (libc::SYS_chmod, "chmod", At(0)),
    (libc::SYS_fchmod, "fchmod", Descriptor(0)),
    (libc::SYS_fchmodat, "fchmodat", At(1)),
    (libc::SYS_chown, "chown", At(0)),
    (libc::SYS_lchown, "lchown", At(0)),
    (libc::SYS_fchown, "fchown", Descriptor(0)),
    (libc::SYS_fchownat, "fchownat", At(1)),
    (libc::SYS_utimensat, "utimensat", At(1)),
    (libc::SYS_mkdir, "mkdir", At(0)),
    (libc::SYS_mkdirat, "mkdirat", At(1)),
    (libc::SYS_rmdir, "rmdir", At(0)),
    (libc::SYS_rename, "rename", At(1)),
    (libc::SYS_renameat, "renameat", At(3)),
    (libc::SYS_renameat2, "renameat2", At(3)),
    (libc::SYS_link, "link", At(1)),
    (libc::SYS_linkat, "linkat", At(3)),
    (libc::SYS_symlink, "symlink", At(1)),
    (libc::SYS_symlinkat, "symlinkat", At(2)),
    (libc::SYS_unlink, "unlink", At(0)),
    (libc::SYS_unlinkat, "unlinkat", At(1)),
];

/// Name and place of the call that a thread is about to make, where it changes something below
/// `root`.
pub fn change(
    thread: Pid,
    registers: &user_regs_struct,
    root: &Path,
) -> Option<(&'static str, String)> {
    let number = registers.orig_rax.cast_signed();
    let (_, name, place) = CHANGES.iter().find(|(call, ..)| *call == number)?;
    let arguments = [
        registers.rdi,
        registers.rsi,
        registers.rdx,
        registers.r10,
        registers.r8,
    ];
    let flags = match *name {
        "open" => Some(arguments[1]),
        "openat" => Some(arguments[2]),
        _ => None,
    };
    if flags.is_some_and(|flags| !may_change(flags)) {
        return None;
    }
    let path = match *place {
        Descriptor(argument) => {
            // The low half: a descriptor is an int.
            let descriptor = arguments[argument] & 0xffff_ffff;
            fs::read_link(format!("/proc/{thread}/fd/{descriptor}")).ok()?
        }
        At(argument) => {
            let path = text_at(thread, arguments[argument])?;
            fs::read_link(format!("/proc/{thread}/cwd"))
                .ok()?
                .join(path)
        }
    };
    let below = path.strip_prefix(root).ok()?;
    Some((name, below.display().to_string()))
}

fn may_change(flags: u64) -> bool {
    let changing = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
    flags & u64::from(changing.cast_unsigned()) != 0
}

/// A path in the thread's memory.
fn text_at(thread: Pid, address: u64) -> Option<PathBuf> {
    let memory = File::open(format!("/proc/{thread}/mem")).ok()?;
    let mut bytes = [0; 1024];
    let length = memory.read_at(&mut bytes, address).ok()?;
    let end = bytes[..length].iter().position(|byte| *byte == 0)?;
    Some(PathBuf::from(
        String::from_utf8_lossy(&bytes[..end]).into_owned(),
    ))
}
