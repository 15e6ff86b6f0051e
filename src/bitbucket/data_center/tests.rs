//! Data Center's answers as the specification and public clients show them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{DataCenter, authorization, ssh_base_url, ssh_fingerprint};
use crate::bitbucket::credential::Token;
use crate::bitbucket::http::Client;
use crate::bitbucket::testing::{Reply, Server, context, json as answer, short_limits, with};
use crate::bitbucket::{Access, Error, KeyId, KeyRegistry as _, NewKey, SshSettings, User};
use crate::clock::Clock;
use crate::repository::Repository;
use crate::secret::{Secret, TokenPlace};
use crate::settings::HttpSettings;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqP3Cr632C2dNhhgKVcon4ldUSAeKiku2yP9O9/bDtY";
const FINGERPRINT: &str = "SHA256:w9tZSiFoZ8oXwS4ZSWrJopGxwvnPIewA6Mo4owAHPrI";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }
}

fn token(secret: &str) -> Token {
    Token {
        account: "alice".to_owned(),
        secret: Secret::new(secret.to_owned()),
        place: TokenPlace::File,
    }
}

fn data_center(script: impl IntoIterator<Item = Reply>) -> (Server, DataCenter) {
    let server = Server::start(script);
    let mut context = context(&[]);
    context.clock = Arc::new(Fixed);
    let api = format!("{}/bitbucket", server.url());
    let authorization = authorization(&token("BBDC-secret"));
    let client = Client::new(
        &context,
        &api,
        authorization,
        &HttpSettings::default(),
        short_limits(),
    );
    (server, DataCenter::new(client.unwrap()))
}

fn alice() -> User {
    User {
        id: "alice".to_owned(),
        user_name: Some("alice".to_owned()),
        nickname: None,
        display_name: "alice".to_owned(),
    }
}

fn errors(message: &str) -> Value {
    json!({"errors": [{"context": null, "message": message, "exceptionName": "com.atlassian.X"}]})
}

fn key(id: u32) -> Value {
    json!({"id": id, "text": format!("{KEY} me@host"), "label": "me@host", "algorithmType": "ED25519",
        "bitLength": 256, "fingerprint": "Cbg38r", "createdDate": 1_700_000_000_000_i64, "expiryDays": 30,
        "lastAuthenticated": "1700000600000"})
}

#[test]
fn tokens_are_bearers_and_passwords_are_not() {
    for (secret, expected, why) in [
        ("BBDC-NDQ3", "Bearer BBDC-NDQ3", "today's tokens"),
        (
            "MjUyOTczNTE1MDY5OvLB1qJ7pGLPLa3v0CsBaA9Qz1bq",
            "Bearer MjUyOTczNTE1MDY5OvLB1qJ7pGLPLa3v0CsBaA9Qz1bq",
            "older ones: a number and a colon",
        ),
        (
            "correct horse",
            "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==",
            "a password",
        ),
        (
            "MTIzNDU2",
            "Basic YWxpY2U6TVRJek5EVTI=",
            "a password that is base64 by chance",
        ),
    ] {
        let server = Server::start([answer(200, &json!({}))]);
        let client = Client::new(
            &context(&[]),
            server.url(),
            authorization(&token(secret)),
            &HttpSettings::default(),
            short_limits(),
        );
        client.unwrap().get("/x").unwrap();
        assert_eq!(
            server.seen()[0].header("authorization"),
            Some(expected),
            "{why}"
        );
    }
}

#[test]
fn a_header_names_the_user() {
    let properties = "{\"version\":\"9.4.0\",\"displayName\":\"Bitbucket\"}";
    let named = |header: &str| with(200, header, properties);
    let (server, site) = data_center([named("X-AUSERNAME: alice%40corp\r\n")]);
    let user = site.user().unwrap();
    assert_eq!(user.user_name.as_deref(), Some("alice@corp"));
    assert_eq!(
        server.asked(),
        ["GET /bitbucket/rest/api/latest/application-properties"]
    );
    for header in ["", "X-AUSERNAME: anonymous\r\n", "X-AUSERNAME: \r\n"] {
        let (_server, site) = data_center([named(header)]);
        let error = site.user().unwrap_err();
        assert!(
            matches!(error, Error::TokenRefused { .. }),
            "{header}: {error}"
        );
    }
    let (_server, site) = data_center([with(200, "X-AUSERNAME: a\r\n", "{}")]);
    assert!(
        matches!(site.user(), Err(Error::Unexpected { .. })),
        "no Bitbucket"
    );
}

