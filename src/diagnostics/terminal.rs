//! stderr: lines of messages, and one line that shows what the program is waiting for.
//!
//! A wait is shown only on a terminal, once it has lasted for a second, and disappears when it is
//! over. Under `-q` nothing is shown; a terminal that cannot move its cursor (`TERM=dumb`) gets one
//! plain line. No colour under NO_COLOR, ASCII where the locale is not UTF-8. Each wait is a region of
//! git's log, too.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::level::{self, Level};
use super::trace2::{self, Region};
use crate::context::Environment;
use crate::text::{fence, sanitise};

/// A shorter wait is not shown.
const DELAY: Duration = Duration::from_secs(1);

/// How often the spinner moves.
const TICK: Duration = Duration::from_millis(100);

const BRAILLE: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII: [&str; 4] = ["-", "\\", "|", "/"];

static STYLE: OnceLock<Style> = OnceLock::new();

static LAST_LINE: Mutex<LastLine> = Mutex::new(LastLine {
    spinner: false,
    reserved: 0,
});

/// The terminal's last line; locked by every write to stderr.
struct LastLine {
    /// A spinner is on it.
    spinner: bool,
    /// How many questions want it for themselves.
    reserved: usize,
}

fn last_line() -> MutexGuard<'static, LastLine> {
    LAST_LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LastLine {
    fn clear(&mut self) {
        if std::mem::take(&mut self.spinner) {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// Writes bytes to stderr in one go; a spinner gives way to them.
pub(super) fn write(bytes: &[u8]) -> std::io::Result<()> {
    let mut line = last_line();
    line.clear();
    std::io::stderr().write_all(bytes)
}

/// Writes one message and a line feed to stderr. A failure is ignored: there is nowhere to report it.
pub(super) fn line(text: &str) {
    let _ = write(format!("{}\n", fence(text)).as_bytes());
}

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    /// It cannot move its cursor.
    dumb: bool,
    unicode: bool,
    colour: bool,
}

impl Style {
    fn of(environment: &Environment) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| environment.text(name));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            dumb: matches!(environment.text("TERM"), None | Some("dumb")),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            colour: environment.text("NO_COLOR").is_none(),
        }
    }

    fn spinner(self) -> ProgressStyle {
        let frames: &[&str] = if self.unicode { &BRAILLE } else { &ASCII };
        // The colour is part of the frame: indicatif's own would ask whether stdout is a terminal.
        let frames: Vec<String> = frames
            .iter()
            .map(|frame| {
                if self.colour {
                    format!("\x1b[36m{frame}\x1b[0m")
                } else {
                    (*frame).to_owned()
                }
            })
            .collect();
        let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
        ProgressStyle::with_template("{spinner} {wide_msg}")
            .expect("a template without mistakes")
            .tick_strings(&frames)
    }

    /// The text as far as the terminal has characters for it.
    fn fitting(self, text: &str) -> String {
        let fits = |c: char| self.unicode || c.is_ascii();
        sanitise(text)
            .chars()
            .map(|c| if fits(c) { c } else { '?' })
            .collect()
    }
}

/// Before this, no wait is shown.
pub(super) fn start(environment: &Environment) {
    let _ = STYLE.set(Style::of(environment));
}

/// A wait; it ends when this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Waiting {
    _indicator: Option<Indicator>,
    /// Left after the indicator has gone.
    _region: Region,
}

/// Something that may take a while: `label` is its region in git's log, `text` is shown.
#[track_caller]
pub fn waiting(label: &'static str, text: impl Fn() -> String) -> Waiting {
    show_waiting(label, &text, None)
}

/// As [`waiting`], for one of several waits of a kind, of which the first began at `since` and was
/// announced by a notice: a dumb terminal gets no second line.
#[track_caller]
pub fn waiting_since(label: &'static str, since: Instant, text: impl Fn() -> String) -> Waiting {
    show_waiting(label, &text, Some(since))
}

/// As [`waiting`], in git's log alone: others may write on the terminal meanwhile.
#[track_caller]
pub fn trace_only(label: &'static str, text: impl Fn() -> String) -> Waiting {
    Waiting {
        _indicator: None,
        _region: trace2::region(label, text),
    }
}

