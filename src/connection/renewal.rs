//! A managed key that is about to expire is replaced after the channel has closed, and a rotation
//! that was interrupted is finished there: at most ten seconds, once a day, and whatever comes of
//! it the git command has been served.

use std::sync::mpsc;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};

use crate::connection::attempts::unproved;
use crate::connection::collect::ConnectionTarget;
use crate::connection::failure::Failure;
use crate::connection::managed_keys::ManagedKeys;
use crate::connection::verify_key;
use crate::context::Context;
use crate::diagnostics;
use crate::identity::{Identity, ManagedKey, PassphrasePlace, State};
use crate::prompt::Silent;
use crate::provision::removal::{self, RemovalOutcome};
use crate::repository::Site;
use crate::settings::{GitConfig, Provision, Settings, SshConfig};
use crate::storage::{Directory, short_name};
use crate::transport::Endpoint;

/// How long git is kept waiting for it (interface section 3).
const PATIENCE: Duration = Duration::from_secs(10);

/// Less than a tenth of its life is left, and some of it.
fn is_due(record: &ManagedKey, now: Timestamp) -> bool {
    let Some(end) = record.expires.filter(|end| *end > now) else {
        return false;
    };
    let life = end.duration_since(record.created).as_secs();
    record.repository.is_none() && end.duration_since(now).as_secs() < life / 10
}

/// Finishes a rotation that was begun, or replaces the identity that served where that is due.
/// Never fails, asks nobody.
pub fn after(
    context: &Context,
    target: ConnectionTarget<'_>,
    endpoints: &[Endpoint],
    keys: &ManagedKeys<'_>,
    served: &Identity,
    begun: Option<&ManagedKey>,
) {
    let now = context.clock.now();
    let due = served
        .managed
        .as_ref()
        .filter(|record| is_due(record, now) && target.settings.provision.value == Provision::Auto);
    let (Some(record), task) = (match begun {
        Some(new) => (Some(new), Task::Finish),
        None => (due, Task::Renew),
    }) else {
        return;
    };
    if record.passphrase == PassphrasePlace::Person {
        tracing::info!("{}: a person has its passphrase", record.file.display());
        return;
    }
    let Ok(state) = Directory::state(context) else {
        return;
    };
    // Says when it was last tried in vain (a renewal: when it was last begun).
    let mark = format!("renewal-{}", short_name(record.fingerprint.as_bytes()));
    let note = || state.replace(&mark, now.to_string().as_bytes());
    if tried_today(&state, &mark, now) {
        return;
    }
    if task == Task::Renew && note().is_err() {
        return;
    }
    let work = Work {
        context: context.clone(),
        site: target.site.clone(),
        settings: target.settings.clone(),
        config: target.config.clone(),
        endpoints: endpoints.to_vec(),
        git_config: keys.git_config.clone(),
        record: record.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    let file = record.file.display();
    let _waiting = diagnostics::waiting("renewal", || format!("renewing {file}"));
    let thread = std::thread::Builder::new().name("renewal".to_owned());
    let begun = thread.spawn(move || {
        let _ = sender.send(work.done(task).map_err(|error| error.to_string()));
    });
    if let Err(error) = begun {
        tracing::info!("{file} is not renewed: {error}");
        return;
    }
    // Each step is durable before the next: whatever is unfinished now is finished another day.
    let why = match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(())) => return,
        Ok(Err(why)) => why,
        Err(_) => "it takes too long".to_owned(),
    };
    tracing::info!("{} is not replaced yet: {why}", record.file.display());
    let _ = note();
}

/// What is done behind a git command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// The record is a new key, with which a rotation was begun.
    Finish,
    /// The record is an old key, whose end is near.
    Renew,
}

fn tried_today(state: &Directory<'_>, mark: &str, now: Timestamp) -> bool {
    let last = state.read(mark).ok().flatten();
    let last = last.and_then(|text| String::from_utf8(text).ok());
    let last = last.and_then(|text| text.trim().parse::<Timestamp>().ok());
    last.is_some_and(|last| last <= now && now < last + 24.hours())
}

/// Everything a thread needs.
struct Work {
    context: Context,
    site: Site,
    settings: Settings,
    git_config: GitConfig,
    config: SshConfig,
    endpoints: Vec<Endpoint>,
    record: ManagedKey,
}

impl Work {
    /// The new one made and proved, then the old one removed.
    fn done(&self, task: Task) -> Result<(), Failure> {
        let keys = ManagedKeys::new(&self.context, &self.site, &self.settings, &self.git_config);
        let record = &self.record;
        let new = match task {
            Task::Renew => {
                let old = [record.fingerprint.clone()];
                Some(keys.ensure(&record.account, &Silent, Some(record), &old)?)
            }
            Task::Finish if record.state == State::Pending => keys.finish(record)?,
            Task::Finish => return self.proved_and_done(&keys, record),
        };
        let new = new.and_then(|new| new.identity.managed);
        new.map_or(Ok(()), |new| self.proved_and_done(&keys, &new))
    }

    fn proved_and_done(&self, keys: &ManagedKeys<'_>, new: &ManagedKey) -> Result<(), Failure> {
        let (context, config) = (&self.context, &self.config);
        if unproved(new) {
            verify_key::verify(context, keys, config, &self.endpoints, new, &Silent)?;
        }
        let Some(registry) = keys.registry(&new.account)? else {
            return Ok(());
        };
        for (old, fate) in removal::superseded(context, registry.as_ref(), new)? {
            if let RemovalOutcome::Left(why) = fate {
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
            (900, Some(-1), false, "it has expired: that is judged"),
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
