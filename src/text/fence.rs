//! Which characters a terminal or a reader must never be given, and text without them.

use std::borrow::Cow;
use std::fmt::{Display, Formatter, Write as _};
use std::path::Path;

use super::mask::{mask_urls, mask_user};

/// The longest text that [`sanitise`] leaves whole.
const LONGEST: usize = 1000;

/// Text from outside as one line of prose, made harmless by [`sanitise`].
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shown(String);

impl Shown {
    /// Any text.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(sanitise(text.as_ref()))
    }

    /// Bytes that are probably UTF-8; what is not becomes U+FFFD.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::new(String::from_utf8_lossy(bytes))
    }

    /// A path as people write it: `~/…` for what is below `home`.
    pub fn path(path: &Path, home: Option<&Path>) -> Self {
        match below(path, home) {
            Some(rest) => Self::new(format!("~/{}", rest.display())),
            None => Self::new(path.to_string_lossy()),
        }
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The line, as a `String`.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Shown> for String {
    fn from(shown: Shown) -> Self {
        shown.0
    }
}

/// What remains of a path below the home. `None`: it is not below it, or the home is the root,
/// below which everything is.
pub(super) fn below<'p>(path: &'p Path, home: Option<&Path>) -> Option<&'p Path> {
    let home = home.filter(|home| home.parent().is_some())?;
    let rest = path.strip_prefix(home).ok()?;
    (!rest.as_os_str().is_empty()).then_some(rest)
}

/// Text from outside as one line: line feeds and tabs become spaces, other control characters
/// `\ooo`, as OpenSSH writes them; passwords of URLs are masked; long text is cut.
pub fn sanitise(text: &str) -> String {
    let text = &*mask_urls(text);
    let mut clean = String::with_capacity(text.len().min(LONGEST));
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            clean.push('…');
            break;
        }
        match character {
            '\n' | '\t' => clean.push(' '),
            c if is_harmful(c) => push_octal(&mut clean, c),
            c => clean.push(c),
        }
    }
    clean
}

/// The user of an SSH connection, for display: git leaves the password of a URL in it.
pub fn shown_user(user: &str) -> String {
    mask_user(user).unwrap_or_else(|| sanitise(user))
}

/// Several lines from outside, whole: line feeds and tabs stay, and a carriage return before a line
/// feed (a lone one would overwrite the line); other control characters become `\ooo`.
pub fn sanitise_lines(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let stays = match character {
            '\n' | '\t' => true,
            '\r' => rest.peek() == Some(&'\n'),
            c => !is_harmful(c),
        };
        if stays {
            clean.push(character);
        } else {
            push_octal(&mut clean, character);
        }
    }
    clean
}

/// The last look at a message before it is written. Line feeds stay, since a message may have
/// several lines; no other control character passes, and no password of a URL.
pub fn fence(message: &str) -> Cow<'_, str> {
    match shown(message) {
        Cow::Borrowed(message) => without_controls(message),
        Cow::Owned(message) => Cow::Owned(without_controls(&message).into_owned()),
    }
}

/// Without the passwords of URLs, and without the numbers of the system's errors.
fn shown(message: &str) -> Cow<'_, str> {
    match mask_urls(message) {
        Cow::Borrowed(message) => without_os_numbers(message),
        Cow::Owned(message) => Cow::Owned(without_os_numbers(&message).into_owned()),
    }
}

fn without_controls(message: &str) -> Cow<'_, str> {
    let stopped = |c: char| c != '\n' && is_harmful(c);
    if !message.contains(stopped) {
        return Cow::Borrowed(message);
    }
    let mut clean = String::with_capacity(message.len() + 16);
    for character in message.chars() {
        if stopped(character) {
            push_octal(&mut clean, character);
        } else {
            clean.push(character);
        }
    }
    Cow::Owned(clean)
}

/// Without what Rust appends to the system's message: ` (os error 2)`, and behind it the temporary
/// file that the failing call was about.
fn without_os_numbers(message: &str) -> Cow<'_, str> {
    const NUMBER: &str = " (os error ";
    const FILE: &str = " at path \"";
    let Some((before, rest)) = message.split_once(NUMBER) else {
        return Cow::Borrowed(message);
    };
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(behind) = behind.strip_prefix(')') else {
        let rest = without_os_numbers(rest);
        return Cow::Owned(format!("{before}{NUMBER}{rest}"));
    };
    let file = behind
        .strip_prefix(FILE)
        .and_then(|file| file.split_once('"'));
    let behind = file.map_or(behind, |(_, behind)| behind);
    Cow::Owned(format!("{before}{}", without_os_numbers(behind)))
}

/// The sequences by which this program colours its own text (ECMA-48, SGR): none of them hides text.
const OWN_COLOURS: [&str; 7] = [
    "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m",
];

/// As [`fence`], for a single line: a line feed becomes a space, so that no text from outside can
/// begin a line of its own. `colours`: this program's own SGR sequences pass.
pub fn fence_line(line: &str, colours: bool) -> String {
    let line = shown(line);
    let mut clean = String::with_capacity(line.len());
    let mut rest = &*line;
    while let Some(character) = rest.chars().next() {
        let own = OWN_COLOURS
            .iter()
            .find(|own| colours && rest.starts_with(**own));
        let taken = own.map_or(character.len_utf8(), |own| own.len());
        match character {
            _ if own.is_some() => clean.push_str(&rest[..taken]),
            '\n' => clean.push(' '),
            c if is_harmful(c) => push_octal(&mut clean, c),
            c => clean.push(c),
        }
        rest = &rest[taken..];
    }
    clean
}

