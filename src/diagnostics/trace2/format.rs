//! git's three formats of one event (trace2/tr2_tgt_*.c). Pure but for the local time zone.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::event::{At, Elapsed, Event, seconds};
use crate::text::{fence, fence_json};

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
    pub(super) fn line(self, event: &Event, at: &At<'_>, brief: bool) -> Option<String> {
        let one_line = |text: &str| fence(&text.replace('\n', " ")).into_owned();
        Some(match self {
            Self::Normal => one_line(&normal(event, at, brief)?),
            Self::Perf => one_line(&perf(event, at, brief)),
            Self::Event => fence_json(&json(event, at, brief)).into_owned(),
        })
    }
}

fn local_time(at: &At<'_>) -> String {
    let zoned = at.time.to_zoned(TimeZone::system());
    zoned.strftime("%H:%M:%S.%6f").to_string()
}

fn normal(event: &Event, at: &At<'_>, brief: bool) -> Option<String> {
    let text = event.normal.as_deref()?;
    if brief {
        return Some(text.to_owned());
    }
    let (file, line) = (at.place.file(), at.place.line());
    let place = format!("{} {file}:{line} ", local_time(at));
    Some(format!("{place:<50}{text}"))
}

fn perf(event: &Event, at: &At<'_>, brief: bool) -> String {
    let mut line = String::new();
    if !brief {
        let place = format!("{}:{}", at.place.file(), at.place.line());
        let place = match place.len() {
            0..=28 => place,
            long => format!("...{}", &place[long - 25..]),
        };
        let _ = write!(line, "{} {place:<28} | ", local_time(at));
    }
    let absolute = match event.elapsed {
        Elapsed::Hidden => String::new(),
        Elapsed::Perf | Elapsed::Shown => seconds(at.absolute),
    };
    let _ = write!(
        line,
        "d{} | {:<24} | {:<12} |     | {absolute:>9} | {:>9} | {:<12.12} | {}{}",
        at.session.matches('/').count(),
        at.thread,
        event.name,
        event.relative.map(seconds).unwrap_or_default(),
        event.category,
        ".".repeat(at.nesting.saturating_sub(1) * 2),
        event.perf,
    );
    line
}

fn json(event: &Event, at: &At<'_>, brief: bool) -> String {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("event", event.name.into());
    put("sid", at.session.into());
    put("thread", at.thread.into());
    if !brief || matches!(event.name, "version" | "atexit") {
        let time = at.time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        put("time", time.into());
    }
    if !brief {
        put("file", at.place.file().into());
        put("line", at.place.line().into());
    }
    if event.elapsed == Elapsed::Shown {
        put("t_abs", as_seconds(at.absolute));
    }
    if let Some(relative) = event.relative {
        put("t_rel", as_seconds(relative));
    }
    if event.nested {
        put("nesting", at.nesting.into());
        put("category", event.category.as_str().into());
    }
    for (key, value) in &event.fields {
        put(key, value.clone());
    }
    Value::Object(object).to_string()
}

/// Microseconds as a number of seconds.
fn as_seconds(micros: u128) -> Value {
    seconds(micros).parse::<f64>().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::super::event::Param;
    use super::*;

    fn at(place: &'static std::panic::Location<'static>) -> At<'static> {
        At {
            session: "PARENT/OWN",
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
        let leave = Event::region("kex", "of ssh.bitbucket.org", Some(1_000_001));
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
            perf(&Event::param(&param), &at(here), true),
            "d1 | main                     | def_param    |     |           |           | scope:global | ..bitbucket.account:a@x"
        );
        let full = perf(&Event::exit("exit", 3, 12_345), &at(here), false);
        let columns: Vec<&str> = full.split(" | ").collect();
        assert_eq!(columns[0].len(), 15 + 1 + 28, "{full}");
        assert!(columns[0][16..].starts_with("..."), "{full}");
    }

    #[test]
    fn every_event_is_one_line_and_json() {
        let here = std::panic::Location::caller();
        let argv = ["bitbucket-ssh".to_owned(), "a\n'b'\u{1b}!".to_owned()];
        for event in [
            Event::start(&argv),
            Event::error("one\ntwo", "Kind"),
            Event::data("site", "\"\u{7}\n", 0),
        ] {
            for format in [Format::Normal, Format::Perf, Format::Event] {
                for brief in [true, false] {
                    let line = format.line(&event, &at(here), brief).unwrap_or_default();
                    assert!(!line.contains('\n'), "{line}");
                }
            }
            let line = Format::Event
                .line(&event, &at(here), false)
                .expect("a line");
            let value: serde_json::Value = serde_json::from_str(&line).expect(&line);
            assert_eq!(value["sid"], "PARENT/OWN");
        }
    }

    #[test]
    fn normal_is_indented_as_git_s() {
        let here = std::panic::Location::caller();
        let line = normal(&Event::exit("exit", 0, 12_345), &at(here), false).expect("a line");
        assert!(
            line.ends_with("exit elapsed:0.012345 code:0") && line.find(" exit").unwrap() >= 49,
            "{line}"
        );
        assert!(normal(&Event::thread_start(), &at(here), false).is_none());
    }
}
