//! Keys that the native transport cannot use go to the system's ssh, alone, within the same command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::last;
use crate::choice::{SITE, advertise, ask, count, logins};
use crate::support::{ALICE, Agent, World, run};

const PASSPHRASE: &str = "open sesame";

/// No account is known; the passphrase is answered by an askpass program.
fn world() -> World {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    let program = world.path("askpass");
    fs::write(&program, format!("#!/bin/sh\necho '{PASSPHRASE}'\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    world.set("SSH_ASKPASS", &program);
    world.set("SSH_ASKPASS_REQUIRE", "force");
    world
}

/// A key `~/.ssh/NAME` of Alice's, made with these words.
fn make_key(world: &World, name: &str, words: &[&str]) {
    let file = world.path("home/.ssh").join(name);
    let mut keygen = world.command("ssh-keygen");
    keygen
        .args(["-q", "-C", name, "-N", PASSPHRASE, "-f"])
        .arg(&file)
        .args(words);
    run(keygen).succeeds();
    let public = fs::read_to_string(file.with_extension("pub")).unwrap();
    world.sandbox.add_key(ALICE, &public, name);
}

/// What only OpenSSH reads.
const FOREIGN: [(&str, &[&str]); 2] = [
    ("triple", &["-t", "ed25519", "-Z", "3des-cbc"]),
    ("pem", &["-t", "ecdsa", "-m", "PEM"]),
];

#[test]
fn a_key_file_that_only_openssh_reads_is_used_by_ssh() {
    for (name, words) in FOREIGN {
        for with_public_half in [true, false] {
            let mut world = world();
            make_key(&world, name, words);
            world.make_key("other", "");
            let agent = Agent::start(&mut world);
            agent.add(&world, "other");
            world.configure("bitbucket.identityFile", &format!("~/.ssh/{name}"));
            if !with_public_half {
                fs::remove_file(world.path("home/.ssh").join(format!("{name}.pub"))).unwrap();
            }
            world.git(&["clone", "-q", SITE, "site"]).succeeds();
            let connection = last(&world);
            assert!(connection.client.contains("OpenSSH"), "{name}");
            let first = &connection.offers[0].fingerprint;
            assert!(
                connection
                    .offers
                    .iter()
                    .all(|one| one.fingerprint == *first),
                "the agent's other key is not offered"
            );
        }
    }
}

#[test]
fn a_default_file_that_only_openssh_reads_does_not_hide_other_keys() {
    let world = world();
    make_key(&world, "id_ecdsa", &["-t", "ecdsa", "-m", "PEM"]);
    fs::remove_file(world.path("home/.ssh/id_ecdsa.pub")).unwrap();
    let rsa = ["-t", "rsa", "-b", "2048"];
    make_key(&world, "id_rsa", &rsa);
    let before = count(&world);
    ask(&world, &["git@bitbucket.org", &advertise(SITE)]).succeeds();
    assert_eq!(logins(&world, before), [ALICE]);
    assert!(!last(&world).client.contains("OpenSSH"), "the readable one");
}

#[test]
fn without_an_ssh_the_error_names_key_reason_and_a_conversion_that_works() {
    for (name, words) in FOREIGN {
        let mut world = world();
        make_key(&world, name, words);
        world.configure("bitbucket.identityFile", &format!("~/.ssh/{name}"));
        let path = world.variable("PATH").unwrap().to_owned();
        world.set("PATH", "/nonexistent");
        let failed = ask(&world, &["git@bitbucket.org", &advertise(SITE)])
            .fails_with(255)
            .says(&format!("{name}\": "))
            .says("is not supported")
            .says("hint: ssh-keygen -p -f ");
        world.set("PATH", &path);
        let text = failed.stderr();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("hint: ssh-keygen"));
        let mut shell = world.command("sh");
        let line = format!(
            "ssh-keygen -q -P '{PASSPHRASE}' -N '{PASSPHRASE}' {}",
            line.unwrap()
        );
        shell.args(["-c", &line]);
        run(shell).succeeds();
        world.set("PATH", "/nonexistent");
        ask(&world, &["git@bitbucket.org", &advertise(SITE)]).succeeds();
        assert!(!last(&world).client.contains("OpenSSH"), "{name}");
    }
}

#[test]
fn an_agent_s_key_that_is_bound_to_the_host_is_used_by_ssh() {
    let mut world = world();
    let line = world.make_key("bound", "");
    world.sandbox.add_key(ALICE, &line, "bound");
    let agent = Agent::start(&mut world);
    let mut add = world.command("ssh-add");
    add.arg("-H")
        .arg(world.path("home/.ssh/known_hosts"))
        .arg("-h")
        .arg(format!("[127.0.0.1]:{}", world.sandbox.ssh_port()))
        .arg(world.path("home/.ssh/bound"));
    run(add).succeeds();
    fs::remove_file(world.path("home/.ssh/bound")).unwrap();
    world.git(&["clone", "-q", SITE, "site"]).succeeds();
    assert!(last(&world).client.contains("OpenSSH"));
    assert_eq!(last(&world).login.unwrap().account.as_deref(), Some(ALICE));
    drop(agent);
}
