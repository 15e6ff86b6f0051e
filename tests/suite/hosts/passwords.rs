//! password and keyboard-interactive: questions, number of tries and messages as with ssh(1).

use std::fs;

use expectrl::process::unix::WaitStatus;
use expectrl::{Eof, Expect as _, Regex};

use super::Both;
use crate::support::{Accounts, Implementation, PASSWORD, Server, ServerOptions, Sshd};
use crate::terminal::Terminal;

#[test]
fn passwords_are_asked_for_alike() {
    let both = Both::new("LogLevel ERROR\nMatch all\nPasswordAuthentication yes");
    both.world.make_key("other", "");
    let words = "{to} -i {home}/.ssh/other 127.0.0.1 echo in";
    let three = ["a", "b", "c", "d"];
    for (option, answers, asked) in [
        ("LogLevel=INFO", &three[..], 3),
        ("NumberOfPasswordPrompts=1", &three, 1),
        ("BatchMode=yes", &three, 0),
        ("PasswordAuthentication=no", &three, 0),
        ("PreferredAuthentications=publickey", &three, 0),
        ("PreferredAuthentications=password", &three, 3),
        ("PubkeyAuthentication=no", &[], 3),
    ] {
        let words = format!("-o {option} {words}");
        let case = both.case(option, &words);
        let seen = case.environment(&both.askpass(answers)).same();
        assert_eq!(seen.status, Some(255), "{option}");
        let questions = seen
            .asked
            .lines()
            .filter(|line| line.contains("'s password: "));
        assert_eq!(questions.count(), asked, "{option}: {}", seen.asked);
        assert!(
            seen.stderr
                .contains("Permission denied (publickey,password).")
        );
    }
    both.case("nobody is there", words).same();
    both.case(
        "no key at all",
        "{to} -o IdentityFile=none 127.0.0.1 echo in",
    )
    .environment(&both.askpass(&three))
    .same();
}

/// The destination, as the user of [`Accounts`] and of the other servers, without a key.
const IN: &str = "{to} -o PubkeyAuthentication=no alice@127.0.0.1";

/// The servers that accept a password, and their methods.
struct Place {
    name: String,
    port: u16,
    /// What is asked for and expected at each try.
    right: Vec<&'static str>,
    wrong: Vec<&'static str>,
    _server: Box<dyn std::any::Any>,
}

fn places(both: &Both) -> Vec<Place> {
    let accounts = Accounts::new(&both.world);
    let words = "LogLevel ERROR\nMatch all\nForceCommand none\nPasswordAuthentication yes";
    let sshd = Sshd::start_among(&both.world, words, Some(&accounts));
    let mut known = sshd.known_hosts();
    let mut found = vec![Place {
        name: "OpenSSH".to_owned(),
        port: sshd.port,
        right: vec![PASSWORD],
        wrong: vec!["wrong"],
        _server: Box::new(sshd),
    }];
    for implementation in Implementation::ALL {
        for keyboard in [false, true] {
            if keyboard && implementation == Implementation::Dropbear {
                continue;
            }
            let options = ServerOptions {
                password: !keyboard,
                keyboard,
                ..ServerOptions::default()
            };
            let server = Server::start(&both.world, implementation, options);
            known += &server.known_hosts();
            let (right, wrong) = if keyboard {
                (vec![PASSWORD, "42"], vec![PASSWORD, "43"])
            } else {
                (vec![PASSWORD], vec!["wrong"])
            };
            found.push(Place {
                name: format!("{implementation:?}, keyboard: {keyboard}"),
                port: server.port,
                right,
                wrong,
                _server: Box::new(server),
            });
        }
    }
    fs::write(both.path("known"), known).unwrap();
    found
}

