//! What `ssh -G` printed for a call, kept until something that it was made from changes: the
//! process is most of what a fetch would otherwise do before its first packet.
//!
//! Kept is only what depends on nothing but files and the call itself. Lies in the state directory
//! and may be lost: then ssh is asked again. Believed only where nobody else can have written it.
//! Knows `include` for the language's lines; what ssh prints is not looked at here.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::include::{self, DEEPEST, Kind};
use super::{Files, SYSTEM_FILE};
use crate::context::Context;
use crate::settings::{Error, paths};
use crate::ssh_command::Request;
use crate::storage::{self, short_name};

/// More hosts and ways to call them than anybody uses every day; then all begins anew.
const MOST: usize = 64;

/// A file that changed so short a time ago may change again without looking different (the
/// coarsest clock of a file system, FAT's, counts in two seconds).
const SETTLED: Duration = Duration::from_secs(2);

/// Options of a command line whose values may be secrets, or run something: not to be written down.
const PRIVATE: [&str; 5] = [
    "setenv",
    "proxycommand",
    "knownhostscommand",
    "localcommand",
    "remotecommand",
];

/// One answer.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// The call, in full.
    call: String,
    /// Every file that was read, or could have been, and what it looked like.
    sources: Sources,
    /// What ssh printed.
    printed: String,
}

/// Paths with what identifies their content; empty where there is no such file.
type Sources = BTreeMap<PathBuf, String>;

/// What `ask` prints for the call, or printed when the same call was made before and every file
/// was as it is now. `arguments`: the call's, as ssh would get them.
///
/// # Errors
///
/// Those of `ask`; they are not kept.
pub fn answer(
    request: &Request,
    context: &Context,
    ssh: &Path,
    files: &Files,
    arguments: &[OsString],
    ask: impl FnOnce() -> Result<String, Error>,
) -> Result<String, Error> {
    let home = context.home().unwrap_or(Path::new(""));
    let call = [home.as_os_str(), ssh.as_os_str()].map(OsStr::to_owned);
    let call = format!("1 {} {:?}", paths::user_id(), [&call, arguments].concat());
    let Some(place) = place(context, &call).filter(|_| may_be_written_down(request)) else {
        return ask();
    };
    if let Some(printed) = read(&place, &call) {
        tracing::debug!("ssh -G: nothing has changed since it was asked");
        return Ok(printed);
    }
    let sources = sources(home, ssh, files);
    let printed = ask()?;
    if let Some(sources) = sources {
        let entry = Entry {
            call,
            sources,
            printed: printed.clone(),
        };
        if let Err(error) = keep(&place, &entry) {
            tracing::debug!("{}: {error}", place.display());
        }
    }
    Ok(printed)
}

fn place(context: &Context, call: &str) -> Option<PathBuf> {
    let folder = context.state_directory()?.join("ssh-config");
    Some(folder.join(short_name(call.as_bytes())))
}

fn may_be_written_down(request: &Request) -> bool {
    let mut options = request.options.iter();
    options.all(|(key, value)| !PRIVATE.contains(&key.as_str()) && is_constant(key, value))
}

/// Whether a directive means the same at every call: it runs nothing, and looks neither at the
/// network nor at variables nor at the machine's name.
fn is_constant(keyword: &str, rest: &str) -> bool {
    let rest = rest.to_ascii_lowercase();
    let looks_around = match keyword {
        "match" => ["exec", "localnetwork", "command"]
            .iter()
            .any(|word| rest.contains(word)),
        _ => keyword.starts_with("canonical") || keyword == "knownhostscommand",
    };
    // %l, %L and %C stand for the machine's name (ssh_config(5), TOKENS).
    !looks_around && !["${", "%l", "%c"].iter().any(|word| rest.contains(word))
}

fn read(place: &Path, call: &str) -> Option<String> {
    let text = std::fs::read(place).ok()?;
    if paths::others_may_write(place) || paths::others_may_write(place.parent()?) {
        return None;
    }
    let entry: Entry = serde_json::from_slice(&text).ok()?;
    let same = |(path, looks): (&PathBuf, &String)| looks_of(path).0 == *looks;
    (entry.call == call && entry.sources.iter().all(same)).then_some(entry.printed)
}

