//! What a check found, and how findings are printed.

use serde_json::{Value, json};

use super::Group;
use super::fix::Fix;
use crate::commands::context::CommandContext;
use crate::text::sanitise;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Worth a look: it works now, but may fail later or for others.
    Warn,
    /// It keeps git from connecting to Bitbucket, or soon will.
    Fail,
    /// Not checked; the text says why.
    Skip,
}

impl Verdict {
    /// The word that is printed and written into JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
        }
    }
}

/// The result of one check of one thing.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// Stable name of the check.
    pub(super) check: &'static str,
    /// The file, endpoint, remote or account. `None`: the check has only one subject.
    pub(super) subject: Option<String>,
    pub(super) verdict: Verdict,
    /// What is wrong and why, or what was found; without a full stop.
    pub(super) text: String,
    /// The next step, a line that can be pasted. `None`: there is none.
    pub(super) next: Option<String>,
    /// How long it took, for checks that wait for others.
    pub(super) milliseconds: Option<u128>,
    /// What `--fix` does about it. `None`: nothing.
    pub(super) fix: Option<Fix>,
}

impl Finding {
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

    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, text)
    }

    pub(super) fn warn(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warn, text)
    }

    pub(super) fn fail(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fail, text)
    }

    pub(super) fn skip(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skip, text)
    }

    /// Sets the next step.
    pub(super) fn next(mut self, line: impl Into<String>) -> Self {
        self.next = Some(line.into());
        self
    }

    /// Sets the subject.
    pub(super) fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    pub(super) fn took(mut self, time: std::time::Duration) -> Self {
        self.milliseconds = Some(time.as_millis());
        self
    }

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
            // The step of an OK finding is an offer, and only in JSON. A step that several
            // findings share is printed below the last of them.
            let again = findings
                .peek()
                .is_some_and(|after| after.next == finding.next);
            let next = finding.next.as_ref();
            if let Some(next) = next.filter(|_| finding.verdict != Verdict::Ok && !again) {
                call.say(format!("  {:5}{:width$}  next: {}", "", "", sanitise(next)));
            }
        }
    }
    tally(call, groups);
}

/// How many findings there are of each verdict.
pub(super) fn tally(call: &mut CommandContext<'_>, groups: &[Group]) {
    let all = || groups.iter().flat_map(|group| &group.findings);
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
