//! Whole calls, from the words that were typed to the exit status.

use super::accounts::tests::{CENTER, CLOUD, site};
use super::testing::{GOOD_TOKEN, Machine, POOR_TOKEN, Said};
use super::*;
use crate::secret::TokenPlace;

/// One call with this standard input; the result is the exit status.
fn call(machine: &Machine, line: &str, input: &str) -> Said<u8> {
    let words = line.split_whitespace().map(OsString::from).collect();
    match arguments::read(words) {
        Reading::Do(verb) => machine.call(input, |call| perform(call, &verb)),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_login_stores_records_and_says_where() {
    let machine = Machine::new();
    let said = call(&machine, "login a@b.example --with-token", GOOD_TOKEN);
    assert_eq!(said.result, 0, "{said:?}");
    assert!(
        said.output.contains("token: the system's keyring"),
        "{said:?}"
    );
    let tokens = machine.rooms.tokens.borrow().clone();
    assert_eq!(
        tokens,
        [(
            CLOUD.to_owned(),
            "a@b.example".to_owned(),
            GOOD_TOKEN.to_owned(),
            TokenPlace::Keyring
        )]
    );
    let accounts = machine.rooms.accounts();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].emails, ["a@b.example"]);
    assert!(!machine.path("home/.gitconfig").exists(), "no git config");

    let said = call(
        &machine,
        "login A@b.example --with-token --store file",
        GOOD_TOKEN,
    );
    assert_eq!(said.result, 0, "{said:?}");
    assert_eq!(machine.rooms.accounts().len(), 1, "the same account");

    let said = call(&machine, "logout", "");
    assert_eq!(said.result, 0, "{said:?}");
    assert!(machine.rooms.accounts().is_empty());
    let said = call(&machine, "logout", "");
    assert_eq!(said.result, 4, "{said:?}");
}

#[test]
fn a_token_moves_to_its_new_place() {
    let machine = Machine::new();
    let line = "login a@b.example --with-token";
    assert_eq!(call(&machine, line, GOOD_TOKEN).result, 0);
    let said = call(&machine, &format!("{line} --store file"), GOOD_TOKEN);
    assert_eq!(said.result, 0);
    let places: Vec<_> = machine
        .rooms
        .tokens
        .borrow()
        .iter()
        .map(|token| token.3)
        .collect();
    assert_eq!(places, [TokenPlace::File], "no older token is found first");
    assert!(!said.errors.contains("no keyring"), "a file was wished");
}

#[test]
fn a_token_of_no_use_stores_nothing() {
    let machine = Machine::new();
    machine.rooms.keyring.set(false);
    for (line, input, status, words, why) in [
        (
            "login a@b.example --with-token",
            "ATATT-bad",
            1,
            "git-bitbucket: the site does not accept the API token: Token is invalid\nhint: ",
            "refused",
        ),
        (
            "login a@b.example --with-token",
            POOR_TOKEN,
            1,
            "lacks scopes: read:ssh-key:bitbucket write:ssh-key:bitbucket",
            "scopes are named",
        ),
        (
            "login a@b.example --with-token --store keyring",
            GOOD_TOKEN,
            1,
            "hint: --store file",
            "no keyring",
        ),
        (
            "login a@b.example",
            "",
            1,
            "--with-token",
            "nobody can be asked",
        ),
        (
            "login a@b.example --with-token --site https://other.example",
            GOOD_TOKEN,
            2,
            "is not configured as a site",
            "no such site",
        ),
    ] {
        let said = call(&machine, line, input);
        assert_eq!(said.result, status, "{why}: {said:?}");
        assert!(said.errors.contains(words), "{why}: {said:?}");
        assert!(
            !format!("{said:?}").contains("ATATT"),
            "{why}: no token is shown"
        );
        assert!(machine.rooms.tokens.borrow().is_empty(), "{why}");
        assert!(machine.rooms.accounts().is_empty(), "{why}");
    }
}

#[test]
fn an_account_of_two_sites_needs_a_site() {
    let machine = Machine::new();
    machine.rooms.set_known(Accounts {
        sites: vec![site(CLOUD), site(CENTER)],
        accounts: Vec::new(),
    });
    for url in [CLOUD, CENTER] {
        let line = format!("login alice --with-token --site {url}");
        assert_eq!(call(&machine, &line, GOOD_TOKEN).result, 0);
    }
    for line in [
        "use alice --global",
        "login alice --with-token",
        "logout alice",
        "logout",
    ] {
        assert_eq!(call(&machine, line, GOOD_TOKEN).result, 2, "{line}");
    }
    let said = call(&machine, &format!("logout alice --site {CENTER}"), "");
    assert_eq!(said.result, 0);
    assert_eq!(
        call(&machine, "use alice --global", "").result,
        0,
        "one is left"
    );
}

#[test]
fn a_url_of_nobody_is_named() {
    let machine = Machine::new();
    let said = call(&machine, "status git@example.org:a/b", "");
    assert_eq!(said.result, 1);
    assert!(
        said.errors
            .contains("git@example.org:a/b is on no Bitbucket"),
        "{said:?}"
    );
}
