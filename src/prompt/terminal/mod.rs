//! Questions on the controlling terminal. Unix; elsewhere none is asked there (untested).
//!
//! A secret is read without echo. The terminal's modes are restored before a signal takes effect, and a
//! question ends when the calling program has ended.

mod signals;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios};
use zeroize::Zeroizing;

use super::{Error, Prompt};
use crate::secret::Secret;
use crate::text::{fence, fence_line};
use signals::Signals;

/// Longer than any passphrase or token; the rest of a longer line is ignored.
const LONGEST: usize = 1024;

/// The controlling terminal.
pub(super) struct Terminal;

/// Whether there is one that may be read: a job in the background would be stopped.
pub(super) fn is_there() -> bool {
    open().is_some_and(|terminal| in_foreground(&terminal))
}

fn open() -> Option<File> {
    File::options().read(true).write(true).open("/dev/tty").ok()
}

fn in_foreground(terminal: &File) -> bool {
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// One question. It is asked again after the process was stopped and continued.
fn ask(text: &str, echo: bool) -> Result<Zeroizing<String>, Error> {
    let mut terminal = open().ok_or(Error::Unavailable)?;
    if !in_foreground(&terminal) {
        return Err(Error::Unavailable);
    }
    let _line = crate::diagnostics::reserve_line();
    loop {
        let mut signals = Signals::caught().map_err(|error| broken(&error))?;
        let answer = ask_once(&mut terminal, text, echo, &mut signals);
        if !signals.take_effect() {
            return answer;
        }
    }
}

fn ask_once(
    terminal: &mut File,
    text: &str,
    echo: bool,
    signals: &mut Signals,
) -> Result<Zeroizing<String>, Error> {
    let quiet = if echo {
        None
    } else {
        Some(Quiet::on(terminal)?)
    };
    // At the beginning of the line, over what was typed before the echo was off, as ssh does.
    let answer = terminal
        .write_all(format!("\r{}", fence(text)).as_bytes())
        .map_err(|error| broken(&error))
        .and_then(|()| read_line(terminal, signals));
    if quiet.is_some() || answer.is_err() {
        let _ = terminal.write_all(b"\n");
    }
    answer
}

fn read_line(terminal: &mut File, signals: &mut Signals) -> Result<Zeroizing<String>, Error> {
    // The whole capacity from the start, so that no copy of a secret is left behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    loop {
        wait(terminal, signals)?;
        let mut byte = [0];
        match terminal.read(&mut byte) {
            Ok(0) if line.is_empty() => return Err(Error::Cancelled),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() < LONGEST => line.push(byte[0]),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(&error)),
        }
    }
    let text = std::str::from_utf8(&line)
        .map_err(|_| Error::Broken("the answer is not UTF-8".to_owned()))?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

/// Until something is typed, a signal arrives, or the reader of stdout has gone.
fn wait(terminal: &File, signals: &mut Signals) -> Result<(), Error> {
    let stdout = rustix::stdio::stdout();
    let mut stdout_is_open = true;
    loop {
        let mut watched = vec![
            PollFd::new(terminal, PollFlags::IN),
            PollFd::new(signals.wake(), PollFlags::IN),
        ];
        if stdout_is_open {
            watched.push(PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty()));
        }
        match rustix::event::poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(broken(&error.into())),
        }
        let happened: Vec<_> = watched.iter().map(PollFd::revents).collect();
        if signals.arrived() {
            return Err(Error::Cancelled);
        }
        let of_stdout = happened.get(2).copied().unwrap_or(PollFlags::empty());
        if super::reader_gone(of_stdout) {
            return Err(Error::CallerGone);
        }
        stdout_is_open &= of_stdout.is_empty();
        if !happened[0].is_empty() {
            return Ok(());
        }
    }
}

fn broken(error: &std::io::Error) -> Error {
    Error::Broken(crate::diagnostics::os_error_message(error))
}

/// A terminal that does not echo, until this is dropped. Keeps a handle of its own.
struct Quiet(File, Termios);

impl Quiet {
    fn on(terminal: &File) -> Result<Self, Error> {
        let before = rustix::termios::tcgetattr(terminal).map_err(|error| broken(&error.into()))?;
        let handle = terminal.try_clone().map_err(|error| broken(&error))?;
        let mut quiet = before.clone();
        quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ECHONL);
        let restored = Self(handle, before);
        rustix::termios::tcsetattr(terminal, OptionalActions::Flush, &quiet)
            .map_err(|error| broken(&error.into()))?;
        Ok(restored)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Where the shell has the terminal back already, its modes are the shell's, and setting
        // them would stop this process.
        if in_foreground(&self.0) {
            let _ = rustix::termios::tcsetattr(&self.0, OptionalActions::Flush, &self.1);
        }
    }
}

impl Prompt for Terminal {
    fn available(&self) -> bool {
        true
    }

    fn terminal(&self) -> bool {
        true
    }

    fn secret(&self, text: &str) -> Result<Secret, Error> {
        let answer = ask(&fence_line(text, false), false)?;
        Ok(Secret::new(answer.as_str().to_owned()))
    }

    fn line(&self, text: &str) -> Result<String, Error> {
        Ok(ask(text, true)?.as_str().to_owned())
    }

    fn confirm(&self, text: &str) -> Result<bool, Error> {
        let default = text.trim_end().ends_with("[Y/n]");
        loop {
            match ask(text, true)?.trim().to_ascii_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => {}
            }
        }
    }
}
