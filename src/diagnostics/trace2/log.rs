//! The open log: its targets and session, its threads and their regions. A task that runs beside others
//! is a thread of its own in the log, so that regions lie inside each other as git's do.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Instant;

use jiff::Timestamp;
use sha1::{Digest as _, Sha1};

use super::config::{Config, Target};
use super::event::{At, Event};
use super::{LOG, redact};
use crate::clock::{Clock as _, SystemClock};
use crate::context::{API_TOKEN, Context};
use crate::diagnostics::timeline;
use crate::secret::Secret;

/// The session of the git (or of any other program that traces) that called this one.
const PARENT_SESSION: &str = "GIT_TRACE2_PARENT_SID";

/// The commands above, as git's log names them.
const PARENT_NAME: &str = "GIT_TRACE2_PARENT_NAME";

/// What every event goes through.
pub(super) struct Log {
    /// `PARENT/OWN`, or `OWN` where there is no caller.
    session: String,
    targets: Vec<Target>,
    nesting: usize,
    /// The environment's token, which no text may contain.
    token: Option<Secret>,
    main: ThreadLog,
    main_thread: ThreadId,
    threads: AtomicUsize,
}

impl Log {
    /// Opens the targets, for a process that started at `started`. `None`: none of them can be opened.
    pub(super) fn open(context: &Context, config: &Config<'_>, started: Timestamp) -> Option<Self> {
        let own = session_id(started, host_name().as_deref(), std::process::id());
        let targets = config.open(&own);
        if targets.is_empty() {
            return None;
        }
        let token = context.environment.trimmed(API_TOKEN);
        Some(Self {
            session: match context.environment.text(PARENT_SESSION) {
                Some(parent) => format!("{parent}/{own}"),
                None => own,
            },
            targets,
            nesting: config.nesting(),
            token: token.map(|token| Secret::new(token.to_owned())),
            main: ThreadLog::main(),
            main_thread: std::thread::current().id(),
            threads: AtomicUsize::new(1),
        })
    }

    /// From now on children log below this session.
    pub(super) fn hand_down(&self, context: &Context, name: &str) {
        let hierarchy = self.hierarchy(context, name);
        context.environment.hand_down([
            (PARENT_SESSION, self.session.clone()),
            (PARENT_NAME, hierarchy),
        ]);
    }

    /// `fetch/bitbucket-ssh`.
    pub(super) fn hierarchy(&self, context: &Context, name: &str) -> String {
        match context.environment.text(PARENT_NAME) {
            Some(parent) => format!("{}/{name}", self.redacted(parent)),
            None => name.to_owned(),
        }
    }

    /// The log of the process's first thread.
    pub(super) fn main(&self) -> &ThreadLog {
        &self.main
    }

    /// Whether the running thread is the one that opened the log.
    pub(super) fn is_main_thread(&self) -> bool {
        std::thread::current().id() == self.main_thread
    }

    /// The number of a further thread, from 1 on.
    pub(super) fn next_thread(&self) -> usize {
        self.threads.fetch_add(1, Ordering::Relaxed)
    }

    /// The words of an argv without secrets.
    pub(super) fn redacted_argv<W: AsRef<std::ffi::OsStr>>(
        &self,
        argv: impl IntoIterator<Item = W>,
    ) -> Vec<String> {
        let token = self.token.as_ref().map(Secret::reveal);
        argv.into_iter()
            .map(|word| redact::word(&word.as_ref().to_string_lossy(), token))
            .collect()
    }

    /// A text without secrets.
    pub(super) fn redacted(&self, text: &str) -> String {
        redact::text(text, self.token.as_ref().map(Secret::reveal))
    }

    /// Writes one event of a thread. `time`: when it happened; `None`: now.
    pub(super) fn write(
        &self,
        event: &Event,
        (thread, nesting): (&str, usize),
        time: Option<Timestamp>,
        place: &Location<'_>,
    ) {
        let at = At {
            session: &self.session,
            thread,
            nesting,
            time: time.unwrap_or_else(|| SystemClock.now()),
            absolute: match time {
                Some(_) => 0,
                None => timeline::started().elapsed().as_micros(),
            },
            place,
        };
        for target in &self.targets {
            target.write(event, &at, self.nesting);
        }
    }
}

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

/// A session's own id, as git makes it (trace2/tr2_sid.c). It is a file name, too.
fn session_id(now: Timestamp, host: Option<&str>, process: u32) -> String {
    let mut id = now.strftime("%Y%m%dT%H%M%S.%6fZ-").to_string();
    match host {
        Some(host) => {
            id.push('H');
            for byte in &Sha1::digest(host.as_bytes())[..4] {
                let _ = write!(id, "{byte:02x}");
            }
        }
        None => id.push_str("Localhost"),
    }
    let _ = write!(id, "-P{process:08x}");
    id
}

fn host_name() -> Option<String> {
    #[cfg(unix)]
    return nix::unistd::gethostname().ok()?.into_string().ok();
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::session_id;

    #[test]
    fn a_session_s_id_is_made_as_git_makes_it() {
        let now = "2019-04-08T19:16:10.507018Z".parse().expect("a time");
        // `printf localhost | sha1sum`
        let id = session_id(now, Some("localhost"), 0x59a8);
        assert_eq!(id, "20190408T191610.507018Z-H33438904-P000059a8");
        assert_eq!(
            session_id(now, None, 1),
            "20190408T191610.507018Z-Localhost-P00000001"
        );
    }
}
