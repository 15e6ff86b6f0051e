//! HTTPS remotes (here plain http on loopback): real git and git-lfs with this program as their
//! credential helper.

use std::fs;

use sandbox::{Permission, Refusals, RestFault, SCOPES_ALL, Sandbox, Visibility};

use crate::support::{ALICE, Output, Running, World};
use crate::terminal::Terminal;

const BOB: &str = "bob@example.com";
const CAROL: &str = "carol@example.com";

/// A machine whose Bitbucket is a Cloud on loopback, set up by `setup --https`; nobody is logged in.
fn machine() -> World {
    let mut world = World::new();
    for variable in ["BITBUCKET_EMAIL", "BITBUCKET_API_TOKEN"] {
        world.unset(variable);
    }
    let origin = world.sandbox.origin().to_owned();
    world.configure(&format!("bitbucket.{origin}.type"), "cloud");
    let api = world.sandbox.api_url();
    world.configure(&format!("bitbucket.{origin}.apiUrl"), &api);
    let ssh = world.sandbox.ssh_host();
    world.configure(&format!("bitbucket.{origin}.sshHost"), &ssh);
    world.set("GIT_TERMINAL_PROMPT", "0");
    world.git_bitbucket(&["setup", "--https"]).succeeds();
    world
}

/// Logs the account in with a token of every scope.
fn log_in(world: &World, email: &str) -> String {
    let token = world.sandbox.add_token(email, SCOPES_ALL);
    log_in_with(world, email, &token);
    token
}

fn log_in_with(world: &World, email: &str, token: &str) {
    let site = world.sandbox.origin();
    let mut login = world.command("git");
    login.args([
        "bitbucket",
        "login",
        email,
        "--site",
        site,
        "--with-token",
        "--store",
        "file",
    ]);
    Running::start(login, format!("{token}\n").into_bytes())
        .wait()
        .succeeds();
}

/// A further account that may do `permission` with the repository.
fn member(world: &World, email: &str, name: &str, permission: Permission) {
    let user_name = email.split('@').next().unwrap();
    world.sandbox.add_account(email, user_name);
    world.sandbox.grant(email, name, Some(permission));
    log_in(world, email);
}

/// `git credential fill`, or a direct call of the helper's operation, with these lines.
fn helper(world: &World, operation: &str, lines: &str) -> Output {
    let mut command = world.command("git");
    command.args(["bitbucket", "credential", operation]);
    Running::start(command, lines.as_bytes().to_vec()).wait()
}

fn api_requests(world: &World) -> usize {
    let requests = world.sandbox.requests();
    let of_api = requests.iter().filter(|one| one.path.starts_with("/2.0/"));
    of_api.count()
}

/// The accounts whose credentials the site saw on git's own requests since `from`.
fn git_requests(world: &World, from: usize) -> Vec<(String, Option<u16>)> {
    let requests = world.sandbox.requests();
    let of_git = requests[from..].iter();
    of_git
        .filter(|one| !one.path.starts_with("/2.0/"))
        .map(|one| (one.path.clone(), one.status))
        .collect()
}

#[test]
fn one_account_clones_fetches_pushes_and_moves_large_files() {
    let world = machine();
    log_in(&world, ALICE);
    let url = world.sandbox.clone_url("acme/site");
    world.git(&["clone", "-q", &url, "site"]).succeeds();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    world.push_by_lfs("one.bin", b"large");
    world
        .git(&["-C", "site", "lfs", "lock", "one.bin"])
        .succeeds();
    let locks = world.git(&["-C", "site", "lfs", "locks"]).succeeds();
    assert!(locks.stdout().contains("one.bin"), "{}", locks.stdout());
    world
        .git(&["-C", "site", "lfs", "unlock", "one.bin"])
        .succeeds();
    world
        .git(&["clone", "-q", "--filter=blob:none", &url, "partial"])
        .succeeds();
    let copied = fs::read(world.path("work/partial/one.bin")).unwrap();
    assert!(copied.starts_with(b"large") || copied.starts_with(b"version https://git-lfs"));
    let ssh_files = world.ssh_files();
    let has_key = ssh_files.iter().any(|name| name.contains("ed25519"));
    assert!(!has_key, "no SSH key is created: {ssh_files:?}");
}

