//! The options of ssh(1) and of ssh_config(5), one table each, and the grammar of one `-o` line.
//!
//! Letters: the getopt string of OpenSSH's `ssh.c` (10.x); a letter without a row is unknown. Options:
//! the keyword table of its `readconf.c` and those of its packagers. Lines: `strdelim` and
//! `argv_split` of the same file.

use super::Error;
use crate::text::nearest;

/// What an option letter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Without effect on a native session.
    Nothing,
    /// Short for a setting: key in lower case, and the value where the letter takes none.
    Setting(&'static str, &'static str),
    /// Kept in a field of its own.
    Field(Field),
    /// Only the system's ssh carries it.
    System,
    /// Only the system's ssh answers it, at once; nothing behind it is read.
    Query,
    /// `-1`: refused since OpenSSH 7.6.
    ProtocolOne,
}

/// The options with a field in `Request`, and the modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Inet,
    Inet6,
    ConfigFile,
    IdentityFile,
    LogFile,
    NoStdin,
    NoTerminal,
    Port,
    Probe,
    Quiet,
    Set,
    Syslog,
    User,
    Verbose,
    Version,
}

/// One option letter of ssh(1).
#[derive(Debug)]
pub(super) struct OptionRow {
    /// The letter behind the dash.
    pub letter: u8,
    /// Whether a value follows, attached or as the next argument.
    pub takes_value: bool,
    /// What becomes of it.
    pub meaning: Meaning,
}

const fn flag(letter: u8, meaning: Meaning) -> OptionRow {
    OptionRow {
        letter,
        takes_value: false,
        meaning,
    }
}

const fn value(letter: u8, meaning: Meaning) -> OptionRow {
    OptionRow {
        letter,
        takes_value: true,
        meaning,
    }
}

const LETTERS: &[OptionRow] = &[
    flag(b'1', Meaning::ProtocolOne),
    flag(b'2', Meaning::Nothing),
    flag(b'4', Meaning::Field(Field::Inet)),
    flag(b'6', Meaning::Field(Field::Inet6)),
    flag(b'A', Meaning::Setting("forwardagent", "yes")),
    flag(b'C', Meaning::Setting("compression", "yes")),
    flag(b'G', Meaning::Field(Field::Probe)),
    flag(b'K', Meaning::Setting("gssapiauthentication", "yes")),
    flag(b'M', Meaning::System),
    flag(b'N', Meaning::System),
    flag(b'T', Meaning::Field(Field::NoTerminal)),
    flag(b'V', Meaning::Field(Field::Version)),
    flag(b'X', Meaning::System),
    flag(b'Y', Meaning::System),
    flag(b'Z', Meaning::System),
    flag(b'a', Meaning::Setting("forwardagent", "no")),
    flag(b'f', Meaning::System),
    flag(b'g', Meaning::System),
    flag(b'k', Meaning::Setting("gssapidelegatecredentials", "no")),
    flag(b'n', Meaning::Field(Field::NoStdin)),
    flag(b'q', Meaning::Field(Field::Quiet)),
    flag(b's', Meaning::System),
    flag(b't', Meaning::System),
    flag(b'v', Meaning::Field(Field::Verbose)),
    flag(b'x', Meaning::Setting("forwardx11", "no")),
    flag(b'y', Meaning::Field(Field::Syslog)),
    value(b'B', Meaning::System),
    value(b'D', Meaning::System),
    value(b'E', Meaning::Field(Field::LogFile)),
    value(b'F', Meaning::Field(Field::ConfigFile)),
    value(b'I', Meaning::System),
    value(b'J', Meaning::Setting("proxyjump", "")),
    value(b'L', Meaning::System),
    value(b'O', Meaning::System),
    value(b'P', Meaning::System),
    value(b'Q', Meaning::Query),
    value(b'R', Meaning::System),
    value(b'S', Meaning::Setting("controlpath", "")),
    value(b'W', Meaning::System),
    value(b'b', Meaning::Setting("bindaddress", "")),
    value(b'c', Meaning::Setting("ciphers", "")),
    value(b'e', Meaning::System),
    value(b'i', Meaning::Field(Field::IdentityFile)),
    value(b'l', Meaning::Field(Field::User)),
    value(b'm', Meaning::Setting("macs", "")),
    value(b'o', Meaning::Field(Field::Set)),
    value(b'p', Meaning::Field(Field::Port)),
    value(b'w', Meaning::System),
];

