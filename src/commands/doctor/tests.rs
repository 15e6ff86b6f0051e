//! Harm done → found. Without a network; what needs one is in the suite.

use serde_json::Value;

use super::*;
use crate::commands::testing::{Answers, Machine, Said};
use crate::host_key::published;
use crate::prompt::Silent;

/// A machine that is set up, with a key pair by ssh-keygen.
fn machine() -> Machine {
    let machine = Machine::new().with(&[("GIT_CEILING_DIRECTORIES", "/")]);
    std::fs::create_dir(machine.path("home/.ssh")).unwrap();
    chmod(&machine, "home/.ssh", 0o700);
    machine.git(&[
        "config",
        "--global",
        "core.sshCommand",
        machine.path("bin/bitbucket-ssh").to_str().unwrap(),
    ]);
    keygen(&machine, "id_ed25519", &["-t", "ed25519", "-N", ""]);
    machine
}

fn keygen(machine: &Machine, name: &str, arguments: &[&str]) {
    let status = machine
        .context
        .command("ssh-keygen")
        .args(["-q", "-C", name, "-f"])
        .arg(machine.path("home/.ssh").join(name))
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success());
}

fn chmod(machine: &Machine, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(machine.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn look(machine: &Machine, further: &Doctor) -> (Said<Result<bool, Error>>, Vec<Value>) {
    let options = Doctor {
        json: true,
        offline: true,
        ..further.clone()
    };
    let said = machine.ask(&Silent, |call| doctor(call, &options));
    let list = serde_json::from_str(&said.output).unwrap_or_else(|why| panic!("{why}: {said:?}"));
    (said, list)
}

/// The findings of a check, as `VERDICT text | next`.
fn found(machine: &Machine, check: &str) -> Vec<String> {
    let (_, list) = look(machine, &Doctor::default());
    list.iter()
        .filter(|finding| finding["check"] == check)
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} | {}", text("verdict"), text("text"), text("next"))
        })
        .collect()
}

#[track_caller]
fn finds(machine: &Machine, check: &str, expected: &str) {
    let found = found(machine, check);
    assert!(
        found.iter().any(|line| line.starts_with(expected)),
        "{check}: {expected:?} is not in {found:#?}"
    );
}

#[test]
fn a_machine_that_is_well_has_no_fail() {
    let machine = machine();
    let (said, list) = look(&machine, &Doctor::default());
    assert!(said.result.unwrap(), "{}", said.output);
    for finding in &list {
        for name in [
            "check",
            "verdict",
            "text",
            "next",
            "group",
            "subject",
            "milliseconds",
            "fixable",
        ] {
            assert!(finding.get(name).is_some(), "{name}: {finding}");
        }
    }
    for check in [
        "resolve",
        "tcp",
        "ssh",
        "api",
        "clock",
        "session",
        "host-keys-published",
    ] {
        finds(&machine, check, "SKIP --offline");
    }
    let said = machine.ask(&Silent, |call| {
        doctor(
            call,
            &Doctor {
                offline: true,
                ..Doctor::default()
            },
        )
    });
    assert!(said.output.contains("  OK   git "), "{}", said.output);
    assert!(said.output.contains(" 0 FAIL,"), "{}", said.output);
}

#[test]
fn what_git_calls_is_found() {
    let machine = machine();
    finds(&machine, "ssh-command", "OK core.sshCommand");
    machine.git(&["config", "--global", "core.sshCommand", "ssh -i x"]);
    finds(
        &machine,
        "ssh-command",
        "FAIL git runs ssh -i x (core.sshCommand in ~/.gitconfig) instead of bitbucket-ssh | git bitbucket setup",
    );
    machine.git(&[
        "config",
        "--global",
        "core.sshCommand",
        "/nowhere/bitbucket-ssh",
    ]);
    finds(
        &machine,
        "ssh-command",
        "FAIL core.sshCommand in ~/.gitconfig: /nowhere/bitbucket-ssh does not exist",
    );
    machine.git(&["config", "--global", "ssh.variant", "plink"]);
    finds(&machine, "ssh-variant", "FAIL plink");
    let machine = machine.with(&[
        ("GIT_SSH_COMMAND", "ssh -v"),
        ("GIT_CEILING_DIRECTORIES", "/"),
    ]);
    finds(
        &machine,
        "ssh-command",
        "FAIL git runs ssh -v (GIT_SSH_COMMAND) instead of bitbucket-ssh | unset GIT_SSH_COMMAND",
    );
    finds(
        &machine,
        "ssh-overrides",
        "WARN GIT_SSH_COMMAND takes precedence",
    );
    let (said, _) = look(&machine, &Doctor::default());
    assert!(!said.result.unwrap(), "something FAILed");
}

