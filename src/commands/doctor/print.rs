//! Findings for people and for programs.

use serde_json::{Value, json};

use super::Group;
use super::finding::Verdict;
use crate::commands::context::CommandContext;
use crate::text::sanitise;

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
