//! Whole migrations of real repositories, and back byte for byte.

use super::*;
use crate::commands::testing::{Answers, Machine};

const YES: Migrate = Migrate {
    dry_run: false,
    undo: false,
    yes: true,
};
const UNDO: Migrate = Migrate {
    dry_run: false,
    undo: true,
    yes: false,
};

/// Set up; a repository with a remote of this URL, two keys, and an alias for one of them.
fn machine(url: &str) -> Machine {
    let machine = Machine::new().with(&[("GIT_CEILING_DIRECTORIES", "/")]);
    std::fs::create_dir(machine.path("home/.ssh")).unwrap();
    machine.write("home/.ssh/work", "key\n");
    machine.write(
        "home/.ssh/config",
        "Host bitbucket.org-work bbw\n  HostName bitbucket.org\n  User git\n  IdentityFile ~/.ssh/work\nHost lost\n  HostName bitbucket.org\n  IdentityFile ~/.ssh/gone\n",
    );
    machine.git(&[
        "config",
        "--global",
        "core.sshCommand",
        machine.path("bin/bitbucket-ssh").to_str().unwrap(),
    ]);
    machine.git(&["init", "--quiet"]);
    machine.git(&["remote", "add", "origin", url]);
    let text = machine.read("work/.git/config");
    machine.write(
        "work/.git/config",
        &format!("# by hand\n{text}\t; odd indent\n"),
    );
    machine
}

#[test]
fn what_is_found_in_the_wild_is_turned_and_comes_back() {
    let file = "bitbucket.https://bitbucket.org/acme/site.identityFile";
    for (url, new, identity, why) in [
        (
            "git@bitbucket.org-work:acme/site.git",
            "git@ssh.bitbucket.org:acme/site.git",
            Some("~/.ssh/work"),
            "an alias",
        ),
        (
            "bbw:acme/site",
            "git@ssh.bitbucket.org:acme/site.git",
            Some("~/.ssh/work"),
            "its user is the alias's",
        ),
        (
            "ssh://git@bitbucket.org-work/acme/site.git",
            "git@ssh.bitbucket.org:acme/site.git",
            Some("~/.ssh/work"),
            "as a URL",
        ),
        (
            "git@bitbucket.org:acme/site.git",
            "git@ssh.bitbucket.org:acme/site.git",
            None,
            "the old host",
        ),
        (
            "alice@bitbucket.org:acme/site.git",
            "alice@ssh.bitbucket.org:acme/site.git",
            None,
            "a user is kept",
        ),
        (
            "git@ssh.bitbucket.org:acme/site.git",
            "git@ssh.bitbucket.org:acme/site.git",
            None,
            "nothing to do",
        ),
        (
            "https://bitbucket.org/acme/site.git",
            "https://bitbucket.org/acme/site.git",
            None,
            "https is a choice",
        ),
        (
            "git@example.org:acme/site.git",
            "git@example.org:acme/site.git",
            None,
            "another host",
        ),
        (
            "git@lost:acme/site.git",
            "git@lost:acme/site.git",
            None,
            "its key is not there",
        ),
    ] {
        let machine = machine(url);
        let (before, config) = (
            machine.read("work/.git/config"),
            machine.read("home/.ssh/config"),
        );
        let dry = Migrate {
            dry_run: true,
            ..YES
        };
        assert!(machine.call("", |call| migrate(call, dry)).result.unwrap());
        assert_eq!(machine.read("work/.git/config"), before, "{why}: a dry run");
        let said = machine.call("", |call| migrate(call, YES));
        assert!(matches!(said.result, Ok(true)), "{why}: {said:?}");
        assert_eq!(
            machine.git(&["remote", "get-url", "origin"]),
            new,
            "{why}: {said:?}"
        );
        let found = machine
            .try_git(&["config", "--local", "--get", file])
            .stdout;
        let found = String::from_utf8(found).unwrap();
        assert_eq!(found.trim(), identity.unwrap_or_default(), "{why}");
        assert!(machine.read("work/.git/config").contains("# by hand"));
        assert!(machine.call("", |call| migrate(call, UNDO)).result.is_ok());
        assert_eq!(machine.read("work/.git/config"), before, "{why}: undone");
        assert_eq!(machine.read("home/.ssh/config"), config, "{why}: only read");
        assert!(
            !machine
                .path("home/.ssh/bitbucket-ssh/migrate.json")
                .exists()
        );
    }
}

#[test]
fn a_command_with_a_key_becomes_a_setting() {
    let machine = machine("git@ssh.bitbucket.org:acme/site.git");
    machine.git(&[
        "config",
        "core.sshCommand",
        "ssh -i ~/.ssh/work -o IdentitiesOnly=yes",
    ]);
    let before = machine.read("work/.git/config");
    assert!(machine.call("", |call| migrate(call, YES)).result.unwrap());
    assert_eq!(
        machine.git(&["config", "--local", "bitbucket.identityFile"]),
        "~/.ssh/work"
    );
    assert!(
        !machine
            .try_git(&["config", "--local", "core.sshCommand"])
            .status
            .success()
    );
    assert!(machine.call("", |call| migrate(call, UNDO)).result.is_ok());
    assert_eq!(machine.read("work/.git/config"), before);

    machine.git(&["config", "--global", "--unset", "core.sshCommand"]);
    let said = machine.call("", |call| migrate(call, YES));
    assert!(said.errors.contains("git bitbucket setup"), "{said:?}");
    assert_eq!(
        machine.read("work/.git/config"),
        before,
        "the key would be lost"
    );
}

#[test]
fn it_asks_and_tells_what_it_cannot_turn() {
    let machine = machine("git@bitbucket.org:acme/site.git");
    machine.git(&[
        "config",
        "--global",
        "includeIf.gitdir:~/work/.path",
        "~/.gitconfig-work",
    ]);
    let ask = Migrate { yes: false, ..YES };
    let before = machine.read("work/.git/config");
    let said = machine.call("", |call| migrate(call, ask));
    assert!(
        matches!(said.result, Ok(false)) && said.errors.contains("--yes"),
        "nobody is there"
    );
    assert!(
        said.errors.contains("left: includeif.gitdir:~/work/.path"),
        "{:?}",
        said.errors
    );
    let no = Answers::new(&["n"]);
    assert!(!machine.ask(&no, |call| migrate(call, ask)).result.unwrap());
    assert_eq!(machine.read("work/.git/config"), before);
    assert!(
        machine
            .ask(&Answers::new(&["y"]), |call| migrate(call, ask))
            .result
            .unwrap()
    );
    machine.git(&["config", "user.name", "since"]);
    let changed = machine.read("work/.git/config");
    let said = machine.call("", |call| migrate(call, UNDO));
    assert!(said.result.is_err(), "changed since");
    assert_eq!(machine.read("work/.git/config"), changed);
}
