//! "Authenticated, but without access to this repository": the texts that mean it, and the buffer that
//! keeps a denial from git until it is recognised. Pure.

/// Clauses of Bitbucket's denials, in lower case, found anywhere in the server's output; sources
/// are collected in the documentation's table of error texts
/// (<https://support.atlassian.com/bitbucket-cloud/docs/troubleshoot-ssh-issues/> and the pages
/// beside it).
const CLAUSES: [&str; 8] = [
    "repository access denied",
    "repository does not exist",
    "repository not found",
    "repository either does not exist or you do not have access",
    "may not have access to this repository",
    "an admin must whitelist your ip",
    "to access this repository, enable two-step",
    "does not exist, or you do not have permission",
];

/// Whole lines that mean the same, without a full stop and without `remote: ` or `conq: `.
const LINES: [&str; 2] = ["forbidden", "unauthorized"];

/// More than this on a channel's stderr, or in an `ERR` packet, is no denial.
const MAX_DENIAL: usize = 64 << 10;

/// Whether a text is one of the denials.
pub fn is_denial(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_lowercase();
    CLAUSES.iter().any(|clause| text.contains(clause))
        || text.lines().any(|line| {
            let line = line.trim();
            let line = line.strip_prefix("remote: ").unwrap_or(line);
            let line = line.strip_prefix("conq: ").unwrap_or(line);
            LINES.contains(&line.trim_end_matches('.'))
        })
}

/// What the server has sent before it is known whether it grants access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The channel's stdout so far.
    pub stdout: Vec<u8>,
    /// The channel's stderr so far.
    pub stderr: Vec<u8>,
}

/// Buffers the server's output while it may still be a denial.
///
/// While it is undecided, nothing is written to git and nothing is read from it. The first stdout
/// that is no `ERR` packet means that access is granted; otherwise the end of the channel decides.
#[derive(Debug)]
pub struct DenialBuffer(Option<Held>);

impl DenialBuffer {
    /// `retriable`: whether there is anything to decide; otherwise everything is passed on.
    pub fn new(retriable: bool) -> Self {
        Self(retriable.then(Held::default))
    }

    /// Whether git's stdin may be read and output passed on.
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Takes more of the channel's stdout. `Some`: decided just now, pass this on.
    pub fn stdout(&mut self, bytes: &[u8]) -> Option<Held> {
        let held = self.0.as_mut()?;
        held.stdout.extend_from_slice(bytes);
        if may_be_error_packet(&held.stdout) && held.stdout.len() <= MAX_DENIAL {
            return None;
        }
        self.0.take()
    }

    /// Takes more of the channel's stderr. `Some`: decided just now, pass this on.
    pub fn stderr(&mut self, bytes: &[u8]) -> Option<Held> {
        let held = self.0.as_mut()?;
        held.stderr.extend_from_slice(bytes);
        if held.stderr.len() <= MAX_DENIAL {
            return None;
        }
        self.0.take()
    }

    /// The channel has ended.
    pub fn end(self) -> End {
        match self.0 {
            None => End::Completed,
            Some(held) if is_denial(&held.stderr) || is_denial(message(&held.stdout)) => {
                End::Denied(held)
            }
            Some(held) => End::Release(held),
        }
    }
}

/// What the end of a channel means.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Everything has been passed on already.
    Completed,
    /// Not a denial: pass this on.
    Release(Held),
    /// The repository was denied; git has received nothing.
    Denied(Held),
}

/// Whether bytes are, or may still become, a pkt-line `ERR …` (gitprotocol-pack(5)). Four hex
/// digits count themselves and what follows; `0000` is what an empty repository answers.
fn may_be_error_packet(bytes: &[u8]) -> bool {
    let (length, rest) = bytes.split_at(bytes.len().min(4));
    let short = length.len() == 4 && length < b"0008".as_slice();
    length.iter().all(u8::is_ascii_hexdigit)
        && !short
        && rest
            .iter()
            .zip(b"ERR ")
            .all(|(found, wanted)| found == wanted)
}

