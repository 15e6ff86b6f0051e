//! The keys on this machine: their files, the agent, and what an interrupted provisioning left behind.

use std::fs;
use std::path::{Path, PathBuf};

use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use super::checkup::{Checkup, word};
use super::finding::{Finding, Fix, Verdict, counted};
use crate::bitbucket::keyring;
use crate::identity::key_file::{self, DRAFT, KeyFileError};
use crate::identity::{Holder, Identity, ManagedKey, Offer, PassphrasePlace, State, agent};
use crate::settings::Sourced;

/// The files ssh(1) takes by itself.
const DEFAULT_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Every check of every file that may be offered, and of the folders they lie in.
pub(super) fn files(checkup: &Checkup<'_>) -> Vec<Finding> {
    let mut findings = folders(checkup);
    let records = match &checkup.examined {
        Ok(examined) => {
            findings.extend(missing(checkup, &examined.ours.plan.missing));
            examined.ours.records.identities()
        }
        Err(_) => &[],
    };
    for record in records {
        // A record whose file is gone says nothing any more once a newer one is in use.
        let used = checkup.uses(record);
        if record.state != State::Pending && !record.file.exists() && used {
            let account = word(&record.account.name);
            findings.push(
                Finding::fail("key-present", "recorded, and the file is gone")
                    .about(checkup.shown(&record.file))
                    .next(format!("git bitbucket key new --account {account}")),
            );
        }
    }
    let files = existing(checkup);
    if files.is_empty() && findings.is_empty() {
        return vec![
            Finding::warn(
                "key-present",
                "no key file is here; a fetch makes one where an account is logged in",
            )
            .next(checkup.key_new()),
        ];
    }
    for file in files {
        let record = records
            .iter()
            .find(|record| record.file == file && checkup.uses(record));
        for finding in of_file(checkup, &file, record) {
            findings.push(finding.about(checkup.shown(&file)));
        }
    }
    findings
}

/// Files that exist: of the plan, the records, ssh_config, and the default ones.
fn existing(checkup: &Checkup<'_>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    if let Ok(examined) = &checkup.examined {
        for candidate in &examined.ours.plan.candidates {
            if let Offer::Identities(identities) = &candidate.offer {
                files.extend(identities.iter().filter_map(|one| match &one.holder {
                    Holder::File(file) => Some(file.clone()),
                    Holder::Agent => None,
                }));
            }
        }
        let records = examined.ours.records.identities();
        files.extend(records.iter().map(|record| record.file.clone()));
        files.extend(examined.config.identity_files.iter().cloned());
    }
    let ssh = checkup.context.ssh_directory();
    files.extend(
        DEFAULT_FILES
            .iter()
            .filter_map(|name| Some(ssh.as_ref()?.join(name))),
    );
    files.retain(|file| file.is_file());
    let mut seen = Vec::new();
    files.retain(|file| {
        let new = !seen.contains(file);
        seen.push(file.clone());
        new
    });
    files
}

fn missing(checkup: &Checkup<'_>, missing: &[Sourced<PathBuf>]) -> Vec<Finding> {
    let finding = |file: &Sourced<PathBuf>| {
        let shown = checkup.shown(&file.value);
        Finding::fail("key-present", "named by the configuration, and not there")
            .next(format!("git bitbucket key new --file {}", word(&shown)))
            .about(shown)
    };
    missing.iter().map(finding).collect()
}

