//! Git over HTTPS (here plain http on loopback) with real git and git-lfs.

use std::fs;
use std::process::Output;

use sandbox::{Permission, SCOPES_ALL, Sandbox, Visibility};

use crate::machine::{ALICE, Machine, refused, succeeded, write_noise};

/// `git …` with this user name and secret from a helper that stands alone.
fn git_as(machine: &Machine, user: &str, secret: &str, arguments: &[&str]) -> Output {
    let helper = format!("!f() {{ echo username={user}; echo password={secret}; }}; f");
    machine
        .tool("git")
        .args(["-c", &format!("credential.helper={helper}")])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .unwrap()
}

#[test]
fn a_token_goes_with_the_fixed_name_or_the_user_name_and_never_with_the_address() {
    let machine = Machine::new();
    let url = machine.sandbox.clone_url("acme/site");
    let token = machine.sandbox.add_token(ALICE, SCOPES_ALL);
    for user in ["x-bitbucket-api-token-auth", "alice"] {
        succeeded(&git_as(&machine, user, &token, &["ls-remote", &url]));
    }
    let by_address = git_as(&machine, ALICE, &token, &["ls-remote", &url]);
    refused(&by_address, "Authentication failed");
    let wrong = git_as(&machine, "alice", "ATATT3xwrong", &["ls-remote", &url]);
    refused(&wrong, "Authentication failed");

    succeeded(&git_as(
        &machine,
        "alice",
        &token,
        &["clone", "-q", &url, "site"],
    ));
    write_noise(&machine.path("site/noise"), 4);
    succeeded(&machine.git(&["-C", "site", "add", "noise"]));
    succeeded(&machine.git(&["-C", "site", "commit", "-q", "-m", "Make noise"]));
    let push = ["-C", "site", "push", "-q", "origin", "HEAD"];
    succeeded(&git_as(&machine, "alice", &token, &push));
    let partial = ["clone", "-q", "--filter=blob:none", &url, "partial"];
    succeeded(&git_as(&machine, "alice", &token, &partial));
    assert_eq!(
        fs::read(machine.path("site/noise")).unwrap(),
        fs::read(machine.path("partial/noise")).unwrap()
    );
}

#[test]
fn scopes_and_rights_are_told_apart() {
    let machine = Machine::new();
    let site = &machine.sandbox;
    let url = site.clone_url("acme/site");
    let reads = site.add_token(ALICE, &["read:repository:bitbucket"]);
    let user = "x-bitbucket-api-token-auth";
    succeeded(&git_as(
        &machine,
        user,
        &reads,
        &["clone", "-q", &url, "site"],
    ));
    let push = git_as(
        &machine,
        user,
        &reads,
        &["-C", "site", "push", "-q", "origin", "HEAD:x"],
    );
    refused(&push, "lack one or more required privilege scopes");
    let keys_alone = site.add_token(ALICE, &["read:ssh-key:bitbucket"]);
    let fetch = git_as(&machine, user, &keys_alone, &["ls-remote", &url]);
    refused(&fetch, "403");

    site.add_repository("acme/other", Visibility::Private);
    let all = site.add_token(ALICE, SCOPES_ALL);
    let invisible = git_as(
        &machine,
        user,
        &all,
        &["ls-remote", &site.clone_url("acme/other")],
    );
    refused(&invisible, "not found");
    site.grant(ALICE, "acme/other", Some(Permission::Read));
    let other = site.clone_url("acme/other");
    succeeded(&git_as(
        &machine,
        user,
        &all,
        &["clone", "-q", &other, "other"],
    ));
    let push = git_as(
        &machine,
        user,
        &all,
        &["-C", "other", "push", "-q", "origin", "HEAD:x"],
    );
    refused(&push, "403");
    site.add_repository("acme/open", Visibility::Public);
    succeeded(&machine.git(&["ls-remote", &site.clone_url("acme/open")]));
}

#[test]
fn lfs_moves_objects_and_locks_files_with_the_same_credential() {
    let machine = Machine::new();
    let url = machine.sandbox.clone_url("acme/site");
    let token = machine.sandbox.add_token(ALICE, SCOPES_ALL);
    let git = |arguments: &[&str]| succeeded(&git_as(&machine, "alice", &token, arguments));
    git(&["clone", "-q", &url, "site"]);
    git(&["-C", "site", "lfs", "install", "--local"]);
    git(&["-C", "site", "lfs", "track", "--lockable", "*.bin"]);
    fs::write(machine.path("site/one.bin"), "large").unwrap();
    git(&["-C", "site", "add", "-A"]);
    git(&["-C", "site", "commit", "-q", "-m", "Add a large file"]);
    git(&["-C", "site", "push", "-q", "origin", "HEAD"]);
    git(&["-C", "site", "lfs", "lock", "one.bin"]);
    assert!(git(&["-C", "site", "lfs", "locks"]).contains("one.bin"));
    git(&["-C", "site", "lfs", "unlock", "one.bin"]);
    assert_eq!(git(&["-C", "site", "lfs", "locks"]), "");
    fs::remove_dir_all(machine.path("site/.git/lfs/objects")).unwrap();
    fs::remove_file(machine.path("site/one.bin")).unwrap();
    git(&["-C", "site", "lfs", "pull"]);
    assert_eq!(
        fs::read_to_string(machine.path("site/one.bin")).unwrap(),
        "large"
    );
}

#[test]
fn data_center_takes_passwords_and_tokens_below_its_context_path() {
    let machine = Machine {
        sandbox: Sandbox::start_data_center(),
        ..Machine::new()
    };
    let site = &machine.sandbox;
    site.add_account("ada", "ada");
    site.add_repository("PROJ/app", Visibility::Private);
    site.add_repository("~ada/own", Visibility::Private);
    for name in ["PROJ/app", "~ada/own"] {
        site.grant("ada", name, Some(Permission::Write));
    }
    site.add_password("ada", "correct-horse");
    let token = site.add_http_access_token("ada");
    for name in ["PROJ/app", "~ada/own"] {
        let url = site.clone_url(name);
        assert!(url.contains("/bitbucket/scm/"), "{url}");
        for secret in ["correct-horse", &token] {
            succeeded(&git_as(&machine, "ada", secret, &["ls-remote", &url]));
        }
        let wrong = git_as(&machine, "ada", "wrong", &["ls-remote", &url]);
        refused(&wrong, "Authentication failed");
    }
}
