//! Networks and host keys.

use std::fs;
use std::net::TcpListener;

use super::{SITE, Scene, holds, served};
use crate::support::World;

const SSH_HOST: &str = "bitbucket.https://bitbucket.org.sshHost";

/// The site's SSH endpoints are these.
fn at(world: &World, places: &[&str]) {
    world
        .git(&["config", "--global", "--unset-all", SSH_HOST])
        .succeeds();
    for place in places {
        world.configure(SSH_HOST, place);
    }
}

/// SSH is at this place for now.
fn away(place: &str) -> Scene {
    let world = served();
    let own = world.sandbox.ssh_host();
    at(&world, &[place]);
    Scene::new(world, SITE).afterwards(move |world| at(world, &[&own]))
}

#[test]
fn a_port_without_a_server() {
    // Nothing listens on port 9 of loopback.
    holds("The connection is refused", || away("127.0.0.1:9"));
}

#[test]
fn a_proxy_command_that_fails() {
    holds("The proxy command fails", || {
        let world = served();
        let config = world.path("home/.ssh/config");
        fs::write(&config, "Host bitbucket.org\n  ProxyCommand false\n").unwrap();
        Scene::new(world, SITE).afterwards(move |_| fs::remove_file(&config).unwrap())
    });
}

#[test]
fn a_server_without_a_banner() {
    holds("The server does not answer", || {
        let door = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut scene = away(&door.local_addr().unwrap().to_string());
        scene
            .world
            .set("GIT_SSH_COMMAND", "bitbucket-ssh -o ConnectTimeout=1");
        scene.with(door)
    });
}

#[test]
fn a_name_that_is_not_known() {
    holds("The host is not known", || away("bitbucket.invalid"));
}

/// known_hosts has a line with this marker and an unused key.
fn another_key(world: &World, mark: &str) {
    let key = world.make_key("other", "");
    let line = format!("{mark}[127.0.0.1]:{} {key}", world.sandbox.ssh_port());
    fs::write(world.path("home/.ssh/known_hosts"), line).unwrap();
}

#[test]
fn a_changed_host_key() {
    holds("The host key has changed", || {
        let world = served();
        another_key(&world, "");
        Scene::new(world, SITE)
    });
}

#[test]
fn an_unknown_host_key() {
    holds("The host key is not known", || {
        let world = served();
        fs::write(world.path("home/.ssh/known_hosts"), "").unwrap();
        Scene::new(world, SITE)
    });
}

#[test]
fn a_revoked_host_key() {
    holds("The host key is revoked", || {
        let world = served();
        let known = world.sandbox.known_hosts();
        let revoked: Vec<_> = known
            .lines()
            .map(|line| format!("@revoked {line}\n"))
            .collect();
        fs::write(world.path("home/.ssh/known_hosts"), revoked.concat()).unwrap();
        Scene::new(world, SITE).afterwards(|world| {
            fs::write(
                world.path("home/.ssh/known_hosts"),
                world.sandbox.known_hosts(),
            )
            .unwrap();
        })
    });
}
