//! git's three formats of one event (trace2/tr2_tgt_*.c). Pure but for the local time zone.

use std::fmt::{Display, Write as _};

use jiff::tz::TimeZone;

use super::event::{At, Event};
use crate::text::{fence, fence_json};

/// All regions and data of this program are of this category.
const CATEGORY: &str = "bitbucket";

/// api-trace2's version of the event format.
const EVENT_VERSION: &str = "4";

/// The program of `version`.
const PROGRAM: &str = concat!("bitbucket-ssh ", env!("CARGO_PKG_VERSION"));

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `GIT_TRACE2`: lines for people, without regions and data.
    Normal,
    /// `GIT_TRACE2_PERF`: columns.
    Perf,
    /// `GIT_TRACE2_EVENT`: one JSON object a line.
    Event,
}

impl Format {
    /// The line without its end. `None`: this format does not show it.
    pub(super) fn line(self, event: &Event<'_>, at: &At<'_>, brief: bool) -> Option<String> {
        let line = match self {
            Self::Normal => fence(&normal(event, at, brief)?).into_owned(),
            Self::Perf => fence(&perf(event, at, brief)).into_owned(),
            Self::Event => fence_json(&json(event, at, brief)).into_owned(),
        };
        Some(line)
    }
}

/// Microseconds as seconds with six digits.
fn seconds(micros: u128) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn local_time(at: &At<'_>) -> String {
    let zoned = at.time.to_zoned(TimeZone::system());
    zoned.strftime("%H:%M:%S.%6f").to_string()
}

fn normal(event: &Event<'_>, at: &At<'_>, brief: bool) -> Option<String> {
    let text = match event {
        Event::Version => format!("version {PROGRAM}"),
        Event::Start(argv) => format!("start {}", quoted_argv(argv)),
        Event::Name { name, hierarchy } => format!("cmd_name {name} ({hierarchy})"),
        Event::Mode(mode) => format!("cmd_mode {mode}"),
        Event::Param(param) => format!(
            "def_param scope:{} {}={}",
            param.scope, param.name, param.value
        ),
        Event::Error { text, .. } => format!("error {}", one_line(text)),
        Event::Line(text) => one_line(text),
        Event::Exec { program, argv } => format!("exec[0] {program} {}", quoted_argv(argv)),
        Event::NotExecuted(number) => format!("exec_result[0] code:{number}"),
        Event::Exit(code) => format!("exit elapsed:{} code:{code}", seconds(at.absolute)),
        Event::AtExit(code) => format!("atexit elapsed:{} code:{code}", seconds(at.absolute)),
        Event::ThreadStart
        | Event::ThreadExit(_)
        | Event::Enter { .. }
        | Event::Leave { .. }
        | Event::Data { .. } => return None,
    };
    if brief {
        return Some(text);
    }
    let place = format!(
        "{} {}:{} ",
        local_time(at),
        at.place.file(),
        at.place.line()
    );
    Some(format!("{place:<50}{text}"))
}

fn perf(event: &Event<'_>, at: &At<'_>, brief: bool) -> String {
    let text = match event {
        Event::Version => PROGRAM.to_owned(),
        Event::Start(argv) => quoted_argv(argv),
        Event::Name { name, hierarchy } => format!("{name} ({hierarchy})"),
        Event::Mode(mode) => (*mode).to_owned(),
        Event::Param(param) => format!("{}:{}", param.name, param.value),
        Event::ThreadStart | Event::ThreadExit(_) => String::new(),
        Event::Enter { label, message } | Event::Leave { label, message, .. } => {
            let space = if message.is_empty() { "" } else { " " };
            format!("label:{label}{space}{}", one_line(message))
        }
        Event::Data { key, value, .. } => format!("{key}:{}", one_line(value)),
        Event::Error { text, .. } | Event::Line(text) => one_line(text),
        Event::Exec { program, argv } => format!("id:0 argv:[{program} {}]", quoted_argv(argv)),
        Event::NotExecuted(number) => format!("id:0 code:{number}"),
        Event::Exit(code) | Event::AtExit(code) => format!("code:{code}"),
    };
    let mut line = String::new();
    if !brief {
        let place = format!("{}:{}", at.place.file(), at.place.line());
        let place = match place.len() {
            0..=28 => place,
            long => format!("...{}", &place[long - 25..]),
        };
        let _ = write!(line, "{} {place:<28} | ", local_time(at));
    }
    let absolute = match event {
        Event::Version
        | Event::Name { .. }
        | Event::Mode(_)
        | Event::Param(_)
        | Event::Error { .. } => String::new(),
        _ => seconds(at.absolute),
    };
    let scope;
    let category = match event {
        Event::Enter { .. } | Event::Leave { .. } | Event::Data { .. } => CATEGORY,
        Event::Param(param) => {
            scope = format!("scope:{}", param.scope);
            &scope
        }
        _ => "",
    };
    let relative = event.relative().map(seconds).unwrap_or_default();
    let dots = ".".repeat(at.nesting.saturating_sub(1) * 2);
    let _ = write!(
        line,
        "d{} | {:<24} | {:<12} |     | {absolute:>9} | {relative:>9} | {category:<12.12} | {dots}{text}",
        at.depth,
        at.thread,
        event.name(),
    );
    line
}

