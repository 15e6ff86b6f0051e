//! Each verb followed by its undo: every file is again what it was, byte for byte, mode and link
//! included; with realistic configuration files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use sandbox::SCOPES_MINIMUM;

use crate::support::{ALICE, Agent, Output, Running, World, run};

/// A realistic git configuration.
const SHAPES: [(&str, &str); 9] = [
    ("plain", "[user]\n\tname = A\n[core]\n\teditor = vi\n"),
    (
        "no final newline",
        "[user]\n\tname = A\n[core]\n\teditor = vi",
    ),
    (
        "CRLF",
        "[user]\r\n\tname = A\r\n[core]\r\n\teditor = vi\r\n",
    ),
    (
        "comments",
        "# mine\n[core] ; here\n  # sshCommand = x\n\n[user]\n    name = \"A # B\" ; c\n# end\n",
    ),
    ("one line", "[core]editor=vi\n[user]name=A\n"),
    (
        "tabs and blanks",
        "[core]\n\n\t \teditor\t=\tvi  \n   \n[user]\n",
    ),
    (
        "a value before",
        "[Core]\n\tSSHCommand = ssh -v \\\n -4\n[ssh]\n\tvariant = ssh\n",
    ),
    (
        "sections again",
        "[core]\n\teditor = vi\n[bitbucket]\n[core]\n\tpager = cat\n[bitbucket]\n\taccount = old@example.com\n",
    ),
    (
        "includes",
        "[include]\n\tpath = more\n[includeIf \"gitdir:~/work/\"]\n\tpath = more\n",
    ),
];

/// A machine whose settings for the sandbox are in the system's file, with a clone.
fn machine() -> World {
    let mut world = World::new();
    let system = world.path("system");
    fs::copy(world.path("home/.gitconfig"), &system).unwrap();
    fs::remove_file(world.path("home/.gitconfig")).unwrap();
    world.unset("GIT_CONFIG_NOSYSTEM");
    world.set("GIT_CONFIG_SYSTEM", &system);
    fs::write(world.path("home/more"), "[core]\n\tpager = less\n").unwrap();
    world
        .git(&["clone", "-q", "git@bitbucket.org:acme/site.git", "site"])
        .succeeds();
    world
}

/// Mode and content (a link: where it leads) of everything below HOME and the clone's `.git`, but
/// for this program's own records and what git itself writes.
fn everything(world: &World) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for folder in ["home", "work/site/.git", "system", "shim"] {
        walk(world, Path::new(folder), &mut found);
    }
    found
}

fn walk(world: &World, name: &Path, found: &mut BTreeMap<String, (u32, Vec<u8>)>) {
    let text = name.to_str().unwrap();
    let path = world.path(text);
    let Ok(metadata) = fs::symlink_metadata(&path) else {
        return;
    };
    let own = ["home/.ssh/bitbucket-ssh", "home/.local/state"];
    let gits = ["FETCH_HEAD", "ORIG_HEAD", "index"];
    if own.contains(&text) || gits.iter().any(|name| text.ends_with(name)) {
        return;
    }
    let mode = metadata.permissions().mode();
    if metadata.is_dir() {
        found.insert(format!("{text}/"), (mode, Vec::new()));
        for entry in fs::read_dir(&path).unwrap() {
            walk(world, &name.join(entry.unwrap().file_name()), found);
        }
        return;
    }
    let content = if metadata.is_symlink() {
        fs::read_link(&path)
            .unwrap()
            .into_os_string()
            .into_encoded_bytes()
    } else {
        fs::read(&path).unwrap()
    };
    found.insert(text.to_owned(), (mode, content));
}

/// What differs, as text.
fn differences(
    before: &BTreeMap<String, (u32, Vec<u8>)>,
    after: &BTreeMap<String, (u32, Vec<u8>)>,
) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let shown = |one: Option<&(u32, Vec<u8>)>| {
        one.map(|(mode, content)| {
            (
                format!("{mode:o}"),
                String::from_utf8_lossy(content).into_owned(),
            )
        })
    };
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            format!(
                "{name}:\n{:?}\n{:?}",
                shown(before.get(name)),
                shown(after.get(name))
            )
        })
        .collect()
}

fn bitbucket(world: &World, arguments: &[&str]) -> Command {
    let mut git = world.command("git-bitbucket");
    git.args(arguments).current_dir(world.path("work/site"));
    git
}

