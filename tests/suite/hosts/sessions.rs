//! Statuses, streams, commands, variables, rekeying, lost connections.

use super::Both;

/// The destination, with the key that is accepted.
const IN: &str = "{to} {id} 127.0.0.1";

#[test]
fn statuses_and_streams_are_ssh_s() {
    let both = Both::new("LogLevel ERROR");
    for status in [0, 1, 127, 128, 254, 255] {
        let seen = both.case("a status", IN).command(&format!("exit {status}"));
        assert_eq!(seen.same().status, Some(status));
    }
    for (command, why) in [
        ("kill -9 $$", "a signal is 255"),
        (
            "for i in 1 2 3; do echo o$i; echo e$i >&2; done",
            "both streams",
        ),
        (
            "echo out; exec >&-; sleep 0.2; echo late >&2; exit 3",
            "stdout ends first",
        ),
        (
            "(sleep 0.3; echo late) & echo early",
            "a child that holds stdout",
        ),
        ("no-such-program-here", "127 and the shell's words"),
    ] {
        both.case(why, IN).command(command).same();
    }
    let all: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    for (command, input, why) in [
        ("cat", b"a\0b\xff\n".to_vec(), "any byte"),
        ("md5sum", all.clone(), "up"),
        ("head -c 9000000 /dev/zero | tr '\\0' a", Vec::new(), "down"),
        ("cat", all.clone(), "both ways"),
        ("cat; sleep 0.2; echo after", b"x".to_vec(), "half close"),
        ("exit 5", all, "a command that does not read"),
    ] {
        both.case(why, IN).command(command).input(input).same();
    }
}

#[test]
fn commands_and_options_are_read_alike() {
    let both = Both::new("LogLevel ERROR\nAcceptEnv FOO*");
    let long = format!("echo {} | wc -c", "x".repeat(100_000));
    both.case("a long command", IN).command(&long).same();
    both.case("any byte but NUL", IN)
        .command("printf '%s' 'ä\u{1}\n\t\"'")
        .same();
    let script = b"echo hi\nexit 3\n".to_vec();
    for (words, why) in [
        ("{to} {id} 127.0.0.1 printf [%s] a b", "words are joined"),
        (
            "{to} {id} 127.0.0.1",
            "a shell, told that it has no terminal",
        ),
        ("{to} {id} -T 127.0.0.1", "a shell"),
        ("{to} {id} -n 127.0.0.1 cat", "-n"),
        ("{to} {id} root@127.0.0.1 id -un", "a user"),
        ("{to} {id} -l root 127.0.0.1 id -un", "-l"),
        (
            "{to} {id} nobody-here@127.0.0.1 id",
            "a user who is refused",
        ),
        (
            "-F none -o Port={port} {to} {id} 127.0.0.1 echo in",
            "-o Port",
        ),
        (
            "{to} {id} -q 127.0.0.1 echo e >&2",
            "-q leaves the command's words",
        ),
        ("{to} {id} -C 127.0.0.1 cat", "-C"),
        ("{to} {id} -o SetEnv=FOO=1 127.0.0.1 echo $FOO", "SetEnv"),
    ] {
        both.case(why, words).input(script.clone()).same();
    }
    let seen = both
        .case("SetEnv with quotes", "{to} {id} -o")
        .command("SetEnv=FOO=1 FOO2=\"a b\" BAR=3")
        .command("127.0.0.1")
        .command("echo $FOO,$FOO2,$BAR")
        .same();
    assert_eq!(seen.stdout, "1,a b,\n");
    let seen = both
        .case(
            "SendEnv",
            "{to} {id} -o SendEnv=FOO* 127.0.0.1 echo $FOO1 $BAR",
        )
        .variable("FOO1", "x")
        .variable("BAR", "y")
        .same();
    assert_eq!(seen.stdout, "x\n");
}

#[test]
fn rekeying_and_keep_alives_are_not_noticed() {
    let both = Both::new("LogLevel ERROR");
    let all: Vec<u8> = (0..=255).cycle().take(600_000).collect();
    for (option, command, why) in [
        ("RekeyLimit=64K", "head -c 600000 /dev/zero", "down"),
        ("RekeyLimit=64K", "wc -c", "up"),
        ("RekeyLimit=256K", "cat", "both ways"),
    ] {
        let words = format!("{{to}} {{id}} -o {option} 127.0.0.1");
        let input = all.clone();
        both.case(why, &words).command(command).input(input).same();
    }
    both.case(
        "a stopped server",
        "{to} {id} -o ServerAliveInterval=1 -o ServerAliveCountMax=1 127.0.0.1",
    )
    .command("kill -STOP $PPID; sleep 10; kill -9 $PPID")
    .same();
    both.case("a server that is killed", IN)
        .command("kill -9 $PPID; sleep 1; true")
        .same();
}