fn json(event: &Event<'_>, at: &At<'_>, brief: bool) -> String {
    let mut object = Object::new();
    object.text("event", event.name());
    object.text("sid", at.session);
    object.text("thread", at.thread);
    if !brief || matches!(event, Event::Version | Event::AtExit(_)) {
        let time = at.time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        object.text("time", &time);
    }
    if !brief {
        object.text("file", at.place.file());
        object.plain("line", at.place.line());
    }
    if event.is_timed() {
        object.plain("t_abs", seconds(at.absolute));
    }
    if let Some(relative) = event.relative() {
        object.plain("t_rel", seconds(relative));
    }
    if event.is_nested() {
        object.plain("nesting", at.nesting);
        object.text("category", CATEGORY);
    }
    match event {
        Event::Version => {
            object.text("evt", EVENT_VERSION);
            object.text("exe", PROGRAM);
        }
        Event::ThreadStart | Event::ThreadExit(_) => {}
        Event::Start(argv) => object.list("argv", argv),
        Event::Name { name, hierarchy } => {
            object.text("name", name);
            object.text("hierarchy", hierarchy);
        }
        Event::Mode(mode) => object.text("name", mode),
        Event::Param(param) => {
            object.text("scope", param.scope);
            object.text("param", &param.name);
            object.text("value", &param.value);
        }
        Event::Enter { label, message } | Event::Leave { label, message, .. } => {
            object.text("label", label);
            if !message.is_empty() {
                object.text("msg", message);
            }
        }
        Event::Data { key, value, .. } => {
            object.text("key", key);
            object.text("value", value);
        }
        Event::Error { text, kind } => {
            object.text("msg", text);
            object.text("fmt", kind);
        }
        Event::Line(text) => object.text("msg", text),
        Event::Exec { program, argv } => {
            object.plain("exec_id", 0);
            object.text("exe", program);
            object.list("argv", argv);
        }
        Event::NotExecuted(number) => {
            object.plain("exec_id", 0);
            object.plain("code", number);
        }
        Event::Exit(code) | Event::AtExit(code) => object.plain("code", code),
    }
    object.done()
}

/// A JSON object with its fields in the order of the calls.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    /// A number, as it is written.
    fn plain(&mut self, key: &str, value: impl Display) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{key}\":{value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.plain(key, serde_json::Value::from(value));
    }

    fn list(&mut self, key: &str, values: &[String]) {
        self.plain(key, serde_json::Value::from(values));
    }

    fn done(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A text of several lines as one.
fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}

/// An argv as git quotes it for people (quote.c, `sq_append_quote_argv_pretty`).
fn quoted_argv(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+,-./:=@_^".contains(c);
    let quoted = argv.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            return word.clone();
        }
        format!("'{}'", word.replace('\'', "'\\''").replace('!', "'\\!'"))
    });
    one_line(&quoted.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::config::Param;
    use super::*;

    fn at(place: &'static std::panic::Location<'static>) -> At<'static> {
        At {
            session: "PARENT/OWN",
            depth: 1,
            thread: "main",
            nesting: 2,
            time: "2026-11-25T22:02:03.311639Z".parse().expect("a time"),
            absolute: 12_345,
            place,
        }
    }

    #[test]
    fn perf_has_git_s_columns() {
        let here = std::panic::Location::caller();
        let leave = Event::Leave {
            label: "kex",
            message: "of ssh.bitbucket.org",
            took: 1_000_001,
        };
        // As git 2.47 writes it.
        assert_eq!(
            perf(&leave, &at(here), true),
            "d1 | main                     | region_leave |     |  0.012345 |  1.000001 | bitbucket    | ..label:kex of ssh.bitbucket.org"
        );
        let param = Param {
            scope: "global",
            name: "bitbucket.account".to_owned(),
            value: "a@x".to_owned(),
        };
        assert_eq!(
            perf(&Event::Param(&param), &at(here), true),
            "d1 | main                     | def_param    |     |           |           | scope:global | ..bitbucket.account:a@x"
        );
        let full = perf(&Event::Exit(3), &at(here), false);
        let columns: Vec<&str> = full.split(" | ").collect();
        assert_eq!(columns[0].len(), 15 + 1 + 28, "{full}");
        assert!(columns[0][16..].starts_with("..."), "{full}");
    }

    #[test]
    fn every_event_is_one_line_and_json() {
        let here = std::panic::Location::caller();
        let argv = ["bitbucket-ssh".to_owned(), "a\n'b'\u{1b}!".to_owned()];
        for event in [
            Event::Start(&argv),
            Event::Error {
                text: "one\ntwo",
                kind: "Kind",
            },
            Event::Data {
                key: "site",
                value: "\"\u{7}\n",
                since: 0,
            },
        ] {
            for format in [Format::Normal, Format::Perf, Format::Event] {
                for brief in [true, false] {
                    let line = format.line(&event, &at(here), brief).unwrap_or_default();
                    assert!(!line.contains('\n'), "{line}");
                }
            }
            let line = json(&event, &at(here), false);
            let value: serde_json::Value = serde_json::from_str(&line).expect(&line);
            assert_eq!(value["sid"], "PARENT/OWN");
        }
        assert_eq!(
            quoted_argv(&argv),
            r"bitbucket-ssh 'a '\''b'\''".to_owned() + "\u{1b}'\\!''"
        );
    }

    #[test]
    fn normal_is_indented_as_git_s() {
        let here = std::panic::Location::caller();
        let line = normal(&Event::Exit(0), &at(here), false).expect("a line");
        assert!(
            line.ends_with("exit elapsed:0.012345 code:0") && line.find(" exit").unwrap() >= 49,
            "{line}"
        );
        assert!(normal(&Event::ThreadStart, &at(here), false).is_none());
    }
}
