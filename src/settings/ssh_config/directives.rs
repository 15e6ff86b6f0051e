//! What was directives: directives in lower case with their values, in the form in which `ssh -G` prints
//! them. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Directives and their values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives(BTreeMap<String, Vec<String>>);

impl Directives {
    /// The lines of `ssh -G`.
    pub fn parse(output: &str) -> Self {
        let mut directives = Self::default();
        for line in output.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            directives.push(key, value);
        }
        directives
    }

    /// One more value.
    pub fn push(&mut self, key: &str, value: impl Into<String>) {
        self.0
            .entry(key.to_ascii_lowercase())
            .or_default()
            .push(value.into());
    }

    /// The only value from now on.
    pub fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), vec![value]);
    }

    /// Without what `defaults` says in the same words, except for the keys of `kept`.
    pub fn without(mut self, defaults: &Self, kept: &BTreeSet<String>) -> Self {
        self.0
            .retain(|key, values| kept.contains(key) || defaults.0.get(key) != Some(values));
        self
    }

    /// The first value; `None`: not directives.
    pub fn one(&self, key: &str) -> Option<&str> {
        self.all(key).first().map(String::as_str)
    }

    /// The first value, unless it is `none`.
    pub fn some(&self, key: &str) -> Option<&str> {
        self.one(key)
            .filter(|value| !value.eq_ignore_ascii_case("none"))
    }

    /// Every value.
    pub fn all(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Every directive.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
