//! Tokens of ssh_config in paths: `%h`, `${VARIABLE}`, `~` (ssh_config(5), TOKENS). Pure but for
//! the machine's and the user's names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use crate::context::{Context, login_name};

/// What the tokens mean.
pub struct Tokens<'a> {
    /// For `~`, `%d` and variables.
    pub context: &'a Context,
    /// `%h`: the host name after HostName.
    pub host: String,
    /// `%n`: the host as typed.
    pub typed: String,
    /// `%p`.
    pub port: u16,
    /// `%r`; `None`: the local user's name.
    pub user: Option<String>,
    /// `%k` if HostKeyAlias is set.
    pub alias: Option<String>,
    /// `%j`.
    pub jump: String,
}

impl Tokens<'_> {
    /// `~`, variables and tokens resolved; a token or variable that does not exist stays as it
    /// was written, and the file is then not found.
    pub fn path(&self, text: &str) -> PathBuf {
        let Some(behind) = text.strip_prefix('~') else {
            return PathBuf::from(self.expand(text));
        };
        let (user, rest) = behind.split_once('/').unwrap_or((behind, ""));
        let home = match user {
            "" => self.context.home().map(Path::to_owned),
            user => home_of(user),
        };
        match home {
            Some(home) => home.join(self.expand(rest)),
            None => PathBuf::from(self.expand(text)),
        }
    }

    /// Variables and tokens, without `~`.
    pub fn expand(&self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            result.push_str(&rest[..at]);
            rest = &rest[at..];
            let (value, length) = self.at(rest);
            match value {
                Some(value) => result.push_str(&value),
                None => result.push_str(&rest[..length]),
            }
            rest = &rest[length..];
        }
        result.push_str(rest);
        result
    }

    /// The value of the token that `text` begins with, and how long the token is.
    fn at(&self, text: &str) -> (Option<String>, usize) {
        if let Some(name) = text.strip_prefix("${") {
            let Some(end) = name.find('}') else {
                return (None, text.len());
            };
            let value = self.context.environment.raw(&name[..end]);
            return (
                value.map(|value| value.to_string_lossy().into_owned()),
                end + 3,
            );
        }
        let Some(letter) = text.strip_prefix('%').and_then(|text| text.chars().next()) else {
            return (None, 1);
        };
        (self.value(letter), 1 + letter.len_utf8())
    }

    fn value(&self, letter: char) -> Option<String> {
        Some(match letter {
            '%' => "%".to_owned(),
            'C' => self.hash(),
            'd' => self.context.home()?.to_str()?.to_owned(),
            'h' => self.host.clone(),
            'i' => user_id().to_string(),
            'j' => self.jump.clone(),
            'k' => self.alias.clone().unwrap_or_else(|| self.typed.clone()),
            'L' => {
                let name = machine_name()?;
                name.split('.').next()?.to_owned()
            }
            'l' => machine_name()?,
            'n' => self.typed.clone(),
            'p' => self.port.to_string(),
            'r' => self.user(),
            'u' => login_name()?,
            _ => return None,
        })
    }

    fn user(&self) -> String {
        let user = self.user.clone().or_else(login_name);
        user.unwrap_or_default()
    }

    /// OpenSSH, readconf.c, `ssh_connection_hash`.
    fn hash(&self) -> String {
        let mut hash = Sha1::new();
        hash.update(machine_name().unwrap_or_default());
        hash.update(&self.host);
        hash.update(self.port.to_string());
        hash.update(self.user());
        hash.update(&self.jump);
        hash.finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// The user's number; 0 where the system has none.
pub fn user_id() -> u32 {
    #[cfg(unix)]
    return rustix::process::getuid().as_raw();
    #[cfg(not(unix))]
    0
}

/// The home of the password database, which ssh(1) uses, whatever `$HOME` is. `None`: the
/// system has no such database.
pub fn password_database_home() -> Option<PathBuf> {
    #[cfg(unix)]
    {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok()??;
        Some(user.dir)
    }
    #[cfg(not(unix))]
    None
}

/// The home of another user, by the password database.
pub fn home_of(user: &str) -> Option<PathBuf> {
    #[cfg(unix)]
    {
        Some(nix::unistd::User::from_name(user).ok()??.dir)
    }
    #[cfg(not(unix))]
    {
        let _ = user;
        None
    }
}

/// The machine's name, by gethostname(2).
pub fn machine_name() -> Option<String> {
    #[cfg(unix)]
    return nix::unistd::gethostname().ok()?.into_string().ok();
    #[cfg(not(unix))]
    None
}