/// The command changes something, and its undo reverts all of it.
#[track_caller]
fn comes_back(world: &World, verb: &[&str], undo: &[&str], why: &str) {
    let before = everything(world);
    run(bitbucket(world, verb)).succeeds();
    let changed = everything(world);
    assert!(
        !differences(&before, &changed).is_empty(),
        "{verb:?} changes nothing: {why}"
    );
    run(bitbucket(world, undo)).succeeds();
    let differences = differences(&before, &everything(world));
    assert!(
        differences.is_empty(),
        "{verb:?}, {why}: {}",
        differences.join("\n")
    );
}

#[test]
fn verbs_on_the_user_s_configuration() {
    let verbs: [(&[&str], &[&str]); 5] = [
        (&["setup"], &["unsetup"]),
        (&["setup", "--rewrite-https"], &["unsetup"]),
        (&["use", ALICE, "--global"], &["use", "--unset", "--global"]),
        (
            &["use", ALICE, "--workspace", "acme"],
            &["use", "--unset", "--workspace", "acme"],
        ),
        (&["setup", "--shim", "../../shim"], &["unsetup"]),
    ];
    let world = machine();
    let file = world.path("home/.gitconfig");
    for (verb, undo) in verbs {
        comes_back(&world, verb, undo, "no file at all");
        for (why, text) in SHAPES {
            fs::write(&file, text).unwrap();
            comes_back(&world, verb, undo, why);
        }
        // A link to somewhere else, as dotfiles have it.
        fs::create_dir_all(world.path("home/dotfiles")).unwrap();
        fs::rename(&file, world.path("home/dotfiles/gitconfig")).unwrap();
        symlink("dotfiles/gitconfig", &file).unwrap();
        comes_back(&world, verb, undo, "a link");
        fs::remove_file(&file).unwrap();
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        comes_back(&world, verb, undo, "an empty file, private");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn verbs_on_the_repository_s_configuration() {
    let verbs: [(&[&str], &[&str]); 5] = [
        (&["setup", "--local"], &["unsetup", "--local"]),
        (
            &["setup", "--local", "--rewrite-https"],
            &["unsetup", "--local"],
        ),
        (&["use", ALICE], &["use", "--unset"]),
        (&["use", ALICE, "--local"], &["use", "--unset", "--local"]),
        (&["migrate", "--yes"], &["migrate", "--undo"]),
    ];
    let world = machine();
    let file = world.path("work/site/.git/config");
    let plain = fs::read_to_string(&file).unwrap();
    for (verb, undo) in verbs {
        comes_back(&world, verb, undo, "as git made it");
        for (why, text) in SHAPES {
            let crlf = text.contains("\r\n");
            let head = if crlf {
                plain.replace('\n', "\r\n")
            } else {
                plain.clone()
            };
            fs::write(&file, format!("{head}{text}")).unwrap();
            comes_back(&world, verb, undo, why);
        }
        fs::write(&file, &plain).unwrap();
    }
}

#[test]
fn the_machine_s_configuration() {
    let world = machine();
    let file = world.path("system");
    let plain = fs::read_to_string(&file)
        .unwrap()
        .replace("\tsshCommand = bitbucket-ssh\n", "");
    for (why, text) in SHAPES {
        fs::write(&file, format!("{plain}{text}")).unwrap();
        comes_back(
            &world,
            &["setup", "--system"],
            &["unsetup", "--system"],
            why,
        );
    }
}

#[test]
fn ssh_config_gets_one_line_and_loses_it() {
    let verb: &[&str] = &["ssh-config", "--write"];
    let undo: &[&str] = &["ssh-config", "--remove"];
    let world = machine();
    let file = world.path("home/.ssh/config");
    comes_back(&world, verb, undo, "no file at all");
    for (why, text) in [
        ("empty", ""),
        ("plain", "Host x\n  User y\n"),
        ("no final newline", "Host x\n  User y"),
        ("CRLF", "Host x\r\n  User y\r\n"),
        (
            "comments and tabs",
            "# mine\n\nHost\tx   # y\n\t\tUser=y\n\n\n",
        ),
        (
            "an include of one's own",
            "Include more\n\nHost x\n  User y\n",
        ),
        ("a Match block first", "Match host x\n  User y\n"),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        comes_back(&world, verb, undo, why);
    }
    fs::create_dir_all(world.path("home/dotfiles")).unwrap();
    fs::rename(&file, world.path("home/dotfiles/ssh_config")).unwrap();
    symlink("../dotfiles/ssh_config", &file).unwrap();
    comes_back(&world, verb, undo, "a link");
}

#[test]
fn hooks_that_are_there_come_back() {
    let verb: &[&str] = &["hooks", "install"];
    let undo: &[&str] = &["hooks", "uninstall"];
    let world = machine();
    let hooks = world.path("work/site/.git/hooks");
    comes_back(&world, verb, undo, "as git made it");
    let _ = fs::remove_dir_all(&hooks);
    comes_back(&world, verb, undo, "no folder at all");
    fs::create_dir_all(&hooks).unwrap();
    for (name, mode) in [
        ("pre-push", 0o755),
        ("post-checkout", 0o644),
        ("pre-push.local", 0o700),
    ] {
        let file = hooks.join(name);
        fs::write(&file, format!("#!/bin/sh\necho {name}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    }
    comes_back(
        &world,
        verb,
        undo,
        "hooks of one's own, one that does not run",
    );
    fs::remove_file(hooks.join("pre-push")).unwrap();
    symlink("pre-push.local", hooks.join("pre-push")).unwrap();
    comes_back(&world, verb, undo, "a link");
}

/// A `git` that says it is newer: whether hooks by configuration run there was not tried here.
#[test]
fn hooks_for_all_repositories_come_back_where_git_has_them() {
    let mut world = machine();
    run(bitbucket(&world, &["hooks", "install", "--global"]))
        .fails_with(1)
        .says("cannot run hooks from its configuration");
    let folder = world.path("newer");
    fs::create_dir_all(&folder).unwrap();
    let mut which = world.command("sh");
    which.args(["-c", "command -v git"]);
    let real = run(which).succeeds().stdout();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = version ] && echo git version 2.54.0 && exit\nexec {} \"$@\"\n",
        real.trim()
    );
    fs::write(folder.join("git"), script).unwrap();
    fs::set_permissions(folder.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = world.variable("PATH").unwrap().to_str().unwrap().to_owned();
    world.set("PATH", &format!("{}:{path}", folder.display()));
    let file = world.path("home/.gitconfig");
    for (why, text) in SHAPES {
        fs::write(&file, text).unwrap();
        let verb: &[&str] = &["hooks", "install", "--global"];
        comes_back(&world, verb, &["hooks", "uninstall", "--global"], why);
    }
}

#[test]
fn a_login_is_forgotten_and_touches_no_configuration() {
    let world = machine();
    fs::write(world.path("home/.gitconfig"), SHAPES[3].1).unwrap();
    let before = everything(&world);
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    let login = |token: &str| -> Output {
        let arguments = ["login", ALICE, "--with-token", "--store", "file"];
        let input = format!("{token}\n").into_bytes();
        Running::start(bitbucket(&world, &arguments), input).wait()
    };
    login(&token).succeeds();
    let tokens = world.path("home/.ssh/bitbucket-ssh/tokens.json");
    assert!(fs::read_to_string(&tokens).unwrap().contains(&token));
    assert_eq!(differences(&before, &everything(&world)), [""; 0]);
    run(bitbucket(&world, &["logout", ALICE])).succeeds();
    assert!(
        !fs::read_to_string(&tokens)
            .unwrap_or_default()
            .contains(&token)
    );
    assert_eq!(differences(&before, &everything(&world)), [""; 0]);
}

#[test]
fn the_agent_holds_again_what_it_held() {
    let mut world = machine();
    let agent = Agent::start(&mut world);
    world.make_key("mine", "");
    agent.add(&world, "mine");
    let holds = |world: &World| {
        let mut list = world.command("ssh-add");
        list.arg("-L");
        run(list).stdout()
    };
    let (before, files) = (holds(&world), everything(&world));
    run(bitbucket(&world, &["key", "load"])).succeeds();
    assert_eq!(holds(&world).lines().count(), 2);
    run(bitbucket(&world, &["key", "unload"])).succeeds();
    assert_eq!(holds(&world), before);
    assert_eq!(differences(&files, &everything(&world)), [""; 0]);
}

/// What was changed after the command is left alone.
#[test]
fn what_was_changed_since_stays() {
    let world = machine();
    let file = world.path("home/.gitconfig");
    fs::write(&file, SHAPES[3].1).unwrap();
    run(bitbucket(&world, &["setup", "--rewrite-https"])).succeeds();
    world
        .git(&["config", "--global", "core.pager", "cat"])
        .succeeds();
    world
        .git(&["config", "--global", "ssh.variant", "plink"])
        .succeeds();
    run(bitbucket(&world, &["unsetup"])).succeeds();
    let value = |key: &str| {
        world
            .git(&["config", "--file", file.to_str().unwrap(), key])
            .stdout()
    };
    assert_eq!(value("core.pager"), "cat\n");
    assert_eq!(
        value("ssh.variant"),
        "plink\n",
        "not what setup wrote: left alone"
    );
    assert_eq!(value("core.sshCommand"), "");
    assert!(!fs::read_to_string(&file).unwrap().contains("insteadOf"));
    assert!(fs::read_to_string(&file).unwrap().starts_with("# mine\n"));
}
