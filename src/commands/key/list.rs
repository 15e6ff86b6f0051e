//! `key list`: the keys on the site beside the keys on this machine, as a table or as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{each, select};
use crate::commands::Error;
use crate::commands::arguments::KeyList;
use crate::commands::context::CommandContext;
use crate::identity::ManagedKey;
use crate::provision::key_status::{self, KeyEntry, KeyListing};
use crate::text::{days_ago, sanitise};

/// Lists the keys of every selected account. Where the list of one account cannot be read, the
/// others are shown.
pub(super) fn list(call: &mut CommandContext<'_>, options: &KeyList) -> Result<(), Error> {
    let accounts = select(call, &options.which)?;
    let mut values = Vec::new();
    let read = each(call, &accounts, |call, selected| {
        let registry = selected.registry(call)?;
        let keys = selected.keys(call, registry.as_ref())?;
        if options.json {
            values.extend(keys.iter().map(value));
            return Ok(());
        }
        let account = &selected.account;
        call.say(format!("{account} on {}", account.site));
        // The margin takes two columns.
        let columns = call.columns.map(|columns| columns.saturating_sub(2));
        for line in table(&keys, call.context.clock.now(), columns) {
            call.say(format!("  {line}"));
        }
        if keys.is_empty() {
            call.say("  no keys");
        }
        Ok(())
    });
    if options.json && (read.is_ok() || accounts.len() > 1) {
        call.say_json(&Value::Array(values));
    }
    read
}

/// Aligned columns. Where they do not fit into `columns` (`None`: no limit), each key has lines of
/// its own.
fn table(entries: &[KeyEntry], now: Timestamp, columns: Option<usize>) -> Vec<String> {
    let rows: Vec<_> = entries.iter().map(|entry| row(entry, now)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 6] = std::array::from_fn(|column| width(column).unwrap_or_default());
    if let Some(columns) = columns
        && widths.iter().sum::<usize>() + 2 * (widths.len() - 1) > columns
    {
        return rows.iter().flat_map(|row| narrow(row, columns)).collect();
    }
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Label, fingerprint, machine, state, last use, expiry.
fn row(entry: &KeyEntry, now: Timestamp) -> [String; 6] {
    let used = entry.listed.as_ref().and_then(|key| key.last_used);
    let used = used.map_or_else(
        || "never used".to_owned(),
        |at| format!("used {}", ago(at, now)),
    );
    let expires = entry.expires();
    let expires = expires.map(|at| format!("until {}", at.strftime("%Y-%m-%d")));
    let machine = if entry.this_machine { "this" } else { "other" };
    [
        label(entry),
        entry.fingerprint.clone(),
        format!("{machine} machine"),
        state(entry).to_owned(),
        used,
        expires.unwrap_or_default(),
    ]
}

/// What is known of the key, in words. JSON has [`KeyListing::word`].
fn state(entry: &KeyEntry) -> &'static str {
    match entry.listing {
        KeyListing::Managed(state) => key_status::described(state),
        KeyListing::Missing => "not on the site",
        KeyListing::Elsewhere if entry.this_machine => "not recorded here",
        KeyListing::Elsewhere => "",
    }
}

/// The label, below it the fingerprint, below it the rest, broken between words. A fingerprint stays
/// whole, so that it can be pasted.
fn narrow([label, fingerprint, rest @ ..]: &[String; 6], columns: usize) -> Vec<String> {
    let rest = rest.iter().map(String::as_str);
    let rest: Vec<_> = rest.filter(|cell| !cell.is_empty()).collect();
    let mut lines = wrapped(label, columns);
    lines.push(format!("  {fingerprint}"));
    let rest = wrapped(&rest.join(", "), columns.saturating_sub(2));
    lines.extend(rest.into_iter().map(|line| format!("  {line}")));
    lines
}

/// A text in lines of at most `columns`, as far as its words allow; further lines are indented.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The label, and for an access key its repository.
fn label(entry: &KeyEntry) -> String {
    let label = sanitise(&entry.label);
    match entry.record.as_ref() {
        Some(ManagedKey {
            repository: Some(url),
            read_only,
            ..
        }) => {
            let read_only = if *read_only { ", read-only" } else { "" };
            format!("{label} (access key of {url}{read_only})")
        }
        _ => label,
    }
}

/// A key for programs, as `docs/schemas/key-list.json` describes it.
fn value(entry: &KeyEntry) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let record = entry.record.as_ref();
    json!({
        "account": entry.account.name,
        "site": entry.account.site,
        "label": entry.label,
        "fingerprint": entry.fingerprint,
        "created": time(entry.created()),
        "last_used": time(entry.listed.as_ref().and_then(|key| key.last_used)),
        "expires": time(entry.expires()),
        "this_machine": entry.this_machine,
        "state": entry.listing.word(),
        "file": record.map(|record| record.file.display().to_string()),
        "repository": record.and_then(|record| record.repository.clone()),
        "read_only": record.is_some_and(|record| record.read_only),
    })
}

/// `today`, `yesterday`, `12 days ago`.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    days_ago(now.duration_since(at).as_hours() / 24)
}
