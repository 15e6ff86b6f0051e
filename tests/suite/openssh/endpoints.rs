//! Which of a site's endpoints ssh connects to, and which host keys it gets.

use std::fs;
use std::net::TcpListener;

use sandbox::SshFault;

use super::{by_openssh, last};
use crate::choice::{SITE, advertise, ask, count, with_keys};
use crate::data_center::{Company, PASSWORD};

const SSH_HOST: &str = "bitbucket.https://bitbucket.org.sshHost";

/// A loopback address without a listener.
fn closed() -> String {
    let door = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    door.local_addr().unwrap().to_string()
}

fn port_of(place: &str) -> String {
    format!("port {}", place.rsplit(':').next().unwrap())
}

#[test]
fn every_endpoint_is_tried_and_the_one_that_answered_goes_first() {
    let world = by_openssh();
    with_keys(&world);
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let places = [closed(), silent.local_addr().unwrap().to_string()];
    world.put_in_front(&places);
    let words = ["-v", "git@bitbucket.org", &advertise(SITE)];
    let output = ask(&world, &words).succeeds();
    assert!(last(&world).client.contains("OpenSSH"), "{output}");
    for place in &places {
        assert!(output.stderr().contains(&port_of(place)), "{output}");
    }
    let output = ask(&world, &words).succeeds();
    for place in &places {
        assert!(
            !output.stderr().contains(&port_of(place)),
            "remembered: {output}"
        );
    }
}

#[test]
fn without_an_answering_endpoint_the_error_is_ssh_s() {
    let world = by_openssh();
    with_keys(&world);
    world
        .git(&["config", "--global", "--unset-all", SSH_HOST])
        .succeeds();
    for _ in 0..2 {
        world.configure(SSH_HOST, &closed());
    }
    let before = count(&world);
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says("ssh: connect to host 127.0.0.1 port")
        .says("Connection refused");
    assert_eq!(count(&world), before);
}

#[test]
fn a_single_endpoint_is_left_to_ssh() {
    let world = by_openssh();
    with_keys(&world);
    let before = count(&world);
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(count(&world), before + 1, "nobody looked first");
}

#[test]
fn behind_a_proxy_that_names_the_host_the_endpoints_are_tried_in_turn() {
    let world = by_openssh();
    with_keys(&world);
    let place = closed();
    world.put_in_front(std::slice::from_ref(&place));
    // bash opens the connection; the arguments are the endpoint's. What reads from it is not
    // ended with it.
    let proxy = world.path("tmp/proxy");
    let script = format!(
        "#!/bin/bash\necho \"$1 $2\" >> '{}'\nexec 3<>/dev/tcp/$1/$2 || exit 1\ntimeout 10 cat <&3 & cat >&3; kill $!\n",
        world.path("tmp/asked").display()
    );
    fs::write(&proxy, script).unwrap();
    crate::data_center::executable(&proxy);
    let command = format!("ProxyCommand={} %h %p", proxy.display());
    let words = ["-o", &command, "git@bitbucket.org", &advertise(SITE)];
    ask(&world, &words).succeeds();
    assert!(last(&world).client.contains("OpenSSH"));
    let asked = fs::read_to_string(world.path("tmp/asked")).unwrap();
    let asked: Vec<_> = asked.lines().collect();
    let own = world.sandbox.ssh_host().replace(':', " ");
    assert_eq!(asked, [&place.replace(':', " "), &own, &own]);
}

#[test]
fn cloud_s_published_keys_are_handed_on_also_for_an_alias() {
    let world = by_openssh();
    with_keys(&world);
    world
        .git(&["config", "--global", "--unset-all", SSH_HOST])
        .succeeds();
    // The sandbox is none of Cloud's names, whatever the way to it.
    let (program, port) = (world.path("tmp/proxy"), world.sandbox.ssh_port());
    let script = format!(
        "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\ntimeout 10 cat <&3 & cat >&3; kill $!\n"
    );
    fs::write(&program, script).unwrap();
    crate::data_center::executable(&program);
    let proxy = format!("ProxyCommand={}", program.display());
    for (alias, line) in [
        (
            "bitbucket.org",
            "bitbucket.org,[altssh.bitbucket.org]:443 ssh-ed25519 ",
        ),
        ("cloud", "\ncloud ssh-ed25519 "),
    ] {
        let option = format!("HostKeyAlias={alias}");
        let words = ["-o", &proxy, "-o", &option, "git@bitbucket.org"];
        ask(&world, &[&words[..], &[&advertise(SITE)]].concat())
            .fails_with(255)
            .says("Host key verification failed");
        let folder = world.path("home/.local/state/bitbucket-ssh/openssh");
        let mut output = fs::read_dir(folder).unwrap().flatten();
        assert!(
            output.any(|entry| fs::read_to_string(entry.path()).unwrap().contains(line)),
            "{line:?}"
        );
    }
}

/// A Data Center whose login has recorded the fingerprint of its host key, and no line of known_hosts.
fn company() -> Company {
    let company = Company::new();
    company.set("provision", "auto");
    company.set("transport", "openssh");
    company.world.configure("bitbucket.passphrase", "none");
    company.login(PASSWORD).succeeds();
    fs::write(company.world.path("home/.ssh/known_hosts"), "").unwrap();
    company
}

#[test]
fn a_data_center_s_host_key_is_handed_on() {
    let company = company();
    let url = company.url("PROJ/tool.git");
    company.world.git(&["ls-remote", &url]).succeeds();
    let clients = |from: usize| -> Vec<bool> {
        let connections = company.center.connections();
        let clients = connections[from..].iter();
        clients.map(|one| one.client.contains("OpenSSH")).collect()
    };
    assert_eq!(clients(0).last(), Some(&true));
    let known_hosts = fs::read(company.world.path("home/.ssh/known_hosts")).unwrap();
    assert!(known_hosts.is_empty(), "nothing is written there");
    // Seen once, the key is known: no connection is made before ssh's.
    let before = company.center.connections().len();
    company.world.git(&["ls-remote", &url]).succeeds();
    assert_eq!(clients(before), [true]);
}

#[test]
fn another_host_key_than_the_data_center_s_is_refused() {
    let company = company();
    let url = company.url("PROJ/tool.git");
    let refused = |words: &str| {
        company
            .center
            .faults()
            .ssh(SshFault::OtherHostKey, usize::MAX);
        let output = company.world.git(&["ls-remote", &url]).fails_with(128);
        output.says("Host key verification failed").says(words);
        company.center.faults().clear();
    };
    refused("hint: compare");
    company.world.git(&["ls-remote", &url]).succeeds();
    // ssh knows which key it should be.
    refused("REMOTE HOST IDENTIFICATION HAS CHANGED");
    let connections = company.center.connections();
    assert!(connections.last().unwrap().login.is_none());
}
