//! The text of `status`: one block for each question, in columns.

use std::fmt::Write as _;

use super::{StatusReport, key_type, provision, transport_name};
use crate::host_key::KnownFrom;
use crate::identity::{Account, Candidate, Identity, Offer};
use crate::provision::key_status;
use crate::settings::Origin;
use crate::text::sanitise;

/// The report as text, with a newline at the end. `colour`: for a terminal that wants it.
pub(super) fn render(report: &StatusReport, colour: bool) -> String {
    let mut page = Page {
        text: String::new(),
        colour,
    };
    let headline = page.bold(&sanitise(&report.headline()));
    let _ = writeln!(page.text, "{headline}\n");
    if let Some(unseen) = &report.unseen {
        let unseen = sanitise(&report.shown(unseen));
        let _ = writeln!(
            page.text,
            "the configuration of {unseen} does not count: git clears GIT_DIR for its ssh command\n"
        );
    }
    page.head(report);
    page.plan(report);
    page.block(
        "missing",
        report.plan.missing.iter().map(|missing| {
            let file = missing.value.display().to_string();
            let place = report.place_of(&missing.origin);
            format!("{} ({place})", sanitise(&file))
        }),
    );
    let lines = report.plan.skipped.iter();
    page.block(
        "skipped",
        lines.map(|passed| format!("{}: {}", sanitise(&passed.what), sanitise(&passed.why))),
    );
    page.block(
        "ignored",
        report.settings.ignored.iter().map(|ignored| {
            let key = match &ignored.origin {
                Origin::GitConfig { key, .. } => format!("{} = ", sanitise(key)),
                _ => String::new(),
            };
            format!(
                "{key}{} ({}): {}",
                sanitise(&ignored.value),
                report.place_of(&ignored.origin),
                sanitise(&ignored.why)
            )
        }),
    );
    page.block("host keys", columns(&host_keys(report)));
    page.block("next fetch", [sanitise(&report.next())]);
    page.text
}

/// The text so far.
struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn head(&mut self, report: &StatusReport) {
        let mut rows = vec![(
            "repository",
            match &report.repository {
                Some(repository) => format!("{repository} on {}", report.site.url),
                None => report.site.url.clone(),
            },
        )];
        rows.push(("account", account(report)));
        let endpoints: Vec<_> = report.endpoints.iter().map(ToString::to_string).collect();
        rows.push(("endpoints", endpoints.join(", ")));
        let settings = &report.settings;
        let transport = transport_name(settings.transport.value);
        rows.push((
            "transport",
            with_origin(report, transport, &settings.transport.origin),
        ));
        let provisioning = provision(settings.provision.value);
        rows.push((
            "provision",
            with_origin(report, provisioning, &settings.provision.origin),
        ));
        for (name, value) in rows {
            let name = self.bold(&format!("{name:<11}"));
            let _ = writeln!(self.text, "{name} {}", sanitise(&value));
        }
    }

    fn plan(&mut self, report: &StatusReport) {
        let mut lines = Vec::new();
        for (at, candidate) in report.plan.candidates.iter().enumerate() {
            for (which, offered) in offered(report, candidate).into_iter().enumerate() {
                let number = if which == 0 {
                    format!("{:>2}.", at + 1)
                } else {
                    "   ".to_owned()
                };
                lines.push(format!("{number} {}", sanitise(&offered)));
            }
            lines.push(format!("    {}", self.faint(&reason(report, candidate))));
        }
        if lines.is_empty() {
            lines.push("nothing".to_owned());
        }
        if report.plan.decided_by.is_some() {
            lines.push(self.faint("nothing else is offered, because this is configured"));
        }
        self.block("plan", lines);
    }

    /// A title and its lines; nothing where there is no line.
    fn block(&mut self, title: &str, lines: impl IntoIterator<Item = String>) {
        let mut lines = lines.into_iter().peekable();
        if lines.peek().is_none() {
            return;
        }
        let title = self.bold(title);
        let _ = writeln!(self.text, "\n{title}");
        for line in lines {
            let _ = writeln!(self.text, "  {line}");
        }
    }

    fn bold(&self, text: &str) -> String {
        self.styled("1", text)
    }

    fn faint(&self, text: &str) -> String {
        self.styled("2", text)
    }

    /// ECMA-48's SGR: 1 is bold, 2 faint, 0 back to normal.
    fn styled(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The first account of the plan, and whether it is logged in.
fn account(report: &StatusReport) -> String {
    let Some(name) = report.account() else {
        return if report.plan.candidates.is_empty() {
            "none".to_owned()
        } else {
            "not known (the first key has no recorded account)".to_owned()
        };
    };
    let known = match report.record(name) {
        Some(Account {
            logged_in: true, ..
        }) => "logged in",
        Some(_) => "not logged in",
        None => "not recorded",
    };
    format!("{name} ({known})")
}

/// A setting's value, and where it is set.
fn with_origin(report: &StatusReport, value: &str, origin: &Origin) -> String {
    match origin {
        Origin::Default => value.to_owned(),
        origin => format!("{value} ({})", report.place_of(origin)),
    }
}

/// One line for each identity of a candidate.
fn offered(report: &StatusReport, candidate: &Candidate) -> Vec<String> {
    let account = candidate
        .account
        .as_ref()
        .map_or_else(|| "account not known".to_owned(), ToString::to_string);
    match &candidate.offer {
        Offer::NewKey => vec![format!(
            "{account}  a new {} key",
            key_type(report.settings.key_type.value)
        )],
        Offer::Identities(identities) => identities
            .iter()
            .map(|identity| format!("{account}  {}", described(report, identity)))
            .collect(),
    }
}

/// File, type, fingerprint, and what the record holds.
fn described(report: &StatusReport, identity: &Identity) -> String {
    let mut parts = vec![
        identity
            .file
            .as_ref()
            .map_or_else(|| "in the agent".to_owned(), |file| report.shown(file)),
    ];
    if let Some(key) = &identity.public_key {
        parts.push(key.algorithm().to_string());
        parts.extend(identity.fingerprint());
    }
    if let Some(managed) = &identity.managed {
        parts.push(key_status::described(managed.state).to_owned());
        parts.extend(managed.expires.map(|time| format!("expires {time}")));
    }
    if !identity.certificates.is_empty() {
        parts.push(format!("{} certificate(s)", identity.certificates.len()));
    }
    parts.join("  ")
}

fn reason(report: &StatusReport, candidate: &Candidate) -> String {
    let text = sanitise(&candidate.reason.text);
    match &candidate.reason.origin {
        Origin::Default => text,
        origin => format!("{text} ({})", sanitise(&report.place_of(origin))),
    }
}

fn host_keys(report: &StatusReport) -> Vec<[String; 4]> {
    report
        .host_keys
        .iter()
        .map(|key| {
            let from = match &key.from {
                KnownFrom::Line(line) => format!("{}:{}", report.shown(&line.file), line.number),
                KnownFrom::Authority(line) => {
                    format!("authority, {}:{}", report.shown(&line.file), line.number)
                }
                KnownFrom::Published => "published by Bitbucket".to_owned(),
                KnownFrom::Site => "read from the site at login".to_owned(),
            };
            [
                key.endpoint.to_string(),
                key.algorithm.clone().unwrap_or_default(),
                key.fingerprint.clone(),
                from,
            ]
        })
        .collect()
}

/// Rows as lines, each column as wide as its widest cell.
fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    rows.iter()
        .map(|row| {
            let cells: Vec<_> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}
