//! Logins, and access to repositories.

use sandbox::{Permission, SCOPES_MINIMUM, Visibility};

use super::{BOB, SITE, Scene, TOOLS, holds, served, without_login};
use crate::choice::log_in;
use crate::support::{ALICE, World};

const TOKEN: &str = "API token for alice@example.com: ";
const BOB_S_TOKEN: &str = "API token for bob@example.com: ";

/// Bob's repository, and his token.
fn bob(world: &World) -> String {
    world.sandbox.add_account(BOB, "bob");
    world
        .sandbox
        .add_repository("acme/tools", Visibility::Private);
    world
        .sandbox
        .grant(BOB, "acme/tools", Some(Permission::Write));
    world.sandbox.add_token(BOB, SCOPES_MINIMUM)
}

#[test]
fn another_account_s_repository() {
    holds("Repository not found, or access denied", || {
        let world = served();
        let token = bob(&world);
        Scene::new(world, TOOLS)
            .answer("Account on https://bitbucket.org", BOB)
            .answer(BOB_S_TOKEN, &token)
    });
}

#[test]
fn no_account_is_logged_in() {
    holds("No account is logged in", || {
        let world = without_login();
        let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
        Scene::new(world, SITE)
            .answer("Account on https://bitbucket.org", "")
            .answer(TOKEN, &token)
    });
}

#[test]
fn the_chosen_account_is_not_logged_in() {
    holds("The chosen account is not logged in here", || {
        let world = served();
        let token = bob(&world);
        world.configure("bitbucket.account", BOB);
        Scene::new(world, TOOLS).answer(BOB_S_TOKEN, &token)
    });
}

#[test]
fn a_name_that_no_account_has() {
    holds("No account has the configured name", || {
        let world = served();
        world.configure("bitbucket.account", "alcie");
        Scene::new(world, SITE)
    });
}

#[test]
fn a_stored_token_that_is_not_accepted() {
    holds("The API token is wrong or has expired", || {
        let world = without_login();
        let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
        log_in(&world, ALICE, &token);
        world.sandbox.revoke_tokens(ALICE);
        let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
        Scene::new(world, SITE).answer(TOKEN, &token)
    });
}

#[test]
fn a_token_of_the_environment_that_is_not_accepted() {
    holds(
        "The API token in the environment is wrong or has expired",
        || {
            let mut world = World::new();
            world.configure("bitbucket.passphrase", "none");
            world.set("BITBUCKET_API_TOKEN", "ATATT-old");
            let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
            Scene::new(world, SITE).answer(TOKEN, &token)
        },
    );
}

#[test]
fn a_token_without_the_scope() {
    holds("The API token lacks a scope", || {
        let mut world = World::new();
        world.configure("bitbucket.passphrase", "none");
        let scopes = ["read:user:bitbucket", "read:ssh-key:bitbucket"];
        let token = world.sandbox.add_token(ALICE, &scopes);
        world.set("BITBUCKET_API_TOKEN", &token);
        let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
        Scene::new(world, SITE).answer(TOKEN, &token)
    });
}

#[test]
fn no_key_may_be_made() {
    holds("There is no key, and creating one is not allowed", || {
        let mut world = World::new();
        world.configure("bitbucket.passphrase", "none");
        world.set("CI", "true");
        Scene::new(world, SITE)
    });
}
