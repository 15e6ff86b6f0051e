//! A repository from an untrusted source, including its `.git/config`: which settings count, and
//! which do not.

use super::{BOB, SITE, ask, count, logins, two_accounts, with_keys};
use crate::support::{ALICE, World, run};

fn cloned(world: &World) {
    ask(
        world,
        &[
            "--account",
            ALICE,
            "git@bitbucket.org",
            &super::advertise(SITE),
        ],
    )
    .succeeds();
    world.git(&["clone", "-q", SITE, "site"]).succeeds();
}

fn say(world: &World, key: &str, value: &str) {
    world
        .git(&["-C", "site", "config", "--add", key, value])
        .succeeds();
}

#[test]
fn it_names_no_site_no_api_and_no_host() {
    let world = two_accounts();
    cloned(&world);
    let site = "bitbucket.https://bitbucket.org";
    for (key, value) in [
        ("apiUrl", "http://127.0.0.1:9/2.0"),
        ("sshHost", "127.0.0.1:9"),
        ("type", "datacenter"),
    ] {
        say(&world, &format!("{site}.{key}"), value);
    }
    say(&world, "bitbucket.https://evil.example.type", "datacenter");
    say(
        &world,
        "bitbucket.https://evil.example.sshHost",
        &world.sandbox.ssh_host(),
    );
    let before = count(&world);
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [ALICE]);
    let output = world
        .git(&[
            "-C",
            "site",
            "-c",
            "core.sshCommand=bitbucket-ssh -v",
            "fetch",
        ])
        .succeeds();
    assert!(output.stderr().contains("127.0.0.1:9"), "named: {output}");
}

#[test]
fn it_registers_no_key() {
    let world = two_accounts();
    cloned(&world);
    world.configure("bitbucket.provision", "never");
    say(&world, "bitbucket.provision", "auto");
    say(&world, "bitbucket.account", BOB);
    world
        .git(&["-C", "site", "fetch"])
        .fails_with(128)
        .says(BOB);
    assert!(world.sandbox.keys(BOB).is_empty());
    // The near miss: it may say never.
    world
        .git(&["config", "--global", "--unset", "bitbucket.provision"])
        .succeeds();
    world
        .git(&["-C", "site", "config", "bitbucket.provision", "never"])
        .succeeds();
    world.git(&["-C", "site", "fetch"]).fails_with(128);
    assert!(world.sandbox.keys(BOB).is_empty());
}

#[test]
fn its_own_files_and_files_that_are_not_there_are_no_identities() {
    let world = two_accounts();
    cloned(&world);
    world.make_key("own", "");
    let inside = world.path("work/site/key");
    std::fs::copy(world.path("home/.ssh/own"), &inside).unwrap();
    for file in [inside, world.path("home/.ssh/nowhere")] {
        let file = file.to_str().unwrap();
        world
            .git(&["-C", "site", "config", "bitbucket.identityFile", file])
            .succeeds();
        let before = count(&world);
        world.git(&["-C", "site", "fetch", "-q"]).succeeds();
        assert_eq!(logins(&world, before), [ALICE], "{file}");
    }
    // The near miss: a file of the user's outside of it is one, and is refused.
    let outside = world.path("home/.ssh/own");
    let outside = outside.to_str().unwrap();
    world
        .git(&["-C", "site", "config", "bitbucket.identityFile", outside])
        .succeeds();
    world.git(&["-C", "site", "fetch"]).fails_with(128);
}

#[test]
fn a_repository_that_is_none_of_its_remotes_is_none_of_its_business() {
    let world = two_accounts();
    with_keys(&world);
    cloned(&world);
    world
        .sandbox
        .grant(BOB, "acme/site", Some(sandbox::Permission::Read));
    say(&world, "bitbucket.account", BOB);
    let before = count(&world);
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [BOB], "its own remote");
    super::forget_lessons(&world);
    world
        .sandbox
        .add_repository("acme/open", sandbox::Visibility::Public);
    let url = "git@bitbucket.org:acme/open.git";
    world.git(&["-C", "site", "ls-remote", url]).succeeds();
    assert_eq!(logins(&world, before + 1), [ALICE]);
}

