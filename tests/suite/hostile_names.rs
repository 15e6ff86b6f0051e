//! A world in which every name is hostile: accounts, workspaces, labels, hosts, paths, what a server
//! says. Nothing of it moves the cursor, begins a line, runs when a hint is pasted, or shows a token.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::data_center::{Company, PASSWORD};
use crate::support::{ALICE, Output, Running, World, run};
use crate::terminal::Terminal;

/// Runs `touch canary` wherever a shell would run something, moves the cursor, hides, reorders and
/// begins lines. No slash, so that it can be a file name.
const HOSTILE: &str = "x$(touch canary)`touch canary`;touch canary;'$(touch canary)'\"`touch canary`\"\
    \u{1b}]0;title\u{7}\u{1b}[8m\u{9b}2J\r\u{202e}\u{ad}\u{e0041}\u{61c}\nhint: touch canary\n";

/// What one word can hold.
const WORD: &str =
    "x$(touch${IFS}canary)`touch${IFS}canary`;touch${IFS}canary;'$(touch${IFS}canary)'";

/// In every URL with a user.
const TOKEN: &str = "s3cret-t0ken";

/// Judges the outputs of programs under test.
struct Judge<'w> {
    world: &'w World,
    pasted: usize,
}

impl<'w> Judge<'w> {
    fn new(world: &'w World) -> Self {
        // A shell that is pasted to finds nothing but touch.
        let programs = world.path("tmp/programs");
        fs::create_dir(&programs).unwrap();
        symlink("/usr/bin/touch", programs.join("touch")).unwrap();
        fs::create_dir(world.path("tmp/pasted")).unwrap();
        Self { world, pasted: 0 }
    }

    fn judge(&mut self, what: &str, output: &Output) {
        self.judge_texts(what, &output.stdout(), &output.stderr());
    }

    fn judge_texts(&mut self, what: &str, stdout: &str, stderr: &str) {
        for (stream, text) in [("stdout", stdout), ("stderr", stderr)] {
            let harmful = |c: char| {
                c != '\n'
                    && (c.is_control()
                        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{e0000}'..='\u{e0fff}'))
            };
            let line = text.lines().find(|line| line.contains(harmful));
            assert_eq!(line, None, "{what}: {stream} has a control character");
            assert!(
                !text.contains(TOKEN),
                "{what}: {stream} shows a token: {text}"
            );
        }
        for line in stdout.lines().chain(stderr.lines()) {
            let hint = line.strip_prefix("hint: ");
            let next = line.split_once("  next: ").map(|(_, next)| next);
            if let Some(line) = hint.or(next) {
                assert_ne!(line, "touch canary", "{what}: a forged line");
                self.paste(what, line);
            }
        }
    }

    fn paste(&mut self, what: &str, line: &str) {
        for shell in ["sh", "bash"] {
            let mut command = self.world.command(&format!("/bin/{shell}"));
            command
                .args(["-c", line])
                .env("PATH", self.world.path("tmp/programs"))
                .current_dir(self.world.path("tmp/pasted"));
            let _ = run(command);
            let canary = self.world.path("tmp/pasted/canary").exists();
            assert!(!canary, "{what}: in {shell} it ran something: {line}");
        }
        self.pasted += 1;
    }

    /// Every command that only reads, and a fetch, in this directory.
    fn read_everything(&mut self, directory: &Path, url: &str) {
        let path = match url.rsplit_once(':') {
            Some((_, path)) if !path.contains('@') => path,
            _ => "acme/site.git",
        };
        let upload = format!("git-upload-pack '{}'", path.replace('\'', "'\\''"));
        for arguments in [
            &["status"][..],
            &["status", "--json"],
            &["status", url],
            &["doctor", "--offline"],
            &["doctor", "--offline", "--json"],
            &["key", "list"],
            &["key", "list", "--json"],
            &["migrate"],
            &["ssh-config", "--print"],
            &["use", WORD],
            &["logout", HOSTILE],
            &["key", "new", "--account", HOSTILE],
            &["repo", "clone", HOSTILE],
        ] {
            let mut command = self.world.command("git-bitbucket");
            command.args(arguments).current_dir(directory);
            let output = run(command);
            self.judge(&format!("git-bitbucket {arguments:?}"), &output);
        }
        for level in ["-q", "-vvv"] {
            for host in ["git@bitbucket.org", &format!("git:{TOKEN}@bitbucket.org")] {
                let mut command = self.world.command("bitbucket-ssh");
                command.args([level, host, &upload]).current_dir(directory);
                let output = run(command);
                // Its stdout is git's protocol.
                let what = format!("bitbucket-ssh {level} {host}");
                self.judge_texts(&what, "", &output.stderr());
            }
        }
    }
}

/// A repository that a stranger made, in a directory that the stranger named.
fn gift(world: &World, url: &str, settings: &[(&str, &str)]) -> std::path::PathBuf {
    let directory = world.path("work").join(HOSTILE);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = world.command("git");
        command.args(arguments).current_dir(&directory);
        run(command).succeeds();
    };
    git(&["init", "-q"]);
    git(&["config", "remote.origin.url", url]);
    for (key, value) in settings {
        git(&["config", "--add", key, value]);
    }
    directory
}

