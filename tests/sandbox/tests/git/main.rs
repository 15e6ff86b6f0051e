//! The sandbox over the wire with the real tools: git, ssh, ssh-keygen, git-lfs.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "test code: its own processes, with an environment of their own"
)]

mod https;
mod machine;

use std::fs;
use std::time::Duration;

use machine::{ALICE, Machine, refused, succeeded, write_noise};
use sandbox::{Permission, Refusals, SshFault, Visibility};

#[test]
fn git_works_both_ways_and_in_every_protocol() {
    let machine = Machine::new();
    let url = machine.url("acme/site");
    for version in ["0", "1", "2"] {
        let protocol = format!("protocol.version={version}");
        succeeded(&machine.git(&["-c", &protocol, "clone", "-q", &url, &format!("v{version}")]));
    }
    let environment = &machine.sandbox.connections()[2].environment;
    assert!(environment.contains(&("GIT_PROTOCOL".into(), "version=2".into())));

    write_noise(&machine.path("v2/noise"), 24);
    succeeded(&machine.git(&["-C", "v2", "add", "noise"]));
    succeeded(&machine.git(&["-C", "v2", "commit", "-q", "-m", "Make noise"]));
    succeeded(&machine.git(&["-C", "v2", "push", "-q", "origin", "HEAD"]));
    succeeded(&machine.git(&["-C", "v0", "pull", "-q"]));
    assert_eq!(
        fs::read(machine.path("v0/noise")).unwrap(),
        fs::read(machine.path("v2/noise")).unwrap()
    );
    succeeded(&machine.git(&["clone", "-q", "--filter=blob:none", &url, "partial"]));
    let remote = format!("--remote={url}");
    let archive = machine.git(&["archive", "--format=tar", &remote, "HEAD", "README.md"]);
    assert!(succeeded(&archive).contains("A repository of the sandbox"));

    let last = machine.sandbox.connections().pop().unwrap();
    assert_eq!(last.login.unwrap().account.as_deref(), Some(ALICE));
    assert_eq!(last.commands[0].line, "git-upload-archive '/acme/site.git'");
    assert_eq!(last.commands[0].status, Some(0));
}

#[test]
fn a_session_without_a_command_names_no_account() {
    let machine = Machine::new();
    let greeting = succeeded(&machine.ssh("git", &["-T"]));
    assert!(greeting.starts_with("authenticated via ssh key."));
    assert!(succeeded(&machine.ssh("git", &["host_key_info"])).contains("ssh-ed25519"));
}

#[test]
fn user_name_rule() {
    let machine = Machine::new();
    machine.sandbox.add_account("bob@example.com", "bob");
    succeeded(&machine.ssh("alice", &["-T"]));
    refused(
        &machine.ssh("bob", &["-T"]),
        "Permission denied (publickey)",
    );
    refused(
        &machine.ssh("nobody", &["-T"]),
        "Permission denied (publickey)",
    );
}

#[test]
fn missing_permissions_are_reported_in_the_site_s_words() {
    let machine = Machine::new();
    let site = &machine.sandbox;
    site.add_repository("acme/other", Visibility::Private);
    let no_access = machine.git(&["ls-remote", &machine.url("acme/other")]);
    refused(&no_access, "conq: repository access denied.");
    let absent = machine.git(&["ls-remote", &machine.url("acme/absent")]);
    refused(&absent, "conq: repository does not exist.");

    site.set_refusals(Refusals {
        access_denied: "Forbidden".to_owned(),
        as_packet: true,
        ..Refusals::default()
    });
    let packet = machine.git(&["ls-remote", &machine.url("acme/other")]);
    refused(&packet, "fatal: remote error: Forbidden");

    site.grant(ALICE, "acme/other", Some(Permission::Read));
    succeeded(&machine.git(&["clone", "-q", &machine.url("acme/other"), "other"]));
    refused(
        &machine.git(&["-C", "other", "push", "-q", "origin", "HEAD:x"]),
        "Forbidden",
    );

    let line = machine.make_key("access");
    site.add_deploy_key("acme/other", &line, "ci");
    let with_access_key = |arguments: &[&str]| {
        let command = machine.ssh_command("access");
        let mut git = machine.tool("git");
        git.env("GIT_SSH_COMMAND", command)
            .args(arguments)
            .output()
            .unwrap()
    };
    site.set_refusals(Refusals::default());
    succeeded(&with_access_key(&["ls-remote", &machine.url("acme/other")]));
    let foreign = with_access_key(&["ls-remote", &machine.url("acme/site")]);
    refused(&foreign, "deployment key is not associated");
    refused(
        &with_access_key(&["-C", "other", "push", "origin", "HEAD:x"]),
        "is read-only",
    );
}