fn of_file(checkup: &Checkup<'_>, file: &Path, record: Option<&ManagedKey>) -> Vec<Finding> {
    let shown = word(&checkup.shown(file));
    let mut findings = vec![Finding::ok("key-present", "there")];
    let permissions = permissions(file, &shown);
    let open_to_others = permissions.verdict != Verdict::Ok;
    findings.push(permissions);
    if open_to_others {
        let text = "ssh does not open a key that others may read";
        findings.push(Finding::skip("key-format", text));
        return findings;
    }
    let public = match key_file::identity(file) {
        Ok(identity) => {
            findings.push(Finding::ok("key-format", "can be read"));
            identity.public_key
        }
        Err(error) => {
            let next = match &error {
                KeyFileError::Putty { .. } => format!(
                    "mv {shown} {shown}.ppk; puttygen {shown}.ppk -O private-openssh -o {shown}"
                ),
                _ => format!("mv {shown} {shown}.unreadable"),
            };
            findings.push(Finding::fail("key-format", error.to_string()).next(next));
            return findings;
        }
    };
    if let Some(public) = &public {
        findings.push(size(checkup, file, public));
    }
    findings.push(passphrase(checkup, file, &shown, record));
    findings.push(beside(file, &shown, public.as_ref()));
    findings
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

/// Windows has other rights.
#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}

/// Whether anybody but the owner may do anything.
fn is_open(mode: u32) -> bool {
    mode & 0o077 != 0
}

fn permissions(file: &Path, shown: &str) -> Finding {
    let check = "key-permissions";
    match mode(file) {
        None => Finding::skip(check, "this system has no such permissions"),
        Some(mode) if !is_open(mode) => Finding::ok(check, format!("0{mode:03o}")),
        Some(mode) => Finding::fail(
            check,
            format!("0{mode:03o}: others may read the private key"),
        )
        .next(format!("chmod 600 {shown}"))
        .fix(Fix::Mode(file.to_owned(), 0o600)),
    }
}

/// `~/.ssh`, the records' folder, and what in it holds secrets.
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
        let Some((path, mode)) = path.and_then(|path| Some((path.clone(), mode(&path)?))) else {
            continue;
        };
        if mode & forbidden != 0 {
            let shown = checkup.shown(&path);
            findings.push(
                Finding::fail("key-permissions", format!("0{mode:03o} is too open"))
                    .next(format!("chmod {wanted:o} {}", word(&shown)))
                    .about(shown)
                    .fix(Fix::Mode(path, wanted)),
            );
        }
    }
    findings
}

/// What Bitbucket takes (RSA of 2048 bits and more, no DSA), and what lasts.
///
/// A key that another one goes before keeps nobody from anything.
fn size(checkup: &Checkup<'_>, file: &Path, public: &PublicKey) -> Finding {
    let check = "key-size";
    match judged(public) {
        None => Finding::ok(check, name(public)),
        Some(_) if checkup.stands_behind(file) => {
            Finding::ok(check, format!("{}; another key goes first", name(public)))
        }
        Some((verdict, why)) => {
            let renew = format!("{} --type ed25519", checkup.key_new());
            let text = format!("{}{why}", name(public));
            Finding::new(check, verdict, text).next(renew)
        }
    }
}

/// `RSA of 2048 bits`, `ssh-ed25519`.
fn name(public: &PublicKey) -> String {
    match public.key_data() {
        KeyData::Rsa(rsa) => format!("RSA of {} bits", rsa.key_size()),
        _ => public.algorithm().as_str().to_owned(),
    }
}

/// What is to be said against it. `None`: nothing.
fn judged(public: &PublicKey) -> Option<(Verdict, &'static str)> {
    match public.key_data() {
        KeyData::Rsa(rsa) => match rsa.key_size() {
            0..2048 => Some((Verdict::Fail, " is refused by the site")),
            2048..3072 => Some((Verdict::Warn, "; 3072 or Ed25519 is today's measure")),
            _ => None,
        },
        KeyData::Dsa(_) => Some((Verdict::Fail, " is no longer taken by anybody")),
        _ => None,
    }
}

