//! A fresh machine: its own HOME, git set up for the sandbox, and of the caller's environment only
//! PATH.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io, thread};

use sandbox::Sandbox;
use tempfile::TempDir;

use crate::interrupt::Interrupt;
use crate::{Stopped, say};

pub(crate) struct Machine {
    root: Option<TempDir>,
    home: PathBuf,
    search_path: OsString,
    email: String,
    token: String,
}

impl Machine {
    /// A machine whose Bitbucket is the sandbox, with this account's token in its environment and
    /// these lines in its git configuration. `programs` comes first in its PATH.
    pub(crate) fn new(
        sandbox: &Sandbox,
        programs: &Path,
        (email, token): (&str, &str),
        further_settings: &str,
    ) -> io::Result<Self> {
        let root = tempfile::Builder::new()
            .prefix("bitbucket-machine-")
            .tempdir()?;
        let home = root.path().join("home");
        make_private(&home.join(".ssh"))?;
        fs::create_dir(root.path().join("tmp"))?;
        fs::write(home.join(".ssh/known_hosts"), sandbox.known_hosts())?;
        let settings = format!(
            "[user]\n\tname = Alice\n\temail = {email}\n\
             [init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
             [bitbucket \"https://bitbucket.org\"]\n\tapiUrl = {}\n\tsshHost = {}\n{further_settings}",
            sandbox.api_url(),
            sandbox.ssh_host(),
        );
        fs::write(home.join(".gitconfig"), settings)?;
        let callers = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(programs.to_owned()).chain(env::split_paths(&callers));
        Ok(Self {
            search_path: env::join_paths(folders).map_err(io::Error::other)?,
            root: Some(root),
            home,
            email: email.to_owned(),
            token: token.to_owned(),
        })
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The variables that make the machine, besides PATH.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let tmp = self.home.with_file_name("tmp");
        vec![
            ("HOME", self.home.clone().into()),
            ("TMPDIR", tmp.into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("BITBUCKET_EMAIL", self.email.clone().into()),
            ("BITBUCKET_API_TOKEN", self.token.clone().into()),
        ]
    }

    /// A program of this machine, in `folder` below its HOME.
    pub(crate) fn command(&self, program: &str, folder: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables())
            .env("PATH", &self.search_path)
            .env("LC_ALL", "C")
            .current_dir(self.home.join(folder))
            .stdin(Stdio::null());
        if let Some(root) = env::var_os("SystemRoot") {
            command.env("SystemRoot", root);
        }
        command
    }
}

impl Drop for Machine {
    /// A process that was interrupted may still write for a moment: then once more.
    fn drop(&mut self) {
        let Some(root) = self.root.take() else { return };
        let folder = root.keep();
        for _ in 0..50 {
            match fs::remove_dir_all(&folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
        say(&format!(
            "sandbox: {} could not be removed",
            folder.display()
        ));
    }
}

/// Shows and runs the command; of its standard error only the lines that `shown` picks. Standard
/// error goes to our standard output, so that both keep their order.
pub(crate) fn run(
    title: &str,
    mut command: Command,
    interrupt: &Interrupt,
    shown: fn(&str) -> bool,
) -> Result<(), Stopped> {
    if interrupt.came() {
        return Err(Stopped::Interrupted);
    }
    say(&format!("\n$ {title}"));
    let failed = |why: &dyn std::fmt::Display| Stopped::Failed(format!("{title}: {why}"));
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let stderr = child.stderr.take().expect("it was piped");
    let reader = thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if shown(&line) {
                say(&line);
            }
        }
    });
    let status = wait(&mut child, interrupt)?;
    let _ = reader.join();
    if status.success() {
        Ok(())
    } else {
        Err(failed(&status))
    }
}

fn wait(child: &mut Child, interrupt: &Interrupt) -> Result<std::process::ExitStatus, Stopped> {
    loop {
        match child.try_wait() {
            Ok(Some(_)) | Err(_) if interrupt.came() => return Err(Stopped::Interrupted),
            Ok(Some(status)) => return Ok(status),
            Err(error) => return Err(Stopped::Failed(error.to_string())),
            Ok(None) if interrupt.came() => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Stopped::Interrupted);
            }
            Ok(None) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}
