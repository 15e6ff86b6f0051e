//! Bitbucket Data Center, by the sandbox's Data Center mode: configuration, login, fetch.

use std::fs;
use std::path::Path;
use std::process::Command;

use sandbox::{Permission, Sandbox, Visibility};

use crate::support::{ALICE, Output, Running, Tls, World, run};
use crate::terminal::Terminal;
use expectrl::{Expect as _, Regex};

/// Carol's password, which holds characters that a careless encoding would lose.
pub const PASSWORD: &str = "pass word:ü";

/// A machine with Cloud and a Data Center, where Carol may push to `PROJ/tool` and to her own
/// `~carol/notes`.
pub struct Company {
    pub world: World,
    pub center: Sandbox,
}

impl Company {
    pub fn new() -> Self {
        let center = Sandbox::start_data_center();
        center.add_account("carol", "carol");
        center.add_password("carol", PASSWORD);
        for name in ["proj/tool", "~carol/notes"] {
            center.add_repository(name, Visibility::Private);
            center.grant("carol", name, Some(Permission::Write));
        }
        let world = World::new();
        let company = Self { world, center };
        company.set("type", "datacenter");
        company
    }

    /// `bitbucket.<url>.NAME` of the Data Center.
    pub fn set(&self, name: &str, value: &str) {
        let key = format!("bitbucket.{}.{name}", self.center.web_url());
        self.world.configure(&key, value);
    }

    pub fn login(&self, secret: &str) -> Output {
        let mut git = self.world.command("git");
        let url = self.center.web_url();
        git.args(["bitbucket", "login", "--site", &url, "carol"]);
        git.args(["--with-token", "--store", "file"]);
        Running::start(git, format!("{secret}\n").into_bytes()).wait()
    }

    /// `ssh://git@127.0.0.1:PORT/PATH`.
    pub fn url(&self, path: &str) -> String {
        format!("ssh://git@{}/{path}", self.center.ssh_host())
    }

    /// Fingerprints of Carol's keys on the site.
    pub fn keys(&self) -> usize {
        self.center.keys("carol").len()
    }

    pub(crate) fn records(&self) -> String {
        let file = self.world.path("home/.ssh/bitbucket-ssh/records.json");
        fs::read_to_string(file).unwrap()
    }
}

/// The main job there: log in by password, and the first clone makes a key.
#[test]
fn a_site_is_logged_in_to_cloned_from_and_pushed_to() {
    let company = Company::new();
    company.set("provision", "auto");
    company.set("keyLifetime", "90d");
    let output = company.login(PASSWORD).succeeds();
    let fingerprint = company.center.host_key_fingerprint();
    assert!(output.stdout().contains(&fingerprint), "{output}");
    assert!(company.records().contains(&fingerprint));
    let known_hosts = fs::read(company.world.path("home/.ssh/known_hosts")).unwrap();

    // The port is that of the site's settings; git config does not contain it.
    let world = &company.world;
    world
        .git(&["clone", &company.url("PROJ/tool.git"), "tool"])
        .succeeds()
        .says("created an ed25519 key pair");
    let key = &company.center.keys("carol")[0];
    let days = key.expires_on.unwrap().duration_since(key.created_on);
    assert_eq!(days.as_hours(), 90 * 24, "expiryDays reached the site");
    assert_eq!(
        fs::read(world.path("home/.ssh/known_hosts")).unwrap(),
        known_hosts,
        "the fingerprint of the settings was enough: nobody was asked, nothing written"
    );

    // The name of the file holds account, host, port and context.
    let port = company.center.web_url();
    let port = port.split([':', '/']).nth(4).unwrap().to_owned();
    let file = format!("bitbucket_carol_127.0.0.1_{port}_bitbucket_ed25519");
    assert!(
        world.ssh_files().contains(&file),
        "{file}: {:?}",
        world.ssh_files()
    );

    // Project keys and slugs have no case; a second key would show.
    fs::write(world.path("work/tool/new"), "new\n").unwrap();
    for arguments in [
        &["-C", "tool", "add", "new"][..],
        &["-C", "tool", "commit", "--quiet", "-m", "New"],
        &["-C", "tool", "push", "origin", "main"],
        &["ls-remote", &company.url("proj/TOOL")],
        &["ls-remote", &company.url("~carol/notes.git")],
        &["ls-remote", &company.url("~Carol/Notes.git")],
    ] {
        world.git(arguments).succeeds();
    }
    assert_eq!(company.keys(), 1);
    // A fetch whose identity works makes no API call.
    let before = company.center.requests().len();
    world.git(&["-C", "tool", "fetch"]).succeeds();
    assert_eq!(company.center.requests().len(), before);
    // Every call that was made stayed below the context path and in the module's words.
    for request in company.center.requests() {
        assert!(request.path.starts_with("/bitbucket/rest/"), "{request:?}");
        assert_ne!(request.method, "DELETE", "{request:?}");
    }
}

