//! A home of one's own for tests: nothing of the machine's, real git.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::context::{Context, Environment};

/// A temporary home; removed when it is dropped.
pub struct Home {
    directory: tempfile::TempDir,
    variables: Vec<(OsString, OsString)>,
}

impl Home {
    #[expect(clippy::disallowed_methods, reason = "where the real tools lie")]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let variables = vec![
            ("HOME".into(), path.clone().into()),
            ("PATH".into(), std::env::var_os("PATH").unwrap()),
            ("GIT_CONFIG_SYSTEM".into(), path.join("system").into()),
            ("GIT_CEILING_DIRECTORIES".into(), path.into()),
        ];
        Self {
            directory,
            variables,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    pub fn set(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.unset(name);
        self.variables.push((name.into(), value.into()));
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// A file below the home, with its directories.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn context(&self) -> Context {
        self.context_in(&self.path())
    }

    pub fn context_in(&self, directory: &Path) -> Context {
        Context {
            environment: Environment::new(self.variables.clone()),
            directory: directory.canonicalize().unwrap(),
            program: PathBuf::new(),
            clock: Arc::new(SystemClock),
        }
    }

    /// A program of the machine.
    pub fn tool(&self, name: &str) -> PathBuf {
        let path = self
            .context()
            .environment
            .raw("PATH")
            .map(ToOwned::to_owned);
        which::which_in(name, path, self.path()).expect("it is installed where the tests run")
    }

    /// Runs git in a directory below the home; its output. Panics where git fails.
    pub fn git(&self, directory: &Path, arguments: &[&str]) -> String {
        let (status, output) = self.try_git(directory, arguments);
        assert!(status, "git {arguments:?}");
        output
    }

    pub fn try_git(&self, directory: &Path, arguments: &[&str]) -> (bool, String) {
        let output = self
            .context_in(directory)
            .command("git")
            .current_dir(directory)
            .args(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    /// A new repository below the home, with a remote `origin` unless the URL is empty.
    pub fn repository(&self, name: &str, url: &str) -> PathBuf {
        let path = self.path().join(name);
        self.git(
            &self.path(),
            &["init", "-q", "-b", "main", path.to_str().unwrap()],
        );
        if !url.is_empty() {
            self.git(&path, &["remote", "add", "origin", url]);
        }
        path
    }

    /// Gives a file to another user. Only root can: `false`, and a word about it, for others.
    #[expect(clippy::disallowed_macros, reason = "the test's own word")]
    pub fn give_away(&self, path: &Path) -> bool {
        assert!(path.starts_with(self.path()));
        let stranger = 12345;
        #[cfg(unix)]
        let given = std::os::unix::fs::chown(path, Some(stranger), None);
        #[cfg(not(unix))]
        let given = Err::<(), _>(std::io::Error::from_raw_os_error(stranger));
        if let Err(error) = &given {
            println!("not tested: chown {}: {error}", path.display());
        }
        given.is_ok()
    }
}
