//! Failures of the site's API, of its SSH servers and of the network between.

use std::time::Duration;

use sandbox::{RestFault, SshFault};

use crate::support::{ALICE, Tls, World};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// The next plain fetch works, with one key on the site that this machine holds.
fn is_in_order(world: &World, why: &str) {
    world.sandbox.faults().clear();
    let output = world.git(&["ls-remote", "-q", URL]);
    assert_eq!(output.status, Some(0), "{why}: {output}");
    let keys = world.sandbox.keys(ALICE);
    assert_eq!(keys.len(), 1, "{why}: one key on the site");
    let login = world.sandbox.connections().last().unwrap().login.clone();
    assert_eq!(
        login.unwrap().fingerprint,
        keys[0].fingerprint,
        "{why}: and it is ours"
    );
    let leftovers = |folder: &str| {
        let names = std::fs::read_dir(world.path(folder)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with('.'))
            .collect::<Vec<_>>()
    };
    assert_eq!(leftovers("home/.ssh"), Vec::<String>::new(), "{why}");
    assert_eq!(
        leftovers("home/.ssh/bitbucket-ssh"),
        Vec::<String>::new(),
        "{why}"
    );
    let records = std::fs::read_to_string(world.path("home/.ssh/bitbucket-ssh/records.json"));
    assert!(!records.unwrap().contains("\"pending\""), "{why}");
}

#[test]
fn faults_of_the_api_that_pass_are_passed_over() {
    for (method, path, fault, times, why) in [
        (
            "POST",
            "ssh-keys",
            RestFault::ErrorAfter,
            1,
            "500 after storing",
        ),
        (
            "POST",
            "ssh-keys",
            RestFault::DropAfter,
            1,
            "answer lost after storing",
        ),
        (
            "POST",
            "ssh-keys",
            RestFault::DropBefore,
            1,
            "lost before storing",
        ),
        (
            "GET",
            "ssh-keys",
            RestFault::DropBefore,
            1,
            "a list that is lost once",
        ),
        (
            "",
            "",
            RestFault::TooManyRequests {
                retry_after: Some(1),
            },
            1,
            "429 with Retry-After",
        ),
        (
            "",
            "",
            RestFault::TooManyRequests { retry_after: None },
            1,
            "429 without it",
        ),
        (
            "",
            "",
            RestFault::Slow(Duration::from_millis(300)),
            9,
            "slow",
        ),
    ] {
        let world = World::new();
        world.sandbox.faults().rest(method, path, fault, times);
        let output = world.git(&["ls-remote", "-q", URL]);
        assert_eq!(output.status, Some(0), "{why}: {output}");
        is_in_order(&world, why);
    }
}

#[test]
fn an_api_refusal_is_reported_and_nothing_is_lost() {
    for (method, path, fault, text, hint, why) in [
        (
            "",
            "/user",
            RestFault::Unauthorized,
            "the site does not accept the API token",
            "hint: git bitbucket login alice@example.com",
            "a token that expired",
        ),
        (
            "POST",
            "ssh-keys",
            RestFault::Forbidden,
            "This API is not accessible by this authentication mechanism",
            "hint: ",
            "a kind of token that may not",
        ),
        (
            "GET",
            "ssh-keys",
            RestFault::Redirect("http://127.0.0.1:9/elsewhere".to_owned()),
            "the API token is not sent there",
            "hint: ",
            "a redirect to another place",
        ),
        (
            "GET",
            "ssh-keys",
            RestFault::NextLink("http://127.0.0.1:9/next".to_owned()),
            "the API token is not sent there",
            "hint: ",
            "a paging link to another place",
        ),
        (
            "GET",
            "ssh-keys",
            RestFault::Answer {
                status: 200,
                body: "<html>".to_owned(),
            },
            "does not answer like a Bitbucket site",
            "hint: ",
            "a proxy's page",
        ),
        (
            "POST",
            "ssh-keys",
            RestFault::Answer {
                status: 400,
                body: r#"{"type":"error","error":{"message":"\u001b[31mNo\u001b[0m"}}"#.to_owned(),
            },
            "\\033[31mNo\\033[0m",
            "hint: ",
            "server text is sanitised",
        ),
    ] {
        let world = World::new();
        world.sandbox.faults().rest(method, path, fault, 99);
        let output = world.git(&["ls-remote", URL]).fails_with(128);
        assert!(output.stderr().contains(text), "{why}: {output}");
        assert!(output.stderr().contains(hint), "{why}: {output}");
        is_in_order(&world, why);
    }
}

