//! Names, addresses, proxies, algorithms, and servers that are none.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::Both;
use crate::support::Sshd;

#[test]
fn an_unreachable_host_is_reported_in_ssh_s_words() {
    let both = Both::new("LogLevel ERROR");
    for (words, why) in [
        ("-F none no-such-host.invalid true", "a name"),
        ("-F none -p 1 127.0.0.1 true", "refused"),
        ("-F none -4 -p 1 ::1 true", "no address of that family"),
        ("-F none -6 -p 1 127.0.0.1 true", "nor of that"),
        (
            "-F none -o ConnectionAttempts=2 -p 1 127.0.0.1 true",
            "attempts",
        ),
        (
            "{to} {id} -b 192.0.2.1 127.0.0.1 true",
            "an address that is not ours",
        ),
        (
            "{to} {id} -b no-such-host.invalid 127.0.0.1 true",
            "nor a name",
        ),
        ("{to} {id} -b 127.0.0.1 127.0.0.1 echo in", "one that is"),
        (
            "{to} {id} -o ConnectTimeout=9 -4 127.0.0.1 echo in",
            "in time",
        ),
        ("-F none -q -p 1 127.0.0.1 true", "-q"),
        ("-F none -o LogLevel=ERROR -p 1 127.0.0.1 true", "a level"),
        (
            "-F {work}/nowhere 127.0.0.1 true",
            "a file that is not there",
        ),
        ("-o Foo=1 127.0.0.1 true", "an unknown setting"),
        ("-F none -p 70000 127.0.0.1 true", "no port"),
    ] {
        both.case(why, words).same();
    }
    both.case("-E", "-F none -E {work}/log -p 1 127.0.0.1 true")
        .before(&|| {
            let _ = fs::remove_file(both.path("log"));
        })
        .after(&|| {
            fs::read_to_string(both.path("log"))
                .unwrap()
                .replace('\r', "")
        })
        .same();
}

#[test]
fn algorithms_are_taken_or_refused_alike() {
    let both = Both::new("LogLevel ERROR");
    for option in [
        "-c aes128-ctr",
        "-c chacha20-poly1305@openssh.com",
        "-c aes128-cbc",
        "-c no-such-cipher",
        "-m no-such-mac",
        "-c aes128-ctr -m hmac-sha1",
        "-c aes256-ctr -m umac-64@openssh.com",
        "-o KexAlgorithms=curve25519-sha256",
        "-o KexAlgorithms=sntrup761x25519-sha512@openssh.com",
        "-o KexAlgorithms=diffie-hellman-group-exchange-sha256",
        "-o KexAlgorithms=diffie-hellman-group1-sha1",
        "-o KexAlgorithms=+diffie-hellman-group14-sha1",
        "-o KexAlgorithms=no-such-kex",
        "-o HostKeyAlgorithms=no-such-key",
        "-o HostKeyAlgorithms=ssh-rsa",
        "-o PubkeyAcceptedAlgorithms=rsa-sha2-512",
    ] {
        let words = format!("{{to}} {{id}} {option} 127.0.0.1 echo in");
        both.case("an algorithm", &words).same();
    }
}

#[test]
fn proxies_are_run_as_ssh_runs_them() {
    let both = Both::new("LogLevel ERROR");
    let second = Sshd::start(&both.world, "");
    second.authorize(&fs::read_to_string(both.world.path("home/.ssh/id.pub")).unwrap());
    let known = both.sshd.known_hosts() + &second.known_hosts();
    fs::write(both.path("known"), known).unwrap();
    let config = format!(
        "Host jump\n HostName 127.0.0.1\n Port {}\nHost *\n UserKnownHostsFile {}\n \
         IdentityFile {}\n IdentitiesOnly yes\n",
        second.port,
        both.path("known").display(),
        both.world.path("home/.ssh/id").display(),
    );
    fs::write(both.path("config"), config).unwrap();
    for (words, why) in [
        ("-F {work}/config -J jump -p {port} 127.0.0.1 echo in", "-J"),
        ("-F {work}/config -o ProxyJump=none jump echo in", "no jump"),
        (
            "-F {work}/config -J 127.0.0.1:1 -p {port} 127.0.0.1 echo in",
            "a jump that fails",
        ),
        ("{to} {id} -J none 127.0.0.1 echo in", "none"),
    ] {
        both.case(why, words).ends_in_one_of(&PROXY_GONE).same();
    }
    let carried = "ProxyCommand=/usr/bin/ssh -F ../work/config -W %h:%p jump";
    for (command, why) in [
        (carried, "ssh -W"),
        ("ProxyCommand=head -c 1 > /dev/null", "one that ends"),
    ] {
        both.case(why, "{to} {id} -o")
            .command(command)
            .command("127.0.0.1")
            .command("cat; exit 3")
            .input(vec![b'x'; 500_000])
            .ends_in_one_of(&PROXY_GONE)
            .same();
    }
}

/// What ssh(1) says when its proxy has gone: whether it is writing or reading then is a race.
const PROXY_GONE: [&str; 3] = [
    "banner exchange: Connection to UNKNOWN port 65535: Broken pipe",
    "kex_exchange_identification: Connection closed by remote host\n\
     Connection closed by UNKNOWN port 65535",
    "kex_exchange_identification: read: Connection reset by peer\n\
     Connection reset by UNKNOWN port 65535",
];

/// Serves each connection with `speak`, as long as the test runs.
fn server(speak: impl Fn(TcpStream) + Send + Clone + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let speak = speak.clone();
            thread::spawn(move || speak(stream));
        }
    });
    port
}

#[test]
fn servers_that_are_not_ssh_are_reported_in_ssh_s_words() {
    let both = Both::new("LogLevel ERROR");
    let to_end = |mut stream: TcpStream| {
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    };
    let closes = server(to_end);
    let old = server(move |mut stream| {
        let _ = stream.write_all(b"SSH-1.5-old\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let leaves = server(move |mut stream| {
        let _ = stream.write_all(b"SSH-2.0-x\r\n");
        to_end(stream);
    });
    let silent = server(|mut stream| {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
        let _ = stream.read_to_end(&mut Vec::new());
    });
    for (port, option, why) in [
        (closes, "LogLevel=INFO", "closes at once"),
        (old, "LogLevel=INFO", "SSH 1"),
        (leaves, "LogLevel=INFO", "closes behind its version"),
        (silent, "ConnectTimeout=1", "is silent"),
    ] {
        let words = format!("-F none -o {option} -p {port} 127.0.0.1 true");
        let seen = both.case(why, &words).same();
        assert_eq!(seen.status, Some(255), "{why}");
    }
}
