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
            c if c.is_control() || is_deceptive(c) => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(clean, "\\{byte:03o}");
                }
            }
            c => clean.push(c),
        }
    }
    clean
}

/// Characters that reorder or hide text (Unicode's bidirectional controls, zero-width ones).
fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::sanitise;

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