/// The row of a letter; `None`: ssh(1) has no such option.
pub(super) fn letter(letter: u8) -> Option<&'static OptionRow> {
    LETTERS.iter().find(|row| row.letter == letter)
}

/// Whether the text is a letter behind which a value follows.
pub fn takes_value(text: &str) -> bool {
    matches!(text.as_bytes(), [only] if letter(*only).is_some_and(|row| row.takes_value))
}

/// Whether `ssh -G` is asked without the letter: `-E` and `-y` would take its error texts away, `-q`
/// would silence them, `-v` would add others; `-s` would be an error without the subsystem's name.
pub(super) fn is_left_out_of_query(letter: u8) -> bool {
    matches!(letter, b'E' | b'G' | b'V' | b'q' | b's' | b'v' | b'y')
}

/// Whether `ssh -G` prints what the letter and its value set, so that a configuration file made
/// from its output replaces it. Flags do no harm beside such a file.
pub(super) fn is_printed_with_value(row: &OptionRow) -> bool {
    row.letter == b'M' || row.takes_value && !matches!(row.letter, b'E' | b'O' | b'W' | b'e')
}

/// Which transport carries a session for which the option is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// The native transport follows the option.
    Native,
    /// The native transport ignores it, and `-vv` names it.
    Ignored,
    /// Ignored for a Bitbucket host; any other host goes to the system's ssh, unless the value is one
    /// of these.
    OtherHosts(&'static [&'static str]),
    /// A mode of ssh(1), unless the value is one of these: on the command line only the system's ssh
    /// carries it; in a file, as [`Carrier::OtherHosts`].
    Mode(&'static [&'static str]),
    /// Only the system's ssh carries it, whatever the host, unless the value is one of these.
    System(&'static [&'static str]),
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// yes or no.
    Flag,
    /// A number from 0.
    Number,
    /// From 1 to 65535.
    Port,
    /// Seconds, `1m30s`, `none`.
    Time,
    /// A list of algorithms; `+`, `-`, `^` and wildcards refer to the list of the installed ssh.
    Algorithms,
    /// Words with blanks between them.
    Words,
    /// `NAME=value` words.
    Pairs,
    /// Any text.
    Text,
    /// `yes`, `no`, `ask`, `confirm`, with a time.
    AddKeys,
    /// `yes`, `no`, `off`, `ask`, `accept-new`.
    Strict,
    /// `yes`, `no`, `ask`.
    Ask,
    /// `yes`, `no`, `unbound`, `host-bound`.
    Pubkey,
    /// `1G 1h`.
    Rekey,
    /// `any`, `inet`, `inet6`.
    Family,
    /// A level of ssh_config(5)'s LogLevel.
    Level,
}

/// One option of ssh_config(5).
#[derive(Debug)]
pub struct ConfigOption {
    /// As ssh_config(5) writes it.
    pub name: &'static str,
    /// Names that OpenSSH keeps for old files, in lower case.
    pub aliases: &'static [&'static str],
    /// Which transport carries it.
    pub carrier: Carrier,
    /// What its value may be.
    pub value: Value,
    /// What `ssh -G` prints where it is not set, the same in every release. Empty: nothing, or what
    /// only the installed ssh knows.
    pub default: &'static str,
}

impl ConfigOption {
    /// Whether a `-o` with this value is a mode that only the system's ssh carries.
    pub(super) fn is_mode(&self, value: &str) -> bool {
        matches!(self.carrier, Carrier::Mode(harmless) if asks(value, harmless))
    }

