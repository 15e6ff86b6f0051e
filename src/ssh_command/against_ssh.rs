//! Generated command lines, read by us and by the installed ssh.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, Output, Stdio};

use super::{AddressFamily, Invocation, Request, parse};

/// Options in front of and behind the host, each as its argv entries.
const OPTIONS: &[&[&str]] = &[
    &["-p", "7999"],
    &["-p443"],
    &["-p", "ssh"],
    &["-p", " +22"],
    &["-p", "0"],
    &["-p", "x"],
    &["-p", "65536"],
    &["-p"],
    &["-vT"],
    &["-v"],
    &["-vvv"],
    &["-q"],
    &["-4"],
    &["-6"],
    &["-46"],
    &["-C"],
    &["-aAkKxn"],
    &["-2"],
    &["-y"],
    &["-1"],
    &["-T"],
    &["-t"],
    &["-N"],
    &["-z"],
    &["-vd"],
    &["--long"],
    &["-l", "alice"],
    &["-lbob"],
    &["-l", "--"],
    &["-l", "a;b"],
    &["-l", "a -b"],
    &["-l", ""],
    &["-Tlcarol"],
    &["-i", "/dev/null"],
    &["-i/"],
    &["-b", "127.0.0.1"],
    &["-caes128-ctr"],
    &["-m", "hmac-sha2-256"],
    &["-J", "jump"],
    &["-Ju@jump:22,ssh://other:7"],
    &["-J", "u@"],
    &["-S", "/tmp/socket"],
    &["-S", "none"],
    &["-E", "/dev/null"],
    &["-F", "/dev/null"],
    &["-oControlMaster=yes", "-oControlPath=/tmp/lfs.sock"],
    &["-o", "SendEnv=GIT_PROTOCOL"],
    &["-o", "SetEnv GIT_PROTOCOL=version=2"],
    &["-o", "SetEnv=A=1 B=2"],
    &["-o", "BatchMode=yes"],
    &["-oBatchmode no"],
    &["-o", "  batchmode \t = yes "],
    &["-o", "Compression yes"],
    &["-o", "Compression=\"no\""],
    &["-o", "Port=2222"],
    &["-oport 2200"],
    &["-o", "Port='23'"],
    &["-o", "User=dave"],
    &["-o", "user \"e v\\\"e\""],
    &["-o", "user='a"],
    &["-o", "user=a\\ b # c"],
    &["-o", "user=a#b"],
    &["-o", "port"],
    &["-o", "port="],
    &["-o", "# user x"],
    &["-o", ""],
    &["-o", "HostName=real.example.com"],
    &["-o", "HostKeyAlias=alias"],
    &["-o", "ProxyCommand=nc \"%h\" 'x y' %p"],
    &["-o", "ProxyCommand = nc %h"],
    &["-o", "IdentityFile=/dev/zero"],
    &["-o", "IdentitiesOnly=yes"],
    &["-o", "LogLevel=ERROR"],
    &["-o", "RequestTTY=no"],
    &[
        "-oPermitLocalCommand=no",
        "-oClearAllForwardings=yes",
        "-oRemoteCommand=none",
    ],
    &["-o", "ConnectTimeout=5"],
    &["-o", "AddressFamily=inet6"],
    &["-o", "StdinNull=yes"],
    &["-o", "UserKnownHostsFile=/a /b"],
    &["-o", "NoSuchKey=1"],
    &["-V"],
    &["-L", "1:h:2"],
    &["-W", "h:2"],
    &["-o"],
];

const DESTINATIONS: &[&str] = &[
    "bitbucket.org",
    "git@bitbucket.org",
    "GIT@BitBucket.ORG",
    "user@x@host",
    "git:pw@host",
    "git@::1",
    "host:22",
    "a b@host",
    "ssh://git@host:7999",
    "ssh://git@host:7999/",
    "ssh://host/",
    "ssh://host",
    "ssh://host/path",
    "ssh://a%40b@host",
    "ssh://a+b;c=d@host.",
    "ssh://host:0",
    "ssh://host:",
    "ssh://[::1]:22",
    "ssh://a@b@host",
    "ssh://",
    "@host",
    "host@",
    "",
    "-",
    "a;b@host",
    "ho;st",
    "ho st",
    "ho$st",
    "ho\tst",
    "-host",
    "a*b",
    "größe",
];

