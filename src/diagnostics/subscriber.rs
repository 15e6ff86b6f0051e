//! `tracing` events of this crate as lines; those of other crates are none of ours, since what
//! they print was never looked at for secrets.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::level::{self, Level};
use super::sink::Sink;
use super::trace;

/// The only listener. Knows no spans: nothing here opens one.
pub(super) struct Lines;

fn level_of(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Info,
        tracing::Level::INFO => Level::Debug1,
        tracing::Level::DEBUG => Level::Debug2,
        tracing::Level::TRACE => Level::Debug3,
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    // `enabled!` asks with a hint, which is no event.
    !metadata.is_span() && metadata.target().starts_with("bitbucket_ssh")
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata) && (trace::is_on() || level::shown(level_of(*metadata.level())))
    }

    fn register_callsite(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        if is_ours(metadata) {
            // The level may rise when ssh_config has been read: nothing is decided for good.
            tracing::subscriber::Interest::sometimes()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = level_of(*event.metadata().level());
        let prefix = match level {
            Level::Debug1 => "debug1: ",
            Level::Debug2 => "debug2: ",
            Level::Debug3 => "debug3: ",
            _ => "",
        };
        let line = format!("{prefix}{}", message.0);
        trace::write(&line);
        if level::shown(level) {
            Sink::current().line(&line);
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
    use super::is_ours;

    #[test]
    fn only_this_crate_speaks() {
        struct Heard(std::sync::Mutex<Vec<String>>);
        impl tracing::Subscriber for &'static Heard {
            fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
                is_ours(metadata)
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
            tracing::warn!("ours");
            tracing::warn!(target: "russh::client", "theirs, which nobody has looked through");
        });
        let heard = HEARD.0.lock().expect("one thread").clone();
        assert_eq!(heard, ["bitbucket_ssh::diagnostics::subscriber::tests"]);
    }
}
