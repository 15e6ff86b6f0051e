//! What must hold after a crash, and one plain fetch behind it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ssh_key::{HashAlg, PrivateKey, PublicKey};

use super::URL;
use crate::support::{ALICE, World};

/// A message about what is wrong.
pub type Verdict = Result<(), String>;

/// Fails with this message if something does not hold.
pub fn holds(right: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if right { Ok(()) } else { Err(otherwise()) }
}

/// One more plain fetch, with a site and a disk that work: it succeeds without waiting; one managed
/// key is on the site, it is the one that was used, this machine has it, and nothing else is left.
/// A further fetch calls no API.
pub fn in_order(world: &World) -> Verdict {
    fetches(world)?;
    one_key(world)?;
    let before = world.sandbox.requests().len();
    fetches(world)?;
    let requests = world.sandbox.requests().len() - before;
    holds(requests == 0, || {
        format!("a further fetch makes {requests} requests")
    })
}

/// A plain fetch.
pub fn fetches(world: &World) -> Verdict {
    let output = world.git(&["ls-remote", "-q", URL]);
    holds(output.status == Some(0), || {
        format!("the fetch fails: {output}")
    })?;
    let waits = output.stderr().contains("waiting for process");
    holds(!waits, || format!("a lock is in the way: {output}"))
}

/// One managed key is on the site, it was used last, and it is the only one here.
pub fn one_key(world: &World) -> Verdict {
    every_key_is_held(world)?;
    let keys = world.sandbox.keys(ALICE);
    holds(keys.len() == 1, || {
        format!("{} keys on the site", keys.len())
    })?;
    let connections = world.sandbox.connections();
    let login = connections.last().and_then(|last| last.login.clone());
    let served = login.map(|login| login.fingerprint);
    holds(served.as_ref() == Some(&keys[0].fingerprint), || {
        format!("{served:?} served, not {}", keys[0].fingerprint)
    })?;
    let held = held(world)?;
    holds(held.len() == 1, || format!("private keys here: {held:?}"))?;
    let records = fs::read(world.path("home/.ssh/bitbucket-ssh/records.json"));
    let records: serde_json::Value = serde_json::from_slice(&records.map_err(|e| e.to_string())?)
        .map_err(|error| format!("records: {error}"))?;
    let identities = records["identities"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let states: Vec<_> = identities.iter().map(|one| one["state"].clone()).collect();
    // Leaving: a revoke that had not come to the site.
    let right = states == ["proved"] || states == ["leaving"];
    holds(right, || format!("recorded: {states:?}"))
}

/// No private key is lost whose public half the site knows, and no unfinished file is left.
pub fn every_key_is_held(world: &World) -> Verdict {
    let held = held(world)?;
    for key in world.sandbox.keys(ALICE) {
        holds(held.contains(&key.fingerprint), || {
            format!("the site knows {}, here are {held:?}", key.fingerprint)
        })?;
    }
    for folder in [
        "home/.ssh",
        "home/.ssh/bitbucket-ssh",
        "home/.local/state/bitbucket-ssh",
    ] {
        let entries = fs::read_dir(world.path(folder)).into_iter().flatten();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let left = name.starts_with('.');
            holds(!left, || format!("{folder}/{name} is left"))?;
        }
    }
    Ok(())
}

/// The fingerprints of the private key files of ours that are in use, each of mode 0600 and with
/// its public half beside it.
pub fn held(world: &World) -> Result<Vec<String>, String> {
    held_in(&world.path("home/.ssh"))
}

/// [`held`] of a folder.
pub fn held_in(folder: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("bitbucket_") || name.contains(".pub") || name.contains(".revoked") {
            continue;
        }
        let file = entry.path();
        let problem = |why: &dyn std::fmt::Display| format!("{name}: {why}");
        let key = PrivateKey::read_openssh_file(&file).map_err(|error| problem(&error))?;
        let mode = fs::metadata(&file)
            .map_err(|error| problem(&error))?
            .permissions()
            .mode();
        holds(mode & 0o777 == 0o600, || problem(&format!("mode {mode:o}")))?;
        let public = PublicKey::read_openssh_file(file.with_file_name(format!("{name}.pub")))
            .map_err(|error| problem(&format!(".pub: {error}")))?;
        let matches = public.key_data() == key.public_key().key_data();
        holds(matches, || problem(&".pub is of another key"))?;
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        found.push(fingerprint.trim_start_matches("SHA256:").to_owned());
    }
    Ok(found)
}
