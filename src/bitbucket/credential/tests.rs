//! The order of the sources, `tokens.json`, and the real git with a helper.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::{Error, find, forget, store};
use crate::clock::SystemClock;
use crate::context::{Context, Environment};
use crate::repository::{Site, SiteKind};
use crate::secret::{Secret, TokenPlace};

struct Home {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap().to_owned();
        let mut variables = vec![("HOME".to_owned(), home)];
        variables.push(("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()));
        variables.push(("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned()));
        Self {
            directory,
            variables,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// git's own helper that keeps everything in a file; what is asked of it is noted.
    fn with_helper(self) -> Self {
        let config = "[credential]\n\thelper = \"!f() { tee -a ~/asked | git credential-store --file ~/kept $1; }; f\"\n";
        std::fs::write(self.path(".gitconfig"), config).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn context(&self) -> Context {
        Context {
            environment: Environment::new(
                self.variables
                    .iter()
                    .map(|(name, value)| (name.into(), value.into())),
            ),
            directory: self.directory.path().to_owned(),
            program: PathBuf::from("/nonexistent/bitbucket-ssh"),
            clock: Arc::new(SystemClock),
        }
    }

    fn tokens(&self) -> PathBuf {
        self.path(".ssh/bitbucket-ssh/tokens.json")
    }
}

fn cloud() -> Site {
    Site {
        kind: SiteKind::Cloud,
        url: "https://bitbucket.org".to_owned(),
        api_url: "https://api.bitbucket.org/2.0".to_owned(),
        ssh_hosts: Vec::new(),
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn found(home: &Home, account: &str) -> Option<(String, TokenPlace)> {
    let token = find(&home.context(), &cloud(), account).unwrap()?;
    Some((token.secret.reveal().to_owned(), token.place))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_file_keeps_one_token_for_each_account() {
    let home = Home::new();
    let (here, site) = (home.context(), cloud());
    assert_eq!(found(&home, "a@x"), None);
    store(&here, &site, "a@x", &secret("one"), TokenPlace::File).unwrap();
    store(&here, &site, "B@x", &secret("two"), TokenPlace::File).unwrap();
    store(&here, &site, "A@x", &secret("three"), TokenPlace::File).unwrap();
    assert_eq!(
        found(&home, "a@X"),
        Some(("three".to_owned(), TokenPlace::File))
    );
    let token = find(&here, &site, "b@x").unwrap().unwrap();
    assert_eq!(token.account, "B@x", "as it was written");
    let other = Site {
        url: "https://git.example.com".to_owned(),
        ..cloud()
    };
    assert!(
        find(&here, &other, "a@x").unwrap().is_none(),
        "another site"
    );

    assert_eq!(mode(&home.tokens()), 0o600);
    assert_eq!(mode(home.tokens().parent().unwrap()), 0o700);
    let text = std::fs::read_to_string(home.tokens()).unwrap();
    assert_eq!(text.matches("\"token\"").count(), 2, "{text}");

    assert_eq!(forget(&here, &site, "a@x").unwrap(), [TokenPlace::File]);
    assert_eq!(forget(&here, &site, "a@x").unwrap(), []);
    assert_eq!(found(&home, "a@x"), None);
    assert!(
        !std::fs::read_to_string(home.tokens())
            .unwrap()
            .contains("three")
    );
    let left: Vec<_> = std::fs::read_dir(home.tokens().parent().unwrap())
        .unwrap()
        .collect();
    assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
}

#[test]
fn a_file_that_is_not_ours_is_told_and_left() {
    for (text, why) in [
        ("{", "cut"),
        (
            "{\"version\":1,\"tokens\":[{\"site\":1,\"account\":\"a@x\",\"token\":\"hush\"}]}",
            "another shape",
        ),
        ("{\"version\":2,\"tokens\":[]}", "of tomorrow"),
    ] {
        let home = Home::new();
        std::fs::create_dir_all(home.tokens().parent().unwrap()).unwrap();
        std::fs::write(home.tokens(), text).unwrap();
        let here = home.context();
        for error in [
            find(&here, &cloud(), "a@x").unwrap_err(),
            store(&here, &cloud(), "a@x", &secret("t"), TokenPlace::File).unwrap_err(),
        ] {
            assert!(matches!(error, Error::File { .. }), "{why}: {error}");
            assert!(!error.to_string().contains("hush"));
        }
        assert_eq!(
            std::fs::read_to_string(home.tokens()).unwrap(),
            text,
            "{why}"
        );
    }
}

#[test]
fn writers_side_by_side_lose_nothing() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let here = home.context();
            scope.spawn(move || {
                let account = format!("a{number}@x");
                store(
                    &here,
                    &cloud(),
                    &account,
                    &secret(&account),
                    TokenPlace::File,
                )
                .unwrap();
            });
        }
    });
    for number in 0..8 {
        let account = format!("a{number}@x");
        assert_eq!(found(&home, &account), Some((account, TokenPlace::File)));
    }
}

#[test]
fn the_environment_speaks_first_for_its_own_account() {
    let home = Home::new()
        .with("BITBUCKET_EMAIL", "A@x")
        .with("BITBUCKET_API_TOKEN", "env");
    for account in ["a@x", "b@x"] {
        store(
            &home.context(),
            &cloud(),
            account,
            &secret("file"),
            TokenPlace::File,
        )
        .unwrap();
    }
    assert_eq!(
        found(&home, "a@x"),
        Some(("env".to_owned(), TokenPlace::Environment))
    );
    assert_eq!(
        found(&home, "b@x"),
        Some(("file".to_owned(), TokenPlace::File))
    );
    let home = home.with("BITBUCKET_SITE", "https://git.example.com");
    assert_eq!(
        found(&home, "a@x"),
        Some(("file".to_owned(), TokenPlace::File)),
        "another site's"
    );
}

#[test]
fn a_helper_of_gits_keeps_gives_and_forgets() {
    let home = Home::new().with_helper();
    let (here, site) = (home.context(), cloud());
    assert_eq!(found(&home, "a@x"), None);
    store(
        &here,
        &site,
        "a@x",
        &secret("one"),
        TokenPlace::GitCredential,
    )
    .unwrap();
    assert_eq!(
        found(&home, "A@x").map(|(_, place)| place),
        None,
        "helpers compare to the letter"
    );
    assert_eq!(
        found(&home, "a@x"),
        Some(("one".to_owned(), TokenPlace::GitCredential))
    );
    assert_eq!(found(&home, "b@x"), None);
    let kept = std::fs::read_to_string(home.path("kept")).unwrap();
    assert_eq!(kept, "https://a%40x:one@api.bitbucket.org\n");
    assert_eq!(
        forget(&here, &site, "a@x").unwrap(),
        [TokenPlace::GitCredential]
    );
    assert_eq!(std::fs::read_to_string(home.path("kept")).unwrap(), "");

    std::fs::write(home.path("kept"), "https://a%40x:web@bitbucket.org\n").unwrap();
    assert_eq!(
        found(&home, "a@x"),
        Some(("web".to_owned(), TokenPlace::GitCredential))
    );
    assert_eq!(forget(&here, &site, "a@x").unwrap(), [], "git's own stays");
}

#[test]
fn without_a_helper_nothing_is_kept_and_nobody_asked() {
    let home = Home::new();
    // Whoever asked would be seen: an askpass that leaves a trace.
    let script = home.path("askpass");
    std::fs::write(
        &script,
        format!(
            "#!/bin/sh\ntouch {}\necho x\n",
            home.path("asked").display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    let home = home
        .with("GIT_ASKPASS", script)
        .with("SSH_ASKPASS", script)
        .with("DISPLAY", ":99");
    std::fs::write(
        home.path(".gitconfig"),
        format!("[core]\n\taskPass = {script}\n"),
    )
    .unwrap();
    let error = store(
        &home.context(),
        &cloud(),
        "a@x",
        &secret("t"),
        TokenPlace::GitCredential,
    );
    assert_eq!(error, Err(Error::NotStored));
    assert_eq!(found(&home, "a@x"), None);
    assert!(!home.path("asked").exists());
}

#[test]
fn a_repository_names_no_helper() {
    let home = Home::new();
    let trace = home.path("ran");
    let git = home.path(".git");
    std::fs::create_dir_all(git.join("objects")).unwrap();
    std::fs::create_dir_all(git.join("refs")).unwrap();
    std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let helper = format!(
        "[credential]\n\thelper = \"!touch {}; echo password=evil; :\"\n",
        trace.display()
    );
    std::fs::write(git.join("config"), helper).unwrap();
    assert_eq!(found(&home, "a@x"), None);
    assert!(!trace.exists());
}

#[test]
fn a_line_break_in_a_name_breaks_nothing() {
    let home = Home::new().with_helper();
    assert_eq!(found(&home, "a@x\nhost=evil.example"), None);
    assert!(!home.path("asked").exists());
}
