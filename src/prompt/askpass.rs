//! Questions by SSH_ASKPASS: the prompt is its argument, the answer its stdout.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Error, Prompt};
use crate::context::Context;
use crate::secret::Secret;
use crate::text::{Shown, fence, fence_line};

/// ssh(1), SSH_ASKPASS_PROMPT: which kind of question it is.
const KIND: &str = "SSH_ASKPASS_PROMPT";

/// Set for an askpass program: a call of this program below it asks nothing by askpass. One that led
/// back here would start itself again and again.
pub(super) const GUARD: &str = "BITBUCKET_SSH_ASKING";

/// Longer than any passphrase or token.
const LONGEST: usize = 8 * 1024;

/// Where packages install an askpass program, which is used without SSH_ASKPASS: Debian, Fedora, Arch
/// and SUSE, OpenSSH's own default.
const INSTALLED: [&str; 4] = [
    "/usr/bin/ssh-askpass",
    "/usr/libexec/openssh/ssh-askpass",
    "/usr/lib/ssh/ssh-askpass",
    "/usr/X11R6/bin/ssh-askpass",
];

/// The system's own askpass program. `None`: there is none.
pub(super) fn installed() -> Option<OsString> {
    let program = INSTALLED
        .iter()
        .find(|program| Path::new(program).exists())?;
    Some(program.into())
}

/// An askpass program.
pub(super) struct Askpass {
    context: Context,
    program: OsString,
}

impl Askpass {
    pub(super) fn new(context: &Context, program: &OsStr) -> Self {
        Self {
            context: context.clone(),
            program: program.to_owned(),
        }
    }

    /// The answer without its newline; `None` where the program failed, which means no.
    fn ask(&self, text: &str, kind: Option<&str>) -> Result<Option<Zeroizing<String>>, Error> {
        let mut command = self.context.command(&self.program);
        command
            .arg(&*fence(text))
            .env(GUARD, "1")
            .stdout(Stdio::piped());
        match kind {
            Some(kind) => command.env(KIND, kind),
            None => command.env_remove(KIND),
        };
        let mut child = command.spawn().map_err(|error| {
            let program = Shown::path(Path::new(&self.program), None);
            Error::Broken(format!(
                "{program}: {}",
                crate::diagnostics::os_error_message(&error)
            ))
        })?;
        let answer = read(&mut child);
        let status = child
            .wait()
            .map_err(|error| Error::Broken(error.to_string()))?;
        let answer = answer?;
        Ok(status.success().then_some(answer))
    }
}

/// Reads in a thread, so that the end of the calling program is noticed.
fn read(child: &mut Child) -> Result<Zeroizing<String>, Error> {
    let mut output = child.stdout.take().expect("stdout was asked for as a pipe");
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // The whole capacity from the start, so that no copy of a secret is left behind.
        let mut answer = Zeroizing::new(String::with_capacity(LONGEST));
        let most = u64::try_from(LONGEST - 1).expect("a small number");
        let read = output.by_ref().take(most).read_to_string(&mut answer);
        let _ = sender.send(read.map(|_| answer));
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(250)) {
            Ok(Ok(mut answer)) => {
                let end = answer.find(['\r', '\n']).unwrap_or(answer.len());
                answer.truncate(end);
                return Ok(answer);
            }
            Ok(Err(error)) => return Err(Error::Broken(error.to_string())),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) if !super::caller_gone() => {}
            Err(_) => {
                let _ = child.kill();
                return Err(Error::CallerGone);
            }
        }
    }
}

impl Prompt for Askpass {
    fn available(&self) -> bool {
        true
    }

    fn terminal(&self) -> bool {
        false
    }

    fn secret(&self, text: &str) -> Result<Secret, Error> {
        let text = fence_line(text, false);
        let answer = self.ask(&text, None)?.ok_or(Error::Cancelled)?;
        Ok(Secret::new(answer.as_str().to_owned()))
    }

    fn line(&self, text: &str) -> Result<String, Error> {
        let answer = self.ask(text, None)?.ok_or(Error::Cancelled)?;
        Ok(answer.as_str().to_owned())
    }

    fn confirm(&self, text: &str) -> Result<bool, Error> {
        // readpass.c: an empty answer and "yes" are yes; the exit status is no.
        let answer = self.ask(text, Some("confirm"))?;
        Ok(answer.is_some_and(|answer| answer.is_empty() || answer.eq_ignore_ascii_case("yes")))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;

    use super::{Askpass, Error, Prompt as _};
    use crate::clock::SystemClock;
    use crate::context::{Context, Environment};

    fn askpass(script: &str) -> (tempfile::TempDir, Askpass) {
        let directory = tempfile::tempdir().expect("a folder");
        let program = directory.path().join("ask");
        // Written by another process: a file that is still open for writing in a child of some other
        // test cannot be run.
        #[expect(clippy::disallowed_methods, reason = "it writes a test's file")]
        let written = std::process::Command::new("/bin/sh")
            .args(["-c", r#"printf '%s' "$1" >"$2"; chmod 755 "$2""#, "sh"])
            .arg(format!("#!/bin/sh\n{script}\n"))
            .arg(&program)
            .status();
        assert!(written.expect("a shell").success());
        let variables = [
            ("PATH", "/usr/bin:/bin"),
            ("BITBUCKET_API_TOKEN", "ATATT-secret"),
        ];
        let context = Context {
            environment: Environment::new(variables.map(|(n, v)| (n.into(), v.into()))),
            directory: directory.path().to_owned(),
            program: "/".into(),
            clock: Arc::new(SystemClock),
        };
        let askpass = Askpass::new(&context, program.as_os_str());
        (directory, askpass)
    }

    #[test]
    fn the_program_gets_the_prompt_and_its_first_line_is_the_answer() {
        let (_directory, ask) = askpass(r#"printf '%s\nrest' "$1""#);
        let answer = ask
            .secret("Enter passphrase for key '/k': ")
            .expect("an answer");
        assert_eq!(answer.reveal(), "Enter passphrase for key '/k': ");
    }

    #[test]
    fn a_no_is_a_no_and_a_missing_program_is_named() {
        let (_directory, ask) = askpass("exit 1");
        assert_eq!(ask.secret("x").expect_err("no answer"), Error::Cancelled);
        assert!(!ask.confirm("x").expect("an answer"), "status 1 is no");
        let (directory, ask) = askpass("exit 0");
        assert!(
            ask.confirm("x").expect("an answer"),
            "an empty answer is yes"
        );
        std::fs::remove_file(directory.path().join("ask")).expect("removed");
        let Error::Broken(words) = ask.secret("x").expect_err("no program") else {
            panic!("another error")
        };
        assert!(words.ends_with("ask: No such file or directory"), "{words}");
    }

    #[test]
    fn what_it_says_behind_its_answer_or_leaves_running_does_no_harm() {
        let (_directory, ask) = askpass("printf 'yes\\r\\n'; head -c 100000 /dev/zero");
        assert!(ask.confirm("x").is_ok(), "more than is read");
        let (_directory, ask) = askpass("echo a; exit 0; echo b");
        assert_eq!(ask.line("x").expect("an answer"), "a");
    }

    #[test]
    fn it_knows_the_kind_of_question_and_no_token() {
        let (_directory, ask) =
            askpass(r#"printf '%s%s' "$SSH_ASKPASS_PROMPT" "$BITBUCKET_API_TOKEN""#);
        assert_eq!(ask.line("x").expect("an answer"), "");
        assert!(
            !ask.confirm("x").expect("an answer"),
            "it answered `confirm`, which is no yes"
        );
    }
}
