//! Checks the sandbox's REST against `reference/bitbucket-cloud.openapi.json`: each call's answer has
//! a declared path, method and status, and a body of the declared schema. [`KNOWN`] lists where the
//! real service is known to differ from its own specification.
#![expect(clippy::unwrap_used, reason = "test code")]

mod client;
mod cloud;
mod data_center;
mod schema;
mod texts;

use std::cell::RefCell;
use std::collections::BTreeSet;

use sandbox::Sandbox;
use serde_json::Value;

use client::Reply;
use schema::Schema;

/// Statuses that are given without being declared, and where they are known from.
const KNOWN: &[(u16, &str)] = &[
    (
        401,
        "a wrong token, on every call: bitbucket.org's errors, not tied to one path",
    ),
    (403, "a missing scope, also where only 401 is declared"),
    (
        410,
        "calls removed on 2026-04-14; the specification still lists some of them",
    ),
    (411, "POST and PUT without Content-Length, told in prose"),
];

/// Declared calls that the sandbox does not carry: nothing in this repository uses them.
const NOT_CARRIED: &[&str] = &[
    "GET /user/workspaces/{workspace}/permission",
    "GET /workspaces/{workspace}/projects/{project_key}/deploy-keys",
    "POST /workspaces/{workspace}/projects/{project_key}/deploy-keys",
    "GET /workspaces/{workspace}/projects/{project_key}/deploy-keys/{key_id}",
    "DELETE /workspaces/{workspace}/projects/{project_key}/deploy-keys/{key_id}",
];

/// Asks the sandbox and holds each answer to the specification.
struct Contract {
    sandbox: Sandbox,
    schema: Schema,
    /// `METHOD /path/{template}` of every call that was answered with success.
    covered: RefCell<BTreeSet<String>>,
}

impl Contract {
    fn new() -> Self {
        Self {
            sandbox: Sandbox::start(),
            schema: Schema::of(include_str!("../../reference/bitbucket-cloud.openapi.json")),
            covered: RefCell::default(),
        }
    }

    /// `path` is below `/2.0` or a whole address; `login` is `email:token`.
    #[track_caller]
    fn call(&self, method: &str, path: &str, login: Option<&str>, body: Option<&Value>) -> Reply {
        let api = self.sandbox.api_url();
        let address = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{api}{path}")
        };
        let reply = client::request(method, &address, login, body);
        let below = address
            .strip_prefix(&api)
            .expect("the address is one of the API");
        self.hold(method, below.split('?').next().unwrap(), &reply);
        reply
    }

    #[track_caller]
    fn hold(&self, method: &str, path: &str, reply: &Reply) {
        let status = reply.status;
        let known = KNOWN.iter().any(|(code, _)| *code == status);
        let Some((template, operation)) = self.schema.operation(method, path) else {
            assert!(
                known || status == 404,
                "{method} {path} is not declared, got {status}"
            );
            return self.is_an_error(reply);
        };
        if (200..300).contains(&status) {
            self.covered
                .borrow_mut()
                .insert(format!("{method} {template}"));
        }
        let responses = &operation["responses"];
        let declared = responses.get(status.to_string());
        if declared.is_none() && responses.get("default").is_none() {
            let text = reply.text();
            assert!(known, "{method} {path}: {status} is not declared: {text}");
        }
        if status >= 400 {
            self.is_an_error(reply);
        } else if let Some(schema) = declared.and_then(|response| response.get("schema")) {
            let faults = self.schema.faults(schema, &reply.json());
            assert!(faults.is_empty(), "{method} {path}: {faults:#?}");
        }
        assert_eq!(
            status == 204,
            reply.body.is_empty(),
            "{method} {path}: {status}"
        );
    }

    /// Every refusal carries the error object, declared for this status or not.
    #[track_caller]
    fn is_an_error(&self, reply: &Reply) {
        let faults = self
            .schema
            .faults(&self.schema.definition("error"), &reply.json());
        assert!(faults.is_empty(), "{}: {faults:#?}", reply.text());
        assert_eq!(reply.json()["type"], "error");
    }
}
