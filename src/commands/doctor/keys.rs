//! The keys on this machine: their files, the agent, and what an interrupted provisioning left
//! behind.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use super::checkup::{Checkup, word};
use super::finding::{Finding, Verdict};
use super::fix::Fix;
use crate::bitbucket::keyring;
use crate::commands::resolve::Resolved;
use crate::identity::key_file::{self, KeyFileError};
use crate::identity::{Holder, Identity, ManagedKey, Offer, PassphrasePlace, State, agent};
use crate::storage::{self, DRAFT, Directory};
use crate::text::counted;

/// A server closes the connection after six tries (sshd_config(5), MaxAuthTries).
const MOST_KEYS: usize = 5;

/// Every check of every key file that may be offered, and of the folders that hold them.
pub(super) fn files(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "key-present";
    let mut findings = folders(checkup);
    if let Ok(resolved) = &checkup.resolved {
        for file in &resolved.target.plan.missing {
            let shown = checkup.shown(&file.value);
            let finding = Finding::fail(check, "configured, but the file does not exist")
                .next(format!("git bitbucket key new --file {}", word(&shown)));
            findings.push(finding.about(shown));
        }
    }
    let records = checkup.records();
    for record in records {
        // A missing file does no harm once a newer key is in use.
        if record.state != State::Pending && !record.file.exists() && checkup.uses(record) {
            let account = word(&record.account.name);
            let finding = Finding::fail(check, "the file of this managed key is gone")
                .next(format!("git bitbucket key new --account {account}"));
            findings.push(finding.about(checkup.shown(&record.file)));
        }
    }
    let files = existing(checkup);
    if files.is_empty() && findings.is_empty() {
        let text = "no key files; the next fetch creates one if an account is logged in";
        return vec![Finding::warn(check, text).next(checkup.key_new())];
    }
    for file in files {
        let of_file = |record: &&ManagedKey| record.file == file && checkup.uses(record);
        let record = records.iter().find(of_file);
        let findings_of_file = KeyFile::new(checkup, &file, record).check();
        findings.extend(
            findings_of_file
                .into_iter()
                .map(|one| one.about(checkup.shown(&file))),
        );
    }
    findings
}

/// The key files that exist: of the plan, the records and ssh_config, and the default ones; each
/// once.
fn existing(checkup: &Checkup<'_>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    if let Ok(resolved) = &checkup.resolved {
        for candidate in &resolved.target.plan.candidates {
            if let Offer::Identities(identities) = &candidate.offer {
                files.extend(identities.iter().filter_map(|one| match &one.holder {
                    Holder::File(file) => Some(file.clone()),
                    Holder::Agent => None,
                }));
            }
        }
        files.extend(checkup.records().iter().map(|record| record.file.clone()));
        files.extend(resolved.config.identities.identity_files.iter().cloned());
    }
    if let Some(folder) = checkup.context.ssh_directory() {
        files.extend(key_file::DEFAULT_FILES.map(|name| folder.join(name)));
    }
    let mut seen = HashSet::new();
    files.retain(|file| file.is_file() && seen.insert(file.clone()));
    files
}

/// Permissions of `~/.ssh`, of the folder of the records, and of the file with tokens.
fn folders(checkup: &Checkup<'_>) -> Vec<Finding> {
    let ssh = checkup.context.ssh_directory();
    let records = checkup.context.records_directory();
    let tokens = records.as_ref().map(|folder| folder.join("tokens.json"));
    let watched = [
        (ssh, 0o022, 0o700),
        (records, 0o077, 0o700),
        (tokens, 0o077, 0o600),
    ];
    let mut findings = Vec::new();
    for (path, forbidden, wanted) in watched {
        let Some(path) = path else { continue };
        let Some(mode) = mode(&path).filter(|mode| mode & forbidden != 0) else {
            continue;
        };
        let shown = checkup.shown(&path);
        let finding = Finding::fail("key-permissions", format!("0{mode:03o} is too open"))
            .next(format!("chmod {wanted:o} {}", word(&shown)))
            .fix(Fix::Mode(path, wanted));
        findings.push(finding.about(shown));
    }
    findings.extend(shared_directories(checkup));
    findings
}

