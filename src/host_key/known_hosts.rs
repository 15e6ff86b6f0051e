//! known_hosts(5): reading several files, the lines that match a name, adding a line as ssh(1) does.
//!
//! A file that does not exist is empty. A file that cannot be read (logged at `-vv`) and a line that
//! cannot be parsed are ignored, as in ssh(1).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ssh_key::PublicKey;

use super::{KnownFrom, Line};
use crate::repository::SSH_PORT;
use crate::storage;
use crate::text::matches_pattern;

/// The texts of the files, in the order in which they are searched.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    files: Vec<(PathBuf, String)>,
    /// The first names that were looked up, which each connection looks up several times.
    first: OnceLock<Lookup>,
}

/// Names, and the lines that match one of them: file, line number, the line's bytes.
#[derive(Debug, Clone)]
struct Lookup {
    names: Vec<String>,
    lines: Vec<Position>,
}

type Position = (usize, usize, std::ops::Range<usize>);

/// Reads the files; never fails.
pub fn load(paths: &[PathBuf]) -> KnownHosts {
    let mut files = Vec::new();
    for path in paths {
        match storage::read_file(path) {
            Ok(bytes) => files.push((path.clone(), text_of(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!("{}: {error}", path.display()),
        }
    }
    KnownHosts {
        files,
        first: OnceLock::new(),
    }
}

/// Bytes that are not UTF-8 affect their own line only.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The name of a host in known_hosts: `host`, or `[host]:port` off port 22; in lower case.
pub fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == SSH_PORT {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

/// What is looked up for a connection: the name whose lines decide, and further names whose lines
/// can only accept. With HostKeyAlias that is the alias alone. Off port 22 a line for the host
/// without its port accepts, as in ssh(1); for `ssh.bitbucket.org` (`published`: the endpoint is
/// Bitbucket Cloud's) a line for `bitbucket.org` does.
pub fn names(alias: Option<&str>, host: &str, port: u16, published: bool) -> (String, Vec<String>) {
    if let Some(alias) = alias {
        return (alias.to_ascii_lowercase(), Vec::new());
    }
    let own = name(host, port);
    let mut also = Vec::new();
    if port != SSH_PORT {
        also.push(host.to_ascii_lowercase());
    }
    if published && own == "ssh.bitbucket.org" {
        also.push("bitbucket.org".to_owned());
    }
    (own, also)
}

/// A line that matches one of the names that were looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match<'a> {
    file: &'a Path,
    number: usize,
    pub(super) entry: Entry<'a>,
    /// It matches the name whose lines decide.
    pub(super) own: bool,
}

impl Match<'_> {
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
    /// For the text of a file that has been read already.
    pub fn of_text(file: &Path, text: &str) -> Self {
        Self {
            files: vec![(file.to_owned(), text.to_owned())],
            first: OnceLock::new(),
        }
    }

    /// The keys that lines for `name` accept, with their lines.
    pub fn keys_of(&self, name: &str) -> Vec<(PublicKey, KnownFrom)> {
        self.matches(name, &[])
            .into_iter()
            .filter(|found| found.entry.marker == Marker::None)
            .filter_map(|found| {
                let key = found.entry.public_key()?;
                Some((key, KnownFrom::Line(found.line())))
            })
            .collect()
    }

    /// Every line that can be parsed.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Path, usize, Entry<'_>)> {
        self.files.iter().flat_map(|(file, text)| {
            text.lines().enumerate().filter_map(move |(index, line)| {
                Some((file.as_path(), index + 1, Entry::parse(line)?))
            })
        })
    }

    /// Every line that matches `name` or a further name ([`names`]), in their order. For the names
    /// that are looked up first, the files are searched only once.
    pub(super) fn matches<'a>(&'a self, name: &str, also: &[String]) -> Vec<Match<'a>> {
        let own = name.to_ascii_lowercase();
        let mut names = vec![own.clone()];
        names.extend(also.iter().cloned());
        let first = self.first.get_or_init(|| self.look_up(names.clone()));
        if first.names == names {
            self.at(&own, &first.lines)
        } else {
            self.at(&own, &self.look_up(names).lines)
        }
    }

    fn look_up(&self, names: Vec<String>) -> Lookup {
        let mut lines = Vec::new();
        for (file, (_, text)) in self.files.iter().enumerate() {
            let mut from = 0;
            for (index, line) in text.split_inclusive('\n').enumerate() {
                let range = from..from + line.len();
                from = range.end;
                let found = may_match(line, &names)
                    && Entry::parse(line)
                        .is_some_and(|entry| names.iter().any(|name| entry.matches(name)));
                if found {
                    lines.push((file, index + 1, range));
                }
            }
        }
        Lookup { names, lines }
    }

    fn at<'a>(&'a self, own: &str, lines: &[Position]) -> Vec<Match<'a>> {
        lines
            .iter()
            .filter_map(|(file, number, range)| {
                let (file, text) = self.files.get(*file)?;
                let entry = Entry::parse(text.get(range.clone())?)?;
                Some(Match {
                    file,
                    number: *number,
                    entry,
                    own: entry.matches(own),
                })
            })
            .collect()
    }
}

