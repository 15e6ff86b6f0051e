//! Keys that are refused, missing, or cannot be used.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use jiff::{Timestamp, ToSpan as _};
use sandbox::{SCOPES_MINIMUM, SshFault};

use super::{BOB, SITE, Scene, holds, served, without_login};
use crate::openssh::{keyring, lock, unlocked};
use crate::support::{ALICE, Agent, World, run};

#[test]
fn a_loose_key_that_no_account_has() {
    holds("The key is not registered", || {
        let world = without_login();
        world.make_key("id_ed25519", "");
        let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
        Scene::new(world, SITE)
            .answer("Account on https://bitbucket.org", "")
            .answer("API token for alice@example.com: ", &token)
    });
}

#[test]
fn a_key_that_expired() {
    holds(
        "The key has expired, and creating one is not allowed",
        || {
            let world = served();
            let end = Timestamp::now() - 1.hour();
            world.sandbox.set_expiry(ALICE, Some(end));
            world.configure("bitbucket.provision", "never");
            Scene::new(world, SITE)
        },
    );
}

#[test]
fn a_key_that_was_removed() {
    holds("The key was removed from the account", || {
        let world = served();
        world.sandbox.remove_keys(ALICE, None);
        Scene::new(world, SITE)
    });
}

#[test]
fn a_key_that_is_listed_and_refused() {
    holds("The key is on the account, but it is refused", || {
        let world = served();
        world.sandbox.faults().ssh(SshFault::RefuseKey, 1);
        Scene::new(world, SITE)
    });
}

#[test]
fn a_refused_key_without_a_readable_key_list() {
    holds(
        "The key is refused, and the account's keys cannot be read",
        || {
            let mut world = served();
            world.sandbox.remove_keys(ALICE, None);
            world.unset("BITBUCKET_EMAIL");
            world.unset("BITBUCKET_API_TOKEN");
            let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
            Scene::new(world, SITE).answer("API token for alice@example.com: ", &token)
        },
    );
}

#[test]
fn an_identity_file_that_is_missing() {
    holds(
        "bitbucket.identityFile names a file that does not exist",
        || {
            let world = World::new();
            world.configure("bitbucket.passphrase", "none");
            world.configure("bitbucket.identityFile", "~/.ssh/work");
            Scene::new(world, SITE)
        },
    );
}

#[test]
fn a_file_of_ssh_config_that_is_missing() {
    holds("ssh_config names a key file that does not exist", || {
        let world = World::new();
        world.configure("bitbucket.passphrase", "none");
        fs::write(
            world.path("home/.ssh/config"),
            "Host bitbucket.org\n    IdentitiesOnly yes\n    IdentityFile ~/.ssh/work\n",
        )
        .unwrap();
        Scene::new(world, SITE)
    });
}

/// A folder with every program of this machine but ssh.
fn programs_without_ssh(world: &World) -> PathBuf {
    let folder = world.path("programs");
    fs::create_dir(&folder).unwrap();
    for from in ["/bin", "/usr/bin", "/usr/local/bin"] {
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            if entry.file_name() != "ssh" {
                let _ = symlink(entry.path(), folder.join(entry.file_name()));
            }
        }
    }
    let ours = Path::new(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    for name in ["bitbucket-ssh", "git-bitbucket"] {
        let _ = symlink(ours.with_file_name(name), folder.join(name));
    }
    folder
}

#[test]
fn a_key_file_that_only_openssh_reads() {
    holds("The key file can be read by OpenSSH only", || {
        let mut world = without_login();
        let file = world.path("home/.ssh/work");
        let mut keygen = world.command("ssh-keygen");
        keygen
            .args(["-q", "-t", "ecdsa", "-m", "PEM", "-N", "secret", "-f"])
            .arg(&file);
        run(keygen).succeeds();
        let line = fs::read_to_string(file.with_extension("pub")).unwrap();
        world.sandbox.add_key(ALICE, &line, "work");
        world.configure("bitbucket.identityFile", "~/.ssh/work");
        let programs = programs_without_ssh(&world);
        world.set("PATH", &programs);
        Scene::new(world, SITE)
            .answer("Enter old passphrase: ", "secret")
            .answer("Enter new passphrase (empty for no passphrase): ", "")
            .answer("Enter same passphrase again: ", "")
    });
}

