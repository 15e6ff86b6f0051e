//! Other servers: dropbear, asyncssh, paramiko, Go. What works with ssh(1) works the same.

use std::fs;

use super::{Both, Case};
use crate::support::{Implementation, Server, ServerOptions, USER, run};

/// The user of the other servers, with the key `id`.
const IN: &str = "{to} {id} alice@127.0.0.1";

/// A server that accepts the key `id` and whose host key is known.
fn meet(both: &Both, implementation: Implementation, options: ServerOptions<'_>) -> Server {
    let server = Server::start(&both.world, implementation, options);
    server.authorize(&fs::read_to_string(both.world.path("home/.ssh/id.pub")).unwrap());
    fs::write(both.path("known"), server.known_hosts()).unwrap();
    server
}

/// [`Both::case`] at that server.
fn case<'a>(both: &'a Both, server: &Server, why: &'a str, words: &str) -> Case<'a> {
    both.case(why, &format!("-p {} {words}", server.port))
}

#[test]
fn commands_run_on_servers_of_every_maker_as_with_ssh() {
    let both = Both::new("LogLevel ERROR");
    let all: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    for implementation in Implementation::ALL {
        let server = meet(&both, implementation, ServerOptions::default());
        let name = format!("{implementation:?}");
        for (command, input, status) in [
            ("exit 0", Vec::new(), 0),
            ("exit 3", Vec::new(), 3),
            ("exit 255", Vec::new(), 255),
            ("kill -9 $$", Vec::new(), 255),
            ("printf out; printf err >&2; exit 7", Vec::new(), 7),
            ("cat", b"a\0b\xff\n".to_vec(), 0),
            ("md5sum", all.clone(), 0),
            ("cat", all.clone(), 0),
            ("head -c 9000000 /dev/zero | tr '\\0' a", Vec::new(), 0),
            ("cat; sleep 0.2; echo after; exit 4", b"x".to_vec(), 4),
            ("no-such-program-here", Vec::new(), 127),
        ] {
            let case = case(&both, &server, &name, IN)
                .command(command)
                .input(input);
            assert_eq!(case.same().status, Some(status), "{name}: {command}");
        }
        let words = format!("-o SetEnv=FOO=1 {IN} echo <$FOO>");
        let words = words.replace("<$FOO>", "\\<$FOO\\>");
        let seen = case(&both, &server, &name, &words).same();
        if implementation != Implementation::Asyncssh {
            assert_eq!(
                seen.stdout, "<>\n",
                "{name} refuses the variable, and goes on"
            );
        }
        let shell = case(&both, &server, &name, &format!("-T {IN}"));
        let shell = shell.input(b"echo hi\nexit 5\n".to_vec());
        assert_eq!(shell.same().status, Some(5), "{name}: a shell");
        case(&both, &server, &name, &format!("-C {IN} echo in")).same();
    }
}

#[test]
fn keys_and_host_keys_of_every_type_are_known_to_every_maker() {
    let both = Both::new("LogLevel ERROR");
    let types = [
        "-t ed25519",
        "-t ecdsa",
        "-t ecdsa -b 521",
        "-t rsa -b 2048",
    ];
    for implementation in Implementation::ALL {
        for words in types {
            let host_key = words;
            let server = meet(
                &both,
                implementation,
                ServerOptions {
                    host_key,
                    ..ServerOptions::default()
                },
            );
            let name = format!("{implementation:?}, {words}");
            let key = both.world.path("home/.ssh/typed");
            let _ = fs::remove_file(&key);
            let mut keygen = both.world.command("ssh-keygen");
            keygen.args(["-q", "-N", ""]).args(words.split(' '));
            keygen.arg("-f").arg(&key);
            run(keygen).succeeds();
            let with_it = "{to} -i {home}/.ssh/typed alice@127.0.0.1 echo in";
            let refused = case(&both, &server, &name, with_it).same();
            assert_eq!(refused.status, Some(255), "{name}");
            server.authorize(&fs::read_to_string(key.with_extension("pub")).unwrap());
            // It does not announce RSA with SHA-2, so ssh(1) does not try it; this program does.
            let untold = implementation == Implementation::Paramiko && words.contains("rsa");
            let seen = case(&both, &server, &name, with_it);
            let seen = if untold { seen.ours() } else { seen.same() };
            assert_eq!((seen.status, &*seen.stdout), (Some(0), "in\n"), "{name}");
            // The right key behind a wrong one.
            let words = "{to} -i {home}/.ssh/wrong -i {home}/.ssh/typed {id} alice@127.0.0.1 true";
            both.world.make_key_anew("wrong");
            assert_eq!(
                case(&both, &server, &name, words).same().status,
                Some(0),
                "{name}"
            );
            fs::write(both.path("known"), "").unwrap();
            let words = format!("-o LogLevel=ERROR {with_it}");
            let unknown = case(&both, &server, &name, &words).same();
            assert_eq!(unknown.status, Some(255), "{name}: an unknown host");
        }
    }
}

