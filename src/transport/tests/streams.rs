//! Bytes, ends and statuses.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::support::{Server, logged, pipe, program};
use crate::repository::Service;
use crate::settings::{AlgorithmConfig, SshConfig};
use crate::transport::{Error, Outcome, Streams};

#[test]
fn status_and_both_outputs_arrive_exactly() {
    let server = Server::start();
    for (command, status, output, errors, why) in [
        (
            "printf out; printf err >&2; exit 7",
            7,
            "out",
            "err",
            "all three",
        ),
        ("exit 255", 255, "", "", "the highest status"),
        ("true", 0, "", "", "nothing at all"),
        ("kill -9 $$", 255, "", "", "killed by a signal"),
        (
            "cat; echo end",
            0,
            "to sendend\n",
            "",
            "end of input reaches it",
        ),
        (
            "exec 0<&-; sleep 0.2; echo late",
            0,
            "late\n",
            "",
            "it reads nothing",
        ),
        (
            "(sleep 0.3; echo background) & echo first",
            0,
            "first\nbackground\n",
            "",
            "what still holds the channel is waited for",
        ),
    ] {
        let input = if command.starts_with("cat") {
            "to send"
        } else {
            ""
        };
        let ran = server.call(command).run(input.as_bytes());
        assert_eq!(ran.status(), status, "{why}");
        assert_eq!(ran.text(), output, "{why}");
        assert_eq!(ran.errors, errors, "{why}");
    }
}

#[test]
fn the_command_goes_behind_the_channel_s_open() {
    let server = Server::start();
    for _ in 0..5 {
        let mut call = server.call("echo $GIT_PROTOCOL");
        call.environment = vec![("GIT_PROTOCOL".to_owned(), "version=2".to_owned())];
        let (ran, messages) = logged(|| call.run(b""));
        assert_eq!(ran.text(), "version=2\n");
        let early = "sending the command behind the channel's open";
        assert!(messages.iter().any(|m| m == early), "{messages:#?}");
    }
}

#[test]
fn large_transfers_survive_many_rekeys_in_both_directions() {
    let server = Server::start();
    let mut random = fastrand::Rng::with_seed(7);
    let data: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(24 << 20)
        .collect();
    for (rekey, compression, why) in [
        (
            Some((1 << 20, Duration::ZERO)),
            None,
            "a rekey for each MiB",
        ),
        (None, Some(true), "compressed"),
    ] {
        let mut call = server.call("cat");
        call.config.session.rekey_limit = rekey;
        call.config.session.compression = compression;
        let ran = call.run(&data);
        assert_eq!(ran.status(), 0, "{why}");
        assert!(ran.output == data, "{why}: {} bytes", ran.output.len());
    }
}

#[test]
fn a_reader_that_waits_does_not_stop_the_other_direction() {
    for (pause, why) in [
        (Duration::ZERO, "git sends from the start"),
        (
            Duration::from_millis(700),
            "git begins when the server is already held back",
        ),
    ] {
        let server = Server::start();
        let call = server.call("head -c 6291456 /dev/zero; cat | wc -c");
        let (stdin, mut feed) = pipe();
        let (mut read_output, stdout) = pipe();
        let (_read_errors, stderr) = pipe();
        // All is fed before a byte of the output is read.
        let user = std::thread::spawn(move || {
            std::thread::sleep(pause);
            feed.write_all(&vec![1; 20 << 20]).unwrap();
            drop(feed);
            let mut output = Vec::new();
            read_output.read_to_end(&mut output).unwrap();
            output
        });
        let outcome = call.between(Streams::of(Some(stdin), stdout, stderr));
        assert!(
            matches!(outcome, Ok(Outcome::Completed { .. })),
            "{why}: {outcome:?}"
        );
        let output = user.join().unwrap();
        assert_eq!(output.len(), 6_291_456 + "20971520\n".len(), "{why}");
    }
}

#[test]
fn every_kind_of_stream_is_served() {
    let server = Server::start();
    let file = server.path("input");
    std::fs::write(&file, vec![5; 300_000]).unwrap();
    let target = server.path("output");
    let open = |path: &str| std::fs::File::open(path).unwrap();
    for (input, expected, why) in [
        (None, 0, "no input (-n)"),
        (Some(open("/dev/null")), 0, "the null device"),
        (
            Some(open(file.to_str().unwrap())),
            300_000,
            "a regular file",
        ),
    ] {
        let output = std::fs::File::create(&target).unwrap();
        let (_read_errors, errors) = pipe();
        let outcome = server
            .call("cat")
            .between(Streams::of(input, output, errors));
        assert!(
            matches!(outcome, Ok(Outcome::Completed { .. })),
            "{why}: {outcome:?}"
        );
        assert_eq!(std::fs::metadata(&target).unwrap().len(), expected, "{why}");
    }
}

