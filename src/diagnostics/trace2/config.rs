//! What is logged, and where: git's variables, and its configuration where they are not set
//! (trace2/tr2_sysenv.c).

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::event::{At, Event};
use super::format::Format;
use super::redact::HIDDEN;
use crate::context::{API_TOKEN, Context, Environment};
use crate::diagnostics::destination::{self, Destination};
use crate::diagnostics::{os_error_message, write_line};
use crate::text::Shown;

/// How many names are tried in a folder.
const TRIES: usize = 10;

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

/// A setting: variable, and name below `trace2` in git config.
#[derive(Debug, Clone, Copy)]
enum Key {
    ConfigParams,
    EnvVars,
    Debug,
    Normal,
    NormalBrief,
    Perf,
    PerfBrief,
    Event,
    EventBrief,
    EventNesting,
}

const KEYS: [(&str, &str); 10] = [
    ("GIT_TRACE2_CONFIG_PARAMS", "configParams"),
    ("GIT_TRACE2_ENV_VARS", "envVars"),
    ("GIT_TRACE2_DST_DEBUG", "destinationDebug"),
    ("GIT_TRACE2", "normalTarget"),
    ("GIT_TRACE2_BRIEF", "normalBrief"),
    ("GIT_TRACE2_PERF", "perfTarget"),
    ("GIT_TRACE2_PERF_BRIEF", "perfBrief"),
    ("GIT_TRACE2_EVENT", "eventTarget"),
    ("GIT_TRACE2_EVENT_BRIEF", "eventBrief"),
    ("GIT_TRACE2_EVENT_NESTING", "eventNesting"),
];

/// The three targets: format, where to, whether brief.
const TARGETS: [(Format, Key, Key); 3] = [
    (Format::Normal, Key::Normal, Key::NormalBrief),
    (Format::Perf, Key::Perf, Key::PerfBrief),
    (Format::Event, Key::Event, Key::EventBrief),
];

/// The values of all settings.
#[derive(Debug, Default)]
pub(super) struct Config {
    values: [Option<OsString>; KEYS.len()],
    /// Descriptors that variables name, in the order of the targets.
    descriptors: [Option<Destination>; TARGETS.len()],
}

impl Config {
    /// The variables that are set and not empty. Descriptors are opened at once, before a file of
    /// this process could have their number.
    pub(super) fn of(environment: &Environment) -> Self {
        let value = |(variable, _)| {
            let value = environment.raw(variable);
            value.filter(|value| !value.is_empty()).map(OsStr::to_owned)
        };
        let mut config = Self {
            values: KEYS.map(value),
            descriptors: [None, None, None],
        };
        for (number, (_, key, _)) in TARGETS.iter().enumerate() {
            if let destination::Target::Descriptor(digit) = config.target(*key) {
                config.descriptors[number] = Destination::descriptor(digit).ok();
            }
        }
        config
    }

    /// git's configuration decides where a variable does not.
    pub(super) fn fill(&mut self, setting: &dyn Fn(&str) -> Option<String>) {
        for (value, (_, name)) in self.values.iter_mut().zip(KEYS) {
            if value.is_none() {
                *value = setting(name).map(OsString::from);
            }
        }
    }

    /// Whether anything is logged.
    pub(super) fn is_on(&self) -> bool {
        TARGETS
            .iter()
            .any(|(_, key, _)| self.target(*key) != destination::Target::Off)
    }

    /// Opens the targets. `name` is that of a file in a folder. What cannot be opened is left out; that
    /// is a warning where git would warn.
    pub(super) fn open(&mut self, name: &str) -> Vec<Target> {
        let warns = self.warns();
        let mut targets = Vec::new();
        for (number, (format, key, brief)) in TARGETS.into_iter().enumerate() {
            let variable = KEYS[key as usize].0;
            let descriptor = self.descriptors[number].take();
            let destination = match (self.target(key), descriptor) {
                (destination::Target::Off, _) => continue,
                (_, Some(open)) => Ok(open),
                (destination::Target::Stderr, _) => Ok(Destination::Stderr),
                (destination::Target::Descriptor(digit), _) => Destination::descriptor(digit)
                    .map_err(|_| format!("descriptor {digit} of '{variable}' is not open")),
                (destination::Target::Path(path), _) => open_path(&path, name).map_err(|error| {
                    format!(
                        "could not open '{}' for '{variable}' tracing: {}",
                        Shown::path(&path, None),
                        os_error_message(&error)
                    )
                }),
                (destination::Target::Unknown, _) => {
                    let value = Shown::new(self.value(key).unwrap_or_default().to_string_lossy());
                    write_line(&format!(
                        "warning: trace2: unknown value for '{variable}': '{value}'"
                    ));
                    continue;
                }
            };
            match destination {
                Ok(destination) => targets.push(Target {
                    format,
                    variable,
                    brief: self.is_true(brief),
                    warns,
                    destination,
                    failed: AtomicBool::new(false),
                }),
                Err(why) if warns => write_line(&format!("warning: trace2: {why}")),
                Err(_) => {}
            }
        }
        targets
    }

    /// Whether a target that cannot be used is warned about.
    fn warns(&self) -> bool {
        self.number(Key::Debug).is_some_and(|number| number > 0)
    }

    /// Regions deeper than this are left out of the event format. git's default is 2.
    pub(super) fn nesting(&self) -> usize {
        let number = self.number(Key::EventNesting).filter(|number| *number > 0);
        number.unwrap_or(2)
    }

