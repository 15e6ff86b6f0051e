use crate::repository::{Repository, Site, SiteKind, SshHost, cloud};
use crate::settings::git_config::fixture::Home;
use crate::settings::*;

fn wanted() -> Repository {
    Repository {
        site: "https://bitbucket.org".to_owned(),
        workspace: "acme".to_owned(),
        slug: "site".to_owned(),
    }
}

/// The settings for acme/site from its own clone, with these files.
fn settings(home: &Home, system: &str, global: &str, own: &str) -> Settings {
    home.write("system", system);
    home.write(".gitconfig", global);
    let site = home.repository("site", "git@bitbucket.org:acme/site");
    let file = site.join(".git/config");
    let fresh = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{fresh}{own}")).unwrap();
    let config = GitConfig::open(&home.context_in(&site)).unwrap();
    let settings = config.settings(&config.sites(), &cloud(), Some(&wanted()));
    std::fs::remove_dir_all(&site).unwrap();
    settings
}

fn accounts(statement: &IdentitySettings) -> Vec<&str> {
    statement
        .accounts
        .iter()
        .map(|account| account.value.as_str())
        .collect()
}

#[test]
fn which_accounts_count() {
    let home = Home::new();
    let url = |url: &str, lines: &str| format!("[bitbucket \"{url}\"]\n{lines}");
    let acme = "https://bitbucket.org/acme";
    for (system, global, expected, why) in [
        (
            "account = s",
            "account = g1\naccount = g2",
            vec!["g1", "g2"],
            "the highest scope alone, in file order",
        ),
        ("account = s", "", vec!["s"], "else the system's"),
        ("account = s", "account =", vec![], "an empty value clears"),
        (
            "",
            "account = g1\naccount =\naccount = g2",
            vec!["g2"],
            "those before it",
        ),
    ] {
        let plain = settings(
            &home,
            &format!("[bitbucket]\n{system}\n"),
            &format!("[bitbucket]\n{global}\n"),
            "",
        );
        assert_eq!(accounts(&plain.plain), expected, "plain: {why}");
        let by_url = settings(
            &home,
            &url(acme, &format!("{system}\n")),
            &url(acme, &format!("{global}\n")),
            "",
        );
        assert_eq!(accounts(&by_url.by_url), expected, "by URL: {why}");
    }
    let global = [
        url("https://bitbucket.org", "account = site\n"),
        url("https://bitbucket.org/ACME", "account = acme\n"),
        url("https://bitbucket.org/acme/site", "keyType = rsa\n"),
        url("https://bitbucket.org/other", "account = other\n"),
        url("ssh://git@ssh.bitbucket.org/acme", "account = again\n"),
    ]
    .concat();
    let found = settings(&home, "", &global, "");
    assert_eq!(
        accounts(&found.by_url),
        ["acme", "again"],
        "the closest that has a value; schemes are the same"
    );
    assert_eq!(found.key_type.value, KeyType::Rsa(4096));
    let cleared = settings(&home, "", &(global + &url(acme, "account =\n")), "");
    assert_eq!(
        accounts(&cleared.by_url),
        ["site"],
        "the closest that still has one"
    );
}

#[test]
fn a_repositorys_own_configuration_says_little() {
    let home = Home::new();
    let key = home.write("keys/id", "x");
    let inside = home.path().join("site/.git/HEAD");
    let own = format!(
        "[bitbucket]\n\taccount = a\n\tidentityFile = {}\n\tidentityFile = {}\n\tidentityFile = ~/gone\n\
         \tidentityFile = ~/keys\n\ttransport = openssh\n\tprovision = auto\n\tkeyType = rsa\n\tpassphrase = none\n\
         \totherHosts = native\n[bitbucket \"hooks\"]\n\tauthor = refuse\n",
        key.display(),
        inside.display(),
    );
    let found = settings(&home, "", "[bitbucket]\n\ttransport = native\n", &own);
    assert_eq!(accounts(&found.repository), ["a"]);
    assert_eq!(found.repository.identity_files.len(), 1);
    assert_eq!(found.repository.identity_files[0].value, key);
    assert_eq!(found.transport.value, TransportKind::OpenSsh);
    assert_eq!(found.author_check.value, AuthorCheck::Refuse);
    assert_eq!(found.provision.value, Provision::Auto);
    assert_eq!(found.provision.origin, Origin::Default);
    assert_eq!(found.key_type.value, KeyType::Ed25519);
    assert_eq!(found.passphrase.value, PassphraseStore::Auto);
    let why: Vec<_> = found
        .ignored
        .iter()
        .map(|ignored| ignored.why.as_str())
        .collect();
    assert_eq!(
        why,
        [
            "the file is inside the repository",
            "no such file",
            "not a regular file",
            "a repository's own configuration may only set never",
            "not allowed in a repository's own configuration",
            "not allowed in a repository's own configuration",
            "not allowed in a repository's own configuration",
        ]
    );
    let found = settings(
        &home,
        "",
        "[bitbucket]\n\tprovision = auto\n",
        "[bitbucket]\n\tprovision = never\n",
    );
    assert_eq!(found.provision.value, Provision::Never);
    let found = settings(
        &home,
        "",
        "",
        "[bitbucket]\n\taccount = plain\n[bitbucket \"https://bitbucket.org/acme\"]\n\taccount = url\n",
    );
    assert_eq!(
        accounts(&found.repository),
        ["url"],
        "URL values stand before plain ones"
    );
}