/// The directories of the program's own that are not used, because another user could change what
/// is in them.
fn shared_directories(checkup: &Checkup<'_>) -> Vec<Finding> {
    let context = checkup.context;
    let own = [Directory::records(context), Directory::state(context)];
    let mut findings: Vec<Finding> = Vec::new();
    for directory in own.into_iter().flatten() {
        let Err(error) = directory.check() else {
            continue;
        };
        let shown = checkup.shown(directory.path());
        let finding = Finding::warn("key-permissions", format!("not used: {error}"));
        let finding = match &error {
            storage::Error::WritableByOthers(path) => {
                finding.next(format!("chmod go-w {}", word(&checkup.shown(path))))
            }
            _ => finding,
        };
        findings.push(finding.about(shown));
    }
    findings
}

/// Whether this user owns the file.
#[cfg(unix)]
fn is_own(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path);
    metadata.is_ok_and(|metadata| metadata.uid() == rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn is_own(_path: &Path) -> bool {
    true
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

/// Windows has no such permissions.
#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}

/// One key file under examination.
struct KeyFile<'a> {
    checkup: &'a Checkup<'a>,
    file: &'a Path,
    /// The file as a word of a command line.
    shown: String,
    record: Option<&'a ManagedKey>,
}

impl<'a> KeyFile<'a> {
    fn new(checkup: &'a Checkup<'a>, file: &'a Path, record: Option<&'a ManagedKey>) -> Self {
        Self {
            checkup,
            file,
            shown: word(&checkup.shown(file)),
            record,
        }
    }

    fn check(&self) -> Vec<Finding> {
        let permissions = self.permissions();
        let closed = permissions.verdict == Verdict::Ok;
        let mut findings = vec![Finding::ok("key-present", "exists"), permissions];
        let check = "key-format";
        if !closed {
            let text = "not read: ssh rejects a key that others can read";
            findings.push(Finding::skip(check, text));
            return findings;
        }
        let public = match key_file::identity(self.file) {
            Ok(identity) => identity.public_key,
            Err(error) => {
                let shown = &self.shown;
                let next = match &error {
                    KeyFileError::Putty { .. } => format!(
                        "mv {shown} {shown}.ppk; \
                         puttygen {shown}.ppk -O private-openssh -o {shown}"
                    ),
                    _ => format!("mv {shown} {shown}.unreadable"),
                };
                findings.push(Finding::fail(check, error.to_string()).next(next));
                return findings;
            }
        };
        findings.push(Finding::ok(check, "readable"));
        findings.extend(public.as_ref().map(|public| self.size(public)));
        findings.push(self.passphrase());
        findings.push(self.public_file(public.as_ref()));
        findings
    }

    fn permissions(&self) -> Finding {
        let check = "key-permissions";
        match mode(self.file) {
            None => Finding::skip(check, "this system has no Unix permissions"),
            // As ssh(1): the rule is for files of this user only.
            Some(mode) if mode & 0o077 != 0 && !is_own(self.file) => {
                Finding::ok(check, format!("0{mode:03o}, owned by another user"))
            }
            Some(mode) if mode & 0o077 != 0 => {
                let text = format!("0{mode:03o}: others can read the private key");
                Finding::fail(check, text)
                    .next(format!("chmod 600 {}", self.shown))
                    .fix(Fix::Mode(self.file.to_owned(), 0o600))
            }
            Some(mode) => Finding::ok(check, format!("0{mode:03o}")),
        }
    }

    /// What Bitbucket accepts (RSA from 2048 bits, no DSA) and what is recommended. A key does no
    /// harm as long as another one is offered first.
    fn size(&self, public: &PublicKey) -> Finding {
        let check = "key-size";
        let (name, bits) = match public.key_data() {
            KeyData::Rsa(rsa) => (format!("RSA with {} bits", rsa.key_size()), rsa.key_size()),
            _ => (public.algorithm().as_str().to_owned(), 0),
        };
        let (verdict, why) = match (public.key_data(), bits) {
            (KeyData::Rsa(_), 0..2048) => (Verdict::Fail, ", but Bitbucket requires 2048 or more"),
            (KeyData::Rsa(_), 2048..3072) => {
                (Verdict::Warn, "; 3072 bits or Ed25519 are recommended")
            }
            (KeyData::Dsa(_), _) => (Verdict::Fail, " keys are no longer accepted"),
            _ => return Finding::ok(check, name),
        };
        if self.checkup.is_offered_later(self.file) {
            return Finding::ok(check, format!("{name}; another key is offered first"));
        }
        let renew = format!("{} --type ed25519", self.checkup.key_new());
        Finding::new(check, verdict, format!("{name}{why}")).next(renew)
    }

    fn passphrase(&self) -> Finding {
        let check = "key-passphrase";
        let shown = &self.shown;
        match key_file::open(self.file, None) {
            Ok(_) => {
                return Finding::ok(check, "none: anyone with this file can use the key")
                    .next(format!("ssh-keygen -p -f {shown}"));
            }
            Err(KeyFileError::Encrypted { .. }) => {}
            Err(error @ KeyFileError::ForeignFormat { .. }) => {
                let text = format!("{error}: left to the system's ssh");
                return Finding::warn(check, text).next(format!("ssh-keygen -p -f {shown}"));
            }
            Err(error) => {
                return Finding::fail(check, error.to_string())
                    .next(format!("mv {shown} {shown}.unreadable"));
            }
        }
        let in_keyring = |record: &&ManagedKey| record.passphrase == PassphrasePlace::Keyring;
        let Some(record) = self.record.filter(in_keyring) else {
            return Finding::ok(check, "asked for unless the agent holds the key")
                .next(format!("ssh-add {shown}"));
        };
        match keyring::key_passphrase(self.checkup.context, &record.fingerprint) {
            Ok(Some(_)) => Finding::ok(check, "in the system's keyring"),
            Ok(None) => {
                Finding::fail(check, "not in the system's keyring").next(self.checkup.key_new())
            }
            Err(error) => Finding::fail(check, format!("{error}; is the keyring locked?"))
                .next(self.checkup.again("")),
        }
    }

    /// The `.pub` beside it.
    fn public_file(&self, public: Option<&PublicKey>) -> Finding {
        let check = "key-public";
        let mut name = self.file.as_os_str().to_owned();
        name.push(".pub");
        let shown = &self.shown;
        let derive = format!("ssh-keygen -y -f {shown} >{shown}.pub");
        let finding = match (public, key_file::public_beside(self.file)) {
            (Some(public), Some(found)) if found.key_data() == public.key_data() => {
                return Finding::ok(check, "the .pub file matches");
            }
            (None, Some(_)) => {
                let text = "not compared: reading the public key needs the passphrase";
                return Finding::skip(check, text);
            }
            (Some(_), Some(_)) => Finding::fail(check, "the .pub file belongs to another key"),
            (_, None) if Path::new(&name).exists() => {
                Finding::fail(check, "the .pub file holds no key")
            }
            (Some(public), None) => Finding::warn(check, "no .pub file")
                .fix(Fix::Public(self.file.to_owned(), Box::new(public.clone()))),
            (None, None) => {
                let text = "no .pub file, and deriving it needs the passphrase";
                Finding::warn(check, text)
            }
        };
        finding.next(derive)
    }
}

/// The agent: whether it can be reached, and which keys it holds.
pub(super) fn agent(checkup: &Checkup<'_>, resolved: &Resolved) -> Vec<Finding> {
    let check = "agent";
    let start = "eval \"$(ssh-agent)\"";
    let Some(socket) = agent::socket(&resolved.config, checkup.context) else {
        return vec![Finding::skip(check, "no agent is running (optional)").next(start)];
    };
    let held = match agent::identities(&socket) {
        Ok(held) => held,
        Err(error) => return vec![Finding::fail(check, error.to_string()).next(start)],
    };
    let text = format!("listening at {}", checkup.shown(&socket));
    let mut findings = vec![Finding::ok(check, text)];
    findings.extend(agent_key(checkup, &held));
    let check = "agent-keys";
    let plan = &resolved.target.plan;
    let first = plan.candidates.first();
    let chosen = plan.decided_by.is_some() || first.is_some_and(|first| first.account.is_some());
    let number = held.len();
    findings.push(if number <= MOST_KEYS {
        Finding::ok(check, counted(number, "key"))
    } else if chosen {
        let text = format!("{number} keys; only those of the selected account are offered");
        Finding::ok(check, text)
    } else {
        let text = format!(
            "{number} keys: servers disconnect after six attempts, perhaps before the right one"
        );
        Finding::warn(check, text).next(match checkup.account() {
            Some(account) => format!("git bitbucket use {} --global", word(&account)),
            None => "git bitbucket login".to_owned(),
        })
    });
    findings
}

/// Whether the agent holds the first identity of the plan.
fn agent_key(checkup: &Checkup<'_>, held: &[Identity]) -> Option<Finding> {
    let check = "agent-key";
    let (_, first) = checkup.first_identity()?;
    let fingerprint = first.fingerprint()?;
    let mut fingerprints = held.iter().filter_map(Identity::fingerprint);
    if fingerprints.any(|held| held == fingerprint) {
        let text = format!("holds {fingerprint}, the first key to be offered");
        return Some(Finding::ok(check, text));
    }
    let Holder::File(file) = &first.holder else {
        return Some(
            Finding::fail(
                check,
                format!("does not hold {fingerprint}, the first key to be offered"),
            )
            .next("ssh-add"),
        );
    };
    Some(if key_file::open(file, None).is_ok() {
        let text = "not needed: the first key to be offered has no passphrase";
        Finding::ok(check, text)
    } else {
        let text = "does not hold the first key to be offered, so its passphrase is asked for";
        Finding::warn(check, text).next(format!("ssh-add {}", word(&checkup.shown(file))))
    })
}

/// What an interrupted provisioning left behind: unfinished files and unfinished records.
pub(super) fn leftovers(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "leftovers";
    let mut findings = Vec::new();
    let context = checkup.context;
    let folders = [context.ssh_directory(), context.records_directory()];
    for folder in folders.into_iter().flatten() {
        let drafts = fs::read_dir(&folder).into_iter().flatten().flatten();
        let drafts = drafts.filter(|entry| entry.file_name().to_string_lossy().starts_with(DRAFT));
        let mut files: Vec<_> = drafts.map(|entry| entry.path()).collect();
        files.sort();
        if !files.is_empty() {
            let words: Vec<_> = files
                .iter()
                .map(|file| word(&checkup.shown(file)))
                .collect();
            let finding = Finding::warn(check, counted(files.len(), "unfinished file"))
                .about(checkup.shown(&folder))
                .next(format!("rm {}", words.join(" ")));
            findings.push(finding.fix(Fix::Sweep(folder)));
        }
    }
    for record in checkup.records() {
        if record.state == State::Pending || checkup.uses(record) {
            let finding = unfinished(checkup, record);
            findings.extend(finding.map(|one| one.about(checkup.shown(&record.file))));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no interrupted provisioning"));
    }
    findings
}

/// A managed key whose provisioning is not complete. `None`: it is, or its file is gone, which
/// [`files`] reports.
fn unfinished(checkup: &Checkup<'_>, record: &ManagedKey) -> Option<Finding> {
    let check = "leftovers";
    let fingerprint = &record.fingerprint;
    let warn = |text, next| Some(Finding::warn(check, text).next(next));
    match (record.state, record.file.exists()) {
        (State::Pending, false) => {
            let text = "a key pair was started but never written";
            let finding = Finding::warn(check, text).next(checkup.again("--fix --yes"));
            Some(finding.fix(Fix::Forget(fingerprint.clone())))
        }
        (State::Pending | State::Registered, true) if record.repository.is_some() => {
            let url = word(record.repository.as_deref().unwrap_or_default());
            let may = if record.read_only { " --read-only" } else { "" };
            let next = format!("git bitbucket key new --repository {url}{may}");
            warn("an access key was created but is not in use yet", next)
        }
        (State::Pending, true) => {
            let text = "a key pair was created but not registered; the next fetch completes it";
            warn(text, checkup.fetch())
        }
        (State::Registered, true) => {
            let text = "registered, but not yet verified by a connection";
            warn(text, checkup.fetch())
        }
        (State::Unconfirmed, true) => {
            let next = format!("git bitbucket login {}", word(&record.account.name));
            warn("no login has confirmed which account owns the key", next)
        }
        (State::Removing, _) => {
            let next = format!("git bitbucket key revoke {fingerprint}");
            warn("its removal was started but not completed", next)
        }
        (State::Verified, _) | (State::Registered | State::Unconfirmed, false) => None,
    }
}
