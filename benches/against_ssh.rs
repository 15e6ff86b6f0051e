//! What the program costs, beside ssh(1), in turn, in the same run, against the same sshd on
//! loopback. `cargo bench` prints a table of medians and ratios; it asserts nothing.
//!
//! Each measured command runs in a process of its own (this program again, with `measure` as its
//! first argument), so that CPU time and peak memory are that command's alone.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::cast_precision_loss,
    reason = "a program of its own: it starts processes and prints a table of milliseconds"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What one run cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Start to the first byte on stdout, ms. Infinite where none came.
    first_byte: f64,
    /// Start to exit, ms.
    wall: f64,
    /// User and system time of the client and its children, ms.
    cpu: f64,
    /// Peak resident memory, MiB.
    memory: f64,
}

/// A server, a key that it lets in, and the two clients.
struct Stage {
    directory: tempfile::TempDir,
    port: u16,
    sshd: Child,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|word| word == "measure") {
        measure(&arguments[2..]);
        return;
    }
    let stage = Stage::new();
    let far = delayed(stage.port, Duration::from_millis(25));
    println!("| figure | ssh(1) | bitbucket-ssh | ratio |");
    println!("| --- | --- | --- | --- |");
    let quick = |cost: &Cost| cost.first_byte;
    stage.compare(
        "start to first byte, loopback, ms",
        21,
        stage.port,
        "echo x",
        None,
        quick,
    );
    stage.compare(
        "client CPU, connect and `true`, ms",
        21,
        stage.port,
        "true",
        None,
        |c| c.cpu,
    );
    stage.compare(
        "start to first byte, 50 ms away, ms",
        9,
        far,
        "echo x",
        None,
        quick,
    );
    let mib = |count: usize| format!("head -c {} /dev/zero", count << 20);
    stage.compare(
        "256 MiB down, 50 ms away, ms",
        3,
        far,
        &mib(256),
        None,
        |c| c.wall,
    );
    stage.compare(
        "client CPU, 1 GiB down, ms",
        3,
        stage.port,
        &mib(1024),
        None,
        |c| c.cpu,
    );
    stage.compare(
        "peak memory, 1 GiB down, MiB",
        3,
        stage.port,
        &mib(1024),
        None,
        |c| c.memory,
    );
    let up = Some(1usize << 30);
    stage.compare(
        "client CPU, 1 GiB up, ms",
        3,
        stage.port,
        "cat >/dev/null",
        up,
        |c| c.cpu,
    );
    stage.probe();
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let home = directory.path().join("home");
        fs::create_dir_all(home.join(".ssh")).expect("a home");
        let key = home.join(".ssh/id_ed25519");
        for file in [directory.path().join("host"), key.clone()] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&file)
                .status();
            assert!(made.is_ok_and(|status| status.success()), "ssh-keygen");
        }
        let port = free_port();
        fs::copy(
            key.with_extension("pub"),
            directory.path().join("authorized"),
        )
        .expect("a copy");
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\n\
             StrictModes no\nUsePAM no\nPidFile none\nMaxStartups 100\nLogLevel QUIET\n",
            directory.path().display()
        );
        fs::write(directory.path().join("sshd_config"), config).expect("a file");
        let _ = fs::create_dir_all("/run/sshd");
        let sshd = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(directory.path().join("sshd_config"))
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd");
        let stage = Self {
            directory,
            port,
            sshd,
        };
        stage.wait();
        fs::write(
            stage.home().join(".ssh/config"),
            format!(
                "Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  \
                 LogLevel ERROR\n  IdentityFile {}\n",
                key.display()
            ),
        )
        .expect("a file");
        fs::write(
            stage.home().join(".gitconfig"),
            "[bitbucket]\n\totherHosts = native\n",
        )
        .expect("a file");
        stage
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    fn wait(&self) {
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("sshd does not listen");
    }

    /// One row: both clients in turn, medians, ratio.
    fn compare(
        &self,
        name: &str,
        runs: usize,
        port: u16,
        command: &str,
        upload: Option<usize>,
        figure: impl Fn(&Cost) -> f64,
    ) {
        let port = port.to_string();
        let config = self.home().join(".ssh/config");
        let arguments = [
            "-F",
            &config.to_string_lossy(),
            "-p",
            &port,
            "127.0.0.1",
            command,
        ]
        .map(str::to_owned);
        let mut costs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..runs {
            for (client, costs) in ["/usr/bin/ssh", env!("CARGO_BIN_EXE_bitbucket-ssh")]
                .into_iter()
                .zip(&mut costs)
            {
                costs.push(figure(&self.run(client, &arguments, upload)));
            }
        }
        let [theirs, ours] = costs.map(median);
        println!(
            "| {name} | {theirs:.1} | {ours:.1} | {:.2} |",
            ours / theirs
        );
        std::io::stdout().flush().expect("stdout");
    }

    /// git's `-G` probe: both on the null device.
    fn probe(&self) {
        let mut costs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..31 {
            for (client, costs) in ["/usr/bin/ssh", env!("CARGO_BIN_EXE_bitbucket-ssh")]
                .into_iter()
                .zip(&mut costs)
            {
                let begun = Instant::now();
                let status = Command::new(client)
                    .args(["-G", "-o", "SendEnv=GIT_PROTOCOL", "git@bitbucket.org"])
                    .env("HOME", self.home())
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status();
                assert!(status.is_ok_and(|status| status.success()), "{client} -G");
                costs.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        let [theirs, ours] = costs.map(median);
        println!(
            "| git's `-G` probe, ms | {theirs:.1} | {ours:.1} | {:.2} |",
            ours / theirs
        );
    }

    fn run(&self, client: &str, arguments: &[String], upload: Option<usize>) -> Cost {
        let output = Command::new(std::env::current_exe().expect("this program"))
            .arg("measure")
            .arg(upload.unwrap_or(0).to_string())
            .arg(client)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .stderr(Stdio::inherit())
            .output()
            .expect("a measuring process");
        let text = String::from_utf8_lossy(&output.stdout);
        let mut numbers = text
            .split_whitespace()
            .map(|word| word.parse().expect("a number"));
        let mut next = || numbers.next().expect("four numbers");
        Cost {
            first_byte: next(),
            wall: next(),
            cpu: next(),
            memory: next(),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

/// Runs one command and prints what it cost: first byte, wall, CPU (ms), memory (MiB).
fn measure(arguments: &[String]) {
    let upload: usize = arguments[0].parse().expect("a number of bytes");
    let begun = Instant::now();
    let mut child = Command::new(&arguments[1])
        .args(&arguments[2..])
        .stdin(if upload == 0 {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client");
    let input = child.stdin.take();
    let feeder = thread::spawn(move || {
        if let Some(mut input) = input {
            let block = vec![0u8; 1 << 16];
            for _ in 0..upload / block.len() {
                if input.write_all(&block).is_err() {
                    return;
                }
            }
        }
    });
    let mut output = child.stdout.take().expect("a pipe");
    let mut block = vec![0u8; 1 << 18];
    let mut first = f64::INFINITY;
    while let Ok(count) = output.read(&mut block) {
        if first.is_infinite() && count > 0 {
            first = begun.elapsed().as_secs_f64() * 1e3;
        }
        if count == 0 {
            break;
        }
    }
    let status = child.wait().expect("the client's end");
    let wall = begun.elapsed().as_secs_f64() * 1e3;
    feeder.join().expect("the feeder");
    assert!(status.success(), "{arguments:?} ended with {status}");
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
        .expect("what the child used");
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = (seconds(usage.user_time()) + seconds(usage.system_time())) * 1e3;
    println!("{first} {wall} {cpu} {}", usage.max_rss() as f64 / 1024.0);
}

/// A proxy that holds each byte back for `one_way` in both directions; its port.
fn delayed(port: u16, one_way: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(("127.0.0.1", port)).expect("the server");
            for stream in [&near, &far] {
                stream.set_nodelay(true).expect("TCP_NODELAY");
            }
            let copies = (
                near.try_clone().expect("a copy"),
                far.try_clone().expect("a copy"),
            );
            carry(near, far, one_way);
            carry(copies.1, copies.0, one_way);
        }
    });
    own
}

fn carry(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(4096);
    thread::spawn(move || {
        let mut block = vec![0u8; 1 << 16];
        while let Ok(count) = from.read(&mut block) {
            if count == 0
                || sender
                    .send((Instant::now() + one_way, block[..count].to_vec()))
                    .is_err()
            {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
