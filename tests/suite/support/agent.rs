//! A real ssh-agent.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{World, run};

/// Runs until dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    /// Value for SSH_AUTH_SOCK.
    pub socket: PathBuf,
}

impl Agent {
    /// Starts an empty agent; the world's SSH_AUTH_SOCK becomes its socket.
    pub fn start(world: &mut World) -> Self {
        let agent = Self::start_with(world, "agent", &[]);
        world.set("SSH_AUTH_SOCK", &agent.socket);
        agent
    }

    /// Starts an empty agent with these variables beside the world's (an SSH_ASKPASS); the world does
    /// not know it.
    pub fn start_with(world: &World, name: &str, variables: &[(String, String)]) -> Self {
        let socket = world.path(&format!("tmp/{name}.sock"));
        let mut command = world.command("ssh-agent");
        command
            .envs(variables.iter().cloned())
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().expect("ssh-agent is installed");
        let end = Instant::now() + Duration::from_secs(10);
        // The file is there before anybody listens.
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < end, "ssh-agent does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, socket }
    }

    /// `ssh-add ~/.ssh/NAME`, of a key without a passphrase.
    pub fn add(&self, world: &World, name: &str) {
        let mut add = world.command("ssh-add");
        add.env("SSH_AUTH_SOCK", &self.socket)
            .arg(world.path("home/.ssh").join(name));
        run(add).succeeds();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
