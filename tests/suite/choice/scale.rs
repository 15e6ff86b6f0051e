//! Many of everything: rules, accounts, keys, known hosts, processes. What is right is asserted;
//! how long the start took is only printed.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use sandbox::{Permission, Visibility};

use super::{
    BOB, SITE, TOOLS, ask, count, forget_lessons, log_in, logins, two_accounts, with_keys,
};
use crate::support::{ALICE, Agent, Running, World, run};

/// The time of one call as it is, the shortest of five.
fn time_of(world: &World, what: &str) -> Duration {
    let call = || {
        let begun = Instant::now();
        let words = ["git@bitbucket.org", &super::advertise(SITE)];
        ask(world, &words).succeeds();
        begun.elapsed()
    };
    let shortest = std::iter::repeat_with(call).take(5).min().unwrap();
    println!("{what}: {} ms for a whole call", shortest.as_millis());
    shortest
}

#[test]
fn among_a_thousand_url_rules_the_right_one_counts() {
    let world = two_accounts();
    with_keys(&world);
    time_of(&world, "no URL rule");
    let file = world.path("home/.gitconfig");
    let mut lines = fs::read_to_string(&file).unwrap();
    for number in 0..1000 {
        let account = format!("nobody{number}@example.com");
        let _ = write!(
            lines,
            "[bitbucket \"https://bitbucket.org/team{number}/site\"]\n\taccount = {account}\n"
        );
        if number == 500 {
            lines.push_str("[bitbucket \"https://bitbucket.org/acme/tools\"]\n");
            let _ = writeln!(lines, "\taccount = {BOB}");
        }
    }
    fs::write(&file, lines).unwrap();
    let before = count(&world);
    world.git(&["ls-remote", "-q", TOOLS]).succeeds();
    world.git(&["ls-remote", "-q", SITE]).succeeds();
    // By its rule; without one, by the usual order: the account last used for the workspace, then
    // the other.
    assert_eq!(logins(&world, before)[0], BOB);
    assert_eq!(logins(&world, before).last().unwrap(), ALICE);
    world
        .git(&["ls-remote", "git@bitbucket.org:team999/site.git"])
        .fails_with(128)
        .says("nobody999@example.com");
    time_of(&world, "1,000 URL rules");
}

#[test]
fn among_fifty_accounts_each_repository_finds_its_own() {
    let world = two_accounts();
    let last = "user49@example.com";
    for number in 0..50 {
        let email = format!("user{number}@example.com");
        world.sandbox.add_account(&email, &format!("user{number}"));
        let token = world.sandbox.add_token(&email, sandbox::SCOPES_ALL);
        log_in(&world, &email, &token);
    }
    world
        .sandbox
        .add_repository("acme/far", Visibility::Private);
    world
        .sandbox
        .grant(last, "acme/far", Some(Permission::Read));
    let before = count(&world);
    let far = "git@bitbucket.org:acme/far.git";
    world.git(&["ls-remote", "-q", far]).succeeds();
    // Only the first was accepted and denied; the others' tokens were checked instead.
    assert_eq!(logins(&world, before), [ALICE, last]);
    for number in 0..49 {
        let email = format!("user{number}@example.com");
        assert!(world.sandbox.keys(&email).is_empty(), "{email} got a key");
    }
    let before = count(&world);
    world.git(&["ls-remote", "-q", far]).succeeds();
    assert_eq!(logins(&world, before), [last], "and it is remembered");
    time_of(&world, "52 accounts");
}