#[test]
fn of_several_accounts_the_one_that_may_push_answers_and_the_site_is_asked_once() {
    let world = machine();
    log_in(&world, ALICE);
    world
        .sandbox
        .add_repository("acme/tools", Visibility::Private);
    world
        .sandbox
        .grant(ALICE, "acme/tools", Some(Permission::Read));
    member(&world, BOB, "acme/tools", Permission::Write);
    world.sandbox.add_account(CAROL, "carol");
    log_in(&world, CAROL);

    let url = world.sandbox.clone_url("acme/tools");
    world.git(&["clone", "-q", &url, "tools"]).succeeds();
    world
        .git(&[
            "-C",
            "tools",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "Empty",
        ])
        .succeeds();
    let asked = api_requests(&world);
    world
        .git(&["-C", "tools", "push", "-q", "origin", "main"])
        .succeeds();
    world.git(&["-C", "tools", "fetch", "-q"]).succeeds();
    assert_eq!(
        api_requests(&world),
        asked,
        "what was learned is not asked again"
    );
}

#[test]
fn settings_choose_the_account_as_for_ssh() {
    let world = machine();
    log_in(&world, ALICE);
    member(&world, BOB, "acme/site", Permission::Read);
    let origin = world.sandbox.origin();
    let lines = format!(
        "protocol=http\nhost={}\npath=acme/site.git\n\n",
        origin.trim_start_matches("http://")
    );
    let answer = |world: &World| helper(world, "get", &lines).succeeds().stdout();
    let alice = answer(&world);
    assert!(
        alice.contains("username=x-bitbucket-api-token-auth\n"),
        "{alice}"
    );

    world.configure(&format!("bitbucket.{origin}/acme.account"), BOB);
    let bob = answer(&world);
    assert!(
        bob.contains("password=") && bob != alice,
        "the workspace's account"
    );
    world.configure(&format!("bitbucket.{origin}/acme/site.account"), ALICE);
    assert_eq!(answer(&world), alice, "the repository's account is closer");

    let named = lines.replace("\n\n", "\nusername=bob\n\n");
    let only = helper(&world, "get", &named).succeeds().stdout();
    assert_eq!(
        only, "",
        "a configured account is not replaced by the one in the URL"
    );
}

#[test]
fn a_user_name_in_the_url_narrows_the_choice() {
    let world = machine();
    log_in(&world, ALICE);
    member(&world, BOB, "acme/site", Permission::Write);
    let host = world
        .sandbox
        .origin()
        .trim_start_matches("http://")
        .to_owned();
    let answer = |user: &str| {
        let lines = format!("protocol=http\nhost={host}\npath=acme/site.git\nusername={user}\n\n");
        helper(&world, "get", &lines).succeeds().stdout()
    };
    let (alice, bob) = (answer("alice"), answer("bob"));
    assert_ne!(alice, bob);
    assert_eq!(answer(BOB), bob, "by address");
    assert_eq!(answer("stranger"), "", "another's name");
}