#[test]
fn a_ca_of_one_s_own_is_named_by_git_s_setting() {
    let world = World::new();
    let plain = world.sandbox.api_url();
    let behind = plain.split([':', '/']).nth(4).unwrap().parse().unwrap();
    let tls = Tls::start(&world.path("tmp"), || world.command("openssl"), behind);
    let url = format!("https://127.0.0.1:{}/2.0", tls.port);
    let words = ["config", "--global", "--replace-all"];
    let key = "bitbucket.https://bitbucket.org.apiUrl";
    world.git(&[&words[..], &[key, &url]].concat()).succeeds();
    let fetch = || world.git(&["ls-remote", "-q", "git@bitbucket.org:acme/site.git"]);
    fetch().fails_with(128);
    assert!(world.sandbox.requests().is_empty(), "nothing was sent");
    world.configure("http.sslCAInfo", tls.ca.to_str().unwrap());
    fetch().succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn a_missing_scope_is_named() {
    let mut world = World::new();
    let token = world
        .sandbox
        .add_token(ALICE, &["read:user:bitbucket", "read:ssh-key:bitbucket"]);
    world.set("BITBUCKET_API_TOKEN", &token);
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("lacks scopes")
        .says("write:ssh-key:bitbucket")
        .says("hint: ");
}

#[test]
fn a_new_key_is_waited_for() {
    let world = World::new();
    world
        .sandbox
        .faults()
        .propagation_delay(Duration::from_secs(3));
    let output = world.git(&["ls-remote", "-q", URL]).succeeds();
    assert!(output.stderr().contains("waiting until"), "{output}");
    is_in_order(&world, "propagation");
}

#[test]
fn lost_connections_are_tried_again_and_never_make_a_key() {
    for (fault, times, why) in [
        (SshFault::ResetBeforeBanner, 2, "a burst that was reset"),
        (SshFault::Slow(Duration::from_millis(500)), 1, "slow"),
    ] {
        let world = World::new();
        world.git(&["ls-remote", "-q", URL]).succeeds();
        world.sandbox.faults().ssh(fault, times);
        let output = world.git(&["ls-remote", "-q", URL]);
        assert_eq!(output.status, Some(0), "{why}: {output}");
        is_in_order(&world, why);
    }
    for (fault, text, why) in [
        (
            SshFault::DisconnectAtAuthentication,
            "Connection closed",
            "ended at the key",
        ),
        (
            SshFault::OtherHostKey,
            "Host key verification failed.",
            "another host key",
        ),
        (SshFault::CutAfter(40), "fatal:", "cut in mid-answer"),
        (
            SshFault::CloseChannel,
            "Could not read from remote",
            "no answer at all",
        ),
    ] {
        let world = World::new();
        world.git(&["ls-remote", "-q", URL]).succeeds();
        let requests = world.sandbox.requests().len();
        world.sandbox.faults().ssh(fault, 99);
        let output = world.git(&["ls-remote", URL]).fails_with(128);
        assert!(output.stderr().contains(text), "{why}: {output}");
        assert_eq!(
            world.sandbox.requests().len(),
            requests,
            "{why}: no API is called"
        );
        is_in_order(&world, why);
    }
}

#[test]
fn the_next_endpoint_serves_and_is_remembered() {
    let world = World::new();
    let own = world.sandbox.ssh_host();
    let key = "bitbucket.https://bitbucket.org.sshHost";
    world
        .git(&["config", "--global", "--unset-all", key])
        .succeeds();
    // Nothing listens on port 9 of loopback.
    world.configure(key, "127.0.0.1:9");
    world.configure(key, &own);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let learned =
        std::fs::read_to_string(world.path("home/.local/state/bitbucket-ssh/learned.json"));
    assert!(
        learned
            .unwrap()
            .contains(&world.sandbox.ssh_port().to_string())
    );
    let output =
        world.bitbucket_ssh(&["-v", "git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
    assert!(
        !output.stderr().contains("port 9"),
        "the one that worked goes first: {output}"
    );

    world
        .git(&["config", "--global", "--unset-all", key])
        .succeeds();
    world.configure(key, "127.0.0.1:9");
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("connect to host 127.0.0.1 port 9: Connection refused");
}

#[test]
fn a_refusal_is_given_as_it_came_and_each_account_is_named() {
    let world = World::new();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    for text in [
        "conq: repository access denied.",
        "Forbidden",
        "Unauthorized",
        "Repository not found",
        "conq: repository does not exist.",
        "To access this repository, an admin must whitelist your IP.",
    ] {
        world.sandbox.faults().clear();
        let refusal = SshFault::Refuse {
            text: text.to_owned(),
            status: 1,
        };
        world.sandbox.faults().ssh(refusal, 1);
        let output = world.git(&["ls-remote", URL]).fails_with(128);
        let message = output.stderr();
        assert!(message.starts_with(&format!("{text}\n")), "{output}");
        assert!(
            message.contains("hint: signed in as alice@example.com"),
            "{output}"
        );
    }
}
