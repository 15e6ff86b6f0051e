//! What git asked: argv to [`Invocation`].
//!
//! Pure: reads no environment and no file, and decides nothing about Bitbucket. Uses only `text`.
//! `parse` reads the arguments by the tables in `options`, `destination` the host argument.

mod destination;
mod error;
pub mod options;
mod parse;

#[cfg(all(test, unix))]
mod against_ssh;

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
    /// A session that the native transport can carry, if the host turns out to be a Bitbucket.
    Native(Request),
    /// An option or mode that only the system's ssh carries; the text names it for `-v`.
    System {
        /// The call, as far as it was read. Nothing is read behind `-Q`: the host may be empty
        /// then.
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
    /// an argument of its own; user and port of the destination are among them as `-l` and
    /// `-p`. `ssh -G`, these, `--` and the host mean the same as the whole line without its
    /// command. Options that only concern output are left out (`-v -q -E -y -G`).
    pub option_argv: Vec<OsString>,
    /// The host as typed (after the last `@`, or of an `ssh://` destination), case kept.
    pub host: String,
    /// The user as typed in front of the host, or by `-l`; `None`: not given, or an `-o User=` in
    /// front of it counts (in ssh the first one does).
    pub user: Option<String>,
    /// `-p`, or the port of an `ssh://` destination. `None`: not given, or an `-o Port=` in
    /// front of it counts (it is in [`Request::options`]).
    pub port: Option<u16>,
    /// The remote command, its words joined by single spaces. `None`: a login shell.
    pub command: Option<Vec<u8>>,
    /// `-4` or `-6`.
    pub family: Option<AddressFamily>,
    /// `-i FILE` and `-o IdentityFile=FILE`, in order, as typed; not among the options.
    pub identity_files: Vec<String>,
    /// Those of `-i`, which ssh(1) takes only if they exist.
    pub files_of_i: Vec<String>,
    /// `-F FILE`.
    pub config_file: Option<OsString>,
    /// `-o` options in order: name in lower case, old names replaced, value without quotes around it;
    /// also letters that are short for one (`-A -a -C -J -K -S -b -c -k -m -x`). Only those in
    /// force: one value for each name, but all of CertificateFile and SendEnv.
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