/// By default a person is asked before a key is created; without one, nothing is created.
#[test]
fn a_key_is_created_only_after_a_yes() {
    let mut company = Company::new();
    company.login(PASSWORD).succeeds();
    let url = company.url("PROJ/tool.git");
    company.world.git(&["ls-remote", &url]).fails_with(128);
    assert_eq!(company.keys(), 0);
    assert_eq!(company.world.ssh_files(), ["bitbucket-ssh", "known_hosts"]);

    for (answer, keys) in [("no", 0), ("yes", 1)] {
        let askpass = company.world.path("askpass");
        fs::write(
            &askpass,
            format!("#!/bin/sh\necho \"$1\" >&2\necho {answer}\n"),
        )
        .unwrap();
        executable(&askpass);
        company.world.set("SSH_ASKPASS", &askpass);
        company.world.set("SSH_ASKPASS_REQUIRE", "force");
        company.world.configure("bitbucket.passphrase", "none");
        let output = company.world.git(&["ls-remote", &url]).says("Create a key");
        assert_eq!(output.status == Some(0), keys == 1, "{output}");
        assert_eq!(company.keys(), keys, "answered {answer}");
    }
}

/// An HTTP access token cannot add keys: the key and the page are shown, and once a person has
/// added it there, the next fetch continues with the same key.
#[test]
fn with_a_token_that_cannot_add_keys_the_key_is_added_by_hand() {
    let company = Company::new();
    company.set("provision", "auto");
    let token = company.center.add_http_access_token("carol");
    company.login(&token).succeeds();
    let url = company.url("PROJ/tool.git");
    let page = format!(
        "{}/plugins/servlet/ssh/account/keys",
        company.center.web_url()
    );
    let output = company.world.git(&["ls-remote", &url]).fails_with(128);
    let output = output.says(&page).stderr();
    assert!(!output.contains(&token), "{output}");
    let line = output
        .lines()
        .find_map(|line| {
            line.strip_prefix("hint: ")
                .filter(|line| line.starts_with("ssh-ed25519 "))
        })
        .expect("the public key is shown")
        .to_owned();
    assert_eq!(company.keys(), 0);

    // A second try makes no second pair.
    let again = company.world.git(&["ls-remote", &url]).fails_with(128);
    again.says(&line);
    company.center.add_key("carol", &line, "by hand");
    company.world.git(&["ls-remote", &url]).succeeds();
    assert_eq!(company.keys(), 1);
    let keys = company.world.ssh_files();
    let keys: Vec<_> = keys
        .iter()
        .filter(|name| name.ends_with("ed25519"))
        .collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
}