#[test]
fn stdin_and_stdout_may_be_one_socket() {
    let server = Server::start();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let both = std::fs::File::from(OwnedFd::from(ours));
    let input = both.try_clone().unwrap();
    let user = std::thread::spawn(move || {
        let data = vec![9; 3 << 20];
        let mut writer = theirs.try_clone().unwrap();
        let feeder = std::thread::spawn(move || {
            writer.write_all(&data).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut output = Vec::new();
        theirs.read_to_end(&mut output).unwrap();
        feeder.join().unwrap();
        output.len()
    });
    let (_read_errors, errors) = pipe();
    let outcome = server
        .call("cat")
        .between(Streams::of(Some(input), both, errors));
    assert!(
        matches!(outcome, Ok(Outcome::Completed { .. })),
        "{outcome:?}"
    );
    assert_eq!(user.join().unwrap(), 3 << 20);
}

#[test]
fn the_server_s_end_is_the_end_although_input_stays_open() {
    let server = Server::start();
    let (stdin, feed) = pipe();
    let (_read_output, stdout) = pipe();
    let (_read_errors, stderr) = pipe();
    let outcome = server
        .call("exit 3")
        .between(Streams::of(Some(stdin), stdout, stderr));
    drop(feed);
    let Ok(Outcome::Completed { status, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(status.0, 3);
}

#[test]
fn a_reader_that_has_gone_ends_the_session() {
    let server = Server::start();
    for (service, command, why) in [
        (Service::Other, "yes", "EPIPE at the next write"),
        (
            Service::UploadArchive,
            "sleep 60",
            "before anything is written",
        ),
    ] {
        let mut call = server.call(command);
        call.service = service;
        let (_stdin, feed) = pipe();
        let (read_output, stdout) = pipe();
        let (_read_errors, stderr) = pipe();
        drop(read_output);
        let outcome = call.between(Streams::of(None, stdout, stderr));
        drop(feed);
        assert!(
            matches!(outcome, Err(Error::CallerGone)),
            "{why}: {outcome:?}"
        );
    }
}

#[test]
fn a_reader_that_has_enough_still_gets_the_status() {
    let server = Server::start();
    let mut call = server.call("echo 0008NAK; sleep 0.3; echo more; exit 6");
    call.service = Service::UploadPack;
    let (read_output, stdout) = pipe();
    let (_read_errors, stderr) = pipe();
    let user = std::thread::spawn(move || {
        let mut first = [0; 8];
        (&read_output).read_exact(&mut first).unwrap();
    });
    let outcome = call.between(Streams::of(None, stdout, stderr));
    user.join().unwrap();
    let Ok(Outcome::Completed { status, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(status.0, 6);
}

#[test]
fn a_lost_connection_is_no_status() {
    let server = Server::start();
    let ran = server.call("kill -9 $PPID").run(b"");
    match ran.outcome {
        Err(Error::Closed { authenticated, .. }) => assert!(authenticated),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_no_longer_answers_is_given_up() {
    let server = Server::start();
    // The shell continues while its server is stopped, and ends it afterwards.
    let mut call = server.call("kill -STOP $PPID; sleep 10; kill -9 $PPID");
    call.config.session.server_alive_interval = Some(Duration::from_secs(1));
    call.config.session.server_alive_count_max = Some(1);
    let ran = call.run(b"");
    assert!(
        matches!(ran.outcome, Err(Error::Timeout { .. })),
        "{:?}",
        ran.outcome
    );
}

#[test]
fn a_denied_repository_writes_nothing_and_reads_nothing() {
    let server = Server::start();
    let refused = "conq: repository access denied.\n";
    for (command, stderr, stdout, why) in [
        (
            format!("printf '{refused}' >&2; exit 1"),
            refused.to_owned(),
            String::new(),
            "on stderr",
        ),
        (
            format!("printf '{refused}' >&2"),
            refused.to_owned(),
            String::new(),
            "whatever the status",
        ),
        (
            "printf '0015ERR Forbidden\\n\\n\\n'; exit 1".to_owned(),
            String::new(),
            "0015ERR Forbidden\n\n\n".to_owned(),
            "in an ERR packet",
        ),
    ] {
        let mut call = server.call(&command);
        call.service = Service::UploadPack;
        let (stdin, mut feed) = pipe();
        let mut unread = stdin.try_clone().unwrap();
        let (mut read_output, output) = pipe();
        let (mut read_errors, errors) = pipe();
        feed.write_all(b"0000").unwrap();
        drop(feed);
        let outcome = call.between(Streams::of(Some(stdin), output, errors));
        let Ok(Outcome::RepositoryDenied {
            stderr: sent,
            stdout: packet,
            ..
        }) = outcome
        else {
            panic!("{why}: {outcome:?}");
        };
        assert_eq!(String::from_utf8(sent).unwrap(), stderr, "{why}");
        assert_eq!(String::from_utf8(packet).unwrap(), stdout, "{why}");
        for (file, expected) in [
            (&mut unread, "0000"),
            (&mut read_output, ""),
            (&mut read_errors, ""),
        ] {
            let mut bytes = String::new();
            file.read_to_string(&mut bytes).unwrap();
            assert_eq!(bytes, expected, "{why}");
        }
    }
}

#[test]
fn git_is_served_and_other_failures_pass() {
    let server = Server::start();
    let repository = server.path("repo.git");
    let made = program("git")
        .args(["init", "-q", "--bare"])
        .arg(&repository)
        .status()
        .unwrap();
    assert!(made.success());
    for (command, input, status, output, errors, why) in [
        (
            format!("git-upload-pack '{}'", repository.display()),
            "0000",
            0,
            "0000",
            "",
            "an empty repository is served",
        ),
        (
            "echo notice >&2; printf '0008NAK\\n'; cat".to_owned(),
            "0000",
            0,
            "0008NAK\n0000",
            "notice\n",
            "what was held comes first, then git's input is read",
        ),
        (
            "echo 'something else' >&2; exit 5".to_owned(),
            "",
            5,
            "",
            "something else\n",
            "no refusal",
        ),
    ] {
        let mut call = server.call(&command);
        call.service = Service::UploadPack;
        let ran = call.run(input.as_bytes());
        assert_eq!(ran.status(), status, "{why}");
        assert!(ran.text().ends_with(output), "{why}: {}", ran.text());
        assert_eq!(ran.errors, errors, "{why}");
    }
}

#[test]
fn a_refused_channel_is_reported_with_the_server_s_reason() {
    let server = Server::start_with(&["MaxSessions 0"]);
    let ran = server.call("true").run(b"");
    match ran.outcome {
        Err(Error::Channel(message)) => assert!(message.contains("open failed"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_of_the_user_s_are_kept() {
    let server = Server::start();
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    for (config, expected) in [
        (
            SshConfig {
                algorithms: AlgorithmConfig {
                    ciphers: list(&["aes256-ctr"]),
                    macs: list(&["hmac-sha2-512"]),
                    kex_algorithms: list(&["ecdh-sha2-nistp384"]),
                    ..AlgorithmConfig::default()
                },
                ..server.config_for()
            },
            "kex: algorithm: ecdh-sha2-nistp384, host key ssh-ed25519, cipher aes256-ctr, MAC hmac-sha2-512, strict",
        ),
        (
            SshConfig {
                algorithms: AlgorithmConfig {
                    ciphers: list(&["chacha20-poly1305@openssh.com"]),
                    ..AlgorithmConfig::default()
                },
                ..server.config_for()
            },
            "cipher chacha20-poly1305@openssh.com",
        ),
    ] {
        let mut call = server.call("echo hello");
        call.config = config;
        let (ran, messages) = logged(|| call.run(b""));
        assert_eq!(ran.text(), "hello\n");
        assert!(
            messages.iter().any(|m| m.contains(expected)),
            "{messages:#?}"
        );
    }

    let mut call = server.call("true");
    call.config.algorithms.host_key_algorithms = list(&["rsa-sha2-512"]);
    match call.run(b"").outcome {
        Err(Error::Negotiate { why, .. }) => {
            assert_eq!(
                why,
                "no matching host key type found. Their offer: ssh-ed25519"
            );
        }
        other => panic!("{other:?}"),
    }
}
