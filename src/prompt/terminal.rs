//! Asking on the controlling terminal. Unix; elsewhere nobody is asked there (untested).
//!
//! A secret is read without echo. The terminal's modes are put back before a signal takes effect,
//! and a question ends when the program that called us has gone.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use zeroize::Zeroizing;

use super::{Error, Prompt};
use crate::secret::Secret;

/// The controlling terminal.
pub(super) struct Terminal;

/// Whether there is one, and we may read from it: a job in the background would be stopped.
pub(super) fn is_there() -> bool {
    open().is_some_and(|terminal| in_foreground(&terminal))
}

fn open() -> Option<File> {
    File::options().read(true).write(true).open("/dev/tty").ok()
}

fn in_foreground(terminal: &File) -> bool {
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

fn ask(text: &str, echo: bool) -> Result<Zeroizing<String>, Error> {
    let mut terminal = open().ok_or(Error::Nobody)?;
    if !in_foreground(&terminal) {
        return Err(Error::Nobody);
    }
    let signals = Signals::caught()?;
    let quiet = if echo {
        None
    } else {
        Some(Quiet::on(&terminal)?)
    };
    let answer = terminal
        .write_all(text.as_bytes())
        .map_err(|error| broken(&error))
        .and_then(|()| read_line(&mut terminal, &signals));
    if quiet.is_some() || answer.is_err() {
        let _ = terminal.write_all(b"\n");
    }
    drop(quiet);
    signals.pass_on();
    answer
}

fn read_line(terminal: &mut File, signals: &Signals) -> Result<Zeroizing<String>, Error> {
    // Longer than any passphrase; room from the start, so that nothing is copied about.
    let mut line = Zeroizing::new(Vec::with_capacity(1024));
    loop {
        wait(terminal, signals)?;
        let mut byte = [0];
        match terminal.read(&mut byte) {
            Ok(0) if line.is_empty() => return Err(Error::Cancelled),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() < line.capacity() => line.push(byte[0]),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(&error)),
        }
    }
    let text = std::str::from_utf8(&line)
        .map_err(|_| Error::Broken("the answer is not UTF-8".to_owned()))?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

/// Until something was typed, a signal came, or the reader of our stdout has gone.
fn wait(terminal: &File, signals: &Signals) -> Result<(), Error> {
    let stdout = rustix::stdio::stdout();
    loop {
        let mut watched = [
            PollFd::new(terminal, PollFlags::IN),
            PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty()),
        ];
        match rustix::event::poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(broken(&error.into())),
        }
        if signals.arrived().is_some() {
            return Err(Error::Cancelled);
        }
        if watched[1].revents().contains(PollFlags::ERR) {
            return Err(Error::CallerGone);
        }
        if !watched[0].revents().is_empty() {
            return Ok(());
        }
    }
}

fn broken(error: &std::io::Error) -> Error {
    Error::Broken(crate::diagnostics::system_words(error))
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
        let _ = rustix::termios::tcsetattr(&self.0, OptionalActions::Flush, &self.1);
    }
}

/// The signals that end a process, noted while a question stands and passed on behind it.
struct Signals {
    last: Arc<AtomicUsize>,
    registered: Vec<SigId>,
}

impl Signals {
    fn caught() -> Result<Self, Error> {
        let mut signals = Self {
            last: Arc::new(AtomicUsize::new(0)),
            registered: Vec::new(),
        };
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            let number = usize::try_from(signal).expect("signals are positive");
            let id = signal_hook::flag::register_usize(signal, Arc::clone(&signals.last), number)
                .map_err(|error| broken(&error))?;
            signals.registered.push(id);
        }
        Ok(signals)
    }

    fn arrived(&self) -> Option<i32> {
        i32::try_from(self.last.load(Ordering::Relaxed))
            .ok()
            .filter(|signal| *signal != 0)
    }

    /// What came takes effect now, with the terminal as it was.
    fn pass_on(&self) {
        if let Some(signal) = self.arrived() {
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
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
        let answer = ask(text, false)?;
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