#[track_caller]
fn show_waiting(
    label: &'static str,
    text: &dyn Fn() -> String,
    announced: Option<Instant>,
) -> Waiting {
    let style = STYLE.get().filter(|style| {
        level::is_shown(Level::Info)
            && std::io::stderr().is_terminal()
            && !(style.dumb && announced.is_some())
    });
    let since = announced.unwrap_or_else(Instant::now);
    Waiting {
        _indicator: style.map(|style| Indicator::start(*style, since, text())),
        _region: trace2::region(label, text),
    }
}

/// A thread that shows the wait until the sender is dropped.
#[derive(Debug)]
struct Indicator {
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Indicator {
    fn start(style: Style, since: Instant, text: String) -> Self {
        let (running, ended) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("waiting".to_owned())
            .spawn(move || show(style, since, &text, &ended));
        Self {
            running: Some(running),
            // Where there is no thread to spare, nothing is shown.
            thread: thread.ok(),
        }
    }
}

impl Drop for Indicator {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show(style: Style, since: Instant, text: &str, ended: &Receiver<()>) {
    let lasts = |pause| ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout);
    if !lasts(DELAY.saturating_sub(since.elapsed())) {
        return;
    }
    if style.dumb {
        plain_line(text);
        return;
    }
    let text = style.fitting(text);
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        .with_style(style.spinner());
    loop {
        let mut line = last_line();
        if line.reserved == 0 {
            spinner.set_message(format!("{text} ({} s)", since.elapsed().as_secs()));
            spinner.tick();
            line.spinner = true;
        }
        drop(line);
        if !lasts(TICK) {
            break;
        }
    }
    let mut line = last_line();
    line.clear();
    // It must not draw once more when it is dropped.
    spinner.set_draw_target(ProgressDrawTarget::hidden());
}

/// For a terminal that cannot move its cursor: a line, unless it was the last one already.
fn plain_line(text: &str) {
    static LAST: Mutex<String> = Mutex::new(String::new());
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if *last != text {
        text.clone_into(&mut last);
        line(&format!("bitbucket-ssh: {text}"));
    }
}

/// No spinner is drawn until this is dropped: a question is on the terminal's last line.
#[must_use]
#[derive(Debug)]
pub struct ReservedLine(());

/// Keeps the terminal's last line free of spinners.
pub fn reserve_line() -> ReservedLine {
    let mut line = last_line();
    line.clear();
    line.reserved += 1;
    ReservedLine(())
}

impl Drop for ReservedLine {
    fn drop(&mut self) {
        last_line().reserved -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(variables: &[(&str, &str)]) -> Style {
        Style::of(&Environment::new(
            variables.iter().map(|(n, v)| (n.into(), v.into())),
        ))
    }

    #[test]
    fn a_terminal_gets_what_it_can_show() {
        for (variables, dumb, unicode, colour, why) in [
            (&[][..], true, false, true, "nothing is known of it"),
            (
                &[("TERM", "dumb"), ("LANG", "C.UTF-8")],
                true,
                true,
                true,
                "dumb",
            ),
            (
                &[("TERM", "xterm"), ("LANG", "de_DE.utf8")],
                false,
                true,
                true,
                "UTF-8",
            ),
            (
                &[("TERM", "xterm"), ("LC_ALL", "C"), ("LANG", "C.UTF-8")],
                false,
                false,
                true,
                "LC_ALL wins over LANG",
            ),
            (
                &[("TERM", "xterm"), ("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8")],
                false,
                true,
                true,
                "an empty one counts as unset",
            ),
            (
                &[("TERM", "xterm"), ("NO_COLOR", "1")],
                false,
                false,
                false,
                "NO_COLOR",
            ),
            (
                &[("TERM", "xterm"), ("NO_COLOR", "")],
                false,
                false,
                true,
                "an empty one",
            ),
        ] {
            let expected = Style {
                dumb,
                unicode,
                colour,
            };
            assert_eq!(style(variables), expected, "{why}");
        }
    }

    #[test]
    fn a_text_is_ascii_where_the_terminal_has_nothing_else() {
        let utf8 = style(&[("LANG", "C.UTF-8")]);
        let ascii = style(&[("LANG", "C")]);
        assert_eq!(utf8.fitting("größe\u{1b}"), "größe\\033");
        assert_eq!(ascii.fitting("größe\u{1b}"), "gr??e\\033");
    }
}
