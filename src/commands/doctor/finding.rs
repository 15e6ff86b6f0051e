//! What a check found, and how findings are printed.

use std::path::PathBuf;

use serde_json::{Value, json};
use ssh_key::PublicKey;

use super::Group;
use crate::commands::context::CommandContext;
use crate::text::sanitise;

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

/// One group after the other, the next step below its finding.
pub(super) fn text(call: &mut CommandContext<'_>, groups: &[Group]) {
    let all = || groups.iter().flat_map(|group| &group.findings);
    let width = all().map(|finding| finding.check.len()).max().unwrap_or(0);
    for group in groups.iter().filter(|group| !group.findings.is_empty()) {
        call.say(format!("{} ({} ms)", group.name, group.took.as_millis()));
        let mut findings = group.findings.iter().peekable();
        while let Some(finding) = findings.next() {
            let word = painted(call.colour, finding.verdict);
            let time = finding
                .milliseconds
                .map_or_else(String::new, |time| format!(" ({time} ms)"));
            let subject = finding
                .subject
                .as_ref()
                .map_or_else(String::new, |subject| format!("{}: ", sanitise(subject)));
            call.say(format!(
                "  {word} {:width$}  {subject}{}{time}",
                finding.check,
                sanitise(&finding.text)
            ));
            // What is well needs no step; programs see it all the same.
            // One step for several findings stands below the last of them.
            let again = findings
                .peek()
                .is_some_and(|after| after.next == finding.next);
            let next = finding.next.as_ref();
            if let Some(next) = next.filter(|_| finding.verdict != Verdict::Ok && !again) {
                call.say(format!("  {:5}{:width$}  next: {}", "", "", sanitise(next)));
            }
        }
    }
    let count = |verdict| all().filter(|finding| finding.verdict == verdict).count();
    call.say(format!(
        "{} OK, {} WARN, {} FAIL, {} SKIP",
        count(Verdict::Ok),
        count(Verdict::Warn),
        count(Verdict::Fail),
        count(Verdict::Skip)
    ));
}

/// The verdict in a column of four, coloured on a terminal.
fn painted(colour: bool, verdict: Verdict) -> String {
    let word = format!("{:4}", verdict.word());
    if !colour {
        return word;
    }
    let code = match verdict {
        Verdict::Ok => "32",
        Verdict::Warn => "33",
        Verdict::Fail => "31",
        Verdict::Skip => "2",
    };
    format!("\x1b[{code}m{word}\x1b[0m")
}

/// A list of objects: `check`, `verdict`, `text`, `next`, `group`, `subject`, `milliseconds`,
/// `fixable`.
pub(super) fn json(groups: &[Group]) -> Value {
    let objects = groups.iter().flat_map(|group| {
        group.findings.iter().map(move |finding| {
            json!({
                "check": finding.check,
                "verdict": finding.verdict.word(),
                "text": sanitise(&finding.text),
                "next": finding.next.as_deref().map(sanitise),
                "group": group.name,
                "subject": finding.subject.as_deref().map(sanitise),
                "milliseconds": finding.milliseconds.map(|time| u64::try_from(time).unwrap_or(u64::MAX)),
                "fixable": finding.fix.is_some(),
            })
        })
    });
    Value::Array(objects.collect())
}
