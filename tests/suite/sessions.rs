//! The session itself: sizes, streams that close, keys that are asked for.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::{ALICE, Agent, Running, Sshd, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// A world with `otherHosts = native` and a server that runs any command.
fn beside_sshd() -> (World, Sshd) {
    let mut world = World::new();
    let sshd = Sshd::start(&world, "");
    sshd.authorize(&world.make_key("laptop", ""));
    world.configure("bitbucket.otherHosts", "native");
    let known = std::fs::read_to_string(world.path("home/.ssh/known_hosts")).unwrap();
    let known = format!(
        "{known}\n{}",
        sshd.known_hosts().replace("127.0.0.1", "localhost")
    );
    std::fs::write(world.path("home/.ssh/known_hosts"), known).unwrap();
    world.unset("BITBUCKET_API_TOKEN");
    (world, sshd)
}

fn session(world: &World, sshd: &Sshd, command: &str) -> std::process::Command {
    let mut session = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    let key = world.path("home/.ssh/laptop");
    session
        .arg("-i")
        .arg(key)
        .args(["-4", "-p", &sshd.port.to_string()]);
    session.arg(format!("{}@localhost", sshd.user)).arg(command);
    session
}

/// The peak of resident memory of a process that has not been waited for, in MiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

const SIZE: u64 = 500 << 20;

