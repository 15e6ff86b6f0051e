//! The scopes of Cloud's API tokens. No scope implies another.

/// Reads the user behind the token.
pub const READ_USER: &str = "read:user:bitbucket";
/// Lists keys.
pub const READ_KEYS: &str = "read:ssh-key:bitbucket";
/// Registers keys.
pub const WRITE_KEYS: &str = "write:ssh-key:bitbucket";
/// Removes keys.
pub const DELETE_KEYS: &str = "delete:ssh-key:bitbucket";
/// Reads repositories.
pub const READ_REPOSITORIES: &str = "read:repository:bitbucket";
/// Creates repositories, and reads and changes their access keys.
pub const ADMIN_REPOSITORIES: &str = "admin:repository:bitbucket";

/// What this program does with a token, in words, and the scope that it needs for it.
pub const ABILITIES: [(&str, &str); 6] = [
    ("log in", READ_USER),
    ("list keys", READ_KEYS),
    ("add keys", WRITE_KEYS),
    ("remove keys", DELETE_KEYS),
    ("see repositories", READ_REPOSITORIES),
    ("create repositories", ADMIN_REPOSITORIES),
];

/// What a token with these scopes can do, and what it cannot, with the scope that it lacks.
pub fn abilities(granted: &[String]) -> (Vec<&'static str>, Vec<(&'static str, &'static str)>) {
    let has = |scope: &str| granted.iter().any(|granted| granted == scope);
    let (can, cannot): (Vec<_>, Vec<_>) = ABILITIES.into_iter().partition(|(_, scope)| has(scope));
    (
        can.into_iter().map(|(ability, _)| ability).collect(),
        cannot,
    )
}

/// The scopes that are required and not granted. All that are required where none is missing: then
/// the site denied the request although the token seems to have them.
pub fn missing(required: &[String], granted: &[String]) -> Vec<String> {
    let lacking = required.iter().filter(|scope| !granted.contains(scope));
    let lacking: Vec<String> = lacking.cloned().collect();
    if lacking.is_empty() {
        return required.to_vec();
    }
    lacking
}

/// The value of `x-oauth-scopes`: names with commas between them. `None`: not the scopes of an API
/// token, whose names end in `:bitbucket` (access tokens and OAuth have other names).
pub(super) fn of_header(value: &str) -> Option<Vec<String>> {
    let names = value.split([',', ' ']).map(str::trim);
    let names: Vec<String> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let known = names.iter().any(|name| name.ends_with(":bitbucket"));
    known.then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_is_missing_is_required_and_not_granted() {
        for (required, granted, expected, why) in [
            (&["a", "b"][..], &["a"][..], &["b"][..], "one is granted"),
            (
                &["a", "b"],
                &[],
                &["a", "b"],
                "nothing is known to be granted",
            ),
            (&["a"], &["a"], &["a"], "denied nevertheless"),
        ] {
            assert_eq!(
                missing(&owned(required), &owned(granted)),
                owned(expected),
                "{why}"
            );
        }
    }

    #[test]
    fn headers_tell_the_scopes_of_api_tokens_only() {
        for (header, expected, why) in [
            (
                "read:user:bitbucket, delete:ssh-key:bitbucket",
                Some(2),
                "as the site writes it",
            ),
            ("read:user:bitbucket", Some(1), "one"),
            ("account, repository:admin", None, "of an access token"),
            ("", None, "nothing"),
        ] {
            let found = of_header(header).map(|names| names.len());
            assert_eq!(found, expected, "{why}");
        }
    }
}
