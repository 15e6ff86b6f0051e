//! setup and unsetup against real git.

#![cfg(unix)]

use super::*;
use crate::commands::arguments::Scopes;
use crate::commands::testing::{Machine, Said};

const GLOBAL: Scopes = Scopes {
    local: false,
    global: true,
    system: false,
};
const LOCAL: Scopes = Scopes {
    local: true,
    global: false,
    system: false,
};

fn set_up(machine: &Machine, options: &Setup) -> Said<Result<(), Error>> {
    machine.call("", |call| setup(call, options))
}

fn done(said: &Said<Result<(), Error>>) -> &str {
    assert!(said.result.is_ok(), "{said:?}");
    &said.output
}

fn undo(machine: &Machine, scopes: Scopes) -> Said<Result<(), Error>> {
    machine.call("", |call| unsetup(call, scopes))
}

#[test]
fn a_bare_home_is_bare_again() {
    let machine = Machine::new();
    let said = set_up(&machine, &Setup::default());
    assert!(
        done(&said).contains("core.sshCommand: (not set) -> "),
        "{said:?}"
    );
    assert_eq!(
        machine.git(&["config", "--global", "core.sshCommand"]),
        machine.path("bin/bitbucket-ssh").to_str().unwrap()
    );
    assert_eq!(machine.git(&["config", "--global", "ssh.variant"]), "ssh");
    for page in [
        "home/.local/share/man/man1/git-bitbucket.1",
        "home/.local/share/bash-completion/completions/git-bitbucket",
    ] {
        assert!(machine.path(page).exists(), "{page}");
    }

    let tree = machine.tree("home");
    let record = machine.read("home/.ssh/bitbucket-ssh/setup.json");
    let again = set_up(&machine, &Setup::default());
    assert!(done(&again).contains("nothing to change"), "{again:?}");
    assert_eq!(machine.tree("home"), tree, "a second setup changes nothing");
    assert_eq!(machine.read("home/.ssh/bitbucket-ssh/setup.json"), record);

    done(&undo(&machine, Scopes::default()));
    assert_eq!(machine.tree("home"), Vec::<std::path::PathBuf>::new());
    let nothing = undo(&machine, GLOBAL);
    assert!(done(&nothing).contains("nothing to undo"));
}

#[test]
fn bytes_come_back() {
    let odd = "# mine\n[core]\n\tsshCommand=ssh -i ~/.ssh/work ; why\n\teditor = vi\n[CORE] sshCommand = \"x y\"\n\n[user]\n    name = A";
    let crlf = "[core]\r\n\tautocrlf = input\r\n[ssh]\r\n\tvariant = plink\r\n";
    for (content, why) in [
        (odd, "comments, two values, no newline at the end"),
        (crlf, "line ends of Windows"),
        ("", "an empty file stays one"),
        ("[core]\n\tsshCommand =\n", "an empty value"),
        ("[alias]\n\tst = status\n", "other sections"),
    ] {
        let machine = Machine::new();
        machine.write("home/.gitconfig", content);
        let options = Setup {
            rewrite_https: true,
            ..Setup::default()
        };
        done(&set_up(&machine, &options));
        assert_ne!(machine.read("home/.gitconfig"), content, "{why}");
        done(&set_up(&machine, &options));
        done(&undo(&machine, GLOBAL));
        assert_eq!(machine.read("home/.gitconfig"), content, "{why}");
    }
}

#[test]
fn what_was_changed_since_stays() {
    let machine = Machine::new();
    machine.write("home/.gitconfig", "[core]\n\tsshCommand = ssh -i k # old\n");
    let said = set_up(&machine, &Setup::default());
    assert!(
        said.errors.contains("replaces core.sshCommand = ssh -i k"),
        "{said:?}"
    );
    machine.git(&["config", "--global", "user.name", "Ann"]);
    let said = undo(&machine, GLOBAL);
    assert!(
        done(&said).contains("was changed since setup: the values are restored"),
        "{said:?}"
    );
    assert_eq!(
        machine.git(&["config", "--global", "core.sshCommand"]),
        "ssh -i k"
    );
    assert_eq!(machine.git(&["config", "--global", "user.name"]), "Ann");
    assert!(!machine.read("home/.gitconfig").contains("variant"));

    let machine = Machine::new();
    done(&set_up(&machine, &Setup::default()));
    machine.git(&["config", "--global", "core.sshCommand", "ssh -v"]);
    let said = undo(&machine, GLOBAL);
    assert!(said.errors.contains("left alone: ssh -v"), "{said:?}");
    assert_eq!(
        machine.git(&["config", "--global", "core.sshCommand"]),
        "ssh -v"
    );
}

