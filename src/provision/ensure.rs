//! Making a key: each step is durable before the next begins.
//!
//! Lock of the site → token → list of the account's keys → record *pending* → private key placed →
//! `.pub` → register → record *registered*. The proof is the caller's connection, behind which
//! [`proved`] is called. Interrupted anywhere, the next call goes on with the same key pair.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan as _};
use ssh_key::HashAlg;

use super::key_file::{holds, is_taken, shown, with_pub};
use super::lock::Lock;
use super::passphrase::{self, Passphrase};
use super::person::{self, Person};
use super::record::{self, Records};
use super::registration::{Registration, register};
use super::{Error, by_hand, folder, generate, names};
use crate::bitbucket::{self, KeyRegistry, NewKey, RegisteredKey, User};
use crate::context::Context;
use crate::diagnostics;
use crate::identity::{Account, AccountName, Holder, Managed, State, key_pair};
use crate::prompt::Prompt;
use crate::repository::{Site, SiteKind};
use crate::secret::Secret;
use crate::settings::{Provision, Settings};

/// How many pairs are made where the site says it knows each of them already.
const PAIRS: usize = 3;

/// A key that is wanted.
pub struct Order<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// Where it is to be registered.
    pub site: &'a Site,
    /// For whom.
    pub account: &'a AccountName,
    /// Key type, lifetime, passphrase, and whether a key may be made.
    pub settings: &'a Settings,
    /// Who can be asked.
    pub prompt: &'a dyn Prompt,
    /// An identity that no longer serves: only one that was made after it counts as there.
    pub replaces: Option<&'a Managed>,
    /// A further pair is wanted although one is there; what is there stays.
    pub further: Option<Further<'a>>,
    /// The account's view of the site. `None`: there is no token.
    pub registry: &'a dyn Fn() -> Result<Option<Box<dyn KeyRegistry>>, Error>,
}

/// How a further pair is wished.
#[derive(Debug, Clone, Copy, Default)]
pub struct Further<'a> {
    /// Its private key file, which must not exist. `None`: the next free of the usual names.
    pub file: Option<&'a Path>,
}

/// A key that is wanted where no account is known.
pub struct Newcomer<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// Where it is to be registered.
    pub site: &'a Site,
    /// Key type, lifetime and passphrase.
    pub settings: &'a Settings,
    /// Who can be asked.
    pub prompt: &'a dyn Prompt,
}

/// A key that is registered, or about to be pasted.
#[derive(Debug)]
pub struct Made {
    /// Its record.
    pub record: Managed,
    /// What a person has just chosen for its file: it need not be asked for again.
    pub passphrase: Option<Secret>,
    /// A person is to paste it: the site does not know it yet. Others wait until this is dropped.
    pub by_hand: Option<ByHand>,
}

