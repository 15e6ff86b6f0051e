//! A server of another maker: dropbear.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::Both;
use crate::support::run;

struct Dropbear {
    child: Child,
    port: u16,
}

impl Drop for Dropbear {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// dropbear reads the password database's `~/.ssh/authorized_keys`, so that nobody is let in: what
/// is compared is the way up to the refusal. `None`: it is not installed.
fn dropbear(both: &Both) -> Option<Dropbear> {
    let program = ["/usr/sbin/dropbear", "/usr/bin/dropbear"];
    let program = program.into_iter().find(|path| fs::exists(path).unwrap())?;
    let key = both.path("dropbear_key");
    let mut keygen = both.world.command("dropbearkey");
    keygen.args(["-t", "ed25519", "-f"]).arg(&key);
    let told = run(keygen).succeeds().stdout();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let line = told
        .lines()
        .find(|line| line.starts_with("ssh-ed25519"))
        .unwrap();
    fs::write(both.path("known"), format!("[127.0.0.1]:{port} {line}\n")).unwrap();
    let child = both
        .world
        .command(program)
        .args(["-F", "-E", "-p", &format!("127.0.0.1:{port}"), "-r"])
        .arg(&key)
        .arg("-P")
        .arg(both.path("dropbear.pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "dropbear does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(Dropbear { child, port })
}

#[test]
fn dropbear_is_spoken_with_as_ssh_does() {
    let both = Both::new("LogLevel ERROR");
    let Some(server) = dropbear(&both) else {
        return;
    };
    for (option, why) in [
        ("-o LogLevel=INFO", "a key, then a password"),
        ("-o BatchMode=yes", "a key alone"),
        (
            "-o StrictHostKeyChecking=yes -o HostKeyAlias=x",
            "an unknown host",
        ),
    ] {
        let words = format!(
            "{option} -p {} {{to}} {{id}} 127.0.0.1 echo in",
            server.port
        );
        let seen = both
            .case(why, &words)
            .environment(&both.askpass(&["a"]))
            .same();
        assert_eq!(seen.status, Some(255), "{why}");
    }
}
