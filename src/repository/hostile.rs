//! Generated paths and commands, as an attacker would write them; compared with git's own
//! quoting and with what a shell reads.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use super::{Service, cloud, locate, of_url, remote_command};

/// Pieces that have a meaning somewhere: to a shell, to git, to a terminal, to us.
const PIECES: &[&[u8]] = &[
    b"a",
    b"team",
    b"repo",
    b".git",
    b"/",
    b"//",
    b".",
    b"..",
    b"-",
    b"--",
    b"~",
    b"~user",
    b" ",
    b"'",
    b"'\\''",
    b"'\\!'",
    b"\"",
    b"\\",
    b"$",
    b"$(a)",
    b"`a`",
    b";",
    b"&&",
    b"|",
    b">",
    b"<",
    b"\n",
    b"\r",
    b"\x1b[",
    b"\x7f",
    b"\xff",
    b"\xc2\x9b",
    b"%2f",
    b"%0a",
    b"!",
    b"*",
    b"?",
    b"#",
    b"{",
    b"}",
    b"(",
    b")",
    b"[",
    b"@",
    b":",
    b"=",
    b"\t",
    b"\xc3\xa4",
    b"\xe2\x80\xae",
];

fn text(random: &mut fastrand::Rng, longest: usize) -> Vec<u8> {
    let pieces = random.usize(..longest);
    (0..pieces)
        .flat_map(|_| PIECES[random.usize(..PIECES.len())])
        .copied()
        .collect()
}

/// What git's `sq_quote_buf` writes.
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in path {
        match byte {
            b'\'' | b'!' => quoted.extend([b'\'', b'\\', *byte, b'\'']),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[expect(
    clippy::disallowed_methods,
    reason = "the reference that is compared with"
)]
fn run(program: &str, arguments: &[&[u8]], directory: &std::path::Path) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments.iter().map(|argument| OsStr::from_bytes(argument)))
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .expect("git and sh are installed where the tests run");
    output.stdout
}

#[test]
fn what_git_quotes_comes_out_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..4000 {
        let path = text(&mut random, 8);
        let quoted = quoted(&path);
        if round < 300 {
            let mut by_git = run(
                "/usr/bin/git",
                &[b"rev-parse", b"--sq-quote", &path],
                directory.path(),
            );
            by_git.remove(0);
            by_git.pop();
            assert_eq!(by_git, quoted, "{path:?}");
        }
        let command = [b"git-upload-pack ", quoted.as_slice()].concat();
        let parsed = remote_command::parse(&command).unwrap();
        assert_eq!(parsed.service, Service::UploadPack);
        assert_eq!(parsed.path, Some(path));
    }
}

#[test]
fn a_shell_reads_the_same_path() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(2);
    let mut compared = 0;
    while compared < 300 {
        let tail = text(&mut random, 6);
        let command = [b"git-upload-pack ", tail.as_slice()].concat();
        let Ok(parsed) = remote_command::parse(&command) else {
            continue;
        };
        // A shell would put a home there, Bitbucket's servers do not.
        let Some(path) = parsed.path.filter(|path| !path.starts_with(b"~")) else {
            continue;
        };
        let script = [b"set -- ", tail.as_slice(), b"; printf '%s|' \"$@\""].concat();
        let read = run("/bin/sh", &[b"-c", &script], directory.path());
        assert_eq!(
            read,
            [path.as_slice(), b"|"].concat(),
            "{}",
            String::from_utf8_lossy(&tail)
        );
        compared += 1;
    }
}

#[test]
fn nothing_dangerous_gets_through() {
    let sites = [cloud()];
    let mut random = fastrand::Rng::with_seed(3);
    let programs: [&[u8]; 6] = [
        b"git-upload-pack ",
        b"git receive-pack ",
        b"/x/git-upload-archive ",
        b"git-lfs-authenticate ",
        b"git-lfs-transfer ",
        b"",
    ];
    let mut repositories = 0;
    for _ in 0..40_000 {
        let path = text(&mut random, 8);
        let path = if random.bool() { quoted(&path) } else { path };
        let tail: &[u8] = if random.bool() { b"" } else { b" upload" };
        let command = [programs[random.usize(..programs.len())], &path, tail].concat();
        let shown = String::from_utf8_lossy(&command).into_owned();
        let found = match locate(&sites, "bitbucket.org", 22, Some(&command)) {
            Ok(found) => found.unwrap(),
            Err(error) => {
                let words = error.to_string();
                assert!(!words.contains(|c: char| c.is_control()), "{words:?}");
                continue;
            }
        };
        let urls = [
            "https://bitbucket.org/",
            "ssh://bitbucket.org/",
            "bitbucket.org:",
        ];
        let by_url = urls.iter().filter_map(|url| {
            let url = format!("{url}{}", String::from_utf8_lossy(&path));
            of_url(&sites, &url)
        });
        for repository in by_url.chain(found.repository) {
            repositories += 1;
            for part in [&repository.workspace, &repository.slug] {
                assert!(!matches!(part.as_str(), "" | "." | ".."), "{shown}");
                assert!(!part.contains('/'), "{shown}");
                assert!(!part.contains(|c: char| c.is_control()), "{shown}");
            }
            assert!(!repository.workspace.starts_with('-'), "{shown}");
        }
    }
    assert!(repositories > 500, "{repositories}");
}
