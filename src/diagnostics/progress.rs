//! Something that lasts: shown on a terminal's stderr once it has lasted for a second, gone when it
//! is over.
//!
//! Nothing is shown where stderr is no terminal, or under `-q`. A terminal that cannot move its
//! cursor (`TERM=dumb`) gets one plain line. Without colour under NO_COLOR, in ASCII where the
//! locale is not UTF-8, and never wider than the terminal is at that moment. Each wait is a region
//! of git's log, too.

use std::io::IsTerminal as _;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::level::{self, Level};
use super::sink;
use super::trace2::{self, Region};
use crate::context::Environment;

/// What is shorter than this is not shown.
const DELAY: Duration = Duration::from_secs(1);

/// How often it moves.
const TICK: Duration = Duration::from_millis(100);

/// What moves, where the locale has it, and where it has not.
const BRAILLE: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII: [&str; 4] = ["-", "\\", "|", "/"];

/// To the line's begin, and the line away.
const CLEAR: &str = "\r\u{1b}[K";

static STYLE: OnceLock<Style> = OnceLock::new();

static LINE: Mutex<LastLine> = Mutex::new(LastLine {
    drawn: false,
    lent: 0,
});

/// The terminal's last line.
struct LastLine {
    /// An indicator stands on it.
    drawn: bool,
    /// How many others are writing on it.
    lent: usize,
}

/// How a terminal wants it.
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
        let dumb = matches!(environment.text("TERM"), None | Some("dumb"));
        Self {
            dumb,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            colour: environment.text("NO_COLOR").is_none(),
        }
    }
}

/// The process begins: until then nothing is ever shown.
pub(super) fn begin(environment: &Environment) {
    let _ = STYLE.set(Style::of(environment));
}

/// A wait, over when this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Waiting {
    _indicator: Option<Indicator>,
    /// Left last.
    _region: Region,
}

/// Something may last from here on: `label` in git's log, `text` on a terminal.
#[track_caller]
pub fn waiting(label: &'static str, text: impl Fn() -> String) -> Waiting {
    begin_waiting(label, &text, None)
}

/// As [`waiting`], for one of several waits of the same kind, the first of which began at `begun`,
/// and of which a notice has told: a dumb terminal gets no second line.
#[track_caller]
pub fn waiting_as_told(label: &'static str, begun: Instant, text: impl Fn() -> String) -> Waiting {
    begin_waiting(label, &text, Some(begun))
}

/// As [`waiting`], in git's log alone: somebody else may write on the terminal meanwhile.
#[track_caller]
pub fn trace_only(label: &'static str, text: impl Fn() -> String) -> Waiting {
    Waiting {
        _indicator: None,
        _region: trace2::region(label, text),
    }
}

#[track_caller]
fn begin_waiting(label: &'static str, text: &dyn Fn() -> String, told: Option<Instant>) -> Waiting {
    let style = STYLE.get().filter(|style| {
        level::shown(Level::Info)
            && std::io::stderr().is_terminal()
            && !(style.dumb && told.is_some())
    });
    let begun = told.unwrap_or_else(Instant::now);
    Waiting {
        _indicator: style.map(|style| Indicator::start(*style, begun, text())),
        _region: trace2::region(label, text),
    }
}

