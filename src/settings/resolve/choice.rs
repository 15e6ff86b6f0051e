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
            .said
            .iter()
            .filter(|said| matches!(said.key.name, "account" | "identityFile"))
            .filter(|said| said.weight.0 == own && said.weight.1.is_some() == with_url)
            .collect();
        closest_first.sort_by_key(|said| std::cmp::Reverse(said.weight));
        for of_one_url in closest_first.chunk_by(|a, b| a.weight == b.weight) {
            let mut left: Vec<&SetEntry<'_>> = Vec::new();
            for said in of_one_url {
                if said.entry.value.is_empty() {
                    left.retain(|before| before.key != said.key);
                } else {
                    left.push(said);
                }
            }
            let highest = left.iter().map(|said| said.entry.scope).max();
            let mut statement = IdentitySettings::default();
            for said in left.iter().filter(|said| Some(said.entry.scope) == highest) {
                let (value, origin) = (&said.entry.value, said.entry.origin());
                if said.key.name == "account" {
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

    /// The value that counts, closest first, the last of equals; an empty one clears those of its
    /// URL that stand before it. A value that is not understood ends the search with
    /// [`Scalar::Invalid`]; in a repository's own configuration it is ignored.
    pub(super) fn scalar<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Scalar<T> {
        let mut closest_first: Vec<(usize, &SetEntry<'a>)> = self
            .said
            .iter()
            .enumerate()
            .filter(|(_, said)| said.key.name == name)
            .collect();
        closest_first.sort_by_key(|(at, said)| std::cmp::Reverse((said.weight, *at)));
        let mut cleared = None;
        let mut faults = Vec::new();
        let mut found = Scalar::Unset;
        for (_, said) in closest_first {
            if cleared == Some(said.weight) {
                continue;
            }
            if said.entry.value.is_empty() && !said.entry.bare {
                cleared = Some(said.weight);
                continue;
            }
            match understood(said.entry, &parse) {
                Ok(value) => {
                    found = Scalar::Set(Sourced::new(value, said.entry.origin()));
                    break;
                }
                Err(why) => faults.push((said.key, said.entry, why)),
            }
            if !said.entry.is_own() {
                found = Scalar::Invalid(said.entry.origin());
                break;
            }
        }
        for (key, entry, why) in faults {
            let until = match key.name {
                "transport" => ": nobody goes until it is put right",
                "hooks.author" => ": nothing is checked until it is put right",
                _ => ": no key is made until it is put right",
            };
            let until = if entry.is_own() { "" } else { until };
            self.fault(key, entry, format!("{why}{until}"));
        }
        found
    }
}

/// What became of a setting that has one value.
pub(super) enum Scalar<T> {
    /// The value that counts.
    Set(Sourced<T>),
    /// Nobody said anything.
    Unset,
    /// The closest value is none of the setting's.
    Invalid(Origin),
}

impl<T> Scalar<T> {
    /// The value, or the default.
    pub(super) fn or(self, default: Sourced<T>) -> Sourced<T> {
        match self {
            Self::Set(said) => said,
            Self::Unset | Self::Invalid(_) => default,
        }
    }

    /// Where the value stands that is not understood.
    pub(super) fn obstacle(&self) -> Option<Origin> {
        match self {
            Self::Invalid(origin) => Some(origin.clone()),
            Self::Set(_) | Self::Unset => None,
        }
    }
}
