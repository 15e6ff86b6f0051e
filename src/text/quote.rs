//! Words for others to read: a shell, ssh_config.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::{Display, Formatter, Write as _};
use std::path::Path;

use super::fence::{below, is_harmful, sanitise};

/// One word of a command that can be pasted: a POSIX shell reads exactly the text that it was made of, and
/// the terminal that shows it is given no control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pasted(String);

impl Pasted {
    /// Any text.
    pub fn new(text: impl AsRef<OsStr>) -> Self {
        Self(word(text.as_ref()))
    }

    /// A path: `~/…` for what is below `home`, and never an option.
    pub fn path(path: &Path, home: Option<&Path>) -> Self {
        if let Some(rest) = below(path, home) {
            return Self(format!("~/{}", word(rest.as_os_str())));
        }
        let dashed = path.as_os_str().as_encoded_bytes().starts_with(b"-");
        Self(if dashed {
            word(Path::new(".").join(path).as_os_str())
        } else {
            word(path.as_os_str())
        })
    }

    /// As [`Pasted::new`], in quotes also where none are needed, as OpenSSH prints file names.
    pub fn quoted(text: impl AsRef<OsStr>) -> Self {
        let word = word(text.as_ref());
        Self(if word.starts_with(['\'', '$']) {
            word
        } else {
            format!("'{word}'")
        })
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Pasted {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Text from outside in the prose of a `hint:` line, which may be pasted by mistake: where a shell would
/// do more with it than read words, it is quoted. Parentheses alone are a syntax error there.
pub fn in_hint(text: impl AsRef<OsStr>) -> String {
    let text = sanitise(&text.as_ref().to_string_lossy());
    if text.contains(|c| "$`;&|<>'\"\\".contains(c)) {
        Pasted::new(text).0
    } else {
        text
    }
}

fn word(text: &OsStr) -> String {
    match text.to_str() {
        // Where shlex mixes kinds of quotes (`1s/'^/#/'`), one kind around the whole word reads better.
        Some(text) if !text.contains(is_harmful) => match shlex::try_quote(text) {
            Ok(Cow::Borrowed(plain)) => plain.to_owned(),
            _ => format!("'{}'", text.replace('\'', r"'\''")),
        },
        _ => escaped(text),
    }
}

/// `$'…'` (POSIX.1-2024, 2.2.4; bash, zsh, ksh): bytes that a terminal must not be given as `\ooo`.
fn escaped(text: &OsStr) -> String {
    let mut word = String::from("$'");
    for chunk in text.as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                // A shell without `$'…'` ends the quotes at any apostrophe, also behind a backslash.
                '\'' => octal(&mut word, b"'"),
                '\\' => word.push_str("\\\\"),
                c if is_harmful(c) => octal(&mut word, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => word.push(c),
            }
        }
        octal(&mut word, chunk.invalid());
    }
    word.push('\'');
    word
}

fn octal(word: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(word, "\\{byte:03o}");
    }
}

/// One word as ssh_config reads it (OpenSSH, misc.c, `argv_split`). `None`: no word of it can hold
/// this text. Tokens and variables in it are the caller's: a path doubles its `%`.
pub fn ssh_config_word(text: &str) -> Option<String> {
    if text.contains(|c: char| c.is_control()) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.~:@%+-_,$={}[]*".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Some(text.to_owned());
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{escaped}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_it_must_be() {
        for (text, expected, why) in [
            ("a@example.com", "a@example.com", "an address"),
            ("~/.ssh/id", "'~/.ssh/id'", "no home is meant"),
            ("it's $HOME", r"'it'\''s $HOME'", "an apostrophe"),
            ("", "''", "nothing is a word, too"),
            ("a\u{1b}[2J'", "$'a\\033[2J\\047'", "no escape sequence"),
            ("\u{202e}x", "$'\\342\\200\\256x'", "no reordering"),
        ] {
            assert_eq!(Pasted::new(text).as_str(), expected, "{why}");
        }
    }

    #[test]
    fn a_path_keeps_its_home() {
        let home = Some(Path::new("/home/a b"));
        for (path, expected, why) in [
            ("/home/a b/.ssh/id", "~/.ssh/id", "below the home"),
            ("/home/a b/x y", "~/'x y'", "quoted behind the tilde"),
            ("/home/a b", "'/home/a b'", "the home itself"),
            ("-rf", "./-rf", "no option"),
        ] {
            assert_eq!(
                Pasted::path(Path::new(path), home).as_str(),
                expected,
                "{why}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_reads_the_text_that_was_meant() {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let hostile: [&[u8]; 6] = [
            b"a b'c\"d\\e",
            b"$(touch x)`y`;&|<>*?[#~=%!^{a,b}",
            b"\x1b]0;t\x07\r\n\t\x7f",
            b"\xff\xfe not UTF-8 \xc3",
            "\u{202e}\u{ad}größe".as_bytes(),
            b"'",
        ];
        for bytes in hostile {
            let text = std::ffi::OsString::from_vec(bytes.to_vec());
            let word = Pasted::new(&text);
            assert!(!word.as_str().contains(is_harmful), "{word}");
            let context = crate::context::Context {
                environment: crate::context::Environment::default(),
                directory: "/".into(),
                program: "/".into(),
                clock: std::sync::Arc::new(crate::clock::SystemClock),
            };
            let output = context
                .command("/bin/bash")
                .args(["-c", &format!("printf %s {word}")])
                .stdout(std::process::Stdio::piped())
                .output()
                .expect("bash runs");
            assert_eq!(OsStr::from_bytes(&output.stdout), text, "{word}");
        }
    }

    #[test]
    fn ssh_config_reads_one_word() {
        for (text, expected) in [
            ("/a/b", Some("/a/b")),
            ("/a b", Some("\"/a b\"")),
            ("a\"b\\c", Some("\"a\\\"b\\\\c\"")),
            ("", Some("\"\"")),
            ("a\nb", None),
        ] {
            assert_eq!(ssh_config_word(text).as_deref(), expected, "{text:?}");
        }
    }
}