/// As [`fence`], for a JSON text: the characters become `\uXXXX`, which means the same to every
/// parser.
pub fn fence_json(json: &str) -> Cow<'_, str> {
    let json = mask_urls(json);
    let stopped = |c: char| c != '\n' && is_harmful(c);
    if !json.contains(stopped) {
        return json;
    }
    let mut clean = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if stopped(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(clean, "\\u{unit:04x}");
            }
        } else {
            clean.push(character);
        }
    }
    Cow::Owned(clean)
}

/// Control characters (C0, DEL, C1), and those that hide or reorder text without a mark of their
/// own: Unicode's bidirectional controls, line separators, soft hyphens, zero-width characters,
/// annotations, tags.
pub fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn push_octal(text: &mut String, character: char) {
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(text, "\\{byte:03o}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_system_are_left_out() {
        for (message, shown, why) in [
            (
                "Permission denied (os error 13)",
                "Permission denied",
                "at the end",
            ),
            ("a: denied (os error 13)\nb", "a: denied\nb", "within"),
            (
                "No such file or directory (os error 2) at path \"/tmp/.tmpAb\": x",
                "No such file or directory: x",
                "a temporary file",
            ),
            ("a (os error 1) b (os error 2)", "a b", "twice"),
            ("a (os error x)", "a (os error x)", "no number"),
        ] {
            assert_eq!(fence(message), shown, "{why}");
        }
    }

    #[test]
    fn lines_stay_lines() {
        for (text, shown, why) in [
            ("", "", "nothing"),
            ("a\n\tb", "a\n\tb", "no end is added"),
            ("a\r\nb\r\n", "a\r\nb\r\n", "a file with carriage returns"),
            ("a\rb", "a\\015b", "no overwriting"),
            ("\u{1b}[31mred", "\\033[31mred", "no escape sequence"),
            (
                "\u{202e}gpj.exe\n",
                "\\342\\200\\256gpj.exe\n",
                "no reordering",
            ),
        ] {
            assert_eq!(sanitise_lines(text), shown, "{why}");
        }
        let long = "größe\n".repeat(5000);
        assert_eq!(sanitise_lines(&long), long, "uncut");
    }

    #[test]
    fn nothing_moves_the_cursor_or_hides() {
        for (text, shown, why) in [
            ("plain text", "plain text", "stays"),
            ("two\nlines", "two lines", "one line in a message"),
            ("\u{1b}[31mred", "\\033[31mred", "no escape sequence"),
            ("a\rb", "a\\015b", "no overwriting"),
            ("\u{202e}gpj.exe", "\\342\\200\\256gpj.exe", "no reordering"),
            ("größe", "größe", "letters are not control characters"),
        ] {
            assert_eq!(sanitise(text), shown, "{why}");
            assert_eq!(Shown::new(text).as_str(), shown, "{why}");
        }
        assert_eq!(
            sanitise(&"x".repeat(5000)).chars().count(),
            1001,
            "long text is cut"
        );
    }

    #[test]
    fn no_harmful_character_passes_a_fence() {
        for harmful in [
            '\0',
            '\t',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            let text = format!("\"a{harmful}b\"");
            assert!(!fence(&text).contains(harmful), "{harmful:?}");
            assert!(!sanitise(&text).contains(harmful), "{harmful:?}");
            let value = serde_json::Value::from(text);
            let json = value.to_string();
            let fenced = fence_json(&json);
            assert!(!fenced.contains(harmful), "{harmful:?}: {fenced}");
            let read: serde_json::Value = serde_json::from_str(&fenced).expect(&fenced);
            assert_eq!(read, value, "{harmful:?}: the same value");
        }
        for text in ["", "two\nlines", "größe 日本 👍🏽 e\u{301}"] {
            assert!(matches!(fence(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn one_line_stays_one_and_only_own_colours_pass() {
        for (text, colours, shown, why) in [
            ("a\nhint: rm x", false, "a hint: rm x", "no line of its own"),
            (
                "\u{1b}[31mFAIL\u{1b}[0m",
                true,
                "\u{1b}[31mFAIL\u{1b}[0m",
                "coloured",
            ),
            ("\u{1b}[31mFAIL", false, "\\033[31mFAIL", "no colours here"),
            (
                "\u{1b}[8mhidden",
                true,
                "\\033[8mhidden",
                "hidden text is not ours",
            ),
            (
                "\u{1b}[2Jx\u{9b}2m",
                true,
                "\\033[2Jx\\302\\2332m",
                "no other sequence",
            ),
        ] {
            assert_eq!(fence_line(text, colours), shown, "{why}");
        }
    }

    #[test]
    fn a_path_is_written_as_people_write_it() {
        for (path, home, shown, why) in [
            ("/home/a/.ssh/id", Some("/home/a"), "~/.ssh/id", "below"),
            ("/home/a", Some("/home/a"), "/home/a", "the home itself"),
            ("/home/ab/x", Some("/home/a"), "/home/ab/x", "another home"),
            (
                "/etc/ssh",
                Some("/"),
                "/etc/ssh",
                "everything is below the root",
            ),
            ("/etc/ssh", None, "/etc/ssh", "no home"),
            ("/home/a/x\u{1b}", Some("/home/a"), "~/x\\033", "harmless"),
        ] {
            let found = Shown::path(Path::new(path), home.map(Path::new));
            assert_eq!(found.as_str(), shown, "{why}");
        }
    }
}
