//! A password database of a test's own, by nss_wrapper: servers that look a user up, or compare a
//! password, find these users, and those of this machine are not touched.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{World, run};

/// The user there is.
pub const USER: &str = "alice";
/// And the password.
pub const PASSWORD: &str = "open sesame";

/// The user [`USER`] with the password [`PASSWORD`], the user id that runs the tests, with a HOME of
/// its own.
#[derive(Debug)]
pub struct Accounts {
    folder: PathBuf,
}

impl Accounts {
    /// Writes the database into a new folder of the world.
    pub fn new(world: &World) -> Self {
        let folder = world.path("accounts");
        fs::create_dir_all(folder.join("home/.ssh")).unwrap();
        let (user, group) = (
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw(),
        );
        let mut openssl = world.command("openssl");
        openssl.args(["passwd", "-6", "-salt", "suite", PASSWORD]);
        let hash = run(openssl).succeeds().stdout();
        let home = folder.join("home");
        for (name, text) in [
            (
                "passwd",
                format!(
                    "{USER}:x:{user}:{group}:Alice:{}:/bin/sh\n\
                     sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n",
                    home.display()
                ),
            ),
            ("group", format!("{USER}:x:{group}:\nnogroup:x:65534:\n")),
            (
                "shadow",
                format!(
                    "{USER}:{}:19000:0:99999:7:::\nsshd:!:19000:0:99999:7:::\n",
                    hash.trim()
                ),
            ),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        Self { folder }
    }

    /// The HOME of [`USER`], for its `authorized_keys`.
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// Makes what `command` starts see this database.
    pub fn shown_to(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", "libnss_wrapper.so")
            .env("NSS_WRAPPER_PASSWD", self.folder.join("passwd"))
            .env("NSS_WRAPPER_GROUP", self.folder.join("group"))
            .env("NSS_WRAPPER_SHADOW", self.folder.join("shadow"));
    }
}
