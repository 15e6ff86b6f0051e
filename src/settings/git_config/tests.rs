use super::fixture::Home;
use super::*;
use crate::repository::cloud;

const SITE: &str = "git@bitbucket.org:acme/site.git";

fn wanted(slug: &str) -> Wanted {
    Wanted {
        site: "https://bitbucket.org".to_owned(),
        workspace: "acme".to_owned(),
        slug: slug.to_owned(),
    }
}

fn of(config: &GitConfig, slug: &str) -> Settings {
    config.settings(&config.sites(), &cloud(), Some(&wanted(slug)))
}

fn open(home: &Home, directory: &Path) -> GitConfig {
    GitConfig::open(&home.context_in(directory)).unwrap()
}

/// `git config --list` with scope and origin, beside what was read.
fn listed_by_git(home: &Home, directory: &Path) -> Vec<String> {
    let out = home.git(directory, &["config", "--null", "--list", "--show-scope"]);
    let mut fields = out.split('\0');
    let mut listed = Vec::new();
    while let (Some(scope), Some(pair)) = (fields.next(), fields.next()) {
        let (key, value) = pair.split_once('\n').unwrap_or((pair, ""));
        let section = key.split('.').next().unwrap();
        if ["bitbucket", "remote", "url", "user"].contains(&section) {
            listed.push(format!("{scope} {key}={value}"));
        }
    }
    listed
}

fn listed(config: &GitConfig) -> Vec<String> {
    let of_interest =
        |entry: &&Entry| ["bitbucket", "remote", "url", "user"].contains(&entry.section.as_str());
    let entries = config.entries.iter().filter(of_interest);
    entries
        .map(|entry| {
            let scope = format!("{:?}", entry.scope).to_lowercase();
            let name = entry.name.to_lowercase();
            let key = match &entry.subsection {
                Some(subsection) => format!("{}.{subsection}.{name}", entry.section),
                None => format!("{}.{name}", entry.section),
            };
            format!("{scope} {key}={}", entry.value)
        })
        .collect()
}

#[test]
fn the_same_values_in_the_same_order_as_git() {
    let home = Home::new();
    home.write(
        "system",
        "[user]\n\tname = s\n[include]\n\tpath = system-more\n[user]\n\tage = 9\n",
    );
    home.write("system-more", "[user]\n\tname = more\n");
    home.write(".config/git/config", "[user]\n\tname = xdg\n");
    home.write(
        ".gitconfig",
        "[user]\n\tname = \"quoted # value\" ; comment\n\tlong = a \\\n b\n\timplicit\n\
         [include]\n\tpath = ~/tilde\n\tpath = relative\n\tpath = missing\n\
         [includeIf \"gitdir:~/work/\"]\n\tpath = at-work\n\
         [includeIf \"gitdir:~/work/site/.git\"]\n\tpath = at-site\n\
         [includeIf \"gitdir:elsewhere/\"]\n\tpath = wrong\n\
         [includeIf \"gitdir/i:**/WORK/**\"]\n\tpath = no-case\n\
         [includeIf \"gitdir:./work/\"]\n\tpath = dot\n\
         [includeIf \"onbranch:ma*\"]\n\tpath = on-main\n\
         [includeIf \"onbranch:dev/\"]\n\tpath = wrong\n\
         [includeIf \"hasconfig:remote.*.url:git@bitbucket.org:acme/**\"]\n\tpath = acme\n\
         [includeIf \"hasconfig:remote.*.url:git@bitbucket.org:other/**\"]\n\tpath = wrong\n\
         [user]\n\tlast = yes\n",
    );
    for name in [
        "tilde", "relative", "at-work", "at-site", "wrong", "no-case", "dot", "on-main", "acme",
    ] {
        home.write(name, &format!("[user]\n\tfrom = {name}\n"));
    }
    let site = home.repository("work/site", SITE);
    home.git(
        &site,
        &[
            "config",
            "bitbucket.https://bitbucket.org/acme.account",
            "a",
        ],
    );
    home.git(&site, &["config", "bitbucket.hooks.author", "off"]);
    let author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    home.git(
        &site,
        &[&author[..], &["commit", "-q", "--allow-empty", "-m", "x"]].concat(),
    );
    home.git(&site, &["config", "extensions.worktreeConfig", "true"]);
    let tree = home.path().join("work/tree");
    home.git(&site, &["worktree", "add", "-q", tree.to_str().unwrap()]);
    home.git(
        &tree,
        &["config", "--worktree", "bitbucket.account", "of-the-tree"],
    );
    let bare = home.path().join("bare.git");
    home.git(
        &home.path(),
        &[
            "clone",
            "-q",
            "--bare",
            site.to_str().unwrap(),
            bare.to_str().unwrap(),
        ],
    );
    let add = ["-c", "protocol.file.allow=always", "submodule", "add", "-q"];
    home.git(
        &site,
        &[&add[..], &[bare.to_str().unwrap(), "sub"]].concat(),
    );
    home.git(
        &site.join("sub"),
        &["config", "bitbucket.account", "of-sub"],
    );
    std::fs::create_dir_all(site.join("deep/er")).unwrap();
    for directory in [
        site.join("sub"),
        site.join(".git/modules/sub"),
        home.path(),
        site.clone(),
        site.join("deep/er"),
        tree,
        bare,
        site.join(".git"),
    ] {
        let config = open(&home, &directory);
        assert_eq!(
            listed(&config),
            listed_by_git(&home, &directory),
            "{}",
            directory.display()
        );
    }
}

