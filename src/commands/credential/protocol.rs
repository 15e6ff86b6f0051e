//! git-credential(1)'s attributes, as they come on standard input and go back on standard output.
//! Pure; decides nothing.
//! <https://git-scm.com/docs/git-credential#IOFMT>

use std::io::{Read, Write};

use percent_encoding::percent_decode_str;

use crate::repository::{Repository, Site, SiteKind, of_url};
use crate::secret::Secret;

/// More than git ever sends; a caller that sends more is not git.
const MOST_INPUT: u64 = 64 * 1024;

/// What begins the values of `state[]` that are ours.
const STATE: &str = "bitbucket:";

/// One description of a credential.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    protocol: String,
    /// With the port where the URL has one.
    host: String,
    /// `None`: not sent (`credential.useHttpPath` is off).
    path: Option<String>,
    /// The user name that the caller wants or has.
    pub(super) username: Option<String>,
    /// The secret, in `store` and `erase`.
    pub(super) password: Option<Secret>,
    /// Whether the caller understands `state[]` and `continue`.
    pub(super) keeps_state: bool,
    /// The accounts that this git command has tried already, from our own `state[]`.
    pub(super) tried: Vec<String>,
}

/// Why a description is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// More bytes than git sends.
    #[error("the credential description is longer than 64 KiB")]
    TooLong,
    /// A line without `=`, a NUL or CR, or text that is not UTF-8.
    #[error("the credential description is malformed")]
    Line,
}

impl Attributes {
    /// Reads up to the blank line or the end of the input.
    pub(super) fn read(input: &mut dyn Read) -> Result<Self, Malformed> {
        let mut bytes = Vec::new();
        let read = input.take(MOST_INPUT + 1).read_to_end(&mut bytes);
        if read.is_err() {
            return Err(Malformed::Line);
        }
        if bytes.len() as u64 > MOST_INPUT {
            return Err(Malformed::TooLong);
        }
        let bytes = zeroize::Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).map_err(|_| Malformed::Line)?;
        let mut attributes = Self::default();
        for line in text.split('\n').take_while(|line| !line.is_empty()) {
            // CVE-2020-5260, CVE-2024-52006: what has one of these in it was forged.
            if line.contains(['\0', '\r']) {
                return Err(Malformed::Line);
            }
            let (name, value) = line.split_once('=').ok_or(Malformed::Line)?;
            attributes.take(name, value);
        }
        Ok(attributes)
    }

    /// Unknown names are passed over, as the protocol asks.
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "protocol" => value.clone_into(&mut self.protocol),
            "host" => value.clone_into(&mut self.host),
            "path" => self.path = Some(value.to_owned()),
            "username" => self.username = Some(value.to_owned()),
            "password" => self.password = Some(Secret::new(value.to_owned())),
            "capability[]" if value == "state" => self.keeps_state = true,
            "state[]" => {
                let ours = value.strip_prefix(STATE).unwrap_or_default();
                let names = ours.split(',').filter(|name| !name.is_empty());
                self.tried.extend(
                    names.map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned()),
                );
            }
            _ => {}
        }
    }

    /// The site that is asked for: same scheme, host and port, and below its context path as far as
    /// a path was sent. `None`: not ours to answer.
    pub(super) fn site<'s>(&self, sites: &'s [Site]) -> Option<&'s Site> {
        // User information, or anything else that is no host and port, names nobody's host.
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if self.host.is_empty() || !self.host.chars().all(plain) {
            return None;
        }
        let origin = format!("{}://{}", self.protocol, self.host.to_ascii_lowercase());
        let origin = without_default_port(&origin);
        sites.iter().find(|site| {
            let Some(rest) = site.url.strip_prefix(origin) else {
                return false;
            };
            let context = rest.trim_start_matches('/');
            match &self.path {
                _ if !rest.is_empty() && !rest.starts_with('/') => false,
                Some(path) if !context.is_empty() => {
                    let path = path.trim_start_matches('/');
                    path.strip_prefix(context)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                }
                _ => true,
            }
        })
    }

    /// The repository that the path names.
    pub(super) fn repository(&self, site: &Site) -> Target {
        let Some(path) = self.path.as_deref().map(|path| path.trim_matches('/')) else {
            return Target::Site;
        };
        let context = site.url.splitn(4, '/').nth(3).unwrap_or_default();
        if path.is_empty() || path == context {
            return Target::Site;
        }
        let below = path.split_once(".git/").map_or(path, |(name, _)| name);
        // git sends the path decoded; what is read below decodes once more.
        let encoded = below.replace('%', "%25");
        let encoded = encoded.replace('?', "%3F").replace('#', "%23");
        let sites = std::slice::from_ref(site);
        let authority = site.url.strip_suffix(context).unwrap_or(&site.url);
        let url = format!("{}/{encoded}", authority.trim_end_matches('/'));
        match of_url(sites, &url) {
            Some(repository) => Target::Repository(repository),
            None => Target::Other,
        }
    }
}

