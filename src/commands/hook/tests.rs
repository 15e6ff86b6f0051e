//! The verbs of the hooks in real repositories.

#![cfg(unix)]

use super::*;
use crate::commands::testing::{Machine, Said};
use crate::identity::AccountId;

const ZERO: &str = "0000000000000000000000000000000000000000";

fn account(name: &str, emails: &[&str]) -> Account {
    Account {
        account: AccountId {
            site: "https://bitbucket.org".to_owned(),
            name: name.to_owned(),
        },
        logged_in: true,
        user_name: None,
        nickname: None,
        id: None,
        key_fingerprints: Vec::new(),
        store: None,
        emails: emails.iter().map(|email| (*email).to_owned()).collect(),
    }
}

/// This account alone is logged in, and addresses are checked so.
fn logged_in(machine: &Machine, account: &Account, check: &str) {
    let records = machine.path("home/.ssh/bitbucket-ssh/records.json");
    let _ = std::fs::remove_file(records);
    machine.record(std::slice::from_ref(account));
    machine.git(&["config", "--system", "bitbucket.hooks.author", check]);
}

/// A repository in the working directory with a remote that has the first commit.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.git(&[
        "init",
        "--quiet",
        "--bare",
        "--initial-branch=main",
        "../remote.git",
    ]);
    machine.git(&["init", "--quiet", "--initial-branch=main"]);
    machine.git(&["remote", "add", "origin", "../remote.git"]);
    machine.git(&["config", "user.name", "A"]);
    machine.git(&["config", "log.showSignature", "true"]);
    commit(&machine, "stranger@example.net");
    machine.git(&["push", "--quiet", "origin", "main"]);
    machine
}

fn commit(machine: &Machine, address: &str) -> String {
    machine.git(&[
        "-c",
        &format!("user.email={address}"),
        "commit",
        "--quiet",
        "--allow-empty",
        "--message=x",
    ]);
    machine.git(&["rev-parse", "HEAD"])
}

const URL: &str = "git@bitbucket.org:acme/site.git";

fn push(
    machine: &Machine,
    lines: &str,
    remote: Option<&str>,
    account: &Account,
    check: &str,
) -> Said<Verdict> {
    logged_in(machine, account, check);
    let options = Hook {
        name: HookName::PrePush,
        arguments: vec![remote.unwrap_or(URL).into(), URL.into()],
    };
    machine.call(lines, |call| hook(call, &options))
}

#[test]
fn only_new_commits_of_others_are_named() {
    let machine = machine();
    let alice = account("alice@example.com", &["alice@home.example"]);
    let line = |oid: &str, there: &str| format!("refs/heads/main {oid} refs/heads/main {there}\n");
    let first = machine.git(&["rev-parse", "origin/main"]);
    commit(&machine, "Alice@Example.com");
    let own = commit(&machine, "alice@home.example");
    let silent = push(
        &machine,
        &line(&own, &first),
        Some("origin"),
        &alice,
        "refuse",
    );
    assert_eq!(silent.result, Verdict::Pass);
    assert_eq!(silent.errors, "", "the account's own, in any case");

    let other = commit(&machine, "bob@work.example");
    let short = machine.git(&["rev-parse", "--short", "HEAD"]);
    for (check, verdict, word) in [
        ("warn", Verdict::Pass, "warning"),
        ("refuse", Verdict::Refuse, "refused"),
    ] {
        let said = push(
            &machine,
            &line(&other, &first),
            Some("origin"),
            &alice,
            check,
        );
        assert_eq!(said.result, verdict);
        assert!(
            said.errors.starts_with(&format!(
                "bitbucket-ssh: {word}: 1 of 3 commits for acme/site with an author address that does not belong to alice@example.com:\n  bob@work.example  {short}\nhint: git config user.email alice@example.com\n"
            )),
            "{}",
            said.errors
        );
    }

    let off = push(
        &machine,
        &line(&other, &first),
        Some("origin"),
        &alice,
        "off",
    );
    assert_eq!(off.errors, "");
    let unknown = push(
        &machine,
        &line(&other, &first),
        Some("origin"),
        &account("alice", &[]),
        "refuse",
    );
    assert_eq!(unknown.result, Verdict::Pass, "no address is known");

    // A new branch: the remote's tracking branches decide; a remote without any has nothing.
    for (remote, count, why) in [
        (Some("origin"), "1 of 3", "what origin has is not looked at"),
        (Some("backup"), "2 of 4", "nothing was ever pushed there"),
        (None, "1 of 3", "a URL: every remote's branches"),
    ] {
        let said = push(&machine, &line(&other, ZERO), remote, &alice, "warn");
        assert!(said.errors.contains(count), "{why}: {}", said.errors);
    }

    // The remote has something that is not here; a deletion; nothing at all.
    let strange = "1234567890123456789012345678901234567890";
    let said = push(
        &machine,
        &line(&other, strange),
        Some("origin"),
        &alice,
        "warn",
    );
    assert!(said.errors.contains("1 of 3"), "{said:?}");
    let gone = format!("(delete) {ZERO} refs/heads/main {first}\n");
    for lines in [gone.as_str(), ""] {
        let said = push(&machine, lines, Some("origin"), &alice, "refuse");
        assert_eq!(said.result, Verdict::Pass);
        assert_eq!(said.errors, "");
    }
}

