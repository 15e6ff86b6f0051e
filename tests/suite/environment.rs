//! The environment of the suite itself: hermetic, and its servers are real.

use crate::support::{ALICE, Agent, Running, Sshd, World, run};
use rustix::process::Signal;

#[test]
fn nothing_of_the_caller_but_path_reaches_a_child() {
    let mut world = World::new();
    world.unset("LC_ALL");
    let environment = run(world.command("env")).succeeds().stdout();
    let mut names: Vec<&str> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    let expected = [
        "BITBUCKET_API_TOKEN",
        "BITBUCKET_EMAIL",
        "GIT_CONFIG_NOSYSTEM",
        "HOME",
        "PATH",
        "TMPDIR",
    ];
    assert_eq!(names, expected);
    assert_eq!(world.ssh_files(), ["known_hosts"]);
}

#[test]
fn plain_ssh_reaches_the_sandbox_and_the_agent() {
    let mut world = World::new();
    let line = world.make_key("laptop", "");
    world.sandbox.add_key(ALICE, &line, "laptop");
    let agent = Agent::start(&mut world);
    agent.add(&world, "laptop");
    std::fs::remove_file(world.path("home/.ssh/laptop")).unwrap();
    let known_hosts = world.path("home/.ssh/known_hosts");
    let options = format!(
        "ssh -F none -o UserKnownHostsFile={}",
        known_hosts.display()
    );
    world.configure("core.sshCommand", &options);
    let url = format!("ssh://git@{}/acme/site.git", world.sandbox.ssh_host());
    world.git(&["clone", "-q", &url, "site"]).succeeds();
    assert!(world.path("work/site/README.md").exists());
}

#[test]
fn a_real_sshd_serves_the_repositories() {
    let world = World::new();
    let sshd = Sshd::start(&world, "");
    sshd.authorize(&world.make_key("laptop", ""));
    std::fs::write(world.path("tmp/known"), sshd.known_hosts()).unwrap();
    let home = world.path("home");
    let ssh = format!(
        "ssh -F none -o IdentityAgent=none -i {} -o UserKnownHostsFile={} -p {} {}@127.0.0.1",
        home.join(".ssh/laptop").display(),
        world.path("tmp/known").display(),
        sshd.port,
        sshd.user
    );
    let mut words = ssh.split(' ');
    let mut command = world.command(words.next().unwrap());
    command
        .args(words)
        .arg("git-upload-pack --advertise-refs acme/site.git");
    assert!(run(command).succeeds().stdout().contains("refs/heads/main"));
}

#[test]
fn what_was_started_ends_with_its_children() {
    let world = World::new();
    let mut sleeper = world.command("sh");
    sleeper.args(["-c", "sleep 600 & echo $!; wait"]);
    let mut running = Running::start(sleeper, Vec::new());
    assert!(running.id() > 0 && !running.has_ended());
    running.signal(Signal::TERM);
    let output = running.wait().says("");
    assert_eq!(output.status, None, "ended by the signal: {output}");
}

#[test]
fn both_programs_are_started() {
    let world = World::new();
    world.bitbucket_ssh(&["-V"]);
    world.git_bitbucket(&["--help"]);
    run(world.command("false")).fails_with(1);
}