#[test]
fn a_second_setup_elsewhere_keeps_the_first_way_back() {
    let before = "[core]\n\tsshCommand = ssh -4 ; first\n";
    let machine = Machine::new();
    machine.write("home/.gitconfig", before);
    done(&set_up(&machine, &Setup::default()));
    let mut moved = machine;
    std::fs::create_dir(moved.path("elsewhere")).unwrap();
    moved.program("elsewhere/bitbucket-ssh", "#!/bin/sh\n");
    moved.context.program = moved.path("elsewhere/git-bitbucket");
    done(&set_up(&moved, &Setup::default()));
    assert!(
        moved
            .git(&["config", "core.sshCommand"])
            .contains("elsewhere")
    );
    done(&undo(&moved, GLOBAL));
    assert_eq!(moved.read("home/.gitconfig"), before);

    // Others write between two set-ups: values only, and still the first ones.
    moved.context.program = moved.path("bin/git-bitbucket");
    done(&set_up(&moved, &Setup::default()));
    moved.git(&["config", "--global", "user.name", "Ann"]);
    moved.context.program = moved.path("elsewhere/git-bitbucket");
    done(&set_up(&moved, &Setup::default()));
    done(&undo(&moved, GLOBAL));
    assert_eq!(moved.git(&["config", "core.sshCommand"]), "ssh -4");
    assert_eq!(moved.git(&["config", "user.name"]), "Ann");
}

#[test]
fn an_interrupted_setup_leaves_the_way_back_whole() {
    let before = "[core]\n\tsshCommand = ssh -4 ; first\n";
    let machine = Machine::new();
    machine.write("home/.gitconfig", before);
    machine.write("home/.gitconfig.lock", "");
    let said = set_up(&machine, &Setup::default());
    let hints = said.result.unwrap_err().explanation().hints;
    assert!(hints[0].contains("rm "), "{hints:?}");
    assert_eq!(machine.read("home/.gitconfig"), before);
    std::fs::remove_file(machine.path("home/.gitconfig.lock")).unwrap();
    machine.write("home/.gitconfig", &format!("{before}# more\n"));
    done(&set_up(&machine, &Setup::default()));
    done(&undo(&machine, GLOBAL));
    assert_eq!(machine.read("home/.gitconfig"), format!("{before}# more\n"));
}

#[test]
fn git_calls_the_program_without_a_probe() {
    for name in ["", "with blank", "it's $HOME"] {
        let machine = Machine::below(name);
        done(&set_up(&machine, &Setup::default()));
        machine.try_git(&["ls-remote", "git@bitbucket.org:acme/site.git"]);
        assert_eq!(
            machine.read("home/called"),
            "-o\nSendEnv=GIT_PROTOCOL\ngit@bitbucket.org\ngit-upload-pack 'acme/site.git'\n",
            "{name:?}"
        );
    }
}

#[test]
fn web_addresses_go_by_ssh_if_asked() {
    let machine = Machine::new();
    let options = Setup {
        rewrite_https: true,
        ..Setup::default()
    };
    done(&set_up(&machine, &options));
    let url = machine.git(&["ls-remote", "--get-url", "https://bitbucket.org/acme/site"]);
    assert_eq!(url, "git@ssh.bitbucket.org:acme/site");
    machine.git(&["config", "--global", "user.name", "Ann"]);
    done(&undo(&machine, GLOBAL));
    assert_eq!(
        machine.git(&["config", "--global", "--list"]),
        "user.name=Ann"
    );
}

#[test]
fn a_rewrite_that_does_not_work_is_told() {
    let machine = Machine::new();
    machine.write(
        "home/.gitconfig",
        "[url \"https://x@bitbucket.org/\"]\n\tinsteadOf = https://bitbucket.org/\n",
    );
    let options = Setup {
        rewrite_https: true,
        ..Setup::default()
    };
    let said = set_up(&machine, &options);
    assert!(
        said.errors
            .contains("becomes https://x@bitbucket.org/WORKSPACE/SLUG"),
        "{said:?}"
    );
}

#[test]
fn the_link_is_ours_or_nobodys() {
    let machine = Machine::new();
    let options = Setup {
        shim: Some(machine.path("shims/deep")),
        ..Setup::default()
    };
    let said = set_up(&machine, &options);
    done(&said);
    assert!(said.errors.contains("export PATH="), "{said:?}");
    let link = machine.path("shims/deep/ssh");
    assert_eq!(
        std::fs::read_link(&link).unwrap(),
        machine.path("bin/bitbucket-ssh")
    );
    done(&set_up(&machine, &options));
    done(&undo(&machine, GLOBAL));
    assert!(!machine.path("shims").exists(), "made on the way, empty");

    std::fs::create_dir(machine.path("taken")).unwrap();
    machine.write("taken/ssh", "another");
    let options = Setup {
        shim: Some(machine.path("taken")),
        ..Setup::default()
    };
    let said = set_up(&machine, &options);
    assert!(matches!(said.result, Err(Error::ShimTaken(_))), "{said:?}");
    assert_eq!(machine.read("taken/ssh"), "another");
    assert_eq!(machine.tree("home"), Vec::<std::path::PathBuf>::new());

    let options = Setup {
        shim: Some(machine.path("shims")),
        ..Setup::default()
    };
    done(&set_up(&machine, &options));
    std::fs::remove_file(machine.path("shims/ssh")).unwrap();
    machine.write("shims/ssh", "another");
    let said = undo(&machine, GLOBAL);
    assert!(said.errors.contains("was replaced since setup"), "{said:?}");
    assert_eq!(machine.read("shims/ssh"), "another");
}

