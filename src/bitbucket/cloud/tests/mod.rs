//! Cloud's answers as the specification and public clients show them.

mod refusals;

use serde_json::{Value, json};

use super::Cloud;
use crate::bitbucket::testing::{Reply, Server, json as answer, raw, with};
use crate::bitbucket::{Access, Error, KeyId, KeyRegistry as _, NewKey, User};
use crate::repository::Repository;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqP3Cr632C2dNhhgKVcon4ldUSAeKiku2yP9O9/bDtY";
const FINGERPRINT: &str = "SHA256:w9tZSiFoZ8oXwS4ZSWrJopGxwvnPIewA6Mo4owAHPrI";
const UUID: &str = "{d7dd0e2d-3994-4a50-a9ee-d260b6cefdab}";
const KEYS: &str = "/2.0/users/%7Bd7dd0e2d-3994-4a50-a9ee-d260b6cefdab%7D/ssh-keys";

fn cloud(script: impl IntoIterator<Item = Reply>) -> (Server, Cloud) {
    let server = Server::start(script);
    let cloud = Cloud::new(server.client("/2.0"));
    (server, cloud)
}

fn alice() -> User {
    User {
        id: UUID.to_owned(),
        user_name: None,
        nickname: None,
        display_name: "Alice".to_owned(),
    }
}

/// The example of `ssh_account_key`.
fn key() -> Value {
    json!({
        "comment": "user@myhost",
        "created_on": "2018-03-14T13:17:05.196003+00:00",
        "expires_on": null,
        "fingerprint": "of something else",
        "key": KEY,
        "label": "",
        "last_used": "2018-03-20T13:18:05.196003+00:00",
        "links": {"self": {"href": "https://api.bitbucket.org/2.0/users/{ed08f5e1}/ssh-keys/b15b6026"}},
        "owner": {"type": "user", "uuid": UUID, "display_name": "Example User", "username": "example-user"},
        "type": "ssh_key",
        "uuid": "{b15b6026-9c02-4626-b4ad-b905f99f763a}",
        "of_tomorrow": {"unknown": [1, 2]}
    })
}

fn error(message: &str) -> Value {
    json!({"type": "error", "error": {"message": message}})
}

#[test]
fn the_user_is_known_by_uuid() {
    for (body, name, display, why) in [
        (
            json!({"uuid": UUID, "username": "al", "display_name": "Alice", "nickname": "ali"}),
            Some("al"),
            "Alice",
            "all there",
        ),
        (
            json!({"uuid": UUID, "nickname": "ali", "account_status": "active"}),
            None,
            "ali",
            "no username",
        ),
        (
            json!({"uuid": UUID, "display_name": "\u{1b}[31mA"}),
            None,
            "\\033[31mA",
            "fit for a terminal",
        ),
        (json!({"uuid": UUID}), None, UUID, "nothing else"),
    ] {
        let (server, cloud) = cloud([answer(200, &body)]);
        let user = cloud.user().unwrap();
        assert_eq!(user.id, UUID, "{why}");
        assert_eq!(user.user_name.as_deref(), name, "{why}");
        assert_eq!(user.display_name, display, "{why}");
        assert_eq!(server.asked(), ["GET /2.0/user"]);
    }
}

#[test]
fn what_is_no_bitbucket_is_told_as_such() {
    for (reply, why) in [
        (
            with(200, "Content-Type: text/html\r\n", "<html>Sign in</html>"),
            "a login page",
        ),
        (with(200, "", ""), "an empty answer"),
        (answer(200, &json!([])), "another shape"),
        (answer(200, &json!({"username": "al"})), "no uuid"),
        (with(200, "", "{\"uuid\": \"\\ud800\"}"), "broken text"),
        (answer(304, &json!({})), "a status that nobody asked for"),
        (
            raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n\u{feff}{}"),
            "no JSON either",
        ),
    ] {
        let (_server, cloud) = cloud([reply]);
        let error = cloud.user().unwrap_err();
        assert!(matches!(error, Error::Unexpected { .. }), "{why}: {error}");
    }
}