#[test]
fn git_works_with_every_server() {
    let both = Both::new("LogLevel ERROR");
    let world = &both.world;
    let repository = world.sandbox.repository_path("acme/site");
    let ssh = format!(
        "-F none -i '{}' -o IdentitiesOnly=yes -o UserKnownHostsFile='{}'",
        world.path("home/.ssh/id").display(),
        both.path("known").display(),
    );
    for implementation in Implementation::ALL {
        let server = meet(&both, implementation, ServerOptions::default());
        for program in ["/usr/bin/ssh", env!("CARGO_BIN_EXE_bitbucket-ssh")] {
            let folder = format!("{implementation:?}-{}", program.rsplit('/').next().unwrap());
            let setting = format!("core.sshCommand='{program}' {ssh}");
            let url = format!(
                "ssh://{USER}@127.0.0.1:{}{}",
                server.port,
                repository.display()
            );
            let git = |arguments: &[&str]| {
                let mut all = vec![
                    "-c",
                    &*setting,
                    "-c",
                    "user.name=A",
                    "-c",
                    "user.email=a@b.c",
                ];
                all.extend(arguments);
                world.git(&all).succeeds()
            };
            git(&["clone", "-q", &url, &folder]);
            git(&[
                "-C",
                &folder,
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                &folder,
            ]);
            git(&["-C", &folder, "push", "origin", "HEAD:main"]).says("main");
            git(&["-C", &folder, "push", "-q", "origin", "HEAD:other"]);
            git(&["-C", &folder, "push", "-q", "origin", ":other"]);
            let before = git(&["-C", &folder, "rev-parse", "HEAD"]).stdout();
            let there = git(&["-C", &folder, "ls-remote", "origin", "main"]).stdout();
            assert!(there.starts_with(before.trim()), "{folder}: {there}");
            git(&[
                "-C",
                &folder,
                "-c",
                "protocol.version=0",
                "fetch",
                "-q",
                "--all",
                "--prune",
            ]);
            git(&["-C", &folder, "fetch", "-q", "--depth=1", "origin"]);
        }
    }
}

#[test]
fn either_side_can_rekey_in_mid_pack() {
    let both = Both::new("LogLevel ERROR\nRekeyLimit 256K");
    let rekey = Some(256 << 10);
    let options = ServerOptions {
        rekey,
        ..ServerOptions::default()
    };
    let (paramiko, go) = (
        Server::start(&both.world, Implementation::Paramiko, options),
        Server::start(&both.world, Implementation::Go, options),
    );
    let mut known = both.sshd.known_hosts();
    for server in [&paramiko, &go] {
        server.authorize(&fs::read_to_string(both.world.path("home/.ssh/id.pub")).unwrap());
        known += &server.known_hosts();
    }
    fs::write(both.path("known"), known).unwrap();
    let all: Vec<u8> = (0..=255).cycle().take(2_000_000).collect();
    for (who, user, port) in [
        ("OpenSSH asks", &*both.sshd.user, both.sshd.port),
        ("paramiko asks", USER, paramiko.port),
        ("Go asks", USER, go.port),
    ] {
        for (option, command, input) in [
            ("LogLevel=INFO", "head -c 2000000 /dev/zero", Vec::new()),
            ("LogLevel=INFO", "wc -c", all.clone()),
            ("LogLevel=INFO", "cat", all.clone()),
            ("RekeyLimit=300K", "cat", all.clone()),
        ] {
            let words = format!("-p {port} -o {option} {{to}} {{id}} {user}@127.0.0.1");
            let length = input.len();
            let case = both.case(who, &words).command(command).input(input);
            // OpenSSH's own two take some ten seconds for it.
            let seen = match who {
                "OpenSSH asks" => case.ours(),
                _ => case.same(),
            };
            assert_eq!(seen.status, Some(0), "{who}: {command}");
            match command {
                "cat" => assert_eq!(seen.stdout, String::from_utf8_lossy(&all), "{who}"),
                "wc -c" => assert_eq!(seen.stdout.trim(), length.to_string(), "{who}"),
                _ => assert_eq!(seen.stdout.len(), 2_000_000, "{who}"),
            }
        }
    }
}

#[test]
fn a_server_that_takes_only_what_is_compressed_is_spoken_with() {
    let both = Both::new("LogLevel ERROR");
    let all: Vec<u8> = (0..=255).cycle().take(2_000_000).collect();
    for compression in ["zlib@openssh.com", "zlib"] {
        let options = ServerOptions {
            compression,
            ..ServerOptions::default()
        };
        let server = meet(&both, Implementation::Asyncssh, options);
        for option in ["-o Compression=no", "-C"] {
            let words = format!("{option} {IN}");
            let case = case(&both, &server, compression, &words).command("cat");
            assert_eq!(case.input(all.clone()).same().status, Some(0), "{option}");
        }
    }
}
