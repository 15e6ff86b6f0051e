//! Bitbucket Cloud: every call that succeeds, and the refusals of each.

use getrandom::SysRng;
use rand_core::UnwrapErr;
use sandbox::{Account, Permission, SCOPES_ALL, SCOPES_MINIMUM, Visibility};
use serde_json::{Value, json};
use ssh_key::{Algorithm, PrivateKey};

use super::{Contract, NOT_CARRIED};

pub const ALICE: &str = "alice@example.com";
pub const BOB: &str = "bob@example.com";

/// A site with Alice, who holds every scope, and `acme/site`, which she administers.
pub struct Site {
    pub contract: Contract,
    pub alice: Account,
    pub login: String,
}

impl Site {
    pub fn new() -> Self {
        let contract = Contract::new();
        let site = &contract.sandbox;
        let alice = site.add_account(ALICE, "alice");
        site.add_account(BOB, "bob");
        let login = format!("{ALICE}:{}", site.add_token(ALICE, SCOPES_ALL));
        site.add_repository("acme/site", Visibility::Private);
        site.grant(ALICE, "acme/site", Some(Permission::Admin));
        site.add_administrator(ALICE, "acme");
        Self {
            contract,
            alice,
            login,
        }
    }

    /// Alice's keys on the site.
    pub fn keys(&self) -> String {
        let uuid = self.alice.uuid.trim_matches(['{', '}']);
        format!("/users/%7B{uuid}%7D/ssh-keys")
    }

    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> super::Reply {
        self.contract.call(method, path, Some(&self.login), body)
    }
}

/// The line of a new public key.
pub fn new_line(comment: &str) -> String {
    let key = PrivateKey::random(&mut UnwrapErr(SysRng), Algorithm::Ed25519).unwrap();
    format!("{} {comment}", key.public_key().to_openssh().unwrap())
}

#[test]
fn every_declared_call_is_answered_as_declared() {
    let site = Site::new();
    let user = site.call("GET", "/user", None).is(200).json();
    assert_eq!(user["uuid"], site.alice.uuid);
    let emails = site.call("GET", "/user/emails", None).is(200).json();
    assert_eq!(emails["values"][0]["email"], ALICE);
    let workspaces = site
        .call("GET", "/user/workspaces?administrator=true", None)
        .is(200)
        .json();
    assert_eq!(workspaces["values"][0]["workspace"]["slug"], "acme");
    assert_eq!(workspaces["pagelen"], 25);
    let permissions = "/user/workspaces/acme/permissions/repositories";
    let named = format!("{permissions}?q=repository.name%3D%22site%22");
    assert_eq!(
        site.call("GET", &named, None).is(200).json()["values"][0]["permission"],
        "admin"
    );
    site.call("GET", &format!("{permissions}?q=nonsense"), None)
        .is(400);
    account_keys(&site);
    access_keys(&site);
    repositories(&site);

    let covered = site.contract.covered.borrow();
    let mut missing = site.contract.schema.operations();
    missing.retain(|one| !covered.contains(one) && !NOT_CARRIED.contains(&one.as_str()));
    assert!(
        missing.is_empty(),
        "declared, and never answered with success: {missing:?}"
    );
}

fn account_keys(site: &Site) {
    let keys = site.keys();
    let line = new_line("alice@laptop");
    let body = json!({"key": line, "label": "laptop"});
    let expiring = format!("{keys}?expires_on=2099-01-02T03:04:05.000Z");
    let made = site.call("POST", &expiring, Some(&body)).is(201).json();
    assert_eq!(made["comment"], "alice@laptop");
    assert_eq!(made["key"], line.rsplit_once(' ').unwrap().0);
    assert_eq!(made["expires_on"], "2099-01-02T03:04:05.000000+00:00");
    assert_eq!(made["last_used"], Value::Null);
    let fingerprint = made["fingerprint"].as_str().unwrap();
    assert!(!fingerprint.starts_with("SHA256:") && fingerprint.len() == 43);

    let uuid = made["uuid"].as_str().unwrap().to_owned();
    let bare = uuid.trim_matches(['{', '}']);
    let own_address = made["links"]["self"]["href"].as_str().unwrap();
    for form in [
        format!("{keys}/%7B{bare}%7D"),
        format!("{keys}/{bare}"),
        format!("{keys}/{uuid}"),
        format!("/users/{}/ssh-keys/{bare}", site.alice.uuid),
        format!(
            "/users/{}/ssh-keys/{bare}",
            site.alice.account_id.replace(':', "%3A")
        ),
        own_address.to_owned(),
    ] {
        assert_eq!(
            site.call("GET", &form, None).is(200).json()["uuid"],
            uuid,
            "{form}"
        );
    }
    let one = format!("{keys}/{bare}");
    let renamed = site
        .call("PUT", &one, Some(&json!({"label": "old laptop"})))
        .is(200)
        .json();
    assert_eq!(renamed["label"], "old laptop");
    site.call("PUT", &one, Some(&json!(["no object"]))).is(400);
    assert_eq!(
        site.call("GET", &keys, None).is(200).json()["values"][0]["label"],
        "old laptop"
    );
    site.call("DELETE", &one, None).is(204);
    for method in ["GET", "DELETE"] {
        site.call(method, &one, None).is(404);
    }
    site.call("GET", "/users/alice/ssh-keys", None).is(404);
    site.call("GET", "/users/%7Bnobody%7D/ssh-keys", None)
        .is(404);
}