#[test]
fn scopes_and_what_overrides() {
    let machine = Machine::new().with(&[("GIT_SSH_COMMAND", "ssh -x"), ("GIT_SSH", "/bin/ssh")]);
    machine.git(&["init", "--quiet"]);
    machine.git(&["config", "core.sshCommand", ""]);
    machine.write("system", "[core]\n\tsshCommand = ssh -6\n");
    let said = set_up(&machine, &Setup::default());
    done(&said);
    for line in [
        "GIT_SSH_COMMAND overrides core.sshCommand here: ssh -x",
        "GIT_SSH is set (/bin/ssh)",
        "no longer used: core.sshCommand = ssh -6",
        "an empty core.sshCommand overrides it here",
    ] {
        assert!(said.errors.contains(line), "{line}: {said:?}");
    }

    let config = machine.read("work/.git/config");
    let options = Setup {
        scopes: LOCAL,
        ..Setup::default()
    };
    let said = set_up(&machine, &options);
    assert!(
        said.errors.contains("core.sshCommand was empty"),
        "{said:?}"
    );
    assert!(!said.errors.contains("overrides it here"), "{said:?}");
    let system = Setup {
        scopes: Scopes {
            system: true,
            ..Scopes::default()
        },
        ..Setup::default()
    };
    done(&set_up(&machine, &system));
    done(&set_up(
        &machine,
        &Setup {
            shim: Some(machine.path("shims")),
            ..options
        },
    ));
    done(&undo(&machine, LOCAL));
    assert_eq!(machine.read("work/.git/config"), config);
    assert!(!machine.path("shims").exists(), "made for this scope");
    assert!(machine.path("home/.gitconfig").exists(), "the other scope");
    assert!(machine.path("home/.local/share/man").exists());
    done(&undo(&machine, GLOBAL));
    done(&undo(&machine, system.scopes));
    assert_eq!(machine.read("system"), "[core]\n\tsshCommand = ssh -6\n");
    assert_eq!(machine.tree("home"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn outside_a_repository_there_is_no_local_file() {
    let machine = Machine::new().with(&[("GIT_CEILING_DIRECTORIES", "/")]);
    let options = Setup {
        scopes: LOCAL,
        ..Setup::default()
    };
    let said = set_up(&machine, &options);
    assert!(
        matches!(said.result, Err(Error::NoRepository(_))),
        "{said:?}"
    );
}

#[test]
fn a_link_to_the_configuration_stays_a_link() {
    let machine = Machine::new();
    machine.write("dotfiles", "[user]\n\tname = Ann\n");
    std::os::unix::fs::symlink(machine.path("dotfiles"), machine.path("home/.gitconfig")).unwrap();
    done(&set_up(&machine, &Setup::default()));
    assert!(machine.path("home/.gitconfig").is_symlink());
    assert!(machine.read("dotfiles").contains("sshCommand"));
    done(&undo(&machine, GLOBAL));
    assert!(machine.path("home/.gitconfig").is_symlink());
    assert_eq!(machine.read("dotfiles"), "[user]\n\tname = Ann\n");
}

#[test]
fn the_record_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    done(&set_up(&machine, &Setup::default()));
    for (path, mode) in [
        ("home/.ssh", 0o700),
        ("home/.ssh/bitbucket-ssh", 0o700),
        ("home/.ssh/bitbucket-ssh/setup.json", 0o600),
    ] {
        let found = std::fs::metadata(machine.path(path)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn bash_completes_both_names() {
    let machine = Machine::new();
    done(&set_up(&machine, &Setup::default()));
    for (words, at, function, expected, why) in [
        (
            "git bitbucket set",
            2,
            "_git_bitbucket",
            "setup",
            "through git",
        ),
        (
            "git -C . bitbucket log",
            4,
            "_git_bitbucket",
            "login logout",
            "options before it",
        ),
        (
            "git-bitbucket uns",
            1,
            "_git__bitbucket git-bitbucket uns git-bitbucket",
            "unsetup",
            "by its own name",
        ),
    ] {
        let index = words.split(' ').position(|word| word == "bitbucket");
        let script = format!(
            ". ~/.local/share/bash-completion/completions/git-bitbucket; COMP_WORDS=({words}) COMP_CWORD={at} __git_cmd_idx={}; {function}; echo ${{COMPREPLY[*]}}",
            index.unwrap_or(0)
        );
        let output = machine
            .context
            .command("bash")
            .args(["-c", &script])
            .stdout(std::process::Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            expected,
            "{why}"
        );
    }
}
