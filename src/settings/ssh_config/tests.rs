use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::settings::StrictHostKeyChecking;
use crate::settings::git_config::fixture::Home;
use crate::ssh_command::{AddressFamily, Invocation, parse};

/// The call as git would make it.
fn request(words: &[&str]) -> Request {
    let arguments = words.iter().map(Into::into).collect();
    match parse(arguments).unwrap() {
        Invocation::Native(request) | Invocation::System { request, .. } => request,
        other => panic!("{other:?}"),
    }
}

fn ssh(home: &Home) -> PathBuf {
    home.tool("ssh")
}

fn try_load(home: &Home, words: &[&str]) -> Result<SshConfig, Error> {
    load(&request(words), &home.context(), Some(&ssh(home)))
}

fn loaded(home: &Home, words: &[&str]) -> SshConfig {
    try_load(home, words).unwrap()
}

/// A home whose `.ssh/config` says this.
fn home(config: &str) -> Home {
    let home = Home::new();
    home.write(".ssh/config", config);
    home
}

#[test]
fn compiled_in_defaults_are_no_wishes() {
    let home = home("");
    let found = loaded(&home, &["git@bitbucket.org"]);
    assert_eq!(found.endpoint.user.as_deref(), Some("git"));
    assert_eq!(found.endpoint.host_name, None);
    assert!(!found.endpoint.is_alias);
    assert!(
        found.identities.identity_files.is_empty()
            && found.identities.command_line_identity_files.is_empty()
    );
    assert_eq!(found.algorithms.ciphers, None);
    assert_eq!(found.session.server_alive_interval, None);
    assert_eq!(found.endpoint.connect_timeout, None);
    assert_eq!(found.host_keys.strict_host_key_checking, None);
    assert_eq!(found.host_keys.user_known_hosts, None);
    assert_eq!(found.host_keys.global_known_hosts, None);
    assert_eq!(found.unsupported.needs_system_ssh, None);
    assert_eq!(found.endpoint.port, None);
}

