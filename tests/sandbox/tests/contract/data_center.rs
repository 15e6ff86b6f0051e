//! Checks the Data Center mode against `reference/bitbucket-data-center.openapi.json`.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sandbox::{Permission, Sandbox, Visibility};
use serde_json::{Value, json};

use super::client::{self, Reply};
use super::cloud::new_line;
use super::schema::Schema;

/// Given without being declared, and where it is known from.
const KNOWN: &[(u16, &str)] = &[(
    409,
    "an access key that is there already: seen on 8.x, in a public client's tests",
)];

/// Declared calls that the sandbox implements: nothing in this repository uses the others.
const CARRIED: &[&str] = &[
    "/ssh/latest/",
    "/api/latest/",
    "/keys/latest/projects/{projectKey}/repos/",
];

/// Carol by password, who administers `proj/tool`.
struct Center {
    sandbox: Sandbox,
    schema: Schema,
    covered: RefCell<BTreeSet<String>>,
}

const CAROL: &str = "carol:secret";

impl Center {
    fn new() -> Self {
        let sandbox = Sandbox::start_data_center();
        sandbox.add_account("carol", "carol");
        sandbox.add_password("carol", "secret");
        sandbox.add_repository("proj/tool", Visibility::Private);
        sandbox.grant("carol", "proj/tool", Some(Permission::Admin));
        sandbox.add_administrator("carol", "proj");
        Self {
            sandbox,
            schema: Schema::of(include_str!(
                "../../reference/bitbucket-data-center.openapi.json"
            )),
            covered: RefCell::default(),
        }
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, login: Option<&str>, body: Option<&Value>) -> Reply {
        let address = format!("{}/rest{path}", self.sandbox.web_url());
        let reply = client::request(method, &address, login, body);
        self.hold(method, path.split('?').next().unwrap(), &reply);
        reply
    }

    #[track_caller]
    fn bearer(&self, method: &str, path: &str, token: &str, body: &str) -> Reply {
        let address = format!("{}/rest{path}", self.sandbox.web_url());
        let length = body.len();
        let headers = format!("Authorization: Bearer {token}\r\nContent-Length: {length}\r\n");
        let reply = client::exchange(method, &address, &headers, body).unwrap();
        self.hold(method, path, &reply);
        reply
    }

    /// The answer has a declared status and the declared schema, or is an array of errors.
    #[track_caller]
    fn hold(&self, method: &str, path: &str, reply: &Reply) {
        let path = path.replace("/1.0/", "/latest/");
        let status = reply.status;
        let (template, operation) = self.schema.operation(method, &path).expect(&path);
        let schema = &operation["responses"][status.to_string()]["content"];
        let known = KNOWN.iter().any(|(code, _)| *code == status);
        assert!(
            known || operation["responses"].get(status.to_string()).is_some(),
            "{method} {path}: {status} is not declared"
        );
        if status < 300 {
            let mut covered = self.covered.borrow_mut();
            covered.insert(format!("{method} {template}"));
        }
        let declared = schema.as_object().and_then(|types| types.values().next());
        match declared {
            Some(declared) => {
                let faults = self.schema.faults(&declared["schema"], &reply.json());
                assert!(faults.is_empty(), "{method} {path}: {faults:#?}");
            }
            None => assert!(status == 204 || status >= 400, "{method} {path}: {status}"),
        }
        if status >= 400 {
            let message = &reply.json()["errors"][0]["message"];
            assert!(message.is_string(), "{}", reply.text());
        }
    }
}