/// Keys are listed, made and revoked one by one: no call without an id, which would take all.
#[test]
fn one_key_is_revoked_and_the_others_stay() {
    let company = Company::new();
    company.set("provision", "auto");
    company.login(PASSWORD).succeeds();
    let url = company.url("PROJ/tool.git");
    let world = &company.world;
    world.git(&["ls-remote", &url]).succeeds();
    let other = world.make_key("id_other", "");
    company.center.add_key("carol", &other, "from elsewhere");
    let listed = world.git_bitbucket(&["key", "list", "--json"]).succeeds();
    for key in company.center.keys("carol") {
        assert!(listed.stdout().contains(&key.fingerprint), "{listed}");
    }
    let mine = company.center.keys("carol")[0].fingerprint.clone();
    let named = format!("SHA256:{mine}");
    world.git_bitbucket(&["key", "revoke", &named]).succeeds();
    let left = company.center.keys("carol");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].label, "from elsewhere");
    let requests = company.center.requests();
    let deletes: Vec<_> = requests
        .iter()
        .filter(|one| one.method == "DELETE")
        .collect();
    assert_eq!(deletes.len(), 1, "{deletes:?}");
    assert!(
        !deletes[0].path.trim_end_matches('/').ends_with("keys"),
        "{deletes:?}"
    );
}

/// An expired key is replaced within the same command; one that was removed is not created again.
#[test]
fn an_expired_key_is_replaced_and_a_removed_one_reported() {
    let company = Company::new();
    company.set("provision", "auto");
    company.login(PASSWORD).succeeds();
    let url = company.url("PROJ/tool.git");
    company.world.git(&["ls-remote", &url]).succeeds();
    let old = company.center.keys("carol")[0].fingerprint.clone();
    let past = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    company.center.set_expiry("carol", Some(past));
    company.world.git(&["ls-remote", &url]).succeeds();
    let keys = company.center.keys("carol");
    assert_eq!(keys.len(), 2);
    let new = &keys[1].fingerprint;
    assert_ne!(*new, old);
    let login = company.center.connections().pop().unwrap().login.unwrap();
    assert_eq!(login.fingerprint, *new);

    company.center.remove_keys("carol", None);
    let output = company.world.git(&["ls-remote", &url]).fails_with(128);
    output.says("hint: git bitbucket key new --account carol");
    assert_eq!(company.keys(), 0, "never silently made anew");
}

/// What `login` recorded of the site's SSH is shown, and is removed with the last account and key.
#[test]
fn the_site_s_host_key_is_shown_and_forgotten() {
    let company = Company::new();
    let fingerprint = company.center.host_key_fingerprint();
    // Nothing of it is in known_hosts.
    fs::write(company.world.path("home/.ssh/known_hosts"), "").unwrap();
    company.login(PASSWORD).succeeds();
    let url = company.url("PROJ/tool.git");
    let status = |arguments: &[&str]| {
        let words = [&["status", &url], arguments].concat();
        company.world.git_bitbucket(&words).succeeds().stdout()
    };
    let text = status(&[]);
    let line = text.lines().find(|line| line.contains(&fingerprint));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("read from the site at login"), "{line}");
    let json: serde_json::Value = serde_json::from_str(&status(&["--json"])).unwrap();
    assert_eq!(json["host_keys"][0]["fingerprint"], fingerprint.as_str());
    assert_eq!(json["host_keys"][0]["source"], "site");
    assert!(json["host_keys"][0]["algorithm"].is_null(), "{json}");

    company.set("provision", "auto");
    company.world.git(&["ls-remote", &url]).succeeds();
    company.world.git_bitbucket(&["logout", "carol"]).succeeds();
    assert!(company.records().contains(&fingerprint), "her key is here");
    company.world.git(&["ls-remote", &url]).succeeds();

    company.login(PASSWORD).succeeds();
    let key = format!("SHA256:{}", company.center.keys("carol")[0].fingerprint);
    company
        .world
        .git_bitbucket(&["key", "revoke", &key])
        .succeeds();
    company.world.git_bitbucket(&["logout", "carol"]).succeeds();
    assert!(!company.records().contains(&fingerprint));
}

