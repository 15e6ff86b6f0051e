//! From the entries of git config to the settings of one repository: which file may set what, which URL
//! applies, which value wins, and what is ignored and why.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::repository::{Site, SiteKind, Url};
use crate::settings::git_config::Entry;
use crate::settings::keys::{self, Form, Key};
use crate::settings::repository_policy::RepositoryPolicy;
use crate::settings::url_match::{Specificity, Subject};
use crate::settings::{
    AuthorCheck, IdentitySettings, Ignored, KeyType, Origin, OtherHosts, PassphraseStore,
    Provision, Settings, Sourced, TransportKind, values,
};

/// Everything that decides.
pub struct ResolveInputs<'a> {
    /// For `~` and `CI`.
    pub context: &'a Context,
    /// In git's order.
    pub entries: &'a [Entry],
    /// Every site.
    pub sites: &'a [Site],
    /// The site that is meant.
    pub site: &'a Site,
    /// The path that is requested, also one that names no repository:
    /// [`crate::repository::Located::path`].
    pub path: &'a [String],
    /// What the current repository's own configuration may set.
    pub policy: RepositoryPolicy<'a>,
}

/// An entry that counts for the repository.
struct SetEntry<'a> {
    key: &'static Key,
    entry: &'a Entry,
    /// Greater wins: own before others, URLs before plain ones, closer URLs before others.
    weight: (bool, Option<Specificity>),
}

/// The settings of one repository.
pub fn settings(inputs: &ResolveInputs<'_>) -> Settings {
    let mut resolution = Resolution {
        set: Vec::new(),
        ignored: Vec::new(),
        invalid: BTreeMap::new(),
    };
    for entry in inputs
        .entries
        .iter()
        .filter(|entry| entry.section == "bitbucket")
    {
        resolution.take(inputs, entry);
    }
    resolution.finish(inputs)
}

/// `bitbucket.otherHosts`: it concerns no repository. The error is a value that it cannot have.
pub fn other_hosts(entries: &[Entry]) -> Result<Sourced<OtherHosts>, Ignored> {
    let last = entries.iter().rfind(|entry| {
        entry.is("bitbucket", "otherHosts")
            && entry.subsection.is_none()
            && !entry.is_own()
            && !entry.by_remote
    });
    match last {
        Some(entry) if entry.bare || !entry.value.is_empty() => {
            match understood(entry, values::other_hosts) {
                Ok(value) => Ok(Sourced::new(value, entry.origin())),
                Err(why) => Err(ignored(entry, why)),
            }
        }
        _ => Ok(Sourced::new(OtherHosts::System, Origin::Default)),
    }
}

/// The value of an entry.
fn understood<T>(entry: &Entry, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
    if entry.bare {
        return Err("has no value".to_owned());
    }
    parse(&entry.value)
}

fn ignored(entry: &Entry, why: impl Into<String>) -> Ignored {
    Ignored {
        origin: entry.origin(),
        value: entry.value.clone(),
        why: why.into(),
    }
}

/// Name and URL of an entry: `hooks.author` has its first half in the subsection.
fn name_and_url(entry: &Entry) -> (String, Option<&str>) {
    let name = entry.name.as_str();
    match entry.subsection.as_deref() {
        Some(subsection) if subsection.eq_ignore_ascii_case("hooks") || subsection == "hook" => {
            (format!("{subsection}.{name}"), None)
        }
        Some(subsection) if name.eq_ignore_ascii_case("author") => {
            match subsection.strip_suffix(".hooks") {
                Some(url) => (format!("hooks.{name}"), Some(url)),
                None => (name.to_owned(), Some(subsection)),
            }
        }
        subsection => (name.to_owned(), subsection),
    }
}

struct Resolution<'a> {
    set: Vec<SetEntry<'a>>,
    ignored: Vec<Ignored>,
    invalid: BTreeMap<&'static str, Ignored>,
}

impl<'a> Resolution<'a> {
    fn ignore(&mut self, entry: &Entry, why: impl Into<String>) {
        self.ignored.push(ignored(entry, why));
    }

    /// A value that its setting cannot have: an error in the user's own files, who can correct them, and
    /// ignored in a repository's own.
    fn reject(&mut self, key: &'static Key, entry: &Entry, why: String) {
        if !entry.is_own() {
            self.invalid.insert(key.name, ignored(entry, why.clone()));
        }
        self.ignore(entry, why);
    }

    /// One entry: taken, skipped because it is about something else, or ignored.
    fn take(&mut self, inputs: &ResolveInputs<'_>, entry: &'a Entry) {
        if entry.by_remote && !inputs.policy.is_remote {
            return;
        }
        let (name, url) = name_and_url(entry);
        let Some(key) = keys::find(&name) else {
            let why = match keys::meant(&name) {
                Some(key) => format!("no such setting; did you mean {}?", key.name),
                None => "no such setting".to_owned(),
            };
            return self.ignore(entry, why);
        };
        if entry.is_own()
            && let Some(why) = inputs.policy.objection(key, entry)
        {
            return self.ignore(entry, why);
        }
        match (key.form, url) {
            (Form::Site, None) => {
                let why = format!("needs the URL of a site: bitbucket.<url>.{}", key.name);
                return self.ignore(entry, why);
            }
            // Judged where sites are made, otherwise by its owner.
            (Form::Site, Some(_)) => return,
            (Form::Plain, Some(_)) => return self.ignore(entry, "cannot be set for a URL"),
            (Form::Plain, None) => {
                if let Err(why) = understood(entry, values::other_hosts)
                    && (entry.bare || !entry.value.is_empty())
                {
                    self.reject(key, entry, why);
                }
                return;
            }
            (Form::PlainOrUrl, _) => {}
        }
        let url = match url {
            None => None,
            Some(text) => match self.specificity(inputs, entry, text) {
                Some(specificity) => Some(specificity),
                None => return,
            },
        };
        if entry.bare && matches!(key.name, "account" | "identityFile") {
            return self.reject(key, entry, "has no value".to_owned());
        }
        // Also in a repository's own configuration, which might go unnoticed.
        if key.name == "account"
            && let Err(why) = values::check_account(&entry.value)
        {
            self.invalid.insert(key.name, ignored(entry, why.clone()));
            return self.ignore(entry, why);
        }
        if key.name == "identityFile" && !entry.value.is_empty() {
            let path = inputs.context.expand_home(&entry.value);
            if !path.is_absolute() {
                return self.ignore(entry, "not an absolute path or ~/…");
            }
        }
        self.set.push(SetEntry {
            key,
            entry,
            weight: (entry.is_own(), url),
        });
    }

