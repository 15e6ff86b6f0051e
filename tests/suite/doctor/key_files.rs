//! Key files: present, permissions, format, size, passphrase, `.pub`.

use std::fs;

use super::{advice, chmod, is_fixed, is_fixed_by_answers, key_file, served};
use crate::support::{World, run};

const OFFLINE: [&str; 1] = ["--offline"];

#[test]
fn a_file_that_is_gone_is_made_anew() {
    let world = served();
    let key = key_file(&world);
    fs::remove_file(world.path("home").join(&key[2..])).unwrap();
    let found = (
        "key-present",
        "FAIL",
        "the file of this managed key is gone",
    );
    let next = is_fixed(&world, &OFFLINE, found);
    assert_eq!(next, "git bitbucket key new --account alice@example.com");
    world.git(&["-C", "site", "fetch"]).succeeds();

    world.configure("bitbucket.identityFile", "~/.ssh/gone");
    let found = (
        "key-present",
        "FAIL",
        "configured, but the file does not exist",
    );
    let next = is_fixed(&world, &OFFLINE, found);
    assert_eq!(next, "git bitbucket key new --file ~/.ssh/gone");
    world.git(&["-C", "site", "fetch"]).succeeds();
}

#[test]
fn a_machine_without_a_key_makes_one() {
    let world = World::new();
    let next = is_fixed(&world, &OFFLINE, ("key-present", "WARN", "no key files"));
    assert_eq!(next, "git bitbucket key new --account alice@example.com");
}

#[test]
fn permissions_are_fixed() {
    let world = served();
    let key = key_file(&world);
    for (path, mode, expected) in [
        (key.as_str(), 0o644, format!("chmod 600 {key}")),
        ("~/.ssh", 0o777, "chmod 700 ~/.ssh".to_owned()),
        (
            "~/.ssh/bitbucket-ssh",
            0o755,
            "chmod 700 ~/.ssh/bitbucket-ssh".to_owned(),
        ),
    ] {
        chmod(&world, &format!("home/{}", &path[2..]), mode);
        let text = format!("{mode:04o}");
        let next = is_fixed(&world, &OFFLINE, ("key-permissions", "FAIL", &text));
        assert_eq!(next, expected);
    }
}

#[test]
fn an_unreadable_format_is_converted_or_the_file_renamed() {
    let world = served();
    world.make_key("id_ecdsa", "");
    let file = world.path("home/.ssh/id_ecdsa");
    let fingerprint = |file| {
        let mut list = world.command("ssh-keygen");
        list.arg("-lf").arg(file);
        run(list)
            .succeeds()
            .stdout()
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let before = fingerprint(&file);
    let mut convert = world.command("puttygen");
    convert.arg(&file).args(["-O", "private", "-o"]).arg(&file);
    run(convert).succeeds();
    fs::remove_file(world.path("home/.ssh/id_ecdsa.pub")).unwrap();
    let next = is_fixed(&world, &OFFLINE, ("key-format", "FAIL", "PuTTY"));
    assert_eq!(
        next,
        "mv ~/.ssh/id_ecdsa ~/.ssh/id_ecdsa.ppk; \
         puttygen ~/.ssh/id_ecdsa.ppk -O private-openssh -o ~/.ssh/id_ecdsa"
    );
    assert_eq!(fingerprint(&file), before);

    fs::write(&file, "no key at all\n").unwrap();
    let next = is_fixed(&world, &OFFLINE, ("key-format", "FAIL", ""));
    assert_eq!(next, "mv ~/.ssh/id_ecdsa ~/.ssh/id_ecdsa.unreadable");
}

#[test]
fn a_key_that_is_too_small_gets_a_successor() {
    for (bits, verdict, text) in [
        (
            "1024",
            "FAIL",
            "RSA with 1024 bits, but Bitbucket requires 2048 or more",
        ),
        ("2048", "WARN", "RSA with 2048 bits; 3072"),
    ] {
        let world = World::new();
        // The account is known, and its key is not made yet.
        world.git_bitbucket(&[
            "use",
            crate::support::ALICE,
            "--global",
            "--site",
            "https://bitbucket.org",
        ]);
        let mut keygen = world.command("ssh-keygen");
        keygen.args(["-q", "-t", "rsa", "-b", bits, "-N", "", "-f"]);
        keygen.arg(world.path("home/.ssh/id_rsa"));
        run(keygen).succeeds();
        let next = is_fixed(&world, &OFFLINE, ("key-size", verdict, text));
        assert_eq!(
            next,
            "git bitbucket key new --account alice@example.com --type ed25519"
        );
        world.git(&["clone", "-q", super::URL, "site"]).succeeds();
    }
}

#[test]
fn the_other_half_is_written_from_the_private_one() {
    let world = served();
    let key = key_file(&world);
    let public = world.path("home").join(format!("{}.pub", &key[2..]));
    let expected = format!("ssh-keygen -y -f {key} >{key}.pub");
    fs::remove_file(&public).unwrap();
    let next = is_fixed(&world, &OFFLINE, ("key-public", "WARN", "no .pub"));
    assert_eq!(next, expected);
    let other = world.make_key("other", "");
    fs::write(&public, other).unwrap();
    let next = is_fixed(
        &world,
        &OFFLINE,
        ("key-public", "FAIL", "belongs to another key"),
    );
    assert_eq!(next, expected);
    fs::write(&public, "rubbish\n").unwrap();
    let next = is_fixed(&world, &OFFLINE, ("key-public", "FAIL", "holds no key"));
    assert_eq!(next, expected);
}

#[test]
fn a_locked_key_is_opened_for_its_other_half() {
    let world = served();
    world.make_key("id_ecdsa", "passed over");
    let other = world.make_key("other", "");
    fs::write(world.path("home/.ssh/id_ecdsa.pub"), other).unwrap();
    let found = ("key-public", "FAIL", "belongs to another key");
    let next = advice(&world, &OFFLINE, found);
    assert_eq!(
        next,
        "ssh-keygen -y -f ~/.ssh/id_ecdsa >~/.ssh/id_ecdsa.pub"
    );
    is_fixed_by_answers(&world, &OFFLINE, found, &[("passphrase", "passed over")]);
}
