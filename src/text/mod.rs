//! Text for people: from outside made harmless, as a command to paste, numbers and times in words.
//!
//! Text of configurations, URLs, servers and file names enters a message through a type that says
//! what it is there: [`Shown`] in prose, [`Pasted`] as a word of a command, [`in_hint`] in the prose of
//! a hint. [`fence()`], [`fence_line`] and [`fence_json`] are the last look at everything that is written,
//! whatever it went through before: no control character and no password of a URL passes.
//! Uses no other module.

mod fence;
mod mask;
mod pattern;
mod quote;
mod words;

pub use fence::{
    Shown, fence, fence_json, fence_line, is_harmful, sanitise, sanitise_lines, shown_user,
};
pub use pattern::matches_pattern;
pub use quote::{Pasted, in_hint, ssh_config_word};
pub use words::{counted, days_ago, nearest, span, ssh_seconds};
