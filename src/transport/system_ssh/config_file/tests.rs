//! What ssh makes of the file.

use std::process::{Command, Stdio};

use super::*;

#[expect(
    clippy::disallowed_methods,
    reason = "the reference that is compared with"
)]
fn ssh(arguments: &[&str], home: &Path) -> String {
    let output = Command::new("/usr/bin/ssh")
        .args(["-T", "-G"])
        .args(arguments)
        .arg("bitbucket.org")
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .output()
        .expect("ssh is installed where the tests run");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    assert_eq!(errors, "", "{arguments:?}");
    String::from_utf8(output.stdout).expect("the tests say nothing else")
}

/// Settings of an ssh_config, each alone a line.
const SETTINGS: &[&str] = &[
    "User alice",
    "User \"a b\"",
    "IdentityFile ~/.ssh/id_rsa",
    "IdentityFile \"/a b/it's\\\"x\\\"\"",
    "CertificateFile '/c d'",
    "IdentitiesOnly yes",
    "IdentityAgent $AGENT",
    "IdentityAgent \"/run/a b\"",
    "Port 7999",
    "HostName real.example.com",
    "HostKeyAlias alias",
    "UserKnownHostsFile /a /b",
    "GlobalKnownHostsFile /c",
    "GlobalKnownHostsFile none",
    "RevokedHostKeys /revoked",
    "StrictHostKeyChecking accept-new",
    "ProxyCommand nc 'a b' \"%h\" %p # x",
    "ProxyJump a@b:3,c",
    "LocalForward 8080 h:80",
    "LocalForward /a/b h:1",
    "DynamicForward [::1]:99",
    "RemoteForward 9 a:1",
    "SendEnv X Y*",
    "SendEnv Z",
    "ControlMaster auto",
    "ControlPath ~/x-%C",
    "ControlPersist 10m",
    "EscapeChar ^C",
    "RekeyLimit 1G 1h",
    "IPQoS af21 cs1",
    "AddKeysToAgent confirm 30",
    "ConnectTimeout 5",
    "ServerAliveInterval 30",
    "Tunnel yes",
    "TunnelDevice 3:4",
    "PermitRemoteOpen a:1 b:2",
    "XAuthLocation '/x y'",
    "LocalCommand echo 'x'",
    "KnownHostsCommand /bin/x '%H' a",
    "Compression yes",
    "Ciphers aes128-ctr",
    "HostKeyAlgorithms +ssh-rsa",
    "LogLevel ERROR",
    "LogVerbose a.c:1,b.c:2",
    "SyslogFacility AUTH",
    "StreamLocalBindMask 0117",
    "ForwardX11Timeout 0",
    "RequestTTY force",
    "PubkeyAuthentication unbound",
    "PreferredAuthentications publickey",
];

#[test]
fn ssh_reads_back_what_it_printed() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    let made = home.path().join("made");
    let (settings_file, made_file) = (config.to_str().unwrap(), made.to_str().unwrap());
    let compiled_in = ssh(&["-F", "/dev/null"], home.path());
    let endpoint = SshHost {
        host: "ssh.bitbucket.org".to_owned(),
        port: 443,
    };
    let mut random = fastrand::Rng::with_seed(4);
    for round in 0..200 {
        let settings: Vec<&str> = match SETTINGS.get(round) {
            Some(setting) => vec![setting],
            None => random.choose_multiple(SETTINGS.iter().copied(), 8),
        };
        std::fs::write(&config, settings.join("\n")).unwrap();
        let effective = ssh(&["-F", settings_file], home.path());
        let file = ConfigFile {
            effective: &effective,
            compiled_in: &compiled_in,
            endpoint: &endpoint,
            identity: None,
            host_key_alias: None,
            known_hosts: None,
        };
        std::fs::write(&made, file.text().unwrap()).unwrap();
        let again = ssh(&["-F", made_file], home.path());
        for (key, values) in groups(&effective) {
            let expected = match key {
                "hostname" => vec!["ssh.bitbucket.org"],
                "port" => vec!["443"],
                // Left out: what is compiled in.
                "controlmaster"
                | "controlpath"
                | "controlpersist"
                | "canonicalizehostname"
                | "escapechar" => values_of(&compiled_in, key),
                _ => values,
            };
            assert_eq!(
                values_of(&again, key),
                expected,
                "{key} of {settings:?}\n{}",
                file.text().unwrap()
            );
        }
    }
}

#[test]
fn a_chosen_identity_stands_alone() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    let made = home.path().join("made");
    let settings = "IdentityFile ~/.ssh/work\nCertificateFile /c\nIdentitiesOnly no\n\
        IdentityAgent /run/agent\nHostKeyAlias other\nControlPath /tmp/x\nUser git\n";
    std::fs::write(&config, settings).unwrap();
    let endpoint = SshHost {
        host: "altssh.bitbucket.org".to_owned(),
        port: 443,
    };
    for (file, shown) in [
        (
            "/home/a/.ssh/bitbucket_a@b.c_ed25519",
            "/home/a/.ssh/bitbucket_a@b.c_ed25519",
        ),
        ("/with blank/k\"q\"", "/with blank/k\"q\""),
        ("/back\\slash/k", "/back\\slash/k"),
        ("/per%cent/k", "/per%%cent/k"),
        ("/größe/k#x", "/größe/k#x"),
    ] {
        let text = ConfigFile {
            effective: &ssh(&["-F", config.to_str().unwrap()], home.path()),
            compiled_in: &ssh(&["-F", "/dev/null"], home.path()),
            endpoint: &endpoint,
            identity: Some(Path::new(file)),
            host_key_alias: Some("bitbucket.org"),
            known_hosts: Some(Path::new("/run/user/1/published keys")),
        };
        std::fs::write(&made, text.text().unwrap()).unwrap();
        let again = ssh(&["-F", made.to_str().unwrap()], home.path());
        for (key, values) in [
            ("identityfile", &[shown][..]),
            ("identitiesonly", &["yes"]),
            ("certificatefile", &[]),
            ("preferredauthentications", &["publickey"]),
            ("identityagent", &["/run/agent"]),
            ("hostkeyalias", &["bitbucket.org"]),
            ("controlpath", &[]),
            ("user", &["git"]),
            (
                "globalknownhostsfile",
                &["/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2 /run/user/1/published keys"],
            ),
        ] {
            assert_eq!(values_of(&again, key), values, "{key} with {file}");
        }
    }
}

#[test]
fn the_endpoint_is_not_looked_up_under_other_names() {
    let endpoint = SshHost {
        host: "h".to_owned(),
        port: 22,
    };
    let file = ConfigFile {
        effective: "host x\nhostname x\nport 2\ncanonicalizehostname true\n\
            canonicalizePermittedcnames a:b\n",
        compiled_in: "canonicalizehostname false\n",
        endpoint: &endpoint,
        identity: None,
        host_key_alias: None,
        known_hosts: None,
    };
    assert_eq!(file.text().unwrap(), "hostname h\nport 22\n");
}

#[test]
fn what_ssh_config_cannot_hold_is_refused() {
    let endpoint = SshHost {
        host: "h".to_owned(),
        port: 22,
    };
    for file in ["/a\nProxyCommand x", "/${HOME}/k"] {
        let file = ConfigFile {
            effective: "",
            compiled_in: "",
            endpoint: &endpoint,
            identity: Some(Path::new(file)),
            host_key_alias: None,
            known_hosts: None,
        };
        assert!(file.text().is_err());
    }
}