/// Writes the entry unless one of its files has changed since, or only just before.
fn keep(place: &Path, entry: &Entry) -> std::io::Result<()> {
    let directory = place.parent().unwrap_or(Path::new("."));
    storage::create_private(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    let now = file.as_file().metadata()?.modified()?;
    let settled = |(path, looks): (&PathBuf, &String)| {
        let (looks_now, changed) = looks_of(path);
        looks_now == *looks && changed.is_none_or(|changed| changed + SETTLED < now)
    };
    if !entry.sources.iter().all(settled) {
        return Ok(());
    }
    let others: Vec<_> = std::fs::read_dir(directory)?.flatten().collect();
    if others.len() > MOST {
        for other in others.iter().filter(|other| other.path() != file.path()) {
            let _ = std::fs::remove_file(other.path());
        }
    }
    file.write_all(&serde_json::to_vec(entry)?)?;
    file.persist(place)?;
    Ok(())
}

/// What identifies a file's content without reading it, and when it last changed.
fn looks_of(path: &Path) -> (String, Option<SystemTime>) {
    let Ok(metadata) = std::fs::metadata(path) else {
        return (String::new(), None);
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let looks = format!(
            "{} {} {} {}.{:09} {}.{:09}",
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            changed.0,
            changed.1,
        );
        let since = Duration::new(
            changed.0.try_into().unwrap_or_default(),
            changed.1.try_into().unwrap_or_default(),
        );
        (looks, SystemTime::UNIX_EPOCH.checked_add(since))
    }
    #[cfg(not(unix))]
    {
        let changed = metadata.modified().ok();
        (format!("{} {changed:?}", metadata.len()), changed)
    }
}

/// Everything that ssh reads for a call. `None`: the files say something that may mean something
/// else the next time, or cannot be followed.
fn sources(home: &Path, ssh: &Path, files: &Files) -> Option<Sources> {
    let mut sources = Sources::new();
    add(&mut sources, ssh);
    match files {
        Files::None => {}
        Files::Named(file) => follow(&mut sources, file, Kind::User, home, 0)?,
        Files::Usual { .. } => {
            follow(&mut sources, &home.join(".ssh/config"), Kind::User, home, 0)?;
            follow(&mut sources, Path::new(SYSTEM_FILE), Kind::System, home, 0)?;
        }
    }
    Some(sources)
}

fn add(sources: &mut Sources, path: &Path) {
    sources.insert(path.to_owned(), looks_of(path).0);
}

fn follow(sources: &mut Sources, file: &Path, kind: Kind, home: &Path, depth: usize) -> Option<()> {
    add(sources, file);
    if !file.exists() {
        return Some(());
    }
    if depth > DEEPEST || !file.is_file() {
        // A pipe or a device: another text each time.
        return None;
    }
    for line in std::fs::read_to_string(file).ok()?.lines() {
        let (keyword, rest) = include::directive(line);
        if keyword.starts_with('#') {
            continue;
        }
        if !is_constant(&keyword, rest) {
            return None;
        }
        if keyword != "include" {
            continue;
        }
        for word in include::words(rest) {
            let pattern = include::pattern(&word, kind, home);
            let directory = pattern.parent()?;
            let above = directory.to_str()?;
            // Another user's home, a class of characters, folders by wildcard: ssh knows better.
            if above.starts_with('~') || word.contains('[') || above.contains(['*', '?']) {
                return None;
            }
            add(sources, directory);
            let named = include::matching(&pattern);
            if named.is_empty() {
                add(sources, &pattern);
            }
            for file in named {
                follow(sources, &file, kind, home, depth + 1)?;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::settings::git_config::fixture::Home;
    use crate::ssh_command::{Invocation, parse};

    fn request(words: &[&str]) -> Request {
        match parse(words.iter().map(Into::into).collect()).unwrap() {
            Invocation::Native(request) | Invocation::System { request, .. } => request,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for the host `words`; whether ssh was really asked.
    fn asks(home: &Home, words: &[&str]) -> bool {
        let context = home.context();
        let request = request(words);
        let files = Files::of(&request, &context);
        let ssh = home.path().join("ssh");
        let asked = Cell::new(false);
        let arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        let printed = answer(&request, &context, &ssh, &files, &arguments, || {
            asked.set(true);
            Ok(format!("user {}\n", words.join("-")))
        });
        assert_eq!(printed.unwrap(), format!("user {}\n", words.join("-")));
        asked.get()
    }

    fn settle() {
        std::thread::sleep(SETTLED + Duration::from_millis(200));
    }

    #[test]
    fn ssh_is_asked_again_only_when_a_file_has_changed() {
        let home = Home::new();
        home.write("ssh", "the program");
        home.write(".ssh/config", "Include more/*.conf one\nHost a\n  Port 1\n");
        home.write(".ssh/more/a.conf", "Host a\n");
        assert!(asks(&home, &["a"]), "the first time");
        assert!(asks(&home, &["a"]), "the files are too new to be sure");
        settle();
        assert!(asks(&home, &["a"]), "now it can be kept");
        assert!(!asks(&home, &["a"]), "nothing has changed");
        assert!(asks(&home, &["b"]), "another host");
        assert!(asks(&home, &["-p", "2", "a"]), "another call");
        assert!(!asks(&home, &["a"]), "the first call is still kept");
    }

    #[test]
    fn whatever_ssh_reads_counts() {
        let changes = [
            (
                ".ssh/config",
                "Include more/*.conf one\nHost b\n",
                "same size",
            ),
            (".ssh/more/a.conf", "Host a\n  Port 3\n", "an included file"),
            (".ssh/more/b.conf", "Host a\n", "a new file of an include"),
            (".ssh/one", "Host a\n", "a file that was missing"),
            ("ssh", "another program", "ssh itself"),
        ];
        let homes = changes.map(|_| {
            let home = Home::new();
            home.write("ssh", "the program");
            home.write(".ssh/config", "Include more/*.conf one\nHost a\n");
            home.write(".ssh/more/a.conf", "Host a\n");
            home
        });
        settle();
        for ((file, text, why), home) in changes.iter().zip(&homes) {
            assert!(asks(home, &["a"]), "the first time: {why}");
            assert!(!asks(home, &["a"]), "before: {why}");
            home.write(file, text);
            assert!(asks(home, &["a"]), "{why}");
        }
    }

    #[test]
    fn what_depends_on_more_than_files_is_never_kept() {
        let cases = [
            ("Match exec \"test -e x\"\n", "a", "a command decides"),
            ("match host a EXEC true\n", "a", "in any case"),
            (
                "Match localnetwork 10.0.0.0/8\n",
                "a",
                "the network decides",
            ),
            ("CanonicalizeHostname yes\n", "a", "names are looked up"),
            ("Host *\n  IdentityFile ${KEYS}/x\n", "a", "a variable"),
            ("Host *\n  ControlPath ~/%C\n", "a", "the machine's name"),
            ("Include ~nobody/x\n", "a", "another home"),
            ("Include sub*/x\n", "a", "folders by wildcard"),
            (
                "Host a\n",
                "-oSetEnv=T=secret",
                "a value that may be secret",
            ),
            (
                "Host a\n",
                "-oProxyCommand=x",
                "a command with what it is given",
            ),
        ];
        let homes = cases.map(|(config, ..)| {
            let home = Home::new();
            home.write("ssh", "the program");
            home.write(".ssh/config", config);
            home
        });
        settle();
        for ((_, call, why), home) in cases.iter().zip(&homes) {
            let words: Vec<&str> = match *call {
                "a" => vec!["a"],
                option => vec![option, "a"],
            };
            assert!(asks(home, &words), "{why}");
            assert!(asks(home, &words), "{why}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_answer_that_others_could_have_written_is_not_believed() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = Home::new();
        home.write("ssh", "the program");
        home.write(".ssh/config", "Host a\n");
        settle();
        assert!(asks(&home, &["a"]));
        assert!(!asks(&home, &["a"]));
        let folder = home.path().join(".local/state/bitbucket-ssh/ssh-config");
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(0o666)).unwrap();
        }
        assert!(asks(&home, &["a"]), "anybody may have written it");
    }
}
