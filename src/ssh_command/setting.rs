//! One `-o` line: `Key=value`, `Key value`, quotes. Read as OpenSSH's `readconf.c` reads it
//! (`strdelim`, `argv_split`).

use super::{Error, keys};

/// A line, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Lower case; an old name is replaced by today's.
    pub key: String,
    /// Without the quotes around words; several words are joined by single spaces.
    pub value: String,
}

/// `Ok(None)`: an empty line or a comment, which ssh ignores.
pub(super) fn parse(line: &str) -> Result<Option<Setting>, Error> {
    let line = line.trim_end_matches([' ', '\t', '\r', '\n', '\u{c}']);
    let Some((keyword, rest)) = split_keyword(line) else {
        return Ok(None);
    };
    let key = keyword.to_ascii_lowercase();
    let rest = rest.trim_start_matches(BLANKS);
    if rest.is_empty() {
        return Err(Error::NoArgument(key));
    }
    let key = keys::todays_name(&key).to_owned();
    let value = if takes_the_rest(&key) {
        rest.trim_start_matches([' ', '\t', '\r', '\n', '='])
            .to_owned()
    } else {
        words(rest)?.join(" ")
    };
    Ok(Some(Setting { key, value }))
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// The first word, and what stands behind the blanks and the one `=` after it.
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

/// Keys whose value is the rest of the line as it stands: commands for a shell.
fn takes_the_rest(key: &str) -> bool {
    matches!(
        key,
        "proxycommand" | "localcommand" | "remotecommand" | "knownhostscommand"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(parse(line).unwrap(), expected, "{why}: {line}");
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
            assert_eq!(parse(line).unwrap_err().to_string(), words, "{line}");
        }
    }
}
