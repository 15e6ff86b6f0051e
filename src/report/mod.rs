//! Every error → what happened, hint lines, exit status; exhaustive, so that an error without
//! its partner does not compile. The only place with words for failures.

/// What is printed about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The first line (or lines, where OpenSSH has several).
    pub what: String,
    /// Each printed as `hint: …`; a command in it can be pasted.
    pub hints: Vec<String>,
    /// 255 for `bitbucket-ssh`; 1, 2 or 4 for `git bitbucket`.
    pub status: u8,
}

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
                    clean.push_str(&format!("\\{byte:03o}"));
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
