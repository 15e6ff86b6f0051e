//! `tracing` events of this crate as lines. Those of other crates are left out: they have not been
//! checked for secrets.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::level::{self, Level};
use super::trace;
use crate::text::fence_line;

/// The subscriber. It has no spans: nothing here opens one.
pub(super) struct Lines;

fn is_own(metadata: &Metadata<'_>) -> bool {
    // `enabled!` asks with a hint, which is no event.
    !metadata.is_span() && metadata.target().starts_with("bitbucket_ssh")
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_own(metadata) && (trace::is_on() || level::is_shown(Level::of_event(*metadata.level())))
    }

    fn register_callsite(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        if is_own(metadata) {
            // The level may rise when ssh_config has been read: nothing is decided for good.
            tracing::subscriber::Interest::sometimes()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = Level::of_event(*event.metadata().level());
        let prefix = match level {
            Level::Debug1 => "debug1: ",
            Level::Debug2 => "debug2: ",
            Level::Debug3 => "debug3: ",
            _ => "",
        };
        let line = fence_line(&format!("{prefix}{}", message.0), false);
        trace::write(&line);
        if level::is_shown(level) {
            super::write_line(&line);
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn only_this_crate_speaks() {
        struct Heard(std::sync::Mutex<Vec<String>>);
        impl tracing::Subscriber for &'static Heard {
            fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
                is_own(metadata)
            }
            fn event(&self, event: &tracing::Event<'_>) {
                let target = event.metadata().target().to_owned();
                self.0.lock().expect("one thread").push(target);
            }
            fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
                tracing::Id::from_u64(1)
            }
            fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
            fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
            fn enter(&self, _: &tracing::Id) {}
            fn exit(&self, _: &tracing::Id) {}
        }
        static HEARD: Heard = Heard(std::sync::Mutex::new(Vec::new()));
        tracing::subscriber::with_default(&HEARD, || {
            tracing::warn!("own");
            tracing::warn!(target: "russh::client", "not checked for secrets");
        });
        let heard = HEARD.0.lock().expect("one thread").clone();
        assert_eq!(heard, ["bitbucket_ssh::diagnostics::subscriber::tests"]);
    }
}