#[test]
fn variables_choose_the_files_as_they_do_for_git() {
    let mut home = Home::new();
    home.write("system", "[user]\n\tname = system\n");
    home.write("other-system", "[user]\n\tname = other\n");
    home.write("global", "[user]\n\tname = global\n");
    home.write(".gitconfig", "[user]\n\tname = home\n");
    home.write(".config/git/config", "[user]\n\tname = xdg\n");
    home.write("xdg/git/config", "[user]\n\tname = xdg-home\n");
    let path = home.path();
    let cases: [&[(&str, PathBuf)]; 7] = [
        &[],
        &[("GIT_CONFIG_GLOBAL", path.join("global"))],
        &[("GIT_CONFIG_GLOBAL", PathBuf::from("/dev/null"))],
        &[("GIT_CONFIG_SYSTEM", path.join("other-system"))],
        &[("GIT_CONFIG_NOSYSTEM", PathBuf::from("1"))],
        &[("GIT_CONFIG_NOSYSTEM", PathBuf::from("false"))],
        &[("XDG_CONFIG_HOME", path.join("xdg"))],
    ];
    for case in cases {
        for (name, value) in case {
            home.set(name, value);
        }
        assert_eq!(
            listed(&open(&home, &path)),
            listed_by_git(&home, &path),
            "{case:?}"
        );
        for (name, _) in case {
            home.unset(name);
        }
        home.set("GIT_CONFIG_SYSTEM", path.join("system"));
    }
}

#[test]
fn git_is_asked_once_where_the_machines_file_lies() {
    let mut home = Home::new();
    home.unset("GIT_CONFIG_SYSTEM");
    let context = home.context();
    let told = home.git(&home.path(), &["var", "GIT_CONFIG_SYSTEM"]);
    let files = discover::outside_repositories(&context);
    assert_eq!(files[0].1, Path::new(told.trim()));
    let kept: Vec<_> = std::fs::read_dir(context.state_directory().unwrap().join("programs"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].ends_with(told.trim()));
}

