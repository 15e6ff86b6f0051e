//! Real git, isolated from the configuration of the user who runs the sandbox.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `git` in an environment that holds PATH and a home of its own, nothing else.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    for name in ["PATH", "SystemRoot", "TEMP", "TMP"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// A bare repository below `folder`; partial clones and single objects are served.
pub(crate) fn create(folder: &Path, workspace: &str, slug: &str) -> PathBuf {
    let path = folder
        .join("repositories")
        .join(workspace.to_ascii_lowercase())
        .join(format!("{}.git", slug.to_ascii_lowercase()));
    fs::create_dir_all(path.parent().expect("it has a workspace"))
        .expect("the sandbox's folder is writable");
    let mut init = command(folder);
    init.args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(&path);
    succeed(&mut init);
    let settings = "[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n\
                    [gc]\n\tauto = 0\n[receive]\n\tautogc = false\n";
    let mut config = fs::OpenOptions::new()
        .append(true)
        .open(path.join("config"))
        .expect("git made a config file");
    config
        .write_all(settings.as_bytes())
        .expect("the config file is writable");
    path
}

/// One commit on `main` with a `README.md`.
pub(crate) fn first_commit(repository: &Path, name: &str) {
    let text = format!("# {name}\n\nA repository of the sandbox.\n");
    let message = "Begin\n";
    let stream = format!(
        "commit refs/heads/main\n\
         committer Sandbox <sandbox@example.com> 1790000000 +0000\n\
         data {}\n{message}\
         M 100644 inline README.md\ndata {}\n{text}\ndone\n",
        message.len(),
        text.len(),
    );
    let mut import = command(repository);
    import
        .arg("--git-dir")
        .arg(repository)
        .args(["fast-import", "--quiet", "--done"])
        .stdin(Stdio::piped());
    let mut child = import.spawn().expect("git is installed");
    let mut input = child.stdin.take().expect("it was piped");
    input
        .write_all(stream.as_bytes())
        .expect("git fast-import reads");
    drop(input);
    let status = child.wait().expect("the child is ours");
    assert!(status.success(), "git fast-import: {status}");
}

fn succeed(command: &mut Command) {
    let status = command.status().expect("git is installed");
    assert!(status.success(), "{command:?}: {status}");
}