const COMMANDS: &[&[&str]] = &[
    &[],
    &["git-upload-pack 'team/repo.git'"],
    &["git-upload-pack", "'team/repo.git'"],
    &["no-service", "-v", "--", "-p"],
    &["", ""],
];

fn pick<T: Copy>(random: &mut fastrand::Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

/// Mostly well-formed: one line in four is broken bytewise.
fn command_line(random: &mut fastrand::Rng) -> Vec<OsString> {
    let mut words: Vec<&str> = Vec::new();
    for _ in 0..random.usize(..4) {
        words.extend(pick(random, OPTIONS));
    }
    if random.u8(..8) == 0 {
        words.push("--");
    }
    if random.u8(..16) != 0 {
        let few = if random.bool() { 4 } else { DESTINATIONS.len() };
        words.push(pick(random, &DESTINATIONS[..few]));
    }
    for _ in 0..random.usize(..3) {
        words.extend(pick(random, OPTIONS));
    }
    if random.u8(..8) == 0 {
        words.push("--");
    }
    words.extend(pick(random, COMMANDS));
    words.into_iter().map(OsString::from).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the reference that is compared with"
)]
fn ssh(argv: &[OsString], home: &std::path::Path) -> Output {
    Command::new("/usr/bin/ssh")
        .args(["-F", "/dev/null", "-G"])
        .args(argv)
        .env_clear()
        .env("HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .expect("ssh is installed where the tests run")
}

/// The values of a key in what `ssh -G` printed.
fn printed<'a>(output: &'a str, key: &str) -> Vec<&'a str> {
    output
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, value)| (name == key).then_some(value))
        .collect()
}

fn option<'a>(request: &'a Request, key: &str) -> Option<&'a str> {
    let mut entries = request.options.iter();
    entries
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.as_str())
}

fn compare(request: &Request, output: &str) {
    assert_eq!(printed(output, "host"), [request.host.as_str()]);
    let user = request.user.as_deref().or(option(request, "user"));
    if let Some(user) = user {
        assert_eq!(printed(output, "user"), [user]);
    }
    let port = request.port.map(|port| port.to_string());
    let port = port.as_deref().or(option(request, "port")).unwrap_or("22");
    assert_eq!(printed(output, "port"), [port]);
    let family = match request.family {
        Some(AddressFamily::Inet) => Some("inet"),
        Some(AddressFamily::Inet6) => Some("inet6"),
        None => option(request, "addressfamily"),
    };
    assert_eq!(printed(output, "addressfamily"), [family.unwrap_or("any")]);
    for key in [
        "batchmode",
        "compression",
        "identitiesonly",
        "forwardagent",
        "forwardx11",
    ] {
        assert_eq!(
            printed(output, key),
            [option(request, key).unwrap_or("no")],
            "{key}"
        );
    }
    let shown = |key| {
        option(request, key)
            .map(|value| vec![value])
            .unwrap_or_default()
    };
    for key in ["hostkeyalias", "bindaddress", "userknownhostsfile"] {
        if option(request, key).is_some() {
            assert_eq!(printed(output, key), shown(key), "{key}");
        }
    }
    let set = printed(output, "setenv").join(" ");
    assert_eq!(set, option(request, "setenv").unwrap_or_default());
    if option(request, "proxyjump").is_none() {
        assert_eq!(printed(output, "proxycommand"), shown("proxycommand"));
    }
    if !request.identity_files.is_empty() {
        let mut files: Vec<&str> = Vec::new();
        for file in &request.identity_files {
            if !files.contains(&file.as_str()) {
                files.push(file);
            }
        }
        assert_eq!(printed(output, "identityfile"), files);
    }
    if !(request.quiet || request.verbosity > 0) {
        assert_eq!(
            printed(output, "loglevel"),
            [option(request, "loglevel").unwrap_or("INFO")]
        );
    } else if !request.argv.iter().any(|word| word.to_str() == Some("-q")) {
        let level = ["DEBUG", "DEBUG2", "DEBUG3"][usize::from(request.verbosity.min(3)) - 1];
        assert_eq!(printed(output, "loglevel"), [level]);
    }
    assert_eq!(
        printed(output, "stdinnull"),
        [if request.no_stdin { "yes" } else { "no" }]
    );
}

