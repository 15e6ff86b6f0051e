//! What one check came to. Pure.

use std::path::PathBuf;

use ssh_key::PublicKey;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, or works for others; worth a look.
    Warn,
    /// It keeps git from Bitbucket, or will.
    Fail,
    /// Not looked at; the text says why.
    Skip,
}

impl Verdict {
    /// As it is printed, and written into JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
        }
    }
}

/// `1 key`, `2 keys`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('s')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ses"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// One check of one thing.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// Stable name of the check.
    pub(super) check: &'static str,
    /// The file, endpoint, remote or account it speaks of. `None`: there is only one.
    pub(super) subject: Option<String>,
    /// How it stands.
    pub(super) verdict: Verdict,
    /// One sentence without a full stop.
    pub(super) text: String,
    /// A line to paste. `None`: nothing is to be done.
    pub(super) next: Option<String>,
    /// How long it took, where that says something.
    pub(super) milliseconds: Option<u128>,
    /// What `--fix` does about it. `None`: nothing that is safe.
    pub(super) fix: Option<Fix>,
}

/// A step that is safe.
#[derive(Debug, Clone)]
pub(super) enum Fix {
    /// Sets the mode of a file or directory.
    Mode(PathBuf, u32),
    /// Writes the missing `.pub` of a private key file.
    Public(PathBuf, Box<PublicKey>),
    /// Takes one line (its text) out of a known_hosts file.
    RemoveLine(PathBuf, String),
    /// Adds published keys, as known_hosts lines.
    AddLines(PathBuf, Vec<String>),
    /// Forgets the record of a key pair that was never placed, by its fingerprint.
    Forget(String),
    /// Removes what killed processes left in a directory.
    Sweep(PathBuf),
}

impl Finding {
    /// With this verdict.
    pub(super) fn new(check: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            check,
            subject: None,
            verdict,
            text: text.into(),
            next: None,
            milliseconds: None,
            fix: None,
        }
    }

    /// As it should be.
    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, text)
    }

    /// Worth a look.
    pub(super) fn warn(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warn, text)
    }

    /// Broken.
    pub(super) fn fail(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fail, text)
    }

    /// Not looked at.
    pub(super) fn skip(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skip, text)
    }

    /// With a line to paste.
    pub(super) fn next(mut self, line: impl Into<String>) -> Self {
        self.next = Some(line.into());
        self
    }

    /// About this.
    pub(super) fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// With the time it took.
    pub(super) fn took(mut self, time: std::time::Duration) -> Self {
        self.milliseconds = Some(time.as_millis());
        self
    }

    /// With a step that is safe.
    pub(super) fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}