#[test]
fn an_option_that_names_a_missing_file() {
    holds("-i names a file that does not exist", || {
        let mut world = World::new();
        world.configure("bitbucket.passphrase", "none");
        world.set("GIT_SSH_COMMAND", "bitbucket-ssh -i ~/.ssh/work");
        Scene::new(world, SITE).afterwards(|world| world.unset("GIT_SSH_COMMAND"))
    });
}

/// `~/.ssh/work`, which is Alice's, and its public half alone is left.
fn public_half(world: &World) {
    let line = world.make_key("work", "");
    world.sandbox.add_key(ALICE, &line, "work");
    world.configure("bitbucket.identityFile", "~/.ssh/work.pub");
}

#[test]
fn an_agent_without_the_key() {
    holds("The agent does not hold the key", || {
        let mut world = World::new();
        public_half(&world);
        let agent = Agent::start(&mut world);
        Scene::new(world, SITE).with(agent)
    });
}

#[test]
fn an_agent_that_is_gone() {
    holds("The agent does not answer", || {
        let mut world = World::new();
        public_half(&world);
        let agent = Agent::start(&mut world);
        agent.add(&world, "work");
        drop(agent);
        let next = Rc::new(RefCell::new(None));
        Scene::new(world, SITE)
            .with(Rc::clone(&next))
            .afterwards(move |world| {
                std::fs::remove_file(world.path("tmp/agent.sock")).ok();
                next.replace(Some(Agent::start(world)));
            })
    });
}

#[test]
fn a_key_file_that_others_can_read() {
    holds("The key file can be read by others", || {
        let world = World::new();
        let line = world.make_key("work", "");
        world.sandbox.add_key(ALICE, &line, "work");
        world.configure("bitbucket.identityFile", "~/.ssh/work");
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(world.path("home/.ssh/work"), open).unwrap();
        Scene::new(world, SITE)
    });
}

/// An askpass that answers so.
fn answers(world: &mut World, answer: &str) {
    let program = world.path("tmp/askpass");
    fs::write(&program, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    world.set("SSH_ASKPASS", &program);
    world.set("SSH_ASKPASS_REQUIRE", "force");
}

#[test]
fn a_wrong_passphrase() {
    holds("The passphrase is wrong", || {
        let mut world = World::new();
        let line = world.make_key("work", "the right one");
        world.sandbox.add_key(ALICE, &line, "work");
        world.configure("bitbucket.identityFile", "~/.ssh/work");
        answers(&mut world, "a wrong one");
        Scene::new(world, SITE).afterwards(|world| answers(world, "the right one"))
    });
}

#[test]
fn a_keyring_that_is_locked() {
    holds("The keyring is locked", || {
        let mut world = World::new();
        let daemons = Rc::new(RefCell::new(Vec::from(keyring(&mut world))));
        world
            .git(&["ls-remote", "-q", "git@bitbucket.org:acme/site.git"])
            .succeeds();
        lock(&world);
        Scene::new(world, SITE)
            .with(Rc::clone(&daemons))
            .afterwards(move |world| {
                let mut daemons = daemons.borrow_mut();
                daemons.pop();
                daemons.push(unlocked(world));
            })
    });
}

#[test]
fn a_key_of_another_account() {
    holds("The public key is on another account", || {
        let world = World::new();
        world.configure("bitbucket.passphrase", "none");
        let line = world.make_key("id_ed25519", "");
        world.sandbox.add_account(BOB, "bob");
        world.sandbox.add_key(BOB, &line, "bob's");
        Scene::new(world, "git bitbucket key add ~/.ssh/id_ed25519.pub").goal(SITE)
    });
}
