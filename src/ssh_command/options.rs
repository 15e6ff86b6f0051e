//! The option letters of ssh(1), one row each: what a letter takes and what becomes of it.
//!
//! Letters: the getopt string of OpenSSH's `ssh.c` (10.x). A letter without a row is unknown.

/// What an option means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Without effect on a session of ours.
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

/// One letter.
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

const OPTIONS: &[OptionRow] = &[
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
pub(super) fn row(letter: u8) -> Option<&'static OptionRow> {
    OPTIONS.iter().find(|row| row.letter == letter)
}

/// Whether the letter only speaks of what is printed, so that `ssh -G` is asked without it: `-E`
/// and `-y` would take its error texts away, `-q` would silence them, `-v` would add others.
pub(super) fn only_about_output(letter: u8) -> bool {
    matches!(letter, b'E' | b'G' | b'V' | b'q' | b'v' | b'y')
}

/// Whether `ssh -G` prints what the letter and its value say, so that a configuration file made
/// from its output stands for it. Flags stand beside such a file without harm.
pub(super) fn is_printed_with_value(row: &OptionRow) -> bool {
    row.letter == b'M' || row.takes_value && !matches!(row.letter, b'E' | b'O' | b'W' | b'e')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ssh.c` of OpenSSH 10.x.
    const GETOPT: &str = "1246ACGKMNTVXYZafgknqstvxyB:D:E:F:I:J:L:O:P:Q:R:S:W:b:c:e:i:l:m:o:p:w:";

    #[test]
    fn the_table_is_the_getopt_string() {
        let mut table = String::new();
        for row in OPTIONS {
            table.push(char::from(row.letter));
            table.extend(row.takes_value.then_some(':'));
        }
        assert_eq!(table, GETOPT);
    }
}