/// Holds the lock of the site while a person pastes a key.
#[derive(Debug)]
pub struct ByHand(#[expect(dead_code, reason = "held, not used")] Lock);

/// Makes a key pair for the account and registers it; or finishes one that was begun, or adopts
/// one that the account lists already, or takes the one that another process has just made.
/// Writes below `~/.ssh` only.
///
/// # Errors
///
/// See [`Error`]; what was begun stays recorded.
pub fn ensure(order: &Order<'_>) -> Result<Made, Error> {
    allowed(order)?;
    let lock = lock(order)?;
    locked(order, None, lock)
}

/// As [`ensure`]; where there is no token, a person on a terminal is asked for one, or pastes the
/// key.
///
/// # Errors
///
/// As [`ensure`].
pub fn ensure_with(order: &Order<'_>, person: &Person<'_>) -> Result<Made, Error> {
    allowed(order)?;
    let lock = lock(order)?;
    locked(order, Some(person), lock)
}

/// For a machine that knows no account of the site: a person on a terminal says which. `None`:
/// the person named none.
///
/// # Errors
///
/// As [`ensure`].
pub fn ensure_newcomer(
    newcomer: &Newcomer<'_>,
    person: &Person<'_>,
) -> Result<Option<Made>, Error> {
    let context = newcomer.context;
    let lock = lock_of(context, newcomer.site, newcomer.prompt)?;
    let meanwhile = Records::open(context)?.newest(&newcomer.site.url).cloned();
    if let Some(record) = meanwhile {
        return Ok(Some(made(record)));
    }
    let asked = person::account(context, newcomer.site, newcomer.prompt, person)?;
    let Some(account) = asked else {
        return Ok(None);
    };
    let order = Order {
        context,
        site: newcomer.site,
        account: &account,
        settings: newcomer.settings,
        prompt: newcomer.prompt,
        replaces: None,
        further: None,
        registry: &|| (person.registry)(&account),
    };
    locked(&order, Some(person), lock).map(Some)
}

fn allowed(order: &Order<'_>) -> Result<(), Error> {
    if order.settings.provision.value == Provision::Never {
        return Err(Error::NotAllowed {
            account: order.account.clone(),
        });
    }
    Ok(())
}

fn lock(order: &Order<'_>) -> Result<Lock, Error> {
    lock_of(order.context, order.site, order.prompt)
}

fn lock_of(context: &Context, site: &Site, prompt: &dyn Prompt) -> Result<Lock, Error> {
    let folder = folder::prepare(context)?;
    let lock = Lock::of_site(&folder.join(lock_name(site)), prompt)?;
    if let Some(directory) = context.ssh_directory() {
        key_pair::sweep_drafts(&directory);
    }
    Ok(lock)
}

/// Everything that is done under the lock of the site.
fn locked(order: &Order<'_>, person: Option<&Person<'_>>, lock: Lock) -> Result<Made, Error> {
    let account = order.account;
    // Not only read: what a killed process left of the records goes, too.
    let meanwhile = record::update(order.context, |records| {
        records.usable(account, order.replaces).cloned()
    })?;
    if let Some(record) = meanwhile.filter(|_| order.further.is_none()) {
        tracing::info!("{}: made meanwhile", record.file.display());
        return Ok(made(record));
    }
    if order.settings.provision.value == Provision::Ask {
        let question = format!("Make a key for {account} and register it with the site? [Y/n] ");
        if !order.prompt.confirm(&question)? {
            return Err(Error::Declined {
                account: account.clone(),
            });
        }
    }
    let person = person.filter(|_| order.prompt.terminal());
    let registry = match ((order.registry)()?, person) {
        (Some(registry), _) => registry,
        (None, Some(person)) => match person::log_in(order, person)? {
            Some(registry) => registry,
            None => return by_hand::make(order, ByHand(lock)),
        },
        (None, None) => {
            return Err(Error::NoToken {
                account: account.clone(),
            });
        }
    };
    let site_said = |error: bitbucket::Error| Error::Site {
        account: account.clone(),
        error,
    };
    let user = registry.user().map_err(site_said)?;
    is_of_the_account(order, &user).map_err(site_said)?;
    let keys = registry.keys(&user).map_err(site_said)?;
    note_account(order, &user, &keys)?;
    let desk = Desk {
        order,
        registry: registry.as_ref(),
        user,
        keys,
    };
    let named = order.further.is_some_and(|further| further.file.is_some());
    if !named && let Some(made) = desk.finish_what_was_begun()? {
        return Ok(made);
    }
    if order.further.is_none()
        && let Some(record) = desk.adopt()?
    {
        return Ok(made(record));
    }
    match desk.make() {
        // A kind of token that may not add keys.
        Err(Error::Site {
            error: bitbucket::Error::Forbidden { message },
            ..
        }) if person.is_some() => {
            diagnostics::notice(&format!("the token may not register keys: {message}"));
            by_hand::make(order, ByHand(lock))
        }
        made => made,
    }
}

/// A connection with the key was let in. Written once. What a person has pasted is let in and yet
/// unverified: whose account it was pasted into, only a login tells.
pub fn proved(context: &Context, record: &Managed) -> Result<(), Error> {
    record::update(context, |records| records.let_in(&record.fingerprint))
}

fn made(record: Managed) -> Made {
    Made {
        record,
        passphrase: None,
        by_hand: None,
    }
}

/// One lock for each site.
pub(super) fn lock_name(site: &Site) -> String {
    let place = site
        .url
        .split_once("://")
        .map_or(site.url.as_str(), |(_, rest)| rest);
    let name: String = place
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!("{name}.lock")
}

/// On Data Center a token does not say whose it is until it is used: a key must not go to another
/// account than the one it is made for. (Cloud compares the address itself.)
pub(super) fn is_of_the_account(order: &Order<'_>, user: &User) -> Result<(), bitbucket::Error> {
    let wanted = order.account.name.to_lowercase();
    match &user.user_name {
        Some(name) if order.site.kind == SiteKind::DataCenter && name.to_lowercase() != wanted => {
            Err(bitbucket::Error::TokenRefused {
                message: format!("it is the token of {}", user.display_name),
            })
        }
        _ => Ok(()),
    }
}

/// What the site told of the account is kept for the plan; whether it is logged in stays.
fn note_account(order: &Order<'_>, user: &User, keys: &[RegisteredKey]) -> Result<(), Error> {
    record::update(order.context, |records| {
        let known = records.account(order.account).cloned();
        let known = known.unwrap_or_else(|| Account {
            account: order.account.clone(),
            logged_in: false,
            user_name: None,
            id: None,
            key_fingerprints: Vec::new(),
            store: None,
            emails: match order.site.kind {
                SiteKind::Cloud => vec![order.account.name.clone()],
                SiteKind::DataCenter => Vec::new(),
            },
        });
        records.set_account(Account {
            user_name: user.user_name.clone(),
            id: Some(user.id.clone()),
            key_fingerprints: keys.iter().map(|key| key.fingerprint.clone()).collect(),
            ..known
        });
    })
}

/// What is at hand once the site has answered.
struct Desk<'a> {
    order: &'a Order<'a>,
    registry: &'a dyn KeyRegistry,
    user: User,
    keys: Vec<RegisteredKey>,
}