#[test]
fn expired_and_fresh_keys_are_unknown() {
    let machine = Machine::new();
    let past = jiff::Timestamp::UNIX_EPOCH;
    machine.sandbox.set_expiry(ALICE, Some(past));
    refused(
        &machine.ssh("git", &["-T"]),
        "Permission denied (publickey)",
    );
    machine.sandbox.set_expiry(ALICE, None);
    succeeded(&machine.ssh("git", &["-T"]));
    machine.sandbox.remove_keys(ALICE, None);
    refused(
        &machine.ssh("git", &["-T"]),
        "Permission denied (publickey)",
    );
}

#[test]
fn connections_fail_as_configured() {
    let machine = Machine::new();
    let faults = machine.sandbox.faults();
    for (fault, text) in [
        (SshFault::ResetBeforeBanner, "reset by"),
        (SshFault::DisconnectAtAuthentication, "Connection"),
        (
            SshFault::OtherHostKey,
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
        ),
        (
            SshFault::Refuse {
                text: "Unauthorized".into(),
                status: 1,
            },
            "Unauthorized",
        ),
    ] {
        faults.ssh(fault.clone(), 1);
        let output = machine.ssh("git", &["git-upload-pack '/acme/site.git'"]);
        refused(&output, text);
    }
    faults.ssh(SshFault::CloseChannel, 1);
    assert!(
        !machine
            .ssh("git", &["git-upload-pack '/acme/site.git'"])
            .status
            .success()
    );
    faults.ssh(SshFault::Silent, 1);
    refused(
        &machine.ssh("git", &["-T", "-o", "ConnectTimeout=1"]),
        "timed out",
    );
    faults.ssh(SshFault::Slow(Duration::from_millis(50)), 1);
    succeeded(&machine.ssh("git", &["-T"]));

    write_noise(&machine.path("noise"), 4);
    succeeded(&machine.git(&["clone", "-q", &machine.url("acme/site"), "site"]));
    fs::rename(machine.path("noise"), machine.path("site/noise")).unwrap();
    succeeded(&machine.git(&["-C", "site", "add", "noise"]));
    succeeded(&machine.git(&["-C", "site", "commit", "-q", "-m", "Make noise"]));
    succeeded(&machine.git(&["-C", "site", "push", "-q", "origin", "HEAD"]));
    faults.ssh(SshFault::CutAfter(1 << 20), 1);
    let cut = machine.git(&["clone", &machine.url("acme/site"), "cut"]);
    refused(&cut, "early EOF");
    succeeded(&machine.git(&["clone", "-q", &machine.url("acme/site"), "whole"]));
}

#[test]
fn git_lfs_moves_objects() {
    let machine = Machine::new();
    succeeded(&machine.git(&["lfs", "install", "--skip-repo"]));
    succeeded(&machine.git(&["clone", "-q", &machine.url("acme/site"), "site"]));
    succeeded(&machine.git(&["-C", "site", "lfs", "track", "*.bin"]));
    write_noise(&machine.path("site/large.bin"), 2);
    succeeded(&machine.git(&["-C", "site", "add", "."]));
    succeeded(&machine.git(&["-C", "site", "commit", "-q", "-m", "Add a large file"]));
    succeeded(&machine.git(&["-C", "site", "push", "-q", "origin", "HEAD"]));
    succeeded(&machine.git(&["clone", "-q", &machine.url("acme/site"), "again"]));
    assert_eq!(
        fs::read(machine.path("site/large.bin")).unwrap(),
        fs::read(machine.path("again/large.bin")).unwrap()
    );
    let commands = machine.sandbox.commands();
    let some = |start: &str| commands.iter().any(|line| line.starts_with(start));
    assert!(
        some("git-lfs-authenticate") && some("git-lfs-transfer"),
        "{commands:?}"
    );
    assert!(
        machine
            .sandbox
            .requests()
            .iter()
            .any(|one| one.path.ends_with("/objects/batch"))
    );
}
