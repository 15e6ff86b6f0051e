//! Finding the other ssh, and becoming it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use super::*;
use crate::context::{API_TOKEN, Environment};

/// Set where a test plays the process that is handed over.
const ROLE: &str = "HAND_OVER_ROLE";

fn context(variables: &[(&str, &str)], program: &Path) -> Context {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    Context {
        environment: Environment::new(variables),
        directory: PathBuf::from("/"),
        program: program.to_owned(),
        clock: Arc::new(crate::clock::SystemClock),
    }
}

fn script(file: &Path, text: &str) {
    std::fs::write(file, text).expect("the folder is the test's own");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(file, executable).expect("the file is the test's own");
}

#[test]
fn the_next_ssh_that_is_not_this_program() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        place
    };
    let [bin, link, chain, hard, copy, plain, real] =
        ["bin", "link", "chain", "hard", "copy", "plain", "real"].map(place);
    let program = bin.join("bitbucket-ssh");
    script(&program, "#!/bin/sh\n");
    script(&bin.join("git-bitbucket"), "#!/bin/sh\n");
    symlink(&program, link.join("ssh")).unwrap();
    symlink(link.join("ssh"), chain.join("ssh")).unwrap();
    std::fs::hard_link(&program, hard.join("ssh")).unwrap();
    script(&copy.join("bitbucket-ssh"), "#!/bin/sh\n");
    symlink("bitbucket-ssh", copy.join("ssh")).unwrap();
    std::fs::write(plain.join("ssh"), "not executable").unwrap();
    script(&real.join("ssh"), "#!/bin/sh\n");

    let own = [&link, &chain, &hard, &copy, &plain];
    let path_of =
        |places: &[&PathBuf]| std::env::join_paths(places).unwrap().into_string().unwrap();
    for program in [&program, &bin.join("git-bitbucket")] {
        let all = [own.as_slice(), &[&real]].concat();
        let found = find(&context(&[("PATH", &path_of(&all))], program));
        assert_eq!(found, Some(real.join("ssh")), "{program:?}");
        let found = find(&context(&[("PATH", &path_of(&own))], program));
        assert_eq!(found, None, "nothing but ourselves");
    }
    assert_eq!(find(&context(&[], &program)), None, "no PATH");
}

/// Runs this very test again as the process that hands itself over; its output.
#[expect(clippy::disallowed_methods, reason = "a process of its own is needed")]
fn process(test: &str, role: &Path, variables: &[(&str, &str)], input: &str) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(std::env::current_exe().expect("this test's own file"))
        .args(["--exact", "--nocapture"])
        .arg(format!("transport::system_ssh::tests::{test}"))
        .env_clear()
        .env(ROLE, role)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test's own file can be run");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("the script reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[expect(clippy::disallowed_methods, reason = "the second process of a test")]
fn role() -> Option<(PathBuf, Context)> {
    let role = std::env::var_os(ROLE)?;
    let context = Context {
        environment: Environment::new(std::env::vars_os()),
        directory: std::env::current_dir().expect("it exists"),
        program: std::env::current_exe().expect("it runs"),
        clock: Arc::new(crate::clock::SystemClock),
    };
    Some((PathBuf::from(role), context))
}

#[test]
fn the_process_becomes_the_other_ssh() {
    if let Some((ssh, context)) = role() {
        let argv = ["-p", "7", "git@h", "git-upload-pack 'a/b'"].map(OsString::from);
        let failed = hand_over(&context, &ssh, &argv);
        panic!("{failed:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    let script_text = "#!/bin/sh\necho BEGIN\necho \"0=$0\"\nfor a; do echo \"arg=$a\"; done\n\
        echo \"token=$BITBUCKET_API_TOKEN guard=$BITBUCKET_SSH_HANDOVER kept=$KEPT\"\n\
        while read -r line; do echo \"$line\"; done </proc/self/status | /bin/grep SigIgn\n\
        /bin/cat; echo to-stderr >&2; exit 7\n";
    script(&ssh, script_text);
    let variables = [(API_TOKEN, "ATATT"), ("KEPT", "1")];
    let this = "the_process_becomes_the_other_ssh";
    let output = process(this, &ssh, &variables, "from git\n");
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, printed) = text.split_once("BEGIN\n").expect("the script ran");
    let (printed, signals) = printed.split_once("SigIgn:\t").expect("the script ran");
    let (ignored, input) = signals.split_once('\n').expect("the script ran");
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    assert_eq!(ignored & 1 << (13 - 1), 0, "SIGPIPE is 13");
    assert_eq!(input, "from git\n");
    let expected = format!(
        "0={}\narg=-p\narg=7\narg=git@h\narg=git-upload-pack 'a/b'\n\
         token= guard=1 kept=1\n",
        ssh.display()
    );
    assert_eq!(printed, expected);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "to-stderr\n");
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn a_wrapper_that_comes_back_ends() {
    if let Some((ssh, context)) = role() {
        let error = hand_over(&context, &ssh, &[]).unwrap_err();
        #[expect(
            clippy::disallowed_macros,
            reason = "the second process of a test tells"
        )]
        {
            println!("\nENDED {error}");
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    let own = std::fs::read_link("/proc/self/exe").unwrap();
    let this = "a_wrapper_that_comes_back_ends";
    let wrapper = format!(
        "#!/bin/sh\necho again\n'{}' --exact --nocapture transport::system_ssh::tests::{this}\n",
        own.display()
    );
    script(&ssh, &wrapper);
    let output = process(this, &ssh, &[], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("again\n").count(), 8, "{text}");
    let ended = format!("ENDED {} leads back to this program", ssh.display());
    assert!(text.contains(&ended), "{text}");
}

#[test]
fn the_systems_ssh_takes_over() {
    if let Some((_, context)) = role() {
        let ssh = find(&context).expect("ssh is installed where the tests run");
        let argv = ["-F", "/dev/null", "-G", "-p7999", "alice@example.com"].map(OsString::from);
        let failed = hand_over(&context, &ssh, &argv);
        panic!("{failed:?}");
    }
    let variables = [("PATH", "/usr/local/bin:/usr/bin:/bin")];
    let output = process(
        "the_systems_ssh_takes_over",
        Path::new("ssh"),
        &variables,
        "",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    for line in ["user alice", "hostname example.com", "port 7999"] {
        assert!(
            text.lines().any(|printed| printed == line),
            "{line} in {text}"
        );
    }
    assert_eq!(output.status.code(), Some(0));
}
