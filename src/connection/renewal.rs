//! Renewal: a managed key that is about to expire is replaced after the channel has closed, and a
//! rotation that was interrupted is completed there. It takes ten seconds at most, is tried once a
//! day, and cannot fail the git command, which has been served by then.

use std::sync::mpsc;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};

use super::Connection;
use crate::connection::failure::Failure;
use crate::connection::managed_keys::{ManagedKeys, is_unverified};
use crate::connection::verify_key::KeyVerifier;
use crate::context::Context;
use crate::diagnostics;
use crate::identity::{Identity, ManagedKey, PassphrasePlace, State};
use crate::prompt::Silent;
use crate::provision::removal::{self, RemovalOutcome};
use crate::repository::Site;
use crate::settings::{GitConfig, Provision, Settings, SshConfig};
use crate::storage::{Directory, short_name};
use crate::transport::{Endpoint, Route};

/// How long git is kept waiting at most.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether less than a tenth of the key's lifetime is left, but not nothing.
fn is_due(key: &ManagedKey, now: Timestamp) -> bool {
    let Some(end) = key.expires.filter(|end| *end > now) else {
        return false;
    };
    let lifetime = end.duration_since(key.created).as_secs();
    key.repository.is_none() && end.duration_since(now).as_secs() < lifetime / 10
}

/// Completes an interrupted rotation, or replaces the key that was used if that is due. Never
/// fails, and asks nothing.
pub(super) fn after(connection: &Connection<'_>, endpoint: &Endpoint, used: &Identity) {
    let (context, target) = (connection.context, connection.target);
    let now = context.clock.now();
    let site = &target.located.site;
    let auto = target.settings.provision.value == Provision::Auto;
    let due = used.managed.as_ref().filter(|key| auto && is_due(key, now));
    let (key, task) = match (target.records.unfinished_rotation(&site.url), due) {
        (Some(new), _) => (new, Task::CompleteRotation),
        (None, Some(old)) => (old, Task::Renew),
        (None, None) => return,
    };
    let file = key.file.display();
    if key.passphrase == PassphrasePlace::Person {
        tracing::info!("{file} is not renewed: its passphrase is not stored");
        return;
    }
    let Ok(state) = Directory::state(context) else {
        return;
    };
    // Holds the time of the last attempt that failed (for a renewal: that was started).
    let mark = format!("renewal-{}", short_name(key.fingerprint.as_bytes()));
    let set_mark = || state.replace(&mark, now.to_string().as_bytes());
    if is_recent(&state, &mark, now) || (task == Task::Renew && set_mark().is_err()) {
        return;
    }
    let work = Work {
        context: context.clone(),
        site: site.clone(),
        settings: target.settings.clone(),
        git_config: connection.keys.git_config.clone(),
        config: connection.config.clone(),
        route: Route {
            endpoints: vec![endpoint.clone()],
            ..target.route.clone()
        },
        key: key.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    let _waiting = diagnostics::waiting("renewal", || format!("renewing {file}"));
    let thread = std::thread::Builder::new().name("renewal".to_owned());
    let started = thread.spawn(move || {
        let _ = sender.send(work.run(task).map_err(|error| error.to_string()));
    });
    if let Err(error) = started {
        tracing::info!("{file} is not renewed: {error}");
        return;
    }
    // Each step is durable before the next, so what is not finished now is continued later.
    let why = match receiver.recv_timeout(LIMIT) {
        Ok(Ok(())) => return,
        Ok(Err(why)) => why,
        Err(_) => "it takes too long".to_owned(),
    };
    tracing::info!("{file} is not replaced yet: {why}");
    let _ = set_mark();
}

/// What is done after a git command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// The key is the new one of a rotation that was interrupted.
    CompleteRotation,
    /// The key is an old one that expires soon.
    Renew,
}

fn is_recent(state: &Directory<'_>, mark: &str, now: Timestamp) -> bool {
    let last = state.read(mark).ok().flatten();
    let last = last.and_then(|text| String::from_utf8(text).ok());
    let last = last.and_then(|text| text.trim().parse::<Timestamp>().ok());
    last.is_some_and(|last| last <= now && now < last + 24.hours())
}

/// What the thread needs.
struct Work {
    context: Context,
    site: Site,
    settings: Settings,
    git_config: GitConfig,
    config: SshConfig,
    route: Route,
    key: ManagedKey,
}

impl Work {
    /// Creates and verifies the new key, then removes the old one.
    fn run(&self, task: Task) -> Result<(), Failure> {
        let keys = ManagedKeys::new(&self.context, &self.site, &self.settings, &self.git_config);
        let key = &self.key;
        let new = match task {
            Task::Renew => {
                let old = [key.fingerprint.clone()];
                Some(keys.replace(key, &old, &Silent)?)
            }
            Task::CompleteRotation if key.state == State::Pending => keys.finish(key)?,
            Task::CompleteRotation => return self.switch_to(&keys, key),
        };
        match new.and_then(|new| new.identity.managed) {
            Some(new) => self.switch_to(&keys, &new),
            None => Ok(()),
        }
    }

    fn switch_to(&self, keys: &ManagedKeys<'_>, new: &ManagedKey) -> Result<(), Failure> {
        if is_unverified(new) {
            let verifier = KeyVerifier {
                keys,
                config: &self.config,
                route: &self.route,
                prompt: &Silent,
            };
            verifier.verify(new)?;
        }
        let Some(registry) = keys.registry(&new.account)? else {
            return Ok(());
        };
        for (old, outcome) in removal::finish_rotation(&self.context, registry.as_ref(), new)? {
            if let RemovalOutcome::Left(why) = outcome {
                tracing::info!("{} stays on the account: {why}", old.file.display());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::identity::AccountId;

    #[test]
    fn only_the_last_tenth_of_a_life_is_due() {
        let now = Timestamp::UNIX_EPOCH + 24_000.hours();
        for (created, expires, due, why) in [
            (900, None, false, "it does not expire"),
            (900, Some(99), true, "a tenth is more"),
            (900, Some(101), false, "more than a tenth"),
            (
                900,
                Some(-1),
                false,
                "it has expired: it is replaced when it is refused",
            ),
        ] {
            let record = ManagedKey {
                account: AccountId {
                    site: "https://bitbucket.org".to_owned(),
                    name: "a@x".to_owned(),
                },
                file: PathBuf::from("/k"),
                public_key: String::new(),
                fingerprint: String::new(),
                key_id: None,
                label: String::new(),
                created: now - created.hours(),
                expires: expires.map(|left: i64| now + left.hours()),
                state: State::Verified,
                passphrase: PassphrasePlace::None,
                repository: None,
                read_only: false,
                replaces: Vec::new(),
            };
            assert_eq!(is_due(&record, now), due, "{why}");
        }
    }
}
