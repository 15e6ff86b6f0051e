//! Accounts with a thousand keys, machines with fifty accounts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox::{Permission, SCOPES_MINIMUM, Sandbox};

use crate::choice::log_in;
use crate::data_center::{Company, PASSWORD};
use crate::support::{ALICE, World};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// Adds a thousand keys without private halves.
fn add_a_thousand(site: &Sandbox, account: &str) {
    let mut random = fastrand::Rng::with_seed(1000);
    for number in 0..1000 {
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend(std::iter::repeat_with(|| random.u8(..)).take(32));
        let line = format!("ssh-ed25519 {}", STANDARD.encode(blob));
        site.add_key(account, &line, &format!("key {number}"));
    }
}

/// The key that lies where ours would lie, and is the last of the list, is found and taken.
fn is_adopted(world: &World, site: &Sandbox, account: &str, file: &str, url: &str, pages: usize) {
    add_a_thousand(site, account);
    let line = world.make_key(file, "");
    site.add_key(account, &line, "the last one");
    let lists = || {
        let requests = site.requests();
        let lists = requests.iter().filter(|one| one.path.ends_with("keys"));
        lists.filter(|one| one.method == "GET").count()
    };
    let before = lists();
    world.git(&["ls-remote", "-q", url]).succeeds();
    assert_eq!(lists() - before, pages, "the list is read once");
    assert_eq!(site.keys(account).len(), 1001, "none is made");

    let list = world.git_bitbucket(&["key", "list", "--json"]).succeeds();
    let list: serde_json::Value = serde_json::from_str(&list.stdout()).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 1001);
    assert_eq!(list[1000]["state"], "proved");
    let here = list.iter().filter(|key| key["this_machine"] == true);
    assert_eq!(here.count(), 1);
}

#[test]
fn a_key_behind_a_thousand_others_is_found_on_cloud() {
    let world = World::new();
    let file = "bitbucket_alice@example.com_ed25519";
    is_adopted(&world, &world.sandbox, ALICE, file, URL, 11);
}

#[test]
fn a_key_behind_a_thousand_others_is_found_on_data_center() {
    let company = Company::new();
    company.set("provision", "auto");
    company.login(PASSWORD).succeeds();
    let mut world = company.world;
    // Only the one site is meant.
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    let port = company.center.web_url();
    let port = port.split([':', '/']).nth(4).unwrap().to_owned();
    let file = format!("bitbucket_carol_127.0.0.1_{port}_bitbucket_ed25519");
    let url = format!("ssh://git@{}/PROJ/tool.git", company.center.ssh_host());
    is_adopted(&world, &company.center, "carol", &file, &url, 11);
}

#[test]
fn fifty_accounts_are_listed_and_the_right_one_is_used() {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    let name = |number: usize| format!("user{number}@example.com");
    let mut random = fastrand::Rng::with_seed(50);
    for number in 0..50 {
        let account = name(number);
        world
            .sandbox
            .add_account(&account, &format!("user{number}"));
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend(std::iter::repeat_with(|| random.u8(..)).take(32));
        let line = format!("ssh-ed25519 {}", STANDARD.encode(blob));
        world.sandbox.add_key(&account, &line, &account);
        let token = world.sandbox.add_token(&account, SCOPES_MINIMUM);
        log_in(&world, &account, &token);
    }
    let list = world.git_bitbucket(&["key", "list", "--json"]).succeeds();
    let list: serde_json::Value = serde_json::from_str(&list.stdout()).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 50);
    for (number, key) in list.iter().enumerate() {
        assert_eq!(key["account"], name(number).as_str());
        assert_eq!(key["label"], name(number).as_str());
    }

    let member = name(49);
    world
        .sandbox
        .grant(&member, "acme/site", Some(Permission::Read));
    world.configure("bitbucket.https://bitbucket.org/acme.account", &member);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let login = world.sandbox.connections().pop().unwrap().login.unwrap();
    assert_eq!(login.account, Some(member));
    assert_eq!(
        world.sandbox.connections().len(),
        1,
        "nobody else was tried"
    );
}

#[test]
fn forty_thousand_remotes_are_read_in_one_pass() {
    let world = World::new();
    world.git(&["init", "-q", "many"]).succeeds();
    let file = world.path("work/many/.git/config");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for number in 0..40_000 {
        let remote =
            format!("[remote \"r{number}\"]\n\turl = git@bitbucket.org:acme/app{number}.git\n");
        text.push_str(&remote);
    }
    let origin = format!("[remote \"origin\"]\n\turl = {URL}\n");
    text.push_str(&origin);
    let account = format!("[bitbucket]\n\taccount = {ALICE}\n");
    text.push_str(&account);
    std::fs::write(&file, text).unwrap();
    // Quadratic, it took minutes, which is longer than any program may run here.
    let status = world.git(&["-C", "many", "bitbucket", "status", "origin"]);
    let status = status.succeeds().stdout();
    assert!(
        status.contains(".git/config:"),
        "the repository's own setting counts: {status}"
    );
}
