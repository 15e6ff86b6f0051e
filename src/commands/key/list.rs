//! `key list`: keys on the site beside keys here.

use serde_json::Value;

use super::{each, entries, registry, selection, table};
use crate::commands::Error;
use crate::commands::arguments::KeyList;
use crate::commands::context::CommandContext;

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
            values.extend(entries.iter().map(table::value));
            return Ok(());
        }
        call.say(format!(
            "{} on {}",
            selection.account, selection.account.site
        ));
        // Two are taken by the margin.
        let columns = call.columns.map(|columns| columns.saturating_sub(2));
        let text = table::text(&entries, call.context.clock.now(), columns);
        for line in text.lines() {
            call.say(format!("  {line}"));
        }
        if entries.is_empty() {
            call.say("  no keys");
        }
        Ok(())
    });
    if options.json && (read.is_ok() || selection.len() > 1) {
        call.say(format!("{:#}", Value::Array(values)));
    }
    read
}
