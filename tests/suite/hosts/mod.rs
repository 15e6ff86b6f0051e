//! `bitbucket.otherHosts = native` beside ssh(1): the same command lines run with both against the
//! same server, and what a caller sees of them (stdout, status, stderr, files, questions) is the
//! same. Lines that begin with `hint: ` are this program's alone and follow ssh's text.

mod connecting;
mod host_keys;
mod identities;
mod known_hosts_files;
mod other_servers;
mod passwords;
mod sessions;
mod update_host_keys;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Running, Sshd, World};

/// A machine with a key `id` that an sshd accepts, and that sshd's host key in `known`.
pub struct Both {
    pub world: World,
    pub sshd: Sshd,
}

impl Both {
    /// `further`: lines of sshd_config.
    pub fn new(further: &str) -> Self {
        let mut world = World::new();
        // Without the sandbox's site, which is on loopback too.
        let config = "[bitbucket]\n\totherHosts = native\n";
        fs::write(world.path("home/.gitconfig"), config).unwrap();
        world.unset("BITBUCKET_API_TOKEN");
        world.unset("BITBUCKET_EMAIL");
        let id = world.make_key("id", "");
        // Commands run as they come.
        let sshd = Sshd::start(&world, &format!("{further}\nMatch all\nForceCommand none"));
        sshd.authorize(&id);
        let both = Self { world, sshd };
        fs::write(both.path("known"), both.sshd.known_hosts()).unwrap();
        both
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.world.path("work").join(name)
    }

    /// A line of the table. `words`: the arguments, one a word; `{id}`, `{work}`, `{port}` and
    /// `{to}` (port, known_hosts and nothing of the machine's) stand for what they say.
    pub fn case<'a>(&'a self, why: &'a str, words: &str) -> Case<'a> {
        let to = "-F none -o GlobalKnownHostsFile=none -o UserKnownHostsFile={work}/known \
                  -o IdentitiesOnly=yes -p {port}";
        let words = words
            .replace("{to}", to)
            .replace("{id}", "-i {home}/.ssh/id")
            .replace("{work}", &self.world.path("work").display().to_string())
            .replace("{home}", &self.world.path("home").display().to_string())
            .replace("{port}", &self.sshd.port.to_string());
        Case {
            both: self,
            why,
            arguments: words.split_whitespace().map(str::to_owned).collect(),
            input: Vec::new(),
            environment: Vec::new(),
            before: None,
            after: None,
            endings: &[],
        }
    }

    /// An askpass that writes what it is asked to `asked` and answers with the lines of `answers`,
    /// one a call; then it fails.
    pub fn askpass(&self, answers: &[&str]) -> Vec<(String, String)> {
        let program = self.path("askpass");
        let work = self.world.path("work");
        let script = format!(
            "#!/bin/sh\ncd '{}'\nprintf '%s|%s\\n' \"$SSH_ASKPASS_PROMPT\" \"$1\" >> asked\n\
             line=$(wc -l < calls)\necho >> calls\nline=$((line + 1))\n\
             [ $line -le {} ] || exit 1\nsed -n ${{line}}p answers\n",
            work.display(),
            answers.len()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(self.path("answers"), answers.join("\n") + "\n").unwrap();
        vec![
            ("SSH_ASKPASS".into(), program.display().to_string()),
            ("SSH_ASKPASS_REQUIRE".into(), "force".into()),
        ]
    }
}

/// One call, to be run with both.
pub struct Case<'a> {
    both: &'a Both,
    why: &'a str,
    arguments: Vec<String>,
    input: Vec<u8>,
    environment: Vec<(String, String)>,
    before: Option<&'a dyn Fn()>,
    after: Option<&'a dyn Fn() -> String>,
    endings: &'static [&'static str],
}

/// What a caller sees.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub asked: String,
    pub after: String,
}

impl<'a> Case<'a> {
    /// The last argument: the remote command.
    pub fn command(mut self, command: &str) -> Self {
        self.arguments.push(command.to_owned());
        self
    }

    pub fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    pub fn environment(mut self, pairs: &[(String, String)]) -> Self {
        self.environment.extend_from_slice(pairs);
        self
    }

    pub fn variable(self, name: &str, value: &str) -> Self {
        self.environment(&[(name.to_owned(), value.to_owned())])
    }

    /// Done before each of the two.
    pub fn before(mut self, act: &'a dyn Fn()) -> Self {
        self.before = Some(act);
        self
    }

    /// Looked at after each of the two.
    pub fn after(mut self, look: &'a dyn Fn() -> String) -> Self {
        self.after = Some(look);
        self
    }

    /// Where ssh itself may end in one of several words, since two things race: each of these is
    /// the same end.
    pub fn ends_in_one_of(mut self, endings: &'static [&'static str]) -> Self {
        self.endings = endings;
        self
    }

    fn run(&self, program: &str) -> Seen {
        for file in ["asked", "calls"] {
            fs::write(self.both.path(file), "").unwrap();
        }
        if let Some(act) = self.before {
            act();
        }
        let mut command: Command = self.both.world.command(program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        let output = Running::start(command, self.input.clone()).wait();
        let stderr = output.stderr().replace('\r', "");
        let lines = stderr.lines().filter(|line| !line.starts_with("hint: "));
        let mut stderr = lines.collect::<Vec<_>>().join("\n");
        for ending in self.endings {
            stderr = stderr.replace(ending, "(one of the ends)");
        }
        Seen {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr,
            asked: fs::read_to_string(self.both.path("asked")).unwrap(),
            after: self.after.map(|look| look()).unwrap_or_default(),
        }
    }

    /// This program alone, where ssh(1) itself behaves differently.
    pub fn ours(self) -> Seen {
        self.run(env!("CARGO_BIN_EXE_bitbucket-ssh"))
    }

    /// Fails the test unless both do the same; gives it.
    #[track_caller]
    pub fn same(self) -> Seen {
        let theirs = self.run("/usr/bin/ssh");
        let ours = self.run(env!("CARGO_BIN_EXE_bitbucket-ssh"));
        let short = |seen: &Seen| {
            let stdout = seen.stdout.chars().take(300).collect::<String>();
            format!(
                "{:?}, {} bytes: {stdout}\nstderr: {}\nasked: {}\nafter: {}",
                seen.status,
                seen.stdout.len(),
                seen.stderr,
                seen.asked,
                seen.after
            )
        };
        assert!(
            theirs == ours,
            "{}: {:?}\nssh: {}\n\nours: {}",
            self.why,
            self.arguments,
            short(&theirs),
            short(&ours)
        );
        ours
    }
}
