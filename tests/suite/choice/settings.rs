//! Which identity is used because it was configured: command line, git config, ssh_config.

use std::fs;

use sandbox::{SCOPES_ALL, Visibility};

use super::{
    BOB, SITE, TOOLS, advertise, ask, count, forget_lessons, log_in, logins, two_accounts,
    with_keys,
};
use crate::support::{ALICE, Agent, World};

/// A repository that both see, so that the first of the plan is served.
fn open_world() -> World {
    let world = two_accounts();
    world
        .sandbox
        .add_repository("acme/open", Visibility::Public);
    with_keys(&world);
    world
}

const OPEN: &str = "git@bitbucket.org:acme/open.git";

#[track_caller]
fn goes_as(world: &World, expected: &str) {
    let before = count(world);
    world.git(&["ls-remote", OPEN]).succeeds();
    assert_eq!(logins(world, before), [expected]);
}

#[test]
fn the_closest_setting_counts_and_settings_precede_history() {
    let mut world = open_world();
    goes_as(&world, ALICE);
    world.configure("bitbucket.account", BOB);
    goes_as(&world, BOB);
    world.configure("bitbucket.https://bitbucket.org/acme.account", ALICE);
    goes_as(&world, ALICE);
    world.configure("bitbucket.https://bitbucket.org/ACME/Open.account", BOB);
    goes_as(&world, BOB);
    world.git(&["clone", "-q", OPEN, "open"]).succeeds();
    world
        .git(&["-C", "open", "config", "bitbucket.account", ALICE])
        .succeeds();
    let before = count(&world);
    world.git(&["-C", "open", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [ALICE], "its own configuration");
    world.set("BITBUCKET_ACCOUNT", BOB);
    let before = count(&world);
    world.git(&["-C", "open", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [BOB], "the variable");
    let ssh = format!("bitbucket-ssh --account {ALICE}");
    world.set("GIT_SSH_COMMAND", &ssh);
    let before = count(&world);
    world.git(&["-C", "open", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [ALICE], "the option");
}

#[test]
fn an_account_that_was_named_is_alone() {
    let world = open_world();
    ask(
        &world,
        &["--account", BOB, "git@bitbucket.org", &advertise(SITE)],
    )
    .fails_with(1)
    .says("conq: repository access denied.");
    world.configure("bitbucket.account", BOB);
    let before = count(&world);
    world.git(&["ls-remote", SITE]).fails_with(128);
    assert_eq!(logins(&world, before), [BOB], "no other is offered");
    // Several values: in order, within the same command.
    world.configure("bitbucket.account", ALICE);
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(logins(&world, before + 1), [BOB, ALICE]);
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(
        logins(&world, before + 3),
        [ALICE],
        "of several the one that was learned goes first"
    );
}

#[test]
fn a_named_account_is_that_one_or_an_error() {
    let mut world = open_world();
    let host = "git@bitbucket.org";
    let open = advertise(OPEN);
    for name in ["bob", "BOB"] {
        let before = count(&world);
        ask(&world, &["--account", name, host, &open]).succeeds();
        assert_eq!(logins(&world, before), [BOB], "{name} is a user name");
    }
    let before = count(&world);
    ask(&world, &["--account", "anna", host, &open])
        .fails_with(255)
        .says("there is no account anna (--account); known are ")
        .says(ALICE)
        .says(BOB);
    world.set("BITBUCKET_ACCOUNT", "anna");
    world
        .git(&["ls-remote", OPEN])
        .fails_with(128)
        .says("there is no account anna (BITBUCKET_ACCOUNT)");
    world.unset("BITBUCKET_ACCOUNT");
    world.configure("bitbucket.account", "anna");
    world
        .git(&["ls-remote", OPEN])
        .fails_with(128)
        .says(".gitconfig:");
    let status = world.git_bitbucket(&["status", OPEN]).succeeds().stdout();
    let expected = "fails, because there is no account anna (";
    assert!(status.contains(expected), "{status}");
    assert_eq!(count(&world), before, "nobody else is connected as");
}

#[test]
fn variables_are_trimmed_and_half_a_pair_is_named() {
    let mut world = World::new();
    world.configure("bitbucket.passphrase", "none");
    let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
    world.set("BITBUCKET_API_TOKEN", &format!(" {token}\r\n"));
    world.set("BITBUCKET_EMAIL", &format!("{ALICE}\n"));
    world.set("BITBUCKET_ACCOUNT", " \n");
    world.git(&["ls-remote", "-q", SITE]).succeeds();

    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world
        .git(&["ls-remote", "-q", SITE])
        .fails_with(128)
        .says("BITBUCKET_API_TOKEN is set without BITBUCKET_EMAIL");
    world
        .git_bitbucket(&["key", "list"])
        .fails_with(4)
        .says("BITBUCKET_API_TOKEN is set without BITBUCKET_EMAIL");
}

#[test]
fn status_says_first_what_git_really_runs() {
    let mut world = open_world();
    world.git(&["clone", "-q", OPEN, "open"]).succeeds();
    let first = |world: &World| {
        let status = world.git(&["-C", "open", "bitbucket", "status"]).succeeds();
        status
            .stdout()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        first(&world).starts_with("acme/open → alice@example.com, "),
        "{}",
        first(&world)
    );
    let ours = format!("bitbucket-ssh --account {BOB}");
    let own = ["-C", "open", "config", "core.sshCommand"];
    world.git(&[&own[..], &[&ours]].concat()).succeeds();
    assert_eq!(
        first(&world),
        "acme/open → bob@example.com, chosen in --account"
    );
    world
        .git(&[&own[..], &["ssh -i ~/.ssh/id_work"]].concat())
        .succeeds();
    assert!(
        first(&world).starts_with("acme/open: git runs ssh -i ~/.ssh/id_work (core.sshCommand in "),
        "{}",
        first(&world)
    );
    world.set("GIT_SSH_COMMAND", "ssh -F none");
    assert_eq!(
        first(&world),
        "acme/open: git runs ssh -F none (GIT_SSH_COMMAND), not bitbucket-ssh"
    );
}

#[test]
fn no_character_of_a_path_takes_it_out_of_its_workspace_s_settings() {
    let world = two_accounts();
    world.configure("bitbucket.https://bitbucket.org/acme.provision", "never");
    for path in [
        "git@bitbucket.org:acme/site.git#v1",
        "git@bitbucket.org:acme/site.git?x",
        "git@bitbucket.org:%61cme/site.git",
        "git@bitbucket.org:acme%2Fsite.git",
        "ssh://git@bitbucket.org/acme/site.git%23v1",
        "ssh://git@bitbucket.org/acme",
        "git@bitbucket.org:acme/site/tree",
        "git@bitbucket.org:x/../acme/site.git",
    ] {
        world.git(&["ls-remote", path]).fails_with(128);
        assert!(world.sandbox.keys(ALICE).is_empty(), "{path}");
        assert!(world.sandbox.keys(BOB).is_empty(), "{path}");
    }
    let world = open_world();
    world.configure("bitbucket.https://bitbucket.org/acme.account", BOB);
    for path in ["acme/open.git#v1", "acme/open?x"] {
        let before = count(&world);
        ask(
            &world,
            &["git@bitbucket.org", &format!("git-upload-pack '{path}'")],
        );
        assert_eq!(logins(&world, before), [BOB], "{path}");
    }
}

#[test]
fn every_spelling_of_a_remote_is_the_same_repository() {
    let world = open_world();
    let port = world.sandbox.ssh_port();
    fs::write(
        world.path("home/.ssh/config"),
        format!("Host bb-work\n HostName 127.0.0.1\n Port {port}\n User git\n"),
    )
    .unwrap();
    world.git(&["clone", "-q", OPEN, "open"]).succeeds();
    world
        .git(&["-C", "open", "config", "bitbucket.account", BOB])
        .succeeds();
    for url in [
        "git@[bb-work]:acme/open.git",
        "[git@bb-work]:acme/open",
        "git+ssh://bb-work/acme/open.git",
        "ssh+git://git@bb-work/%61cme/open",
        "ssh://git%40bb%2Dwork%2Facme/open",
        "ssh://git@[bitbucket.org]/acme/open",
    ] {
        world
            .git(&["-C", "open", "remote", "set-url", "origin", url])
            .succeeds();
        let before = count(&world);
        world.git(&["-C", "open", "fetch", "-q"]).succeeds();
        assert_eq!(logins(&world, before), [BOB], "{url}");
        let status = world.git(&["-C", "open", "bitbucket", "status"]).succeeds();
        assert!(status.stdout().contains(BOB), "{url}: {status}");
    }
}

#[test]
fn a_host_name_in_ssh_config_does_not_change_the_site() {
    let world = two_accounts();
    let port = world.sandbox.ssh_port();
    fs::write(
        world.path("home/.ssh/config"),
        format!("Host bitbucket.org\n HostName localhost\n Port {port}\n"),
    )
    .unwrap();
    let known = world
        .sandbox
        .known_hosts()
        .replace("127.0.0.1", "localhost");
    fs::write(world.path("home/.ssh/known_hosts"), known).unwrap();
    let clone = world.git(&["clone", SITE, "site"]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "{clone}");
    world
        .git(&["-C", "site", "config", "bitbucket.account", BOB])
        .succeeds();
    let before = count(&world);
    world.git(&["-C", "site", "fetch"]).fails_with(128);
    assert_eq!(logins(&world, before), [BOB], "its own configuration");
}

#[test]
fn accounts_go_in_the_order_of_their_last_login() {
    let mut world = open_world();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    let alice = world.sandbox.add_token(ALICE, SCOPES_ALL);
    let bob = world.sandbox.add_token(BOB, SCOPES_ALL);
    for (account, token, first) in [(ALICE, &alice, BOB), (BOB, &bob, ALICE)] {
        log_in(&world, account, token);
        forget_lessons(&world);
        goes_as(&world, first);
    }
}

#[test]
fn a_missing_file_of_an_alias_or_with_identities_only_is_an_error_with_its_line() {
    let world = open_world();
    let port = world.sandbox.ssh_port();
    let second = world.make_key("second", "");
    world.sandbox.add_key(BOB, &second, "second");
    let alias = format!("Host bb-work\n HostName 127.0.0.1\n Port {port}\n User git\n");
    for (config, host) in [
        (format!("{alias} IdentityFile ~/.ssh/none\n"), "bb-work"),
        (
            "\n\nHost *\n IdentitiesOnly yes\n IdentityFile ~/.ssh/none\n".to_owned(),
            "git@bitbucket.org",
        ),
    ] {
        fs::write(world.path("home/.ssh/config"), &config).unwrap();
        let before = count(&world);
        let line = world.path("home/.ssh/config").display().to_string() + ":5";
        ask(&world, &[host, &advertise(OPEN)])
            .fails_with(255)
            .says("no such identity: ")
            .says(&line);
        assert_eq!(count(&world), before, "nothing else is tried");
        fs::write(
            world.path("home/.ssh/config"),
            format!("{config} IdentityFile ~/.ssh/second\n"),
        )
        .unwrap();
        ask(&world, &[host, &advertise(OPEN)]).succeeds();
        assert_eq!(logins(&world, before), [BOB], "one of two is enough");
    }
}

#[test]
fn identities_only_leaves_the_default_files() {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    let line = world.make_key("id_ed25519", "");
    world.sandbox.add_key(ALICE, &line, "laptop");
    world.make_key("other", "");
    let agent = Agent::start(&mut world);
    agent.add(&world, "other");
    fs::write(
        world.path("home/.ssh/config"),
        "Host *\n IdentitiesOnly yes\n",
    )
    .unwrap();
    world.git(&["ls-remote", SITE]).succeeds();
    let offers = world.sandbox.connections().pop().unwrap().offers;
    assert!(
        offers.iter().all(|one| line.contains("ssh-ed25519")
            && Some(&one.fingerprint) == offers.first().map(|first| &first.fingerprint)),
        "the agent's key is not offered: {offers:?}"
    );
}

#[test]
fn without_its_private_half_a_file_names_the_agent_s_key() {
    let mut world = open_world();
    let port = world.sandbox.ssh_port();
    let work = world.make_key("work", "");
    world.sandbox.add_key(BOB, &work, "work");
    let agent = Agent::start(&mut world);
    agent.add(&world, "work");
    fs::remove_file(world.path("home/.ssh/work")).unwrap();
    let command = advertise(OPEN);
    let goes = |world: &World, arguments: &[&str], why: &str| {
        let before = count(world);
        ask(world, arguments).succeeds();
        assert_eq!(logins(world, before), [BOB], "{why}");
    };
    let option = ["-o", "IdentityFile=~/.ssh/work"];
    goes(
        &world,
        &[option[0], option[1], "git@bitbucket.org", &command],
        "an option",
    );
    fs::write(
        world.path("home/.ssh/config"),
        format!(
            "Host bb-work\n HostName 127.0.0.1\n Port {port}\n User git\n IdentityFile ~/.ssh/work\n"
        ),
    )
    .unwrap();
    goes(&world, &["bb-work", &command], "an alias");
    fs::remove_file(world.path("home/.ssh/config")).unwrap();
    world.git(&["clone", "-q", OPEN, "open"]).succeeds();
    world
        .git(&[
            "-C",
            "open",
            "config",
            "bitbucket.identityFile",
            "~/.ssh/work",
        ])
        .succeeds();
    let before = count(&world);
    world.git(&["-C", "open", "fetch", "-q"]).succeeds();
    assert_eq!(
        logins(&world, before),
        [BOB],
        "the repository's own setting"
    );
    world.configure("bitbucket.identityFile", "~/.ssh/work");
    goes_as(&world, BOB);
    drop(agent);
    ask(&world, &["git@bitbucket.org", &command])
        .fails_with(255)
        .says("work.pub names a key that is not in the agent");
}

#[test]
fn a_key_that_is_here_and_on_the_account_is_used_in_the_place_of_a_new_one() {
    for (name, in_agent) in [("id_ed25519", false), ("work", false), ("work", true)] {
        let mut world = World::new();
        let line = world.make_key(name, "");
        world.sandbox.add_key(ALICE, &line, "laptop");
        let agent = Agent::start(&mut world);
        if in_agent {
            agent.add(&world, name);
            fs::remove_file(world.path("home/.ssh/work")).unwrap();
            fs::remove_file(world.path("home/.ssh/work.pub")).unwrap();
        }
        for _ in 0..2 {
            let before = count(&world);
            world.git(&["ls-remote", SITE]).succeeds();
            assert_eq!(logins(&world, before), [ALICE], "{name} {in_agent}");
        }
        assert_eq!(world.sandbox.keys(ALICE).len(), 1, "{name} {in_agent}");
        let records = world.path("home/.ssh/bitbucket-ssh/records.json");
        let records = fs::read_to_string(records).unwrap();
        assert!(!records.contains("bitbucket_alice"), "{records}");
    }
}

#[test]
fn an_identity_file_precedes_accounts() {
    let mut world = open_world();
    let work = world.make_key("work", "");
    world.sandbox.add_key(BOB, &work, "work");
    let file = world.path("home/.ssh/work");
    world.configure("bitbucket.account", ALICE);
    world.configure("bitbucket.identityFile", "~/.ssh/work");
    goes_as(&world, BOB);
    // By URL, then the repository's own.
    let own = world.make_key("own", "");
    world.sandbox.add_key(ALICE, &own, "own");
    world.configure(
        "bitbucket.https://bitbucket.org/acme.identityFile",
        world.path("home/.ssh/own").to_str().unwrap(),
    );
    goes_as(&world, ALICE);
    world.git(&["clone", "-q", OPEN, "open"]).succeeds();
    let file = file.to_str().unwrap();
    world
        .git(&["-C", "open", "config", "bitbucket.identityFile", file])
        .succeeds();
    let before = count(&world);
    world.git(&["-C", "open", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [BOB]);
    // The public half names a key of the agent.
    let agent = Agent::start(&mut world);
    agent.add(&world, "work");
    fs::remove_file(world.path("home/.ssh/work")).unwrap();
    let public = format!("{file}.pub");
    world
        .git(&["-C", "open", "config", "bitbucket.identityFile", &public])
        .succeeds();
    world.git(&["-C", "open", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before + 1), [BOB]);
    drop(agent);
    world
        .git(&["-C", "open", "fetch"])
        .fails_with(128)
        .says("work.pub");
}

#[test]
fn a_missing_identity_file_is_an_error_with_the_line_that_makes_it() {
    let world = open_world();
    world.configure("bitbucket.identityFile", "~/.ssh/none");
    let before = count(&world);
    let file = world.path("home/.ssh/none");
    ask(&world, &["git@bitbucket.org", &advertise(OPEN)])
        .fails_with(255)
        .says(&format!(
            "hint: git bitbucket key new --file {}",
            file.display()
        ));
    assert_eq!(count(&world), before, "nothing else is tried");
}

#[test]
fn a_read_only_access_key_is_left_out_for_a_push() {
    let world = two_accounts();
    with_keys(&world);
    let line = world.make_key("deploy", "");
    let key = world.sandbox.add_deploy_key("acme/tools", &line, "deploy");
    let file = world.path("home/.ssh/deploy");
    let records = world.path("home/.ssh/bitbucket-ssh/records.json");
    let mut known: serde_json::Value =
        serde_json::from_slice(&fs::read(&records).unwrap()).unwrap();
    let mut record = known["identities"][0].clone();
    for (name, value) in [
        ("file", file.to_str().unwrap()),
        ("public_key", &key.key),
        ("fingerprint", &format!("SHA256:{}", key.fingerprint)),
        ("key_id", &key.id.to_string()),
        ("repository", "https://bitbucket.org/acme/tools"),
    ] {
        record[name] = value.into();
    }
    record["read_only"] = true.into();
    known["identities"].as_array_mut().unwrap().push(record);
    fs::write(&records, serde_json::to_vec(&known).unwrap()).unwrap();
    world.configure(
        "bitbucket.https://bitbucket.org/acme/tools.identityFile",
        file.to_str().unwrap(),
    );
    let before = count(&world);
    world.git(&["clone", "-q", TOOLS, "tools"]).succeeds();
    assert_eq!(logins(&world, before), ["access key"]);
    world
        .git(&["-C", "tools", "commit", "-q", "--allow-empty", "-m", "x"])
        .succeeds();
    world.git(&["-C", "tools", "push", "-q"]).succeeds();
    let pushed = logins(&world, before + 1);
    assert!(!pushed.contains(&"access key".to_owned()), "{pushed:?}");
    assert_eq!(pushed.last().map(String::as_str), Some(BOB));
}

#[test]
fn identities_only_and_an_alias_are_statements_of_ssh_config() {
    let world = open_world();
    let work = world.make_key("work", "");
    world.sandbox.add_key(BOB, &work, "work");
    let config = world.path("home/.ssh/config");
    fs::write(
        &config,
        "Host bitbucket.org\n IdentityFile ~/.ssh/work\n IdentitiesOnly yes\n",
    )
    .unwrap();
    goes_as(&world, BOB);
    // Without IdentitiesOnly it is of the last rank.
    fs::write(&config, "Host bitbucket.org\n IdentityFile ~/.ssh/work\n").unwrap();
    let before = count(&world);
    world.git(&["ls-remote", OPEN]).succeeds();
    assert_eq!(logins(&world, before), [ALICE]);
    // An alias is one, with a managed identity's file too.
    let files = world.ssh_files();
    let managed = files.iter().find(|name| name.contains("bob")).unwrap();
    fs::write(
        &config,
        format!("Host work\n HostName bitbucket.org\n User git\n IdentityFile ~/.ssh/{managed}\n"),
    )
    .unwrap();
    let before = count(&world);
    world.git(&["ls-remote", "work:acme/open.git"]).succeeds();
    assert_eq!(logins(&world, before), [BOB]);
}

#[test]
fn an_account_that_is_not_known_is_replaced_by_no_other() {
    let world = open_world();
    world.configure("bitbucket.account", "carol@example.com");
    let before = count(&world);
    ask(&world, &["git@bitbucket.org", &advertise(OPEN)])
        .fails_with(255)
        .says("git bitbucket login carol@example.com");
    assert_eq!(count(&world), before);
}

#[test]
fn a_file_of_the_command_line_precedes_an_account() {
    let mut world = open_world();
    let work = world.make_key("work", "");
    world.sandbox.add_key(BOB, &work, "work");
    let file = world.path("home/.ssh/work");
    let file = file.to_str().unwrap();
    let option = format!("IdentityFile={file}");
    let (host, command) = ("git@bitbucket.org", advertise(OPEN));
    world.set("BITBUCKET_ACCOUNT", ALICE);
    for (words, expected, why) in [
        (vec![host, &command], ALICE, "the variable"),
        (vec!["--account", BOB, host, &command], BOB, "the option"),
        (vec!["-i", file, host, &command], BOB, "-i and the variable"),
        (
            vec!["--account", ALICE, "-i", file, host, &command],
            BOB,
            "-i and the option",
        ),
        (
            vec!["--account", ALICE, "-o", &option, host, &command],
            BOB,
            "-o IdentityFile",
        ),
        (
            vec!["--account", ALICE, host, "-i", file, &command],
            BOB,
            "behind the host",
        ),
    ] {
        let before = count(&world);
        ask(&world, &words).succeeds();
        assert_eq!(logins(&world, before), [expected], "{why}");
    }
    // None of the files exists: no other identity is used.
    let before = count(&world);
    ask(&world, &["-i", "/no/file", host, &command])
        .fails_with(255)
        .says("Warning: Identity file /no/file not accessible");
    assert_eq!(count(&world), before);
}