#[test]
fn half_a_gigabyte_comes_down_in_little_memory() {
    let (world, sshd) = beside_sshd();
    let command = format!("head -c {SIZE} /dev/zero");
    let mut child = session(&world, &sshd, &command)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let (mut sum, mut most) = (0u64, 0);
    let mut block = vec![0; 1 << 16];
    loop {
        let count = output.read(&mut block).unwrap();
        if count == 0 {
            break;
        }
        sum += count as u64;
        if sum.is_multiple_of(1 << 20) {
            most = most.max(peak(child.id()));
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(sum, SIZE);
    assert!(most > 0 && most < 64, "{most} MiB");
}

#[test]
fn half_a_gigabyte_is_pushed_with_little_memory() {
    let (world, sshd) = beside_sshd();
    let mut child = session(&world, &sshd, "wc -c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let block = vec![7; 1 << 20];
    let mut most = 0;
    for _ in 0..SIZE >> 20 {
        input.write_all(&block).unwrap();
        most = most.max(peak(child.id()));
    }
    drop(input);
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(output.trim(), SIZE.to_string());
    assert!(most > 0 && most < 64, "{most} MiB");
}

#[test]
fn closed_streams_are_no_trouble() {
    let world = World::new();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let service = "git@bitbucket.org 'git-lfs-authenticate acme/site.git download'";
    for (script, status, why) in [
        (
            format!("bitbucket-ssh {service} <&- >/dev/null"),
            0,
            "no stdin",
        ),
        (
            format!("bitbucket-ssh {service} </dev/null >&-"),
            0,
            "no stdout",
        ),
        (
            format!("bitbucket-ssh {service} </dev/null 2>&- >/dev/null"),
            0,
            "no stderr",
        ),
        (format!("bitbucket-ssh -n {service} >/dev/null"), 0, "-n"),
        (
            format!(
                "set -o pipefail; bitbucket-ssh {service} </dev/null | head -c1 >/dev/null; true"
            ),
            0,
            "a reader that has enough",
        ),
    ] {
        let mut shell = world.command("bash");
        shell.args(["-c", &script]);
        let output = run(shell);
        assert_eq!(output.status, Some(status), "{why}: {output}");
    }
}

#[test]
fn an_encrypted_key_is_asked_for_only_once_the_server_wants_it() {
    let mut world = World::new();
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    let ask = world.path("tmp/ask");
    let asked = world.path("tmp/asked");
    let script = format!(
        "#!/bin/sh\necho \"$1\" >> '{}'\necho secret\n",
        asked.display()
    );
    std::fs::write(&ask, script).unwrap();
    std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.set("SSH_ASKPASS", &ask);
    world.set("SSH_ASKPASS_REQUIRE", "force");
    let foreign = world.make_key("foreign", "secret");
    let own = world.make_key("own", "secret");
    world.sandbox.add_key(ALICE, &own, "laptop");
    let key = |name: &str| {
        world
            .path("home/.ssh")
            .join(name)
            .to_string_lossy()
            .into_owned()
    };

    world.configure("bitbucket.identityFile", &key("foreign"));
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("Permission denied (publickey).");
    assert!(
        !asked.exists(),
        "a rejected key is never asked for: {foreign}"
    );

    world.configure("bitbucket.identityFile", &key("own"));
    world.git(&["ls-remote", URL]).succeeds();
    let questions = std::fs::read_to_string(&asked).unwrap();
    assert_eq!(
        questions,
        format!("Enter passphrase for key '{}': \n", key("own"))
    );

    std::fs::write(
        &ask,
        format!("#!/bin/sh\necho x >> '{}'\necho wrong\n", asked.display()),
    )
    .unwrap();
    std::fs::remove_file(&asked).unwrap();
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("Permission denied (publickey).");
    assert_eq!(
        std::fs::read_to_string(&asked).unwrap().lines().count(),
        3,
        "three tries"
    );
}

#[test]
fn a_crowded_agent_offers_few_keys_and_a_named_one_alone() {
    let mut world = World::new();
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    let agent = Agent::start(&mut world);
    for number in 0..20 {
        let name = format!("foreign{number}");
        world.make_key(&name, "");
        agent.add(&world, &name);
        std::fs::remove_file(world.path("home/.ssh").join(&name)).unwrap();
    }
    let own = world.make_key("own", "");
    agent.add(&world, "own");
    world.sandbox.add_key(ALICE, &own, "laptop");
    std::fs::remove_file(world.path("home/.ssh/own")).unwrap();

    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("Permission denied (publickey).");
    let connections = world.sandbox.connections();
    let offers: usize = connections
        .iter()
        .map(|connection| connection.offers.len())
        .sum();
    assert_eq!(offers, 12, "no more than twelve keys for one command");
    assert!(
        connections
            .iter()
            .all(|connection| connection.offers.len() <= 5)
    );

    let public = world
        .path("home/.ssh/own.pub")
        .to_string_lossy()
        .into_owned();
    world.configure("bitbucket.identityFile", &public);
    world.git(&["ls-remote", URL]).succeeds();
    let connections = world.sandbox.connections();
    assert_eq!(
        connections.last().unwrap().offers.len(),
        1,
        "the named key alone"
    );
}

#[test]
fn a_connection_lost_in_mid_pack_is_an_error_and_no_hang() {
    let (world, sshd) = beside_sshd();
    let running = Running::start(
        session(&world, &sshd, "echo up; kill -9 $PPID; sleep 600"),
        Vec::new(),
    );
    let output = running.wait().fails_with(255);
    assert!(output.stderr().contains("onnection"), "{output}");
}

#[test]
fn the_passphrase_of_a_managed_key_is_asked_for() {
    let mut world = World::new();
    let ask = world.path("tmp/ask");
    std::fs::write(&ask, "#!/bin/sh\necho open sesame\n").unwrap();
    std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.set("SSH_ASKPASS", &ask);
    world.set("SSH_ASKPASS_REQUIRE", "force");
    world.configure("bitbucket.passphrase", "ask");
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let file = world.path("home/.ssh/bitbucket_alice@example.com_ed25519");
    let mut keygen = world.command("ssh-keygen");
    keygen.args(["-y", "-P", "", "-f"]).arg(&file);
    assert_ne!(run(keygen).status, Some(0), "the file is locked");
    let mut keygen = world.command("ssh-keygen");
    keygen.args(["-y", "-P", "open sesame", "-f"]).arg(&file);
    run(keygen).succeeds();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}