#[derive(Debug)]
struct Indicator {
    over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Indicator {
    fn start(style: Style, begun: Instant, text: String) -> Self {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let seen = Arc::clone(&over);
        let shown = move || {
            let mut pause = DELAY.saturating_sub(begun.elapsed());
            for number in 0.. {
                if is_over(&seen, pause) {
                    return;
                }
                if style.dumb {
                    tell_once(&text);
                    return;
                }
                draw(&line(style, &text, number, begun.elapsed(), columns()));
                pause = TICK;
            }
        };
        let thread = std::thread::Builder::new().name("waiting".to_owned());
        Self {
            over,
            // A machine without a thread to spare waits without a word.
            thread: thread.spawn(shown).ok(),
        }
    }
}

impl Drop for Indicator {
    fn drop(&mut self) {
        let (over, changed) = &*self.over;
        *over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        aside(|| {});
    }
}

/// For a terminal that cannot move its cursor: a line, unless it is the last one again.
fn tell_once(text: &str) {
    static LAST: Mutex<String> = Mutex::new(String::new());
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if *last != text {
        text.clone_into(&mut last);
        let _ = sink::write_stderr(format!("bitbucket-ssh: {text}\n").as_bytes());
    }
}

/// Waits for the end of the wait, at most `pause`.
fn is_over(seen: &(Mutex<bool>, Condvar), pause: Duration) -> bool {
    let (over, changed) = seen;
    let guard = over.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = changed.wait_timeout_while(guard, pause, |over| !*over);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

fn draw(line: &str) {
    let mut last = LINE.lock().unwrap_or_else(PoisonError::into_inner);
    if last.lent > 0 {
        return;
    }
    last.drawn = true;
    let _ = sink::raw_stderr(format!("\r{line}\u{1b}[K").as_bytes());
}

/// Does something with the terminal's last line; the indicator is taken away before.
pub(super) fn aside<T>(act: impl FnOnce() -> T) -> T {
    let mut last = LINE.lock().unwrap_or_else(PoisonError::into_inner);
    last.clear();
    act()
}

impl LastLine {
    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = sink::raw_stderr(CLEAR.as_bytes());
        }
    }
}

/// The terminal is somebody else's until this is dropped: a question stands on its last line.
#[must_use]
#[derive(Debug)]
pub struct Lent(());

/// Lends the terminal's last line.
pub fn lend_line() -> Lent {
    let mut last = LINE.lock().unwrap_or_else(PoisonError::into_inner);
    last.clear();
    last.lent += 1;
    Lent(())
}

impl Drop for Lent {
    fn drop(&mut self) {
        LINE.lock().unwrap_or_else(PoisonError::into_inner).lent -= 1;
    }
}

/// One line, cut so that the cursor stays on it.
fn line(style: Style, text: &str, number: usize, waited: Duration, columns: usize) -> String {
    let frames: &[&str] = if style.unicode { &BRAILLE } else { &ASCII };
    let frame = frames[number % frames.len()];
    let text: String = if style.unicode {
        text.to_owned()
    } else {
        text.chars()
            .map(|c| if c.is_ascii() { c } else { '?' })
            .collect()
    };
    let rest = fitting(
        &format!(" {text} ({} s)", waited.as_secs()),
        columns.saturating_sub(2),
    );
    if style.colour {
        format!("\u{1b}[36m{frame}\u{1b}[0m{rest}")
    } else {
        format!("{frame}{rest}")
    }
}

/// As much as fits. Whatever is no ASCII may be two columns wide.
fn fitting(text: &str, columns: usize) -> String {
    let mut left = columns;
    text.chars()
        .take_while(|c| {
            let width = if c.is_ascii() { 1 } else { 2 };
            let fits = width <= left;
            left = left.saturating_sub(width);
            fits
        })
        .collect()
}

/// The terminal's width now; 80 where it does not say.
#[cfg(unix)]
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
    match size.map(|size| usize::from(size.ws_col)) {
        Ok(0) | Err(_) => 80,
        Ok(columns) => columns,
    }
}

#[cfg(not(unix))]
fn columns() -> usize {
    80
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
                "LC_ALL stands before LANG",
            ),
            (
                &[("TERM", "xterm"), ("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8")],
                false,
                true,
                true,
                "an empty one says nothing",
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
    fn a_line_is_never_wider_than_its_terminal() {
        let plain = Style {
            dumb: false,
            unicode: false,
            colour: false,
        };
        let unicode = Style {
            unicode: true,
            ..plain
        };
        let text = "waiting for api.bitbucket.org";
        let seconds = Duration::from_secs(12);
        for (style, text, columns, expected) in [
            (plain, text, 80, "- waiting for api.bitbucket.org (12 s)"),
            (plain, text, 20, "- waiting for api.b"),
            (plain, "größe", 80, "- gr??e (12 s)"),
            (unicode, "größe", 80, "⠋ größe (12 s)"),
            (unicode, "größe", 8, "⠋ grö"),
            (plain, text, 1, "-"),
            (plain, text, 0, "-"),
        ] {
            assert_eq!(
                line(style, text, 0, seconds, columns),
                expected,
                "{columns}"
            );
        }
        let coloured = Style {
            colour: true,
            ..plain
        };
        assert_eq!(line(coloured, "x", 1, seconds, 3), "\u{1b}[36m\\\u{1b}[0m ");
    }
}