/// What a credential is wanted for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// No path was sent.
    Site,
    /// A repository of the site.
    Repository(Repository),
    /// A path that is no repository's: nothing is answered.
    Other,
}

fn without_default_port(origin: &str) -> &str {
    if origin.starts_with("https://") {
        origin.strip_suffix(":443").unwrap_or(origin)
    } else {
        origin.strip_suffix(":80").unwrap_or(origin)
    }
}

/// An answer to `get`.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// What git sends as user name.
    pub(super) user_name: &'a str,
    /// What git sends as password.
    pub(super) secret: &'a Secret,
    /// When the secret ends, in seconds since the epoch.
    pub(super) expires: Option<i64>,
    /// The accounts tried in this git command, this one included. Empty: there is no further one,
    /// or the caller keeps no state.
    pub(super) tried: Vec<&'a str>,
}

impl Answer<'_> {
    /// Writes the answer. Nothing is written where a value cannot be sent in one line.
    pub(super) fn write(&self, output: &mut dyn Write) -> std::io::Result<()> {
        let sendable = |text: &str| !text.contains(['\n', '\r', '\0']);
        if !sendable(self.user_name) || !sendable(self.secret.reveal()) {
            return Ok(());
        }
        let mut text = zeroize::Zeroizing::new(String::new());
        if !self.tried.is_empty() {
            text.push_str("capability[]=state\n");
        }
        let mut line = |name: &str, value: &str| {
            for part in [name, "=", value, "\n"] {
                text.push_str(part);
            }
        };
        line("username", self.user_name);
        line("password", self.secret.reveal());
        if let Some(expires) = self.expires {
            line("password_expiry_utc", &expires.to_string());
        }
        if !self.tried.is_empty() {
            let names = self.tried.iter().map(|name| encoded(name));
            let names = names.collect::<Vec<_>>().join(",");
            line("state[]", &format!("{STATE}{names}"));
            line("continue", "1");
        }
        output.write_all(text.as_bytes())?;
        output.flush()
    }
}

fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The user name that git sends with an API token of Cloud, whoever's it is
/// (<https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens>).
pub(super) const TOKEN_USER: &str = "x-bitbucket-api-token-auth";

