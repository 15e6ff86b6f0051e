//! Keys: files of every kind, passphrases, certificates, the agent, and the order of all of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Both;
use crate::support::{Agent, run};

fn keygen(both: &Both, words: &str) {
    let mut keygen = both.world.command("ssh-keygen");
    keygen
        .arg("-q")
        .args(words.split(' ').map(|word| match word {
            "none" => "",
            word => word,
        }));
    keygen.current_dir(both.world.path("home/.ssh"));
    run(keygen).succeeds();
}

fn public(both: &Both, name: &str) -> String {
    fs::read_to_string(both.world.path(&format!("home/.ssh/{name}.pub"))).unwrap()
}

#[test]
fn key_files_are_used_or_complained_about_alike() {
    let both = Both::new("LogLevel ERROR");
    let ssh = both.world.path("home/.ssh");
    both.world.make_key("other", "");
    for (name, words) in [
        ("rsa", "-t rsa -b 2048 -N none -f rsa"),
        ("ecdsa", "-t ecdsa -N none -f ecdsa"),
        ("pem", "-t rsa -b 2048 -m PEM -N none -f pem"),
        ("pkcs8", "-t ecdsa -m PKCS8 -N secret -f pkcs8"),
        ("encrypted", "-t ed25519 -N secret -f encrypted"),
    ] {
        keygen(&both, words);
        both.sshd.authorize(&public(&both, name));
    }
    fs::remove_file(ssh.join("pem.pub")).unwrap();
    fs::remove_file(ssh.join("pkcs8.pub")).unwrap();
    fs::write(ssh.join("text"), "hello\n").unwrap();
    fs::set_permissions(ssh.join("text"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(ssh.join("id"), ssh.join("open")).unwrap();
    fs::set_permissions(ssh.join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    for names in [
        "rsa",
        "ecdsa",
        "pem",
        "pkcs8",
        "encrypted",
        "other",
        "text",
        "open",
        "missing",
        "",
        "missing id",
        "other id",
        "text id",
        "open id",
        "encrypted id",
        "id other",
    ] {
        let files = names.split_whitespace();
        let files = files.map(|name| format!("-i {}/{name} ", ssh.display()));
        let words = format!("{{to}} {} 127.0.0.1 echo in", files.collect::<String>());
        both.case(names, &words).same();
        let batch = format!("-o BatchMode=yes {words}");
        both.case("BatchMode", &batch).same();
    }
    for (name, answers, why) in [
        ("encrypted", &["secret"][..], "the passphrase"),
        ("encrypted", &["a", "secret"], "a wrong one first"),
        ("encrypted", &["a", "b", "c", "secret"], "three tries"),
        ("encrypted", &[], "no answer"),
        ("encrypted", &[""], "an empty one"),
        ("pkcs8", &["secret"], "PKCS#8"),
    ] {
        let words = format!("{{to}} -i {}/{name} 127.0.0.1 echo in", ssh.display());
        let case = both.case(why, &words);
        let seen = case.environment(&both.askpass(answers)).same();
        assert!(seen.asked.contains("Enter passphrase for key"), "{why}");
    }
}

#[test]
fn certificates_stand_for_keys() {
    let both = Both::new("LogLevel ERROR");
    let authority = both.world.make_key("authority", "");
    both.world.make_key("certified", "");
    keygen(&both, "-s authority -I me -n root,me certified.pub");
    both.sshd
        .authorize(&format!("cert-authority,principals=\"me\" {authority}"));
    let words = "{to} -i {home}/.ssh/certified 127.0.0.1 echo in";
    assert_eq!(both.case("beside the key", words).same().status, Some(0));
    let ssh = both.world.path("home/.ssh");
    fs::rename(ssh.join("certified-cert.pub"), ssh.join("elsewhere")).unwrap();
    assert_eq!(both.case("none", words).same().status, Some(255));
    for name in ["elsewhere", "nowhere"] {
        let words = format!("-o CertificateFile={}/{name} {words}", ssh.display());
        both.case("CertificateFile", &words).same();
    }
}

#[test]
fn the_agent_s_keys_are_used_alike() {
    let mut both = Both::new("LogLevel ERROR");
    let agent = Agent::start(&mut both.world);
    agent.add(&both.world, "id");
    both.world.make_key("other", "");
    let ssh = both.world.path("home/.ssh");
    fs::copy(ssh.join("id.pub"), ssh.join("only.pub")).unwrap();
    let socket = agent.socket.display().to_string();
    let to = "-F none -o GlobalKnownHostsFile=none -o UserKnownHostsFile={work}/known -p {port}";
    for (option, status) in [
        ("-o LogLevel=INFO", 0),
        ("-o IdentitiesOnly=yes", 255),
        ("-i {home}/.ssh/other", 0),
        ("-o IdentitiesOnly=yes -i {home}/.ssh/other", 255),
        ("-o IdentitiesOnly=yes -i {home}/.ssh/only.pub", 0),
        ("-o IdentitiesOnly=yes -i {home}/.ssh/only", 255),
        ("-o IdentityAgent=none", 255),
        ("-o IdentityAgent=SSH_AUTH_SOCK", 0),
        ("-o IdentityAgent={work}/nothing {id}", 0),
        ("-o IdentityFile=none", 0),
        ("-o PubkeyAuthentication=no", 255),
    ] {
        let words = format!("{to} {option} 127.0.0.1 echo in");
        let seen = both.case(option, &words).same();
        assert_eq!(seen.status, Some(status), "{option}");
    }
    let words = format!("{to} -o IdentityAgent=$ELSE 127.0.0.1 echo in");
    let case = both.case("a variable", &words).variable("ELSE", &socket);
    assert_eq!(case.same().status, Some(0));
}

#[test]
fn add_keys_to_agent_adds_alike() {
    let mut both = Both::new("LogLevel ERROR");
    let agent = Agent::start(&mut both.world);
    let confirming = Agent::start_with(&both.world, "confirming", &both.askpass(&["yes"; 9]));
    let list = |argument: &str| {
        let all = [&agent.socket, &confirming.socket].map(|socket| {
            let mut command = both.world.command("ssh-add");
            command.env("SSH_AUTH_SOCK", socket).arg(argument);
            run(command).stdout()
        });
        all.concat()
    };
    for (name, words) in [
        ("rsa", "-t rsa -b 2048 -C my_rsa -N none -f rsa"),
        ("unnamed", "-t ed25519 -C none -N none -f unnamed"),
        ("pkcs8", "-t ecdsa -m PKCS8 -C lost -N none -f pkcs8"),
        ("locked", "-t ed25519 -C my_locked -N secret -f locked"),
    ] {
        keygen(&both, words);
        both.sshd.authorize(&public(&both, name));
    }
    let empty = || {
        list("-D");
    };
    let look = || list("-l");
    let socket = confirming.socket.display().to_string();
    let to_the_other = format!("confirm -o IdentityAgent={socket}");
    for (options, names, answers, added) in [
        ("yes", "id rsa unnamed pkcs8", &[][..], true),
        ("yes", "locked", &["secret"], true),
        ("no", "locked", &["secret"], false),
        ("confirm", "id", &[], true),
        (&to_the_other, "id", &[], true),
        ("5m", "id", &[], true),
        // For a file in PEM ssh(1) asks about "(null)".
        ("ask", "id", &["yes"], true),
        ("ask", "id", &["no"], false),
        ("ask", "id", &[""], true),
        ("ask", "id", &[], false),
        ("ask", "locked", &["secret", "yes"], true),
        ("yes -o IdentityAgent=none", "id", &[], false),
        ("yes -o IdentityAgent={work}/nothing", "id", &[], false),
    ] {
        for name in names.split(' ') {
            let why = format!("{options}, {name}, {answers:?}");
            let words = format!(
                "-o AddKeysToAgent={options} {{to}} -i {{home}}/.ssh/{name} 127.0.0.1 echo in"
            );
            let case = both.case(&why, &words);
            let case = case.environment(&both.askpass(answers));
            let seen = case.before(&empty).after(&look).same();
            assert_eq!(seen.after.contains("SHA256:"), added, "{why}");
            // Used once more, now from the agent.
            if name == "rsa" || options == "confirm" {
                let words = "-o IdentitiesOnly=no -o IdentityFile=none {to} 127.0.0.1 true";
                let seen = both.case(&why, words).environment(&both.askpass(&[]));
                assert_eq!(seen.same().status == Some(0), options != "confirm", "{why}");
            }
        }
    }
    // A key that is there keeps its name and its constraints.
    let renamed = || {
        list("-D");
        keygen_comment(&both, "rsa", "another");
        agent.add(&both.world, "rsa");
        keygen_comment(&both, "rsa", "my_rsa");
    };
    let words = "-o AddKeysToAgent=yes {to} -i {home}/.ssh/rsa 127.0.0.1 echo in";
    let case = both.case("held already", words).before(&renamed);
    assert!(case.after(&look).same().after.contains("another"));
}

fn keygen_comment(both: &Both, name: &str, comment: &str) {
    keygen(both, &format!("-c -C {comment} -P none -f {name}"));
}

#[test]
fn identities_are_offered_in_ssh_s_order() {
    let mut both = Both::new("LogLevel VERBOSE");
    let agent = Agent::start(&mut both.world);
    let mut names = Vec::new();
    for name in ["k0", "k1", "k2", "k3", "k4"] {
        both.world.make_key(name, "");
        let mut keygen = both.world.command("ssh-keygen");
        keygen
            .arg("-lf")
            .arg(both.world.path("home/.ssh").join(name));
        let output = run(keygen).succeeds().stdout();
        names.push((name, output.split(' ').nth(1).unwrap().to_owned()));
    }
    for name in ["k0", "k3", "k1"] {
        agent.add(&both.world, name);
    }
    let log = both.world.path(&format!("sshd-{}/log", both.sshd.port));
    let begin = std::cell::Cell::new(0);
    let mark = || begin.set(fs::read(&log).unwrap().len());
    let offered = || {
        let text = fs::read_to_string(&log).unwrap().split_off(begin.get());
        let lines = text
            .lines()
            .filter(|line| line.contains("Failed publickey"));
        let of = |line: &str| {
            let known = names.iter().find(|(_, key)| line.contains(key.as_str()));
            known.map(|(name, _)| *name)
        };
        lines.filter_map(of).collect::<Vec<_>>().join(" ")
    };
    let to = "-F none -o GlobalKnownHostsFile=none -o UserKnownHostsFile={work}/known -p {port}";
    for (option, expected) in [
        (
            "-i {home}/.ssh/k2 -i {home}/.ssh/k1 -i {home}/.ssh/k3",
            "k3 k1 k0 k2",
        ),
        (
            "-o IdentitiesOnly=yes -i {home}/.ssh/k2 -i {home}/.ssh/k1",
            "k1 k2",
        ),
        ("-o IdentityFile=none", "k0 k3 k1"),
        (
            "-o IdentityAgent=none -i {home}/.ssh/k2 -i {home}/.ssh/k1",
            "k2 k1",
        ),
    ] {
        let words = format!("{to} {option} 127.0.0.1 true");
        let seen = both
            .case(option, &words)
            .before(&mark)
            .after(&offered)
            .same();
        assert_eq!(seen.after, expected, "{option}");
    }
}
