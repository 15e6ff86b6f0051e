//! What git asked: argv to [`Invocation`].
//!
//! Pure: reads no environment, no file, and decides nothing about Bitbucket. Knows no other room.

use std::ffi::OsString;

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
        /// The call, as far as it was understood.
        request: Request,
        /// The option that decided, as it was typed (`-L`, `-W`, …).
        because: String,
    },
}

/// One parsed command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// `--account A` in front; `None`: not given.
    pub account: Option<String>,
    /// The arguments as they came, without the program and without `--account A`.
    pub argv: Vec<OsString>,
    /// Everything that ssh would read as options, in order and with their values, without
    /// destination and command: what a later `ssh -G` gets in front of the host.
    pub option_argv: Vec<OsString>,
    /// The host as typed (after the last `@`, or of an `ssh://` destination), case kept.
    pub host: String,
    /// The user as typed in front of the host, or by `-l`; `None`: not given.
    pub user: Option<String>,
    /// `-p`, or the port of an `ssh://` destination. `None`: not given (`-o Port=` stands in
    /// [`Request::options`]).
    pub port: Option<u16>,
    /// The remote command, its words joined by single spaces. `None`: a login shell was asked for.
    pub command: Option<Vec<u8>>,
    /// `-4` or `-6`.
    pub family: Option<AddressFamily>,
    /// `-i FILE`, in order, as typed.
    pub identity_files: Vec<String>,
    /// `-F FILE`.
    pub config_file: Option<OsString>,
    /// `-o` settings in order: key in lower case, value without quotes around it. Flags that are
    /// short for a setting (`-C`, `-J`, `-b`, `-c`, `-m`) stand here too.
    pub options: Vec<(String, String)>,
    /// How often `-v` was given.
    pub verbosity: u8,
    /// `-q`.
    pub quiet: bool,
    /// `-E FILE`.
    pub log_file: Option<OsString>,
    /// `-n`: stdin is the null device.
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