#[test]
fn only_a_regular_file_of_the_user_s_outside_of_it_is_an_identity() {
    let world = two_accounts();
    with_keys(&world);
    cloned(&world);
    let line = world.make_key("own", "");
    world.sandbox.add_key(BOB, &line, "own");
    world
        .sandbox
        .grant(BOB, "acme/site", Some(sandbox::Permission::Read));
    let ssh = world.path("home/.ssh");
    let inside = world.path("work/site/key");
    std::fs::copy(ssh.join("own"), &inside).unwrap();
    let leads_to = |target: &std::path::Path, name: &str| {
        let path = ssh.join(name);
        std::os::unix::fs::symlink(target, &path).unwrap();
        path
    };
    let (into, out_of) = (
        leads_to(&inside, "into"),
        leads_to(&ssh.join("own"), "link"),
    );
    let nowhere = leads_to(&ssh.join("gone"), "nowhere");
    let pipe = ssh.join("pipe");
    let mut mkfifo = world.command("mkfifo");
    mkfifo.args(["-m", "600"]).arg(&pipe);
    crate::support::run(mkfifo).succeeds();
    let strangers = ssh.join("strangers");
    std::fs::copy(ssh.join("own"), &strangers).unwrap();
    let given = std::os::unix::fs::chown(&strangers, Some(1234), None).is_ok();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let mut refused = vec![
        (text(&into), "a link into the repository"),
        (text(&nowhere), "a link to nothing"),
        (text(&pipe), "a named pipe"),
        (text(&ssh), "a folder"),
        ("/dev/zero".to_owned(), "a device"),
        ("key".to_owned(), "relative to the repository"),
        ("../../home/.ssh/own".to_owned(), "relative, and outside"),
    ];
    if given {
        refused.push((text(&strangers), "another user's"));
    }
    let goes = |file: &str| {
        super::forget_lessons(&world);
        let setting = ["-C", "site", "config", "bitbucket.identityFile", file];
        world.git(&setting).succeeds();
        let before = count(&world);
        world.git(&["-C", "site", "fetch", "-q"]).succeeds();
        logins(&world, before)
    };
    for (file, why) in &refused {
        assert_eq!(goes(file), [ALICE], "{why}");
        let status = world.git(&["-C", "site", "bitbucket", "status"]).succeeds();
        assert!(status.stdout().contains(file.as_str()), "{why}: {status}");
    }
    // The near misses: a file of the user's, by its name, by `~`, by a link.
    for file in [&text(&ssh.join("own")), "~/.ssh/own", &text(&out_of)] {
        assert_eq!(goes(file), [BOB], "{file}");
    }
}