#[test]
fn ssh_config_is_judged_by_ssh() {
    let machine = machine();
    machine.write(
        "home/.ssh/config",
        "Host bitbucket.org\n  IdentitiesOnyl yes\n",
    );
    finds(&machine, "ssh-config", "FAIL ");
    assert!(found(&machine, "ssh-config")[0].contains("identitiesonyl"));
    machine.write(
        "home/.ssh/config",
        "Host bb-work\n  HostName bitbucket.org\n  IdentityFile ~/.ssh/id_ed25519\n",
    );
    finds(&machine, "ssh-config", "OK ");
    finds(
        &machine,
        "ssh-config-aliases",
        "WARN alias for bitbucket.org",
    );
    finds(&machine, "ssh-config-hosts", "OK ");
    machine.write(
        "home/.ssh/config",
        "Host bitbucket.org\n  IdentityFile ~/.ssh/id_ed25519\n",
    );
    finds(&machine, "ssh-config-hosts", "WARN different settings");
}

#[test]
fn settings_that_do_not_count_are_named() {
    let machine = machine();
    finds(&machine, "settings", "OK ");
    machine.git(&["config", "--global", "bitbucket.acount", "a@b.example"]);
    finds(&machine, "settings", "WARN 'a@b.example' is ignored");
    machine.write("home/.gitconfig", "[core\n");
    finds(&machine, "git-config", "FAIL ");
}

#[test]
fn key_files_are_looked_at_one_by_one() {
    let machine = machine();
    for check in [
        "key-present",
        "key-permissions",
        "key-format",
        "key-size",
        "key-passphrase",
        "key-public",
    ] {
        finds(&machine, check, "OK ");
    }
    keygen(
        &machine,
        "id_rsa",
        &["-t", "rsa", "-b", "1024", "-N", "secret"],
    );
    finds(&machine, "key-size", "FAIL RSA with 1024 bits");
    finds(&machine, "key-passphrase", "OK asked for");
    std::fs::copy(
        machine.path("home/.ssh/id_rsa.pub"),
        machine.path("home/.ssh/id_ed25519.pub"),
    )
    .unwrap();
    finds(
        &machine,
        "key-public",
        "FAIL the .pub file belongs to another key",
    );
    machine.write("home/.ssh/id_ecdsa", "PuTTY-User-Key-File-3: ssh-ed25519\n");
    chmod(&machine, "home/.ssh/id_ecdsa", 0o600);
    finds(&machine, "key-format", "FAIL ");
    machine.git(&[
        "config",
        "--global",
        "bitbucket.identityFile",
        "~/.ssh/gone",
    ]);
    finds(
        &machine,
        "key-present",
        "FAIL configured, but the file does not exist | git bitbucket key new --file ~/.ssh/gone",
    );
}

#[test]
fn permissions_and_a_missing_public_half_are_put_right() {
    let machine = machine();
    let public = machine.read("home/.ssh/id_ed25519.pub");
    std::fs::remove_file(machine.path("home/.ssh/id_ed25519.pub")).unwrap();
    finds(&machine, "key-public", "WARN no .pub file");
    let options = Doctor {
        fix: true,
        offline: true,
        ..Doctor::default()
    };
    let said = machine.ask(&Silent, |call| doctor(call, &options));
    assert!(!said.result.unwrap(), "nobody can be asked");
    assert!(!machine.path("home/.ssh/id_ed25519.pub").exists());
    let no = Answers::new(&["n"]);
    assert!(
        machine
            .ask(&no, |call| doctor(call, &options))
            .result
            .unwrap()
    );
    assert_eq!(no.questions(), ["write ~/.ssh/id_ed25519.pub? [y/N] "]);
    assert!(!machine.path("home/.ssh/id_ed25519.pub").exists());
    let said = machine.ask(&Answers::new(&["y"]), |call| doctor(call, &options));
    assert!(said.result.unwrap());
    assert_eq!(machine.read("home/.ssh/id_ed25519.pub"), public);

    chmod(&machine, "home/.ssh/id_ed25519", 0o644);
    chmod(&machine, "home/.ssh", 0o777);
    finds(
        &machine,
        "key-permissions",
        "FAIL 0644: others can read the private key | chmod 600 ~/.ssh/id_ed25519",
    );
    finds(
        &machine,
        "key-permissions",
        "FAIL 0777 is too open | chmod 700 ~/.ssh",
    );
    let yes = Doctor {
        yes: true,
        ..options
    };
    let said = machine.ask(&Silent, |call| doctor(call, &yes));
    assert!(said.result.unwrap(), "{}", said.output);
    finds(&machine, "key-permissions", "OK 0600");
}

