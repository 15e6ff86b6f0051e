//! The refusals and faults that no schema describes: their status and text.

use jiff::Timestamp;
use sandbox::{RestFault, SCOPES_MINIMUM};
use serde_json::json;

use super::client::exchange;
use super::cloud::{ALICE, BOB, Site, new_line};

#[test]
fn wrong_tokens_are_refused_alike() {
    let site = Site::new();
    let contract = &site.contract;
    let none = contract.sandbox.add_token(ALICE, &[]);
    let past = Some(Timestamp::UNIX_EPOCH);
    let expired = contract
        .sandbox
        .add_expiring_token(ALICE, SCOPES_MINIMUM, past);
    let (_, good) = site.login.split_once(':').unwrap();
    for (login, why) in [
        (Some(format!("{ALICE}:{expired}")), "expired"),
        (
            Some(format!("{ALICE}:{none}")),
            "without scopes, as of another product",
        ),
        (Some(format!("{ALICE}:wrong")), "wrong"),
        (Some(format!("{BOB}:{good}")), "of another account"),
        (
            Some(format!("alice:{good}")),
            "user name in place of the e-mail address",
        ),
        (None, "nobody"),
    ] {
        let reply = contract.call("GET", "/user", login.as_deref(), None);
        assert_eq!(reply.status, 401, "{why}");
        assert_eq!(
            reply.message(),
            "Token is invalid, expired, or not supported for this endpoint.",
            "{why}"
        );
    }
    let address = format!("{}/user", contract.sandbox.api_url());
    let bearer = exchange(
        "GET",
        &address,
        &format!("Authorization: Bearer {good}\r\n"),
        "",
    );
    assert_eq!(
        bearer.unwrap().status,
        401,
        "API tokens are taken as Basic alone"
    );
    contract.sandbox.revoke_tokens(ALICE);
    assert_eq!(site.call("GET", "/user", None).status, 401, "revoked");
}

#[test]
fn removed_calls_and_missing_lengths() {
    let site = Site::new();
    for path in [
        "/repositories",
        "/workspaces",
        "/user/permissions/workspaces",
        "/user/permissions/repositories",
        "/repositories/acme?role=member",
    ] {
        site.call("GET", path, None).is(410);
    }
    let address = format!("{}{}", site.contract.sandbox.api_url(), site.keys());
    assert_eq!(exchange("POST", &address, "", "").unwrap().status, 411);
}

#[test]
fn keys_are_refused_in_the_words_of_the_site() {
    let site = Site::new();
    let contract = &site.contract;
    let held = new_line("held");
    contract.sandbox.add_key(BOB, &held, "bob's");
    let access = new_line("access");
    contract.sandbox.add_deploy_key("acme/site", &access, "ci");
    let deleted = new_line("deleted");
    let body = json!({"key": deleted});
    let made = site.call("POST", &site.keys(), Some(&body)).is(201).json();
    let link = made["links"]["self"]["href"].as_str().unwrap();
    site.call("DELETE", link, None).is(204);
    let own = new_line("own");
    site.call("POST", &site.keys(), Some(&json!({"key": own})))
        .is(201);
    for (key, text) in [
        (
            held.as_str(),
            "Someone has already registered that SSH key.",
        ),
        (&own, "Someone has already registered that SSH key."),
        (
            &access,
            "Someone has already registered this as a deploy key.",
        ),
        (
            &deleted,
            "deleted keys may take up to 30 days to be removed",
        ),
        ("ssh-ed25519 AAAA", "That SSH key is invalid."),
        (
            &own.replacen("AAAA", "AAAA\n", 1),
            "That SSH key is invalid.",
        ),
        (
            SHORT_RSA,
            "Bitbucket requires RSA keys be at least 2048 bits.",
        ),
    ] {
        let reply = site
            .call("POST", &site.keys(), Some(&json!({"key": key})))
            .is(400);
        assert!(reply.message().contains(text), "{text}: {}", reply.text());
        assert_eq!(reply.json()["error"]["fields"]["key"][0], reply.message());
    }
    let past = format!("{}?expires_on=2001-01-01", site.keys());
    site.call("POST", &past, Some(&json!({"key": new_line("x")})))
        .is(400);
    let keys = "/repositories/acme/site/deploy-keys";
    site.call("POST", keys, Some(&json!({"key": own}))).is(400);
}

#[test]
fn requests_fail_as_configured() {
    let site = Site::new();
    let faults = site.contract.sandbox.faults();
    let address = format!("{}{}", site.contract.sandbox.api_url(), site.keys());
    let login = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(&site.login)
    };
    let post = || {
        let body = json!({"key": new_line("x")}).to_string();
        let length = body.len();
        let headers = format!("Authorization: Basic {login}\r\nContent-Length: {length}\r\n");
        exchange("POST", &address, &headers, &body)
    };
    let held = || site.contract.sandbox.keys(ALICE).len();

    faults.rest("POST", "ssh-keys", RestFault::DropBefore, 1);
    assert!(post().is_none() && held() == 0);
    for (retry_after, expected) in [(None, false), (Some(7), true)] {
        faults.rest("", "", RestFault::TooManyRequests { retry_after }, 1);
        let reply = post().unwrap();
        assert_eq!(reply.status, 429);
        assert_eq!(reply.head.contains("retry-after: 7"), expected);
    }
    faults.rest("POST", "", RestFault::DropAfter, 1);
    assert!(post().is_none() && held() == 1, "stored, and nobody told");
    site.contract.sandbox.remove_keys(ALICE, None);
    faults.rest("POST", "", RestFault::ErrorAfter, 1);
    assert!(post().unwrap().status == 500 && held() == 1);

    faults.rest("GET", "/user", RestFault::Unauthorized, 1);
    site.call("GET", "/user", None).is(401);
    faults.rest("GET", "/user", RestFault::Forbidden, 1);
    site.call("GET", "/user", None).is(403);
    site.call("GET", "/user", None).is(200);
    let elsewhere = "http://127.0.0.1:9/2.0/stolen";
    faults.rest(
        "GET",
        "ssh-keys",
        RestFault::NextLink(elsewhere.to_owned()),
        1,
    );
    assert_eq!(
        site.call("GET", &site.keys(), None).json()["next"],
        elsewhere
    );
    faults.rest("GET", "", RestFault::Redirect(elsewhere.to_owned()), 1);
    let reply = exchange("GET", &address, "", "").unwrap();
    assert!(reply.status == 307 && reply.head.contains(elsewhere));

    let requests = site.contract.sandbox.requests();
    assert_eq!(requests[0].status, None, "dropped");
    assert!(
        requests
            .iter()
            .any(|one| one.account.as_deref() == Some(ALICE))
    );
}

/// 1024 bits, of no use to anybody.
const SHORT_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCsLjz0HtkpXo/gIkK9hFBGm//jXbOvu0P53Shern\
     t9bqLqa7sU8zEz+vLBZ3ByOn5mwhIDORgIFy8G8aG5loy9MzCKFyXM18WjzkcKE1dbsqLg\
     x1BEHAlbt8Y0lwafaYTC7aHps3DLvQ8+LMdpjOJ8sOg1Q2aJj9ZikprFEb76Bw==";
