//! The remote command line: which service, of which repository. Pure.

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `git-upload-pack`, `git-receive-pack`, `git-upload-archive` of `workspace`, `slug`.
    Git(Service, String, String),
    /// `git-lfs-authenticate`, with whether it wants to upload.
    LfsAuthenticate(String, String, bool),
    /// `git-lfs-transfer`, which the site does not have.
    LfsTransfer,
    /// `host_key_info`: the host keys, as lines of known_hosts.
    HostKeyInfo,
    /// Anything else.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    UploadPack,
    ReceivePack,
    UploadArchive,
}

impl Service {
    /// Subcommand of git.
    pub(super) fn subcommand(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
            Self::UploadArchive => "upload-archive",
        }
    }
}

pub(super) fn parse(line: &str) -> Command {
    let (program, rest) = line.split_once(' ').unwrap_or((line, ""));
    let service = match program {
        "git-upload-pack" => Service::UploadPack,
        "git-receive-pack" => Service::ReceivePack,
        "git-upload-archive" => Service::UploadArchive,
        "git-lfs-authenticate" => return lfs(rest),
        "git-lfs-transfer" => return Command::LfsTransfer,
        "host_key_info" => return Command::HostKeyInfo,
        _ => return Command::Other,
    };
    match unquote(rest).as_deref().and_then(repository) {
        Some((workspace, slug)) => Command::Git(service, workspace, slug),
        None => Command::Other,
    }
}

/// `ws/repo.git download|upload`, the path unquoted; git-lfs may add an object id.
fn lfs(rest: &str) -> Command {
    let mut words = rest.split(' ');
    let found = words
        .next()
        .and_then(|path| repository(path.trim_matches('\'')));
    match (found, words.next()) {
        (Some((workspace, slug)), Some(operation @ ("download" | "upload"))) => {
            Command::LfsAuthenticate(workspace, slug, operation == "upload")
        }
        _ => Command::Other,
    }
}

/// `[/]workspace/slug[.git][/]`.
fn repository(path: &str) -> Option<(String, String)> {
    let path = path.trim_matches('/');
    let (workspace, slug) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    let plain = |part: &str| !part.is_empty() && !part.contains('/');
    (plain(workspace) && plain(slug)).then(|| (workspace.to_owned(), slug.to_owned()))
}

/// git's `sq_quote`: single quotes, with `'\''` and `'\!'` inside. `None`: not of that form.
fn unquote(word: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = word.trim();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('\'') {
            let (quoted, tail) = tail.split_once('\'')?;
            plain.push_str(quoted);
            rest = tail;
        } else {
            let tail = rest.strip_prefix('\\')?;
            let escaped = tail.chars().next().filter(|c| matches!(c, '\'' | '!'))?;
            plain.push(escaped);
            rest = &tail[1..];
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_apart_as_the_site_does() {
        let git = |service| Command::Git(service, "acme".into(), "site".into());
        for (line, expected, why) in [
            (
                "git-upload-pack 'acme/site.git'",
                git(Service::UploadPack),
                "git",
            ),
            (
                "git-receive-pack '/acme/site.git'",
                git(Service::ReceivePack),
                "ssh:// URL",
            ),
            (
                "git-upload-archive 'acme/site'",
                git(Service::UploadArchive),
                "no suffix",
            ),
            (
                "git-upload-pack acme/site",
                Command::Other,
                "the path is always quoted",
            ),
            (
                "git upload-pack 'acme/site'",
                Command::Other,
                "no form with a space",
            ),
            ("git-upload-pack 'acme'", Command::Other, "no workspace"),
            ("git-upload-pack 'a/b/c'", Command::Other, "too deep"),
            (
                "git-upload-pack 'a'\\''b/c'",
                Command::Git(Service::UploadPack, "a'b".into(), "c".into()),
                "git's quoting",
            ),
            (
                "git-lfs-authenticate acme/site.git upload",
                Command::LfsAuthenticate("acme".into(), "site".into(), true),
                "git-lfs does not quote",
            ),
            (
                "git-lfs-transfer acme/site.git upload",
                Command::LfsTransfer,
                "git-lfs asks first",
            ),
            ("host_key_info", Command::HostKeyInfo, "in-band host keys"),
            ("ls", Command::Other, "no shell"),
        ] {
            assert_eq!(parse(line), expected, "{why}: {line}");
        }
    }
}
