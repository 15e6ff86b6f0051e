//! The accounts: token, scopes, the keys on the site against those here, their expiry and age.

use sandbox::SCOPES_MINIMUM;

use super::{advice, doctor, finds, is_fixed, is_fixed_by_answers, key_file, served};
use crate::support::{ALICE, World};

const LOGIN: &str = "git bitbucket login alice@example.com --site https://bitbucket.org";

/// A token that is typed in.
fn typed(world: &World) -> String {
    world.sandbox.add_token(ALICE, SCOPES_MINIMUM)
}

#[test]
fn without_a_login_the_advice_is_to_log_in() {
    let mut world = World::new();
    let token = typed(&world);
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    world.configure("bitbucket.account", "");
    let found = ("token", "WARN", "no account is logged in");
    let answers = [
        (ALICE, ""),
        ("API token for alice@example.com: ", token.as_str()),
    ];
    let next = is_fixed_by_answers(&world, &[], found, &answers);
    assert_eq!(next, "git bitbucket login");
}

#[test]
fn a_token_that_is_gone_is_given_anew() {
    let mut world = served();
    let token = typed(&world);
    world.unset("BITBUCKET_API_TOKEN");
    let found = ("token", "WARN", "no API token on this machine");
    let answers = [("API token for alice@example.com: ", token.as_str())];
    assert_eq!(is_fixed_by_answers(&world, &[], found, &answers), LOGIN);
}

#[test]
fn a_refused_token_is_replaced_and_never_shown() {
    let mut world = served();
    let token = typed(&world);
    world.set("BITBUCKET_API_TOKEN", "ATATT-wrong");
    let (_, list) = doctor(&world, &[]);
    assert!(
        !serde_json::to_string(&list)
            .unwrap()
            .contains("ATATT-wrong")
    );
    finds(
        &list,
        "account-keys",
        "SKIP",
        "not checked: the token was refused",
    );
    let found = ("token", "FAIL", "BITBUCKET_API_TOKEN");
    let answers = [("API token for alice@example.com: ", token.as_str())];
    let next = is_fixed_by_answers(&world, &[], found, &answers);
    assert_eq!(next, format!("unset BITBUCKET_API_TOKEN; {LOGIN}"));
    // Stored, it is refused once it is revoked.
    world.unset("BITBUCKET_API_TOKEN");
    world.sandbox.revoke_tokens(ALICE);
    let token = typed(&world);
    let answers = [("API token for alice@example.com: ", token.as_str())];
    let next = is_fixed_by_answers(&world, &[], ("token", "FAIL", ""), &answers);
    assert_eq!(next, LOGIN);
}

#[test]
fn scopes_that_are_missing_are_named() {
    let mut world = served();
    let poor = world.sandbox.add_token(ALICE, &["read:user:bitbucket"]);
    let token = typed(&world);
    world.set("BITBUCKET_API_TOKEN", &poor);
    let found = ("token-scopes", "FAIL", "read:ssh-key:bitbucket");
    let answers = [("API token for alice@example.com: ", token.as_str())];
    let next = is_fixed_by_answers(&world, &[], found, &answers);
    assert_eq!(next, format!("unset BITBUCKET_API_TOKEN; {LOGIN}"));
}

/// The site tells it, without a key being added.
#[test]
fn a_token_that_cannot_add_keys_fails() {
    let mut world = served();
    let reader = ["read:user:bitbucket", "read:ssh-key:bitbucket"];
    let reader = world.sandbox.add_token(ALICE, &reader);
    let token = typed(&world);
    world.set("BITBUCKET_API_TOKEN", &reader);
    let found = (
        "token-scopes",
        "FAIL",
        "missing: write:ssh-key:bitbucket; create a token",
    );
    let answers = [("API token for alice@example.com: ", token.as_str())];
    is_fixed_by_answers(&world, &[], found, &answers);
}

#[test]
fn the_place_of_a_token_s_expiry_is_named() {
    let world = served();
    let (_, list) = doctor(&world, &[]);
    let page = "id.atlassian.com/manage-profile/security/api-tokens";
    finds(&list, "token-expiry", "SKIP", page);
}

#[test]
fn a_key_that_is_gone_from_the_site_is_replaced() {
    let world = served();
    world.sandbox.remove_keys(ALICE, None);
    let (_, list) = doctor(&world, &[]);
    finds(&list, "session", "FAIL", "Permission denied");
    assert_eq!(world.sandbox.keys(ALICE).len(), 0, "doctor makes no key");
    let found = ("account-keys", "FAIL", "is not registered on the account");
    let next = is_fixed(&world, &[], found);
    assert_eq!(next, "git bitbucket key new --account alice@example.com");
    world.git(&["-C", "site", "fetch"]).succeeds();
}

/// The records say when the key was made and ends, the site what ends there.
#[test]
fn a_key_that_ends_or_is_old_is_rotated() {
    let world = served();
    world.configure("bitbucket.passphrase", "none");
    let (_, list) = doctor(&world, &[]);
    finds(&list, "token-scopes", "OK", "it cannot remove keys");
    // The token cannot remove the old key.
    let rotate = "git bitbucket key rotate --keep-old --account alice@example.com";
    let now = jiff::Timestamp::now();
    let day = jiff::SignedDuration::from_hours(24);
    for (expires, verdict, text) in [
        (now + day * 3, "WARN", ", in 2 days"),
        (now - day, "FAIL", "expired on"),
    ] {
        world.sandbox.set_expiry(ALICE, Some(expires));
        let found = ("key-expiry", verdict, text);
        let next = is_fixed_by_answers(&world, &[], found, &[("[y/N]", "y")]);
        assert_eq!(next, rotate);
        world.git(&["-C", "site", "fetch"]).succeeds();
    }
    let records = world.path("home/.ssh/bitbucket-ssh/records.json");
    let text = std::fs::read_to_string(&records).unwrap();
    let mut known: serde_json::Value = serde_json::from_str(&text).unwrap();
    for identity in known["identities"].as_array_mut().unwrap() {
        identity["created"] = (now - day * 400).to_string().into();
    }
    std::fs::write(&records, known.to_string()).unwrap();
    let found = ("key-age", "WARN", "400 days old");
    let next = is_fixed_by_answers(&world, &[], found, &[("[y/N]", "y")]);
    assert_eq!(next, rotate);
    assert!(key_file(&world).ends_with("_ed25519"));
}

#[test]
fn a_site_that_does_not_answer_is_asked_again() {
    let world = served();
    let fault = sandbox::RestFault::ErrorAfter;
    world.sandbox.faults().rest("GET", "/ssh-keys", fault, 12);
    let next = advice(&world, &[], ("token", "WARN", "could not be checked"));
    assert_eq!(next, "git bitbucket doctor");
    world.sandbox.faults().clear();
    super::paste(&world, &[], &next);
    super::is_well(&super::after(&world, &next), "token");
}
