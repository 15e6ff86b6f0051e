//! ssh_config: files of generated lines mean what `ssh -G` says, and whatever an ssh prints is read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bitbucket_ssh::clock::SystemClock;
use bitbucket_ssh::context::{Context, Environment};
use bitbucket_ssh::settings::ssh_config::load;
use bitbucket_ssh::ssh_command::{Invocation, Request, parse};

use super::{asked, damaged, each, pick};

/// A process in `home` with nothing else.
pub(super) fn context(home: &Path) -> Context {
    let variables = [
        ("HOME", home.to_str().unwrap()),
        ("PATH", "/usr/bin:/bin"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("LC_ALL", "C.UTF-8"),
    ];
    Context {
        environment: Environment::new(variables.map(|(name, value)| (name.into(), value.into()))),
        directory: home.to_owned(),
        program: "/bitbucket-ssh".into(),
        clock: Arc::new(SystemClock),
    }
}

const LINES: [&str; 40] = [
    "Host bitbucket.org",
    "Host *",
    "Host other",
    "Host bit* !other",
    "Host !bitbucket.org *",
    "Match host bitbucket.org",
    "Match originalhost other",
    "Match all",
    "User alice",
    "User=bob",
    "User \"c d\"",
    "Port 7999",
    "Port = 22",
    "HostName ssh.%h",
    "HostName ssh.bitbucket.org",
    "HostName %%x",
    "IdentityFile ~/.ssh/one",
    "IdentityFile /keys/%h_%p_%r",
    "IdentityFile \"/a b\"",
    "IdentitiesOnly yes",
    "ConnectTimeout 7",
    "ConnectTimeout 1m",
    "ConnectionAttempts 3",
    "ServerAliveInterval 30",
    "ServerAliveCountMax 2",
    "Compression yes",
    "BatchMode yes",
    "AddressFamily inet",
    "HostKeyAlias alias",
    "StrictHostKeyChecking accept-new",
    "UserKnownHostsFile /a /b",
    "SendEnv LANG LC_*",
    "SetEnv A=1 \"B=2 3\"",
    "Ciphers aes128-ctr",
    "PubkeyAuthentication no",
    "RekeyLimit 1G 1h",
    "LogLevel ERROR",
    "# a comment",
    "",
    "\tProxyJump none",
];

fn request(words: &[&str]) -> Request {
    match parse(words.iter().map(Into::into).collect()) {
        Ok(Invocation::Native(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn generated_files_mean_what_ssh_says() {
    let home = tempfile::tempdir().unwrap();
    let context = context(home.path());
    let mut number = 0;
    each("ssh_config", 60, |random| {
        let lines: Vec<&str> = (0..random.usize(1..14))
            .map(|_| pick(random, &LINES))
            .collect();
        number += 1;
        let name = format!("config{number}");
        let file = home.path().join(&name);
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        let typed = pick(random, &["bitbucket.org", "git@bitbucket.org", "other"]);
        let words = ["-F", file.to_str().unwrap(), typed, "git-upload-pack 'a/b'"];
        let ours = load(&request(&words), &context, Some(Path::new("/usr/bin/ssh")));
        let (read, output) = asked(
            "/usr/bin/ssh",
            &["-F", &name, "-G", "-T", typed],
            home.path(),
        );
        let _ = fs::remove_file(&file);
        let shown = format!("{typed}: {ours:?}\n{}\n{output}", lines.join("\n"));
        assert_eq!(ours.is_ok(), read, "{shown}");
        let Ok(ours) = ours else {
            return false;
        };
        let printed = |key: &str| -> Vec<&str> {
            let lines = output.lines().filter_map(|line| line.split_once(' '));
            lines
                .filter(|(name, _)| *name == key)
                .map(|(_, value)| value)
                .collect()
        };
        let says = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                assert_eq!(printed(key), [value.as_str()], "{key}: {shown}");
            }
        };
        let flag = |value: Option<bool>| value.map(|yes| if yes { "yes" } else { "no" }.to_owned());
        let seconds = |value: Option<Duration>| value.map(|time| time.as_secs().to_string());
        says("hostname", ours.endpoint.host_name.clone());
        says("port", ours.endpoint.port.map(|port| port.to_string()));
        says("user", ours.endpoint.user.clone());
        says("identitiesonly", flag(ours.identities.identities_only));
        says("batchmode", flag(ours.authentication.batch_mode));
        says("compression", flag(ours.session.compression));
        says("connecttimeout", seconds(ours.endpoint.connect_timeout));
        says(
            "serveraliveinterval",
            seconds(ours.session.server_alive_interval),
        );
        says(
            "serveralivecountmax",
            ours.session
                .server_alive_count_max
                .map(|count| count.to_string()),
        );
        says(
            "connectionattempts",
            ours.endpoint
                .connection_attempts
                .map(|count| count.to_string()),
        );
        says("hostkeyalias", ours.host_keys.host_key_alias.clone());
        says(
            "ciphers",
            ours.algorithms.ciphers.map(|names| names.join(",")),
        );
        // What a file says and is not compiled in has to be there.
        assert_eq!(
            ours.endpoint.port.unwrap_or(22).to_string(),
            printed("port")[0],
            "{shown}"
        );
        assert_eq!(
            ours.endpoint.connection_attempts.unwrap_or(1).to_string(),
            printed("connectionattempts")[0],
            "{shown}"
        );
        let alias = printed("hostkeyalias").first().map(|&name| name.to_owned());
        assert_eq!(ours.host_keys.host_key_alias, alias, "{shown}");
        lines.len() > 3
    });
}

#[test]
fn whatever_an_ssh_prints_is_read() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("config"), "Host *\n").unwrap();
    let words = ["-G", "-T", "-F", "config", "git@bitbucket.org"];
    let (read, whole) = asked("/usr/bin/ssh", &words, home.path());
    assert!(read);
    let printed = home.path().join("printed");
    let mut number = 0;
    each("output of ssh -G", 40, |random| {
        // A program of another name each time, because the output may be cached.
        number += 1;
        let program = home.path().join(format!("ssh{number}"));
        let script = format!("#!/bin/sh\nexec cat '{}'\n", printed.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(&printed, damaged(random, whole.as_bytes())).unwrap();
        let file = home.path().join(format!("config{number}"));
        fs::write(&file, "Host *\n").unwrap();
        let words = ["-F", file.to_str().unwrap(), "git@bitbucket.org", "true"];
        let found = load(&request(&words), &context(home.path()), Some(&program));
        for path in [&program, &file] {
            let _ = fs::remove_file(path);
        }
        if let Err(error) = &found {
            assert!(!error.to_string().is_empty());
        }
        found.is_ok()
    });
}