/// The user name that git sends for an account.
pub(super) fn user_name<'a>(site: &Site, account: &'a str) -> &'a str {
    match site.kind {
        SiteKind::Cloud => TOKEN_USER,
        SiteKind::DataCenter => account,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::cloud;

    fn read(text: &str) -> Result<Attributes, Malformed> {
        Attributes::read(&mut text.as_bytes())
    }

    fn sites() -> [Site; 3] {
        let center = |url: &str| Site {
            kind: SiteKind::DataCenter,
            url: url.to_owned(),
            api_url: url.to_owned(),
            ssh_hosts: Vec::new(),
        };
        [
            cloud(),
            center("https://git.example.com:8443/bitbucket"),
            center("http://127.0.0.1:7990"),
        ]
    }

    #[test]
    fn a_site_is_answered_for_by_its_exact_origin() {
        const CLOUD: Option<&str> = Some("https://bitbucket.org");
        const CENTER: Option<&str> = Some("https://git.example.com:8443/bitbucket");
        for (description, expected, why) in [
            ("protocol=https\nhost=bitbucket.org\n", CLOUD, "Cloud"),
            (
                "protocol=https\nhost=BitBucket.ORG\n",
                CLOUD,
                "host names have no case",
            ),
            (
                "protocol=https\nhost=bitbucket.org:443\n",
                CLOUD,
                "the default port",
            ),
            (
                "protocol=https\nhost=bitbucket.org:444\n",
                None,
                "another port",
            ),
            ("protocol=http\nhost=bitbucket.org\n", None, "plain http"),
            (
                "protocol=https\nhost=bitbucket.org.evil.example\n",
                None,
                "a longer name",
            ),
            ("protocol=https\nhost=evil.example\n", None, "another host"),
            (
                "protocol=https\nhost=x@bitbucket.org\n",
                None,
                "user information",
            ),
            (
                "protocol=https\nhost=bitbucket.org/x\n",
                None,
                "a path in the host",
            ),
            ("protocol=https\nhost=\n", None, "no host (CVE-2020-11008)"),
            ("host=bitbucket.org\n", None, "no protocol"),
            (
                "protocol=https\nhost=git.example.com:8443\npath=bitbucket/scm/P/a.git\n",
                CENTER,
                "below its context path",
            ),
            (
                "protocol=https\nhost=git.example.com:8443\npath=bitbucketx/scm/P/a.git\n",
                None,
                "another application there",
            ),
            (
                "protocol=https\nhost=git.example.com:8443\n",
                CENTER,
                "no path was sent",
            ),
            (
                "protocol=https\nhost=git.example.com\n",
                None,
                "another port of it",
            ),
            (
                "protocol=http\nhost=127.0.0.1:7990\n",
                Some("http://127.0.0.1:7990"),
                "loopback",
            ),
        ] {
            let sites = sites();
            let found = read(description).expect("well formed");
            let found = found.site(&sites).map(|site| site.url.as_str());
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn the_path_names_the_repository() {
        let sites = sites();
        let named = |site: &Site, name: &str| {
            let (workspace, slug) = name.split_once('/').expect("two parts");
            Target::Repository(Repository {
                site: site.url.clone(),
                workspace: workspace.to_owned(),
                slug: slug.to_owned(),
            })
        };
        let [cloud, center, _] = &sites;
        for (site, path, expected, why) in [
            (
                cloud,
                "acme/site.git",
                named(cloud, "acme/site"),
                "as git sends it",
            ),
            (
                cloud,
                "acme/site",
                named(cloud, "acme/site"),
                "without .git",
            ),
            (
                cloud,
                "acme/site.git/info/lfs",
                named(cloud, "acme/site"),
                "LFS",
            ),
            (
                cloud,
                "acme/site.git/info/lfs/objects/batch",
                named(cloud, "acme/site"),
                "LFS",
            ),
            (
                center,
                "bitbucket/scm/PROJ/app.git",
                named(center, "PROJ/app"),
                "a project",
            ),
            (
                center,
                "bitbucket/scm/~ada/own.git",
                named(center, "~ada/own"),
                "a person's",
            ),
            (cloud, "", Target::Site, "an empty path"),
            (center, "bitbucket", Target::Site, "the context path alone"),
            (
                cloud,
                "acme/../evil/site.git",
                Target::Other,
                "a path that climbs",
            ),
            (cloud, "acme", Target::Other, "a workspace alone"),
        ] {
            let attributes = Attributes {
                path: Some(path.to_owned()),
                ..Attributes::default()
            };
            assert_eq!(attributes.repository(site), expected, "{path}: {why}");
        }
        assert_eq!(Attributes::default().repository(cloud), Target::Site);
    }

    #[test]
    fn forged_descriptions_are_refused() {
        for (text, expected) in [
            ("protocol=https\r\nhost=bitbucket.org\r\n", Malformed::Line),
            ("protocol=https\nhost=bitbucket.org\0\n", Malformed::Line),
            ("protocol\n", Malformed::Line),
        ] {
            assert_eq!(read(text).expect_err("refused"), expected, "{text:?}");
        }
        let long = format!("path={}\n", "a".repeat(70_000));
        assert_eq!(read(&long).expect_err("refused"), Malformed::TooLong);
        let after = read("protocol=https\n\nhost=bitbucket.org\n").expect("well formed");
        assert_eq!(after.host, "", "the blank line ends the description");
    }

    #[test]
    fn an_answer_carries_what_was_tried() {
        let secret = Secret::new("t0ken".to_owned());
        let mut answer = Answer {
            user_name: TOKEN_USER,
            secret: &secret,
            expires: Some(1_800_000_000),
            tried: vec!["a@x.org", "b,c@x.org"],
        };
        let mut written = Vec::new();
        answer.write(&mut written).expect("memory");
        let written = String::from_utf8(written).expect("text");
        assert_eq!(
            written,
            "capability[]=state\nusername=x-bitbucket-api-token-auth\npassword=t0ken\n\
             password_expiry_utc=1800000000\nstate[]=bitbucket:a%40x%2Eorg,b%2Cc%40x%2Eorg\ncontinue=1\n"
        );
        let again = read(&format!("{written}\n")).expect("well formed");
        assert_eq!(again.tried, ["a@x.org", "b,c@x.org"]);
        assert!(again.keeps_state);

        answer.user_name = "ada\nquit=1";
        let mut written = Vec::new();
        answer.write(&mut written).expect("memory");
        assert!(written.is_empty(), "a value with a line feed is not sent");
    }
}
