//! The file that replaces ssh_config when the system's ssh connects to a Bitbucket host
//! (`bitbucket.transport = openssh`). Pure: text in, text out.

use std::fmt::Write as _;
use std::path::Path;

use crate::repository::SshHost;
use crate::text::ssh_config_word;

/// The parts of the file.
#[derive(Debug, Clone, Copy)]
pub struct ConfigFile<'a> {
    /// What `ssh -G` printed for the call (`Request::option_argv`, `--`, the host).
    pub effective: &'a str,
    /// What the same ssh prints with `-F /dev/null -G` for the bare host: its compiled-in
    /// defaults. They are not written, because ssh behaves differently where they are set
    /// explicitly (by default it orders host key algorithms by known_hosts and is silent about
    /// missing default keys).
    pub compiled_in: &'a str,
    /// Where to connect to.
    pub endpoint: &'a SshHost,
    /// The only identity: a private key file, or the `.pub` of an agent's key. `None`: ssh_config's
    /// identities and the agent are used.
    pub identity: Option<&'a Path>,
    /// `None`: as ssh_config has it.
    pub host_key_alias: Option<&'a str>,
    /// A further known_hosts file: the published host keys.
    pub known_hosts: Option<&'a Path>,
}

/// A text that cannot be written to ssh_config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not UTF-8, or a line feed, or `${` where ssh would expand it.
    #[error("ssh_config cannot name {}", crate::text::sanitise(.0))]
    Unquotable(String),
}

impl ConfigFile<'_> {
    /// The file's text. Give it to ssh by [`crate::ssh_command::Request::argv_with_config`].
    ///
    /// Control* lines are left out, because a shared connection may be another identity's, and so
    /// are Canonical* lines: the endpoint is already the canonical name.
    pub fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        self.write_endpoint(&mut text)?;
        self.write_identity(&mut text)?;
        self.write_known_hosts(&mut text)?;
        for (key, values) in groups(self.effective) {
            let is_set = values_of(self.compiled_in, key) != values;
            if is_set && !self.is_left_out(key) {
                write_group(&mut text, key, &values)?;
            }
        }
        Ok(text)
    }

    fn write_endpoint(&self, text: &mut String) -> Result<(), Error> {
        line(text, "hostname", &word(&self.endpoint.host)?);
        line(text, "port", &self.endpoint.port.to_string());
        if let Some(alias) = self.host_key_alias {
            line(text, "hostkeyalias", &word(alias)?);
        }
        Ok(())
    }

    fn write_identity(&self, text: &mut String) -> Result<(), Error> {
        if let Some(identity) = self.identity {
            let file = path(identity)?;
            if file.contains("${") {
                return Err(Error::Unquotable(file.to_owned()));
            }
            line(text, "identityfile", &word(&file.replace('%', "%%"))?);
            line(text, "identitiesonly", "yes");
            // Other methods ask by the server's words, which may be those for a passphrase.
            line(text, "preferredauthentications", "publickey");
        }
        Ok(())
    }

    /// After the global files: the user's own files decide, and new keys are written to them.
    fn write_known_hosts(&self, text: &mut String) -> Result<(), Error> {
        if let Some(published) = self.known_hosts {
            let files = values_of(self.effective, GLOBAL_FILES);
            let files = files.first().copied().filter(|files| *files != "none");
            let published = word(path(published)?)?;
            let files = [files.unwrap_or_default(), &published].join(" ");
            line(text, GLOBAL_FILES, files.trim_start());
        }
        Ok(())
    }

    fn is_left_out(&self, key: &str) -> bool {
        match key {
            // EscapeChar is printed in a form that ssh does not read; SetEnv's values may be secrets.
            "host" | "hostname" | "port" | "controlmaster" | "controlpath" | "controlpersist"
            | "escapechar" | "setenv" => true,
            "hostkeyalias" => self.host_key_alias.is_some(),
            "identityfile" | "identitiesonly" | "certificatefile" | "preferredauthentications" => {
                self.identity.is_some()
            }
            GLOBAL_FILES => self.known_hosts.is_some(),
            key => key.starts_with("canonical"),
        }
    }
}

const GLOBAL_FILES: &str = "globalknownhostsfile";

/// The keys in their order, each with all its values.
fn groups(printed: &str) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (key, value) in printed.lines().filter_map(|line| line.split_once(' ')) {
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}

fn values_of<'a>(printed: &'a str, key: &str) -> Vec<&'a str> {
    let lines = printed.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(name, value)| (name == key).then_some(value))
        .collect()
}

/// `ssh -G` prints values without quotes: one word gets them back, lists and commands stay.
fn write_group(text: &mut String, key: &str, values: &[&str]) -> Result<(), Error> {
    for value in values {
        let value = if ONE_WORD.contains(&key) {
            word(value)?
        } else {
            (*value).to_owned()
        };
        line(text, key, &value);
    }
    Ok(())
}

/// Keys whose value is one word that may have blanks in it.
const ONE_WORD: [&str; 12] = [
    "bindaddress",
    "certificatefile",
    "forwardagent",
    "hostkeyalias",
    "identityagent",
    "identityfile",
    "pkcs11provider",
    "securitykeyprovider",
    "tag",
    "user",
    "versionaddendum",
    "xauthlocation",
];

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} {value}");
}

fn path(path: &Path) -> Result<&str, Error> {
    let lossy = || Error::Unquotable(path.to_string_lossy().into_owned());
    path.to_str().ok_or_else(lossy)
}

fn word(text: &str) -> Result<String, Error> {
    ssh_config_word(text).ok_or_else(|| Error::Unquotable(text.to_owned()))
}

#[cfg(all(test, unix))]
mod tests;
