//! The events, as api-trace2 names them, with what each format shows of them.

use serde_json::Value;

/// All regions and data of this program are of this category.
const CATEGORY: &str = "bitbucket";

/// api-trace2's version of the event format.
const EVENT_VERSION: &str = "4";

/// The program of `version`.
const PROGRAM: &str = concat!("bitbucket-ssh ", env!("CARGO_PKG_VERSION"));

/// A variable or setting that is logged because the user asked for it by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// git's word for where it comes from: `system`, `global`, `local`, `worktree`, `unknown`.
    pub scope: &'static str,
    /// Its key.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Which formats show the time since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elapsed {
    Hidden,
    /// The columns of perf.
    Perf,
    /// Perf and event.
    Shown,
}

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    /// Its name in git's log.
    pub(super) name: &'static str,
    /// The fields of the event format beside those that every event has.
    pub(super) fields: Vec<(&'static str, Value)>,
    /// The text of the normal format. `None`: it leaves this event out.
    pub(super) normal: Option<String>,
    /// The text of the perf format.
    pub(super) perf: String,
    /// The category column of the perf format.
    pub(super) category: String,
    pub(super) elapsed: Elapsed,
    /// Microseconds of its own: of a thread, a region, since a region began.
    pub(super) relative: Option<u128>,
    /// It belongs to a region: the event format has a limit for these.
    pub(super) nested: bool,
}

impl Event {
    fn new(name: &'static str, elapsed: Elapsed) -> Self {
        Self {
            name,
            fields: Vec::new(),
            normal: None,
            perf: String::new(),
            category: String::new(),
            elapsed,
            relative: None,
            nested: false,
        }
    }

    fn field(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((key, value.into()));
        self
    }

    fn text(mut self, normal: String, perf: impl Into<String>) -> Self {
        self.normal = Some(normal);
        self.perf = perf.into();
        self
    }

    fn nested(mut self, relative: Option<u128>, perf: String) -> Self {
        self.relative = relative;
        self.perf = perf;
        CATEGORY.clone_into(&mut self.category);
        self.nested = true;
        self
    }

    pub(super) fn version() -> Self {
        Self::new("version", Elapsed::Hidden)
            .field("evt", EVENT_VERSION)
            .field("exe", PROGRAM)
            .text(format!("version {PROGRAM}"), PROGRAM)
    }

    /// `argv` with the program.
    pub(super) fn start(argv: &[String]) -> Self {
        let words = quoted_argv(argv);
        Self::new("start", Elapsed::Shown)
            .field("argv", argv)
            .text(format!("start {words}"), words)
    }

    pub(super) fn command(name: &str, hierarchy: &str) -> Self {
        let text = format!("{name} ({hierarchy})");
        Self::new("cmd_name", Elapsed::Hidden)
            .field("name", name)
            .field("hierarchy", hierarchy)
            .text(format!("cmd_name {text}"), text)
    }

    pub(super) fn mode(mode: &str) -> Self {
        Self::new("cmd_mode", Elapsed::Hidden)
            .field("name", mode)
            .text(format!("cmd_mode {mode}"), mode)
    }

    pub(super) fn param(param: &Param) -> Self {
        let Param { scope, name, value } = param;
        let mut event = Self::new("def_param", Elapsed::Hidden)
            .field("scope", *scope)
            .field("param", name.as_str())
            .field("value", value.as_str())
            .text(
                format!("def_param scope:{scope} {name}={value}"),
                format!("{name}:{value}"),
            );
        event.category = format!("scope:{scope}");
        event
    }

    pub(super) fn thread_start() -> Self {
        Self::new("thread_start", Elapsed::Perf)
    }

    pub(super) fn thread_exit(took: u128) -> Self {
        Self {
            relative: Some(took),
            ..Self::new("thread_exit", Elapsed::Perf)
        }
    }

    /// `took`: where the region is left.
    pub(super) fn region(label: &'static str, message: &str, took: Option<u128>) -> Self {
        let name = match took {
            None => "region_enter",
            Some(_) => "region_leave",
        };
        let event = Self::new(name, Elapsed::Perf).field("label", label);
        if message.is_empty() {
            event.nested(took, format!("label:{label}"))
        } else {
            event
                .field("msg", message)
                .nested(took, format!("label:{label} {message}"))
        }
    }

    /// `since` the region began.
    pub(super) fn data(key: &'static str, value: &str, since: u128) -> Self {
        Self::new("data", Elapsed::Shown)
            .field("key", key)
            .field("value", value)
            .nested(Some(since), format!("{key}:{value}"))
    }

    pub(super) fn error(text: &str, kind: &str) -> Self {
        Self::new("error", Elapsed::Hidden)
            .field("msg", text)
            .field("fmt", kind)
            .text(format!("error {text}"), text)
    }

    pub(super) fn line(text: &str) -> Self {
        Self::new("printf", Elapsed::Shown)
            .field("msg", text)
            .text(text.to_owned(), text)
    }

    /// `argv` without the program.
    pub(super) fn exec(program: &str, argv: &[String]) -> Self {
        let words = quoted_argv(argv);
        Self::new("exec", Elapsed::Perf)
            .field("exec_id", 0)
            .field("exe", program)
            .field("argv", argv)
            .text(
                format!("exec[0] {program} {words}"),
                format!("id:0 argv:[{program} {words}]"),
            )
    }

    pub(super) fn exec_result(code: i32) -> Self {
        Self::new("exec_result", Elapsed::Perf)
            .field("exec_id", 0)
            .field("code", code)
            .text(
                format!("exec_result[0] code:{code}"),
                format!("id:0 code:{code}"),
            )
    }

    /// `exit` or `atexit`, after `elapsed`.
    pub(super) fn exit(name: &'static str, code: u8, elapsed: u128) -> Self {
        let elapsed = seconds(elapsed);
        Self::new(name, Elapsed::Shown).field("code", code).text(
            format!("{name} elapsed:{elapsed} code:{code}"),
            format!("code:{code}"),
        )
    }
}

/// Microseconds as seconds with six digits.
pub(super) fn seconds(micros: u128) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
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
    quoted.collect::<Vec<_>>().join(" ")
}

/// Where and when an event happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    /// The session.
    pub(super) session: &'a str,
    /// The thread's name in the log.
    pub(super) thread: &'a str,
    /// Open regions of the thread; the thread itself is the first.
    pub(super) nesting: usize,
    /// The wall clock.
    pub(super) time: jiff::Timestamp,
    /// Microseconds since the process started.
    pub(super) absolute: u128,
    /// The line of the source.
    pub(super) place: &'a std::panic::Location<'a>,
}

#[cfg(test)]
mod tests {
    use super::quoted_argv;

    #[test]
    fn an_argv_is_quoted_as_git_quotes_it() {
        let argv = ["bitbucket-ssh".to_owned(), "a 'b'\u{1b}!".to_owned()];
        assert_eq!(
            quoted_argv(&argv),
            r"bitbucket-ssh 'a '\''b'\''".to_owned() + "\u{1b}'\\!''"
        );
    }
}
