//! Text from a server, made fit for a terminal. Ground floor: knows no other room.

use std::fmt::Write as _;

/// Server text made fit for a terminal: control characters become `\ooo` as OpenSSH's vis does,
/// long text is cut.
pub fn sanitise(text: &str) -> String {
    const LONGEST: usize = 1000;
    let mut clean = String::with_capacity(text.len().min(LONGEST));
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            clean.push('…');
            break;
        }
        match character {
            '\n' | '\t' => clean.push(' '),
            c if c.is_control() || is_deceptive(c) => push_octal(&mut clean, c),
            c => clean.push(c),
        }
    }
    clean
}

/// Several lines of a server, uncut, fit for a terminal: their ends and tabs stay (a lone carriage
/// return would write over what stands there), the other control characters become `\ooo`.
pub fn sanitise_lines(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let kept = match character {
            '\n' | '\t' => true,
            '\r' => rest.peek() == Some(&'\n'),
            c => !c.is_control() && !is_deceptive(c),
        };
        if kept {
            clean.push(character);
        } else {
            push_octal(&mut clean, character);
        }
    }
    clean
}

fn push_octal(text: &mut String, character: char) {
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(text, "\\{byte:03o}");
    }
}

/// Characters that reorder or hide text (Unicode's bidirectional controls, zero-width ones).
fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{sanitise, sanitise_lines};

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
        }
        assert_eq!(
            sanitise(&"x".repeat(5000)).chars().count(),
            1001,
            "long text is cut"
        );
    }
}