#[test]
fn a_right_password_lets_in_at_whichever_try() {
    let both = Both::new("LogLevel ERROR");
    for place in places(&both) {
        for (wrong, then_right, option, status) in [
            (0, true, "LogLevel=INFO", 0),
            (1, true, "LogLevel=INFO", 0),
            (2, true, "LogLevel=INFO", 0),
            (3, true, "LogLevel=INFO", 255),
            (1, true, "NumberOfPasswordPrompts=1", 255),
            (4, true, "NumberOfPasswordPrompts=5", 0),
            (0, true, "BatchMode=yes", 255),
            (0, false, "LogLevel=INFO", 255),
        ] {
            let mut answers = place.wrong.repeat(wrong);
            if then_right {
                answers.extend(&place.right);
            }
            let words = format!("-p {} -o {option} {IN} echo in; exit 0", place.port);
            let case = both.case(&place.name, &words);
            let seen = case.environment(&both.askpass(&answers)).same();
            assert_eq!(seen.status, Some(status), "{}, {wrong} wrong", place.name);
            assert_eq!(seen.stdout == "in\n", status == 0, "{}", place.name);
        }
    }
}

/// What a terminal shows of a call with these answers, and its status.
fn on_a_terminal(both: &Both, program: &str, words: &str, answers: &[&str]) -> (String, i32) {
    let words = words
        .replace("{work}", &both.world.path("work").display().to_string())
        .replace(
            "{to}",
            "-F none -o GlobalKnownHostsFile=none -o UserKnownHostsFile={work}/known",
        )
        .replace("{work}", &both.world.path("work").display().to_string());
    // The terminal echoes, as a person's does.
    let mut all = vec!["-c", "stty echo; exec \"$@\"", "sh", program];
    all.extend(words.split_whitespace());
    let mut terminal = Terminal::start(&both.world, "sh", &all);
    let mut shown = String::new();
    for answer in answers {
        let question = terminal.0.expect(Regex("(?:assword|Code): ")).unwrap();
        shown += &String::from_utf8_lossy(question.as_bytes());
        terminal.types(answer);
    }
    let (rest, status) = terminal.ends();
    // ssh(1) ends its own lines with "\r\n", on a terminal too.
    ((shown + &rest).replace('\r', ""), status)
}

#[test]
fn a_terminal_shows_the_same_questions_and_echoes_what_ssh_echoes() {
    let both = Both::new("LogLevel ERROR");
    for place in places(&both) {
        for (wrong, status) in [(0, 0), (1, 0), (3, 255)] {
            let mut answers = place.wrong.repeat(wrong);
            if status == 0 {
                answers.extend(&place.right);
            }
            let words = format!("-p {} {IN} echo in", place.port);
            let theirs = on_a_terminal(&both, "/usr/bin/ssh", &words, &answers);
            let ours = on_a_terminal(&both, env!("CARGO_BIN_EXE_bitbucket-ssh"), &words, &answers);
            assert_eq!(ours, theirs, "{}, {wrong} wrong", place.name);
            assert_eq!(ours.1, status, "{}: {}", place.name, ours.0);
            assert!(!ours.0.contains(PASSWORD), "{}", place.name);
        }
    }
}

#[test]
fn an_interrupt_at_the_question_ends_alike() {
    let both = Both::new("LogLevel ERROR\nMatch all\nPasswordAuthentication yes");
    let words = format!("-p {} {IN} echo in", both.sshd.port);
    let ends = |program: &str| {
        let words = words.replace("{to}", "-F none -o StrictHostKeyChecking=no");
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut terminal = Terminal::start(&both.world, program, &words);
        terminal.0.expect(Regex("assword: ")).unwrap();
        terminal.0.send("\u{3}").unwrap();
        let rest = terminal.0.expect(Eof).unwrap();
        let shown = String::from_utf8_lossy(rest.as_bytes()).replace('\r', "");
        match terminal.0.get_process().wait().unwrap() {
            WaitStatus::Signaled(_, signal, _) => (shown, signal.to_string()),
            other => (shown, format!("{other:?}")),
        }
    };
    let theirs = ends("/usr/bin/ssh");
    assert_eq!(theirs.1, "SIGINT");
    assert_eq!(ends(env!("CARGO_BIN_EXE_bitbucket-ssh")), theirs);
}
