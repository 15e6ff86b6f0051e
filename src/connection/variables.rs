//! Which variables are sent to the server: SendEnv's patterns over the environment, and SetEnv.
//! Pure.

use crate::context::{API_TOKEN, Environment};
use crate::settings::SshConfig;

/// Name and value of every variable to send, SetEnv's last. `GIT_PROTOCOL` goes only where
/// SendEnv or SetEnv says so: a value of the user's own environment is none of the server's
/// business. The API token never goes, whatever a pattern says.
pub fn to_send(config: &SshConfig, environment: &Environment) -> Vec<(String, String)> {
    let mut chosen: Vec<(String, String)> = Vec::new();
    for (name, value) in environment.texts() {
        if name != API_TOKEN
            && config
                .session
                .send_env
                .iter()
                .any(|pattern| matches(pattern, name))
        {
            chosen.push((name.to_owned(), value.to_owned()));
        }
    }
    for (name, value) in &config.session.set_env {
        chosen.retain(|(other, _)| other != name);
        chosen.push((name.clone(), value.clone()));
    }
    chosen
}

/// ssh_config(5) PATTERNS: `*` any text, `?` one character.
fn matches(pattern: &str, name: &str) -> bool {
    let mut characters = pattern.chars();
    match characters.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = characters.as_str();
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| matches(rest, &name[at..]))
        }
        Some(wanted) => {
            let mut found = name.chars();
            found.next().is_some_and(|c| wanted == '?' || wanted == c)
                && matches(characters.as_str(), found.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SessionConfig;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(
            pairs
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        )
    }

    #[test]
    fn only_what_a_pattern_names_is_sent() {
        let environment = environment(&[
            ("GIT_PROTOCOL", "version=2"),
            ("LC_ALL", "C"),
            ("LANG", "de"),
            ("SECRET", "x"),
        ]);
        for (patterns, expected, why) in [
            (vec![], vec![], "nothing said, nothing sent"),
            (vec!["GIT_PROTOCOL"], vec!["GIT_PROTOCOL"], "git's own"),
            (vec!["LC_*", "LAN?"], vec!["LANG", "LC_ALL"], "patterns"),
            (vec!["git_protocol"], vec![], "names have case"),
        ] {
            let config = SshConfig {
                session: SessionConfig {
                    send_env: patterns.into_iter().map(str::to_owned).collect(),
                    ..SessionConfig::default()
                },
                ..SshConfig::default()
            };
            let names: Vec<_> = to_send(&config, &environment)
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            assert_eq!(names, expected, "{why}");
        }
    }

    #[test]
    fn set_env_wins_and_the_token_never_goes() {
        let config = SshConfig {
            session: SessionConfig {
                send_env: vec!["*".to_owned()],
                set_env: vec![("GIT_PROTOCOL".to_owned(), "version=1".to_owned())],
                ..SessionConfig::default()
            },
            ..SshConfig::default()
        };
        let environment = environment(&[("GIT_PROTOCOL", "version=2"), (API_TOKEN, "ATATT")]);
        assert_eq!(
            to_send(&config, &environment),
            [("GIT_PROTOCOL".to_owned(), "version=1".to_owned())]
        );
    }
}
