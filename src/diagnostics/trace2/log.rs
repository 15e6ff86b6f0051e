//! The open log: its targets, its session, its first thread.

use std::fmt::Write as _;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

use jiff::Timestamp;
use sha1::{Digest as _, Sha1};

use super::config::{Config, Target};
use super::event::{At, Event};
use super::redact;
use super::thread::ThreadLog;
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
        let token = context.environment.text(API_TOKEN);
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