#[test]
fn data_centers_calls_are_answered_as_declared() {
    let center = Center::new();
    let carol = Some(CAROL);
    let properties = "/api/latest/application-properties";
    let nobody = center.call("GET", properties, None, None).is(200);
    assert!(!nobody.head.to_lowercase().contains("x-ausername"));
    let signed = center.call("GET", properties, carol, None).is(200);
    assert!(signed.head.to_lowercase().contains("x-ausername: carol"));
    center
        .call("GET", "/ssh/latest/settings", None, None)
        .is(401);
    let settings = center
        .call("GET", "/ssh/1.0/settings", carol, None)
        .is(200)
        .json();
    assert_eq!(settings["port"], center.sandbox.ssh_port());

    let keys = "/ssh/latest/keys";
    let line = new_line("carol@laptop");
    let body = json!({"text": line, "label": "laptop", "expiryDays": 30});
    let made = center.call("POST", keys, carol, Some(&body)).is(201).json();
    assert_eq!(made["expiryDays"], 30);
    assert_eq!(made["text"], line);
    center.call("POST", keys, carol, Some(&body)).is(409);
    let nonsense = json!({"text": "ssh-ed25519 nonsense"});
    center.call("POST", keys, carol, Some(&nonsense)).is(400);
    center
        .call("POST", keys, Some("carol:wrong"), Some(&body))
        .is(401);
    let one = format!("{keys}/{}", made["id"]);
    center.call("GET", &one, carol, None).is(200);
    for number in 0..30 {
        let label = number.to_string();
        center.sandbox.add_key("carol", &new_line("x"), &label);
    }
    let page = center.call("GET", keys, carol, None).is(200).json();
    assert_eq!(
        (&page["size"], &page["nextPageStart"]),
        (&json!(25), &json!(25))
    );
    assert_eq!(page["isLastPage"], false);
    let rest = center.call("GET", &format!("{keys}?start=25"), carol, None);
    assert_eq!(rest.json()["isLastPage"], true);
    assert_eq!(rest.json()["size"], 6);
    center.call("DELETE", &one, carol, None).is(204);
    center.call("GET", &one, carol, None).is(404);
    // Also when it is absent.
    center.call("DELETE", &one, carol, None).is(204);
    assert_eq!(center.sandbox.keys("carol").len(), 30);
    center.call("DELETE", keys, carol, None).is(204);
    assert!(
        center.sandbox.keys("carol").is_empty(),
        "without an id: all"
    );

    access_keys(&center);
    let repos = "/api/latest/projects/PROJ/repos";
    let shown = center
        .call("GET", &format!("{repos}/tool"), carol, None)
        .is(200)
        .json();
    assert_eq!(shown["project"]["key"], "PROJ");
    center
        .call("GET", &format!("{repos}/absent"), carol, None)
        .is(404);
    center.call("GET", repos, carol, None).is(200);
    let fresh = json!({"name": "fresh", "scmId": "git"});
    center.call("POST", repos, carol, Some(&fresh)).is(201);
    center.call("POST", repos, carol, Some(&fresh)).is(409);
    center.call("POST", repos, carol, Some(&json!({}))).is(400);

    let covered = center.covered.borrow();
    let mut missing = center.schema.operations();
    let carried = |one: &String| CARRIED.iter().any(|path| one.contains(path));
    missing.retain(|one| !covered.contains(one) && carried(one));
    assert!(
        missing.is_empty(),
        "never answered with success: {missing:?}"
    );
}

fn access_keys(center: &Center) {
    let carol = Some(CAROL);
    let keys = "/keys/latest/projects/PROJ/repos/tool/ssh";
    let line = new_line("ci");
    let body = json!({"key": {"text": line, "label": "ci"}, "permission": "REPO_READ"});
    let made = center.call("POST", keys, carol, Some(&body)).is(201).json();
    center.call("POST", keys, carol, Some(&body)).is(409);
    let account = json!({"text": line});
    center
        .call("POST", "/ssh/latest/keys", carol, Some(&account))
        .is(409);
    let one = format!("{keys}/{}", made["key"]["id"]);
    center.call("GET", &one, carol, None).is(200);
    assert_eq!(
        center.call("GET", keys, carol, None).is(200).json()["size"],
        1
    );
    let writable = format!("{one}/permission/REPO_WRITE");
    let changed = center
        .call("PUT", &writable, carol, Some(&json!({})))
        .is(200)
        .json();
    assert_eq!(changed["permission"], "REPO_WRITE");
    center.call("DELETE", &one, carol, None).is(204);
    let absent = "/keys/latest/projects/PROJ/repos/absent/ssh";
    center.call("GET", absent, carol, None).is(404);
}

#[test]
fn an_http_access_token_reads_and_does_not_change_the_account() {
    let center = Center::new();
    let token = center.sandbox.add_http_access_token("carol");
    let keys = "/ssh/latest/keys";
    center.bearer("GET", keys, &token, "").is(200);
    let body = json!({"text": new_line("x")}).to_string();
    let refused = center.bearer("POST", keys, &token, &body).is(401);
    assert!(refused.head.to_lowercase().contains("x-ausername: carol"));
    center.bearer("DELETE", keys, &token, "").is(401);
    center.bearer("GET", keys, "BBDC-nonsense", "").is(401);
    // A password is no token, and a token no password.
    center.bearer("GET", keys, "secret", "").is(401);
    center
        .call("GET", keys, Some(&format!("carol:{token}")), None)
        .is(401);
}