#[test]
fn a_key_file_of_another_user_does_not_count_in_a_repository() {
    let home = Home::new();
    let key = home.write("key", "x");
    if !home.give_away(&key) {
        return;
    }
    let found = settings(&home, "", "", "[bitbucket]\n\tidentityFile = ~/key\n");
    assert!(found.repository.is_empty());
    assert_eq!(found.ignored[0].why, "the file belongs to another user");
    let found = settings(&home, "", "[bitbucket]\n\tidentityFile = ~/key\n", "");
    assert_eq!(
        found.plain.identity_files[0].value, key,
        "the user may name any file"
    );
}

#[test]
fn when_keys_are_made() {
    let cases = [
        ("", None, Provision::Auto, None, "Cloud"),
        ("provision = ask", None, Provision::Ask, None, "said"),
        ("", Some("true"), Provision::Never, None, "CI"),
        ("", Some("false"), Provision::Auto, None, "CI turned off"),
        (
            "provision = auto",
            Some("1"),
            Provision::Auto,
            Some(1),
            "said in CI: for a day",
        ),
        (
            "provision = auto\nkeyLifetime = 90d",
            Some("1"),
            Provision::Auto,
            Some(1),
            "whatever else is said",
        ),
        (
            "keyLifetime = 12w",
            None,
            Provision::Auto,
            Some(84),
            "a lifetime",
        ),
        (
            "provision = nver",
            None,
            Provision::Never,
            None,
            "not understood: nothing is made",
        ),
        (
            "keyType = rsa-1024",
            None,
            Provision::Never,
            None,
            "nor with a key type",
        ),
        (
            "keyLifetime = 90h",
            None,
            Provision::Never,
            None,
            "nor with a lifetime",
        ),
        (
            "passphrase = keyrng",
            None,
            Provision::Never,
            None,
            "nor with a passphrase",
        ),
        (
            "transport = opnssh",
            None,
            Provision::Auto,
            None,
            "which has nothing to do with keys",
        ),
    ];
    for (line, ci, provision, days, why) in cases {
        let mut home = Home::new();
        if let Some(ci) = ci {
            home.set("CI", ci);
        }
        let found = settings(&home, "", &format!("[bitbucket]\n{line}\n"), "");
        assert_eq!(found.provision.value, provision, "{why}");
        assert_eq!(found.key_lifetime.map(|days| days.value), days, "{why}");
    }
    let home = Home::new();
    let config = GitConfig::open(&home.context()).unwrap();
    let center = Site {
        kind: SiteKind::DataCenter,
        url: "https://git.example.com".to_owned(),
        api_url: "https://git.example.com".to_owned(),
        ssh_hosts: vec![SshHost {
            host: "git.example.com".to_owned(),
            port: 7999,
        }],
    };
    let found = config.settings(std::slice::from_ref(&center), &center, None);
    assert_eq!(found.provision.value, Provision::Ask, "Data Center");
}

#[test]
fn what_does_not_count_is_named() {
    let home = Home::new();
    for (text, expected) in [
        (
            "[bitbucket]\nacount = x\n",
            Some("no such setting; did you mean account?"),
        ),
        ("[bitbucket]\ncolour = x\n", Some("no such setting")),
        (
            "[bitbucket \"hook\"]\nauthor = x\n",
            Some("no such setting; did you mean hooks.author?"),
        ),
        (
            "[bitbucket \"https://bitbucket.org.hooks\"]\nauthor = off\n",
            None,
        ),
        (
            "[bitbucket]\ntype = cloud\n",
            Some("needs the URL of a site: bitbucket.<url>.type"),
        ),
        (
            "[bitbucket \"https://bitbucket.org\"]\notherHosts = native\n",
            Some("cannot be set for a URL"),
        ),
        (
            "[bitbucket]\notherHosts = nativ\n",
            Some("not one of system, native; did you mean native?"),
        ),
        (
            "[bitbucket \"bitbucket.org\"]\naccount = x\n",
            Some("not a URL"),
        ),
        (
            "[bitbucket \"https://bitbukcet.org\"]\naccount = x\n",
            Some("the URL is not that of a site"),
        ),
        (
            "[bitbucket \"https://me@bitbucket.org\"]\naccount = x\n",
            Some("a repository's URL has no user"),
        ),
        (
            "[bitbucket \"https://bitbucket.org/other\"]\naccount = x\n",
            None,
        ),
        (
            "[bitbucket]\nidentityFile = keys/id\n",
            Some("not an absolute path or ~/…"),
        ),
        (
            "[bitbucket]\ntransport = ssh\n",
            Some("not one of native, openssh: connections fail until it is corrected"),
        ),
    ] {
        let found = settings(&home, "", text, "");
        let why: Vec<_> = found
            .ignored
            .iter()
            .map(|ignored| ignored.why.as_str())
            .collect();
        assert_eq!(why.first().copied(), expected, "{text}");
        assert!(why.len() < 2, "{text}: {why:?}");
    }
    let found = settings(
        &home,
        "",
        "[bitbucket]\nauthor = x\n[bitbucket \"hooks\"]\nauthor = off\n",
        "",
    );
    assert_eq!(found.author_check.value, AuthorCheck::Off);
    assert_eq!(found.ignored.len(), 1);
}