#[test]
fn nothing_is_answered_for_what_is_not_the_site() {
    let world = machine();
    log_in(&world, ALICE);
    let host = world
        .sandbox
        .origin()
        .trim_start_matches("http://")
        .to_owned();
    let (name, port) = host.split_once(':').unwrap();
    let other_port = port.parse::<u16>().unwrap() ^ 1;
    let good = format!("protocol=http\nhost={host}\npath=acme/site.git\n\n");
    assert!(
        helper(&world, "get", &good)
            .succeeds()
            .stdout()
            .contains("password=")
    );
    for (lines, why) in [
        (
            format!("protocol=http\nhost={name}:{other_port}\npath=acme/site.git\n\n"),
            "another port",
        ),
        (
            format!("protocol=https\nhost={host}\npath=acme/site.git\n\n"),
            "another scheme",
        ),
        (
            "protocol=http\nhost=evil.example\npath=acme/site.git\n\n".to_owned(),
            "another host",
        ),
        (
            "protocol=http\nhost=bitbucket.org\npath=acme/site.git\n\n".to_owned(),
            "plain http to Cloud",
        ),
        (
            format!("protocol=http\nhost=alice@{host}\npath=acme/site.git\n\n"),
            "user information",
        ),
        (
            format!("protocol=http\nhost={host}@evil.example\npath=a/b.git\n\n"),
            "the site as user",
        ),
        (
            format!("protocol=http\nhost={host}.evil.example\npath=a/b.git\n\n"),
            "a longer name",
        ),
        (
            format!("protocol=http\nhost={host}\npath=acme/../../etc.git\n\n"),
            "a path that climbs",
        ),
        (
            format!("protocol=http\nhost={host}\0\npath=acme/site.git\n\n"),
            "a NUL",
        ),
        (
            format!("protocol=http\nhost={host}\r\npath=acme/site.git\n\n"),
            "a carriage return",
        ),
        (
            format!("protocol=http\nhost=\npath={host}/acme/site.git\n\n"),
            "an empty host",
        ),
        (
            format!("url=http://{host}/acme/site.git\n\n"),
            "a URL, which git never sends",
        ),
        (
            format!("path={}\n\n", "a".repeat(1 << 20)),
            "more than git sends",
        ),
    ] {
        let output = helper(&world, "get", &lines);
        assert_eq!(output.status, Some(0), "{why}: {}", output.stderr());
        assert_eq!(output.stdout(), "", "{why}");
    }
    assert_eq!(
        helper(&world, "frobnicate", &good).succeeds().stdout(),
        "",
        "unknown operation"
    );
}

#[test]
fn a_refused_token_is_passed_over_and_kept() {
    let world = machine();
    let token = log_in(&world, ALICE);
    let url = world.sandbox.clone_url("acme/site");
    world.git(&["clone", "-q", &url, "site"]).succeeds();
    world.sandbox.revoke_tokens(ALICE);
    let refused = world.git(&["-C", "site", "fetch", "-q"]);
    assert_ne!(refused.status, Some(0));
    let said = refused.stderr();
    assert!(
        said.contains(&format!("hint: git bitbucket login {ALICE}")),
        "{said}"
    );
    assert!(!said.contains(&token), "{said}");

    let before = world.sandbox.requests().len();
    let again = world.git(&["-C", "site", "fetch", "-q"]);
    assert_ne!(again.status, Some(0));
    let sent = git_requests(&world, before);
    assert_eq!(
        sent.len(),
        1,
        "the refused token is not sent again: {sent:?}"
    );

    log_in(&world, ALICE);
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
}

#[test]
fn after_a_401_the_next_account_answers_within_the_same_command() {
    let world = machine();
    log_in(&world, ALICE);
    world
        .sandbox
        .add_repository("other/app", Visibility::Private);
    member(&world, BOB, "other/app", Permission::Write);
    world.sandbox.set_refusals(Refusals {
        https_status: 401,
        ..Refusals::default()
    });
    let origin = world.sandbox.origin();
    for account in [ALICE, BOB] {
        world.configure(&format!("bitbucket.{origin}.account"), account);
    }
    // Nobody can be asked which account sees it: the first one is tried.
    world
        .sandbox
        .faults()
        .rest("GET", "/2.0/repositories", RestFault::Forbidden, 9);
    let url = world.sandbox.clone_url("other/app");
    world.git(&["clone", "-q", &url, "app"]).succeeds();
}

#[test]
fn without_an_account_a_person_logs_in_and_git_continues() {
    let mut world = machine();
    let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
    let url = world.sandbox.clone_url("acme/site");
    let alone = world.git(&["clone", "-q", &url, "nobody"]);
    assert_ne!(alone.status, Some(0));
    assert!(
        alone.stderr().contains("hint: no account is logged in"),
        "{}",
        alone.stderr()
    );

    world.unset("GIT_TERMINAL_PROMPT");
    let mut git = Terminal::start(&world, "git", &["clone", &url, "site"]);
    git.sees(&format!("[{ALICE}]: "));
    git.types("");
    git.sees(&format!("API token for {ALICE}: "));
    git.types(&token);
    let (rest, status) = git.ends();
    assert_eq!(status, 0, "{rest}");
    assert!(!rest.contains(&token), "it is not echoed");
    assert!(world.path("work/site/README.md").exists());
}