    /// The variables and settings to log by name. A token is never one of them.
    pub(super) fn params(
        &self,
        context: &Context,
        of_config: &dyn Fn(&str) -> Vec<Param>,
    ) -> Vec<Param> {
        let patterns = self.text(Key::ConfigParams);
        let mut params = patterns.map(of_config).unwrap_or_default();
        let names = self.text(Key::EnvVars).unwrap_or_default();
        for name in names.split(',').map(str::trim) {
            if let Some(value) = context.environment.text(name) {
                let hidden = name == API_TOKEN;
                params.push(Param {
                    scope: "unknown",
                    name: name.to_owned(),
                    value: if hidden { HIDDEN } else { value }.to_owned(),
                });
            }
        }
        params
    }

    fn value(&self, key: Key) -> Option<&OsStr> {
        self.values[key as usize].as_deref()
    }

    fn target(&self, key: Key) -> destination::Target {
        destination::Target::of(self.value(key).unwrap_or_default())
    }

    fn text(&self, key: Key) -> Option<&str> {
        self.value(key)?.to_str()
    }

    fn number(&self, key: Key) -> Option<usize> {
        self.text(key)?.trim().parse().ok()
    }

    fn is_true(&self, key: Key) -> bool {
        let word = self.text(key).unwrap_or_default();
        ["1", "true", "yes", "on"]
            .iter()
            .any(|yes| word.eq_ignore_ascii_case(yes))
    }
}

/// A file, or a new one in a folder.
fn open_path(path: &Path, name: &str) -> std::io::Result<Destination> {
    if !path.is_dir() {
        return Destination::append(path);
    }
    let mut opened = Destination::create(&path.join(name));
    for number in 1..TRIES {
        if opened.is_ok() {
            break;
        }
        opened = Destination::create(&path.join(format!("{name}.{number}")));
    }
    opened
}

/// An open target.
#[derive(Debug)]
pub(super) struct Target {
    format: Format,
    /// Its variable, by which warnings name it.
    variable: &'static str,
    brief: bool,
    warns: bool,
    destination: Destination,
    /// It could not be written once, and is not tried again.
    failed: AtomicBool,
}

impl Target {
    /// Writes one event, unless its format leaves it out: the event format has no regions deeper
    /// than `nesting`.
    pub(super) fn write(&self, event: &Event<'_>, at: &At<'_>, nesting: usize) {
        if self.failed.load(Ordering::Relaxed)
            || self.format == Format::Event && event.is_nested() && at.nesting > nesting
        {
            return;
        }
        let Some(line) = self.format.line(event, at, self.brief) else {
            return;
        };
        let Err(error) = self.destination.write(format!("{line}\n").as_bytes()) else {
            return;
        };
        self.failed.store(true, Ordering::Relaxed);
        if self.warns {
            let (variable, why) = (self.variable, os_error_message(&error));
            write_line(&format!(
                "warning: unable to write trace to '{variable}': {why}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], settings: &[(&str, &str)]) -> Config {
        let variables = variables.iter().map(|(n, v)| (n.into(), v.into()));
        let mut config = Config::of(&Environment::new(variables));
        config.fill(&|name| {
            let found = settings.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        config
    }

    #[test]
    fn a_variable_stands_before_the_configuration() {
        for (variables, config, expected, why) in [
            (&[][..], &[][..], &[][..], "nothing is set"),
            (&[("GIT_TRACE2", "")], &[], &[], "empty"),
            (&[("GIT_TRACE2", "False")], &[], &[], "no"),
            (
                &[("GIT_TRACE2_EVENT", "/a")],
                &[("eventTarget", "/b")],
                &[("GIT_TRACE2_EVENT", "/a", false)],
                "the variable",
            ),
            (
                &[("GIT_TRACE2_EVENT", "0")],
                &[("eventTarget", "/b")],
                &[],
                "the variable says no",
            ),
            (
                &[("GIT_TRACE2_EVENT", "")],
                &[("eventTarget", "/b"), ("eventBrief", "yes")],
                &[("GIT_TRACE2_EVENT", "/b", true)],
                "an empty variable says nothing",
            ),
            (
                &[("GIT_TRACE2_PERF", "/p"), ("GIT_TRACE2_PERF_BRIEF", "1")],
                &[("normalTarget", "/n")],
                &[("GIT_TRACE2", "/n", false), ("GIT_TRACE2_PERF", "/p", true)],
                "each its own",
            ),
        ] {
            let config = read(variables, config);
            assert_eq!(config.is_on(), !expected.is_empty(), "{why}");
            let found: Vec<_> = TARGETS
                .iter()
                .filter(|(_, key, _)| config.target(*key) != destination::Target::Off)
                .map(|(_, key, brief)| {
                    let value = config.text(*key).expect("text");
                    (KEYS[*key as usize].0, value, config.is_true(*brief))
                })
                .collect();
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_git_s_defaults() {
        for (value, nesting) in [("", 2), ("x", 2), ("0", 2), ("-1", 2), ("5", 5)] {
            let config = read(&[("GIT_TRACE2_EVENT_NESTING", value)], &[]);
            assert_eq!(config.nesting(), nesting, "{value:?}");
        }
        assert!(!read(&[("GIT_TRACE2_DST_DEBUG", "0")], &[]).warns());
        assert!(read(&[], &[("destinationDebug", "1")]).warns());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_gets_a_file_for_each_process() {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["OWN", "OWN.1", "OWN.2"] {
            let opened = open_path(folder.path(), "OWN").expect("a new file");
            opened.write(b"{}\n").expect("written");
            let text = std::fs::read_to_string(folder.path().join(file)).expect("a file");
            assert_eq!(text, "{}\n", "{file}");
        }
        assert!(open_path(&folder.path().join("missing/file"), "OWN").is_err());
    }
}