#[test]
fn broken_files_are_errors_with_file_and_line() {
    let home = Home::new();
    let main = home.write(".gitconfig", "[user]\n\tname = a\n[broken\n");
    match GitConfig::open(&home.context()) {
        Err(Error::BadGitConfig { file, line }) => assert_eq!((file, line), (main, 3)),
        other => panic!("{other:?}"),
    }
    home.write(".gitconfig", "[include]\n\tpath = inner\n");
    let inner = home.write("inner", "[a]\n\tx = \"open\n");
    match GitConfig::open(&home.context()) {
        Err(Error::BadGitConfig { file, .. }) => assert_eq!(file, inner),
        other => panic!("{other:?}"),
    }
    home.write("inner", "[include]\n\tpath = .gitconfig\n");
    assert!(matches!(
        GitConfig::open(&home.context()),
        Err(Error::IncludeDepth { .. })
    ));
    for text in [
        "\0\0",
        "[",
        "]",
        "[a \"b]",
        "=",
        "[a]\nb = \\",
        "\u{feff}[user]\nname=x\n",
        "[a]\n\tb\n",
        "[a.b]c=d",
    ] {
        home.write(".gitconfig", text);
        let ours = GitConfig::open(&home.context()).is_ok();
        let (theirs, _) = home.try_git(&home.path(), &["config", "--list"]);
        assert_eq!(ours, theirs, "{text:?}");
    }
}

#[test]
fn insteadof_and_pushurl_give_the_urls_that_git_uses() {
    let home = Home::new();
    home.write(
        ".gitconfig",
        "[url \"git@bitbucket.org:\"]\n\tinsteadOf = bb:\n\
         [url \"git@bitbucket.org:acme/\"]\n\tinsteadOf = bb:a/\n\
         [url \"ssh://git@ssh.bitbucket.org/\"]\n\tpushInsteadOf = https://bitbucket.org/\n",
    );
    let site = home.repository("site", "bb:a/site");
    for (name, url) in [
        ("two", "bb:other/site"),
        ("web", "https://bitbucket.org/acme/web"),
    ] {
        home.git(&site, &["remote", "add", name, url]);
    }
    home.git(&site, &["config", "remote.two.pushurl", "bb:pushed/site"]);
    let remotes = open(&home, &site).remotes();
    for name in ["origin", "two", "web"] {
        let mut by_git: Vec<_> = home
            .git(&site, &["remote", "get-url", "--all", name])
            .lines()
            .chain(
                home.git(&site, &["remote", "get-url", "--push", "--all", name])
                    .lines(),
            )
            .map(str::to_owned)
            .collect();
        by_git.dedup();
        let ours: Vec<_> = remotes
            .iter()
            .filter(|(remote, _)| remote == name)
            .map(|(_, url)| url.clone())
            .collect();
        assert_eq!(ours, by_git, "{name}");
    }
}

#[test]
fn own_configuration_counts_for_the_repositorys_remotes_only() {
    let home = Home::new();
    let site = home.repository("site", SITE);
    home.git(&site, &["config", "bitbucket.account", "a@example.com"]);
    let config = open(&home, &site);
    assert_eq!(
        of(&config, "site").repository.accounts[0].value,
        "a@example.com"
    );
    assert_eq!(
        of(&config, "SITE").repository.accounts.len(),
        1,
        "slugs have no case"
    );
    let other = of(&config, "other");
    assert!(other.repository.is_empty(), "a clone started in here");
    assert_eq!(other.ignored.len(), 1);
    let nobody = config.settings(&config.sites(), &cloud(), None);
    assert!(nobody.repository.is_empty(), "no repository is meant");
}

#[test]
fn an_alias_of_ssh_config_leads_to_the_same_repository() {
    let home = Home::new();
    let site = home.repository("site", "git@bb-work:acme/site.git");
    home.git(&site, &["config", "bitbucket.account", "a"]);
    let config = open(&home, &site);
    assert!(
        of(&config, "site").repository.is_empty(),
        "git config alone cannot know"
    );
    let config = config.with_alias("bb-work", "bitbucket.org", 22);
    assert_eq!(of(&config, "site").repository.accounts.len(), 1);
}

