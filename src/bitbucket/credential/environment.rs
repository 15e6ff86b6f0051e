//! `BITBUCKET_EMAIL` or `BITBUCKET_USERNAME`, with `BITBUCKET_API_TOKEN`. Pure.

use super::Token;
use crate::context::{API_TOKEN, Context};
use crate::repository;
use crate::secret::{Secret, TokenPlace};
use crate::text::sanitise;

/// The URL of the environment's site (`BITBUCKET_SITE`, else Cloud) and its token. `None`: account or
/// token is missing or empty.
pub fn environment(context: &Context) -> Option<(String, Token)> {
    let variables = &context.environment;
    let (_, account) = account(context)?;
    let secret = variables.trimmed(API_TOKEN)?;
    let site = variables
        .trimmed("BITBUCKET_SITE")
        .map_or_else(|| repository::cloud().url, site_url);
    let token = Token {
        account: account.to_owned(),
        secret: Secret::new(secret.to_owned()),
        place: TokenPlace::Environment,
    };
    Some((site, token))
}

/// Why the variables do not stand for an account that can log in, in one clause. `None`: they do, or
/// none is set.
pub fn environment_fault(context: &Context) -> Option<String> {
    let token = context.environment.trimmed(API_TOKEN);
    match (account(context), token) {
        (None, Some(_)) => Some(format!(
            "{API_TOKEN} is set without BITBUCKET_EMAIL, so it is not used"
        )),
        (Some((variable, _)), None) => Some(format!(
            "{variable} is set without {API_TOKEN}, so it is not used"
        )),
        (Some((variable, account)), Some(_)) => {
            let (site, _) = environment(context)?;
            let user_name = site == repository::cloud().url && !account.contains('@');
            user_name.then(|| {
                format!(
                    "{variable} is {}, but an API token of Bitbucket Cloud needs the e-mail address of its account",
                    sanitise(account)
                )
            })
        }
        (None, None) => None,
    }
}

/// The variable that names the account, and its value.
fn account(context: &Context) -> Option<(&'static str, &str)> {
    ["BITBUCKET_EMAIL", "BITBUCKET_USERNAME"]
        .into_iter()
        .find_map(|name| Some((name, context.environment.trimmed(name)?)))
}

/// The form of [`crate::repository::Site::url`].
fn site_url(text: &str) -> String {
    let text = text.trim_end_matches('/');
    let Some((scheme, rest)) = text.split_once("://") else {
        return site_url(&format!("https://{text}"));
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    format!("{}://{}{path}", scheme.to_lowercase(), host.to_lowercase())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::{environment, environment_fault};
    use crate::clock::SystemClock;
    use crate::context::{Context, Environment};

    type Row = (
        &'static [(&'static str, &'static str)],
        Option<(&'static str, &'static str)>,
        &'static str,
    );

    fn context(variables: &[(&str, &str)]) -> Context {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Context {
            environment: Environment::new(variables),
            directory: PathBuf::from("/"),
            program: PathBuf::from("/p"),
            clock: Arc::new(SystemClock),
        }
    }

    #[test]
    fn what_the_variables_lack_is_said() {
        for (variables, expected) in [
            (&[][..], None),
            (
                &[("BITBUCKET_API_TOKEN", "t")],
                Some("BITBUCKET_API_TOKEN is set without BITBUCKET_EMAIL, so it is not used"),
            ),
            (
                &[("BITBUCKET_USERNAME", "al")],
                Some("BITBUCKET_USERNAME is set without BITBUCKET_API_TOKEN, so it is not used"),
            ),
            (
                &[("BITBUCKET_USERNAME", "al"), ("BITBUCKET_API_TOKEN", "t")],
                Some(
                    "BITBUCKET_USERNAME is al, but an API token of Bitbucket Cloud needs the e-mail address of its account",
                ),
            ),
            (
                &[
                    ("BITBUCKET_USERNAME", "al"),
                    ("BITBUCKET_API_TOKEN", "t"),
                    ("BITBUCKET_SITE", "git.x"),
                ],
                None,
            ),
            (
                &[("BITBUCKET_EMAIL", "a@x"), ("BITBUCKET_API_TOKEN", "t")],
                None,
            ),
        ] {
            let found = environment_fault(&context(variables));
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn two_variables_stand_for_an_account() {
        let rows: &[Row] = &[
            (
                &[("BITBUCKET_EMAIL", "a@x"), ("BITBUCKET_API_TOKEN", "t")],
                Some(("https://bitbucket.org", "a@x")),
                "Cloud",
            ),
            (
                &[
                    ("BITBUCKET_USERNAME", "al"),
                    ("BITBUCKET_API_TOKEN", "t"),
                    ("BITBUCKET_SITE", "HTTPS://Git.X/Ctx/"),
                ],
                Some(("https://git.x/Ctx", "al")),
                "an instance, path kept",
            ),
            (
                &[
                    ("BITBUCKET_USERNAME", "al"),
                    ("BITBUCKET_API_TOKEN", "t"),
                    ("BITBUCKET_SITE", "git.x"),
                ],
                Some(("https://git.x", "al")),
                "a host alone",
            ),
            (
                &[
                    ("BITBUCKET_EMAIL", "a@x"),
                    ("BITBUCKET_USERNAME", "al"),
                    ("BITBUCKET_API_TOKEN", "t"),
                ],
                Some(("https://bitbucket.org", "a@x")),
                "the address first",
            ),
            (&[("BITBUCKET_EMAIL", "a@x")], None, "no token"),
            (
                &[("BITBUCKET_API_TOKEN", "t")],
                None,
                "a token without an account",
            ),
            (
                &[("BITBUCKET_EMAIL", "a@x"), ("BITBUCKET_API_TOKEN", "")],
                None,
                "an empty token is none",
            ),
            (
                &[("BITBUCKET_EMAIL", "a@x"), ("BITBUCKET_API_TOKEN", " \n")],
                None,
                "a blank token is none",
            ),
            (
                &[
                    ("BITBUCKET_EMAIL", " a@x\r\n"),
                    ("BITBUCKET_API_TOKEN", "t\n"),
                    ("BITBUCKET_SITE", " git.x\n"),
                ],
                Some(("https://git.x", "a@x")),
                "white space around values does not count",
            ),
        ];
        for (variables, expected, why) in rows {
            let context = context(variables);
            let found = environment(&context);
            if let Some((_, token)) = &found {
                assert_eq!(token.secret.reveal(), "t", "{why}");
            }
            let found = found
                .as_ref()
                .map(|(site, token)| (site.as_str(), token.account.as_str()));
            assert_eq!(found, *expected, "{why}");
        }
    }
}
