//! Threads of the log, and their regions. A task that runs beside others is a thread of its own in the
//! log, so that regions lie inside each other as git's do.

use std::cell::RefCell;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use super::LOG;
use super::event::Event;
use crate::diagnostics::timeline;

thread_local! {
    /// The log of a thread other than the first.
    static OWN: RefCell<Option<ThreadLog>> = const { RefCell::new(None) };
}

/// Events that follow each other. `None`: nothing is logged.
#[derive(Debug, Clone)]
pub struct ThreadLog(Option<Arc<Thread>>);

#[derive(Debug)]
struct Thread {
    name: String,
    /// When each open region began; the thread itself is the first.
    open: Mutex<Vec<Instant>>,
}

impl Thread {
    fn depth(&self) -> (usize, Instant) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let last = open.last().copied();
        (open.len(), last.unwrap_or_else(Instant::now))
    }

    fn write_at(&self, event: &Event<'_>, time: Option<Timestamp>, place: &Location<'_>) {
        if let Some(log) = LOG.get() {
            log.write(event, (&self.name, self.depth().0), time, place);
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.name != MAIN {
            let started = self.depth().1;
            let event = Event::ThreadExit(started.elapsed().as_micros());
            self.write_at(&event, None, Location::caller());
        }
    }
}

/// git's name for the first thread.
const MAIN: &str = "main";

impl ThreadLog {
    /// That of the process's first thread, from the start of the process.
    pub(super) fn main() -> Self {
        Self(Some(Arc::new(Thread {
            name: MAIN.to_owned(),
            open: Mutex::new(vec![timeline::started()]),
        })))
    }

    /// One for work beside other work, until its last clone is dropped.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let Some(log) = LOG.get() else {
            return Self(None);
        };
        let mut name = format!("th{:02}:{name}", log.next_thread());
        // tr2_tls.h, TR2_MAX_THREAD_NAME.
        name.truncate(24);
        let log = Self(Some(Arc::new(Thread {
            name,
            open: Mutex::new(vec![Instant::now()]),
        })));
        log.write(&Event::ThreadStart, Location::caller());
        log
    }

    /// That of the running thread.
    #[track_caller]
    pub fn current() -> Self {
        let Some(log) = LOG.get() else {
            return Self(None);
        };
        if log.is_main_thread() {
            return log.main().clone();
        }
        let own = OWN.try_with(|own| {
            own.borrow_mut()
                .get_or_insert_with(|| {
                    let thread = std::thread::current();
                    Self::new(thread.name().unwrap_or("thread"))
                })
                .clone()
        });
        own.unwrap_or(Self(None))
    }

    /// As [`super::region`].
    #[track_caller]
    pub fn region(&self, label: &'static str, message: impl FnOnce() -> String) -> Region {
        let Some(thread) = &self.0 else {
            return Region(None);
        };
        let message = message();
        let place = Location::caller();
        let event = Event::Enter {
            label,
            message: &message,
        };
        self.write(&event, place);
        let mut open = thread.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(Instant::now());
        let depth = open.len();
        drop(open);
        Region(Some(Open {
            log: self.clone(),
            depth,
            label,
            message,
            place,
        }))
    }

    /// As [`super::data`].
    #[track_caller]
    pub fn data(&self, key: &'static str, value: impl FnOnce() -> String) {
        let Some(thread) = &self.0 else { return };
        let event = Event::Data {
            key,
            value: &value(),
            since: thread.depth().1.elapsed().as_micros(),
        };
        self.write(&event, Location::caller());
    }

    pub(super) fn write(&self, event: &Event<'_>, place: &Location<'_>) {
        self.write_at(event, None, place);
    }

    /// `time`: when it happened. `None`: now.
    pub(super) fn write_at(
        &self,
        event: &Event<'_>,
        time: Option<Timestamp>,
        place: &Location<'_>,
    ) {
        if let Some(thread) = &self.0 {
            thread.write_at(event, time, place);
        }
    }
}

/// An open region; dropping it leaves it.
#[must_use]
#[derive(Debug)]
pub struct Region(Option<Open>);

#[derive(Debug)]
struct Open {
    log: ThreadLog,
    /// Open regions, with this one.
    depth: usize,
    label: &'static str,
    message: String,
    place: &'static Location<'static>,
}

impl Drop for Region {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Some(thread) = &open.log.0 else { return };
        let mut regions = thread.open.lock().unwrap_or_else(PoisonError::into_inner);
        // One around it may have been left before, and this one with it.
        let Some(entered) = regions.get(open.depth - 1).copied() else {
            return;
        };
        regions.truncate(open.depth - 1);
        drop(regions);
        let event = Event::Leave {
            label: open.label,
            message: &open.message,
            took: entered.elapsed().as_micros(),
        };
        open.log.write(&event, open.place);
    }
}
