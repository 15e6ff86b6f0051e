//! Signals: a session ends at once, whatever it waits for. (What an end leaves: `crash`.)

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Running, World, run};

#[test]
fn a_signal_ends_a_session_at_once() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let world = World::new();
        let mut clone = world.command("git");
        clone.args(["ls-remote", "-q", "git@bitbucket.org:acme/site.git"]);
        run(clone).succeeds();
        // The server waits for the client, which sends nothing.
        let mut session = world.command("sh");
        session.args([
            "-c",
            "sleep 600 | exec bitbucket-ssh git@bitbucket.org \"git-receive-pack 'acme/site.git'\"",
        ]);
        let running = Running::start(session, Vec::new());
        while world
            .sandbox
            .commands()
            .iter()
            .all(|line| !line.contains("receive"))
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        running.signal(signal);
        let output = running.wait();
        assert_eq!(output.status, None, "{signal:?} ends it: {output}");
    }
}
