//! Where the network fails between git and the site: endpoints that say nothing, packs that end in
//! the middle, an API that does not recover.

use std::net::TcpListener;

use sandbox::{RestFault, SshFault};

use crate::support::{ALICE, Running, World};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// A file of bytes that do not compress, committed and pushed.
fn push_a_large_file(world: &World) {
    world.git(&["clone", "-q", URL, "filled"]).succeeds();
    let mut state = 1u64;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33).to_le_bytes()[0]
    })
    .take(2 << 20)
    .collect();
    std::fs::write(world.path("work/filled/large"), content).unwrap();
    for arguments in [
        &["add", "-A"][..],
        &["commit", "-qm", "Large"],
        &["push", "-q", "origin", "main"],
    ] {
        let all: Vec<_> = ["-C", "filled"].iter().chain(arguments).copied().collect();
        world.git(&all).succeeds();
    }
}

#[test]
fn an_endpoint_that_accepts_and_says_nothing_is_passed_by() {
    let world = World::new();
    // The kernel accepts the connection; the server never sends anything.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    world.put_in_front(&[silent.local_addr().unwrap().to_string()]);
    world.git(&["clone", "-q", URL]).succeeds();
    assert_eq!(world.sandbox.connections().len(), 1, "the second served");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    let output =
        world.bitbucket_ssh(&["-v", "git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
    let silent = format!("port {}", silent.local_addr().unwrap().port());
    let own = format!("port {}", world.sandbox.ssh_port());
    assert!(output.stderr().contains(&own), "{output}");
    assert!(
        !output.stderr().contains(&silent),
        "the one that worked goes first from now on: {output}"
    );
}

#[test]
fn an_endpoint_that_resets_is_passed_by() {
    let world = World::new();
    let reset = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    world.put_in_front(&[reset.local_addr().unwrap().to_string()]);
    // Every connection is closed as soon as it is there, as long as the tests run.
    std::thread::spawn(move || {
        while let Ok((stream, _)) = reset.accept() {
            drop(stream);
        }
    });
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(world.sandbox.connections().len(), 1);
}

#[test]
fn a_pack_that_ends_in_the_middle_fails_and_leaves_nothing_half() {
    let world = World::new();
    push_a_large_file(&world);
    let requests = world.sandbox.requests().len();
    world.sandbox.faults().ssh(SshFault::CutAfter(500_000), 1);
    let output = world.git(&["clone", URL, "cut"]).fails_with(128);
    assert!(output.stderr().contains("fatal: "), "{output}");
    assert!(!world.path("work/cut").exists(), "git took it away");
    world.git(&["clone", "-q", URL, "whole"]).succeeds();

    world
        .git(&[
            "-C",
            "filled",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "More",
        ])
        .succeeds();
    world.sandbox.faults().ssh(SshFault::CutAfter(10), 1);
    let output = world.git(&["-C", "filled", "push", "origin", "main"]);
    assert_ne!(output.status, Some(0), "{output}");
    world.sandbox.faults().clear();
    world
        .git(&["-C", "filled", "push", "-q", "origin", "main"])
        .succeeds();
    assert_eq!(
        world.sandbox.requests().len(),
        requests,
        "no API was called"
    );
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn an_api_failure_is_reported_and_the_next_run_continues() {
    let limited = |retry_after| RestFault::TooManyRequests { retry_after };
    for (method, path, fault, text, why) in [
        (
            "",
            "",
            limited(Some(3600)),
            "hint: try again in 3600 seconds",
            "429, long",
        ),
        ("", "", limited(None), "hint: try again in", "429, no time"),
        (
            "",
            "",
            RestFault::DropBefore,
            "hint: nothing was lost",
            "dropped",
        ),
        (
            "GET",
            "ssh-keys",
            RestFault::Answer {
                status: 503,
                body: "{}".to_owned(),
            },
            "hint: nothing was lost",
            "503",
        ),
    ] {
        let world = World::new();
        world.sandbox.faults().rest(method, path, fault, 999);
        let output = world.git(&["ls-remote", URL]).fails_with(128);
        assert!(output.stderr().contains(text), "{why}: {output}");
        assert_eq!(world.sandbox.keys(ALICE).len(), 0, "{why}");
        assert!(world.sandbox.connections().is_empty(), "{why}");
        world.sandbox.faults().clear();
        world.git(&["ls-remote", "-q", URL]).succeeds();
        assert_eq!(world.sandbox.keys(ALICE).len(), 1, "{why}");
    }
}

#[test]
fn clones_side_by_side_make_one_key_whatever_the_site_does() {
    for (fault, why) in [
        (RestFault::ErrorAfter, "500 after storing"),
        (RestFault::DropAfter, "answer lost"),
    ] {
        let world = World::new();
        world.sandbox.faults().rest("POST", "ssh-keys", fault, 2);
        let clones: Vec<_> = (0..4)
            .map(|number| {
                let mut clone = world.command("git");
                clone.args(["clone", "-q", URL, &format!("clone{number}")]);
                Running::start(clone, Vec::new())
            })
            .collect();
        for clone in clones {
            clone.wait().succeeds();
        }
        let keys = world.sandbox.keys(ALICE);
        assert_eq!(keys.len(), 1, "{why}");
        for connection in world.sandbox.connections() {
            if let Some(login) = connection.login {
                assert_eq!(login.fingerprint, keys[0].fingerprint, "{why}");
            }
        }
    }
}

#[test]
fn a_proxy_command_that_fails_runs_once_and_is_named() {
    let world = World::new();
    let ran = world.path("tmp/ran");
    world.git(&["ls-remote", "-q", URL]).succeeds();
    for (script, expected) in [
        ("exit 3", "exit status 3"),
        ("exec /no/such/proxy --auth secret", "exit status 127"),
    ] {
        let _ = std::fs::remove_file(&ran);
        let config = format!(
            "Host bitbucket.org\n  ProxyCommand sh -c 'echo x >>{}; {script}'\n",
            ran.display()
        );
        std::fs::write(world.path("home/.ssh/config"), config).unwrap();
        let output = world
            .bitbucket_ssh(&["git@bitbucket.org", "git-upload-pack 'acme/site.git'"])
            .fails_with(255);
        let text = output.stderr();
        let named = format!("ProxyCommand failed: 'sh' ended with {expected}");
        assert!(text.contains(&named), "{output}");
        assert!(
            text.contains("Connection closed by UNKNOWN port 65535"),
            "{output}"
        );
        assert!(!text.contains("secret"), "{output}");
        assert!(!text.contains("server closed"), "{output}");
        assert_eq!(std::fs::read_to_string(&ran).unwrap(), "x\n", "{output}");
    }
}

#[test]
fn a_user_name_that_is_refused_is_named() {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    let line = world.make_key("id_ed25519", "");
    world.sandbox.add_key(ALICE, &line, "laptop");
    let command = "git-upload-pack 'acme/site.git'";
    world
        .bitbucket_ssh(&["-l", "deploy", "bitbucket.org", command])
        .fails_with(255)
        .says("hint: the user name was 'deploy'");
    std::fs::write(
        world.path("home/.ssh/config"),
        "Host bitbucket.org\n  User deploy\n",
    )
    .unwrap();
    world
        .bitbucket_ssh(&["bitbucket.org", command])
        .fails_with(255)
        .says("hint: the user name was 'deploy'");
}
