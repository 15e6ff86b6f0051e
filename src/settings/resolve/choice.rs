//! Which of several values wins: the closest URL, the highest scope, what was cleared.

use super::{Resolution, ResolveInputs, SetEntry, understood};
use crate::settings::{IdentitySettings, Origin, Sourced};

impl<'a> Resolution<'a> {
    /// The identity statement of the entries that `of` chooses: of the closest URL that has a
    /// value, the highest scope alone; an empty value clears.
    pub(super) fn statement(
        &self,
        inputs: &ResolveInputs<'_>,
        own: bool,
        with_url: bool,
    ) -> IdentitySettings {
        let mut closest_first: Vec<&SetEntry<'_>> = self
            .set
            .iter()
            .filter(|set| matches!(set.key.name, "account" | "identityFile"))
            .filter(|set| set.weight.0 == own && set.weight.1.is_some() == with_url)
            .collect();
        closest_first.sort_by_key(|set| std::cmp::Reverse(set.weight));
        for of_one_url in closest_first.chunk_by(|a, b| a.weight == b.weight) {
            let mut left: Vec<&SetEntry<'_>> = Vec::new();
            for set in of_one_url {
                if set.entry.value.is_empty() {
                    left.retain(|before| before.key != set.key);
                } else {
                    left.push(set);
                }
            }
            let highest = left.iter().map(|set| set.entry.scope).max();
            let mut statement = IdentitySettings::default();
            for set in left.iter().filter(|set| Some(set.entry.scope) == highest) {
                let (value, origin) = (&set.entry.value, set.entry.origin());
                if set.key.name == "account" {
                    statement.accounts.push(Sourced::new(value.clone(), origin));
                } else {
                    let path = inputs.context.expand_home(value);
                    statement.identity_files.push(Sourced::new(path, origin));
                }
            }
            if !statement.is_empty() {
                return statement;
            }
        }
        IdentitySettings::default()
    }

    /// The value that counts: closest first, the last of equals; an empty one clears those of its
    /// URL in front of it. An invalid value ends the search with [`Scalar::Invalid`]; in a repository's own configuration it is ignored.
    pub(super) fn scalar<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Scalar<T> {
        let mut closest_first: Vec<(usize, &SetEntry<'a>)> = self
            .set
            .iter()
            .enumerate()
            .filter(|(_, set)| set.key.name == name)
            .collect();
        closest_first.sort_by_key(|(at, set)| std::cmp::Reverse((set.weight, *at)));
        let mut cleared = None;
        let mut rejected = Vec::new();
        let mut found = Scalar::Unset;
        for (_, set) in closest_first {
            if cleared == Some(set.weight) {
                continue;
            }
            if set.entry.value.is_empty() && !set.entry.bare {
                cleared = Some(set.weight);
                continue;
            }
            match understood(set.entry, &parse) {
                Ok(value) => {
                    found = Scalar::Set(Sourced::new(value, set.entry.origin()));
                    break;
                }
                Err(why) => rejected.push((set.key, set.entry, why)),
            }
            if !set.entry.is_own() {
                found = Scalar::Invalid(set.entry.origin());
                break;
            }
        }
        for (key, entry, why) in rejected {
            let until = match key.name {
                "transport" => ": connections fail until it is corrected",
                "hooks.author" => ": authors are not checked until it is corrected",
                _ => ": no key is created until it is corrected",
            };
            let until = if entry.is_own() { "" } else { until };
            self.reject(key, entry, format!("{why}{until}"));
        }
        found
    }
}

/// What became of a setting that has one value.
pub(super) enum Scalar<T> {
    /// The value that counts.
    Set(Sourced<T>),
    /// Not set.
    Unset,
    /// The closest value is not a value of the setting.
    Invalid(Origin),
}

impl<T> Scalar<T> {
    /// The value, or the default.
    pub(super) fn or(self, default: Sourced<T>) -> Sourced<T> {
        match self {
            Self::Set(value) => value,
            Self::Unset | Self::Invalid(_) => default,
        }
    }

    /// Where the invalid value is set.
    pub(super) fn invalid_at(&self) -> Option<Origin> {
        match self {
            Self::Invalid(origin) => Some(origin.clone()),
            Self::Set(_) | Self::Unset => None,
        }
    }
}