#[test]
fn generated_command_lines_are_read_as_ssh_reads_them() {
    let home = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let (mut accepted, mut refused, mut handed_over) = (0, 0, 0);
    for _ in 0..2000 {
        let argv = command_line(&mut random);
        let ours = parse(argv.clone());
        let theirs = ssh(&argv, home.path());
        let output = String::from_utf8(theirs.stdout).unwrap();
        let told = String::from_utf8_lossy(&theirs.stderr).into_owned();
        let shown = format!("{argv:?}: {ours:?}\n{told}");
        let agreed = std::panic::catch_unwind(|| match &ours {
            // A key that we do not know, in front of it, is the system's affair too.
            Ok(Invocation::Version) => {
                assert!(theirs.status.success() || told.contains("Bad configuration option"));
            }
            // What the system's ssh says of its own options is its affair.
            Ok(Invocation::System { .. }) if !theirs.status.success() => {}
            Ok(
                Invocation::Native(request)
                | Invocation::Probe(request)
                | Invocation::System { request, .. },
            ) => {
                assert_eq!(theirs.status.code(), Some(0));
                compare(request, &output);
            }
            Err(error) => {
                assert_eq!(theirs.status.code(), Some(255));
                let words = error.to_string();
                let first = words.lines().next().unwrap();
                // The usage text names the program; quoted text is escaped in another way.
                let first = first.split("bitbucket-ssh").next().unwrap();
                let first = first.split(['"', '\'']).next().unwrap();
                let silent = argv.iter().any(|word| word.to_str() == Some("-q"));
                // A key that only ssh knows to be none comes earlier there.
                let earlier = told.contains("Bad configuration option");
                assert!(silent || earlier || told.contains(first), "{first}");
            }
        });
        assert!(agreed.is_ok(), "{shown}");
        match ours {
            Ok(Invocation::System { .. }) => handed_over += 1,
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > 300 && refused > 300 && handed_over > 100);
}

#[test]
fn what_is_asked_of_ssh_later_means_the_same() {
    let home = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..500 {
        let argv = command_line(&mut random);
        let Ok(Invocation::Native(request)) = parse(argv.clone()) else {
            continue;
        };
        let mut again = request.option_argv.clone();
        again.extend(["--".into(), OsString::from(&request.host)]);
        let settings = |argv: &[OsString]| {
            let output = String::from_utf8(ssh(argv, home.path()).stdout).unwrap();
            let lines = output.lines().filter(|line| !line.starts_with("loglevel "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let mut before = settings(&argv);
        let mut after = settings(&again);
        // ssh only asks for a terminal where there is no command.
        for lines in [&mut before, &mut after] {
            lines.retain(|line| !line.starts_with("requesttty "));
        }
        assert_eq!(before, after, "{argv:?}");
        let handed_over = ssh(
            &request.argv_with_config(std::path::Path::new("/dev/null")),
            home.path(),
        );
        let output = String::from_utf8(handed_over.stdout).unwrap();
        assert!(handed_over.status.success(), "{argv:?}");
        assert_eq!(printed(&output, "host"), [request.host.as_str()]);
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut argv = command_line(&mut random);
        for _ in 0..random.usize(1..4) {
            let Some(at) = argv.len().checked_sub(1).map(|last| random.usize(..=last)) else {
                break;
            };
            let mut bytes = std::mem::take(&mut argv[at]).into_vec();
            bytes.insert(random.usize(..=bytes.len()), random.u8(1..));
            argv[at] = OsString::from_vec(bytes);
        }
        if let Ok(Invocation::Native(request) | Invocation::Probe(request)) = parse(argv) {
            assert!(!request.host.starts_with('-'));
            assert!(
                !request
                    .host
                    .contains(|c: char| c.is_control() || "$`;|&<>".contains(c))
            );
            request.argv_with_config(std::path::Path::new("/f"));
        }
    }
}
