//! The open log: its targets, its session, its first thread.

use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

use jiff::Timestamp;

use super::config::{Config, Param};
use super::destination::Naming;
use super::event::{At, Event};
use super::target::Target;
use super::thread::ThreadLog;
use super::{redact, session_id};
use crate::clock::{Clock as _, SystemClock};
use crate::context::{API_TOKEN, Context};
use crate::diagnostics::timeline;
use crate::secret::Secret;

/// The commands above us, as git's log names them.
const PARENT_NAME: &str = "GIT_TRACE2_PARENT_NAME";

/// Everything that is told goes through it.
pub(super) struct Log {
    session: String,
    targets: Vec<Target>,
    nesting: usize,
    debugs: bool,
    /// The environment's token, which no text may hold.
    token: Option<Secret>,
    main: ThreadLog,
    main_thread: ThreadId,
    threads: AtomicUsize,
}

impl Log {
    /// Opens what is wished, for a process that began then. `None`: nothing of it can be opened.
    pub(super) fn open(context: &Context, config: &mut Config, begun: Timestamp) -> Option<Self> {
        let session = session_id::make(&context.environment, begun);
        let (debugs, max_files) = (config.debugs(), config.max_files());
        let targets: Vec<Target> = config
            .targets()
            .into_iter()
            .filter_map(|wanted| {
                let naming = Naming {
                    variable: wanted.variable,
                    file: session_id::last(&session),
                    max_files,
                };
                Target::open(wanted, &naming, debugs)
            })
            .collect();
        if targets.is_empty() {
            return None;
        }
        let token = context.environment.text(API_TOKEN);
        Some(Self {
            session,
            targets,
            nesting: config.nesting(),
            debugs,
            token: token.map(|token| Secret::new(token.to_owned())),
            main: ThreadLog::main(),
            main_thread: std::thread::current().id(),
            threads: AtomicUsize::new(1),
        })
    }

    /// Our children stand below us in the log.
    pub(super) fn hand_down(&self, context: &Context, name: &str) {
        let hierarchy = self.hierarchy(context, name);
        context.environment.hand_down([
            (session_id::PARENT, self.session.clone()),
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

    /// The process's first lane.
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

    /// Whether a target writes the last file of a full folder.
    pub(super) fn too_many_files(&self) -> bool {
        self.targets.iter().any(|target| target.is_last_file)
    }

    /// A word of an argv, fit to be told.
    pub(super) fn redacted_word(&self, word: &str) -> String {
        redact::word(word, self.token.as_ref().map(Secret::reveal))
    }

    fn redacted(&self, text: &str) -> String {
        redact::text(text, self.token.as_ref().map(Secret::reveal))
    }

    /// Tells one event of a thread. `time`: when it happened; `None`: now.
    pub(super) fn write(
        &self,
        event: &Event<'_>,
        thread: &str,
        nesting: usize,
        time: Option<Timestamp>,
        place: &Location<'_>,
    ) {
        let at = At {
            session: &self.session,
            depth: session_id::depth(&self.session),
            thread,
            nesting,
            time: time.unwrap_or_else(|| SystemClock.now()),
            absolute: match time {
                Some(_) => 0,
                None => timeline::begun().elapsed().as_micros(),
            },
            place,
        };
        let write = |event: &Event<'_>| {
            for target in &self.targets {
                target.write(event, &at, self.nesting, self.debugs);
            }
        };
        // An argv was redacted word by word.
        match *event {
            Event::Data { key, value, since } => write(&Event::Data {
                key,
                value: &self.redacted(value),
                since,
            }),
            Event::Error { text, kind } => write(&Event::Error {
                text: &self.redacted(text),
                kind,
            }),
            Event::Line(text) => write(&Event::Line(&self.redacted(text))),
            Event::Enter { label, message } => write(&Event::Enter {
                label,
                message: &self.redacted(message),
            }),
            Event::Leave {
                label,
                message,
                took,
            } => write(&Event::Leave {
                label,
                message: &self.redacted(message),
                took,
            }),
            Event::Param(param) => write(&Event::Param(&Param {
                value: self.redacted(&param.value),
                ..param.clone()
            })),
            ref other => write(other),
        }
    }
}