#[test]
fn hasconfig_includes_count_for_the_remotes_only() {
    let home = Home::new();
    home.write(
        ".gitconfig",
        "[includeIf \"hasconfig:remote.*.url:git@bitbucket.org:acme/**\"]\n\tpath = acme\n",
    );
    home.write("acme", "[bitbucket]\n\taccount = of-acme\n");
    let site = home.repository("site", SITE);
    let config = open(&home, &site);
    assert_eq!(of(&config, "site").plain.accounts[0].value, "of-acme");
    assert!(of(&config, "other").plain.is_empty());
}

#[test]
fn a_repository_that_git_does_not_trust_says_nothing() {
    let home = Home::new();
    let site = home.repository("site", SITE);
    home.git(&site, &["config", "bitbucket.account", "a"]);
    if !home.give_away(&site) {
        return;
    }
    for (safe, trusted, why) in [
        ("", false, "it is another user's"),
        ("[safe]\n\tdirectory = *\n", true, "everything is safe"),
        ("[safe]\n\tdirectory = ~/site\n", true, "it is named"),
        ("[safe]\n\tdirectory = ~/*\n", true, "its parent is named"),
        ("[safe]\n\tdirectory = ~/sit*\n", false, "no pattern"),
        (
            "[safe]\n\tdirectory = ~/site\n\tdirectory =\n",
            false,
            "forgotten again",
        ),
        (
            "[safe]\n\tdirectory = /elsewhere\n",
            false,
            "another one is named",
        ),
    ] {
        home.write(".gitconfig", safe);
        let (by_git, _) = home.try_git(&site, &["rev-parse", "--git-dir"]);
        assert_eq!(by_git, trusted, "git itself: {why}");
        let config = open(&home, &site);
        assert_eq!(config.untrusted().is_none(), trusted, "{why}");
        assert_eq!(!of(&config, "site").repository.is_empty(), trusted, "{why}");
    }
    home.write(".gitconfig", "");
    let told = of(&open(&home, &site), "site").ignored;
    assert!(
        told.iter()
            .any(|ignored| ignored.why.contains("safe.directory"))
    );
}

#[test]
fn bare_repositories_may_be_forbidden() {
    let home = Home::new();
    let bare = home.path().join("bare.git");
    home.git(
        &home.path(),
        &["init", "-q", "--bare", bare.to_str().unwrap()],
    );
    assert!(open(&home, &bare).git_directory().is_some());
    home.write(".gitconfig", "[safe]\n\tbareRepository = explicit\n");
    assert!(open(&home, &bare).git_directory().is_none());
    let site = home.repository("site", SITE);
    assert!(
        open(&home, &site.join(".git")).git_directory().is_some(),
        "not one"
    );
}

#[test]
fn git_dir_is_not_followed() {
    let mut home = Home::new();
    let site = home.repository("site", SITE);
    home.set("GIT_DIR", site.join(".git"));
    assert!(open(&home, &home.path()).git_directory().is_none());
}

#[test]
fn http_settings_come_from_outside_the_repository() {
    let home = Home::new();
    home.write(
        ".gitconfig",
        "[http]\n\tproxy = http://all:1\n\tsslVerify = false\n\
         [http \"https://api.bitbucket.org\"]\n\tproxy = http://one:2\n\tsslCAInfo = ~/ca.pem\n",
    );
    let site = home.repository("site", SITE);
    home.git(&site, &["config", "http.proxy", "http://evil:3"]);
    let config = open(&home, &site);
    let http = config.http("https://api.bitbucket.org/2.0");
    assert_eq!(http.proxy.as_deref(), Some("http://one:2"));
    assert_eq!(http.ssl_ca_info, Some(home.path().join("ca.pem")));
    assert_eq!(http.ignored.len(), 1);
    let http = config.http("https://git.example.com");
    assert_eq!(http.proxy.as_deref(), Some("http://all:1"));
}
