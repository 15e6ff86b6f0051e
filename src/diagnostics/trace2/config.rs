//! What is logged, and where: git's variables, and its configuration where they are not set
//! (trace2/tr2_sysenv.c).

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::GitSettings;
use super::event::{At, Event, Param};
use super::format::Format;
use super::redact::HIDDEN;
use crate::context::{API_TOKEN, Environment};
use crate::diagnostics::destination::{self, Destination};
use crate::diagnostics::{os_error_message, write_line};
use crate::text::Shown;

/// How many names are tried in a folder.
const TRIES: usize = 10;

/// The three targets: format, variable, and beginning of the names below `trace2` in git config.
const TARGETS: [(Format, &str, &str); 3] = [
    (Format::Normal, "GIT_TRACE2", "normal"),
    (Format::Perf, "GIT_TRACE2_PERF", "perf"),
    (Format::Event, "GIT_TRACE2_EVENT", "event"),
];

/// The settings; a variable wins over the configuration.
pub(super) struct Config<'a> {
    pub(super) environment: &'a Environment,
    pub(super) git: &'a GitSettings<'a>,
}

impl Config<'_> {
    /// Whether anything is logged.
    pub(super) fn is_on(&self) -> bool {
        TARGETS
            .iter()
            .any(|(_, variable, name)| self.target(variable, name) != destination::Target::Off)
    }

    /// Opens the targets. `name` is that of a file in a folder. What cannot be opened is left out; that
    /// is a warning where git would warn.
    pub(super) fn open(&self, name: &str) -> Vec<Target> {
        let warns = self.warns();
        let mut targets = Vec::new();
        for (format, variable, setting) in TARGETS {
            let destination = match self.target(variable, setting) {
                destination::Target::Off => continue,
                destination::Target::Stderr => Ok(Destination::Stderr),
                destination::Target::Descriptor(number) => Destination::descriptor(number)
                    .map_err(|_| format!("descriptor {number} of '{variable}' is not open")),
                destination::Target::Path(path) => open_path(&path, name).map_err(|error| {
                    let (path, why) = (Shown::path(&path, None), os_error_message(&error));
                    format!("could not open '{path}' for '{variable}' tracing: {why}")
                }),
                destination::Target::Unknown => {
                    let value = self.value(variable, &format!("{setting}Target"));
                    let value = Shown::new(value.unwrap_or_default().to_string_lossy());
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
                    brief: self.is_brief(variable, setting),
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
        let number = self.number("GIT_TRACE2_DST_DEBUG", "destinationDebug");
        number.is_some_and(|number| number > 0)
    }

    /// Regions deeper than this are left out of the event format. git's default is 2.
    pub(super) fn nesting(&self) -> usize {
        let number = self.number("GIT_TRACE2_EVENT_NESTING", "eventNesting");
        number.filter(|number| *number > 0).unwrap_or(2)
    }

    /// The variables and settings to log by name. A token is never one of them.
    pub(super) fn params(&self) -> Vec<Param> {
        let patterns = self.text("GIT_TRACE2_CONFIG_PARAMS", "configParams");
        let mut params = patterns.map_or_else(Vec::new, |patterns| (self.git.params)(&patterns));
        let names = self.text("GIT_TRACE2_ENV_VARS", "envVars");
        for name in names.unwrap_or_default().split(',').map(str::trim) {
            if let Some(value) = self.environment.text(name) {
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

    fn value(&self, variable: &str, setting: &str) -> Option<OsString> {
        let value = self.environment.raw(variable);
        let value = value.filter(|value| !value.is_empty()).map(OsStr::to_owned);
        value.or_else(|| (self.git.setting)(setting).map(OsString::from))
    }

    fn target(&self, variable: &str, setting: &str) -> destination::Target {
        let value = self.value(variable, &format!("{setting}Target"));
        destination::Target::of(&value.unwrap_or_default())
    }

    fn is_brief(&self, variable: &str, setting: &str) -> bool {
        let word = self.text(&format!("{variable}_BRIEF"), &format!("{setting}Brief"));
        word.is_some_and(|word| {
            ["1", "true", "yes", "on"]
                .iter()
                .any(|yes| word.eq_ignore_ascii_case(yes))
        })
    }

    fn text(&self, variable: &str, setting: &str) -> Option<String> {
        self.value(variable, setting)?.into_string().ok()
    }

    fn number(&self, variable: &str, setting: &str) -> Option<usize> {
        self.text(variable, setting)?.trim().parse().ok()
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
    pub(super) fn write(&self, event: &Event, at: &At<'_>, nesting: usize) {
        if self.failed.load(Ordering::Relaxed)
            || self.format == Format::Event && event.nested && at.nesting > nesting
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

    fn with<T>(
        variables: &[(&str, &str)],
        settings: &[(&str, &str)],
        look: impl FnOnce(&Config<'_>) -> T,
    ) -> T {
        let variables = variables.iter().map(|(n, v)| ((*n).into(), (*v).into()));
        let environment = Environment::new(variables);
        let git = GitSettings {
            setting: &|name| {
                let found = settings.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            },
            params: &|_| Vec::new(),
        };
        look(&Config {
            environment: &environment,
            git: &git,
        })
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
            let found = with(variables, config, |config| {
                assert_eq!(config.is_on(), !expected.is_empty(), "{why}");
                let targets = TARGETS.iter().filter_map(|(_, variable, name)| {
                    let target = config.target(variable, name);
                    let destination::Target::Path(path) = target else {
                        return None;
                    };
                    Some((*variable, path, config.is_brief(variable, name)))
                });
                targets.collect::<Vec<_>>()
            });
            let expected: Vec<_> = expected
                .iter()
                .map(|(variable, path, brief)| (*variable, path.into(), *brief))
                .collect();
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the path of a method is not general enough"
    )]
    fn numbers_that_are_none_are_git_s_defaults() {
        for (value, nesting) in [("", 2), ("x", 2), ("0", 2), ("-1", 2), ("5", 5)] {
            let variables = [("GIT_TRACE2_EVENT_NESTING", value)];
            let found = with(&variables, &[], |config| config.nesting());
            assert_eq!(found, nesting, "{value:?}");
        }
        let debug = [("GIT_TRACE2_DST_DEBUG", "0")];
        assert!(!with(&debug, &[], |config| config.warns()));
        assert!(with(&[], &[("destinationDebug", "1")], |config| config.warns()));
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