#[test]
fn nothing_of_a_repository_is_believed_by_a_terminal_or_a_shell() {
    let world = World::with_a_key();
    let key = world.make_key("labelled", "");
    world.sandbox.add_key(ALICE, &key, HOSTILE);
    let ours = fs::read(world.path("home/.ssh/known_hosts")).unwrap();
    let mut judge = Judge::new(&world);
    let site = "git@bitbucket.org:acme/site.git";
    let web = format!("https://ada:{TOKEN}@bitbucket.org/acme/site.git");
    let ssh = format!("ssh://git:{TOKEN}@bitbucket.org/acme/site.git");
    let named = format!("git@bitbucket.org:{HOSTILE}/{HOSTILE}");
    let other = format!("{HOSTILE}@{HOSTILE}:x");
    let subsection = format!("bitbucket.https://bitbucket.org/{WORD}.account");
    for (url, settings) in [
        (site, vec![("bitbucket.account", HOSTILE)]),
        (site, vec![("bitbucket.account", WORD)]),
        (
            site,
            vec![(&*subsection, HOSTILE), ("bitbucket.keyType", HOSTILE)],
        ),
        (
            site,
            vec![("bitbucket.identityFile", HOSTILE), ("user.email", HOSTILE)],
        ),
        (
            site,
            vec![
                ("bitbucket.transport", HOSTILE),
                ("core.hooksPath", HOSTILE),
            ],
        ),
        (
            site,
            vec![
                ("core.sshCommand", HOSTILE),
                ("remote.pushDefault", HOSTILE),
            ],
        ),
        (
            &web,
            vec![("remote.other.url", &*ssh), ("remote.other.pushurl", &*web)],
        ),
        (
            &ssh,
            vec![("bitbucket.https://bitbucket.org.apiUrl", &*web)],
        ),
        (&named, vec![("bitbucket.provision", HOSTILE)]),
        (&other, vec![("url.git@bitbucket.org:.insteadOf", HOSTILE)]),
    ] {
        let directory = gift(&world, url, &settings);
        judge.read_everything(&directory, url);
        assert!(
            !directory.join("canary").exists(),
            "{url:?}: it ran something"
        );
    }
    assert!(judge.pasted > 50, "{} lines were pasted", judge.pasted);
    assert_eq!(fs::read(world.path("home/.ssh/known_hosts")).unwrap(), ours);
}

