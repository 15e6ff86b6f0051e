//! Remotes that name `bitbucket.org`: no warning, but an offer.

use super::{is_fixed, served};

#[test]
fn a_remote_on_the_old_name_is_moved() {
    let world = served();
    let next = is_fixed(
        &world,
        &["--offline"],
        ("remotes", "OK", "may need ssh.bitbucket.org"),
    );
    assert_eq!(
        next,
        "git remote set-url origin git@ssh.bitbucket.org:acme/site.git"
    );
}

#[test]
fn an_url_for_pushing_is_moved_alone() {
    let world = served();
    for arguments in [
        [
            "remote",
            "set-url",
            "origin",
            "git@ssh.bitbucket.org:acme/site.git",
        ]
        .as_slice(),
        &[
            "remote",
            "set-url",
            "--push",
            "origin",
            "ssh://git@bitbucket.org/acme/site",
        ],
    ] {
        let mut all = vec!["-C", "site"];
        all.extend(arguments);
        world.git(&all).succeeds();
    }
    let next = is_fixed(
        &world,
        &["--offline"],
        ("remotes", "OK", "may need ssh.bitbucket.org"),
    );
    assert_eq!(
        next,
        "git remote set-url --push origin git@ssh.bitbucket.org:acme/site.git"
    );
}