/// `doctor --fix --yes --offline`.
const FIX: Doctor = Doctor {
    target: None,
    json: false,
    offline: true,
    fix: true,
    yes: true,
};

/// The RSA key that Bitbucket withdrew in 2023, as it stood in everybody's known_hosts.
const WITHDRAWN: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEAubiN81eDcafrgMeLzaFPsw2kNvEcqTKl/VqLat/MaB33pZy0y3rJZtnqwR2qOOvbwKZYKiEO1O6VqNEBxKvJJelCq0dTXWT5pbO2gDXC6h6QDXCaHo6pOHGPUy+YBaGQRGuSusMEASYiWunYN0vCAI8QaXnWMXNMdFP3jHAJH0eDsoiGnLPBlBp4TNm6rYI74nMzgz3B9IikW4WVK+dc8KZJZWYjAuORU3jc1c/NPskD2ASinf8v3xnfXeukU0sJ5N6m5E8VLjObPEO+mN2t/FZTMZLiFqPWc/ALSqnMnnhwrNi2rbfg/rd/IpL8Le3pSBne8+seeFVBoGqzHM9yXw==";

#[test]
fn a_withdrawn_host_key_is_found_and_taken_away() {
    let machine = machine();
    let mine = "example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbY2Q9Cl6dVjPQpVvVVVVVVVVVVVVVVVVVVVVVVVVVV";
    machine.write(
        "home/.ssh/known_hosts",
        &format!("{mine}\nbitbucket.org,104.192.143.1 {WITHDRAWN} old\n# end\n"),
    );
    finds(
        &machine,
        "host-keys-revoked",
        "FAIL this line trusts a key that Bitbucket withdrew in 2023",
    );
    let said = machine.ask(&Silent, |call| doctor(call, &FIX));
    assert!(
        said.errors
            .contains("remove the withdrawn host key of bitbucket.org"),
        "{said:?}"
    );
    assert!(!machine.read("home/.ssh/known_hosts").contains(WITHDRAWN));
    let text = machine.read("home/.ssh/known_hosts");
    assert!(text.contains(mine) && text.contains("# end"), "{text}");
    finds(&machine, "host-keys-revoked", "OK ");
}

#[test]
fn known_hosts_is_compared_with_the_published_keys() {
    let machine = machine();
    finds(&machine, "host-keys", "OK not in known_hosts");
    let lines: Vec<_> = published::lines()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let one = lines[0].split_once(' ').unwrap().1;
    let first = format!("# mine\nbitbucket.org {one}\n");
    machine.write("home/.ssh/known_hosts", &first);
    finds(
        &machine,
        "host-keys",
        "WARN 2 of the 3 published keys are not in known_hosts",
    );
    assert!(
        machine
            .ask(&Silent, |call| doctor(call, &FIX))
            .result
            .unwrap()
    );
    finds(
        &machine,
        "host-keys",
        "OK known_hosts has the published keys",
    );
    assert!(
        machine.read("home/.ssh/known_hosts").starts_with(&first),
        "nothing is lost"
    );

    let other = machine.read("home/.ssh/id_ed25519.pub");
    machine.write("home/.ssh/known_hosts", &format!("bitbucket.org {other}"));
    finds(&machine, "host-keys", "FAIL ");
    machine.write(
        "home/.ssh/known_hosts",
        &format!("@revoked bitbucket.org {one}\n"),
    );
    finds(
        &machine,
        "host-keys-revoked",
        "FAIL this line revokes a key that Bitbucket publishes",
    );
    machine.write(
        "home/.ssh/config",
        "Host *\n  RevokedHostKeys ~/.ssh/absent\n",
    );
    finds(&machine, "revoked-host-keys", "FAIL cannot be read");
}

