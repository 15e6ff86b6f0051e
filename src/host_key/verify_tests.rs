//! The order in which the sources decide, row by row.

use std::path::Path;

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{PrivateKey, PublicKey};

use super::{Question, preferred_algorithms, verify, verify_certificate};
use crate::host_key::known_hosts::KnownHosts;
use crate::host_key::revocation::RevokedKeys;
use crate::host_key::{KnownFrom, Verdict, published};

fn private(seed: u8) -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[seed; 32]);
    PrivateKey::new(KeypairData::from(pair), "").expect("a key")
}

fn key(seed: u8) -> PublicKey {
    private(seed).public_key().clone()
}

fn line(names: &str, key: &PublicKey) -> String {
    format!("{names} {}\n", key.to_openssh().expect("a key"))
}

fn known(text: &str) -> KnownHosts {
    KnownHosts::of_text(Path::new("/k"), text)
}

/// One word for each verdict, with the line that decided.
fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Known(KnownFrom::Line(line)) => format!("known {}", line.number),
        Verdict::Known(KnownFrom::Authority(line)) => format!("authority {}", line.number),
        Verdict::Known(KnownFrom::Published) => "published".to_owned(),
        Verdict::Known(KnownFrom::Site) => "site".to_owned(),
        Verdict::Unknown { same_key } => format!("unknown {}", same_key.len()),
        Verdict::Changed { offending } => format!("changed {}", offending[0].line.number),
        Verdict::Revoked { .. } => "revoked".to_owned(),
        Verdict::NotPublished => "not published".to_owned(),
        Verdict::BadCertificate(why) => why.clone(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_first_word_counts() {
    let bitbucket = &published::keys()[0];
    let bitbucket_rsa = &published::keys()[2];
    let mine = key(1);
    let other = key(2);
    let cloud = "ssh.bitbucket.org";
    for (text, name, published, shown, expected, why) in [
        (
            String::new(),
            "h",
            false,
            &mine,
            "unknown 0",
            "nobody knows it",
        ),
        (
            line("other", &mine),
            "h",
            false,
            &mine,
            "unknown 1",
            "known by another name",
        ),
        (line("h", &mine), "h", false, &mine, "known 1", "a line"),
        (
            line("h", &other),
            "h",
            false,
            &mine,
            "changed 1",
            "another key",
        ),
        (
            line("h", bitbucket_rsa),
            "h",
            false,
            &mine,
            "changed 1",
            "a key of another type counts too, as for ssh(1)",
        ),
        (
            line("h", &other) + &line("h", &mine),
            "h",
            false,
            &mine,
            "known 2",
            "one of several",
        ),
        (
            line("@revoked *", &mine) + &line("h", &mine),
            "h",
            false,
            &mine,
            "revoked",
            "revoked stands before known",
        ),
        (
            String::new(),
            cloud,
            true,
            bitbucket,
            "published",
            "built in",
        ),
        (
            String::new(),
            cloud,
            true,
            &mine,
            "not published",
            "every other key is refused",
        ),
        (
            line(cloud, &mine),
            cloud,
            true,
            &mine,
            "known 1",
            "the user's line decides",
        ),
        (
            line(cloud, &other),
            cloud,
            true,
            bitbucket,
            "changed 1",
            "also against the published keys",
        ),
        (
            line("bitbucket.org", &mine),
            cloud,
            true,
            &mine,
            "known 1",
            "a line for bitbucket.org accepts",
        ),
        (
            line("bitbucket.org", &other),
            cloud,
            true,
            bitbucket,
            "published",
            "but only accepts",
        ),
        (
            line("@revoked bitbucket.org", bitbucket),
            cloud,
            true,
            bitbucket,
            "revoked",
            "and revokes",
        ),
        (
            line("@cert-authority h", &mine),
            "h",
            false,
            &mine,
            "unknown 0",
            "an authority's key is no host key",
        ),
    ] {
        let also = ["bitbucket.org".to_owned()];
        let question = Question {
            name,
            also: if name == cloud { &also } else { &[] },
            published,
            site_fingerprints: &[],
            known_hosts: &known(&text),
            revoked: None,
        };
        assert_eq!(told(&verify(&question, shown)), expected, "{why}");
    }
}

#[test]
fn a_site_s_fingerprint_counts_and_lists_of_revoked_keys_do() {
    let mine = key(1);
    let fingerprint = mine.fingerprint(ssh_key::HashAlg::Sha256).to_string();
    let empty = known("");
    let question = Question {
        name: "h",
        also: &[],
        published: false,
        site_fingerprints: std::slice::from_ref(&fingerprint),
        known_hosts: &empty,
        revoked: None,
    };
    assert_eq!(told(&verify(&question, &mine)), "site");
    for (list, why) in [
        (
            RevokedKeys::Keys {
                file: "/r".into(),
                keys: vec![mine.key_data().clone()],
            },
            "it is on the list",
        ),
        (
            RevokedKeys::Unreadable {
                file: "/r".into(),
                why: String::new(),
            },
            "a list that cannot be read",
        ),
    ] {
        let question = Question {
            revoked: Some(&list),
            ..question
        };
        assert_eq!(told(&verify(&question, &mine)), "revoked", "{why}");
    }
}

#[test]
fn certificates_hold_for_their_names_and_times() {
    use ssh_key::certificate::{Builder, CertType};
    let authority = private(9);
    let text = line("@cert-authority *.example.com,h", authority.public_key());
    let make = |kind: CertType, principal: &str| {
        let mut builder =
            Builder::new([5; 16], key(1).key_data().clone(), 1000, 2000).expect("a builder");
        builder.cert_type(kind).expect("a type");
        builder.valid_principal(principal).expect("a principal");
        builder.sign(&authority).expect("a certificate")
    };
    let known = known(&text);
    for (kind, principal, name, now, expected, why) in [
        (CertType::Host, "h", "h", 1500, "authority 1", "it holds"),
        (
            CertType::Host,
            "*.example.com",
            "a.example.com",
            1500,
            "authority 1",
            "a pattern",
        ),
        (
            CertType::Host,
            "h",
            "[h]:2222",
            1500,
            "unknown 0",
            "the line speaks of port 22",
        ),
        (
            CertType::Host,
            "x",
            "h",
            1500,
            "name is not a listed principal",
            "another host",
        ),
        (
            CertType::User,
            "h",
            "h",
            1500,
            "not a host certificate",
            "a user's",
        ),
        (CertType::Host, "h", "h", 3000, "expired", "too late"),
        (
            CertType::Host,
            "h",
            "elsewhere",
            1500,
            "unknown 0",
            "no authority for the name",
        ),
    ] {
        let question = Question {
            name,
            also: &[],
            published: false,
            site_fingerprints: &[],
            known_hosts: &known,
            revoked: None,
        };
        let verdict = verify_certificate(&question, &make(kind, principal), now);
        assert_eq!(told(&verdict), expected, "{why}");
    }
}

#[test]
fn algorithms_of_known_keys_are_asked_for_first() {
    let text = line("h", &published::keys()[2]);
    let question = Question {
        name: "h",
        also: &[],
        published: false,
        site_fingerprints: &[],
        known_hosts: &known(&text),
        revoked: None,
    };
    let names: Vec<_> = preferred_algorithms(&question)
        .iter()
        .map(|algorithm| algorithm.as_str().to_owned())
        .collect();
    assert_eq!(names[..2], ["rsa-sha2-512", "rsa-sha2-256"]);
    assert!(!names.contains(&"ssh-rsa".to_owned()), "no SHA-1");
}
