//! Command lines from the whole grammar of ssh(1), beside `ssh -G`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use bitbucket_ssh::ssh_command::{Invocation, Request, parse};

use super::{asked, damaged, each, joined, pick};

/// Letters without a value; those that ssh(1) acts upon before `-G` are left out.
const FLAGS: [&str; 22] = [
    "1", "2", "4", "6", "a", "f", "g", "k", "n", "q", "s", "t", "v", "x", "A", "C", "K", "N", "T",
    "X", "Y", "y",
];
/// Letters with one. Not those that open a file or end the call (`-E -F -O -Q -S`).
const VALUED: [&str; 15] = [
    "b", "c", "e", "i", "l", "m", "o", "p", "B", "D", "I", "J", "L", "R", "W",
];
const WORDS: [&str; 30] = [
    "host",
    "git",
    "@",
    ":",
    "22",
    "7999",
    "-",
    "--",
    "bitbucket.org",
    "/",
    "ssh://",
    "[",
    "]",
    "::1",
    "%",
    "%h",
    "a b",
    "'",
    "\"",
    "\\",
    "$",
    ";",
    "~",
    "none",
    "yes",
    "no",
    "=",
    " ",
    ".",
    "é",
];
const SETTINGS: [&str; 22] = [
    "User",
    "Port",
    "HostName",
    "IdentityFile",
    "BatchMode",
    "Compression",
    "ConnectTimeout",
    "LogLevel",
    "SendEnv",
    "SetEnv",
    "StrictHostKeyChecking",
    "UserKnownHostsFile",
    "HostKeyAlias",
    "AddressFamily",
    "Ciphers",
    "RekeyLimit",
    "ServerAliveInterval",
    "NoSuchThing",
    "IdentitiesOnly",
    "AddKeysToAgent",
    "CertificateFile",
    "RequestTTY",
];
const DESTINATIONS: [&str; 6] = [
    "git@bitbucket.org",
    "bitbucket.org",
    "host",
    "ssh://git@host:7999/",
    "u@[::1]",
    "ssh://host",
];

fn option(random: &mut fastrand::Rng, words: &mut Vec<String>) {
    if random.u8(..3) == 0 {
        let count = random.usize(1..4);
        let flags: String = (0..count).map(|_| pick(random, &FLAGS)).collect();
        words.push(format!("-{flags}"));
        return;
    }
    let letter = pick(random, &VALUED);
    let value = match letter {
        "o" => {
            let setting = pick(random, &SETTINGS);
            let between = pick(random, &["=", " ", " = ", "\t", ""]);
            format!("{setting}{between}{}", joined(random, &WORDS, 2))
        }
        "p" if random.bool() => random.u32(..70_000).to_string(),
        _ => joined(random, &WORDS, 3),
    };
    if random.bool() {
        words.push(format!("-{letter}{value}"));
    } else {
        words.extend([format!("-{letter}"), value]);
    }
}

fn command_line(random: &mut fastrand::Rng) -> Vec<OsString> {
    let mut words = Vec::new();
    for _ in 0..random.usize(..4) {
        option(random, &mut words);
    }
    words.push(if random.u8(..4) == 0 {
        joined(random, &WORDS, 4)
    } else {
        pick(random, &DESTINATIONS).to_owned()
    });
    for _ in 0..random.usize(..3) {
        option(random, &mut words);
    }
    if random.bool() {
        words.push("git-upload-pack 'a/b'".to_owned());
    }
    words.into_iter().map(OsString::from).collect()
}

fn held_to_the_rule(request: &Request) {
    assert!(!request.host.starts_with('-'), "{request:?}");
    let bad = |c: char| c.is_control() || "'`\"$\\;&<>|(){},".contains(c);
    assert!(!request.host.contains(bad), "{}", request.host);
}

#[test]
fn host_user_and_port_are_those_that_ssh_reads() {
    let home = tempfile::tempdir().unwrap();
    each("command lines", 400, |random| {
        let argv = command_line(random);
        let ours = parse(argv.clone());
        let mut words = vec!["-F", "/dev/null", "-G"];
        words.extend(argv.iter().map(|word| word.to_str().unwrap()));
        let (read, stderr) = asked("/usr/bin/ssh", &words, home.path());
        let printed = |key: &str| {
            let mut lines = stderr.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        let option = |request: &Request, key: &str| {
            let mut pairs = request.options.iter();
            pairs.find(|(name, _)| name == key).map(|(_, v)| v.clone())
        };
        match &ours {
            Ok(
                Invocation::Native(request)
                | Invocation::Probe(request)
                | Invocation::System { request, .. },
            ) if read => {
                held_to_the_rule(request);
                let shown = format!("{argv:?}: {request:?}\n{stderr}");
                assert_eq!(printed("host"), Some(request.host.as_str()), "{shown}");
                if let Some(user) = request.user.clone().or(option(request, "user")) {
                    assert_eq!(printed("user"), Some(user.as_str()), "{shown}");
                }
                let port = request.port.map(|port| port.to_string());
                let port = port.or(option(request, "port")).unwrap_or("22".to_owned());
                assert_eq!(printed("port"), Some(port.as_str()), "{shown}");
                true
            }
            Ok(Invocation::Native(request) | Invocation::Probe(request)) => {
                held_to_the_rule(request);
                false
            }
            Ok(_) => false,
            // Stricter here: ssh(1) takes a jump host with a slash and drops what follows it.
            Err(error) if error.to_string().starts_with("Invalid -J argument") => false,
            // Of /etc/services only `ssh` is known here.
            Err(error) if error.to_string().starts_with("Bad port 'git'") => false,
            Err(error) => {
                assert!(!read, "{argv:?}: {error}, but ssh says\n{stderr}");
                true
            }
        }
    });
}

#[test]
fn arbitrary_bytes_are_read_or_refused() {
    each("command lines, damaged", 5000, |random| {
        let mut argv = command_line(random);
        let at = random.usize(..argv.len());
        argv[at] = OsString::from_vec(damaged(random, argv[at].as_bytes()));
        match parse(argv) {
            Ok(Invocation::Native(request) | Invocation::Probe(request)) => {
                held_to_the_rule(&request);
                request.argv_with_config(std::path::Path::new("/f"));
                true
            }
            Ok(_) => false,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                false
            }
        }
    });
}
