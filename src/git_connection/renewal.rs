//! A managed key that is about to expire is replaced after the channel has closed: at most ten
//! seconds, once a day, and whatever comes of it the git command has been served.

use std::fmt::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use sha1::{Digest as _, Sha1};

use crate::bitbucket::KeyId;
use crate::context::Context;
use crate::git_connection::failure::Failure;
use crate::git_connection::keys::Keys;
use crate::git_connection::proof;
use crate::git_connection::survey::Subject;
use crate::identity::{Identity, Managed, PassphrasePlace};
use crate::prompt::Silent;
use crate::provision::removal::{self, Place};
use crate::repository::Site;
use crate::settings::{GitConfig, Provision, Settings, SshConfig};
use crate::transport::Endpoint;

/// How long git is kept waiting for it (interface section 3).
const PATIENCE: Duration = Duration::from_secs(10);

/// Less than a tenth of its life is left, and some of it.
fn is_due(record: &Managed, now: Timestamp) -> bool {
    let Some(end) = record.expires.filter(|end| *end > now) else {
        return false;
    };
    let life = end.duration_since(record.created).as_secs();
    record.repository.is_none() && end.duration_since(now).as_secs() < life / 10
}

/// Replaces the identity that served where that is due. Never fails, asks nobody.
pub fn after(
    context: &Context,
    subject: Subject<'_>,
    endpoints: &[Endpoint],
    keys: &Keys<'_>,
    served: &Identity,
) {
    let Some(record) = &served.managed else {
        return;
    };
    let now = context.clock.now();
    if !is_due(record, now) || subject.settings.provision.value != Provision::Auto {
        return;
    }
    if record.passphrase == PassphrasePlace::Person {
        tracing::info!("{}: its end is near", record.file.display());
        return;
    }
    if !first_today(context, record, now) {
        return;
    }
    let work = Work {
        context: context.clone(),
        site: subject.site.clone(),
        settings: subject.settings.clone(),
        config: subject.config.clone(),
        endpoints: endpoints.to_vec(),
        git_config: keys.git_config.clone(),
        old: record.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(work.done().map_err(|error| error.to_string()));
    });
    // Each step is durable before the next: whatever is unfinished now is finished another day.
    match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(())) => {}
        Ok(Err(why)) => tracing::info!("{} is not renewed: {why}", record.file.display()),
        Err(_) => tracing::info!("{} is not renewed yet", record.file.display()),
    }
}

/// Whether nobody has tried it for a day; from now on somebody has.
fn first_today(context: &Context, record: &Managed, now: Timestamp) -> bool {
    let Some(state) = context.state_directory() else {
        return false;
    };
    let mut name = "renewal-".to_owned();
    for byte in &Sha1::digest(record.fingerprint.as_bytes())[..8] {
        let _ = write!(name, "{byte:02x}");
    }
    let file = state.join(name);
    let last = std::fs::read_to_string(&file).ok();
    let last = last.and_then(|text| text.trim().parse::<Timestamp>().ok());
    if last.is_some_and(|last| last <= now && now < last + 24.hours()) {
        return false;
    }
    std::fs::write(&file, now.to_string()).is_ok()
}

/// Everything a thread needs.
struct Work {
    context: Context,
    site: Site,
    settings: Settings,
    git_config: GitConfig,
    config: SshConfig,
    endpoints: Vec<Endpoint>,
    old: Managed,
}

impl Work {
    /// The new one made and proved, then the old one removed.
    fn done(&self) -> Result<(), Failure> {
        let (context, old) = (&self.context, &self.old);
        let keys = Keys::new(context, &self.site, &self.settings, &self.git_config);
        let new = keys.ensure(&old.account, &Silent, Some(old))?;
        if let Some(new) = &new.identity.managed {
            proof::prove(context, &keys, &self.config, &self.endpoints, new, &Silent)?;
        }
        self.remove_old(&keys)
    }

    /// Where the token may not delete, the old one is left to expire.
    fn remove_old(&self, keys: &Keys<'_>) -> Result<(), Failure> {
        let old = &self.old;
        let id = old.key_id.as_deref().and_then(KeyId::new);
        let (Some(id), Some(registry)) = (id, keys.registry(&old.account)?) else {
            return Ok(());
        };
        match removal::from_site(&old.account, registry.as_ref(), Place::Account, &id) {
            Ok(()) => {
                removal::from_here(&self.context, old)?;
            }
            Err(error) => tracing::info!("{} is left to expire: {error}", old.file.display()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::identity::{AccountName, State};

    #[test]
    fn only_the_last_tenth_of_a_life_is_due() {
        let now = Timestamp::UNIX_EPOCH + 24_000.hours();
        for (created, expires, due, why) in [
            (900, None, false, "it does not expire"),
            (900, Some(99), true, "a tenth is more"),
            (900, Some(101), false, "more than a tenth"),
            (900, Some(-1), false, "it has expired: that is judged"),
        ] {
            let record = Managed {
                account: AccountName {
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
                state: State::Proved,
                passphrase: PassphrasePlace::None,
                repository: None,
                read_only: false,
            };
            assert_eq!(is_due(&record, now), due, "{why}");
        }
    }
}
