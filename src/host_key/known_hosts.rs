//! Reading known_hosts files: several of them, as they stand.
//!
//! A file that is not there is empty; one that cannot be read, and a line that cannot be
//! understood, say nothing (told at `-vv`), as for ssh(1).

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ssh_key::PublicKey;

use super::Line;
use super::entry::Entry;

pub use super::append::{append, make_folder};

/// The texts of the files, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    files: Vec<(PathBuf, String)>,
    /// The answer to the first question, which is asked several times for a connection.
    asked: OnceLock<Asked>,
}

/// Names that were asked about, and where lines speak of them: file, line number, the line's bytes.
#[derive(Debug, Clone)]
struct Asked {
    names: Vec<String>,
    lines: Vec<Place>,
}

type Place = (usize, usize, std::ops::Range<usize>);

/// Reads the files; never fails.
pub fn load(paths: &[PathBuf]) -> KnownHosts {
    let mut files = Vec::new();
    for path in paths {
        match std::fs::read(path) {
            Ok(bytes) => files.push((path.clone(), text_of(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!("{}: {error}", path.display()),
        }
    }
    KnownHosts {
        files,
        asked: OnceLock::new(),
    }
}

/// Bytes that are no UTF-8 spoil their own line only.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `host` as it stands in known_hosts: `host`, or `[host]:port` off port 22; in lower case.
pub fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

/// What is looked up for a connection: the name whose lines decide, and further names whose lines
/// accept only. HostKeyAlias stands alone; else it is the host that is connected to. Off port 22
/// a line for the host without its port accepts, as for ssh(1); for `ssh.bitbucket.org` (`published`:
/// the endpoint is Bitbucket Cloud's) one for `bitbucket.org` does.
pub fn names(alias: Option<&str>, host: &str, port: u16, published: bool) -> (String, Vec<String>) {
    if let Some(alias) = alias {
        return (alias.to_ascii_lowercase(), Vec::new());
    }
    let own = name(host, port);
    let mut also = Vec::new();
    if port != 22 {
        also.push(host.to_ascii_lowercase());
    }
    if published && own == "ssh.bitbucket.org" {
        also.push("bitbucket.org".to_owned());
    }
    (own, also)
}

/// A line that speaks of one of the names that were asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoken<'a> {
    file: &'a Path,
    number: usize,
    pub(super) entry: Entry<'a>,
    /// It speaks of the name that decides.
    pub(super) own: bool,
}

impl Spoken<'_> {
    pub(super) fn line(&self) -> Line {
        Line {
            file: self.file.to_owned(),
            number: self.number,
        }
    }

    /// Whether it has this key.
    pub(super) fn has(&self, key: &PublicKey) -> bool {
        let known = self.entry.public_key();
        known.is_some_and(|known| known.key_data() == key.key_data())
    }
}

impl KnownHosts {
    /// A file's text that has been read already.
    pub fn of_text(file: &Path, text: &str) -> Self {
        Self {
            files: vec![(file.to_owned(), text.to_owned())],
            asked: OnceLock::new(),
        }
    }

    /// The keys that lines of `name` accept, with their lines.
    pub fn keys_of(&self, name: &str) -> Vec<(PublicKey, super::KnownFrom)> {
        self.about(name, &[])
            .into_iter()
            .filter(|spoken| spoken.entry.marker == super::entry::Marker::None)
            .filter_map(|spoken| {
                let key = spoken.entry.public_key()?;
                Some((key, super::KnownFrom::Line(spoken.line())))
            })
            .collect()
    }

    /// Every line that says something.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Path, usize, Entry<'_>)> {
        self.files.iter().flat_map(|(file, text)| {
            text.lines().enumerate().filter_map(move |(index, line)| {
                Some((file.as_path(), index + 1, Entry::parse(line)?))
            })
        })
    }

    /// Every line that speaks of `name` or of a further name ([`names`]), in their order; the files
    /// are gone through once for the names that are asked about first.
    pub(super) fn about<'a>(&'a self, name: &str, also: &[String]) -> Vec<Spoken<'a>> {
        let own = name.to_ascii_lowercase();
        let mut names = vec![own.clone()];
        names.extend(also.iter().cloned());
        let asked = self.asked.get_or_init(|| self.ask(names.clone()));
        if asked.names == names {
            self.at(&own, &asked.lines)
        } else {
            self.at(&own, &self.ask(names).lines)
        }
    }

    fn ask(&self, names: Vec<String>) -> Asked {
        let mut lines = Vec::new();
        for (file, (_, text)) in self.files.iter().enumerate() {
            let mut from = 0;
            for (index, line) in text.split_inclusive('\n').enumerate() {
                let range = from..from + line.len();
                from = range.end;
                let spoken = may_speak_of(line, &names)
                    && Entry::parse(line)
                        .is_some_and(|entry| names.iter().any(|name| entry.speaks_of(name)));
                if spoken {
                    lines.push((file, index + 1, range));
                }
            }
        }
        Asked { names, lines }
    }

    fn at<'a>(&'a self, own: &str, lines: &[Place]) -> Vec<Spoken<'a>> {
        lines
            .iter()
            .filter_map(|(file, number, range)| {
                let (file, text) = self.files.get(*file)?;
                let entry = Entry::parse(text.get(range.clone())?)?;
                Some(Spoken {
                    file,
                    number: *number,
                    entry,
                    own: entry.speaks_of(own),
                })
            })
            .collect()
    }
}

