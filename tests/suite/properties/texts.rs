//! Text from a server: whatever it is, the result is one harmless line.

use bitbucket_ssh::text::sanitise;

use super::{each, joined};

const PIECES: [&str; 22] = [
    "a",
    "ß",
    "漢",
    "👍🏽",
    " ",
    "\t",
    "\n",
    "\r",
    "\u{8}",
    "\u{1b}[2J",
    "\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "\u{7f}",
    "\u{202e}",
    "\u{200b}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "\\",
    "\\033",
    "remote: ",
    "\0",
];

#[test]
fn what_a_server_says_is_one_line_that_shows_all_it_has() {
    each("sanitise", 3000, |random| {
        let text = if random.bool() {
            joined(random, &PIECES, 300)
        } else {
            let bytes: Vec<u8> = (0..random.usize(..400)).map(|_| random.u8(..)).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let clean = sanitise(&text);
        for character in clean.chars() {
            assert!(!character.is_control(), "{text:?}: {clean:?}");
            assert!(
                !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}'),
                "{text:?}: {clean:?}"
            );
        }
        let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
        let whole = text.chars().count() <= 1000;
        // A password in front of a host is masked.
        if whole && !text.contains('@') {
            assert_eq!(letters(&text), letters(&clean), "{text:?}: {clean:?}");
            // What is clean stays as it is.
            assert!(clean.chars().count() > 1000 || sanitise(&clean) == clean);
        }
        assert!(clean.len() <= 16_100, "{}", clean.len());
        whole && clean != text
    });
}
