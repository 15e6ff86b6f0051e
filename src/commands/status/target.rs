//! Which URL `status` speaks of.

use crate::commands::{Error, git};
use crate::context::Context;

/// The URL of a remote, or a URL as it is, in both cases after `url.….insteadOf`; without either
/// the current branch's remote, else `origin`. Talks to no remote (git-ls-remote(1), --get-url).
pub(in crate::commands) fn url(context: &Context, target: Option<&str>) -> Result<String, Error> {
    let mut arguments = vec!["ls-remote", "--get-url", "--"];
    arguments.extend(target);
    let none = || Error::Usage {
        what: "this repository has no remote, or there is no repository here".to_owned(),
        hint: "git bitbucket status URL".to_owned(),
    };
    match git::line(context, &arguments) {
        Ok(Some(url)) => Ok(url),
        Ok(None) | Err(Error::Git { .. }) => Err(none()),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::commands::testing::Machine;

    #[test]
    fn git_says_which_url_is_meant() {
        let machine = Machine::new().with(&[("GIT_CEILING_DIRECTORIES", "/")]);
        let found = |target| url(&machine.context, target).map_err(|_| ());
        assert_eq!(found(None), Err(()), "no repository");
        machine.git(&[
            "config",
            "--global",
            "url.git@bitbucket.org:.insteadOf",
            "bb:",
        ]);
        assert_eq!(
            found(Some("bb:acme/site")).as_deref(),
            Ok("git@bitbucket.org:acme/site"),
            "insteadOf counts everywhere"
        );
        machine.git(&["init", "--quiet", "--initial-branch=main"]);
        machine.git(&["remote", "add", "origin", "bb:acme/site"]);
        machine.git(&["remote", "add", "fork", "bb:ann/site"]);
        for (target, expected, why) in [
            (None, "git@bitbucket.org:acme/site", "origin"),
            (Some("fork"), "git@bitbucket.org:ann/site", "by name"),
            (Some("--upload-pack=x"), "--upload-pack=x", "no option"),
        ] {
            assert_eq!(found(target).as_deref(), Ok(expected), "{why}");
        }
        machine.git(&["config", "branch.main.remote", "fork"]);
        assert_eq!(
            found(None).as_deref(),
            Ok("git@bitbucket.org:ann/site"),
            "the branch's remote"
        );
    }
}