/// An ssh that writes down each start of the real one.
#[cfg(unix)]
#[test]
fn ssh_is_asked_once_and_a_second_time_only_for_its_lists_of_algorithms() {
    use std::os::unix::fs::PermissionsExt as _;
    for (config, starts, why) in [
        ("Host *\n  ServerAliveInterval 9\n", 1, "plain options"),
        (
            "Host other\n  Ciphers aes128-ctr\n",
            2,
            "a list for another host",
        ),
        (
            "Include ~nobody/x\nMatch all\n  ServerAliveInterval 9\n",
            2,
            "an unknown include",
        ),
    ] {
        let home = home(config);
        let log = home.path().join("log");
        let script = format!(
            "#!/bin/sh\necho >>'{}'\nexec '{}' \"$@\"\n",
            log.display(),
            ssh(&home).display()
        );
        let counting = home.write("ssh", &script);
        std::fs::set_permissions(&counting, std::fs::Permissions::from_mode(0o755)).unwrap();
        let request = request(&["git@bitbucket.org"]);
        let found = load(&request, &home.context(), Some(&counting)).unwrap();
        assert_eq!(found.algorithms.ciphers, None, "{why}");
        assert_eq!(found.algorithms.macs, None, "{why}");
        assert_eq!(found.endpoint.connect_timeout, None, "{why}");
        let started = std::fs::read_to_string(&log).unwrap().lines().count();
        assert_eq!(started, starts, "{why}");
        let interval = config.contains("Alive").then_some(Duration::from_secs(9));
        assert_eq!(found.session.server_alive_interval, interval, "{why}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "every option once")]
fn a_file_speaks_for_its_hosts() {
    let mut home = home(
        "Host bb-work\n  HostName bitbucket.org\n  User git\n  IdentityFile ~/.ssh/work_%r\n\
         \x20 IdentityFile \"%d/a key\"\n  IdentityFile ${KEYS}/k\n  IdentitiesOnly yes\n\
         \x20 CertificateFile ~/.ssh/c_%h_%n_%p_%%\n  IdentityAgent ~/agent.sock\n\
         \x20 UserKnownHostsFile ~/kh \"~/other kh\"\n  RevokedHostKeys ~/revoked\n  HostKeyAlias Alias\n\
         \x20 StrictHostKeyChecking accept-new\n  ConnectTimeout 1m\n  ServerAliveInterval 15\n\
         \x20 ServerAliveCountMax 2\n  ConnectionAttempts 4\n  RekeyLimit 1G 1h\n  Compression yes\n\
         \x20 AddressFamily inet\n  BindAddress 127.0.0.1\n  Ciphers aes128-ctr,aes256-ctr\n\
         \x20 KexAlgorithms curve25519-sha256\n  MACs hmac-sha2-256\n  HostKeyAlgorithms ssh-ed25519\n\
         \x20 PubkeyAcceptedAlgorithms ssh-ed25519\n  SendEnv A B*\n  SetEnv X=1 \"Y=2 3\"\n\
         \x20 LogLevel DEBUG\n  AddKeysToAgent confirm 1h\n\
         \x20 PreferredAuthentications publickey\n  ForwardAgent yes\n  Port 7999\n\
         \x20 PasswordAuthentication no\n  NumberOfPasswordPrompts 1\n  RequiredRSASize 2048\n\
         Host *\n  ProxyCommand nc %h %p\n",
    );
    home.set("KEYS", "/keys");
    let at = |name: &str| home.path().join(name);
    let found = loaded(&home, &["bb-work"]);
    assert_eq!(found.endpoint.host_name.as_deref(), Some("bitbucket.org"));
    assert!(found.endpoint.is_alias);
    assert_eq!(found.endpoint.user.as_deref(), Some("git"));
    assert_eq!(found.endpoint.port, Some(7999));
    assert_eq!(
        found.identities.identity_files,
        [at(".ssh/work_git"), at("a key"), "/keys/k".into()]
    );
    assert_eq!(found.identities.identities_only, Some(true));
    assert_eq!(
        found.identities.certificate_files,
        [at(".ssh/c_bitbucket.org_bb-work_7999_%")]
    );
    assert_eq!(
        found.identities.identity_agent.as_deref(),
        at("agent.sock").to_str()
    );
    assert_eq!(
        found.host_keys.user_known_hosts,
        Some(vec![at("kh"), at("other kh")])
    );
    assert_eq!(found.host_keys.revoked_host_keys, Some(at("revoked")));
    assert_eq!(
        found.host_keys.host_key_alias.as_deref(),
        Some("alias"),
        "as ssh has it"
    );
    assert_eq!(
        found.host_keys.strict_host_key_checking,
        Some(StrictHostKeyChecking::AcceptNew)
    );
    assert_eq!(
        found.endpoint.connect_timeout,
        Some(Duration::from_secs(60))
    );
    assert_eq!(
        found.session.server_alive_interval,
        Some(Duration::from_secs(15))
    );
    assert_eq!(found.session.server_alive_count_max, Some(2));
    assert_eq!(found.endpoint.connection_attempts, Some(4));
    assert_eq!(
        found.session.rekey_limit,
        Some((1 << 30, Duration::from_secs(3600)))
    );
    assert_eq!(found.session.compression, Some(true));
    assert_eq!(found.endpoint.address_family, Some(AddressFamily::Inet));
    assert_eq!(found.endpoint.bind_address.as_deref(), Some("127.0.0.1"));
    assert_eq!(
        found.algorithms.ciphers.unwrap(),
        ["aes128-ctr", "aes256-ctr"]
    );
    assert_eq!(
        found.algorithms.kex_algorithms.unwrap(),
        ["curve25519-sha256"]
    );
    assert_eq!(found.algorithms.macs.unwrap(), ["hmac-sha2-256"]);
    assert_eq!(
        found.algorithms.host_key_algorithms.unwrap(),
        ["ssh-ed25519"]
    );
    assert_eq!(
        found.algorithms.pubkey_accepted_algorithms.unwrap(),
        ["ssh-ed25519"]
    );
    assert!(
        found.session.send_env.contains(&"A".to_owned())
            && found.session.send_env.contains(&"B*".to_owned())
    );
    let set = [
        ("X".to_owned(), "1".to_owned()),
        ("Y".to_owned(), "2 3".to_owned()),
    ];
    assert_eq!(found.session.set_env, set);
    assert_eq!(found.log_level.as_deref(), Some("DEBUG"));
    assert_eq!(
        found.identities.add_keys_to_agent.as_deref(),
        Some("confirm 3600")
    );
    assert_eq!(
        found.authentication.preferred_authentications.unwrap(),
        ["publickey"]
    );
    assert_eq!(found.authentication.password_authentication, Some(false));
    assert_eq!(found.authentication.number_of_password_prompts, Some(1));
    assert_eq!(found.endpoint.proxy_command.as_deref(), Some("nc %h %p"));
    assert_eq!(found.unsupported.needs_system_ssh, None);
    for directive in ["forwardagent", "requiredrsasize"] {
        assert!(
            found.unsupported.ignored.contains(&directive.to_owned()),
            "{directive}"
        );
    }
    let other = loaded(&home, &["git@bitbucket.org"]);
    assert_eq!(other.endpoint.proxy_command.as_deref(), Some("nc %h %p"));
    assert!(other.identities.identity_files.is_empty() && !other.endpoint.is_alias);
}

#[test]
fn update_host_keys_asks_nobody_beside_a_remote_command() {
    let found = loaded(&home("UpdateHostKeys ask\n"), &["bitbucket.org"]);
    assert_eq!(
        found.host_keys.update_host_keys.as_deref(),
        Some("false"),
        "ssh.c takes it back"
    );
}

#[test]
fn batch_mode_is_a_wish_and_what_follows_from_it_is_none() {
    let found = loaded(&home("BatchMode yes\n"), &["bitbucket.org"]);
    assert_eq!(
        (
            found.authentication.batch_mode,
            found.session.server_alive_interval
        ),
        (Some(true), None)
    );
    let found = loaded(
        &home("BatchMode yes\nServerAliveInterval 7\n"),
        &["bitbucket.org"],
    );
    assert_eq!(
        found.session.server_alive_interval,
        Some(Duration::from_secs(7))
    );
}

#[test]
fn the_command_line_stands_before_files_and_its_identities_apart() {
    let home = home("Host *\n  IdentityFile ~/.ssh/of_file\n  ConnectTimeout 60\n  User bob\n");
    let words = [
        "-i",
        "mine",
        "-o",
        "IdentityFile=~/b_%h",
        "-o",
        "ConnectTimeout=5",
        "-o",
        "ServerAliveInterval=0",
        "-o",
        "UserKnownHostsFile=~/kh",
        "-p",
        "2222",
        "git@bitbucket.org",
        "git-upload-pack 'a/b'",
    ];
    let found = loaded(&home, &words);
    let at = |name: &str| home.path().join(name);
    assert_eq!(
        found.identities.command_line_identity_files,
        [PathBuf::from("mine"), at("b_bitbucket.org")]
    );
    assert_eq!(found.identities.identity_files, [at(".ssh/of_file")]);
    assert_eq!(found.endpoint.connect_timeout, Some(Duration::from_secs(5)));
    assert_eq!(
        found.session.server_alive_interval,
        Some(Duration::ZERO),
        "directives, though it is the default"
    );
    assert_eq!(found.host_keys.user_known_hosts, Some(vec![at("kh")]));
    assert_eq!(
        (found.endpoint.port, found.endpoint.user.as_deref()),
        (Some(2222), Some("git"))
    );
}

#[test]
fn includes_and_matches_are_read_from_the_home_of_the_environment() {
    let home = home(
        "Include conf.d/*.conf ~/.ssh/one\nInclude missing\nMatch originalhost bb exec \"true\"\n  Port 2\n",
    );
    home.write(
        ".ssh/conf.d/a.conf",
        "Include nested\nHost bb\n  HostName a.example\n",
    );
    home.write(".ssh/conf.d/b.txt", "Host bb\n  User wrong\n");
    home.write(".ssh/one", "Host bb\n  IdentityAgent ~/sock\n");
    home.write(".ssh/nested", "Host bb\n  HostKeyAlias nested\n");
    let found = loaded(&home, &["bb"]);
    assert_eq!(found.endpoint.host_name.as_deref(), Some("a.example"));
    assert_eq!(found.endpoint.port, Some(2));
    assert_eq!(found.host_keys.host_key_alias.as_deref(), Some("nested"));
    assert_eq!(
        found.identities.identity_agent.as_deref(),
        home.path().join("sock").to_str()
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "test code: asks who runs the tests"
)]
fn a_typed_user_counts_also_where_it_is_the_local_name() {
    let home = home("Host *\n  Compression yes\n");
    let id = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    let local = String::from_utf8(id.stdout).unwrap().trim().to_owned();
    let typed = format!("{local}@bitbucket.org");
    assert_eq!(loaded(&home, &[&typed]).endpoint.user, Some(local));
    assert_eq!(loaded(&home, &["bitbucket.org"]).endpoint.user, None);
}

#[test]
fn errors_are_sshs_own_words() {
    let home = home("Host *\n  IdentityAgent ~/x\n  Colour blue\n");
    let file = home.path().join(".ssh/config");
    let directives = |words: &[&str]| try_load(&home, words).unwrap_err().to_string();
    let told = directives(&["bitbucket.org"]);
    let expected = format!(
        "{}: line 3: Bad configuration option: colour",
        file.display()
    );
    assert!(told.starts_with(&expected), "{told}");
    let told = directives(&["-F", "/no/such/file", "bitbucket.org"]);
    assert_eq!(
        told,
        "Can't open user config file /no/such/file: No such file or directory"
    );
    let quiet = directives(&["-q", "bitbucket.org"]);
    assert!(quiet.contains("colour"), "also with -q");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        let told = directives(&["bitbucket.org"]);
        assert_eq!(
            told,
            format!("Bad owner or permissions on {}", file.display())
        );
        let named = directives(&["-F", &file.to_string_lossy(), "bitbucket.org"]);
        assert!(named.contains("colour"), "a named file is read: {named}");
        let nothing = try_load(&home, &["-F", "/dev/null", "bitbucket.org"]);
        assert!(nothing.is_ok(), "{nothing:?}");
    }
    let home = Home::new();
    let told = try_load(
        &home,
        &["-F", "none", "-o", "StrictHostKeyChecking=maybe", "h"],
    )
    .unwrap_err();
    assert_eq!(
        told.to_string(),
        "command-line line 0: unsupported option \"maybe\"."
    );
}

#[test]
fn a_named_file_stands_alone() {
    let home = home("Host *\n  Port 1\n");
    let other = home.write("other", "Host *\n  User alice\n  IdentityAgent ~/sock\n");
    let found = loaded(&home, &["-F", other.to_str().unwrap(), "bitbucket.org"]);
    assert_eq!(
        (found.endpoint.port, found.endpoint.user.as_deref()),
        (None, Some("alice"))
    );
    assert_eq!(
        found.identities.identity_agent.as_deref(),
        home.path().join("sock").to_str()
    );
    let found = loaded(&home, &["-F", "none", "bitbucket.org"]);
    assert_eq!((found.endpoint.port, found.endpoint.user), (None, None));
}

#[test]
fn what_only_the_systems_ssh_carries() {
    for (line, directive) in [
        ("PKCS11Provider /x", Some("PKCS11Provider")),
        ("PKCS11Provider none", None),
        ("SecurityKeyProvider /x", Some("SecurityKeyProvider")),
        ("SecurityKeyProvider internal", None),
        ("KnownHostsCommand /bin/true", Some("KnownHostsCommand")),
        ("ProxyUseFdpass yes", Some("ProxyUseFdpass")),
        ("CanonicalizeHostname no", None),
        ("GSSAPIAuthentication yes", None),
        ("ControlMaster auto", None),
    ] {
        let from_file = loaded(&home(&format!("{line}\n")), &["bitbucket.org"])
            .unsupported
            .needs_system_ssh;
        assert_eq!(from_file.as_deref(), directive, "in a file: {line}");
        let typed = request(&["-F", "none", "-o", line, "bitbucket.org"]);
        let typed = load(&typed, &Home::new().context(), None)
            .unwrap()
            .unsupported
            .needs_system_ssh;
        assert_eq!(typed.as_deref(), directive, "typed: {line}");
    }
}

#[test]
fn without_an_ssh_a_file_is_named_that_was_not_read() {
    let home = home("Host *\n  Port 1\n");
    let words = request(&["-o", "ConnectTimeout=7", "git@bitbucket.org"]);
    let found = load(&words, &home.context(), None).unwrap();
    let file = home.path().join(".ssh/config");
    assert_eq!(
        found.unsupported.unread_file,
        Some(UnreadFile { file, why: None })
    );
    assert_eq!(found.endpoint.connect_timeout, Some(Duration::from_secs(7)));
}

#[test]
fn without_a_file_no_ssh_is_started() {
    let home = Home::new();
    let words = [
        "-F",
        "none",
        "-4",
        "-C",
        "-o",
        "SendEnv=GIT_PROTOCOL",
        "-p",
        "7999",
        "git@h.example",
    ];
    let found = load(
        &request(&words),
        &home.context(),
        Some(Path::new("/no/ssh")),
    )
    .unwrap();
    assert_eq!(found.session.send_env, ["GIT_PROTOCOL"]);
    assert_eq!(found.endpoint.address_family, Some(AddressFamily::Inet));
    assert_eq!(
        (found.session.compression, found.endpoint.port),
        (Some(true), Some(7999))
    );
    let plus = ["-F", "none", "-o", "Ciphers=+aes128-cbc", "h"];
    let lists = load(&request(&plus), &home.context(), Some(&ssh(&home)))
        .unwrap()
        .algorithms
        .ciphers
        .unwrap();
    assert!(
        lists.len() > 1 && lists.contains(&"aes128-cbc".to_owned()),
        "ssh knows its own list"
    );
}

/// The command line read in process, beside what ssh prints of the same one.
#[test]
fn generated_command_lines_mean_the_same_to_ssh() {
    let home = Home::new();
    let values = [
        (
            "AddKeysToAgent",
            &["yes", "no", "ask", "confirm", "1h", "confirm 5m", "maybe"][..],
        ),
        ("AddressFamily", &["any", "inet", "inet6", "inet7"]),
        ("BatchMode", &["yes", "no", "true", "YES", "2"]),
        ("BindAddress", &["127.0.0.1"]),
        ("CertificateFile", &["/c/%h", "/c/${HOME}"]),
        (
            "Ciphers",
            &["aes128-ctr", "aes128-ctr,aes256-ctr", "+aes128-cbc"],
        ),
        ("Compression", &["yes", "no"]),
        ("ConnectTimeout", &["5", "1m30s", "none", "0", "x", "-1"]),
        ("ConnectionAttempts", &["1", "3", "x"]),
        ("GlobalKnownHostsFile", &["/a /b", "none"]),
        ("HashKnownHosts", &["yes", "no"]),
        ("HostKeyAlias", &["Name"]),
        ("HostName", &["Other.example", "%h.example"]),
        ("IdentitiesOnly", &["yes", "no"]),
        (
            "IdentityAgent",
            &["none", "SSH_AUTH_SOCK", "/sock", "$VARIABLE"],
        ),
        ("KexAlgorithms", &["curve25519-sha256", "-ecdh*"]),
        ("LogLevel", &["DEBUG2", "quiet", "ERROR"]),
        ("MACs", &["hmac-sha2-256"]),
        ("NumberOfPasswordPrompts", &["1"]),
        ("PKCS11Provider", &["none", "/x"]),
        ("PasswordAuthentication", &["no"]),
        ("Port", &["7999", "0", "65536"]),
        ("PreferredAuthentications", &["publickey,password"]),
        ("ProxyCommand", &["nc %h %p", "none"]),
        ("ProxyJump", &["user@jump:22,other", "none"]),
        ("PubkeyAuthentication", &["yes", "no", "unbound"]),
        (
            "RekeyLimit",
            &["1G", "default 1h", "512M 30m", "1K none", "1"],
        ),
        ("RevokedHostKeys", &["/r"]),
        ("SendEnv", &["A B*", "GIT_PROTOCOL"]),
        ("ServerAliveInterval", &["0", "30", "2m"]),
        ("SetEnv", &["A=b C=d"]),
        (
            "StrictHostKeyChecking",
            &["yes", "no", "off", "ask", "accept-new", "maybe"],
        ),
        ("UpdateHostKeys", &["yes", "no", "ask"]),
        ("User", &["alice"]),
        ("UserKnownHostsFile", &["/a /b", "/dev/null", "~/kh"]),
    ];
    let ssh = ssh(&home);
    let context = home.context();
    let mut random = fastrand::Rng::with_seed(16);
    let singles = values
        .iter()
        .flat_map(|(key, all)| all.iter().map(move |value| vec![(*key, *value)]));
    let mut lines: Vec<Vec<(&str, &str)>> = singles.collect();
    for _ in 0..60 {
        let line = (0..4).map(|_| {
            let (key, all) = values[random.usize(..values.len())];
            (key, all[random.usize(..all.len())])
        });
        lines.push(line.collect());
    }
    let empty = home.write("empty", "");
    for line in lines {
        let mut words = vec![];
        for (key, value) in &line {
            words.extend(["-o".to_owned(), format!("{key}={value}")]);
        }
        words.push("git@Host".to_owned());
        let mut with_file = vec!["-F".to_owned(), empty.display().to_string()];
        with_file.extend(words.clone());
        let mut without = vec!["-F".to_owned(), "none".to_owned()];
        without.extend(words);
        let parsed = |words: &[String]| parse(words.iter().map(Into::into).collect());
        let (Ok(Invocation::Native(asked)), Ok(Invocation::Native(alone))) =
            (parsed(&with_file), parsed(&without))
        else {
            continue;
        };
        let Ok(here) = load(&alone, &context, None) else {
            continue;
        };
        let there =
            load(&asked, &context, Some(&ssh)).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert_eq!(comparable(here), comparable(there), "{line:?}");
    }
}

/// Without what depends on the way of asking.
fn comparable(mut config: SshConfig) -> String {
    config.endpoint.named_file = None;
    // ssh turns this off by itself beside a UserKnownHostsFile of the user's.
    if config.host_keys.user_known_hosts.is_some() {
        config.host_keys.update_host_keys = None;
    }
    config.host_keys.host_key_alias = config
        .host_keys
        .host_key_alias
        .map(|alias| alias.to_lowercase());
    format!("{config:#?}")
}