    /// Whether the value leads to the system's ssh, whatever the host.
    pub fn needs_system_ssh(&self, value: &str) -> bool {
        matches!(self.carrier, Carrier::System(harmless) if asks(value, harmless))
    }

    /// Whether the value asks for more than a session of one command, so that the native transport
    /// leaves a host that is not Bitbucket to the system's ssh.
    pub fn exceeds_a_command(&self, value: &str) -> bool {
        matches!(
            self.carrier,
            Carrier::OtherHosts(harmless) | Carrier::Mode(harmless) if asks(value, harmless)
        )
    }
}

fn asks(value: &str, harmless: &[&str]) -> bool {
    !value.is_empty() && !harmless.iter().any(|word| word.eq_ignore_ascii_case(value))
}

const fn option(name: &'static str, carrier: Carrier) -> ConfigOption {
    ConfigOption {
        name,
        aliases: &[],
        carrier,
        value: Value::Text,
        default: "",
    }
}

const fn ignored(name: &'static str) -> ConfigOption {
    option(name, Carrier::Ignored)
}

const fn renamed(name: &'static str, aliases: &'static [&'static str]) -> ConfigOption {
    ConfigOption {
        aliases,
        ..ignored(name)
    }
}

const fn native(name: &'static str, value: Value, default: &'static str) -> ConfigOption {
    ConfigOption {
        value,
        default,
        ..option(name, Carrier::Native)
    }
}

/// Every option, in alphabetical order.
#[rustfmt::skip]
pub const OPTIONS: &[ConfigOption] = &[
    native("AddKeysToAgent", Value::AddKeys, "false"),
    native("AddressFamily", Value::Family, "any"),
    native("BatchMode", Value::Flag, "no"),
    native("BindAddress", Value::Text, ""),
    ignored("CanonicalDomains"),
    ignored("CanonicalizeFallbackLocal"),
    option("CanonicalizeHostname", Carrier::System(&["no", "false"])),
    ignored("CanonicalizeMaxDots"),
    ignored("CanonicalizePermittedCNAMEs"),
    ignored("CASignatureAlgorithms"),
    native("CertificateFile", Value::Text, ""),
    ignored("ChannelTimeout"),
    ignored("CheckHostIP"),
    native("Ciphers", Value::Algorithms, ""),
    ignored("ClearAllForwardings"),
    native("Compression", Value::Flag, "no"),
    native("ConnectionAttempts", Value::Number, "1"),
    native("ConnectTimeout", Value::Time, "none"),
    ignored("ControlMaster"),
    ignored("ControlPath"),
    ignored("ControlPersist"),
    option("DynamicForward", Carrier::Mode(&[])),
    ignored("EnableEscapeCommandline"),
    ignored("EnableSSHKeysign"),
    ignored("EscapeChar"),
    ignored("ExitOnForwardFailure"),
    option("FingerprintHash", Carrier::OtherHosts(&["sha256"])),
    option("ForkAfterAuthentication", Carrier::Mode(&["no", "false"])),
    option("ForwardAgent", Carrier::OtherHosts(&["no", "false"])),
    option("ForwardX11", Carrier::OtherHosts(&["no", "false"])),
    ignored("ForwardX11Timeout"),
    ignored("ForwardX11Trusted"),
    ignored("GatewayPorts"),
    native("GlobalKnownHostsFile", Value::Text, "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"),
    ignored("GSSAPIAuthentication"),
    ignored("GSSAPIDelegateCredentials"),
    ignored("GSSAPIKeyExchange"),
    ignored("GSSAPIRenewalForcesRekey"),
    ignored("GSSAPIServerName"),
    ignored("GSSAPITrustDNS"),
    native("HashKnownHosts", Value::Flag, "no"),
    renamed("HostbasedAcceptedAlgorithms", &["hostbasedkeytypes"]),
    option("HostbasedAuthentication", Carrier::OtherHosts(&["no", "false"])),
    native("HostKeyAlgorithms", Value::Algorithms, ""),
    native("HostKeyAlias", Value::Text, ""),
    native("HostName", Value::Text, ""),
    native("IdentitiesOnly", Value::Flag, "no"),
    native("IdentityAgent", Value::Text, ""),
    ConfigOption { aliases: &["identityfile2"], ..native("IdentityFile", Value::Text, "") },
    native("IgnoreUnknown", Value::Text, ""),
    ignored("IPQoS"),
    ConfigOption { aliases: &["challengeresponseauthentication", "skeyauthentication", "tisauthentication"], ..native("KbdInteractiveAuthentication", Value::Flag, "yes") },
    ignored("KbdInteractiveDevices"),
    native("KexAlgorithms", Value::Algorithms, ""),
    option("KnownHostsCommand", Carrier::System(&["none"])),
    ignored("LocalCommand"),
    option("LocalForward", Carrier::Mode(&[])),
    native("LogLevel", Value::Level, "INFO"),
    ignored("LogVerbose"),
    native("MACs", Value::Algorithms, ""),
    option("NoHostAuthenticationForLocalhost", Carrier::OtherHosts(&["no", "false"])),
    native("NumberOfPasswordPrompts", Value::Number, "3"),
    ignored("ObscureKeystrokeTiming"),
    native("PasswordAuthentication", Value::Flag, "yes"),
    ignored("PermitLocalCommand"),
    ignored("PermitRemoteOpen"),
    ConfigOption { aliases: &["smartcarddevice"], ..option("PKCS11Provider", Carrier::System(&["none"])) },
    native("Port", Value::Port, "22"),
    native("PreferredAuthentications", Value::Text, ""),
    native("ProxyCommand", Value::Text, ""),
    native("ProxyJump", Value::Text, ""),
    option("ProxyUseFdpass", Carrier::System(&["no", "false"])),
    ConfigOption { aliases: &["pubkeyacceptedkeytypes"], ..native("PubkeyAcceptedAlgorithms", Value::Algorithms, "") },
    ConfigOption { aliases: &["dsaauthentication"], ..native("PubkeyAuthentication", Value::Pubkey, "true") },
    native("RekeyLimit", Value::Rekey, "0 0"),
    option("RemoteCommand", Carrier::Mode(&["none"])),
    option("RemoteForward", Carrier::Mode(&[])),
    option("RequestTTY", Carrier::Mode(&["no", "false", "auto"])),
    ignored("RequiredRSASize"),
    native("RevokedHostKeys", Value::Text, ""),
    option("SecurityKeyProvider", Carrier::System(&["internal"])),
    native("SendEnv", Value::Words, ""),
    native("ServerAliveCountMax", Value::Number, "3"),
    native("ServerAliveInterval", Value::Time, "0"),
    option("SessionType", Carrier::Mode(&["default"])),
    native("SetEnv", Value::Pairs, ""),
    ignored("StdinNull"),
    ignored("StreamLocalBindMask"),
    ignored("StreamLocalBindUnlink"),
    native("StrictHostKeyChecking", Value::Strict, "ask"),
    ignored("SyslogFacility"),
    ignored("Tag"),
    renamed("TCPKeepAlive", &["keepalive"]),
    option("Tunnel", Carrier::Mode(&["no", "false"])),
    ignored("TunnelDevice"),
    native("UpdateHostKeys", Value::Ask, "true"),
    ignored("UseKeychain"),
    native("User", Value::Text, ""),
    native("UserKnownHostsFile", Value::Text, "~/.ssh/known_hosts ~/.ssh/known_hosts2"),
    option("VerifyHostKeyDNS", Carrier::OtherHosts(&["no", "false"])),
    ignored("VersionAddendum"),
    option("VisualHostKey", Carrier::OtherHosts(&["no", "false"])),
    ignored("WarnWeakCrypto"),
    ignored("XAuthLocation"),
];

/// The option of that name, also by an old name and without regard to case. `None`: OpenSSH has no
/// such option, or it opens a block (`Host`, `Match`, `Include`).
pub fn find(name: &str) -> Option<&'static ConfigOption> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    let mut options = OPTIONS.iter();
    options.find(|option| is(option.name) || option.aliases.iter().any(|alias| is(alias)))
}

