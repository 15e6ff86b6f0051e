//! UpdateHostKeys: what the files say after a host has announced its keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::Both;
use crate::support::{Sshd, run};

/// A server with three host keys, and one that it no longer has.
struct Hosts {
    both: Both,
    sshd: Sshd,
    keys: [String; 3],
    stale: String,
}

impl Hosts {
    fn new() -> Self {
        let both = Both::new("LogLevel ERROR");
        let mut keys = ["ed25519", "ecdsa", "rsa"].map(|kind| {
            let mut keygen = both.world.command("ssh-keygen");
            keygen
                .args(["-q", "-N", "", "-C", "", "-t", kind, "-f"])
                .arg(both.path(&format!("host_{kind}")));
            run(keygen).succeeds();
            let public = both.path(&format!("host_{kind}.pub"));
            fs::read_to_string(public).unwrap().trim().to_owned()
        });
        let more = ["ecdsa", "rsa"]
            .map(|kind| format!("HostKey {}", both.path(&format!("host_{kind}")).display()));
        let sshd = Sshd::start(
            &both.world,
            &format!(
                "LogLevel ERROR\n{}\nMatch all\nForceCommand none",
                more.join("\n")
            ),
        );
        sshd.authorize(&fs::read_to_string(both.world.path("home/.ssh/id.pub")).unwrap());
        fs::write(both.path("config"), "").unwrap();
        // sshd made its first key itself.
        let stale = std::mem::replace(&mut keys[0], {
            let line = sshd.known_hosts();
            let mut words = line.split_whitespace().skip(1);
            format!("{} {}", words.next().unwrap(), words.next().unwrap())
        });
        Self {
            both,
            sshd,
            keys,
            stale,
        }
    }

    /// `text` with the server's name, its keys and the stale one in their places.
    fn filled(&self, text: &str) -> String {
        text.replace("NAME", &format!("[127.0.0.1]:{}", self.sshd.port))
            .replace("ED25519", &self.keys[0])
            .replace("ECDSA", &self.keys[1])
            .replace("RSA", &self.keys[2])
            .replace("STALE", &self.stale)
    }

    /// Both do the same with the files `first` and `second`; gives what `first` says then.
    #[track_caller]
    fn same(&self, options: &str, first: &str, second: Option<&str>, hashed: bool) -> String {
        let at = |name: &str| self.both.path(name);
        let before = || {
            for name in ["first", "first.old", "second", "second.old"] {
                let _ = fs::remove_file(at(name));
            }
            fs::write(at("first"), self.filled(first)).unwrap();
            fs::set_permissions(at("first"), fs::Permissions::from_mode(0o644)).unwrap();
            if hashed {
                let mut keygen = self.both.world.command("ssh-keygen");
                keygen.args(["-q", "-H", "-f"]).arg(at("first"));
                run(keygen).succeeds();
                fs::remove_file(at("first.old")).unwrap();
            }
            if let Some(second) = second {
                fs::write(at("second"), self.filled(second)).unwrap();
            }
        };
        let look = || {
            let output = ["first", "first.old", "second", "second.old"].map(|name| {
                let Ok(text) = fs::read_to_string(at(name)) else {
                    return format!("{name}: none");
                };
                let mode = fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
                // The salt of a hashed name does not matter.
                let shown = text
                    .split_inclusive('\n')
                    .map(|line| match line.split_once(' ') {
                        Some((name, rest)) if name.starts_with("|1|") => format!("hashed {rest}"),
                        _ => line.to_owned(),
                    });
                format!("{name}, {mode:o}: {}", shown.collect::<String>())
            });
            output.join("\n")
        };
        let words = format!(
            "-F {{work}}/config {options} -o GlobalKnownHostsFile=none -o IdentitiesOnly=yes \
             -o StrictHostKeyChecking=yes -p {} {{id}} 127.0.0.1 echo in",
            self.sshd.port
        );
        let case = self.both.case(first, &words).before(&before).after(&look);
        assert_eq!(case.same().status, Some(0), "{options}: {first}");
        fs::read_to_string(at("first")).unwrap()
    }
}