#[test]
fn the_list_goes_over_all_pages() {
    let next =
        |host: &str| format!("{host}/2.0/users/{UUID}/ssh-keys?pagelen=100&page=2&ctx=%7Bx%7D");
    // An absolute link with bare braces, as the site writes it; the server's name is known late.
    let (server, cloud) = cloud([
        answer(
            200,
            &json!({"page": 1, "pagelen": 100, "size": 3, "values": [key()], "next": next("")}),
        ),
        answer(
            200,
            &json!({"values": [key(), {"type": "ssh_key", "key": "???"}]}),
        ),
    ]);
    let keys = cloud.keys(&alice()).unwrap();
    assert_eq!(keys.len(), 2, "a key in no known form is passed over");
    assert_eq!(
        keys[0].id.as_str(),
        "{b15b6026-9c02-4626-b4ad-b905f99f763a}"
    );
    assert_eq!(keys[0].public_key, KEY);
    assert_eq!(
        keys[0].fingerprint, FINGERPRINT,
        "of the key, whatever the site says"
    );
    assert_eq!(
        keys[0].created,
        Some("2018-03-14T13:17:05.196003Z".parse().unwrap())
    );
    assert_eq!(
        keys[0].last_used,
        Some("2018-03-20T13:18:05.196003Z".parse().unwrap())
    );
    assert_eq!(keys[0].expires, None);
    assert_eq!(
        server.asked(),
        [
            format!("GET {KEYS}?pagelen=100"),
            format!("GET {KEYS}?pagelen=100&page=2&ctx=%7Bx%7D"),
        ]
    );
}