fn passphrase(
    checkup: &Checkup<'_>,
    file: &Path,
    shown: &str,
    record: Option<&ManagedKey>,
) -> Finding {
    let check = "key-passphrase";
    let place = record.map(|record| record.passphrase);
    let encrypted = match key_file::open(file, None) {
        Ok(_) => false,
        Err(KeyFileError::Encrypted { .. }) => true,
        Err(error) => {
            return Finding::fail(check, error.to_string())
                .next(format!("mv {shown} {shown}.unreadable"));
        }
    };
    match (encrypted, place) {
        (false, _) => Finding::ok(check, "none: whoever has the file is let in")
            .next(format!("ssh-keygen -p -f {shown}")),
        (true, Some(PassphrasePlace::Keyring)) => {
            let fingerprint = record.map_or("", |record| record.fingerprint.as_str());
            match keyring::key_passphrase(checkup.context, fingerprint) {
                Ok(Some(_)) => Finding::ok(check, "in the system's keyring"),
                Ok(None) => Finding::fail(check, "the system's keyring does not have it")
                    .next(checkup.key_new()),
                Err(error) => Finding::fail(check, format!("{error}; is the keyring locked?"))
                    .next(checkup.again("")),
            }
        }
        (true, _) => Finding::ok(check, "asked for, unless the agent holds the key")
            .next(format!("ssh-add {shown}")),
    }
}

fn beside(file: &Path, shown: &str, public: Option<&PublicKey>) -> Finding {
    let check = "key-public";
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    let exists = Path::new(&name).exists();
    match (public, key_file::public_beside(file)) {
        (Some(public), Some(found)) if found.key_data() == public.key_data() => {
            Finding::ok(check, "the .pub beside it matches")
        }
        (_, Some(_)) if public.is_none() => Finding::skip(
            check,
            "the private key shows its public half only when opened",
        ),
        (_, Some(_)) => Finding::fail(check, "the .pub beside it is of another key")
            .next(format!("ssh-keygen -y -f {shown} >{shown}.pub")),
        (_, None) if exists => Finding::fail(check, "the .pub beside it holds no key")
            .next(format!("ssh-keygen -y -f {shown} >{shown}.pub")),
        (Some(public), None) => Finding::warn(check, "no .pub beside it")
            .next(format!("ssh-keygen -y -f {shown} >{shown}.pub"))
            .fix(Fix::Public(file.to_owned(), Box::new(public.clone()))),
        (None, None) => Finding::warn(
            check,
            "no .pub beside it, and only its passphrase shows the public half",
        )
        .next(format!("ssh-keygen -y -f {shown} >{shown}.pub")),
    }
}

/// A server closes the connection after six tries (sshd_config(5), MaxAuthTries).
const MOST_KEYS: usize = 5;

/// Reachable, then what it holds.
pub(super) fn agent(checkup: &Checkup<'_>) -> Vec<Finding> {
    let Ok(examined) = &checkup.examined else {
        return vec![Finding::skip("agent", "the settings cannot be read")];
    };
    let Some(socket) = agent::socket(&examined.config, checkup.context) else {
        return vec![
            Finding::skip("agent", "there is none, and none is needed")
                .next("eval \"$(ssh-agent)\""),
        ];
    };
    let held = match agent::identities(&socket) {
        Ok(held) => held,
        Err(error) => {
            return vec![Finding::fail("agent", error.to_string()).next("eval \"$(ssh-agent)\"")];
        }
    };
    let mut findings = vec![Finding::ok(
        "agent",
        format!("answers at {}", checkup.shown(&socket)),
    )];
    findings.extend(key(checkup, &held));
    let number = held.len();
    let chosen = examined.ours.plan.decided_by.is_some()
        || examined
            .ours
            .plan
            .candidates
            .first()
            .is_some_and(|first| first.account.is_some());
    findings.push(if number <= MOST_KEYS {
        Finding::ok("agent-keys", counted(number, "key"))
    } else if chosen {
        Finding::ok(
            "agent-keys",
            format!("{number} keys; only the chosen account's are offered"),
        )
    } else {
        Finding::warn(
            "agent-keys",
            format!(
                "{number} keys: servers hang up after six, so the right one may not be reached"
            ),
        )
        .next(match checkup.account() {
            Some(account) => format!("git bitbucket use {} --global", word(&account)),
            None => "git bitbucket login".to_owned(),
        })
    });
    findings
}

