//! One target: its place, its format, and the end of it when it cannot be written.

use std::sync::{Mutex, PoisonError};

use super::config::Wanted;
use super::destination::{Destination, Naming, Unusable};
use super::event::{At, Event};
use super::format::Format;
use crate::diagnostics::os_error_message;
use crate::diagnostics::sink::Sink;

/// An open target.
#[derive(Debug)]
pub(super) struct Target {
    form: Format,
    variable: &'static str,
    brief: bool,
    /// `None`: it could not be written.
    place: Mutex<Option<Destination>>,
    /// It is the last file of a full folder.
    pub(super) is_last_file: bool,
}

impl Target {
    /// `None`: it cannot be opened; that is warned about where git would (`debugs`, or a value that
    /// means nothing).
    pub(super) fn open(wanted: Wanted, naming: &Naming<'_>, debugs: bool) -> Option<Self> {
        let opened = match wanted.taken {
            Some(place) => Ok((place, false)),
            None => Destination::open(&wanted.value, naming),
        };
        match opened {
            Ok((place, is_last_file)) => Some(Self {
                form: wanted.form,
                variable: wanted.variable,
                brief: wanted.brief,
                place: Mutex::new(Some(place)),
                is_last_file,
            }),
            Err(Unusable::Quiet(_)) if !debugs => None,
            Err(Unusable::Quiet(why) | Unusable::Malformed(why)) => {
                Sink::current().line(&format!("warning: trace2: {why}"));
                None
            }
        }
    }

    /// Writes one event, unless its format leaves it out: the event format has no regions deeper
    /// than `nesting`.
    pub(super) fn write(&self, event: &Event<'_>, at: &At<'_>, nesting: usize, debugs: bool) {
        if self.form == Format::Event && event.is_nested() && at.nesting > nesting {
            return;
        }
        let Some(line) = self.form.line(event, at, self.brief) else {
            return;
        };
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Err(error)) = place.as_mut().map(|place| place.write(&line)) else {
            return;
        };
        *place = None;
        drop(place);
        if debugs {
            let (variable, why) = (self.variable, os_error_message(&error));
            Sink::current().line(&format!(
                "warning: unable to write trace to '{variable}': {why}"
            ));
        }
    }
}
