//! No token, no private key and no passphrase is ever shown, whatever is asked to be shown.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use sandbox::RestFault;

use crate::support::{ALICE, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// The secret lines of a private key file: its body without the public half.
fn private_lines(world: &World) -> Vec<String> {
    let file = world.path("home/.ssh/bitbucket_alice@example.com_ed25519");
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    // The first two lines of the body are header and public key, which may be seen.
    lines[3..lines.len() - 1].to_vec()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn no_output_at_any_level_and_no_file_holds_a_secret() {
    let mut world = World::new();
    let token = world.sandbox.add_token(ALICE, sandbox::SCOPES_MINIMUM);
    world.set("BITBUCKET_API_TOKEN", &token);
    let trace = world.path("tmp/trace");
    world.set("BITBUCKET_SSH_TRACE", &trace);
    world.set("GIT_TRACE", &world.path("tmp/git-trace"));
    world.set("GIT_TRACE2_EVENT", &world.path("tmp/git-trace2"));
    let log = world.path("tmp/log").to_string_lossy().into_owned();
    let mut outputs = Vec::new();
    for (level, fault) in [
        ("-vvv", None),
        ("-vv", Some(RestFault::Unauthorized)),
        ("-v", Some(RestFault::DropAfter)),
        ("-q", Some(RestFault::ErrorAfter)),
    ] {
        for file in world.ssh_files() {
            if file.starts_with("bitbucket_") {
                std::fs::remove_file(world.path("home/.ssh").join(file)).unwrap();
            }
        }
        let _ = std::fs::remove_dir_all(world.path("home/.ssh/bitbucket-ssh"));
        world.sandbox.remove_keys(ALICE, None);
        world.sandbox.faults().clear();
        if let Some(fault) = fault {
            world.sandbox.faults().rest("", "", fault, 2);
        }
        world.set("GIT_SSH_COMMAND", &format!("bitbucket-ssh {level}"));
        outputs.push(world.git(&["ls-remote", URL]));
        world.set(
            "GIT_SSH_COMMAND",
            &format!("bitbucket-ssh {level} -E {log}"),
        );
        outputs.push(world.git(&["ls-remote", URL]));
        outputs.push(world.git_bitbucket(&["status", URL]));
        outputs.push(world.git_bitbucket(&["status", "--json", URL]));
    }
    world.sandbox.faults().clear();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let mut secrets = private_lines(&world);
    assert!(
        !secrets.is_empty() && secrets.iter().all(|line| line.len() > 8),
        "{secrets:?}"
    );
    secrets.push(token.clone());
    secrets.push(basic(&token));

    for output in &outputs {
        for secret in &secrets {
            // The name of a failing command holds the environment; its streams must not.
            assert!(
                !output.stdout().contains(secret),
                "stdout of {:?}",
                output.status
            );
            assert!(
                !output.stderr().contains(secret),
                "stderr of {:?}",
                output.status
            );
        }
    }
    assert!(
        std::fs::metadata(&trace).unwrap().len() > 1000,
        "the trace was written"
    );
    let mut looked_at = 0;
    for file in files_below(&world.path("")) {
        let is_key = file.ends_with("bitbucket_alice@example.com_ed25519");
        if file.starts_with(world.sandbox.folder()) || is_key {
            continue;
        }
        looked_at += 1;
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        for secret in &secrets {
            assert!(!text.contains(secret), "{} holds a secret", file.display());
        }
    }
    assert!(looked_at >= 6, "{looked_at} files");
}

/// The token as it goes over the wire.
fn basic(token: &str) -> String {
    let mut encode = std::process::Command::new("base64");
    encode.arg("-w0");
    let running = crate::support::Running::start(encode, format!("{ALICE}:{token}").into_bytes());
    running.wait().succeeds().stdout().trim().to_owned()
}

#[test]
fn no_child_gets_the_token() {
    let mut world = World::new();
    let bin = world.path("tmp/bin");
    std::fs::create_dir(&bin).unwrap();
    let seen = world.path("tmp/seen");
    // Every program that may be started records its arguments and its environment.
    for program in ["ssh", "ssh-askpass", "git-credential-spy"] {
        let script = format!(
            "#!/bin/sh\n{{ echo \"$0 $*\"; env; }} >> '{}'\n[ \"${{0##*/}}\" = ssh ] && exec /usr/bin/ssh \"$@\"\nexit 1\n",
            seen.display()
        );
        std::fs::write(bin.join(program), script).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.join(program), mode).unwrap();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = Path::new(env!("CARGO_BIN_EXE_bitbucket-ssh"))
        .parent()
        .unwrap();
    let folders = [bin, programs.to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&path));
    world.set("PATH", &std::env::join_paths(folders).unwrap());
    world.configure("credential.helper", "spy");
    let token = world.sandbox.add_token(ALICE, sandbox::SCOPES_MINIMUM);
    world.set("BITBUCKET_API_TOKEN", &token);
    // ssh_config is asked of ssh, another account's token of git's helpers, a proxy is started.
    std::fs::write(world.path("home/.ssh/config"), "Host *\n  SendEnv *\n").unwrap();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let mut other = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    other.args(["--account", "bob@example.com"]);
    other.args(["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
    assert_eq!(run(other).status, Some(255));
    let output = std::fs::read_to_string(&seen).unwrap();
    assert!(
        output.contains("/ssh ") && output.contains("git-credential-spy get"),
        "{output}"
    );
    // git itself starts `ssh-command` with its own environment: only our children count.
    for line in output.lines() {
        assert!(!line.contains(&token), "{line}");
    }
    let sent = world.sandbox.connections();
    let sent = sent.iter().flat_map(|connection| &connection.environment);
    assert!(sent.clone().count() > 0, "SendEnv * sends something");
    for (name, value) in sent {
        assert!(!value.contains(&token), "{name} was sent to the server");
    }
}

#[test]
fn a_passphrase_from_askpass_is_used_for_the_key_only() {
    const PASSPHRASE: &str = "correct-horse-battery-staple";
    let mut world = World::new();
    let public = world.make_key("own", PASSPHRASE);
    world.sandbox.add_key(ALICE, &public, "laptop");
    let key = world.path("home/.ssh/own").to_string_lossy().into_owned();
    world.configure("bitbucket.identityFile", &key);
    let (ask, seen) = (world.path("tmp/ask"), world.path("tmp/seen"));
    let script = format!(
        "#!/bin/sh\n{{ echo \"$0 $*\"; env; }} >> '{}'\necho {PASSPHRASE}\n",
        seen.display()
    );
    std::fs::write(&ask, script).unwrap();
    std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.set("SSH_ASKPASS", &ask);
    world.set("SSH_ASKPASS_REQUIRE", "force");
    world.set("BITBUCKET_SSH_TRACE", &world.path("tmp/trace"));
    let log = world.path("tmp/log");
    for options in ["-vvv", "-q", &format!("-vvv -E {}", log.display())] {
        world.set("GIT_SSH_COMMAND", &format!("bitbucket-ssh {options}"));
        let output = world.git(&["ls-remote", URL]).succeeds();
        for text in [output.stdout(), output.stderr()] {
            assert!(!text.contains(PASSPHRASE), "{options} shows it");
        }
    }
    assert!(seen.is_file() && log.is_file(), "it was asked and logged");
    for file in files_below(&world.path("")) {
        if file != ask && !file.starts_with(world.sandbox.folder()) {
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains(PASSPHRASE), "{}", file.display());
        }
    }
}

/// Starts it with core dumps allowed, aborts it once `ready`, and returns whether it was dumped.
fn is_dumped(world: &World, words: &[&str], ready: impl Fn() -> bool) -> bool {
    let mut command = world.command("sh");
    let script = "ulimit -c unlimited; exec \"$@\"";
    command.args(["-c", script, "sh"]).args(words);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !ready() {
        assert!(std::time::Instant::now() < end, "{words:?} is not ready");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::ABORT).unwrap();
    child.wait().unwrap().core_dumped()
}

#[test]
fn no_core_dump_holds_a_secret() {
    let world = World::new();
    // The near miss: another program in the same place, once it runs.
    let begun = std::time::Instant::now();
    let later = || begun.elapsed() > std::time::Duration::from_millis(500);
    if !is_dumped(&world, &["sleep", "60"], later) {
        println!("this machine dumps no core; nothing was looked at");
        return;
    }
    // A server that says nothing: the token is in memory, and the key about to be used.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    silent.set_nonblocking(true).unwrap();
    let place = silent.local_addr().unwrap().to_string();
    let key = "bitbucket.https://bitbucket.org.sshHost";
    world.git(&["config", "--global", key, &place]).succeeds();
    let program = env!("CARGO_BIN_EXE_bitbucket-ssh");
    let words = [
        program,
        "git@bitbucket.org",
        "git-upload-pack 'acme/site.git'",
    ];
    let connected = || silent.accept().is_ok();
    assert!(!is_dumped(&world, &words, connected));
    let cores = std::fs::read_dir(world.path("work")).unwrap().flatten();
    let cores = cores.filter(|entry| entry.file_name().to_string_lossy().starts_with("core"));
    assert!(cores.count() <= 1, "the other program's alone");
}

#[test]
fn neither_a_proxy_nor_the_ssh_that_takes_over_gets_the_token() {
    let mut world = World::new();
    world.configure("bitbucket.passphrase", "none");
    let seen = world.path("tmp/seen");
    let proxy = world.path("tmp/proxy");
    let port = world.sandbox.ssh_port();
    let script = format!(
        "#!/bin/bash\n{{ echo \"$0 $*\"; env; }} >> '{}'\nexec 3<>/dev/tcp/127.0.0.1/{port}\n\
         timeout 10 cat <&3 & cat >&3; kill $!\n",
        seen.display()
    );
    std::fs::write(&proxy, script).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&proxy, mode).unwrap();
    let token = world.sandbox.add_token(ALICE, sandbox::SCOPES_MINIMUM);
    world.set("BITBUCKET_API_TOKEN", &token);
    world.set("SEEN_BY_CHILDREN", "as it came");
    let option = format!("ProxyCommand={}", proxy.display());
    world.set("GIT_SSH_COMMAND", &format!("bitbucket-ssh -o '{option}'"));
    for transport in ["native", "openssh"] {
        let _ = std::fs::remove_file(&seen);
        world
            .git(&["config", "--global", "bitbucket.transport", transport])
            .succeeds();
        world.git(&["ls-remote", "-q", URL]).succeeds();
        // By openssh the proxy is a child of the ssh that this program has become.
        let output = std::fs::read_to_string(&seen).unwrap();
        assert!(output.contains("SEEN_BY_CHILDREN=as it came"), "{output}");
        assert!(!output.contains(&token), "{transport}: {output}");
    }
}

#[test]
fn what_is_kept_is_the_user_s_alone_whatever_the_umask() {
    let world = World::new();
    std::fs::remove_dir_all(world.path("home/.ssh")).unwrap();
    let known = world.path("tmp/known_hosts");
    std::fs::write(&known, world.sandbox.known_hosts()).unwrap();
    let config = world.path("home/.gitconfig");
    let ssh = format!("bitbucket-ssh -o UserKnownHostsFile={}", known.display());
    for (transport, arguments) in [
        ("native", "ls-remote -q git@bitbucket.org:acme/site.git"),
        ("openssh", "ls-remote -q git@bitbucket.org:acme/site.git"),
        ("native", "bitbucket status git@bitbucket.org:acme/site.git"),
    ] {
        let mut shell = world.command("sh");
        let script = format!("umask 0; exec git -c core.sshCommand='{ssh}' {arguments}");
        world
            .git(&["config", "--global", "bitbucket.transport", transport])
            .succeeds();
        shell.args(["-c", &script]);
        run(shell).succeeds();
    }
    let mut looked_at = 0;
    for kept in ["home/.ssh", "home/.local/state/bitbucket-ssh"] {
        for file in files_below(&world.path(kept)) {
            let mut path = file.as_path();
            // The public half may be seen; the folders it lies in may not.
            if file.extension().is_some_and(|end| end == "pub") {
                path = file.parent().unwrap();
            }
            while path.starts_with(world.path(kept)) {
                let mode = std::fs::metadata(path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{}: {:o}", path.display(), mode);
                path = path.parent().unwrap();
            }
            looked_at += 1;
        }
    }
    assert!(looked_at >= 6, "{looked_at} files");
    assert!(config.exists());
}