/// Whether it holds the first identity of the plan.
fn key(checkup: &Checkup<'_>, held: &[Identity]) -> Option<Finding> {
    let check = "agent-key";
    let examined = checkup.examined.as_ref().ok()?;
    let first =
        examined
            .ours
            .plan
            .candidates
            .iter()
            .find_map(|candidate| match &candidate.offer {
                Offer::Identities(identities) => identities.first(),
                Offer::NewKey => None,
            })?;
    let fingerprint = first.fingerprint()?;
    if held
        .iter()
        .any(|key| key.fingerprint().as_ref() == Some(&fingerprint))
    {
        return Some(Finding::ok(
            check,
            format!("holds {fingerprint}, which goes first"),
        ));
    }
    let Holder::File(file) = &first.holder else {
        return Some(Finding::fail(check, format!("does not hold {fingerprint}")).next("ssh-add"));
    };
    let shown = word(&checkup.shown(file));
    Some(match key_file::open(file, None) {
        Ok(_) => Finding::ok(
            check,
            "not needed: the key file that goes first has no passphrase",
        ),
        Err(_) => Finding::warn(
            check,
            "does not hold the key that goes first; its passphrase is asked for",
        )
        .next(format!("ssh-add {shown}")),
    })
}

/// Unfinished files and unfinished records.
pub(super) fn leftovers(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "leftovers";
    let mut findings = Vec::new();
    let context = checkup.context;
    for folder in [context.ssh_directory(), context.records_directory()]
        .into_iter()
        .flatten()
    {
        let drafts = fs::read_dir(&folder).into_iter().flatten().flatten();
        let drafts = drafts.filter(|entry| entry.file_name().to_string_lossy().starts_with(DRAFT));
        let mut names: Vec<_> = drafts.map(|entry| entry.path()).collect();
        names.sort();
        if !names.is_empty() {
            let words = names.iter().map(|file| word(&checkup.shown(file)));
            let next = words.fold("rm".to_owned(), |line, name| line + " " + &name);
            findings.push(
                Finding::warn(check, counted(names.len(), "unfinished file"))
                    .about(checkup.shown(&folder))
                    .next(next)
                    .fix(Fix::Sweep(folder)),
            );
        }
    }
    let records = match &checkup.examined {
        Ok(examined) => examined.ours.records.identities(),
        Err(_) => &[],
    };
    for record in records {
        if record.state != State::Pending && !checkup.uses(record) {
            continue;
        }
        let fetch = checkup.fetch();
        let file = checkup.shown(&record.file);
        let finding = match (record.state, record.file.exists()) {
            (State::Pending, false) => {
                Finding::warn(check, "a key pair was begun and never placed")
                    .next(checkup.again("--fix --yes"))
                    .fix(Fix::Forget(record.fingerprint.clone()))
            }
            (State::Pending | State::Registered, true) if record.repository.is_some() => {
                let url = record.repository.as_deref().unwrap_or_default();
                let may = if record.read_only { " --read-only" } else { "" };
                Finding::warn(check, "an access key was begun and is not in use yet").next(format!(
                    "git bitbucket key new --repository {}{may}",
                    word(url)
                ))
            }
            (State::Pending, true) => Finding::warn(
                check,
                "a key pair was begun and not registered; a fetch finishes it",
            )
            .next(fetch),
            (State::Registered, true) => {
                Finding::warn(check, "registered, and no connection has proved it yet").next(fetch)
            }
            (State::Unverified, true) => {
                Finding::warn(check, "no login has confirmed whose key it is").next(format!(
                    "git bitbucket login {}",
                    word(&record.account.name)
                ))
            }
            (State::Removing, _) => Finding::warn(check, "its removal was begun and not finished")
                .next(format!("git bitbucket key revoke {}", record.fingerprint)),
            (State::Verified, _) | (State::Registered | State::Unverified, false) => continue,
        };
        findings.push(finding.about(file));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no interrupted provisioning"));
    }
    findings
}