#[test]
fn submodules_of_two_accounts_are_cloned_in_one_command() {
    let world = machine();
    log_in(&world, ALICE);
    world
        .sandbox
        .add_repository("other/library", Visibility::Private);
    member(&world, BOB, "other/library", Permission::Write);
    let (site, library) = (
        world.sandbox.clone_url("acme/site"),
        world.sandbox.clone_url("other/library"),
    );
    world.git(&["clone", "-q", &site, "site"]).succeeds();
    world
        .git(&[
            "-C",
            "site",
            "submodule",
            "--quiet",
            "add",
            &library,
            "library",
        ])
        .succeeds();
    world
        .git(&["-C", "site", "commit", "-q", "-m", "Add the library"])
        .succeeds();
    world
        .git(&["-C", "site", "push", "-q", "origin", "main"])
        .succeeds();
    world
        .git(&["clone", "-q", "--recurse-submodules", &site, "again"])
        .succeeds();
    assert!(world.path("work/again/library/README.md").exists());
}

#[test]
fn helpers_that_were_there_still_answer_for_other_hosts() {
    let world = World::new();
    let store = world.path("home/.git-credentials");
    fs::write(&store, "http://eve:secret@other.example\n").unwrap();
    world.configure("credential.helper", "store");
    world.git_bitbucket(&["setup", "--https"]).succeeds();
    let mut fill = world.command("git");
    fill.args(["credential", "fill"]);
    let lines = b"protocol=http\nhost=other.example\n\n".to_vec();
    let answer = Running::start(fill, lines).wait().succeeds().stdout();
    assert!(
        answer.contains("username=eve\npassword=secret\n"),
        "{answer}"
    );
    let stored = fs::read_to_string(&store).unwrap();
    assert!(!stored.contains("ATATT"), "{stored}");
}

#[test]
fn setup_https_is_undone_byte_for_byte() {
    let world = World::new();
    world.configure("credential.helper", "cache");
    world.configure("credential.https://bitbucket.org.username", "alice");
    let file = world.path("home/.gitconfig");
    let before = fs::read(&file).unwrap();
    world.git_bitbucket(&["setup", "--https"]).succeeds();
    let helpers = world
        .git(&[
            "config",
            "--get-all",
            "credential.https://bitbucket.org.helper",
        ])
        .succeeds()
        .stdout();
    let helpers: Vec<&str> = helpers.lines().collect();
    assert_eq!(helpers.len(), 3, "{helpers:?}");
    assert_eq!(helpers[0], "", "what other files say is emptied first");
    assert!(
        helpers[1].ends_with("git-bitbucket credential"),
        "{helpers:?}"
    );
    assert_eq!(helpers[2], "cache", "what answered before still does");
    let second = fs::read(&file).unwrap();
    world.git_bitbucket(&["setup", "--https"]).succeeds();
    assert_eq!(
        fs::read(&file).unwrap(),
        second,
        "a second setup changes nothing"
    );
    world.git_bitbucket(&["unsetup"]).succeeds();
    assert_eq!(
        String::from_utf8(fs::read(&file).unwrap()),
        String::from_utf8(before)
    );
}

#[test]
fn data_center_answers_with_password_or_token_below_its_context_path() {
    let mut world = World::new();
    world.sandbox = Sandbox::start_data_center();
    let site = &world.sandbox;
    site.add_account("ada", "ada");
    for name in ["PROJ/app", "~ada/own"] {
        site.add_repository(name, Visibility::Private);
        site.grant("ada", name, Some(Permission::Write));
    }
    site.add_password("ada", "correct-horse");
    let token = site.add_http_access_token("ada");
    let web = site.web_url();
    world.configure(&format!("bitbucket.{web}.type"), "datacenter");
    world.set("GIT_TERMINAL_PROMPT", "0");
    world.git_bitbucket(&["setup", "--https"]).succeeds();
    world.set("BITBUCKET_SITE", &web);
    world.set("BITBUCKET_USERNAME", "ada");
    world.unset("BITBUCKET_EMAIL");
    for secret in ["correct-horse", &token] {
        world.set("BITBUCKET_API_TOKEN", secret);
        for name in ["PROJ/app", "~ada/own"] {
            let url = world.sandbox.clone_url(name);
            world.git(&["ls-remote", "-q", &url]).succeeds();
        }
    }
}