/// The keyword that was probably meant by one that OpenSSH does not know.
pub fn meant(written: &str) -> Option<&'static str> {
    // The key file's option in the singular is three letters away.
    if written.eq_ignore_ascii_case("IdentityOnly") {
        return Some("IdentitiesOnly");
    }
    let blocks = ["Host", "Include", "Match"];
    nearest(
        written,
        OPTIONS.iter().map(|option| option.name).chain(blocks),
    )
}

/// Options of which every value counts; of the others the first one does.
pub(super) fn accumulates(key: &str) -> bool {
    matches!(key, "certificatefile" | "sendenv")
}

/// One `-o` line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// In lower case; an old name is replaced by the present one.
    pub key: String,
    /// Without the quotes around words; several words are joined by single spaces.
    pub value: String,
}

/// Reads `Key=value` or `Key value`, quotes taken off. `Ok(None)`: an empty line or a comment, which ssh ignores.
pub(super) fn parse_line(line: &str) -> Result<Option<Setting>, Error> {
    let line = line.trim_end_matches([' ', '\t', '\r', '\n', '\u{c}']);
    let Some((keyword, rest)) = split_keyword(line) else {
        return Ok(None);
    };
    let key = keyword.to_ascii_lowercase();
    let rest = rest.trim_start_matches(BLANKS);
    if rest.is_empty() {
        return Err(Error::NoArgument(key));
    }
    let key = find(&key).map_or(key, |option| option.name.to_ascii_lowercase());
    let value = if takes_the_rest(&key) {
        rest.trim_start_matches([' ', '\t', '\r', '\n', '='])
            .to_owned()
    } else {
        words(rest)?.join(" ")
    };
    Ok(Some(Setting { key, value }))
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// The first word, and what follows the blanks and the one `=` behind it.
fn split_keyword(line: &str) -> Option<(&str, &str)> {
    let line = match next_word(line)? {
        ("", rest) => rest,
        _ => line,
    };
    next_word(line).filter(|(word, _)| !word.is_empty() && !word.starts_with('#'))
}

/// `strdelim`: a quoted word, or one that ends at a blank, a quote or `=`.
fn next_word(text: &str) -> Option<(&str, &str)> {
    let Some(end) = text.find([' ', '\t', '\r', '\n', '"', '=']) else {
        return (!text.is_empty()).then_some((text, ""));
    };
    let (word, rest) = text.split_at(end);
    if let Some(quoted) = rest.strip_prefix('"') {
        // Text in front of a quote belongs to the word: ssh.c moves it together.
        let (inner, rest) = quoted.split_once('"')?;
        let word = if word.is_empty() { inner } else { word };
        return Some((word, rest.trim_start_matches(BLANKS)));
    }
    let behind = rest[1..].trim_start_matches(BLANKS);
    let behind = match behind.strip_prefix('=') {
        Some(value) if !rest.starts_with('=') => value.trim_start_matches(BLANKS),
        _ => behind,
    };
    Some((word, behind))
}

/// `argv_split`: words with quotes and backslashes taken off; `#` in front of a word ends it.
fn words(text: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        if matches!(characters.peek(), None | Some('#')) {
            return Ok(words);
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(character) =
            characters.next_if(|c| quote.is_some() || !matches!(c, ' ' | '\t'))
        {
            match (character, quote) {
                ('\\', _) => {
                    let escaped = characters.next_if(|c| {
                        matches!(c, '\'' | '"' | '\\') || quote.is_none() && *c == ' '
                    });
                    word.push(escaped.unwrap_or('\\'));
                }
                ('"' | '\'', None) => quote = Some(character),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
        }
        if quote.is_some() {
            return Err(Error::InvalidQuotes);
        }
        words.push(word);
    }
}

/// Options whose value is the rest of the line unchanged: commands for a shell.
fn takes_the_rest(key: &str) -> bool {
    matches!(
        key,
        "proxycommand" | "localcommand" | "remotecommand" | "knownhostscommand"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ssh.c` of OpenSSH 10.x.
    const GETOPT: &str = "1246ACGKMNTVXYZafgknqstvxyB:D:E:F:I:J:L:O:P:Q:R:S:W:b:c:e:i:l:m:o:p:w:";

    #[test]
    fn the_table_is_the_getopt_string() {
        let mut table = String::new();
        for row in LETTERS {
            table.push(char::from(row.letter));
            table.extend(row.takes_value.then_some(':'));
        }
        assert_eq!(table, GETOPT);
    }

    #[test]
    fn modes_and_strangers_go_to_the_systems_ssh() {
        for (line, expected) in [
            ("BatchMode=yes", false),
            ("ControlMaster=yes", false),
            ("RequestTTY=no", false),
            ("RemoteCommand=none", false),
            ("SessionType=none", true),
            ("RequestTTY=force", true),
            ("LocalForward=1 h:2", true),
            ("NoSuchKey=1", true),
            ("Include=x", true),
        ] {
            let setting = parse_line(line).unwrap().unwrap();
            let system = find(&setting.key).is_none_or(|option| option.is_mode(&setting.value));
            assert_eq!(system, expected, "{line}");
        }
    }

    #[test]
    fn lines_are_read_as_readconf_reads_them() {
        for (line, read, why) in [
            ("Port=22", Some(("port", "22")), "git's usual form"),
            ("port 22", Some(("port", "22")), "git-repo's form"),
            ("  PORT \t=  22  ", Some(("port", "22")), "blanks and case"),
            ("port==22", Some(("port", "=22")), "one = only"),
            (
                "port = = 22",
                Some(("port", "= 22")),
                "the second one belongs to the value",
            ),
            ("user=\"a b\"", Some(("user", "a b")), "double quotes"),
            ("user='a b'", Some(("user", "a b")), "single quotes"),
            ("user=a\\ b", Some(("user", "a b")), "a backslash"),
            ("user=a\\b", Some(("user", "a\\b")), "that escapes nothing"),
            (
                "user=\"a\\\"b\"",
                Some(("user", "a\"b")),
                "a quote in quotes",
            ),
            ("user=a # b", Some(("user", "a")), "a comment"),
            ("user=a#b", Some(("user", "a#b")), "no comment"),
            ("user=\"\"", Some(("user", "")), "an empty value"),
            (
                "SendEnv=GIT_PROTOCOL",
                Some(("sendenv", "GIT_PROTOCOL")),
                "git",
            ),
            (
                "SetEnv GIT_PROTOCOL=version=2",
                Some(("setenv", "GIT_PROTOCOL=version=2")),
                "dulwich",
            ),
            (
                "UserKnownHostsFile a 'b c'",
                Some(("userknownhostsfile", "a b c")),
                "several words",
            ),
            (
                "ProxyCommand=nc 'a b' \"%h\" %p",
                Some(("proxycommand", "nc 'a b' \"%h\" %p")),
                "for a shell",
            ),
            (
                "ProxyCommand = nc",
                Some(("proxycommand", "nc")),
                "also behind ` = `",
            ),
            (
                "PubkeyAcceptedKeyTypes=x",
                Some(("pubkeyacceptedalgorithms", "x")),
                "today's name",
            ),
            ("\"port\" 22", Some(("port", "22")), "a quoted key"),
            ("", None, "nothing"),
            ("   ", None, "blanks"),
            ("#port 22", None, "a comment"),
        ] {
            let expected = read.map(|(key, value)| Setting {
                key: key.to_owned(),
                value: value.to_owned(),
            });
            assert_eq!(parse_line(line).unwrap(), expected, "{why}: {line}");
        }
        for (line, words) in [
            (
                "port",
                "command-line line 0: no argument after keyword \"port\"",
            ),
            (
                "port=",
                "command-line line 0: no argument after keyword \"port\"",
            ),
            ("user='a", "command-line line 0: invalid quotes"),
        ] {
            assert_eq!(parse_line(line).unwrap_err().to_string(), words, "{line}");
        }
    }
}
