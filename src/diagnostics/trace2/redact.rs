//! Texts without their secrets, whatever GIT_TRACE2_REDACT says. Pure.

/// What replaces a secret; git's own word.
pub(super) const HIDDEN: &str = "<REDACTED>";

/// How Atlassian's tokens begin: API tokens, repository and workspace tokens, Data Center's.
const TOKENS: [&str; 3] = ["ATATT", "ATCTT", "BBDC-"];

/// A text without passwords of URLs, without tokens by their look, and without `known` secrets.
pub(super) fn text(text: &str, known: Option<&str>) -> String {
    let mut clean = text.to_owned();
    if let Some(known) = known.filter(|known| known.len() >= 4) {
        clean = clean.replace(known, HIDDEN);
    }
    for token in TOKENS {
        clean = without_tokens(&clean, token);
    }
    without_passwords(&clean)
}

/// One word of an argv: as [`text`], and without the values of `SetEnv`.
pub(super) fn word(word: &str, known: Option<&str>) -> String {
    let option = word.strip_prefix("-o").unwrap_or(word);
    let is_set_env = option
        .trim_start()
        .get(..6)
        .is_some_and(|name| name.eq_ignore_ascii_case("setenv"));
    if !is_set_env {
        return text(word, known);
    }
    let key = word.len() - option.trim_start().len() + 6;
    let (key, rest) = word.split_at(key);
    let start = rest.len() - rest.trim_start_matches([' ', '\t', '=', '"']).len();
    let (space, setting) = rest.split_at(start);
    let name = setting.split('=').next().unwrap_or_default();
    text(&format!("{key}{space}{name}={HIDDEN}"), known)
}

fn without_tokens(text: &str, beginning: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(beginning) {
        let (before, token) = rest.split_at(at);
        let part_of = |c: char| c.is_ascii_alphanumeric() || "-_=.+/".contains(c);
        let end = token.find(|c| !part_of(c)).unwrap_or(token.len());
        clean.push_str(before);
        clean.push_str(HIDDEN);
        rest = &token[end..];
    }
    clean.push_str(rest);
    clean
}

/// `scheme://user:password@host` (trace2.c, `redact_arg`), for any scheme, anywhere in the text.
fn without_passwords(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = behind
            .find(['/', ' ', '\n', '\'', '"'])
            .unwrap_or(behind.len());
        let (authority, behind) = behind.split_at(end);
        match authority
            .rsplit_once('@')
            .map(|(user, host)| (user.split_once(':'), host))
        {
            Some((Some((user, _)), host)) => {
                clean.push_str(user);
                clean.push(':');
                clean.push_str(HIDDEN);
                clean.push('@');
                clean.push_str(host);
            }
            _ => clean.push_str(authority),
        }
        rest = behind;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn no_secret_is_left() {
        for (text, expected, why) in [
            (
                "git-upload-pack 'acme/site.git'",
                "git-upload-pack 'acme/site.git'",
                "nothing secret",
            ),
            (
                "https://me:pass@bitbucket.org/a/b",
                "https://me:<REDACTED>@bitbucket.org/a/b",
                "git's own case",
            ),
            (
                "ssh://git@bitbucket.org:22/a:b@c",
                "ssh://git@bitbucket.org:22/a:b@c",
                "a user is no secret, a path no password",
            ),
            (
                "-oProxyCommand=x http://u:p@q@proxy:1/ https://a:b@c",
                "-oProxyCommand=x http://u:<REDACTED>@proxy:1/ https://a:<REDACTED>@c",
                "anywhere, and to the last @",
            ),
            ("ATATT3xFfGF0-_=AB12", "<REDACTED>", "an API token"),
            (
                "login BBDC-abc/def+g and more",
                "login <REDACTED> and more",
                "Data Center's",
            ),
            ("x hunter2 y", "x <REDACTED> y", "the one that is known"),
            (
                "SetEnv=A=s3 B=t4",
                "SetEnv=A=<REDACTED>",
                "values of SetEnv",
            ),
            (
                "-osetenv \"A=s3\"",
                "-osetenv \"A=<REDACTED>",
                "any case, quoted",
            ),
            (
                "SendEnv=GIT_PROTOCOL",
                "SendEnv=GIT_PROTOCOL",
                "a name alone",
            ),
        ] {
            assert_eq!(word(text, Some("hunter2")), expected, "{why}");
        }
    }
}