/// On a terminal git waits until the key has been added on the page.
#[test]
fn with_a_token_that_cannot_add_keys_a_terminal_waits_for_the_key() {
    let company = Company::new();
    company.set("provision", "auto");
    let token = company.center.add_http_access_token("carol");
    company.login(&token).succeeds();
    let url = company.url("PROJ/tool.git");
    // The key pair that was created without a terminal is the one that is shown.
    company.world.git(&["ls-remote", &url]).fails_with(128);
    let mut git = Terminal::start(&company.world, "git", &["ls-remote", &url]);
    git.sees("the token cannot register keys");
    git.sees("/plugins/servlet/ssh/account/keys");
    let key = git.0.expect(Regex(r"ssh-ed25519 [A-Za-z0-9+/=]+")).unwrap();
    let key = String::from_utf8(key.get(0).unwrap().to_vec()).unwrap();
    git.sees("waiting until the site accepts it");
    company.center.add_key("carol", &key, "by hand");
    let (text, status) = git.ends();
    assert_eq!(status, 0, "{text}");
    assert_eq!(company.keys(), 1);
}

/// A token belongs to one user: with another name the login fails.
#[test]
fn another_user_s_token_is_no_login() {
    let company = Company::new();
    company.center.add_account("dora", "dora");
    let token = company.center.add_http_access_token("dora");
    let output = company.login(&token).fails_with(1);
    let output = output.says("this token belongs to dora, not to carol");
    output.says("hint: git bitbucket login dora --site ");
    let records = company.world.path("home/.ssh/bitbucket-ssh");
    assert!(!records.join("tokens.json").exists());
    assert!(!records.join("records.json").exists());
    let token = company.center.add_http_access_token("carol");
    company.login(&token).succeeds();
}

/// With wrong credentials the login fails, and nothing is recorded.
#[test]
fn a_wrong_password_is_no_login() {
    let company = Company::new();
    let output = company.login("wrong");
    assert_ne!(output.status, Some(0), "{output}");
    assert!(!output.stderr().contains("wrong\n"), "{output}");
    assert!(
        !company
            .world
            .path("home/.ssh/bitbucket-ssh/records.json")
            .exists()
    );
}

/// The settings name another host: it is used only when a person confirms it.
#[test]
fn another_host_than_the_web_host_is_not_believed() {
    let company = Company::new();
    company.set("provision", "auto");
    let port = company.center.ssh_port();
    company
        .center
        .set_ssh_base_url(&format!("ssh://localhost:{port}"));
    let output = company.login(PASSWORD).succeeds();
    let output = output.says(&format!("localhost port {port}"));
    let hint = format!(
        "bitbucket.{}.sshHost localhost:{port}",
        company.center.web_url()
    );
    let output = output.says(&hint);
    assert!(!output.stdout().contains("SSH: localhost"), "{output}");
    let url = format!("ssh://git@localhost:{port}/PROJ/tool.git");
    let plain = company.world.git(&["ls-remote", &url]);
    assert_ne!(plain.status, Some(0), "{plain}");
    assert_eq!(company.keys(), 0, "the system's ssh went: no host of ours");

    // As the hint says; now the fingerprint that was read counts for it, too.
    company.set("sshHost", &format!("localhost:{port}"));
    company.world.git(&["ls-remote", &url]).succeeds();
    assert_eq!(company.keys(), 1);
}

/// A host key other than that of the settings is refused.
#[test]
fn another_host_key_than_the_site_s_is_not_accepted() {
    let company = Company::new();
    company.set("provision", "auto");
    company.login(PASSWORD).succeeds();
    let faults = company.center.faults();
    faults.ssh(sandbox::SshFault::OtherHostKey, 1);
    company
        .world
        .git(&["ls-remote", &company.url("PROJ/tool.git")])
        .fails_with(128)
        .says("Host key verification failed");
    assert!(
        company
            .center
            .connections()
            .iter()
            .all(|one| one.login.is_none())
    );
}