#[test]
fn a_page_elsewhere_is_not_asked_for() {
    let other = Server::start([answer(200, &json!({"values": []}))]);
    for next in [
        format!("{}/2.0/x", other.url()),
        "https://api.bitbucket.org.evil.example/".to_owned(),
        "https://a@b/".to_owned(),
    ] {
        let (server, cloud) = cloud([answer(200, &json!({"values": [], "next": next}))]);
        let error = cloud.keys(&alice()).unwrap_err();
        assert!(matches!(error, Error::ElsewhereRefused { .. }), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(
        other.asked(),
        Vec::<String>::new(),
        "the other server saw nothing"
    );
}

#[test]
fn pages_have_an_end() {
    let page = |number: u32| {
        answer(
            200,
            &json!({"values": [], "next": format!("/2.0/x?page={number}")}),
        )
    };
    let (_server, cloud) = cloud([page(2), page(3), page(2), page(3)]);
    let error = cloud.keys(&alice()).unwrap_err();
    assert!(error.to_string().contains("too many pages"), "{error}");
    let (_server, cloud) = self::cloud([answer(200, &json!({"size": 0}))]);
    assert!(
        matches!(cloud.keys(&alice()), Err(Error::Unexpected { .. })),
        "no values"
    );
}

#[test]
fn a_key_is_registered_with_label_and_expiry() {
    for status in [200, 201] {
        let (server, cloud) = cloud([answer(status, &key())]);
        let key = NewKey {
            public_key: KEY.to_owned(),
            label: "bitbucket-ssh al@box 2026-11-24 tag".to_owned(),
            expires: Some("2027-02-24T12:00:00Z".parse().unwrap()),
        };
        let made = cloud.register(&alice(), &key).unwrap();
        assert_eq!(made.fingerprint, FINGERPRINT);
        assert_eq!(
            server.asked(),
            [format!(
                "POST {KEYS}?expires_on=2027-02-24T12%3A00%3A00.000Z"
            )]
        );
        let body: Value = serde_json::from_str(&server.seen()[0].body).unwrap();
        assert_eq!(
            body,
            json!({"key": KEY, "label": "bitbucket-ssh al@box 2026-11-24 tag"})
        );
    }
    let (server, cloud) = cloud([answer(201, &json!({"type": "ssh_key"}))]);
    let key = NewKey {
        public_key: KEY.to_owned(),
        label: String::new(),
        expires: None,
    };
    let error = cloud.register(&alice(), &key).unwrap_err();
    assert!(
        matches!(error, Error::Unexpected { .. }),
        "the caller lists: {error}"
    );
    assert_eq!(server.asked(), [format!("POST {KEYS}")]);
}

#[test]
fn a_key_is_removed_by_its_id() {
    let id = KeyId::new("{b15b6026-9c02-4626-b4ad-b905f99f763a}").unwrap();
    for (reply, why) in [
        (with(204, "", ""), "removed"),
        (
            answer(404, &error("not there")),
            "not there counts as removed",
        ),
    ] {
        let (server, cloud) = cloud([reply]);
        cloud.remove(&alice(), &id).expect(why);
        assert_eq!(
            server.asked(),
            [format!(
                "DELETE {KEYS}/%7Bb15b6026-9c02-4626-b4ad-b905f99f763a%7D"
            )]
        );
    }
    let (_server, cloud) = cloud([answer(403, &error("no"))]);
    assert!(matches!(
        cloud.remove(&alice(), &id),
        Err(Error::Forbidden { .. })
    ));
}

#[test]
fn a_refused_call_and_a_lost_answer_are_two_things() {
    let (server, cloud) = cloud([raw(
        "HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{\"uuid\":",
    )]);
    let key = NewKey {
        public_key: KEY.to_owned(),
        label: String::new(),
        expires: None,
    };
    let error = cloud.register(&alice(), &key).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(server.seen().len(), 1, "a POST is not repeated");
}

#[test]
fn explicit_grants_say_who_may_write() {
    let repository = Repository {
        site: "https://bitbucket.org".to_owned(),
        workspace: "acme".to_owned(),
        slug: "my-site".to_owned(),
    };
    let found = || {
        answer(
            200,
            &json!({"type": "repository", "name": "My \"Site\"", "full_name": "acme/my-site", "uuid": "{1}"}),
        )
    };
    let grant = |uuid: &str, permission: &str| json!({"type": "repository_permission", "permission": permission, "repository": {"name": "My \"Site\"", "uuid": uuid}});
    let grants = |list: &[Value]| answer(200, &json!({"values": list}));
    for (script, expected, why) in [
        (
            vec![answer(404, &error("no"))],
            Access::None,
            "absent or invisible",
        ),
        (vec![answer(403, &error("no"))], Access::None, "private"),
        (
            vec![found(), grants(&[])],
            Access::Read,
            "public, without a grant",
        ),
        (
            vec![found(), grants(&[grant("{1}", "read")])],
            Access::Read,
            "read",
        ),
        (
            vec![found(), grants(&[grant("{1}", "write")])],
            Access::Write,
            "write",
        ),
        (
            vec![found(), grants(&[grant("{1}", "admin")])],
            Access::Write,
            "admin",
        ),
        (
            vec![found(), grants(&[grant("{2}", "admin")])],
            Access::Read,
            "another one of that name",
        ),
    ] {
        let (server, cloud) = cloud(script);
        assert_eq!(cloud.access(&repository).unwrap(), expected, "{why}");
        let asked = server.asked();
        assert_eq!(asked[0], "GET /2.0/repositories/acme/my-site");
        if let Some(second) = asked.get(1) {
            let filter = "repository%2Ename%3D%22My%20%5C%22Site%5C%22%22".replace("%2E", ".");
            let path = "/2.0/user/workspaces/acme/permissions/repositories";
            assert_eq!(*second, format!("GET {path}?pagelen=100&q={filter}"));
        }
    }
    let (_server, cloud) = cloud([found(), answer(403, &error("no"))]);
    assert!(
        matches!(cloud.access(&repository), Err(Error::Forbidden { .. })),
        "cannot be read"
    );
    let scope =
        json!({"error": {"message": "m", "detail": {"required": ["read:repository:bitbucket"]}}});
    let (_server, cloud) = self::cloud([answer(403, &scope)]);
    assert!(
        matches!(cloud.access(&repository), Err(Error::ScopeMissing { .. })),
        "cannot be read"
    );
}
