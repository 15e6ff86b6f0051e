//! URLs without their passwords and tokens.

use std::borrow::Cow;

/// What a password or token is shown as.
const MASK: &str = "***";

/// A user this long is a token: no site has such names.
const TOKEN_LENGTH: usize = 40;

/// How tokens of Bitbucket begin.
const TOKENS: [&str; 4] = ["ATATT", "ATCTT", "ATBB", "BBDC-"];

/// The text with the passwords of all URLs in it masked: `https://ada:TOKEN@host/` becomes
/// `https://ada:***@host/`, and `git:TOKEN@host` `git:***@host`. A user that can only be a token is
/// masked, too.
pub(super) fn mask_urls(text: &str) -> Cow<'_, str> {
    match with_scheme(text) {
        Cow::Borrowed(text) => without_scheme(text),
        Cow::Owned(text) => Cow::Owned(without_scheme(&text).into_owned()),
    }
}

/// `user:password@host`, as git and ssh take it without a scheme.
fn without_scheme(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut copied = 0;
    for (at, _) in text.match_indices('@') {
        let ends = |c: char| c.is_whitespace() || "/\\\"'`<>()=,@".contains(c);
        let mut before = text[..at].char_indices().rev();
        let end = before.find(|(_, character)| ends(*character));
        let (start, path) = end.map_or((0, false), |(end, character)| {
            (end + character.len_utf8(), matches!(character, '/' | '\\'))
        });
        let user = &text[start..at];
        let Some((name, secret)) = user.split_once(':') else {
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-%".contains(c);
        let is_name = !name.is_empty() && name.chars().all(plain);
        let host = text[at + 1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        if is_name && host && !path && !secret.is_empty() {
            masked.push_str(&text[copied..start]);
            masked.push_str(name);
            masked.push(':');
            masked.push_str(MASK);
            copied = at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

fn with_scheme(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = text[from..].find("://") {
        let start = from + found + 3;
        from = start;
        let ends = |c: char| c.is_whitespace() || "/?#\"'`<>".contains(c);
        let end = text[start..].find(ends).map_or(text.len(), |at| start + at);
        let Some(at) = text[start..end].rfind('@').map(|at| start + at) else {
            continue;
        };
        if let Some(shown) = mask_user(&text[start..at]) {
            masked.push_str(&text[copied..start]);
            masked.push_str(&shown);
            copied = at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

/// What is in front of the `@` of a URL, without a secret. `None`: it has none.
pub(super) fn mask_user(user: &str) -> Option<String> {
    let lower = user.to_ascii_lowercase();
    let colon = user.find(':').into_iter().chain(lower.find("%3a")).min();
    match colon {
        Some(colon) if is_token(&user[..colon]) => Some(format!("{MASK}:{MASK}")),
        Some(colon) => Some(format!("{}:{MASK}", &user[..colon])),
        None => is_token(user).then(|| MASK.to_owned()),
    }
}

fn is_token(user: &str) -> bool {
    let address = user.contains('@') || user.to_ascii_lowercase().contains("%40");
    !address && (user.len() >= TOKEN_LENGTH || TOKENS.iter().any(|start| user.starts_with(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_shows_a_secret() {
        let long = "x".repeat(TOKEN_LENGTH);
        for (text, shown, why) in [
            (
                "https://ada:TOKEN@h.example/x",
                "https://ada:***@h.example/x",
                "a password",
            ),
            (
                "ssh://git:TOKEN@h.example:22/x",
                "ssh://git:***@h.example:22/x",
                "of ssh",
            ),
            (
                "https://:TOKEN@h.example",
                "https://:***@h.example",
                "no user",
            ),
            (
                "https://a:p@s:s@h.example/",
                "https://a:***@h.example/",
                "the last @ ends it",
            ),
            (
                "https://a%3ATOKEN@h.example/",
                "https://a:***@h.example/",
                "an encoded colon",
            ),
            (
                "two: \"https://a:b@c\" 'http://d:e@f/g'.",
                "two: \"https://a:***@c\" 'http://d:***@f/g'.",
                "every URL of a text",
            ),
            (
                "https://ATATT3xFf@h.example/",
                "https://***@h.example/",
                "a token as the user",
            ),
            (
                "https://ada@h.example/",
                "https://ada@h.example/",
                "a user alone",
            ),
            (
                "https://a%40b.example@h.example/",
                "https://a%40b.example@h.example/",
                "an address",
            ),
            (
                "https://h.example/a:b@c",
                "https://h.example/a:b@c",
                "of the path",
            ),
            (
                "https://h.example: a:b@c",
                "https://h.example: a:***@c",
                "the next word",
            ),
            (
                "ssh git:TOKEN@h.example:x",
                "ssh git:***@h.example:x",
                "no scheme",
            ),
            (
                "refused: a@b.example (SHA256:x)",
                "refused: a@b.example (SHA256:x)",
                "an account",
            ),
            (
                "/home/a:b@c git@[::1]:x",
                "/home/a:b@c git@[::1]:x",
                "a path, an address",
            ),
            ("://", "://", "nothing"),
        ] {
            assert_eq!(mask_urls(text), shown, "{why}");
        }
        assert_eq!(mask_urls(&format!("https://{long}@h/")), "https://***@h/");
    }
}