#[test]
fn of_an_agent_with_fifty_keys_a_server_sees_few() {
    let mut world = two_accounts();
    with_keys(&world);
    let agent = Agent::start(&mut world);
    let mut fingerprints = Vec::new();
    for number in 0..50 {
        let name = format!("key{number}");
        let line = world.make_key(&name, "");
        fingerprints.push((name.clone(), line));
        agent.add(&world, &name);
        fs::remove_file(world.path("home/.ssh").join(&name)).unwrap();
    }
    let before = count(&world);
    world.git(&["ls-remote", "-q", SITE]).succeeds();
    assert_eq!(logins(&world, before), [ALICE]);
    let offers = world.sandbox.connections()[before].offers.len();
    assert_eq!(offers, 1, "an account's key goes alone");
    time_of(&world, "an agent with 50 keys");
    // A file names one of the fifty.
    let (name, line) = &fingerprints[40];
    world.sandbox.add_key(BOB, line, name);
    world.configure("bitbucket.identityFile", &format!("~/.ssh/{name}.pub"));
    forget_lessons(&world);
    let before = count(&world);
    world.git(&["ls-remote", "-q", TOOLS]).succeeds();
    assert_eq!(world.sandbox.connections()[before].offers.len(), 1);
    assert_eq!(logins(&world, before), [BOB]);
    // No account is known: at most five on a connection and twelve in all, none of them twice.
    world
        .git(&["config", "--global", "--unset", "bitbucket.identityFile"])
        .succeeds();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    fs::remove_dir_all(world.path("home/.ssh/bitbucket-ssh")).unwrap();
    forget_lessons(&world);
    let before = count(&world);
    world.git(&["ls-remote", "-q", SITE]).fails_with(128);
    let connections = world.sandbox.connections();
    let mut all = Vec::new();
    for connection in &connections[before..] {
        let mut offered: Vec<_> = connection
            .offers
            .iter()
            .map(|offer| offer.fingerprint.clone())
            .collect();
        offered.dedup();
        assert!(offered.len() <= 5, "{offered:?}");
        all.extend(offered);
    }
    let offered = all.len();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), offered), (12, 12));
}

#[test]
fn in_a_known_hosts_of_a_hundred_thousand_lines_the_host_is_found() {
    let world = two_accounts();
    with_keys(&world);
    let file = world.path("home/.ssh/known_hosts");
    let own = fs::read_to_string(&file).unwrap();
    let key = own.lines().next().unwrap().split_once(' ').unwrap().1;
    let mut lines = String::new();
    for number in 0..100_000 {
        let _ = writeln!(lines, "host{number}.example.com {key}");
        if number == 50_000 {
            lines.push_str(&own);
        }
    }
    fs::write(&file, &lines).unwrap();
    time_of(&world, "100,000 lines of known_hosts");
    // The near miss: without its lines the host is unknown, also with the same key elsewhere.
    fs::write(&file, lines.replace(&own, "")).unwrap();
    world
        .git(&[
            "-c",
            "core.sshCommand=bitbucket-ssh -o BatchMode=yes",
            "ls-remote",
            SITE,
        ])
        .fails_with(128)
        .says("Host key verification failed");
}

#[test]
fn thirty_two_first_contacts_of_two_accounts_make_one_key_each() {
    let world = two_accounts();
    let clones: Vec<_> = (0..32)
        .map(|number| {
            let mut git = world.command("git");
            let (account, url) = [(ALICE, SITE), (BOB, TOOLS)][number % 2];
            git.args(["clone", "-q", url, &format!("clone{number}")])
                .env("BITBUCKET_ACCOUNT", account);
            Running::start(git, Vec::new())
        })
        .collect();
    for clone in clones {
        clone.wait().succeeds();
    }
    for account in [ALICE, BOB] {
        let keys = world.sandbox.keys(account);
        assert_eq!(keys.len(), 1, "{account}");
        let logins = world.sandbox.connections().into_iter();
        let logins = logins.filter_map(|connection| connection.login);
        let of_account = logins.filter(|login| login.account.as_deref() == Some(account));
        let prints: Vec<_> = of_account.map(|login| login.fingerprint).collect();
        assert!(prints.len() >= 16, "{account}: {}", prints.len());
        assert!(prints.iter().all(|print| *print == keys[0].fingerprint));
    }
    let made = world.ssh_files().into_iter();
    let made: Vec<_> = made.filter(|name| name.starts_with("bitbucket_")).collect();
    assert_eq!(made.len(), 4, "two pairs and nothing besides: {made:?}");
    let mut sweep = world.command("git");
    sweep.args(["ls-remote", "-q", SITE]);
    run(sweep).succeeds();
}
