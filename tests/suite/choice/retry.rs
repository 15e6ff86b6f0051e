//! Accepted but denied the repository: the same git command continues as the next account.

use sandbox::{Permission, Refusals, SCOPES_MINIMUM, SshFault, Visibility};

use super::{
    BOB, SITE, TOOLS, advertise, ask, count, forget_lessons, logins, two_accounts,
    two_accounts_with, with_keys,
};
use crate::support::ALICE;

#[test]
fn a_fresh_machine_with_two_accounts_reaches_the_second_one_s_repository() {
    let world = two_accounts();
    world.git(&["clone", "-q", TOOLS, "tools"]).succeeds();
    assert_eq!(logins(&world, 0), [ALICE, BOB]);
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    assert_eq!(world.sandbox.keys(BOB).len(), 1);

    let before = count(&world);
    world.git(&["-C", "tools", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [BOB], "it is remembered");
    world.git(&["clone", "-q", SITE, "site"]).succeeds();
    assert_eq!(
        logins(&world, before + 1),
        [BOB, ALICE],
        "who last served the workspace, then the other"
    );
}

#[test]
fn every_text_of_a_refusal_leads_to_the_next_account() {
    let world = two_accounts();
    world
        .sandbox
        .add_repository("acme/open", Visibility::Public);
    with_keys(&world);
    let command = advertise("x:acme/open.git");
    let texts = [
        "conq: repository access denied.",
        "repository access denied.",
        "repository access denied. access via a deployment key is read-only.",
        "repository access denied. deployment key is not associated with the requested repository.",
        "conq: repository does not exist.",
        "repository does not exist.",
        "Repository not found",
        "The requested repository either does not exist or you do not have access.",
        "You may not have access to this repository or it no longer exists in this workspace",
        "To access this repository, an admin must whitelist your IP.",
        "To access this repository, enable two-step authentication.",
        "To access this repository, enable two-step verification.",
        "Forbidden",
        "Unauthorized",
    ];
    for (text, status) in texts.into_iter().zip([1, 128, 255, 0].into_iter().cycle()) {
        let before = count(&world);
        let text = text.to_owned();
        let fault = SshFault::Refuse {
            text: text.clone(),
            status,
        };
        world.sandbox.faults().ssh(fault, 1);
        let output = ask(&world, &["git@bitbucket.org", &command]).succeeds();
        assert!(output.stdout().contains("refs/heads/main"), "{output}");
        assert!(!output.stderr().contains(&text), "held back: {output}");
        assert_eq!(logins(&world, before).len(), 2, "{text} ({status})");
    }
    // The near miss: another error is not about the key.
    let before = count(&world);
    let fault = SshFault::Refuse {
        text: "the disk is full".to_owned(),
        status: 7,
    };
    world.sandbox.faults().ssh(fault, 1);
    ask(&world, &["git@bitbucket.org", &command])
        .fails_with(7)
        .says("the disk is full");
    assert_eq!(logins(&world, before).len(), 1);
}

#[test]
fn a_refusal_in_a_first_packet_leads_to_the_next_account() {
    let world = two_accounts();
    with_keys(&world);
    world.sandbox.set_refusals(Refusals {
        as_packet: true,
        status: 0,
        ..Refusals::default()
    });
    world.git(&["ls-remote", TOOLS]).succeeds();
    let output = ask(
        &world,
        &["git@bitbucket.org", &advertise("x:acme/nowhere.git")],
    )
    .says(ALICE)
    .says(BOB);
    assert!(
        output
            .stdout()
            .contains("ERR conq: repository does not exist."),
        "git sees the first packet as it came: {output}"
    );
}

#[test]
fn if_all_are_denied_each_account_is_named_with_the_server_s_message() {
    let world = two_accounts();
    with_keys(&world);
    world.sandbox.set_refusals(Refusals {
        status: 3,
        ..Refusals::default()
    });
    let output = ask(
        &world,
        &["git@bitbucket.org", &advertise("x:acme/nowhere.git")],
    )
    .fails_with(3);
    let stderr = output.stderr();
    assert!(
        stderr.starts_with("conq: repository does not exist.\n"),
        "the first refusal as it came: {output}"
    );
    for account in [ALICE, BOB] {
        let line = stderr.lines().find(|line| line.contains(account));
        let line = line.unwrap_or_else(|| panic!("{account} is not named: {output}"));
        assert!(line.contains("repository does not exist"), "{line}");
    }
    world
        .git(&["clone", "git@bitbucket.org:acme/nowhere.git"])
        .fails_with(128)
        .says("Could not read from remote repository");
}

#[test]
fn a_big_push_continues_as_the_account_with_access() {
    let world = two_accounts();
    with_keys(&world);
    world
        .sandbox
        .grant(ALICE, "acme/tools", Some(Permission::Read));
    world.git(&["clone", "-q", TOOLS, "tools"]).succeeds();
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(4 << 20)
        .collect();
    std::fs::write(world.path("work/tools/big"), bytes).unwrap();
    world.git(&["-C", "tools", "add", "big"]).succeeds();
    world
        .git(&["-C", "tools", "commit", "-q", "-m", "Big"])
        .succeeds();
    let before = count(&world);
    let output = world.git(&["-C", "tools", "push"]).succeeds();
    assert_eq!(logins(&world, before), [ALICE, BOB]);
    let text: Vec<String> = output
        .stderr()
        .lines()
        .filter(|line| line.starts_with("bitbucket-ssh: "))
        .map(str::to_owned)
        .collect();
    assert_eq!(text.len(), 1, "{output}");
    assert!(text[0].contains(ALICE) && text[0].contains(BOB), "{text:?}");

    // History for pushes alone.
    let before = count(&world);
    world.git(&["-C", "tools", "fetch", "-q"]).succeeds();
    world
        .git(&["-C", "tools", "commit", "-q", "--allow-empty", "-m", "More"])
        .succeeds();
    let output = world.git(&["-C", "tools", "push"]).succeeds();
    assert_eq!(logins(&world, before), [ALICE, BOB]);
    assert!(!output.stderr().contains("bitbucket-ssh"), "{output}");
}

#[test]
fn a_wrong_memory_costs_one_retry_and_is_corrected() {
    let world = two_accounts();
    with_keys(&world);
    world.git(&["ls-remote", TOOLS]).succeeds();
    world.sandbox.grant(BOB, "acme/tools", None);
    world
        .sandbox
        .grant(ALICE, "acme/tools", Some(Permission::Read));
    let before = count(&world);
    world.git(&["ls-remote", TOOLS]).succeeds();
    assert_eq!(logins(&world, before), [BOB, ALICE]);
    world.git(&["ls-remote", TOOLS]).succeeds();
    assert_eq!(logins(&world, before + 2), [ALICE]);
}

#[test]
fn a_new_key_after_a_refusal_is_only_for_an_account_that_sees_the_repository() {
    // Bob's token sees it, but may only read it: no key for a push.
    let world = two_accounts();
    ask(&world, &["git@bitbucket.org", &advertise(SITE)]).succeeds();
    world
        .sandbox
        .grant(BOB, "acme/tools", Some(Permission::Read));
    ask(
        &world,
        &["git@bitbucket.org", "git-receive-pack 'acme/tools.git'"],
    )
    .fails_with(1)
    .says(&format!("git bitbucket key new --account {BOB}"));
    assert!(world.sandbox.keys(BOB).is_empty());
    world.git(&["ls-remote", TOOLS]).succeeds();
    assert_eq!(world.sandbox.keys(BOB).len(), 1, "for a fetch there is one");

    // It cannot be checked, and no question can be asked.
    let world = two_accounts_with(SCOPES_MINIMUM);
    ask(&world, &["git@bitbucket.org", &advertise(TOOLS)])
        .fails_with(1)
        .says("conq: repository access denied.")
        .says(&format!("git bitbucket key new --account {BOB}"));
    assert!(world.sandbox.keys(BOB).is_empty());
}

#[test]
fn a_url_with_a_user_name_means_that_account() {
    let world = two_accounts();
    world
        .sandbox
        .add_repository("acme/open", Visibility::Public);
    with_keys(&world);
    let before = count(&world);
    world
        .git(&["ls-remote", "bob@bitbucket.org:acme/open.git"])
        .succeeds();
    assert_eq!(logins(&world, before), [BOB]);
    let connection = &world.sandbox.connections()[before];
    assert!(connection.offers.iter().all(|offer| offer.user == "bob"));
    // Under it Alice's refused key means "not this account", and is not replaced.
    forget_lessons(&world);
    world.sandbox.remove_keys(BOB, None);
    let before = world.sandbox.requests().len();
    ask(
        &world,
        &["bob@bitbucket.org", &advertise("x:acme/open.git")],
    )
    .fails_with(255)
    .says("bob@")
    .says("Permission denied (publickey)");
    assert_eq!(world.sandbox.requests().len(), before, "nobody was judged");
}
