//! A demonstration: a clone that creates a key, a fetch, a push, and the keys on the account.

use std::fs;
use std::process::Command;

use sandbox::{Permission, SCOPES_MINIMUM, Sandbox, Visibility};

use crate::interrupt::Interrupt;
use crate::machine::{self, Machine};
use crate::{Stopped, programs, say};

const EMAIL: &str = "alice@example.com";

/// No question in a demonstration: the key gets no passphrase.
const NO_PASSPHRASE: &str = "[bitbucket]\n\tpassphrase = none\n";

pub(crate) fn run(interrupt: &Interrupt) -> Result<(), Stopped> {
    let programs = programs::folder()?;
    let sandbox = Sandbox::start();
    sandbox.add_account(EMAIL, "alice");
    sandbox.add_repository("acme/site", Visibility::Private);
    sandbox.grant(EMAIL, "acme/site", Some(Permission::Write));
    let token = sandbox.add_token(EMAIL, SCOPES_MINIMUM);
    let machine =
        Machine::new(&sandbox, &programs, (EMAIL, &token), NO_PASSPHRASE).map_err(failed)?;
    say(&format!(
        "A sandbox stands for Bitbucket: REST {}, SSH {}.\n\
         The machine is fresh: no key, no agent, an API token of {EMAIL} in the environment\n\
         (and bitbucket.passphrase = none, so that nothing is asked).",
        sandbox.api_url(),
        sandbox.ssh_host()
    ));

    let git = |folder: &str, arguments: &[&str]| {
        let mut git = machine.command("git", folder);
        git.args(arguments);
        git
    };
    let show = |title: &str, command: Command, shown: fn(&str) -> bool| {
        machine::run(title, command, interrupt, shown)
    };
    let everything = |_: &str| true;
    let url = "git@bitbucket.org:acme/site.git";
    show(
        &format!("git -c core.sshCommand=bitbucket-ssh clone {url}"),
        git("", &["-c", "core.sshCommand=bitbucket-ssh", "clone", url]),
        everything,
    )?;
    let mut list = machine.command("ls", ".ssh");
    list.arg("-l");
    show("ls -l ~/.ssh", list, everything)?;

    fs::write(
        machine.home().join("site/README.md"),
        "# Site\n\nWritten on a fresh machine.\n",
    )
    .map_err(failed)?;
    show(
        "cd site && git commit -qam Rewrite",
        git("site", &["commit", "-qam", "Rewrite"]),
        everything,
    )?;
    for verb in ["fetch", "push"] {
        let mut timed = git("site", &[verb]);
        timed.env("GIT_SSH_COMMAND", "bitbucket-ssh -v");
        let title = format!("GIT_SSH_COMMAND='bitbucket-ssh -v' git {verb} 2>&1 | grep timeline");
        show(&title, timed, |line| line.contains("timeline"))?;
    }
    account(&sandbox)
}

/// What the demonstration claims, looked up on the site.
fn account(sandbox: &Sandbox) -> Result<(), Stopped> {
    say(&format!("\nOn the account {EMAIL} of the sandbox:"));
    let keys = sandbox.keys(EMAIL);
    for key in &keys {
        let kind = key.key.split(' ').next().unwrap_or_default();
        say(&format!(
            "  {}  {kind} SHA256:{}",
            key.label, key.fingerprint
        ));
    }
    let logins = sandbox
        .connections()
        .iter()
        .filter(|one| one.login.is_some())
        .count();
    say(&format!(
        "{} key; {} REST requests; {logins} SSH logins for clone, fetch and push.",
        keys.len(),
        sandbox.requests().len()
    ));
    if keys.len() == 1 && logins >= 3 {
        Ok(())
    } else {
        Err(Stopped::Failed(
            "one key and a login for each command were expected".to_owned(),
        ))
    }
}

fn failed(error: impl std::fmt::Display) -> Stopped {
    Stopped::Failed(error.to_string())
}