#[test]
fn the_list_goes_over_all_pages() {
    let (server, site) = data_center([
        answer(
            200,
            &json!({"values": [key(1)], "size": 1, "isLastPage": false, "start": 0, "limit": 100, "nextPageStart": 7}),
        ),
        answer(
            200,
            &json!({"values": [key(2)], "size": 1, "isLastPage": true, "start": 7}),
        ),
    ]);
    let keys = site.keys(&alice()).unwrap();
    assert_eq!(
        keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(keys[0].public_key, KEY, "without comment");
    assert_eq!(keys[0].fingerprint, FINGERPRINT);
    assert_eq!(
        keys[0].created,
        Some("2023-11-14T22:13:20Z".parse().unwrap())
    );
    assert_eq!(
        keys[0].last_used,
        Some("2023-11-14T22:23:20Z".parse().unwrap())
    );
    assert_eq!(
        keys[0].expires,
        Some("2023-12-14T22:13:20Z".parse().unwrap()),
        "30 days later"
    );
    let path = "/bitbucket/rest/ssh/latest/keys";
    assert_eq!(
        server.asked(),
        [
            format!("GET {path}?limit=100&start=0"),
            format!("GET {path}?limit=100&start=7")
        ]
    );
}

#[test]
fn pages_have_an_end() {
    let page = || {
        answer(
            200,
            &json!({"values": [], "isLastPage": false, "nextPageStart": 0}),
        )
    };
    let (_server, site) = data_center([page(), page()]);
    assert!(
        site.keys(&alice())
            .unwrap_err()
            .to_string()
            .contains("too many pages")
    );
}

#[test]
fn a_key_is_registered_for_whole_days() {
    for (expires, days, why) in [
        (None, None, "for ever"),
        (Some("2026-11-25T12:00:00Z"), Some(1), "a day"),
        (
            Some("2026-11-25T12:00:01Z"),
            Some(2),
            "never shorter than wished",
        ),
        (Some("2026-11-24T00:00:00Z"), Some(1), "never none"),
    ] {
        let (server, site) = data_center([answer(201, &key(5))]);
        let key = NewKey {
            public_key: KEY.to_owned(),
            label: "l".to_owned(),
            expires: expires.map(|text| text.parse().unwrap()),
        };
        assert_eq!(site.register(&alice(), &key).unwrap().id.as_str(), "5");
        assert_eq!(server.asked(), ["POST /bitbucket/rest/ssh/latest/keys"]);
        let body: Value = serde_json::from_str(&server.seen()[0].body).unwrap();
        let mut expected = json!({"text": KEY, "label": "l"});
        if let Some(days) = days {
            expected["expiryDays"] = json!(days);
        }
        assert_eq!(body, expected, "{why}");
    }
}

#[test]
fn a_key_is_never_removed_without_its_id() {
    for reply in [with(204, "", ""), answer(404, &errors("no"))] {
        let (server, site) = data_center([reply]);
        site.remove(&alice(), &KeyId::new("7").unwrap()).unwrap();
        assert_eq!(server.asked(), ["DELETE /bitbucket/rest/ssh/latest/keys/7"]);
    }
    assert_eq!(KeyId::new(" "), None);
}

/// The reference, sections 4.2, 4.5 and 4.8.
#[test]
fn refusals_are_told_apart_by_status_and_header() {
    let taken = "This SSH key is already assigned to 'bob'.";
    let fields =
        json!({"errors": [{"context": "text", "message": "not a key"}, {"message": "and more"}]});
    let refused = |status, message: &str| Error::Refused {
        status,
        message: message.to_owned(),
    };
    for (status, headers, body, expected, why) in [
        (
            409,
            "",
            errors(taken),
            refused(409, taken),
            "already in the system",
        ),
        (
            400,
            "",
            fields,
            refused(400, "text: not a key and more"),
            "messages of fields",
        ),
        (
            401,
            "",
            errors("no"),
            Error::TokenRefused {
                message: "no".to_owned(),
            },
            "not signed in",
        ),
        (
            401,
            "X-AUSERNAME: alice\r\n",
            errors("no"),
            Error::Forbidden {
                message: "no".to_owned(),
            },
            "signed in, and not allowed",
        ),
        (
            403,
            "",
            errors("no"),
            Error::Forbidden {
                message: "no".to_owned(),
            },
            "not allowed",
        ),
        (
            404,
            "",
            errors("no"),
            Error::NotFound {
                message: "no".to_owned(),
            },
            "absent",
        ),
        (
            500,
            "",
            json!("x"),
            Error::Server {
                status: 500,
                message: "500 Internal Server Error".to_owned(),
            },
            "another shape",
        ),
        (
            400,
            "",
            errors("\u{1b}[2J"),
            refused(400, "\\033[2J"),
            "fit for a terminal",
        ),
    ] {
        let (_server, site) = data_center([with(status, headers, &body.to_string())]);
        let key = NewKey {
            public_key: KEY.to_owned(),
            label: String::new(),
            expires: None,
        };
        assert_eq!(
            site.register(&alice(), &key).unwrap_err(),
            expected,
            "{why}"
        );
    }
}

#[test]
fn the_list_of_writable_repositories_says_who_may_write() {
    let repository = Repository {
        site: "https://git.example.com/bitbucket".to_owned(),
        workspace: "~alice".to_owned(),
        slug: "my-site".to_owned(),
    };
    let found = || {
        answer(
            200,
            &json!({"id": 3, "slug": "my-site", "name": "My Site", "project": {"key": "~ALICE"}}),
        )
    };
    let writable = |ids: &[u32]| {
        let values: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        answer(200, &json!({"values": values, "isLastPage": true}))
    };
    for (script, expected, why) in [
        (
            vec![answer(404, &errors("no"))],
            Access::None,
            "absent or invisible",
        ),
        (
            vec![with(401, "X-AUSERNAME: alice\r\n", "")],
            Access::None,
            "no permission",
        ),
        (vec![found(), writable(&[])], Access::Read, "read only"),
        (
            vec![found(), writable(&[2])],
            Access::Read,
            "another one of that name",
        ),
        (vec![found(), writable(&[2, 3])], Access::Write, "listed"),
    ] {
        let (server, site) = data_center(script);
        assert_eq!(site.access(&repository).unwrap(), expected, "{why}");
        let asked = server.asked();
        assert_eq!(
            asked[0],
            "GET /bitbucket/rest/api/latest/projects/~alice/repos/my-site"
        );
        if let Some(second) = asked.get(1) {
            let path = "/bitbucket/rest/api/latest/repos?permission=REPO_WRITE&name=My%20Site";
            assert_eq!(*second, format!("GET {path}&limit=100&start=0"));
        }
    }
    let (_server, site) = data_center([with(401, "", "")]);
    assert!(matches!(
        site.access(&repository),
        Err(Error::TokenRefused { .. })
    ));
}

#[test]
fn the_ssh_settings_tell_port_and_host_key() {
    let value = "Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8oq9MI";
    let (server, site) = data_center([answer(
        200,
        &json!({"enabled": true, "port": 7998, "baseUrl": "ssh://Git.example.com",
        "accessKeysEnabled": true, "fingerprint": {"algorithm": "SHA-256", "value": value}}),
    )]);
    let expected = SshSettings {
        enabled: true,
        host: Some("git.example.com".to_owned()),
        port: 7998,
        fingerprint: Some(format!("SHA256:{value}")),
    };
    assert_eq!(site.ssh_settings().unwrap(), Some(expected));
    assert_eq!(server.asked(), ["GET /bitbucket/rest/ssh/latest/settings"]);
}

#[test]
fn the_base_url_names_ssh_base_url() {
    for (url, host, port, why) in [
        (
            "ssh://git.example.com",
            Some("git.example.com"),
            None,
            "host alone",
        ),
        (
            "ssh://Git.example.com:2222/",
            Some("git.example.com"),
            Some(2222),
            "with port",
        ),
        (
            "ssh://git@[fd00::1]:7999",
            Some("fd00::1"),
            Some(7999),
            "IPv6, user",
        ),
        ("ssh://-oProxyCommand=x", None, None, "never an option"),
        ("", None, None, "nothing"),
    ] {
        assert_eq!(ssh_base_url(url), (host.map(str::to_owned), port), "{why}");
    }
}

#[test]
fn only_sha256_is_a_fingerprint_here() {
    let value = "Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8oq9MI";
    let expected = Some(format!("SHA256:{value}"));
    assert_eq!(
        ssh_fingerprint(&json!({"algorithm": "SHA-256", "value": value})),
        expected
    );
    assert_eq!(
        ssh_fingerprint(&json!({"value": format!("SHA256:{value}=")})),
        expected
    );
    assert_eq!(
        ssh_fingerprint(&json!({"algorithm": "MD5", "value": "aa:bb"})),
        None
    );
}
