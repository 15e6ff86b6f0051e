use std::fmt::Write as _;

use super::*;
use crate::repository::{Repository, cloud};
use crate::settings::git_config::fixture::Home;

fn center() -> Site {
    Site {
        kind: SiteKind::DataCenter,
        url: "https://git.example.com/Ctx".to_owned(),
        api_url: "https://git.example.com/Ctx".to_owned(),
        ssh_hosts: vec![SshHost {
            host: "git.example.com".to_owned(),
            port: 7999,
        }],
    }
}

fn repository(site: &Site, workspace: &str, slug: &str) -> Repository {
    Repository {
        site: site.url.clone(),
        workspace: workspace.to_owned(),
        slug: slug.to_owned(),
    }
}

fn specificity(site: &Site, repository: &Repository, pattern: &str) -> Option<Specificity> {
    let subject = Subject::new(site, &repository.path()).unwrap();
    subject.matched_by(&Url::parse(pattern)?)
}

#[test]
fn patterns_for_cloud_repositories() {
    let site = cloud();
    let repository = repository(&site, "Acme", "Web-Site");
    for (pattern, matches, why) in [
        ("https://bitbucket.org", true, "the site"),
        ("https://bitbucket.org/", true, "a slash is nothing"),
        (
            "https://BitBucket.org/acme",
            true,
            "host and workspace have no case",
        ),
        (
            "https://bitbucket.org:443/acme",
            true,
            "the scheme's own port",
        ),
        (
            "https://bitbucket.org/ACME/web-site",
            true,
            "the slug has no case",
        ),
        (
            "https://bitbucket.org/acme/web-site.git",
            true,
            ".git is nothing",
        ),
        ("https://bitbucket.org/%61cme", true, "percent codes"),
        ("https://bitbucket.org/acme/web", false, "whole components"),
        ("https://bitbucket.org/acm", false, "whole components"),
        (
            "https://bitbucket.org/acme/web-site/src",
            false,
            "below the repository",
        ),
        ("https://*.org/acme", true, "a wildcard label"),
        ("https://*/acme", false, "one label for each"),
        ("https://bitbucket.org:8443/acme", false, "another port"),
        ("http://bitbucket.org/acme", false, "another scheme"),
        (
            "https://alice@bitbucket.org/acme",
            false,
            "the URL has no user",
        ),
        (
            "https://bitbucket.org.evil.example/acme",
            false,
            "another host",
        ),
        ("ssh://bitbucket.org/acme", true, "ssh"),
        (
            "ssh://git@bitbucket.org/acme/web-site.git",
            true,
            "as copied from the site",
        ),
        ("ssh://git@bitbucket.org:22/acme", true, "its own port"),
        (
            "ssh://git@altssh.bitbucket.org:443/acme",
            true,
            "another of its hosts",
        ),
        (
            "ssh://altssh.bitbucket.org/acme",
            false,
            "which listens on 443",
        ),
        ("ssh://git@*.bitbucket.org/acme", true, "a wildcard"),
        ("ssh://alice@bitbucket.org/acme", false, "another user"),
        ("ssh://github.com/acme", false, "another host"),
        ("git@bitbucket.org:acme", false, "no URL"),
    ] {
        assert_eq!(
            specificity(&site, &repository, pattern).is_some(),
            matches,
            "{why}: {pattern}"
        );
    }
}

#[test]
fn patterns_for_data_center_repositories() {
    let site = center();
    let repository = repository(&site, "PROJ", "repo");
    for (pattern, matches, why) in [
        ("https://git.example.com", true, "the host"),
        ("https://git.example.com/Ctx", true, "the site"),
        (
            "https://git.example.com/ctx",
            false,
            "the context is the server's, with its case",
        ),
        (
            "https://git.example.com/Ctx/proj",
            true,
            "the project has none",
        ),
        ("https://git.example.com/PROJ", false, "without the context"),
        (
            "ssh://git@git.example.com:7999/proj/repo.git",
            true,
            "ssh has no context",
        ),
        (
            "ssh://git.example.com/proj",
            false,
            "port 22 is another server",
        ),
        ("https://*.example.com/Ctx/PROJ/repo", true, "a wildcard"),
    ] {
        assert_eq!(
            specificity(&site, &repository, pattern).is_some(),
            matches,
            "{why}: {pattern}"
        );
    }
}

#[test]
fn the_closer_pattern_wins_whatever_its_scheme() {
    let site = cloud();
    let repository = repository(&site, "acme", "site");
    let of = |pattern| specificity(&site, &repository, pattern).unwrap();
    for (closer, other, why) in [
        (
            "https://bitbucket.org/acme",
            "https://bitbucket.org",
            "the longer path",
        ),
        (
            "https://bitbucket.org/acme/site",
            "ssh://git@ssh.bitbucket.org/acme",
            "across schemes",
        ),
        (
            "https://bitbucket.org",
            "https://*.org/acme/site",
            "the host comes first",
        ),
        (
            "ssh://bitbucket.org/acme/site",
            "https://bitbucket.org/acme",
            "across schemes",
        ),
    ] {
        assert!(of(closer) > of(other), "{why}");
    }
    for (one, same) in [
        ("https://bitbucket.org/acme", "ssh://git@bitbucket.org/acme"),
        (
            "https://bitbucket.org/acme",
            "ssh://altssh.bitbucket.org:443/ACME",
        ),
        (
            "https://bitbucket.org/acme/site",
            "https://bitbucket.org/acme/site.git/",
        ),
    ] {
        assert_eq!(of(one), of(same), "{one} and {same} are the same URL");
    }
}

/// Where the contract says "as git", git decides.
#[test]
fn generated_patterns_match_as_in_git() {
    let home = Home::new();
    let mut random = fastrand::Rng::with_seed(3);
    let mut pick = |from: &[&'static str]| *random.choice(from).unwrap();
    let hosts = [
        "git.example.com",
        "*.example.com",
        "git.*.com",
        "*.*.com",
        "GIT.example.com",
        "example.com",
    ];
    let ports = ["", "", "", ":443", ":80", ":8443", ":"];
    let users = ["", "", "alice@", "bob@"];
    let paths = [
        "",
        "/",
        "/acme",
        "/acme/",
        "/acme/site",
        "/acme/sit",
        "/acme/./site",
        "/x/../acme",
        "/%61cme",
        "/acme/site/more",
        "/Acme",
    ];
    let urls = [
        "https://git.example.com/acme/site",
        "https://alice@git.example.com/acme/site",
        "https://git.example.com:8443/acme/site",
        "http://git.example.com/acme",
        "https://git.example.com/",
    ];
    for _ in 0..60 {
        let mut text = String::from("[http]\n\tproxy = plain\n");
        for number in 0..6 {
            let scheme = pick(&["https", "https", "http", "HTTPS"]);
            let (user, host, port, path) = (pick(&users), pick(&hosts), pick(&ports), pick(&paths));
            let url = format!("{scheme}://{user}{host}{port}{path}");
            writeln!(text, "[http \"{url}\"]\n\tproxy = {number}").unwrap();
        }
        home.write(".gitconfig", &text);
        let config = crate::settings::GitConfig::open(&home.context()).unwrap();
        for url in urls {
            let ours = config.http(url).proxy;
            let theirs = home.git(
                &home.path(),
                &["config", "--get-urlmatch", "http.proxy", url],
            );
            assert_eq!(ours.as_deref(), Some(theirs.trim()), "{url} in\n{text}");
        }
    }
}