/// Pasting the line makes the next push pass; where no line is right, there is none.
#[test]
fn the_repair_line_is_right_for_the_commits() {
    let wrong = "me@private.example";
    for (addresses, lines, why) in [
        (&[wrong][..], 2, "the last commit"),
        (&[wrong, "alice@example.com"], 2, "HEAD~1"),
        (&[wrong, wrong, wrong], 2, "three commits"),
        (
            &[wrong, "colleague@example.net", wrong],
            2,
            "a colleague's between",
        ),
        (&["colleague@example.net"], 0, "only a colleague's"),
    ] {
        let machine = machine();
        let alice = account("alice@example.com", &[]);
        let first = machine.git(&["rev-parse", "origin/main"]);
        machine.git(&["config", "user.email", wrong]);
        for address in addresses {
            let name = match *address {
                "colleague@example.net" => "Colleague",
                _ => "A",
            };
            machine.git(&["config", "user.name", name]);
            let file = machine.git(&["rev-parse", "HEAD"]);
            machine.write(&format!("work/{file}"), "");
            machine.git(&["add", &file]);
            commit(&machine, address);
        }
        machine.git(&["config", "user.name", "A"]);
        let pushed = |machine: &Machine| {
            let head = machine.git(&["rev-parse", "HEAD"]);
            let line = format!("refs/heads/main {head} refs/heads/main {first}\n");
            push(machine, &line, Some("origin"), &alice, "warn").errors
        };
        let told = pushed(&machine);
        let hints = told.lines().filter_map(|line| line.strip_prefix("hint: "));
        let repair: Vec<&str> = hints
            .filter(|hint| !hint.contains("hooks.author"))
            .collect();
        assert_eq!(repair.len(), lines, "{why}: {told}");
        let before = machine.git(&["log", "--format=%an"]);
        for line in repair {
            let mut shell = machine.context.command("sh");
            shell
                .args(["-c", line])
                .current_dir(&machine.context.directory);
            shell
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null());
            assert!(shell.status().unwrap().success(), "{why}: {line}");
        }
        assert_eq!(
            machine.git(&["log", "--format=%an"]),
            before,
            "{why}: authors"
        );
        let left = pushed(&machine);
        assert!(!left.contains(wrong), "{why}: {left}");
        let colleague = addresses.contains(&"colleague@example.net");
        assert_eq!(
            left.contains("colleague@example.net"),
            colleague,
            "{why}: {left}"
        );
    }
}

#[test]
fn a_fresh_clone_is_told_once() {
    let mut machine = machine();
    machine.git(&["clone", "--quiet", "../remote.git", "../clone"]);
    machine.context.directory = machine.path("clone");
    machine.git(&["remote", "set-url", "origin", URL]);
    let head = machine.git(&["rev-parse", "HEAD"]);
    let says = |machine: &Machine, words: [&str; 3], account: &Account| {
        logged_in(machine, account, "warn");
        let options = Hook {
            name: HookName::PostCheckout,
            arguments: words.map(OsString::from).to_vec(),
        };
        let said = machine.call("", |call| hook(call, &options));
        assert_eq!(said.result, Verdict::Pass);
        said.errors
    };
    let alice = account("alice@example.com", &[]);
    let told = |machine: &Machine, account: &Account| says(machine, [ZERO, &head, "1"], account);
    assert_eq!(
        says(&machine, [&head, &head, "1"], &alice),
        "",
        "a later checkout"
    );
    assert_eq!(says(&machine, [ZERO, &head, "0"], &alice), "", "of files");
    assert!(told(&machine, &alice).contains("user.email is not set"));
    machine.git(&["config", "--global", "user.email", "a@private.example"]);
    let text = told(&machine, &alice);
    assert!(text.contains("user.email is a@private.example"), "{text}");
    assert_eq!(told(&machine, &account("alice", &[])), "", "none is known");
    let line = text.lines().find_map(|line| line.strip_prefix("hint: "));
    let pasted = machine
        .context
        .command("sh")
        .args(["-c", line.unwrap()])
        .status();
    assert!(pasted.unwrap().success());
    assert_eq!(told(&machine, &alice), "", "the line works when pasted");

    machine.git(&["worktree", "add", "--quiet", "../tree"]);
    machine.context.directory = machine.path("tree");
    machine.git(&["config", "--unset", "user.email"]);
    assert_eq!(told(&machine, &alice), "", "a further worktree");
    machine.context.directory = machine.path("home");
    assert!(
        told(&machine, &alice).contains("the check of author addresses failed"),
        "no repository"
    );
}

#[test]
fn the_files_call_the_verbs_and_harm_nobody() {
    let machine = machine();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/hooks/");
    for name in ["pre-push", "post-checkout"] {
        std::fs::copy(
            format!("{source}{name}"),
            machine.path("work/.git/hooks").join(name),
        )
        .unwrap();
    }
    commit(&machine, "bob@work.example");
    machine.git(&["push", "--quiet", "origin", "main"]);
    machine.git(&["checkout", "--quiet", "-b", "side"]);

    machine.program(
        "bin/git-bitbucket",
        "#!/bin/sh\nprintf '%s ' \"$@\" >>\"$HOME/called\"\ncase $2 in pre-push) cat >>\"$HOME/called\"; exit 1;; esac\n",
    );
    let path = format!("{}:/usr/bin:/bin", machine.path("bin").display());
    let machine = machine.with(&[("PATH", &path)]);
    let head = commit(&machine, "bob@work.example");
    let refused = machine.try_git(&["push", "--quiet", "origin", "side"]);
    assert!(!refused.status.success());
    assert_eq!(
        machine.read("home/called"),
        format!(
            "hook pre-push origin ../remote.git refs/heads/side {head} refs/heads/side {ZERO}\n"
        )
    );
    std::fs::remove_file(machine.path("home/called")).unwrap();
    let before = machine.git(&["rev-parse", "main"]);
    machine.git(&["checkout", "--quiet", "main"]);
    assert_eq!(
        machine.read("home/called"),
        format!("hook post-checkout {head} {before} 1 ")
    );
}
