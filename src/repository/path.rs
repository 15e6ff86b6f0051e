//! The path of a repository: what may pass, and its two parts.

use percent_encoding::percent_decode;

use super::{Error, Repository, Site};

/// The repository a path names on a site. `Ok(None)`: not two parts.
///
/// Slashes around and between the parts are not counted, one `.git` at the end is left out. `.`
/// and `..` are not names. The path is the one that the server gets: nothing is decoded.
pub(super) fn repository(site: &Site, path: &[u8]) -> Result<Option<Repository>, Error> {
    check(path)?;
    let Ok(path) = std::str::from_utf8(path) else {
        return Ok(None);
    };
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (Some(workspace), Some(slug), None) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let slug = slug.strip_suffix(".git").unwrap_or(slug);
    if [workspace, slug]
        .iter()
        .any(|part| matches!(*part, "" | "." | ".."))
    {
        return Ok(None);
    }
    Ok(Some(Repository {
        site: site.url.clone(),
        workspace: workspace.to_owned(),
        slug: slug.to_owned(),
    }))
}

/// The parts of a path for the settings of a URL, see [`super::Located::path`]: `.` and `..` are
/// resolved, and `.git` behind the slug is left out.
pub(super) fn components(path: &[u8]) -> Vec<String> {
    let path: Vec<u8> = percent_decode(path).collect();
    let path = String::from_utf8_lossy(&path);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part.to_owned()),
        }
    }
    if let Some(slug) = parts.get_mut(1)
        && let Some(bare) = slug.strip_suffix(".git").filter(|bare| !bare.is_empty())
    {
        *slug = bare.to_owned();
    }
    parts
}

/// What must not reach a server, an argument list or a terminal.
fn check(path: &[u8]) -> Result<(), Error> {
    let text = || String::from_utf8_lossy(path).into_owned();
    let first = path.iter().find(|byte| **byte != b'/');
    if first == Some(&b'-') {
        return Err(Error::LeadingDash(text()));
    }
    let bytes = path.iter().any(u8::is_ascii_control);
    if bytes || text().chars().any(char::is_control) {
        return Err(Error::ControlCharacter(text()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::cloud;
    use super::*;

    #[test]
    fn settings_hold_for_every_path_below_a_workspace() {
        for (path, parts, why) in [
            ("acme/app.git", &["acme", "app"][..], "a repository"),
            ("/acme/app", &["acme", "app"], "of a URL with a scheme"),
            ("acme/app.git#v1", &["acme", "app"], "a fragment"),
            ("acme/app?x=1/y", &["acme", "app"], "a query"),
            ("acme/%61pp%2Egit", &["acme", "app"], "percent codes"),
            ("%61cme%2fapp.git", &["acme", "app"], "a coded slash"),
            ("acme/app%23v1", &["acme", "app"], "a coded fragment"),
            ("acme/100%", &["acme", "100%"], "no code"),
            ("acme", &["acme"], "a workspace"),
            ("acme/", &["acme"], "with a slash"),
            (
                "acme/app/src",
                &["acme", "app", "src"],
                "below a repository",
            ),
            ("x/../acme/app", &["acme", "app"], "dots are resolved"),
            ("../acme//./app", &["acme", "app"], "one too many"),
            ("~ada/app", &["~ada", "app"], "personal"),
            ("", &[], "nothing"),
        ] {
            assert_eq!(components(path.as_bytes()), parts, "{why}: {path}");
        }
        assert_eq!(components(b"acme/\xff")[0], "acme", "not text");
    }

    #[test]
    fn paths_and_their_parts() {
        for (path, parts, why) in [
            ("team/repo.git", Some(("team", "repo")), "plain"),
            ("team/repo", Some(("team", "repo")), "without .git"),
            (
                "/team/repo.git",
                Some(("team", "repo")),
                "ssh:// has a leading slash",
            ),
            (
                "//team//repo.git//",
                Some(("team", "repo")),
                "git passes slashes as written",
            ),
            ("Team/Repo.git", Some(("Team", "Repo")), "case is kept"),
            (
                "~user/repo.git",
                Some(("~user", "repo")),
                "Data Center, personal",
            ),
            ("/~user/repo.git", Some(("~user", "repo")), "with a slash"),
            (
                "team/repo a.git",
                Some(("team", "repo a")),
                "already decoded",
            ),
            (
                "team/repo%20a",
                Some(("team", "repo%20a")),
                "not decoded again",
            ),
            ("team/a.git.git", Some(("team", "a.git")), "one .git"),
            ("{1-2}/{3-4}", Some(("{1-2}", "{3-4}")), "Cloud's ids"),
            (
                "team/-x",
                Some(("team", "-x")),
                "only a path's begin can be an option",
            ),
            ("", None, "nothing"),
            ("/", None, "no part"),
            ("repo.git", None, "one part"),
            ("scm/team/repo.git", None, "three parts"),
            ("team/.git", None, "no slug"),
            ("../repo", None, "no workspace"),
            ("team/..", None, "no slug"),
            ("./repo", None, "no workspace"),
        ] {
            let found = repository(&cloud(), path.as_bytes()).unwrap();
            let found = found.map(|found| (found.workspace, found.slug));
            let parts = parts.map(|(workspace, slug)| (workspace.to_owned(), slug.to_owned()));
            assert_eq!(found, parts, "{why}: {path}");
        }
        assert_eq!(repository(&cloud(), b"team/\xff"), Ok(None), "no text");
        for (path, why) in [
            ("-oProxyCommand=x/y", "an option"),
            ("/-x/y", "an option behind a slash"),
            ("team/re\npo", "a line feed"),
            ("team/re\0po", "a NUL"),
            ("team/re\u{7f}po", "DEL"),
            ("team/re\u{9b}31mpo", "a C1 control"),
        ] {
            assert!(repository(&cloud(), path.as_bytes()).is_err(), "{why}");
        }
    }
}
