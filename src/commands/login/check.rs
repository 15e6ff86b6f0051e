//! What the site says of a token, without changing anything there.

use crate::bitbucket::{self, KeyRegistry, RegisteredKey, User};
use crate::provision::SCOPES;

/// What a token showed.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Seen {
    /// Whose it is.
    pub(in crate::commands) user: User,
    /// The account's keys.
    pub(in crate::commands) keys: Vec<RegisteredKey>,
}

/// Why a token is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) enum Refusal {
    /// It lacks these scopes, as far as the site tells: all that are missing where it names those
    /// that were granted, else those of the call that failed.
    Scopes(Vec<String>),
    /// Everything else.
    Site(bitbucket::Error),
}

/// Reads user and keys.
pub(in crate::commands) fn check(registry: &dyn KeyRegistry) -> Result<Seen, Refusal> {
    let user = registry.user().map_err(refusal)?;
    let keys = registry.keys(&user).map_err(refusal)?;
    Ok(Seen { user, keys })
}

pub(super) fn refusal(error: bitbucket::Error) -> Refusal {
    let bitbucket::Error::ScopeMissing { required, granted } = error else {
        return Refusal::Site(error);
    };
    let mut missing: Vec<String> = if granted.is_empty() {
        Vec::new()
    } else {
        SCOPES.map(str::to_owned).to_vec()
    };
    for scope in required {
        if !missing.contains(&scope) {
            missing.push(scope);
        }
    }
    missing.retain(|scope| !granted.contains(scope));
    Refusal::Scopes(missing)
}
