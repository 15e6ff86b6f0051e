//! [`Screen`]: a program on a terminal as a person sees it, drawn by tmux.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::process::{DEADLINE, run};
use super::world::World;

/// A terminal window with one program in it. The window stays when the program has ended; it goes
/// when this is dropped.
#[derive(Debug)]
pub struct Screen<'a> {
    world: &'a World,
    socket: PathBuf,
}

impl<'a> Screen<'a> {
    /// Starts a program of this machine in a window of that size, with further variables.
    #[track_caller]
    pub fn start(
        world: &'a World,
        (columns, rows): (u16, u16),
        variables: &[&str],
        program: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir_in(world.path("tmp")).unwrap().keep();
        let screen = Self {
            world,
            socket: folder.join("tmux"),
        };
        let settings = folder.join("tmux.conf");
        let text = "set -g remain-on-exit on\nset -g remain-on-exit-format ''\nset -g status off\n";
        std::fs::write(&settings, text).unwrap();
        let mut tmux = screen.tmux();
        tmux.arg("-f").arg(settings).args(["new-session", "-d"]);
        tmux.args(["-x", &columns.to_string(), "-y", &rows.to_string()]);
        tmux.args(["--", "env"]).args(variables);
        // tmux itself sometimes misses how a program has ended.
        tmux.args(["sh", "-c", r#"trap : INT; "$@"; echo $? >"$0""#]);
        tmux.arg(screen.status()).args(program);
        run(tmux).succeeds();
        screen
    }

    fn tmux(&self) -> std::process::Command {
        let mut tmux = self.world.command("tmux");
        tmux.arg("-u").arg("-S").arg(&self.socket);
        tmux
    }

    fn status(&self) -> PathBuf {
        self.socket.with_extension("status")
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let mut tmux = self.tmux();
        tmux.args(arguments);
        run(tmux).succeeds().stdout()
    }

    /// The text of the window and above it, without trailing spaces. (tmux makes room for
    /// a message of its own when the program has ended.)
    pub fn text(&self) -> String {
        self.ask(&["capture-pane", "-p", "-S", "-"])
            .trim_end()
            .to_owned()
    }

    /// The same, with the escape sequences of its colours.
    pub fn coloured(&self) -> String {
        self.ask(&["capture-pane", "-p", "-e"])
    }

    /// Waits for the window to look like that.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let end = Instant::now() + DEADLINE;
        loop {
            let seen = self.text();
            if is_so(&seen) {
                return;
            }
            assert!(Instant::now() < end, "{what} is not shown:\n{seen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes the window another size.
    pub fn resize(&self, (columns, rows): (u16, u16)) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.ask(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// Waits for the program's end: its status, or 128 and the signal, as a shell has it.
    #[track_caller]
    pub fn ends(&self) -> i32 {
        let end = Instant::now() + DEADLINE;
        loop {
            // All that was written is drawn when tmux has seen the terminal closed.
            let closed = self.ask(&["display-message", "-p", "#{pane_dead}"]);
            let output = std::fs::read_to_string(self.status()).unwrap_or_default();
            if let ("1\n", Ok(status)) = (closed.as_str(), output.trim_end().parse()) {
                return status;
            }
            let seen = self.text();
            assert!(Instant::now() < end, "it does not end: {output:?}\n{seen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        let mut tmux = self.tmux();
        tmux.arg("kill-server").stderr(std::process::Stdio::null());
        let _ = tmux.status();
    }
}
