//! What is wrong with a command line, in OpenSSH's words.

/// ssh(1)'s usage text for this program.
pub const USAGE: &str = "\
usage: bitbucket-ssh [--account account]
           [-46AaCfGgKkMNnqsTtVvXxYyZ] [-B bind_interface] [-b bind_address]
           [-c cipher_spec] [-D [bind_address:]port] [-E log_file]
           [-e escape_char] [-F configfile] [-I pkcs11] [-i identity_file]
           [-J destination] [-L address] [-l login_name] [-m mac_spec]
           [-O ctl_cmd] [-o option] [-P tag] [-p port] [-R address]
           [-S ctl_path] [-W host:port] [-w local_tun[:remote_tun]]
           destination [command [argument ...]]
       bitbucket-ssh [-Q query_option]";

/// A command line that ssh(1) would refuse. All end with status 255.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No destination, or one that is none.
    #[error("{USAGE}")]
    Usage,
    /// A letter that is no option.
    #[error("unknown option -- {0}\n{USAGE}")]
    UnknownOption(char),
    /// The last argument is an option that takes a value.
    #[error("option requires an argument -- {0}\n{USAGE}")]
    MissingValue(char),
    /// `--account` without an account.
    #[error("option requires an argument -- account\n{USAGE}")]
    NoAccount,
    /// `-1`.
    #[error("SSH protocol v.1 is no longer supported")]
    ProtocolOne,
    /// `-p` with something that is no port.
    #[error("Bad port '{}'", crate::text::sanitise(.0))]
    BadPort(String),
    /// `-J` with something that is no list of hosts.
    #[error("Invalid -J argument")]
    Jump,
    /// `-J` twice.
    #[error("Only a single -J option is permitted (use commas to separate multiple jump hops)")]
    SecondJump,
    /// `-J` behind `-o ProxyCommand`.
    #[error("Cannot specify -J with ProxyCommand")]
    JumpWithProxyCommand,
    /// `-o KEY` without a value.
    #[error("command-line line 0: no argument after keyword \"{}\"", crate::text::sanitise(.0))]
    NoArgument(String),
    /// `-o` with a quote that is not closed.
    #[error("command-line line 0: invalid quotes")]
    InvalidQuotes,
    /// `-y` beside `-E`.
    #[error("Can't specify both -y and -E")]
    TwoLogs,
    /// The host could reach a shell or be taken for an option.
    #[error("hostname contains invalid characters")]
    HostName,
    /// The same of the user.
    #[error("remote username contains invalid characters")]
    UserName,
}
