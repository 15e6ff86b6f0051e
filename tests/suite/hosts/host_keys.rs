//! Host keys: unknown, changed, revoked, certified; the question; what is added to known_hosts.

use std::fs;

use super::Both;
use crate::support::run;

/// The destination, with a known_hosts file `learned` of its own.
const TO: &str = "-F none -o GlobalKnownHostsFile=none -o UserKnownHostsFile={work}/learned \
                  -o IdentitiesOnly=yes -p {port} {id}";

/// The contents of `learned`, without the salt of hashed names.
fn learned(both: &Both) -> String {
    let text = fs::read_to_string(both.path("learned")).unwrap_or_default();
    let lines = text.lines().map(|line| match line.split_once(' ') {
        Some((name, rest)) if name.starts_with("|1|") => format!("hashed {rest}"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_unknown_key_is_refused_asked_about_or_added_alike() {
    let both = Both::new("LogLevel ERROR");
    let forget = || {
        let _ = fs::remove_file(both.path("learned"));
    };
    let look = || learned(&both);
    for option in [
        "StrictHostKeyChecking=yes",
        "StrictHostKeyChecking=no",
        "StrictHostKeyChecking=off",
        "StrictHostKeyChecking=accept-new",
        "StrictHostKeyChecking=ask",
        "BatchMode=yes",
        "StrictHostKeyChecking=no -o HashKnownHosts=yes",
        "StrictHostKeyChecking=no -o HostKeyAlias=other",
        "StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes -o GlobalKnownHostsFile={work}/known",
    ] {
        let words = format!("-o {option} {TO} 127.0.0.1 echo in");
        let case = both.case("unknown", &words);
        case.before(&forget).after(&look).same();
    }
    let public = both.path("public");
    fs::write(&public, both.sshd.known_hosts().split_once(' ').unwrap().1).unwrap();
    let mut keygen = both.world.command("ssh-keygen");
    keygen.arg("-lf").arg(&public);
    let output = run(keygen).succeeds().stdout();
    let fingerprint = output.split(' ').nth(1).unwrap();
    for (answers, why) in [
        (&["yes"][..], "yes"),
        (&["no"], "no"),
        (&["maybe", "yes"], "asked again"),
        (&[fingerprint], "the fingerprint"),
        (&[], "nobody answers"),
    ] {
        let words = format!("{TO} 127.0.0.1 echo in");
        let case = both.case(why, &words).environment(&both.askpass(answers));
        let seen = case.before(&forget).after(&look).same();
        assert!(seen.asked.contains("can't be established"), "{why}");
    }
}

#[test]
fn a_changed_or_revoked_key_is_reported_alike() {
    let both = Both::new("LogLevel ERROR");
    let other = both.world.make_key("other", "");
    let changed = format!("# known\n[127.0.0.1]:{} {other}", both.sshd.port);
    let write = || fs::write(both.path("learned"), &changed).unwrap();
    let look = || learned(&both);
    for strict in ["yes", "no", "off", "accept-new", "ask"] {
        let words = format!("-o StrictHostKeyChecking={strict} {TO} 127.0.0.1 echo in");
        let case = both.case("changed", &words);
        let seen = case.before(&write).after(&look).same();
        assert!(seen.stderr.contains("HAS CHANGED"), "{strict}");
    }
    let revoked = format!("@revoked {}", both.sshd.known_hosts());
    let write = || fs::write(both.path("learned"), &revoked).unwrap();
    let words = format!("-o StrictHostKeyChecking=yes {TO} 127.0.0.1 echo in");
    both.case("@revoked", &words).before(&write).same();
    let public = both.path("public");
    fs::write(&public, both.sshd.known_hosts().split_once(' ').unwrap().1).unwrap();
    for (file, why) in [("public", "listed"), ("nowhere", "the list is missing")] {
        let words = format!("-o RevokedHostKeys={{work}}/{file} {{to}} {{id}} 127.0.0.1 echo in");
        assert_eq!(both.case(why, &words).same().status, Some(255), "{why}");
    }
}

#[test]
fn a_certified_host_needs_no_line_of_its_own() {
    let both = Both::new("LogLevel ERROR");
    let authority = both.world.make_key("authority", "");
    let host = format!("sshd-{}/host_key", both.sshd.port);
    let mut keygen = both.world.command("ssh-keygen");
    keygen
        .args(["-q", "-h", "-I", "host", "-n", "127.0.0.1", "-s"])
        .arg(both.world.path("home/.ssh/authority"))
        .arg(both.world.path(&format!("{host}.pub")));
    run(keygen).succeeds();
    let certified = crate::support::Sshd::start(
        &both.world,
        &format!(
            "LogLevel ERROR\nHostKey {0}\nHostCertificate {0}-cert.pub\nMatch all\nForceCommand none",
            both.world.path(&host).display()
        ),
    );
    certified.authorize(&fs::read_to_string(both.world.path("home/.ssh/id.pub")).unwrap());
    fs::write(
        both.path("learned"),
        format!("@cert-authority * {authority}"),
    )
    .unwrap();
    for option in ["LogLevel=INFO", "HostKeyAlias=another"] {
        let words = format!(
            "-o {option} -o StrictHostKeyChecking=yes -p {} {TO} 127.0.0.1 echo in",
            certified.port
        );
        both.case("certified", &words).same();
    }
}
