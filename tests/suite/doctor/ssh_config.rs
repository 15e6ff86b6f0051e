//! ssh_config: what ssh cannot read, aliases, and host names that are forgotten.

use std::fs;

use super::{append, chmod, is_fixed, is_fixed_by_answers, served};
use crate::support::World;

const OFFLINE: [&str; 1] = ["--offline"];

fn configured(text: &str) -> World {
    let world = served();
    fs::write(world.path("home/.ssh/config"), text).unwrap();
    chmod(&world, "home/.ssh/config", 0o600);
    world
}

#[test]
fn a_misspelt_option_is_corrected() {
    for (text, expected, why) in [
        (
            "Host x\nHost bitbucket.org 127.0.0.1\n  IdentitiesOnyl yes\n",
            "sed -i.bak 3s/IdentitiesOnyl/IdentitiesOnly/ ~/.ssh/config",
            "the option that is near",
        ),
        (
            "Frobnicate yes\n",
            "sed -i.bak '1s/^/#/' ~/.ssh/config",
            "none is near: out of the way",
        ),
        (
            "IdentitiesOnly maybe\n",
            "sed -i.bak '1s/^/#/' ~/.ssh/config",
            "a value that is none",
        ),
    ] {
        let world = configured(text);
        let next = is_fixed(&world, &OFFLINE, ("ssh-config", "FAIL", "line"));
        assert_eq!(next, expected, "{why}");
        let (_, list) = super::doctor(&world, &OFFLINE);
        super::is_well(&list, "settings");
        let kept = fs::read_to_string(world.path("home/.ssh/config.bak"));
        assert_eq!(kept.unwrap(), text, "the old file stays");
    }
}

#[test]
fn a_file_that_others_may_write_is_shut() {
    let world = configured("");
    chmod(&world, "home/.ssh/config", 0o666);
    let found = ("ssh-config", "FAIL", "Bad owner or permissions");
    assert_eq!(is_fixed(&world, &OFFLINE, found), "chmod 600 ~/.ssh/config");
}

#[test]
fn an_alias_is_turned_into_settings() {
    let world = configured("Host bitbucket.org-work\n  HostName bitbucket.org\n  User git\n");
    // The sandbox replaces Cloud's hosts, whose list is checked.
    world
        .git(&[
            "config",
            "--global",
            "--unset-all",
            "bitbucket.https://bitbucket.org.sshHost",
        ])
        .succeeds();
    world.make_key("work", "");
    append(&world, "home/.ssh/config", "  IdentityFile ~/.ssh/work\n");
    world
        .git(&[
            "-C",
            "site",
            "remote",
            "set-url",
            "origin",
            "git@bitbucket.org-work:acme/site.git",
        ])
        .succeeds();
    let found = ("ssh-config-aliases", "WARN", "alias for bitbucket.org");
    let next = is_fixed_by_answers(&world, &OFFLINE, found, &[("[y/N]", "y")]);
    assert_eq!(next, "git bitbucket migrate");
    let url = world
        .git(&["-C", "site", "remote", "get-url", "origin"])
        .stdout();
    assert_eq!(url, "git@ssh.bitbucket.org:acme/site.git\n");
}

#[test]
fn a_block_that_forgets_host_names_gets_them() {
    let world = configured("Host other\n\nHost bitbucket.org\n  IdentityFile ~/.ssh/x\n");
    world
        .git(&[
            "config",
            "--global",
            "--unset-all",
            "bitbucket.https://bitbucket.org.sshHost",
        ])
        .succeeds();
    let found = ("ssh-config-hosts", "WARN", "different settings");
    let next = is_fixed(&world, &OFFLINE, found);
    assert_eq!(
        next,
        "sed -i.bak '3s/$/ ssh.bitbucket.org altssh.bitbucket.org/' ~/.ssh/config"
    );
}

#[test]
fn a_provider_counts_only_if_it_is_set() {
    let world = configured("Host *\n  PKCS11Provider /usr/lib/opensc-pkcs11.so\n");
    let found = ("ssh-config-options", "WARN", "uses the system's ssh");
    let next = is_fixed(&world, &OFFLINE, found);
    assert_eq!(next, "git config --global bitbucket.transport openssh");
}