const YES: &str = "-o UpdateHostKeys=yes -o UserKnownHostsFile={work}/first";

#[test]
fn announced_keys_change_the_file_as_ssh_changes_it() {
    let hosts = Hosts::new();
    for (before, changes) in [
        ("NAME ED25519\n", true),
        ("NAME ED25519 a comment", true),
        ("# first\n\nNAME ED25519\nother STALE x\nbroken\n", true),
        ("NAME STALE\nNAME ED25519\n", true),
        ("NAME ED25519\nNAME ECDSA\nNAME RSA\n", false),
        ("NAME ED25519\nNAME ECDSA\nNAME RSA\nNAME STALE\n", true),
        ("NAME ED25519\nNAME ED25519\n", true),
        ("NAME,10.0.0.1 ED25519\n", true),
        ("NAME,one,two ED25519\n", false),
        ("[127.0.0.*]:* ED25519\n", false),
        ("NAME ED25519\nother ECDSA\n", false),
        ("NAME ED25519\nNAME STALE\nother STALE\n", false),
        ("NAME ED25519\n@cert-authority NAME STALE\n", false),
        ("NAME ED25519\n@cert-authority other STALE\n", true),
        ("NAME ED25519\n@revoked NAME STALE\n", false),
        ("NAME ED25519\n@revoked * ECDSA\n", false),
        // The line of the host without its port is accepted, and belongs to another name.
        ("127.0.0.1 ED25519\n", false),
        ("  NAME\tED25519\n", true),
        ("NAME ED25519\r\n", true),
        ("NAME ED25519\nNAME ssh-ed25519 AAAAbroken\n", true),
    ] {
        let after = hosts.same(YES, before, None, false);
        assert_eq!(after != hosts.filled(before), changes, "{before}");
    }
    for hashing in ["yes", "no"] {
        let options = format!("{YES} -o HashKnownHosts={hashing}");
        hosts.same(&options, "NAME ED25519\nNAME STALE\n", None, true);
        hosts.same(&options, "NAME ED25519\n", None, false);
    }
}

#[test]
fn update_host_keys_no_updates_nothing() {
    let hosts = Hosts::new();
    let first = "-o UserKnownHostsFile={work}/first";
    let stale = "NAME ED25519\nNAME STALE\n";
    for (options, changes) in [
        (format!("{first} -o UpdateHostKeys=yes"), true),
        (format!("{first} -o UpdateHostKeys=no"), false),
        // With a remote command no question is asked.
        (format!("{first} -o UpdateHostKeys=ask"), false),
        // Another file than the usual one: off by default.
        (first.to_owned(), false),
        (
            format!("{YES} -o GlobalKnownHostsFile={{work}}/first"),
            false,
        ),
        (format!("{YES} -o HostKeyAlgorithms=ssh-ed25519"), true),
        (
            format!("{YES} -o HostKeyAlgorithms=ssh-ed25519,rsa-sha2-512"),
            true,
        ),
        (format!("{YES} -o LogLevel=VERBOSE -q"), true),
    ] {
        let options = options.as_str();
        let after = hosts.same(options, stale, None, false);
        assert_eq!(after != hosts.filled(stale), changes, "{options}");
    }
    // New keys go to the first file; old ones leave both.
    let both = format!(
        "UpdateHostKeys yes\nUserKnownHostsFile {0}/first {0}/second\n",
        hosts.both.world.path("work").display()
    );
    fs::write(hosts.both.path("config"), both).unwrap();
    for second in [
        None,
        Some("NAME ED25519\nNAME STALE\n"),
        Some("NAME ECDSA\n"),
        Some("NAME* ECDSA\n"),
        Some("other RSA\n"),
        Some(""),
    ] {
        hosts.same("", stale, second, false);
    }
    hosts.same("", "", Some(stale), false);
}