/// Whether a line can match one of the names, without parsing it: a long file is searched before
/// every connection. Patterns, hashes and markers are examined later.
fn may_match(line: &str, names: &[String]) -> bool {
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

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// The hosts have it.
    None,
    /// It signs certificates for the hosts.
    Authority,
    /// It must not be accepted for the hosts.
    Revoked,
}

/// The parts of a line, borrowed from the file's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) marker: Marker,
    names: &'a str,
    /// `ssh-ed25519`
    pub(super) algorithm: &'a str,
    /// Base64.
    pub(super) key: &'a str,
}

/// A key as a line has it, so that thousands of lines are compared without being decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EncodedKey {
    algorithm: String,
    key: String,
}

impl EncodedKey {
    /// `None`: a key that cannot be encoded.
    pub(super) fn of(key: &ssh_key::PublicKey) -> Option<Self> {
        let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
        let text = bare.to_openssh().ok()?;
        let (algorithm, key) = text.trim_end().split_once(' ')?;
        Some(Self {
            algorithm: algorithm.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl std::fmt::Display for EncodedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.algorithm, self.key)
    }
}

impl<'a> Entry<'a> {
    /// `None`: blank, a comment, or a line that OpenSSH does not accept.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let mut first = words.next()?;
        let mut marker = Marker::None;
        if let Some(word) = first.strip_prefix('@') {
            marker = match word {
                "cert-authority" => Marker::Authority,
                "revoked" => Marker::Revoked,
                _ => return None,
            };
            first = words.next()?;
        }
        Some(Self {
            marker,
            names: first,
            algorithm: words.next()?,
            key: words.next()?,
        })
    }

    /// The key, where it can be decoded.
    pub(super) fn public_key(&self) -> Option<ssh_key::PublicKey> {
        ssh_key::PublicKey::from_openssh(&format!("{} {}", self.algorithm, self.key)).ok()
    }

    /// Whether it has this key.
    pub(super) fn has(&self, key: &EncodedKey) -> bool {
        self.key == key.key && self.algorithm == key.algorithm
    }

    /// Its names are a pattern or a list of more than two, which ssh(1) never writes.
    pub(super) fn is_written_by_hand(&self) -> bool {
        self.names.contains(['*', '?']) || self.names.matches(',').count() > 1
    }

    /// Whether the line is for `name`: `host`, or `[host]:port` off port 22, in lower case.
    pub(super) fn matches(&self, name: &str) -> bool {
        if let Some(hashed) = self.names.strip_prefix("|1|") {
            return is_hash_of(hashed, name);
        }
        let mut found = false;
        for pattern in self.names.split(',') {
            let (negated, pattern) = match pattern.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, pattern),
            };
            if matches_pattern(&pattern.to_ascii_lowercase(), name) {
                if negated {
                    return false;
                }
                found = true;
            }
        }
        found
    }

    /// The names to show; `[hashed name]` for hashed ones, as in OpenSSH.
    pub(super) fn display_names(&self) -> &'a str {
        if self.names.starts_with("|1|") {
            "[hashed name]"
        } else {
            self.names
        }
    }
}

/// `SALT|HASH`, base64: HMAC-SHA1 of the name (known_hosts(5), HashKnownHosts).
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let Some((salt, hash)) = hashed.split_once('|') else {
        return false;
    };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else {
        return false;
    };
    keyed(&salt, name).verify_slice(&hash).is_ok()
}

fn keyed(salt: &[u8], name: &str) -> Hmac<sha1::Sha1> {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(salt).expect("HMAC takes a key of any length");
    mac.update(name.as_bytes());
    mac
}

/// `|1|SALT|HASH` for a name and 20 random bytes.
pub(super) fn hashed(salt: &[u8; 20], name: &str) -> String {
    let hash = keyed(salt, name).finalize().into_bytes();
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash))
}

/// Appends a line for `name` in one write, its name hashed where `hash` asks for it. Creates the
/// file (0600), but not its directory. A last line without a line feed gets one first. Symbolic
/// links are followed.
pub fn append(file: &Path, name: &str, key: &PublicKey, hash: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
        // A pipe is not waited for.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let mut known = options.open(file)?;
    let key = EncodedKey::of(key).ok_or_else(|| io::Error::other("the key cannot be encoded"))?;
    let line = format_line(&name.to_ascii_lowercase(), &key, hash)?;
    let newline = if ends_with_newline(&mut known)? {
        ""
    } else {
        "\n"
    };
    known.write_all(format!("{newline}{line}").as_bytes())
}

