//! What worked before: the identity that last served a repository or workspace, and the endpoint that
//! answered.
//!
//! A small file in `$XDG_STATE_HOME/bitbucket-ssh/` that may be lost. A broken file is replaced, a
//! failed write is logged at `-vv`, and an outdated entry costs one more attempt. Settings take
//! precedence over it. It is written only when something changed.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::identity::plan_inputs::LastServed;
use crate::repository::{Direction, Repository, SshHost};
use crate::storage::{self, Attempt, Directory};

/// The file's name.
const FILE: &str = "learned.json";

/// How many repositories and workspaces are remembered; the oldest are forgotten first.
const MAX_ENTRIES: usize = 500;

/// How long an endpoint is remembered.
const ENDPOINT_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How old the entry of an endpoint must be before it is written again.
const ENDPOINT_REFRESH: SignedDuration = SignedDuration::from_hours(1);

/// Something to remember.
#[derive(Debug, Clone)]
pub enum HistoryEvent {
    /// An identity served a repository.
    Served {
        /// The repository.
        repository: Repository,
        /// The direction.
        direction: Direction,
        /// Its account, where it is known; then the account is remembered and not the key.
        account: Option<String>,
        /// `SHA256:…`.
        fingerprint: Option<String>,
    },
    /// An endpoint worked.
    Endpoint {
        /// The site's URL.
        site: String,
        /// The address that worked.
        address: SshHost,
    },
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    #[serde(default)]
    served: Vec<Entry>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

/// The identity that served one repository or workspace; the newest entry is the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// Web URL of a repository or a workspace, in lower case.
    place: String,
    direction: Direction,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Endpoint {
    site: String,
    host: String,
    port: u16,
    seen: Timestamp,
}

impl History {
    /// Reads the file. One that does not exist or is broken is empty.
    pub fn open(context: &Context) -> Self {
        Directory::state(context).map_or_else(|_| Self::default(), |directory| read(&directory))
    }

    /// The identity that last served the repository.
    pub fn repository(&self, repository: &Repository, direction: Direction) -> Option<LastServed> {
        self.at(&of_repository(repository), direction)
    }

    /// The identity that last served a repository of its workspace.
    pub fn workspace(&self, repository: &Repository, direction: Direction) -> Option<LastServed> {
        self.at(&of_workspace(repository), direction)
    }

    /// The site's endpoint that worked within the last day.
    pub fn endpoint(&self, site: &str, now: Timestamp) -> Option<SshHost> {
        let endpoint = self
            .endpoints
            .iter()
            .find(|endpoint| endpoint.site == site)?;
        let age = now.duration_since(endpoint.seen);
        (!age.is_negative() && age < ENDPOINT_LIFETIME).then(|| SshHost {
            host: endpoint.host.clone(),
            port: endpoint.port,
        })
    }

    fn at(&self, place: &str, direction: Direction) -> Option<LastServed> {
        let entry = self
            .served
            .iter()
            .find(|entry| entry.place == place && entry.direction == direction)?;
        match (&entry.account, &entry.key) {
            (Some(account), _) => Some(LastServed::Account(account.clone())),
            (None, Some(key)) => Some(LastServed::Key(key.clone())),
            (None, None) => None,
        }
    }

    fn record(&mut self, event: &HistoryEvent, now: Timestamp) {
        match event {
            HistoryEvent::Served {
                repository,
                direction,
                account,
                fingerprint,
            } => {
                for place in [of_repository(repository), of_workspace(repository)] {
                    let entry = Entry {
                        place,
                        direction: *direction,
                        account: account.clone(),
                        key: match account {
                            Some(_) => None,
                            None => fingerprint.clone(),
                        },
                    };
                    if self.served.contains(&entry) {
                        continue;
                    }
                    self.served.retain(|known| {
                        known.place != entry.place || known.direction != entry.direction
                    });
                    self.served.push(entry);
                }
                let surplus = self.served.len().saturating_sub(MAX_ENTRIES);
                self.served.drain(..surplus);
            }
            HistoryEvent::Endpoint { site, address } => {
                let fresh = self.endpoint(site, now).as_ref() == Some(address)
                    && self.endpoints.iter().any(|known| {
                        known.site == *site && now.duration_since(known.seen) < ENDPOINT_REFRESH
                    });
                if !fresh {
                    self.endpoints.retain(|known| known.site != *site);
                    self.endpoints.push(Endpoint {
                        site: site.clone(),
                        host: address.host.clone(),
                        port: address.port,
                        seen: now,
                    });
                }
            }
        }
    }
}

/// Records events. Never fails, and writes nothing where nothing changes.
pub fn remember(context: &Context, events: &[HistoryEvent]) {
    change(context, |history| {
        for event in events {
            history.record(event, context.clock.now());
        }
    });
}

/// Forgets what an account of a site served.
pub fn forget(context: &Context, site: &str, account: &str) {
    let place = format!("{}/", site.to_lowercase());
    change(context, |history| {
        history.served.retain(|entry| {
            let same = entry
                .account
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(account));
            !(same && entry.place.starts_with(&place))
        });
    });
}

fn change(context: &Context, apply: impl FnOnce(&mut History)) {
    let Ok(directory) = Directory::state(context) else {
        return;
    };
    let before = read(&directory);
    let mut after = before.clone();
    apply(&mut after);
    if after == before {
        return;
    }
    if let Err(error) = write(&directory, &before, &after) {
        tracing::debug!("{error}");
    }
}

