//! Every row of the reference, sections 2.6 and 2.7, and what stands between.

use serde_json::{Value, json};

use super::{Cloud, KEY, alice, cloud, error};
use crate::bitbucket::testing::{Server, json as answer, with};
use crate::bitbucket::{Error, KeyRegistry as _, NewKey};

/// Registers a key and is told no.
fn refusal(status: u16, body: &Value) -> Error {
    let (_server, cloud) = cloud([answer(status, body)]);
    let key = NewKey {
        public_key: KEY.to_owned(),
        label: String::new(),
        expires: None,
    };
    cloud.register(&alice(), &key).unwrap_err()
}

fn token(message: &str) -> Error {
    Error::TokenRefused {
        message: message.to_owned(),
    }
}

fn forbidden(message: &str) -> Error {
    Error::Forbidden {
        message: message.to_owned(),
    }
}

fn refused(status: u16, message: &str) -> Error {
    Error::Refused {
        status,
        message: message.to_owned(),
    }
}

fn server(status: u16, message: &str) -> Error {
    Error::Server {
        status,
        message: message.to_owned(),
    }
}

#[test]
fn credentials_that_do_not_suffice() {
    let invalid = "Token is invalid, expired, or not supported for this endpoint.";
    let no_scopes = "API Token provided has no Bitbucket scopes";
    let mechanism = "This API is not accessible by this authentication mechanism";
    let steps = "To access this repository, enable two-step verification.";
    let address = "To access this repository, an admin must whitelist your IP.";
    for (status, message, expected, why) in [
        (
            401,
            invalid,
            token(invalid),
            "expired, wrong address, Bearer",
        ),
        (401, no_scopes, token(no_scopes), "a token without scopes"),
        (403, no_scopes, forbidden(no_scopes), "the same, otherwise"),
        (403, mechanism, forbidden(mechanism), "kind of credential"),
        (403, steps, forbidden(steps), "two-step verification"),
        (403, address, forbidden(address), "address not allowed"),
    ] {
        assert_eq!(refusal(status, &error(message)), expected, "{why}");
    }
}

#[test]
fn missing_scopes_are_named_in_any_language() {
    let body = json!({"type": "error", "error": {
        "message": "Ihren Anmeldedaten fehlen Berechtigungen.",
        "detail": {"granted": ["read:user:bitbucket"], "required": ["write:ssh-key:bitbucket", "x\u{1b}"]}}});
    let expected = Error::ScopeMissing {
        required: vec!["write:ssh-key:bitbucket".to_owned(), "x\\033".to_owned()],
        granted: vec!["read:user:bitbucket".to_owned()],
    };
    for status in [401, 403] {
        assert_eq!(refusal(status, &body), expected);
    }
    assert!(
        matches!(refusal(400, &body), Error::Refused { .. }),
        "only where permission is meant"
    );
}

/// The header has the scopes of the token, whatever the body says.
#[test]
fn granted_scopes_are_read_from_every_answer() {
    let header = "X-OAuth-Scopes: read:user:bitbucket, read:ssh-key:bitbucket\r\n";
    let body = json!({"type": "error", "error": {"message": "no",
        "detail": {"granted": [], "required": ["read:user:bitbucket", "write:ssh-key:bitbucket"]}}});
    let server = Server::start([with(403, header, &body.to_string())]);
    let cloud = Cloud::new(server.client(""));
    assert_eq!(cloud.granted_scopes(), None, "nothing was asked yet");
    let error = cloud.user().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the API token lacks scopes: write:ssh-key:bitbucket"
    );
    let granted = ["read:user:bitbucket", "read:ssh-key:bitbucket"].map(str::to_owned);
    assert_eq!(cloud.granted_scopes(), Some(granted.to_vec()));
}

#[test]
fn keys_that_are_not_taken() {
    let taken = "Someone has already registered that SSH key.";
    let unique = "SSH keys must be unique and deleted keys may take up to 30 days to be removed. Please use a unique SSH key.";
    let deploy = "Someone has already registered this as a deploy key.";
    let invalid = "That SSH key is invalid.";
    let short = "Key is not long enough. Bitbucket requires RSA keys be at least 2048 bits.";
    for message in [taken, unique, deploy, invalid, short] {
        for status in [400, 409, 422] {
            assert_eq!(refusal(status, &error(message)), refused(status, message));
        }
    }
    let fields = json!({"type": "error", "error": {
        "message": "Bad request", "detail": "See the fields.", "fields": {"key": [short], "label": "too long", "x": 1}}});
    let all = format!("Bad request See the fields. (key: {short}) (label: too long)");
    assert_eq!(
        refusal(400, &fields),
        refused(400, &all),
        "messages of fields"
    );
}

#[test]
fn everything_else() {
    let gone = Error::NotFound {
        message: "gone".to_owned(),
    };
    for (status, body, expected, why) in [
        (404, error("gone"), gone, "absent or invisible"),
        (
            410,
            error("removed"),
            refused(410, "removed"),
            "a removed call",
        ),
        (
            411,
            json!({}),
            refused(411, "411 Length Required"),
            "no length",
        ),
        (
            400,
            json!({"error": "plain"}),
            refused(400, "400 Bad Request"),
            "another shape",
        ),
        (
            400,
            error("a\u{1b}]0;b"),
            refused(400, "a\\033]0;b"),
            "fit for a terminal",
        ),
        (500, error("oops"), server(500, "oops"), "the site failed"),
    ] {
        assert_eq!(refusal(status, &body), expected, "{why}");
    }
    for (status, expected) in [
        (403, forbidden("403 Forbidden")),
        (401, token("401 Unauthorized")),
        (502, server(502, "502 Bad Gateway")),
    ] {
        let html = || with(status, "Content-Type: text/html\r\n", "<html>\u{1b}[31m");
        let (_server, cloud) = cloud([html(), html(), html()]);
        assert_eq!(cloud.user().unwrap_err(), expected, "a front end's page");
    }
}