/// The line for a name in lower case, with its line feed. Fails without random bytes for the hash.
pub(super) fn format_line(name: &str, key: &EncodedKey, hash: bool) -> io::Result<String> {
    if !hash {
        return Ok(format!("{name} {key}\n"));
    }
    let mut salt = [0; 20];
    getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{} {key}\n", hashed(&salt, name)))
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0] == b'\n')
}

/// Creates `directory` (0700), the home's `.ssh`, where `file` is in it and it does not exist, as
/// ssh(1) does; it creates no other one.
pub fn create_directory(directory: &Path, file: &Path) -> io::Result<()> {
    if !file.starts_with(directory) || directory.exists() {
        return Ok(());
    }
    storage::create_durably(directory)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::host_key::published;

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
                        format!("{} {KEY}", hashed(&[round; 20], name))
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
                    .matches(name, &[])
                    .iter()
                    .map(|found| found.number)
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
                known.matches(&name(host, port), &[]).len(),
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
            .matches("h", &[])
            .iter()
            .map(|found| found.number)
            .collect();
        assert_eq!(found, [4], "no newline at the end, and broken lines before");
    }

    #[test]
    fn names_match_as_openssh_matches_them() {
        for (names, name, expected, why) in [
            ("bitbucket.org", "bitbucket.org", true, "plain"),
            ("BitBucket.org", "bitbucket.org", true, "names have no case"),
            ("a,bitbucket.org,b", "bitbucket.org", true, "a list"),
            ("bitbucket.org", "ssh.bitbucket.org", false, "no suffix"),
            ("*.bitbucket.org", "ssh.bitbucket.org", true, "a pattern"),
            (
                "*.bitbucket.org,!ssh.bitbucket.org",
                "ssh.bitbucket.org",
                false,
                "negated",
            ),
            ("*", "[h]:22", true, "everything"),
            ("h?st", "host", true, "one character"),
            (
                "[altssh.bitbucket.org]:443",
                "[altssh.bitbucket.org]:443",
                true,
                "a port",
            ),
            (
                "altssh.bitbucket.org",
                "[altssh.bitbucket.org]:443",
                false,
                "port 22 only",
            ),
            ("*a*b*c", "xaybzc", true, "several stars"),
            ("*a*b*c", "xaybz", false, "several stars, near miss"),
        ] {
            let line = format!("{names} ssh-ed25519 AAAA");
            let entry = Entry::parse(&line).expect("a line");
            assert_eq!(entry.matches(name), expected, "{why}");
        }
    }

    #[test]
    fn a_hashed_name_is_found_and_not_shown() {
        let line = format!("{} ssh-ed25519 AAAA", hashed(&[7; 20], "bitbucket.org"));
        let entry = Entry::parse(&line).expect("a line");
        assert!(entry.matches("bitbucket.org"));
        assert!(!entry.matches("bitbucket.com"));
        assert_eq!(entry.display_names(), "[hashed name]");
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        for (line, why) in [
            ("", "blank"),
            ("   ", "blank"),
            ("# bitbucket.org ssh-ed25519 AAAA", "a comment"),
            ("bitbucket.org ssh-ed25519", "no key"),
            (
                "@unknown bitbucket.org ssh-ed25519 AAAA",
                "an unknown marker",
            ),
        ] {
            assert!(Entry::parse(line).is_none(), "{why}");
        }
        let revoked = Entry::parse("@revoked\t*\tssh-rsa\tAAAA comment").expect("tabs separate");
        assert_eq!(revoked.marker, Marker::Revoked);
    }

    #[test]
    fn a_line_is_added_whatever_the_file_looks_like() {
        let directory = tempfile::tempdir().expect("a folder");
        let key = &published::keys()[0];
        for (before, hash, why) in [
            (None, false, "neither file nor folder"),
            (Some(""), false, "an empty file"),
            (
                Some("other ssh-ed25519 AAAA"),
                false,
                "no newline at the end",
            ),
            (Some("other ssh-ed25519 AAAA\n"), true, "hashed"),
        ] {
            let file = directory.path().join(".ssh").join(why);
            if let Some(text) = before {
                std::fs::write(&file, text).expect("a file");
            }
            create_directory(&directory.path().join(".ssh"), &file).expect(why);
            append(&file, "[h]:2222", key, hash).expect(why);
            let text = std::fs::read_to_string(&file).expect("a file");
            assert!(
                text.starts_with(before.unwrap_or_default()),
                "{why}: what was there stays"
            );
            assert!(text.ends_with('\n'), "{why}");
            assert_eq!(text.contains("[h]"), !hash, "{why}");
            let found = load(&[file]).matches("[h]:2222", &[]).len();
            assert_eq!(found, 1, "{why}: {text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_new_file_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("real");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        append(&link, "h", &published::keys()[0], false).expect("written");
        let mode = std::fs::metadata(&file)
            .expect("the file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(link.is_symlink());
    }
}
