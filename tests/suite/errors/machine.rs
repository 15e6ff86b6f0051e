//! This machine's own files and settings.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};

use super::{SITE, Scene, holds, served};
use crate::support::World;

#[test]
fn another_user_s_home() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can give a folder away; nothing was looked at");
        return;
    }
    holds("HOME belongs to another user", || {
        let world = World::new();
        world.configure("bitbucket.passphrase", "none");
        chown(world.path("home"), Some(1234), None).unwrap();
        Scene::new(world, SITE)
            .afterwards(|world| chown(world.path("home"), Some(0), None).unwrap())
    });
}

#[test]
fn a_directory_of_keys_that_others_can_write_to() {
    holds("Other users can write to the directory of the keys", || {
        let world = World::new();
        world.configure("bitbucket.passphrase", "none");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(world.path("home/.ssh"), open).unwrap();
        Scene::new(world, SITE)
    });
}

#[test]
fn a_repository_that_git_does_not_trust() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can give a folder away; nothing was looked at");
        return;
    }
    holds("The repository is not trusted", || {
        let world = served();
        world
            .git(&["clone", "-q", "git@bitbucket.org:acme/site.git", "site"])
            .succeeds();
        for folder in ["work/site", "work/site/.git"] {
            chown(world.path(folder), Some(1234), None).unwrap();
        }
        Scene::new(world, "git -C site fetch")
    });
}

#[test]
fn a_setting_that_is_not_understood() {
    holds("A setting has an invalid value", || {
        let world = World::new();
        world.configure("bitbucket.passphrase", "none");
        world.configure("bitbucket.provision", "perhaps");
        Scene::new(world, SITE)
    });
}

#[test]
fn a_misspelt_option_of_ssh_config() {
    holds("ssh_config has an error", || {
        let world = served();
        let config = world.path("home/.ssh/config");
        fs::write(&config, "Host bitbucket.org\n    IdentitiesOnl no\n").unwrap();
        Scene::new(world, SITE).afterwards(move |_| {
            fs::write(config, "Host bitbucket.org\n    IdentitiesOnly no\n").unwrap();
        })
    });
}
