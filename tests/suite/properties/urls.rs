//! URLs: git itself says how it would call us for one, and both readings name the same repository.
//! Settings for URLs, beside `git config --get-urlmatch`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;

use bitbucket_ssh::repository::{Site, SiteKind, SshHost, cloud, locate, of_url};
use bitbucket_ssh::settings::GitConfig;
use bitbucket_ssh::ssh_command::{Invocation, parse};

use super::{asked, each, joined, pick};

const PIECES: [&str; 26] = [
    "acme", "site", ".git", "/", "//", ".", "..", "-", "~", "~user", "%20", "%2f", "%61", "%", "+",
    "@", ":", "?", "#", "'", "!", " ", "ä", "scm/", "Site", "_",
];
const BEGINNINGS: [&str; 12] = [
    "git@bitbucket.org:",
    "bitbucket.org:",
    "ssh://git@bitbucket.org/",
    "ssh://bitbucket.org:22/",
    "git+ssh://git@ssh.bitbucket.org/",
    "ssh://git@altssh.bitbucket.org:443/",
    "ssh://git@git.example.com:7999/",
    "git@[git.example.com:7999]:",
    "[git@bitbucket.org]:",
    "ssh+git://git@BitBucket.org/",
    "ssh://git@other.example.com/",
    "git@bitbucket.org:/",
];

fn sites() -> Vec<Site> {
    let data_center = Site {
        kind: SiteKind::DataCenter,
        url: "https://git.example.com".to_owned(),
        api_url: "https://git.example.com".to_owned(),
        ssh_hosts: vec![SshHost {
            host: "git.example.com".to_owned(),
            port: 7999,
        }],
    };
    vec![cloud(), data_center]
}

#[test]
fn a_url_is_the_repository_for_which_git_calls() {
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("ssh");
    fs::write(
        &script,
        "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done > \"$HOME/called\"\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let setting = format!("core.sshCommand={}", script.display());
    let called = home.path().join("called");
    let sites = sites();
    each("URLs", 150, |random| {
        let path = match random.u8(..3) {
            0 => joined(random, &PIECES, 6),
            1 => format!("acme/site{}", joined(random, &PIECES, 1)),
            _ => format!(
                "{}/{}",
                joined(random, &PIECES, 2),
                joined(random, &PIECES, 2)
            ),
        };
        let url = format!("{}{path}", pick(random, &BEGINNINGS));
        let ours = of_url(&sites, &url);
        let _ = fs::remove_file(&called);
        let words = [
            "-c",
            &setting,
            "-c",
            "ssh.variant=ssh",
            "ls-remote",
            "--",
            &url,
        ];
        asked("git", &words, home.path());
        let Ok(argv) = fs::read(&called) else {
            // git refuses to call anybody.
            return false;
        };
        let words = argv.strip_suffix(b"\0").unwrap().split(|byte| *byte == 0);
        let argv = words
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect();
        let Ok(Invocation::Native(request)) = parse(argv) else {
            panic!("{url}: git's own call is not understood");
        };
        let port = request.port.unwrap_or(22);
        let located = locate(&sites, &request.host, port, request.command.as_deref());
        let asked_for = located.ok().flatten().and_then(|found| found.repository);
        if let (Some(ours), Some(asked_for)) = (&ours, &asked_for) {
            assert_eq!(ours, asked_for, "{url}: {:?}", request.command);
            return true;
        }
        // Without a query, and not in need of decoding, both know it or neither.
        if !path.contains(['?', '#', '%']) {
            assert_eq!(ours, asked_for, "{url}: {request:?}");
        }
        false
    });
}

#[test]
fn settings_for_urls_match_as_in_git() {
    let home = tempfile::tempdir().unwrap();
    let hosts = [
        "git.example.com",
        "*.example.com",
        "GIT.example.com",
        "*.*.com",
        "example.com",
    ];
    let ports = ["", "", "", ":443", ":8443", ":"];
    let users = ["", "", "alice@", "bob@"];
    let paths = ["acme", "site", "/", ".", "..", "%61", "Acme", "sit", ".git"];
    let urls = [
        "https://git.example.com/acme/site",
        "https://alice@git.example.com/acme/site.git",
        "https://git.example.com:8443/acme",
        "http://git.example.com/acme/site",
    ];
    each("URL settings", 40, |random| {
        let mut text = String::from("[http]\n\tproxy = plain\n");
        for number in 0..8 {
            let scheme = pick(random, &["https", "https", "http", "HTTPS"]);
            let (user, host) = (pick(random, &users), pick(random, &hosts));
            let (port, path) = (pick(random, &ports), joined(random, &paths, 4));
            let slash = if path.is_empty() { "" } else { "/" };
            let url = format!("{scheme}://{user}{host}{port}{slash}{path}");
            writeln!(text, "[http \"{url}\"]\n\tproxy = {number}").unwrap();
        }
        fs::write(home.path().join(".gitconfig"), &text).unwrap();
        let config = GitConfig::open(&super::configurations::context(home.path())).unwrap();
        let url = pick(random, &urls);
        let ours = config.http(url).proxy;
        let words = ["config", "--get-urlmatch", "http.proxy", url];
        let (_, theirs) = asked("git", &words, home.path());
        assert_eq!(ours.as_deref(), Some(theirs.trim()), "{url} in\n{text}");
        theirs.trim() != "plain"
    });
}
