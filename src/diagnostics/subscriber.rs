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

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target().starts_with("bitbucket_ssh")
            && (trace::is_on() || level::shown(level_of(*metadata.level())))
    }

    fn register_callsite(
        &self,
        _metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        // The level may rise when ssh_config has been read, so that nothing is decided for good.
        tracing::subscriber::Interest::sometimes()
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