fn access_keys(site: &Site) {
    let keys = "/repositories/acme/site/deploy-keys";
    let line = new_line("ci");
    let body = json!({"key": line, "label": "ci"});
    let made = site.call("POST", keys, Some(&body)).is(200).json();
    assert_eq!(made["type"], "deploy_key");
    let one = format!("{keys}/{}", made["id"]);
    assert_eq!(site.call("GET", &one, None).is(200).json()["comment"], "ci");
    assert_eq!(site.call("GET", keys, None).is(200).json()["size"], 1);
    let changed = json!({"key": line, "label": "build"});
    assert_eq!(
        site.call("PUT", &one, Some(&changed)).is(200).json()["label"],
        "build"
    );
    let other = json!({"key": new_line("x"), "label": "build"});
    site.call("PUT", &one, Some(&other)).is(400);
    site.call("POST", keys, Some(&json!({"label": "no key"})))
        .is(400);
    site.call("DELETE", &one, None).is(204);
    site.call("GET", &one, None).is(404);
    site.call("GET", "/repositories/acme/absent/deploy-keys", None)
        .is(404);
}

fn repositories(site: &Site) {
    let shown = site
        .call("GET", "/repositories/acme/site", None)
        .is(200)
        .json();
    let clone = shown["links"]["clone"].as_array().unwrap();
    assert!(clone.iter().any(|link| link["name"] == "ssh"));
    let uuid = shown["uuid"].as_str().unwrap().trim_matches(['{', '}']);
    site.call("GET", &format!("/repositories/%7B%7D/%7B{uuid}%7D"), None)
        .is(200);
    site.call("GET", "/repositories/acme/absent", None).is(404);
    site.contract
        .sandbox
        .add_empty_repository("acme/secret", Visibility::Private);
    site.call("GET", "/repositories/acme/secret", None).is(403);
    let body = json!({"scm": "git", "is_private": true});
    site.call("POST", "/repositories/acme/fresh", Some(&body))
        .is(200);
    site.call("POST", "/repositories/acme/fresh", Some(&body))
        .is(400);
    site.call("POST", "/repositories/elsewhere/fresh", Some(&body))
        .is(400);
    let shown = site
        .call("GET", "/repositories/acme/fresh", None)
        .is(200)
        .json();
    assert_eq!(shown["is_private"], true);
}

#[test]
fn lists_come_in_pages() {
    let site = Site::new();
    for number in 0..23 {
        let line = new_line("x");
        site.contract
            .sandbox
            .add_key(ALICE, &line, &number.to_string());
    }
    let mut labels = Vec::new();
    let mut next = Some(site.keys());
    let mut pages = 0;
    while let Some(path) = next {
        let page = site.call("GET", &path, None).is(200).json();
        for key in page["values"].as_array().unwrap() {
            labels.push(key["label"].as_str().unwrap().to_owned());
        }
        pages += 1;
        assert_eq!(page["size"], 23);
        next = page
            .get("next")
            .map(|next| next.as_str().unwrap().to_owned());
    }
    assert_eq!(pages, 3, "ten on a page");
    assert_eq!(
        labels,
        (0..23).map(|number| number.to_string()).collect::<Vec<_>>()
    );
    for (length, expected) in [("100", 23), ("20", 20), ("5", 10), ("1000", 23)] {
        let path = format!("{}?pagelen={length}", site.keys());
        let page = site.call("GET", &path, None).is(200).json();
        assert_eq!(
            page["values"].as_array().unwrap().len(),
            expected,
            "pagelen={length}"
        );
    }
}

#[test]
fn scopes_are_asked_for_one_by_one() {
    let site = Site::new();
    let minimum = site.contract.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    let login = format!("{ALICE}:{minimum}");
    let contract = &site.contract;
    let path = format!("{}/x", site.keys());
    let refused = contract
        .call("DELETE", &path, Some(&login), None)
        .is(403)
        .json();
    assert_eq!(
        refused["error"]["message"],
        "Your credentials lack one or more required privilege scopes."
    );
    let detail = &refused["error"]["detail"];
    assert_eq!(detail["required"], json!(["delete:ssh-key:bitbucket"]));
    assert_eq!(detail["granted"], json!(SCOPES_MINIMUM));
    contract
        .call("GET", "/repositories/acme/site", Some(&login), None)
        .is(403);
    let write_only = contract
        .sandbox
        .add_token(ALICE, &["write:ssh-key:bitbucket"]);
    let login = format!("{ALICE}:{write_only}");
    contract
        .call("GET", &site.keys(), Some(&login), None)
        .is(403);
}
