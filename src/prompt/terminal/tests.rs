//! Questions on a real pseudo-terminal. The test binary starts itself there: `asked` puts the
//! question that the variables name.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use expectrl::process::Termios as _;
use expectrl::process::unix::{Signal, WaitStatus};
use expectrl::session::OsSession;
use expectrl::{Eof, Expect as _};

use super::{Error, Prompt as _, Terminal};

const KIND: &str = "PROMPT_TEST_KIND";
const ANSWER: &str = "PROMPT_TEST_ANSWER";

/// Asks as the variables say, and writes the answer to a file; with `stay` it goes on afterwards.
#[test]
#[ignore = "the tests beside it start it on a terminal"]
#[expect(clippy::disallowed_methods, reason = "how the test speaks to itself")]
fn asked() {
    let (Ok(kind), Ok(file)) = (std::env::var(KIND), std::env::var(ANSWER)) else {
        return;
    };
    let answer = match kind.as_str() {
        "line" => Terminal.line("name: "),
        "confirm" => Terminal.confirm("sure? [Y/n] ").map(|yes| yes.to_string()),
        _ => Terminal
            .secret("passphrase: ")
            .map(|secret| secret.reveal().to_owned()),
    };
    let told = match &answer {
        Ok(answer) => format!("ok {answer}"),
        Err(error) => format!("error {error}"),
    };
    std::fs::write(file, told).expect("a file");
    if kind == "stay" {
        writeln!(std::io::stdout(), "staying").expect("a terminal");
        std::thread::sleep(Duration::from_secs(60));
    }
}

struct Asked {
    session: OsSession,
    folder: tempfile::TempDir,
}

/// The command that runs `asked`.
#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
fn program(before: &str, behind: &str) -> Command {
    let test = std::env::current_exe().expect("this test");
    let script = format!(
        "{before} '{}' --exact prompt::terminal::tests::asked --ignored --nocapture {behind}",
        test.display()
    );
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(script)
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    command
}

impl Asked {
    fn start(kind: &str, before: &str, behind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // A terminal that echoes, as a shell leaves it.
        let mut command = program(&format!("stty echo; {before}"), behind);
        command
            .env(KIND, kind)
            .env(ANSWER, folder.path().join("answer"));
        let mut session = OsSession::spawn(command).expect("a terminal");
        session.set_expect_timeout(Some(Duration::from_secs(60)));
        Self { session, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("answer")
    }

    /// What was written on the terminal until the end, and the answer.
    fn end(mut self) -> (String, String) {
        let rest = self.session.expect(Eof).expect("it ends");
        let shown = String::from_utf8_lossy(rest.as_bytes()).into_owned();
        (shown, answer(&self.file()))
    }
}

fn answer(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn a_secret_is_not_echoed_and_a_line_is() {
    let mut asked = Asked::start("secret", "exec", "");
    asked.session.expect("passphrase: ").expect("a prompt");
    assert!(!asked.session.get_process().is_echo().expect("modes"));
    asked.session.send_line("open sesame").expect("typed");
    let (shown, answer) = asked.end();
    assert_eq!(answer, "ok open sesame");
    assert!(!shown.contains("sesame"), "{shown}");

    let mut asked = Asked::start("line", "exec", "");
    asked.session.expect("name: ").expect("a prompt");
    asked.session.send_line("größe").expect("typed");
    let (shown, answer) = asked.end();
    assert_eq!(answer, "ok größe");
    assert!(shown.contains("größe"), "{shown}");
}

#[test]
fn an_empty_answer_takes_what_is_written_large() {
    for (typed, expected) in [("", "ok true"), ("perhaps\nNO", "ok false")] {
        let mut asked = Asked::start("confirm", "exec", "");
        asked.session.expect("[Y/n] ").expect("a prompt");
        asked.session.send_line(typed).expect("typed");
        assert_eq!(asked.end().1, expected, "{typed}");
    }
}

#[test]
fn the_end_of_the_file_is_no_answer() {
    let mut asked = Asked::start("secret", "exec", "");
    asked.session.expect("passphrase: ").expect("a prompt");
    asked.session.send("\u{4}").expect("typed");
    assert_eq!(asked.end().1, format!("error {}", Error::Cancelled));
}

#[test]
fn a_signal_ends_the_process_and_leaves_the_terminal_as_it_was() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut asked = Asked::start("secret", "exec", "");
        asked.session.expect("passphrase: ").expect("a prompt");
        let sent = asked.session.get_process_mut().signal(signal);
        sent.expect("sent");
        let status = asked.session.get_process().wait().expect("it ends");
        assert!(
            matches!(status, WaitStatus::Signaled(_, by, _) if by == signal),
            "{status:?}"
        );
        assert!(asked.session.get_process().is_echo().expect("modes"));
        assert_eq!(answer(&asked.file()), "", "no answer was made up");
    }
}

#[test]
fn behind_a_question_signals_do_what_they_always_do() {
    let mut asked = Asked::start("stay", "exec", "");
    asked.session.expect("passphrase: ").expect("a prompt");
    asked.session.send_line("x").expect("typed");
    asked.session.expect("staying").expect("it goes on");
    asked.session.send("\u{3}").expect("typed");
    let status = asked.session.get_process().wait().expect("it ends");
    assert!(
        matches!(status, WaitStatus::Signaled(_, Signal::SIGINT, _)),
        "{status:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn who_was_stopped_is_asked_again() {
    let mut asked = Asked::start("secret", "exec", "");
    asked.session.expect("passphrase: ").expect("a prompt");
    asked.session.send("\u{1a}").expect("typed");
    let state = format!("/proc/{}/stat", asked.session.get_process().pid());
    let is_stopped = || {
        let stat = std::fs::read_to_string(&state).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('T'))
    };
    while !is_stopped() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        asked.session.get_process().is_echo().expect("modes"),
        "the shell gets a terminal that echoes"
    );
    let woken = asked.session.get_process_mut().signal(Signal::SIGCONT);
    woken.expect("sent");
    asked.session.expect("passphrase: ").expect("again");
    asked.session.send_line("back").expect("typed");
    assert_eq!(asked.end().1, "ok back");
}

#[test]
fn nobody_is_asked_for_a_caller_that_has_gone() {
    let reader = "| while ! test -e \"$PROMPT_TEST_ANSWER.go\"; do sleep 0.02; done";
    let mut asked = Asked::start("secret", "", reader);
    asked.session.expect("passphrase: ").expect("a prompt");
    std::fs::write(asked.file().with_extension("go"), "").expect("a file");
    let (shown, answer) = asked.end();
    assert_eq!(answer, format!("error {}", Error::CallerGone), "{shown}");
}

#[test]
fn a_job_in_the_background_does_not_read() {
    let asked = Asked::start("secret", "set -m;", "& wait");
    let (shown, answer) = asked.end();
    assert_eq!(answer, format!("error {}", Error::Unavailable), "{shown}");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("answer");
    let status = program("exec setsid -w", "")
        .env(KIND, "secret")
        .env(ANSWER, &file)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .expect("a process");
    assert_eq!(status.into_raw(), 0);
    assert_eq!(answer(&file), format!("error {}", Error::Unavailable));
}