/// Cloud and two Data Centers on one machine: each repository uses its own site and key; the port
/// distinguishes them.
#[test]
fn sites_are_distinguished_by_host_and_port() {
    let company = Company::new();
    company.set("provision", "auto");
    company.login(PASSWORD).succeeds();
    let other = Sandbox::start_data_center();
    other.add_account("dora", "dora");
    other.add_password("dora", "secret");
    other.add_repository("proj/tool", Visibility::Private);
    other.grant("dora", "proj/tool", Some(Permission::Read));
    let world = &company.world;
    for (name, value) in [("type", "datacenter"), ("provision", "auto")] {
        world.configure(&format!("bitbucket.{}.{name}", other.web_url()), value);
    }
    let mut login = world.command("git");
    login.args(["bitbucket", "login", "--site", &other.web_url(), "dora"]);
    login.args(["--with-token", "--store", "file"]);
    Running::start(login, b"secret\n".to_vec())
        .wait()
        .succeeds();

    world
        .git(&["ls-remote", &company.url("PROJ/tool.git")])
        .succeeds();
    let there = format!("ssh://git@{}/PROJ/tool.git", other.ssh_host());
    world.git(&["ls-remote", &there]).succeeds();
    world
        .git(&["ls-remote", "git@bitbucket.org:acme/site.git"])
        .succeeds();
    assert_eq!(company.keys(), 1);
    assert_eq!(other.keys("dora").len(), 1);
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    let offered = |one: &Sandbox| {
        let connections = one.connections();
        let offers = connections.into_iter().flat_map(|one| one.offers);
        let mut keys: Vec<_> = offers.map(|offer| offer.fingerprint).collect();
        keys.dedup();
        keys
    };
    for (site, keys) in [
        (&company.center, company.center.keys("carol")),
        (&other, other.keys("dora")),
        (&world.sandbox, world.sandbox.keys(ALICE)),
    ] {
        assert_eq!(offered(site), [keys[0].fingerprint.clone()]);
    }
}

/// A CA of one's own by `http.sslCAInfo`; without it the password is not sent.
#[test]
fn a_ca_of_one_s_own_is_named_by_git_s_setting() {
    let company = Company::new();
    let world = &company.world;
    let plain = company.center.web_url();
    let behind = plain.split([':', '/']).nth(4).unwrap().parse().unwrap();
    let tls = Tls::start(&world.path("tmp"), || world.command("openssl"), behind);
    let url = format!("https://127.0.0.1:{}/bitbucket", tls.port);
    world.configure(&format!("bitbucket.{url}.type"), "datacenter");
    let login = || {
        let mut git = world.command("git");
        git.args(["bitbucket", "login", "--site", &url, "carol"]);
        git.args(["--with-token", "--store", "file"]);
        Running::start(git, format!("{PASSWORD}\n").into_bytes()).wait()
    };
    login().fails_with(1);
    assert!(company.center.requests().is_empty());
    world.configure("http.sslCAInfo", tls.ca.to_str().unwrap());
    let output = login().succeeds();
    let fingerprint = company.center.host_key_fingerprint();
    assert!(output.stdout().contains(&fingerprint), "{output}");
}

/// A password is never sent over plain http to another machine: that is not a site.
#[test]
fn plain_http_to_another_machine_is_no_site() {
    let company = Company::new();
    let url = "http://git.example.com/bitbucket";
    let key = format!("bitbucket.{url}.type");
    company.world.configure(&key, "datacenter");
    let mut git: Command = company.world.command("git");
    git.args(["bitbucket", "login", "--site", url, "carol", "--with-token"]);
    run(git).fails_with(2);
}

pub fn executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_refused_connection_gets_no_advice_for_cloud() {
    let company = Company::new();
    company.login(PASSWORD).succeeds();
    company.set("sshHost", "127.0.0.1:9");
    company.set("provision", "auto");
    let output = company
        .world
        .git(&["ls-remote", "ssh://git@127.0.0.1:9/PROJ/tool.git"])
        .fails_with(128);
    let text = output.stderr();
    assert!(text.contains("port 9: Connection refused"), "{output}");
    assert!(!text.contains("altssh"), "{output}");
    let advice = format!(
        "hint: git bitbucket login --site {}",
        company.center.web_url()
    );
    assert!(text.contains(&advice), "{output}");
}