/// Whether a line can speak of one of the names, without taking it apart: a long file is gone
/// through before every connection. Patterns, hashes and markers are looked at closely later.
fn may_speak_of(line: &str, names: &[String]) -> bool {
    let line = line.trim_start();
    let mut end = line.len();
    for (index, byte) in line.bytes().enumerate() {
        match byte {
            b'*' | b'?' | b'!' | b'|' | b'@' => return true,
            _ if byte.is_ascii_whitespace() => {
                end = index;
                break;
            }
            _ => {}
        }
    }
    line[..end]
        .split(',')
        .any(|host| names.iter().any(|name| name.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use super::{KnownHosts, load, name};

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO";

    /// The numbers of the lines that `ssh-keygen -F` finds.
    #[expect(clippy::disallowed_methods, reason = "the reference implementation")]
    fn keygen_finds(file: &Path, name: &str) -> Vec<usize> {
        let output = Command::new("ssh-keygen")
            .arg("-F")
            .arg(name)
            .arg("-f")
            .arg(file)
            .stderr(Stdio::null())
            .output()
            .expect("ssh-keygen");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.rsplit_once("line "))
            .filter_map(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
            .collect()
    }

    #[test]
    fn lines_are_found_where_ssh_keygen_finds_them() {
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("known_hosts");
        let mut random = fastrand::Rng::with_seed(7);
        let names = [
            "bitbucket.org",
            "ssh.bitbucket.org",
            "[altssh.bitbucket.org]:443",
            "h",
        ];
        let patterns = [
            "bitbucket.org",
            "*.bitbucket.org",
            "ssh.bitbucket.org,bitbucket.org",
            "*.org,!ssh.bitbucket.org",
            "[altssh.bitbucket.org]:443",
            "[*]:443",
            "h?",
            "*",
            "BITBUCKET.ORG",
        ];
        for round in 0..40 {
            let mut text = String::new();
            for _ in 0..random.usize(1..12) {
                let line = match random.u8(0..8) {
                    0 => "# a comment".to_owned(),
                    1 => String::new(),
                    2 => format!(
                        "@cert-authority {} {KEY}",
                        random.choice(patterns).expect("one")
                    ),
                    3 => format!("@revoked {} {KEY}", random.choice(patterns).expect("one")),
                    4 => {
                        let name = random.choice(names).expect("one");
                        format!(
                            "{} {KEY}",
                            crate::host_key::entry::hashed(&[round; 20], name)
                        )
                    }
                    _ => format!("{} {KEY} comment", random.choice(patterns).expect("one")),
                };
                text.push_str(&line);
                text.push('\n');
            }
            std::fs::write(&file, &text).expect("a file");
            let known = load(std::slice::from_ref(&file));
            for name in names {
                let ours: Vec<_> = known
                    .about(name, &[])
                    .iter()
                    .map(|spoken| spoken.number)
                    .collect();
                assert_eq!(ours, keygen_finds(&file, name), "{name} in\n{text}");
            }
        }
    }

    #[test]
    fn what_ssh_keygen_hashes_is_found() {
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("known_hosts");
        std::fs::write(&file, format!("bitbucket.org {KEY}\n[h]:443 {KEY}\n")).expect("a file");
        #[expect(clippy::disallowed_methods, reason = "the reference implementation")]
        let status = Command::new("ssh-keygen")
            .arg("-H")
            .arg("-f")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("ssh-keygen").success());
        let known = load(&[file]);
        for (host, port, expected) in [("Bitbucket.org", 22, 1), ("h", 443, 1), ("h", 22, 0)] {
            assert_eq!(
                known.about(&name(host, port), &[]).len(),
                expected,
                "{host}:{port}"
            );
        }
    }

    #[test]
    fn an_alias_stands_alone_and_other_names_accept_only() {
        for (alias, host, port, published, own, also, why) in [
            (None, "H", 22, false, "h", &[][..], "names have no case"),
            (
                None,
                "h",
                7999,
                false,
                "[h]:7999",
                &["h"],
                "off port 22 the host without it",
            ),
            (
                None,
                "ssh.bitbucket.org",
                22,
                true,
                "ssh.bitbucket.org",
                &["bitbucket.org"],
                "the old name",
            ),
            (
                None,
                "altssh.bitbucket.org",
                443,
                true,
                "[altssh.bitbucket.org]:443",
                &["altssh.bitbucket.org"],
                "the other port",
            ),
            (
                Some("Work"),
                "ssh.bitbucket.org",
                22,
                true,
                "work",
                &[],
                "an alias",
            ),
        ] {
            let (name, others) = super::names(alias, host, port, published);
            assert_eq!(name, own, "{why}");
            assert_eq!(others, also, "{why}");
        }
    }

    #[test]
    fn broken_files_say_nothing_and_keep_their_numbers() {
        let known = load(&[PathBuf::from("/does/not/exist")]);
        assert_eq!(known.entries().count(), 0);
        let text = format!("\u{0}\u{1}\n\nbroken\nh {KEY}");
        let known = KnownHosts::of_text(Path::new("/k"), &text);
        let found: Vec<_> = known
            .about("h", &[])
            .iter()
            .map(|spoken| spoken.number)
            .collect();
        assert_eq!(found, [4], "no newline at the end, and broken lines before");
    }
}
