//! Host keys: known_hosts against the published ones, revoked ones, those of today.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::{append, doctor, finds, is_fixed, is_fixed_by_answers, is_well, served};
use crate::support::{Tls, World};

const OFFLINE: [&str; 1] = ["--offline"];

/// The lines of <https://bitbucket.org/site/ssh>.
const PUBLISHED: &str = include_str!("../../sandbox/reference/bitbucket-cloud.known_hosts");

/// The RSA key that Bitbucket withdrew in 2023, as it was in known_hosts files.
const WITHDRAWN: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEAubiN81eDcafrgMeLzaFPsw2kNvEcqTKl/VqLat/MaB33pZy0y3rJZtnqwR2qOOvbwKZYKiEO1O6VqNEBxKvJJelCq0dTXWT5pbO2gDXC6h6QDXCaHo6pOHGPUy+YBaGQRGuSusMEASYiWunYN0vCAI8QaXnWMXNMdFP3jHAJH0eDsoiGnLPBlBp4TNm6rYI74nMzgz3B9IikW4WVK+dc8KZJZWYjAuORU3jc1c/NPskD2ASinf8v3xnfXeukU0sJ5N6m5E8VLjObPEO+mN2t/FZTMZLiFqPWc/ALSqnMnnhwrNi2rbfg/rd/IpL8Le3pSBne8+seeFVBoGqzHM9yXw==";

fn published() -> Vec<&'static str> {
    let lines = PUBLISHED.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap().1).collect()
}

/// A served machine with this in front of what known_hosts has.
fn knowing(text: &str) -> World {
    let world = served();
    let file = world.path("home/.ssh/known_hosts");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{before}")).unwrap();
    world
}

#[test]
fn a_key_that_bitbucket_does_not_have_is_removed() {
    let world = served();
    let key = world.make_key("stranger", "");
    let world = {
        append(
            &world,
            "home/.ssh/known_hosts",
            &format!("bitbucket.org {key}"),
        );
        append(
            &world,
            "home/.ssh/known_hosts",
            &format!("example.org {key}"),
        );
        world
    };
    let found = ("host-keys", "FAIL", "a key that Bitbucket does not publish");
    let next = is_fixed(&world, &OFFLINE, found);
    assert_eq!(next, "ssh-keygen -f ~/.ssh/known_hosts -R bitbucket.org");
    let left = fs::read_to_string(world.path("home/.ssh/known_hosts")).unwrap();
    assert!(left.contains("example.org"), "other lines stay: {left}");
}

#[test]
fn published_keys_that_are_missing_are_entered() {
    let world = knowing(&format!("bitbucket.org {}\n", published()[0]));
    let found = (
        "host-keys",
        "WARN",
        "2 of the 3 published keys are not in known_hosts",
    );
    let next = is_fixed(&world, &OFFLINE, found);
    assert_eq!(next, "git bitbucket doctor --fix --yes");
}

#[test]
fn a_withdrawn_key_is_taken_away() {
    let world = knowing(&format!(
        "# mine\nbitbucket.org,104.192.143.1 {WITHDRAWN} old\n"
    ));
    let found = ("host-keys-revoked", "FAIL", "withdrew in 2023");
    is_fixed(&world, &OFFLINE, found);
    let left = fs::read_to_string(world.path("home/.ssh/known_hosts")).unwrap();
    assert!(left.starts_with("# mine\n") && !left.contains(WITHDRAWN));
}

#[test]
fn a_line_that_revokes_a_published_key_is_taken_away() {
    let world = knowing(&format!(
        "# mine\n@revoked bitbucket.org {}\n",
        published()[0]
    ));
    let found = (
        "host-keys-revoked",
        "FAIL",
        "revokes a key that Bitbucket publishes",
    );
    let next = is_fixed(&world, &OFFLINE, found);
    assert_eq!(next, "sed -i.bak 2d ~/.ssh/known_hosts");
}

#[test]
fn a_list_of_revoked_keys_can_be_read_and_names_none_of_bitbucket() {
    let world = served();
    fs::write(
        world.path("home/.ssh/config"),
        "Host *\n  RevokedHostKeys ~/.ssh/revoked\n",
    )
    .unwrap();
    let found = (
        "revoked-host-keys",
        "FAIL",
        "cannot be read, so no host is trusted",
    );
    assert_eq!(is_fixed(&world, &OFFLINE, found), "touch ~/.ssh/revoked");
    let other = world.make_key("lost", "");
    append(
        &world,
        "home/.ssh/revoked",
        &format!("{}\n{other}", published()[1]),
    );
    let found = (
        "revoked-host-keys",
        "FAIL",
        "revokes a key that Bitbucket publishes",
    );
    assert_eq!(
        is_fixed(&world, &OFFLINE, found),
        "sed -i.bak 1d ~/.ssh/revoked"
    );
    let left = fs::read_to_string(world.path("home/.ssh/revoked")).unwrap();
    assert_eq!(left, other);
}

#[test]
fn a_custom_endpoint_is_used_for_the_first_time() {
    let world = served();
    fs::write(world.path("home/.ssh/known_hosts"), "").unwrap();
    let found = ("host-keys", "WARN", "not in known_hosts");
    let next = is_fixed_by_answers(&world, &OFFLINE, found, &[("(yes/no", "yes")]);
    assert!(next.starts_with("bitbucket-ssh -p "), "{next}");
}

/// A request as far as its empty line.
fn head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    head
}

/// The internet as far as a proxy shows it: every HTTPS host is this page.
fn internet(world: &mut World, page: String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let published = head(&mut stream).starts_with(b"GET /site/ssh ");
            let (status, body) = if published {
                ("200 OK", page.as_str())
            } else {
                ("401 Unauthorized", "")
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    let tls = Tls::start(&world.path("tmp"), || world.command("openssl"), web);
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in proxy.incoming() {
            let mut near = stream.unwrap();
            std::thread::spawn(move || {
                head(&mut near);
                let mut far = TcpStream::connect(("127.0.0.1", tls.port)).unwrap();
                let _ = near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
                let (mut back, mut forth) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut back, &mut forth));
                let _ = std::io::copy(&mut near, &mut far);
            });
        }
    });
    world.configure("http.sslCAInfo", tls.ca.to_str().unwrap());
    world.set("HTTPS_PROXY", &format!("http://{address}"));
    world
        .git(&[
            "config",
            "--global",
            "--unset-all",
            "bitbucket.https://bitbucket.org.apiUrl",
        ])
        .succeeds();
}

#[test]
fn keys_that_are_published_since_are_entered() {
    let mut world = served();
    internet(&mut world, PUBLISHED.to_owned());
    let (_, list) = doctor(&world, &[]);
    finds(&list, "host-keys-published", "OK", "the built-in keys");

    let mut world = served();
    let new = world.make_key("new-host-key", "");
    internet(&mut world, format!("{PUBLISHED}bitbucket.org {new}"));
    let found = ("host-keys-published", "WARN", "1 published key newer than");
    let next = is_fixed(&world, &[], found);
    assert_eq!(next, "git bitbucket doctor --fix --yes");
    let known = fs::read_to_string(world.path("home/.ssh/known_hosts")).unwrap();
    let new = new.rsplit_once(' ').unwrap().0;
    for name in [
        "bitbucket.org",
        "ssh.bitbucket.org",
        "[altssh.bitbucket.org]:443",
    ] {
        assert!(
            known.contains(&format!("\n{name} {new}\n")),
            "{name}: {known}"
        );
    }
    // What the site publishes is no stranger's.
    is_well(&doctor(&world, &[]).1, "host-keys");
}