    /// `None`: it applies to something else, or to nothing; then it is reported as ignored.
    fn specificity(
        &mut self,
        inputs: &ResolveInputs<'_>,
        entry: &Entry,
        text: &str,
    ) -> Option<Specificity> {
        let Some(pattern) = Url::parse(text) else {
            self.ignore(entry, "not a URL");
            return None;
        };
        let subject = Subject::new(inputs.site, inputs.path)?;
        let specificity = subject.matched_by(&pattern);
        if specificity.is_none() {
            if pattern.user.is_some()
                && !(pattern.scheme == "ssh" && pattern.user.as_deref() == Some("git"))
            {
                self.ignore(entry, "a repository's URL has no user");
            } else if !inputs
                .sites
                .iter()
                .any(|site| Subject::may_be_meant(site, &pattern))
            {
                self.ignore(entry, "the URL is not that of a site");
            }
        }
        specificity
    }

    fn finish(mut self, inputs: &ResolveInputs<'_>) -> Settings {
        for SetEntry { entry, .. } in &self.set {
            let file = entry.file.display();
            let value = crate::text::sanitise(&entry.value);
            tracing::debug!("{} = {value} ({file})", entry.key());
        }
        let provision = self.scalar("provision", values::provision);
        let key_type = self.scalar("keyType", values::key_type);
        let key_lifetime = self.scalar("keyLifetime", values::lifetime);
        let passphrase = self.scalar("passphrase", values::passphrase);
        let transport = self.scalar("transport", values::carrier);
        let author_check = self.scalar("hooks.author", values::author_check);
        // A key other than the one that an unreadable setting asks for is worse than none.
        let invalid = [
            provision.invalid_at(),
            key_type.invalid_at(),
            key_lifetime.invalid_at(),
            passphrase.invalid_at(),
        ]
        .into_iter()
        .flatten()
        .next();
        let ci = in_ci(inputs.context);
        let lifetime = match (&provision, key_lifetime) {
            (Scalar::Set(set), _) if ci && set.value == Provision::Auto => {
                Some(Sourced::new(1, Origin::Environment("CI")))
            }
            (_, Scalar::Set(set)) => Some(set),
            _ => None,
        };
        let by_default = match inputs.site.kind {
            _ if ci => Sourced::new(Provision::Never, Origin::Environment("CI")),
            SiteKind::Cloud => Sourced::new(Provision::Auto, Origin::Default),
            SiteKind::DataCenter => Sourced::new(Provision::Ask, Origin::Default),
        };
        let mut repository = self.statement(inputs, true, true);
        if repository.is_empty() {
            repository = self.statement(inputs, true, false);
        }
        Settings {
            repository,
            by_url: self.statement(inputs, false, true),
            plain: self.statement(inputs, false, false),
            provision: match invalid {
                Some(origin) => Sourced::new(Provision::Never, origin),
                None => provision.or(by_default),
            },
            key_type: key_type.or(Sourced::new(KeyType::Ed25519, Origin::Default)),
            key_lifetime: lifetime,
            passphrase: passphrase.or(Sourced::new(PassphraseStore::Auto, Origin::Default)),
            transport: transport.or(Sourced::new(TransportKind::Native, Origin::Default)),
            author_check: author_check.or(Sourced::new(AuthorCheck::Warn, Origin::Default)),
            ignored: self.ignored,
            invalid: self.invalid,
        }
    }
}

/// Which of several values wins: the closest URL, the highest scope, what was cleared.
impl<'a> Resolution<'a> {
    /// The identity statement of the entries that `of` chooses: of the closest URL that has a
    /// value, the highest scope alone; an empty value clears.
    fn statement(&self, inputs: &ResolveInputs<'_>, own: bool, with_url: bool) -> IdentitySettings {
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
    fn scalar<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Scalar<T> {
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
enum Scalar<T> {
    /// The value that counts.
    Set(Sourced<T>),
    /// Not set.
    Unset,
    /// The closest value is not a value of the setting.
    Invalid(Origin),
}

impl<T> Scalar<T> {
    /// The value, or the default.
    fn or(self, default: Sourced<T>) -> Sourced<T> {
        match self {
            Self::Set(value) => value,
            Self::Unset | Self::Invalid(_) => default,
        }
    }

    /// Where the invalid value is set.
    fn invalid_at(&self) -> Option<Origin> {
        match self {
            Self::Invalid(origin) => Some(origin.clone()),
            Self::Set(_) | Self::Unset => None,
        }
    }
}

/// `CI` is set, and to none of the words that turn it off.
fn in_ci(context: &Context) -> bool {
    let value = context.environment.text("CI").map(str::to_ascii_lowercase);
    value.is_some_and(|value| !matches!(value.as_str(), "false" | "0" | "no" | "off"))
}

#[cfg(test)]
mod tests;