#[test]
fn an_agent_that_is_gone_is_found() {
    let machine = machine();
    finds(&machine, "agent", "SKIP ");
    let socket = machine.path("home/agent");
    let machine = machine.with(&[
        ("SSH_AUTH_SOCK", socket.to_str().unwrap()),
        ("GIT_CEILING_DIRECTORIES", "/"),
    ]);
    finds(&machine, "agent", "FAIL cannot connect to the agent");
}

#[test]
fn remotes_on_the_old_host_are_named() {
    let machine = machine();
    finds(&machine, "remotes", "SKIP not in a git repository");
    machine.git(&["init", "--quiet"]);
    machine.git(&["remote", "add", "origin", "git@bitbucket.org:acme/site.git"]);
    finds(
        &machine,
        "remotes",
        "OK git@bitbucket.org:acme/site.git works here; other programs may need ssh.bitbucket.org | git remote set-url origin git@ssh.bitbucket.org:acme/site.git",
    );
    machine.git(&[
        "remote",
        "set-url",
        "origin",
        "git@ssh.bitbucket.org:acme/site.git",
    ]);
    finds(&machine, "remotes", "OK ");
}

#[test]
fn accounts_and_tokens_are_looked_for() {
    let machine = machine();
    finds(
        &machine,
        "token",
        "WARN no account is logged in to https://bitbucket.org | git bitbucket login",
    );
    let machine = machine.with(&[
        ("GIT_CEILING_DIRECTORIES", "/"),
        ("BITBUCKET_EMAIL", "a@b.example"),
        ("BITBUCKET_API_TOKEN", "ATATT-secret"),
    ]);
    finds(
        &machine,
        "token",
        "OK found (BITBUCKET_API_TOKEN), not checked",
    );
    let (said, _) = look(&machine, &Doctor::default());
    assert!(!format!("{said:?}").contains("ATATT"), "no token is shown");
}

#[test]
fn leftovers_are_found_and_taken_away() {
    let machine = machine();
    finds(&machine, "leftovers", "OK ");
    machine.write("home/.ssh/.bitbucket-ssh-abc", "half");
    finds(
        &machine,
        "leftovers",
        "WARN 1 unfinished file | rm ~/.ssh/.bitbucket-ssh-abc",
    );
    let public = machine.read("home/.ssh/id_ed25519.pub");
    let records = serde_json::json!({"version": 1, "identities": [{
        "site": "https://bitbucket.org", "name": "a@b.example", "file": machine.path("home/.ssh/begun"),
        "public_key": public.trim(), "fingerprint": "SHA256:x", "key_id": null, "label": "l",
        "created": "2026-11-01T00:00:00Z", "expires": null, "state": "pending",
    }]});
    std::fs::create_dir(machine.path("home/.ssh/bitbucket-ssh")).unwrap();
    chmod(&machine, "home/.ssh/bitbucket-ssh", 0o700);
    machine.write("home/.ssh/bitbucket-ssh/records.json", &records.to_string());
    finds(
        &machine,
        "leftovers",
        "WARN a key pair was started but never written",
    );
    let said = machine.ask(&Silent, |call| doctor(call, &FIX));
    assert!(said.result.unwrap(), "{}", said.output);
    finds(&machine, "leftovers", "OK ");
    assert!(!machine.path("home/.ssh/.bitbucket-ssh-abc").exists());
}

#[test]
fn a_target_of_nobody_is_an_error() {
    let machine = machine();
    let target = Some("git@example.org:a/b".to_owned());
    let options = Doctor {
        target,
        offline: true,
        ..Doctor::default()
    };
    let said = machine.ask(&Silent, |call| doctor(call, &options));
    assert!(
        matches!(said.result, Err(Error::NoBitbucket(_))),
        "{said:?}"
    );
}
