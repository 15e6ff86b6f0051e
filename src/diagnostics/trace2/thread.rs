//! Threads of the log, and their regions. A task that runs beside others is a thread of its own in the
//! log, so that regions lie inside each other as git's do.

use std::cell::RefCell;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use super::LOG;
use super::event::Event;
use super::log::Log;
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
    /// How many regions are open, and when the last one began.
    fn depth(&self) -> (usize, Instant) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let last = open.last().copied();
        (open.len(), last.unwrap_or_else(Instant::now))
    }

    fn write(&self, log: &Log, event: &Event, time: Option<Timestamp>, place: &Location<'_>) {
        log.write(event, (&self.name, self.depth().0), time, place);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.name != MAIN
            && let Some(log) = LOG.get()
        {
            let event = Event::thread_exit(self.depth().1.elapsed().as_micros());
            self.write(log, &event, None, Location::caller());
        }
    }
}

/// git's name for the first thread.
const MAIN: &str = "main";

impl ThreadLog {
    fn named(name: String, started: Instant) -> Self {
        Self(Some(Arc::new(Thread {
            name,
            open: Mutex::new(vec![started]),
        })))
    }

    /// That of the process's first thread, from the start of the process.
    pub(super) fn main() -> Self {
        Self::named(MAIN.to_owned(), timeline::started())
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
        let thread = Self::named(name, Instant::now());
        thread.write(|_| Event::thread_start(), Location::caller());
        thread
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
        let Some((thread, log)) = self.open() else {
            return Region(None);
        };
        let message = log.redacted(&message());
        let place = Location::caller();
        thread.write(log, &Event::region(label, &message, None), None, place);
        let mut open = thread.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(Instant::now());
        let depth = open.len();
        drop(open);
        Region(Some(Open {
            thread: Arc::clone(thread),
            depth,
            label,
            message,
            place,
        }))
    }

    /// As [`super::data`].
    #[track_caller]
    pub fn data(&self, key: &'static str, value: impl FnOnce() -> String) {
        if let Some((thread, log)) = self.open() {
            let since = thread.depth().1.elapsed().as_micros();
            let event = Event::data(key, &log.redacted(&value()), since);
            thread.write(log, &event, None, Location::caller());
        }
    }

    /// Writes an event, which is made only where something is logged.
    pub(super) fn write(&self, event: impl FnOnce(&Log) -> Event, place: &Location<'_>) {
        if let Some((thread, log)) = self.open() {
            thread.write(log, &event(log), None, place);
        }
    }

    /// As [`ThreadLog::write`], for an event of the past.
    pub(super) fn write_at(&self, event: &Event, time: Timestamp, place: &Location<'_>) {
        if let Some((thread, log)) = self.open() {
            thread.write(log, event, Some(time), place);
        }
    }

    fn open(&self) -> Option<(&Arc<Thread>, &'static Log)> {
        Some((self.0.as_ref()?, LOG.get()?))
    }
}

/// An open region; dropping it leaves it.
#[must_use]
#[derive(Debug)]
pub struct Region(Option<Open>);

#[derive(Debug)]
struct Open {
    thread: Arc<Thread>,
    /// Open regions, with this one.
    depth: usize,
    label: &'static str,
    message: String,
    place: &'static Location<'static>,
}

impl Drop for Region {
    fn drop(&mut self) {
        let (Some(open), Some(log)) = (self.0.take(), LOG.get()) else {
            return;
        };
        let regions = &open.thread.open;
        let mut regions = regions.lock().unwrap_or_else(PoisonError::into_inner);
        // One around it may have been left before, and this one with it.
        let Some(entered) = regions.get(open.depth - 1).copied() else {
            return;
        };
        regions.truncate(open.depth - 1);
        drop(regions);
        let took = entered.elapsed().as_micros();
        let event = Event::region(open.label, &open.message, Some(took));
        open.thread.write(log, &event, None, open.place);
    }
}