#[test]
fn what_it_includes_says_no_more_than_itself_and_sends_nothing_elsewhere() {
    let world = two_accounts();
    cloned(&world);
    // A listener that would receive a token, a request or a session.
    let elsewhere = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let place = elsewhere.local_addr().unwrap();
    let marker = world.path("tmp/ran");
    let outside = world.path("tmp/outside.inc");
    let lines = format!(
        "[bitbucket]\n\tprovision = auto\n\tkeyType = rsa\n\totherHosts = native\n\
         [bitbucket \"https://bitbucket.org\"]\n\tapiUrl = http://{place}/2.0\n\tsshHost = {place}\n\
         [bitbucket \"http://{place}\"]\n\ttype = datacenter\n\
         [http]\n\tproxy = http://{place}\n\tsslVerify = false\n\tsslCAInfo = {0}\n\
         [credential]\n\thelper = \"!touch {0}\"\n[core]\n\taskPass = touch {0}\n",
        marker.display()
    );
    std::fs::write(&outside, lines).unwrap();
    say(&world, "include.path", outside.to_str().unwrap());
    // A key is about to be made, so that the API and every token source are asked.
    world.configure("bitbucket.provision", "never");
    say(&world, "bitbucket.account", BOB);
    world
        .git(&["-C", "site", "fetch"])
        .fails_with(128)
        .says(BOB);
    assert!(world.sandbox.keys(BOB).is_empty(), "auto is not its to say");
    world
        .git(&["config", "--global", "bitbucket.provision", "auto"])
        .succeeds();
    world
        .sandbox
        .grant(BOB, "acme/site", Some(sandbox::Permission::Read));
    let before = count(&world);
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(
        logins(&world, before),
        [BOB],
        "an account that is logged in"
    );
    let key = world.sandbox.keys(BOB).remove(0);
    assert!(key.key.starts_with("ssh-ed25519 "), "{key:?}");
    // An account without a login has no token: no key is created.
    world
        .git(&[
            "-C",
            "site",
            "config",
            "bitbucket.account",
            "eve@example.com",
        ])
        .succeeds();
    world.git(&["-C", "site", "fetch"]).fails_with(128);
    assert!(!marker.exists(), "no program of theirs ran");
    assert!(elsewhere.accept().is_err(), "nobody came there");
}

#[test]
fn an_account_that_is_none_ends_the_call_and_runs_nothing_when_pasted() {
    let world = two_accounts();
    cloned(&world);
    let canary = world.path("work/canary");
    let file = canary.display();
    for (name, why) in [
        (
            format!("x$(touch${{IFS}}{file})@example.com"),
            "a substitution",
        ),
        (format!("x;touch${{IFS}}{file};@example.com"), "a command"),
        (format!("`touch {file}`"), "backquotes"),
        (
            format!("x\nhint: touch {file}"),
            "a line that looks like a hint",
        ),
        ("x\u{1b}[2J@example.com".to_owned(), "an escape sequence"),
        ("x\u{9b}2J@example.com".to_owned(), "a C1 control"),
        ("x\u{202e}@example.com".to_owned(), "a reordering"),
        ("two words".to_owned(), "a blank"),
    ] {
        world
            .git(&["-C", "site", "config", "bitbucket.account", &name])
            .succeeds();
        let before = count(&world);
        let fetch = world.git(&["-C", "site", "fetch", "-q"]);
        assert_ne!(fetch.status, Some(0), "{why}");
        assert_eq!(logins(&world, before), [""; 0], "{why}: nobody logs in");
        let words = fetch.stderr();
        assert!(words.contains(".git/config at line "), "{why}: {words}");
        let raw = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}');
        assert!(!words.contains(raw), "{why}: {words:?}");
        for hint in words.lines().filter_map(|line| line.strip_prefix("hint: ")) {
            let mut shell = world.command("sh");
            shell.args(["-c", hint]);
            let _ = run(shell);
            assert!(!canary.exists(), "{why}: {hint}");
        }
    }
}

#[test]
fn an_account_of_the_call_that_is_none_is_an_error_before_anything_else() {
    let mut world = two_accounts();
    let before = count(&world);
    let option = ask(
        &world,
        &[
            "--account",
            "a;b",
            "git@bitbucket.org",
            &super::advertise(SITE),
        ],
    );
    assert_eq!(option.status, Some(255));
    assert!(
        option.stderr().contains("bad value 'a;b' for --account"),
        "{option}"
    );
    world.set("BITBUCKET_ACCOUNT", "a b");
    let variable = ask(&world, &["git@bitbucket.org", &super::advertise(SITE)]);
    assert_eq!(variable.status, Some(255));
    assert!(
        variable
            .stderr()
            .contains("bad value 'a b' for BITBUCKET_ACCOUNT"),
        "{variable}"
    );
    assert_eq!(logins(&world, before), [""; 0]);
}