impl Desk<'_> {
    fn now(&self) -> Timestamp {
        self.order.context.clock.now()
    }

    fn listed(&self, fingerprint: &str) -> Option<&RegisteredKey> {
        self.keys.iter().find(|key| key.fingerprint == fingerprint)
    }

    /// A pending record whose file is here is gone on with; one without its file is dropped.
    fn finish_what_was_begun(&self) -> Result<Option<Made>, Error> {
        let context = self.order.context;
        let records = Records::open(context)?;
        let pending = records.identities().iter().filter(|record| {
            record.state == State::Pending
                && record.account == *self.order.account
                && record.repository.is_none()
        });
        for record in pending {
            if !holds(&record.file, &record.fingerprint)? {
                self.drop_without_file(record)?;
                continue;
            }
            if let Ok(public) = ssh_key::PublicKey::from_openssh(&record.public_key) {
                key_pair::place_public(&record.file, &public, &record.label)?;
            }
            let file = shown(context, &record.file);
            diagnostics::notice(&format!("going on with the key {file}"));
            // Its time begins when the site is told of it, not when it was begun.
            let record = Managed {
                expires: expires(self.order, self.now()),
                ..record.clone()
            };
            match self.register(&record)? {
                Ok(record) => return Ok(Some(made(record))),
                Err(words) => self.set_aside(&record, &words)?,
            }
        }
        Ok(None)
    }

    /// Nothing of it is here. Where the site knows it nevertheless, that is said: its file may
    /// have been moved, so it is not ours to remove.
    fn drop_without_file(&self, record: &Managed) -> Result<(), Error> {
        if let Some(listed) = self.listed(&record.fingerprint) {
            diagnostics::notice(&format!(
                "the key {} has gone; the site still lists it as \"{}\" ({})",
                shown(self.order.context, &record.file),
                listed.label,
                record.fingerprint
            ));
        } else {
            passphrase::forget(self.order.context, record);
        }
        record::update(self.order.context, |records| {
            records.forget_identity(&record.fingerprint);
        })
    }

    /// The site knows this key from elsewhere: it is nobody's here. Its files stay.
    fn set_aside(&self, record: &Managed, words: &str) -> Result<(), Error> {
        let file = shown(self.order.context, &record.file);
        diagnostics::notice(&format!("the site does not take {file}: {words}"));
        record::update(self.order.context, |records| {
            records.forget_identity(&record.fingerprint);
        })
    }

    /// A key file of the name we would give it, which the account lists and nobody recorded.
    fn adopt(&self) -> Result<Option<Managed>, Error> {
        let Some(directory) = self.order.context.ssh_directory() else {
            return Ok(None);
        };
        let replaced = self
            .order
            .replaces
            .map(|record| record.fingerprint.as_str());
        let name = file_name(self.order);
        for file in names::places(&directory, &name).take_while(|file| is_taken(file)) {
            let Ok(identity) = key_pair::identity(&file) else {
                continue;
            };
            let (Holder::File(_), Some(fingerprint), Some(public)) = (
                &identity.holder,
                identity.fingerprint(),
                &identity.public_key,
            ) else {
                continue;
            };
            let Some(listed) = self.listed(&fingerprint) else {
                continue;
            };
            if replaced == Some(fingerprint.as_str()) {
                continue;
            }
            let passphrase = match passphrase::place_of(self.order.context, &file, &fingerprint) {
                Err(Error::KeyFile(error)) => {
                    tracing::info!("{error}");
                    continue;
                }
                place => place?,
            };
            if let Err(error) = key_pair::place_public(&file, public, &listed.label) {
                tracing::info!("{error}");
            }
            let record = Managed {
                account: self.order.account.clone(),
                file: file.clone(),
                public_key: one_line(public),
                fingerprint,
                key_id: Some(listed.id.as_str().to_owned()),
                label: listed.label.clone(),
                created: self.now(),
                expires: listed.expires,
                state: State::Registered,
                passphrase,
                repository: None,
                read_only: false,
            };
            record::update(self.order.context, |records| {
                records.set_identity(record.clone());
            })?;
            diagnostics::notice(&format!(
                "taking the key {}, which {} lists",
                shown(self.order.context, &file),
                self.order.account
            ));
            return Ok(Some(record));
        }
        Ok(None)
    }

    fn make(&self) -> Result<Made, Error> {
        let order = self.order;
        let context = order.context;
        let passphrase =
            passphrase::choose(context, order.settings.passphrase.value, order.prompt)?;
        let mut message = String::new();
        for _ in 0..PAIRS {
            let record = place_new(order, &passphrase)?;
            match self.register(&record)? {
                Ok(record) => {
                    return Ok(Made {
                        record,
                        passphrase: passphrase.secret,
                        by_hand: None,
                    });
                }
                Err(words) => {
                    self.set_aside(&record, &words)?;
                    message = words;
                }
            }
        }
        Err(Error::AlwaysTaken { message })
    }

    /// On the account's list, and recorded so. The inner error: the site knows the key from
    /// elsewhere, in its words.
    fn register(&self, record: &Managed) -> Result<Result<Managed, String>, Error> {
        let registration = if let Some(listed) = self.listed(&record.fingerprint) {
            Registration::Listed(listed.clone())
        } else {
            let key = NewKey {
                public_key: record.public_key.clone(),
                label: record.label.clone(),
                expires: record.expires,
            };
            let registered = register(self.registry, &self.user, &key, &record.fingerprint);
            registered.map_err(|error| Error::Site {
                account: self.order.account.clone(),
                error,
            })?
        };
        let listed = match registration {
            Registration::Listed(listed) => listed,
            Registration::Taken(words) => return Ok(Err(words)),
        };
        let registered = Managed {
            key_id: Some(listed.id.as_str().to_owned()),
            expires: listed.expires.or(record.expires),
            state: State::Registered,
            ..record.clone()
        };
        let replaced = self.order.replaces.map(|old| old.fingerprint.clone());
        record::update(self.order.context, |records| {
            records.set_identity(registered.clone());
            if let Some(old) = &replaced {
                records.forget_identity(old);
            }
            if let Some(account) = records.account(self.order.account).cloned() {
                let mut account = account;
                if !account.key_fingerprints.contains(&registered.fingerprint) {
                    account
                        .key_fingerprints
                        .push(registered.fingerprint.clone());
                    records.set_account(account);
                }
            }
        })?;
        diagnostics::notice(&format!(
            "registered it with Bitbucket as \"{}\"",
            registered.label
        ));
        Ok(Ok(registered))
    }
}