/// The message of an `ERR` packet; stdout that is still buffered is nothing else.
fn message(packet: &[u8]) -> &[u8] {
    packet.get(8..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitbucket_s_refusals_are_known_and_nothing_else() {
        for (text, refusal, why) in [
            (
                "conq: repository access denied.",
                true,
                "the wrong account's key",
            ),
            (
                "repository access denied.\n",
                true,
                "without its program's name",
            ),
            (
                "repository access denied. access via a deployment key is read-only.",
                true,
                "push with an access key",
            ),
            (
                "repository access denied. deployment key is not associated with the requested repository.",
                true,
                "access key of another repository",
            ),
            ("conq: repository does not exist.", true, "or invisible"),
            ("Repository not found\n", true, "Data Center's first line"),
            (
                "The requested repository does not exist, or you do not have permission to access it.",
                true,
                "Data Center's second line",
            ),
            (
                "The requested repository either does not exist or you do not have access. If you believe this repository exists and you have access, make sure you're authenticated.",
                true,
                "Cloud's long form",
            ),
            (
                "You may not have access to this repository or it no longer exists in this workspace",
                true,
                "reported",
            ),
            (
                "To access this repository, an admin must whitelist your IP.",
                true,
                "IP list",
            ),
            (
                "To access this repository, enable two-step authentication.",
                true,
                "2SV",
            ),
            (
                "To access this repository, enable two-step verification.",
                true,
                "2SV, other word",
            ),
            ("Forbidden", true, "newer wording"),
            (
                "remote: FORBIDDEN.\n",
                true,
                "case and full stop do not matter",
            ),
            ("Unauthorized\n", true, "key not authorized here"),
            ("", false, "silence says nothing"),
            ("the Forbidden City", false, "a word in a sentence"),
            ("remote: Counting objects: 3, done.\n", false, "progress"),
            (
                "User session has timed out idling after 600000 ms",
                false,
                "another trouble",
            ),
            (
                "git-lfs-transfer: command not found",
                false,
                "another trouble",
            ),
        ] {
            assert_eq!(is_denial(text.as_bytes()), refusal, "{why}: {text}");
        }
    }

    /// Feeds stdout in pieces and says what was passed on, and the verdict.
    fn play(stdout: &[&str], stderr: &[&str]) -> (Vec<Held>, End) {
        let mut hold = DenialBuffer::new(true);
        let mut passed = Vec::new();
        for piece in stderr {
            passed.extend(hold.stderr(piece.as_bytes()));
        }
        for piece in stdout {
            passed.extend(hold.stdout(piece.as_bytes()));
        }
        (passed, hold.end())
    }

    fn held(stdout: &str, stderr: &str) -> Held {
        Held {
            stdout: stdout.into(),
            stderr: stderr.into(),
        }
    }

    #[test]
    fn a_session_is_held_until_it_is_decided() {
        for (stdout, stderr, expected, why) in [
            (
                &["001e# service"][..],
                &["notice\n"][..],
                (vec![held("001e# service", "notice\n")], End::Completed),
                "the first packet releases what was held",
            ),
            (
                &["0", "00eversion 2\n"],
                &[],
                (vec![held("000eversion 2\n", "")], End::Completed),
                "a packet may come in pieces",
            ),
            (
                &["{\"href\":"],
                &[],
                (vec![held("{\"href\":", "")], End::Completed),
                "git-lfs-authenticate answers JSON",
            ),
            (
                &["0000"],
                &[],
                (vec![held("0000", "")], End::Completed),
                "an empty repository is a served one",
            ),
            (
                &["0012ERR ", "Forbidden\n"],
                &[],
                (vec![], End::Denied(held("0012ERR Forbidden\n", ""))),
                "the refusal may stand in an ERR packet",
            ),
            (
                &["000cERR oops"],
                &[],
                (vec![], End::Release(held("000cERR oops", ""))),
                "another ERR goes to git as it came",
            ),
            (
                &[],
                &["repository ", "access denied.\n"],
                (vec![], End::Denied(held("", "repository access denied.\n"))),
                "the usual refusal",
            ),
            (
                &[],
                &["sh: not found\n"],
                (vec![], End::Release(held("", "sh: not found\n"))),
                "another failure goes to git as it came",
            ),
        ] {
            assert_eq!(play(stdout, stderr), expected, "{why}");
        }
    }

    #[test]
    fn what_is_long_is_no_refusal_and_other_commands_are_not_held() {
        let mut hold = DenialBuffer::new(true);
        let long = vec![b'x'; MAX_DENIAL + 1];
        assert_eq!(
            hold.stderr(&long).map(|held| held.stderr.len()),
            Some(MAX_DENIAL + 1)
        );
        assert!(hold.is_open());
        assert_eq!(hold.stderr(b"repository access denied"), None);
        assert_eq!(hold.end(), End::Completed);

        assert!(DenialBuffer::new(false).is_open());
    }
}