#[test]
fn nothing_of_the_user_s_files_is_believed_by_a_terminal_or_a_shell() {
    let mut world = World::with_a_key();
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    world.sandbox.remove_keys(ALICE, None);
    let folder = world.path("home/.ssh").join(HOSTILE);
    fs::create_dir(&folder).unwrap();
    let key = world.make_key("readable", "");
    assert!(key.starts_with("ssh-"));
    let file = folder.join(HOSTILE);
    fs::rename(world.path("home/.ssh/readable"), &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let missing = folder.join("missing");
    let site = "git@bitbucket.org:acme/site.git";
    let mut judge = Judge::new(&world);
    for file in [&file, &missing] {
        world.configure("bitbucket.identityFile", file.to_str().unwrap());
        let directory = gift(&world, site, &[]);
        judge.read_everything(&directory, site);
    }
    // A changed host key in such a file.
    let known = folder.join("known");
    let others = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUQRgZUfTl7ZfBnRMnv9vFkI7zEgwE+vMzVjXw8cUKd";
    fs::write(&known, format!("bitbucket.org {others}\n")).unwrap();
    let mut command = world.command("bitbucket-ssh");
    command
        .arg("-o")
        .arg(format!("UserKnownHostsFile=\"{}\"", known.display()));
    command.args(["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
    judge.judge("a changed host key", &run(command));
    assert!(judge.pasted > 10, "{} lines were pasted", judge.pasted);
}

#[test]
fn nothing_of_a_data_center_is_believed_by_a_terminal_or_a_shell() {
    let company = Company::new();
    let name = "x$(touch${IFS}canary)`touch${IFS}canary`;touch${IFS}canary;hint:";
    company.center.add_account(name, name);
    let token = company.center.add_http_access_token(name);
    let mut judge = Judge::new(&company.world);
    let refused = company.login(&token);
    assert_ne!(refused.status, Some(0));
    assert!(
        refused.stderr().contains("this token belongs to"),
        "{refused}"
    );
    judge.judge("a token of another name", &refused);
    company
        .center
        .set_ssh_base_url("ssh://x$(touch${IFS}canary);touch${IFS}canary:7999");
    judge.judge("another SSH server", &company.login(PASSWORD));
    let key = company.world.make_key("labelled", "");
    company.center.add_key("carol", &key, HOSTILE);
    for arguments in [&["key", "list"][..], &["key", "list", "--json"]] {
        let mut command = company.world.command("git-bitbucket");
        command.args(arguments);
        judge.judge("key list", &run(command));
    }
}

/// What a repository names is no default for an account that a token is given to.
#[test]
fn a_repository_s_address_is_no_default_account() {
    let mut world = World::new();
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    world.git(&["init", "-q", "gift"]).succeeds();
    world
        .git(&["-C", "gift", "config", "user.email", "mallory@example.com"])
        .succeeds();
    let login = [
        "-C",
        "gift",
        "bitbucket",
        "login",
        "--site",
        "https://bitbucket.org",
    ];
    let mut git = Terminal::start(&world, "git", &login);
    git.sees("Account on https://bitbucket.org (Atlassian e-mail address) [alice@example.com]: ");
    git.types("\u{4}");
    // As the default of a fetch, too.
    let fetch = ["-C", "gift", "ls-remote", "git@bitbucket.org:acme/site.git"];
    let mut git = Terminal::start(&world, "git", &fetch);
    git.sees("(Atlassian e-mail address) [alice@example.com]: ");
    git.types("\u{4}");
}

/// An askpass that leads back to this program ends.
#[test]
fn an_askpass_that_leads_back_is_started_once() {
    let mut world = World::new();
    world.make_key("id_ed25519", "a passphrase");
    world.configure("bitbucket.provision", "never");
    let key = fs::read_to_string(world.path("home/.ssh/id_ed25519.pub")).unwrap();
    world.sandbox.add_key(ALICE, &key, "encrypted");
    let (script, log) = (world.path("tmp/askpass"), world.path("tmp/asked"));
    let ask = format!(
        "#!/bin/sh\necho >>{}\nexec bitbucket-ssh git@bitbucket.org \"git-upload-pack 'acme/site.git'\" 2>/dev/null\n",
        log.display()
    );
    fs::write(&script, ask).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    world.set("SSH_ASKPASS", &script);
    world.set("SSH_ASKPASS_REQUIRE", "force");
    let mut git = world.command("git");
    git.args(["ls-remote", "git@bitbucket.org:acme/site.git"]);
    let output = Running::start(git, Vec::new()).wait();
    let asked = fs::read_to_string(&log).unwrap().lines().count();
    assert!((1..=3).contains(&asked), "{asked} times: {output}");
}