/// A new pair: recorded as pending, then its files placed.
pub(super) fn place_new(order: &Order<'_>, passphrase: &Passphrase) -> Result<Managed, Error> {
    let context = order.context;
    let directory = context.ssh_directory().ok_or(Error::NoHome)?;
    let now = context.clock.now();
    let label = names::label(context, now, &record::machine_tag(context)?);
    let pair = generate::key_pair(order.settings.key_type.value)?;
    let fingerprint = pair.fingerprint(HashAlg::Sha256).to_string();
    let records = Records::open(context)?;
    let wished = order.further.and_then(|further| further.file);
    let places: Vec<PathBuf> = match wished {
        Some(file) => vec![context.directory.join(file)],
        None => names::places(&directory, &file_name(order)).collect(),
    };
    let file = places
        .into_iter()
        .find(|file| {
            let recorded = records.identities().iter().any(|known| known.file == *file);
            !is_taken(file) && !is_taken(&with_pub(file)) && !recorded
        })
        .ok_or_else(|| match wished {
            Some(file) => Error::KeyFile(key_pair::KeyFileError::Exists {
                path: file.to_owned(),
            }),
            None => Error::Generate("there is no free name for it".to_owned()),
        })?;
    let record = Managed {
        account: order.account.clone(),
        file: file.clone(),
        public_key: one_line(pair.public_key()),
        fingerprint,
        key_id: None,
        label,
        created: now,
        expires: expires(order, now),
        state: State::Pending,
        passphrase: passphrase.place,
        repository: None,
        read_only: false,
    };
    record::update(context, |records| records.set_identity(record.clone()))?;
    if let Err(error) = passphrase::keep(context, passphrase, &record.fingerprint) {
        record::update(context, |records| {
            records.forget_identity(&record.fingerprint);
        })?;
        return Err(error);
    }
    key_pair::place(&file, &pair, passphrase.lock(), &record.label)?;
    diagnostics::notice(&format!(
        "made an {} key pair for {}: {}",
        generate::name(order.settings.key_type.value),
        order.account,
        shown(context, &file)
    ));
    Ok(record)
}

fn expires(order: &Order<'_>, now: Timestamp) -> Option<Timestamp> {
    let days = order.settings.key_lifetime.as_ref()?.value;
    now.checked_add((i64::from(days) * 24).hours()).ok()
}

fn file_name(order: &Order<'_>) -> String {
    names::file_name(order.site, order.account, order.settings.key_type.value)
}

fn one_line(key: &ssh_key::PublicKey) -> String {
    let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh()
        .map(|line| line.trim_end().to_owned())
        .unwrap_or_default()
}
