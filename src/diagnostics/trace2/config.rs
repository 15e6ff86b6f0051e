//! What is wished: git's variables, and its configuration where they say nothing
//! (trace2/tr2_sysenv.c).

use std::ffi::{OsStr, OsString};

use super::destination::Destination;
use super::format::Format;
use crate::context::{API_TOKEN, Context, Environment};

/// A value that is told because the person asked for it by name.
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
    MaxFiles,
}

const KEYS: [(&str, &str); 11] = [
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
    ("GIT_TRACE2_MAX_FILES", "maxFiles"),
];

/// The three targets: format, where to, whether brief.
const TARGETS: [(Format, Key, Key); 3] = [
    (Format::Normal, Key::Normal, Key::NormalBrief),
    (Format::Perf, Key::Perf, Key::PerfBrief),
    (Format::Event, Key::Event, Key::EventBrief),
];

/// The settings as they stand.
#[derive(Debug, Default)]
pub(super) struct Config {
    values: [Option<OsString>; KEYS.len()],
    /// Descriptors that variables name, in the order of the targets.
    taken: [Option<Destination>; TARGETS.len()],
}

/// One target that is wished.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) form: Format,
    /// Its variable, by which warnings name it.
    pub(super) variable: &'static str,
    pub(super) value: OsString,
    /// An open descriptor.
    pub(super) taken: Option<Destination>,
    pub(super) brief: bool,
}

impl Config {
    /// The variables that are set and not empty.
    pub(super) fn of(environment: &Environment) -> Self {
        let value = |(variable, _)| {
            let value = environment.raw(variable);
            value.filter(|value| !value.is_empty()).map(OsStr::to_owned)
        };
        let mut config = Self {
            values: KEYS.map(value),
            taken: [None, None, None],
        };
        for (number, (_, key, _)) in TARGETS.iter().enumerate() {
            config.taken[number] = config.value(*key).and_then(Destination::descriptor);
        }
        config
    }

    /// Configuration speaks where a variable does not.
    pub(super) fn fill(&mut self, setting: &dyn Fn(&str) -> Option<String>) {
        for (value, (_, name)) in self.values.iter_mut().zip(KEYS) {
            if value.is_none() {
                *value = setting(name).map(OsString::from);
            }
        }
    }

    /// Whether any target is wished.
    pub(super) fn is_on(&self) -> bool {
        TARGETS
            .iter()
            .any(|(_, key, _)| self.value(*key).is_some_and(|value| !is_off(value)))
    }

    /// The targets that are wished.
    pub(super) fn targets(&mut self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for (number, (form, key, brief)) in TARGETS.into_iter().enumerate() {
            let taken = self.taken[number].take();
            let value = self.value(key).filter(|value| !is_off(value));
            let Some(value) = value.map(OsStr::to_owned) else {
                continue;
            };
            wanted.push(Wanted {
                form,
                variable: KEYS[key as usize].0,
                taken: taken.or_else(|| Destination::descriptor(&value)),
                value,
                brief: self.is_true(brief),
            });
        }
        wanted
    }

    /// Whether a target that cannot be used is warned about.
    pub(super) fn debugs(&self) -> bool {
        self.number(Key::Debug).is_some_and(|number| number > 0)
    }

    /// Regions deeper than this are left out of the event format. git's default is 2.
    pub(super) fn nesting(&self) -> usize {
        let number = self.number(Key::EventNesting).filter(|number| *number > 0);
        number.unwrap_or(2)
    }

    /// How many files a folder may hold. 0: any number.
    pub(super) fn max_files(&self) -> usize {
        self.number(Key::MaxFiles).unwrap_or(0)
    }

    /// The variables and settings that are to be told by name. A token is not, whoever asks.
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
                    value: if hidden { super::redact::HIDDEN } else { value }.to_owned(),
                });
            }
        }
        params
    }

    fn value(&self, key: Key) -> Option<&OsStr> {
        self.values[key as usize].as_deref()
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

/// Not wished, in git's words.
fn is_off(value: &OsStr) -> bool {
    value.is_empty() || value == "0" || value.eq_ignore_ascii_case("false")
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
            (&[][..], &[][..], &[][..], "nothing is said"),
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
            let mut config = read(variables, config);
            assert_eq!(config.is_on(), !expected.is_empty(), "{why}");
            let found = config.targets();
            let found: Vec<_> = found
                .iter()
                .map(|one| (one.variable, one.value.to_str().expect("text"), one.brief))
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
        assert_eq!(read(&[], &[]).max_files(), 0);
        assert!(!read(&[("GIT_TRACE2_DST_DEBUG", "0")], &[]).debugs());
        assert!(read(&[], &[("destinationDebug", "1")]).debugs());
    }
}