/// Under a lock, so that two processes do not write at once; what the second one
/// wanted to record, it records next time.
fn write(
    directory: &Directory<'_>,
    before: &History,
    after: &History,
) -> Result<(), storage::Error> {
    let Attempt::Held(_lock) = directory.try_lock("learned.lock")? else {
        return Ok(());
    };
    if read(directory) != *before {
        return Ok(());
    }
    directory.sweep();
    let text = serde_json::to_vec(after).expect("strings, numbers and times are JSON");
    directory.replace(FILE, &text)
}

fn read(directory: &Directory<'_>) -> History {
    match directory.read_json(FILE) {
        Ok(history) => history.unwrap_or_default(),
        Err(error) => {
            tracing::debug!("{error}; starting with an empty history");
            History::default()
        }
    }
}

fn of_repository(repository: &Repository) -> String {
    repository.web_url().to_lowercase()
}

fn of_workspace(repository: &Repository) -> String {
    format!("{}/{}", repository.site, repository.workspace).to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{Timestamp, ToSpan as _};

    use super::{FILE, History, HistoryEvent, MAX_ENTRIES, forget, remember};
    use crate::clock::SystemClock;
    use crate::context::{Context, Environment};
    use crate::identity::plan_inputs::LastServed;
    use crate::repository::{Direction, Repository, SshHost};

    const SITE: &str = "https://bitbucket.org";

    fn context(home: &std::path::Path) -> Context {
        Context {
            environment: Environment::new([("HOME".into(), home.as_os_str().to_owned())]),
            directory: home.to_owned(),
            program: home.to_owned(),
            clock: Arc::new(SystemClock),
        }
    }

    fn repository(slug: &str) -> Repository {
        Repository {
            site: SITE.to_owned(),
            workspace: "Acme".to_owned(),
            slug: slug.to_owned(),
        }
    }

    fn served(slug: &str, account: Option<&str>) -> HistoryEvent {
        HistoryEvent::Served {
            repository: repository(slug),
            direction: Direction::Fetch,
            account: account.map(str::to_owned),
            fingerprint: Some("SHA256:k".to_owned()),
        }
    }

    #[test]
    fn who_served_is_remembered_for_repository_and_workspace() {
        let home = tempfile::tempdir().expect("a home");
        let context = context(home.path());
        remember(
            &context,
            &[served("Site", Some("a@x")), served("other", None)],
        );
        let history = History::open(&context);
        let account = Some(LastServed::Account("a@x".to_owned()));
        assert_eq!(
            history.repository(&repository("site"), Direction::Fetch),
            account
        );
        assert_eq!(
            history.repository(&repository("site"), Direction::Push),
            None
        );
        let key = Some(LastServed::Key("SHA256:k".to_owned()));
        assert_eq!(
            history.workspace(&repository("new"), Direction::Fetch),
            key,
            "the newest"
        );

        forget(&context, SITE, "A@X");
        let history = History::open(&context);
        assert_eq!(
            history.repository(&repository("site"), Direction::Fetch),
            None
        );
    }

    #[test]
    fn nothing_new_is_not_written_and_broken_files_heal() {
        let home = tempfile::tempdir().expect("a home");
        let context = context(home.path());
        remember(&context, &[served("site", None)]);
        let file = context.state_directory().expect("a home").join(FILE);
        let written = || {
            std::fs::metadata(&file)
                .and_then(|m| m.modified())
                .expect("a file")
        };
        let before = written();
        remember(&context, &[served("site", None)]);
        assert_eq!(written(), before, "nothing changed");
        std::fs::write(&file, "{broken").expect("broken");
        remember(&context, &[served("site", None)]);
        assert!(
            History::open(&context)
                .repository(&repository("site"), Direction::Fetch)
                .is_some()
        );
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_into_somebody_else_s_home() {
        let home = tempfile::tempdir().expect("a home");
        let state = tempfile::tempdir().expect("a folder of ours");
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(home.path(), Some(1), None).expect("root may");
        }
        // Root's, for everybody else.
        let foreign = if is_root { home.path() } else { "/".as_ref() };
        let mut context = context(foreign);
        let state_home = state.path().as_os_str().to_owned();
        context.environment = Environment::new([
            ("HOME".into(), foreign.as_os_str().to_owned()),
            ("XDG_STATE_HOME".into(), state_home),
        ]);
        remember(&context, &[served("site", None)]);
        assert!(!context.state_directory().expect("a state folder").exists());
    }

    #[test]
    fn the_file_is_bounded() {
        let mut history = History::default();
        for number in 0..MAX_ENTRIES * 2 {
            history.record(&served(&number.to_string(), None), Timestamp::UNIX_EPOCH);
        }
        assert_eq!(history.served.len(), MAX_ENTRIES);
        let last = repository(&(MAX_ENTRIES * 2 - 1).to_string());
        assert!(
            history.repository(&last, Direction::Fetch).is_some(),
            "the newest stay"
        );
    }

    #[test]
    fn an_endpoint_is_remembered_for_a_day() {
        let mut history = History::default();
        let start = Timestamp::UNIX_EPOCH;
        let address = SshHost {
            host: "altssh.bitbucket.org".to_owned(),
            port: 443,
        };
        let event = HistoryEvent::Endpoint {
            site: SITE.to_owned(),
            address: address.clone(),
        };
        history.record(&event, start);
        for (later, expected, why) in [
            (23.hours(), Some(address), "the same day"),
            (25.hours(), None, "the next"),
            (-(1.hours()), None, "a clock that jumped back"),
        ] {
            assert_eq!(history.endpoint(SITE, start + later), expected, "{why}");
        }
    }
}
