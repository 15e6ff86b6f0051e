//! Names, TCP, SSH and API, with times; the clock.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::{doctor, finds, is_fixed, program, served, with_programs};
use crate::support::World;

const HOSTS: &str = "bitbucket.https://bitbucket.org.sshHost";
const API: &str = "bitbucket.https://bitbucket.org.apiUrl";

/// A port without a listener.
fn dead() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

#[test]
fn a_working_machine_is_shown_the_times() {
    let world = served();
    let (_, list) = doctor(&world, &[]);
    for check in ["resolve", "tcp", "ssh", "api", "session"] {
        let finding = finds(&list, check, "OK", "");
        assert!(finding["milliseconds"].is_u64(), "{finding}");
    }
    finds(&list, "clock", "OK", "within 1 s");
}

#[test]
fn a_name_without_an_address_is_taken_out() {
    let world = served();
    world.configure(HOSTS, "nowhere.invalid:7999");
    let next = is_fixed(&world, &[], ("resolve", "WARN", ""));
    assert_eq!(
        next,
        format!("git config --file ~/.gitconfig --unset-all {HOSTS} '^nowhere\\.invalid:7999$'")
    );
}

#[test]
fn a_port_that_is_closed_is_taken_out() {
    let world = served();
    world.configure(HOSTS, &dead());
    let next = is_fixed(&world, &[], ("tcp", "WARN", "refused"));
    assert!(next.contains(" --unset-all "), "{next}");
    // Alone, it is a FAIL.
    world
        .git(&["config", "--global", "--replace-all", HOSTS, &dead()])
        .succeeds();
    let (status, list) = doctor(&world, &[]);
    assert_eq!(status, 1);
    finds(&list, "tcp", "FAIL", "refused");
}

#[test]
fn a_server_that_is_not_ssh_is_removed() {
    let world = served();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    world.configure(HOSTS, &listener.local_addr().unwrap().to_string());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"220 mail\r\n");
        }
    });
    is_fixed(&world, &[], ("ssh", "WARN", "before the SSH version line"));
}

#[test]
fn an_api_that_is_broken_for_a_moment_is_asked_again() {
    let world = served();
    let answer = sandbox::RestFault::Answer {
        status: 503,
        body: "{}".to_owned(),
    };
    world.sandbox.faults().rest("GET", "/user", answer, 64);
    let (status, list) = doctor(&world, &[]);
    let next = finds(&list, "api", "FAIL", "503")["next"].as_str().unwrap();
    assert_eq!((status, next), (1, "git bitbucket doctor"));
    world.sandbox.faults().clear();
    super::paste(&world, &[], next);
    super::is_well(&super::after(&world, &next), "api");
}

/// A configured address that does not answer is followed by the next one.
#[test]
fn an_api_that_is_not_there_is_taken_out() {
    let world = served();
    let text = std::fs::read_to_string(world.path("home/.gitconfig")).unwrap();
    std::fs::write(world.path("home/more"), text).unwrap();
    std::fs::write(world.path("home/.gitconfig"), "[include]\n\tpath = more\n").unwrap();
    world.configure(API, &format!("http://{}", dead()));
    let next = is_fixed(&world, &[], ("api", "FAIL", ""));
    assert_eq!(
        next,
        format!("git config --file ~/.gitconfig --unset-all {API}")
    );
}

/// The API's clock is frozen; `timedatectl` sets this machine's, which here moves the API's.
#[test]
fn a_clock_that_is_wrong_is_set() {
    let mut world = served();
    let flag = world.path("tmp/set");
    let port = clock_server(flag.clone());
    world
        .git(&[
            "config",
            "--global",
            API,
            &format!("http://127.0.0.1:{port}"),
        ])
        .succeeds();
    program(
        &world,
        "sudo",
        &format!("echo \"$@\" >'{}'", flag.display()),
    );
    with_programs(&mut world);
    let found = ("clock", "FAIL", "ahead of the site's");
    assert_eq!(
        is_fixed(&world, &[], found),
        "sudo timedatectl set-ntp true"
    );
    let output = std::fs::read_to_string(flag).unwrap();
    assert_eq!(output, "timedatectl set-ntp true\n");
}

fn clock_server(flag: std::path::PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let date = if flag.exists() {
                let now = jiff::Timestamp::now();
                now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
            } else {
                "Tue, 24 Nov 2020 10:00:00 GMT".to_owned()
            };
            let _ = write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\nDate: {date}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
        }
    });
    port
}

#[test]
fn offline_touches_no_network() {
    let world = served();
    let before = (
        world.sandbox.connections().len(),
        world.sandbox.requests().len(),
    );
    let (status, list) = doctor(&world, &["--offline"]);
    let now = (
        world.sandbox.connections().len(),
        world.sandbox.requests().len(),
    );
    assert_eq!((status, now), (0, before));
    for check in [
        "resolve",
        "tcp",
        "ssh",
        "api",
        "clock",
        "session",
        "host-keys-published",
    ] {
        let finding = finds(&list, check, "SKIP", "--offline");
        assert_eq!(finding["next"], "git bitbucket doctor", "{check}");
    }
}

#[test]
fn a_machine_that_is_new_is_not_held_against_the_network() {
    let world = World::new();
    let (status, list) = doctor(&world, &[super::URL]);
    assert_eq!(status, 0, "{list:#?}");
}
