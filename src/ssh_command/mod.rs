//! What git asked: argv to [`Invocation`].
//!
//! Pure: reads no environment, no file, and decides nothing about Bitbucket. Knows no other room.
//! `parse` walks over what `arguments` reads by the tables in `options` and `keys`; `destination` and
//! `setting` read the two arguments that have a grammar of their own; `hand_over` writes a new
//! command line for the system's ssh.

mod arguments;
mod destination;
mod error;
mod hand_over;
mod keys;
mod options;
mod parse;
mod setting;

#[cfg(all(test, unix))]
mod against_ssh;
#[cfg(test)]
mod callers;

use std::ffi::OsString;

pub use error::{Error, USAGE};
pub use parse::parse;

/// What one call of `bitbucket-ssh` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// `-G`: git's probe where stdout is the null device (exit 0 at once), else the system's ssh.
    Probe(Request),
    /// `-V`.
    Version,
    /// A session that the native transport can carry, if the host turns out to be ours.
    Native(Request),
    /// An option or mode that only the system's ssh carries; the text names it for `-v`.
    System {
        /// The call, as far as it was understood. Behind `-Q` nothing is read: the host may be
        /// empty then.
        request: Request,
        /// The option that decided, as it was typed (`-L`, `-W`, …).
        reason: String,
    },
}

/// One parsed command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// `--account A` in front; `None`: not given.
    pub account: Option<String>,
    /// The arguments as they came, without the program and without `--account A`.
    pub argv: Vec<OsString>,
    /// Everything that ssh would read as options, in order, one letter an argument and each value
    /// an argument of its own; user and port of the destination stand among them as `-l` and
    /// `-p`. `ssh -G`, these, `--` and the host mean what the whole line meant, without its
    /// command. Left out are the options that only speak of output (`-v -q -E -y -G`).
    pub option_argv: Vec<OsString>,
    /// The host as typed (after the last `@`, or of an `ssh://` destination), case kept.
    pub host: String,
    /// The user as typed in front of the host, or by `-l`; `None`: not given, or a `-o User=`
    /// stood in front of it and counts (as the first one does in ssh).
    pub user: Option<String>,
    /// `-p`, or the port of an `ssh://` destination. `None`: not given, or a `-o Port=` stood in
    /// front of it and counts (it stands in [`Request::options`]).
    pub port: Option<u16>,
    /// The remote command, its words joined by single spaces. `None`: a login shell was asked for.
    pub command: Option<Vec<u8>>,
    /// `-4` or `-6`.
    pub family: Option<AddressFamily>,
    /// `-i FILE` and `-o IdentityFile=FILE`, in order, as typed. They stand nowhere else.
    pub identity_files: Vec<String>,
    /// `-F FILE`.
    pub config_file: Option<OsString>,
    /// `-o` settings in order: key in lower case and by today's name, value without quotes around
    /// it. Letters that are short for a setting (`-A -a -C -J -K -S -b -c -k -m -x`) stand here
    /// too. Only what is in force: one entry a key, but all of CertificateFile and SendEnv.
    pub options: Vec<(String, String)>,
    /// How often `-v` was given, after the last `-q`.
    pub verbosity: u8,
    /// `-q`, and no `-v` after it.
    pub quiet: bool,
    /// `-E FILE`.
    pub log_file: Option<OsString>,
    /// `-n`, or `-o StdinNull=yes`: stdin is the null device.
    pub no_stdin: bool,
    /// `-T` was given.
    pub no_terminal: bool,
}

/// Which addresses of a name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    /// `-4`, `AddressFamily inet`.
    Inet,
    /// `-6`, `AddressFamily inet6`.
    Inet6,
}
