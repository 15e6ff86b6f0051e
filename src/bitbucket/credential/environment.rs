//! `BITBUCKET_EMAIL` or `BITBUCKET_USERNAME`, with `BITBUCKET_API_TOKEN`. Pure.

use super::Token;
use crate::context::{API_TOKEN, Context};
use crate::repository;
use crate::secret::{Secret, TokenPlace};

/// The URL of the environment's site (`BITBUCKET_SITE`, else Cloud) and its token. `None`: account or
/// token is missing or empty.
pub fn environment(context: &Context) -> Option<(String, Token)> {
    let variables = &context.environment;
    let account = variables
        .text("BITBUCKET_EMAIL")
        .or(variables.text("BITBUCKET_USERNAME"))?;
    let secret = variables.text(API_TOKEN)?;
    let site = variables
        .text("BITBUCKET_SITE")
        .map_or_else(|| repository::cloud().url, site_url);
    let token = Token {
        account: account.to_owned(),
        secret: Secret::new(secret.to_owned()),
        place: TokenPlace::Environment,
    };
    Some((site, token))
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

    use super::environment;
    use crate::clock::SystemClock;
    use crate::context::{Context, Environment};

    type Row = (
        &'static [(&'static str, &'static str)],
        Option<(&'static str, &'static str)>,
        &'static str,
    );

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
        ];
        for (variables, expected, why) in rows {
            let context = Context {
                environment: Environment::new(
                    variables
                        .iter()
                        .map(|(name, value)| ((*name).into(), (*value).into())),
                ),
                directory: PathBuf::from("/"),
                program: PathBuf::from("/p"),
                clock: Arc::new(SystemClock),
            };
            let found = environment(&context);
            let found = found
                .as_ref()
                .map(|(site, token)| (site.as_str(), token.account.as_str()));
            assert_eq!(found, *expected, "{why}");
        }
    }
}
