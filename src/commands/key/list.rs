//! `key list`: the keys on the site beside the keys on this machine, as a table or as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{each, entries, registry, selection};
use crate::commands::Error;
use crate::commands::arguments::KeyList;
use crate::commands::context::CommandContext;
use crate::identity::ManagedKey;
use crate::provision::inventory::Entry;
use crate::text::{days_ago, fence_json};

/// Reads the key list of every account that is selection; writes nothing. Where one of several cannot
/// be read, the others are shown.
pub(super) fn list(call: &mut CommandContext<'_>, options: &KeyList) -> Result<(), Error> {
    let which = &options.which;
    let mut values = Vec::new();
    let selection = selection(call, which.account.as_deref(), which.site.as_deref())?;
    let read = each(call, &selection, |call, selection| {
        let registry = registry(call, selection)?;
        let entries = entries(call, selection, registry.as_ref())?;
        if options.json {
            values.extend(entries.iter().map(value));
            return Ok(());
        }
        call.say(format!(
            "{} on {}",
            selection.account, selection.account.site
        ));
        // Two are taken by the margin.
        let columns = call.columns.map(|columns| columns.saturating_sub(2));
        let text = table(&entries, call.context.clock.now(), columns);
        for line in text.lines() {
            call.say(format!("  {line}"));
        }
        if entries.is_empty() {
            call.say("  no keys");
        }
        Ok(())
    });
    if options.json && (read.is_ok() || selection.len() > 1) {
        call.say(fence_json(&format!("{:#}", Value::Array(values))));
    }
    read
}

/// Aligned columns, the key of this machine marked with `*`. Where they do not fit into `columns`
/// (`None`: nobody minds), each key has lines of its own.
fn table(entries: &[Entry], now: Timestamp, columns: Option<usize>) -> String {
    let rows: Vec<[String; 6]> = entries
        .iter()
        .map(|entry| {
            let used = entry.listed.as_ref().and_then(|key| key.last_used);
            [
                if entry.this_machine { "*" } else { " " }.to_owned(),
                label(entry),
                entry.fingerprint.clone(),
                entry.standing.word().to_owned(),
                used.map_or_else(
                    || "never used".to_owned(),
                    |at| format!("used {}", ago(at, now)),
                ),
                entry
                    .expires()
                    .map_or_else(String::new, |at| format!("until {}", day(at))),
            ]
        })
        .collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    if columns.is_some_and(|columns| widths.iter().sum::<usize>() + 2 * 5 > columns) {
        return narrow(&rows, columns.unwrap_or_default());
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The label, below it the fingerprint, below it the rest, broken between words. A fingerprint is
/// left whole, so that it can be pasted.
fn narrow(rows: &[[String; 6]], columns: usize) -> String {
    let mut text = String::new();
    for [mark, label, fingerprint, standing, used, until] in rows {
        let rest = [standing, used, until].map(String::as_str);
        let rest: Vec<_> = rest.into_iter().filter(|cell| !cell.is_empty()).collect();
        for (begin, cell) in [
            (format!("{mark} "), label),
            ("  ".to_owned(), fingerprint),
            ("  ".to_owned(), &rest.join(", ")),
        ] {
            let mut line = begin;
            let mut empty = true;
            for word in cell.split_whitespace() {
                let width = line.chars().count() + 1 + word.chars().count();
                if !empty && width > columns {
                    text.push_str(&line);
                    text.push('\n');
                    line = String::from("    ");
                    empty = true;
                }
                if !empty {
                    line.push(' ');
                }
                line.push_str(word);
                empty = false;
            }
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// The label, and for an access key what it opens.
fn label(entry: &Entry) -> String {
    let label = crate::text::sanitise(&entry.label);
    match entry.record.as_ref() {
        Some(ManagedKey {
            repository: Some(url),
            read_only,
            ..
        }) => {
            let may = if *read_only { ", read-only" } else { "" };
            format!("{label} (access key of {url}{may})")
        }
        _ => label,
    }
}

/// The fields of interface section 2.2.
fn value(entry: &Entry) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "account": entry.account.name,
        "site": entry.account.site,
        "label": entry.label,
        "fingerprint": entry.fingerprint,
        "created": time(entry.created()),
        "last_used": time(entry.listed.as_ref().and_then(|key| key.last_used)),
        "expires": time(entry.expires()),
        "this_machine": entry.this_machine,
        "state": entry.standing.word(),
        "file": entry.record.as_ref().map(|record| record.file.display().to_string()),
        "repository": entry.record.as_ref().and_then(|record| record.repository.clone()),
        "read_only": entry.record.as_ref().is_some_and(|record| record.read_only),
    })
}

/// `2026-11-25`.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// `today`, `yesterday`, `12 days ago`.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    days_ago(now.duration_since(at).as_hours() / 24)
}
