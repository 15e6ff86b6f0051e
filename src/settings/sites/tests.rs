use super::*;
use crate::settings::GitConfig;
use crate::settings::git_config::fixture::Home;

fn read(text: &str) -> (Vec<Site>, Vec<String>) {
    let home = Home::new();
    home.write(".gitconfig", text);
    let config = GitConfig::open(&home.context()).unwrap();
    let settings = config.settings(&config.sites(), &cloud(), None);
    let why = settings
        .ignored
        .into_iter()
        .map(|ignored| ignored.why)
        .collect();
    (config.sites(), why)
}

#[test]
fn cloud_is_there_and_can_be_led_elsewhere() {
    let (sites, ignored) = read("");
    assert_eq!((sites, ignored.len()), (vec![cloud()], 0));
    let (sites, ignored) = read(
        "[bitbucket \"https://bitbucket.org\"]\n\tapiUrl = http://127.0.0.1:8080/2.0/\n\
         \tsshHost = 127.0.0.1:2222\n\tsshHost = [::1]:2223\n\tsshHost = Host.example\n\ttype = cloud\n",
    );
    assert_eq!(sites.len(), 1);
    assert_eq!(sites[0].api_url, "http://127.0.0.1:8080/2.0");
    let hosts: Vec<_> = sites[0]
        .ssh_hosts
        .iter()
        .map(|at| (at.host.as_str(), at.port))
        .collect();
    assert_eq!(
        hosts,
        [("127.0.0.1", 2222), ("::1", 2223), ("host.example", 22)]
    );
    assert!(ignored.is_empty(), "{ignored:?}");
}

#[test]
fn a_data_center_has_defaults_from_its_url() {
    let (sites, ignored) = read(
        "[bitbucket \"HTTPS://Git.Example.com:8443/ctx/\"]\n\ttype = datacenter\n\
         [bitbucket \"https://two.example.com\"]\n\ttype = DataCenter\n\tsshHost = ssh.example.com\n\
         \tapiUrl = https://api.example.com/x\n",
    );
    assert!(ignored.is_empty(), "{ignored:?}");
    assert_eq!(sites[1].url, "https://git.example.com:8443/ctx");
    assert_eq!(sites[1].api_url, sites[1].url);
    assert_eq!(sites[1].ssh_hosts[0].host, "git.example.com");
    assert_eq!(sites[1].ssh_hosts[0].port, 7999);
    assert_eq!(sites[2].api_url, "https://api.example.com/x");
    assert_eq!(sites[2].ssh_hosts[0].port, 7999);
}

#[test]
fn what_makes_no_site_is_named() {
    for (url, line, expected) in [
        (
            "https://bitbucket.org",
            "type = datacenter",
            "Bitbucket Cloud is built in",
        ),
        (
            "https://bitbucket.org/acme",
            "apiUrl = https://x.example",
            "can be set for https://bitbucket.org only, not for a path below it",
        ),
        (
            "https://git.example.com",
            "apiUrl = https://x.example",
            "not a site: bitbucket.<url>.type is not set",
        ),
        (
            "https://git.example.com",
            "type = server",
            "not one of cloud, datacenter",
        ),
        (
            "https://*.example.com",
            "type = datacenter",
            "a site's URL has no wildcard",
        ),
        (
            "http://git.example.com",
            "type = datacenter",
            "plain http is allowed for a loopback address only",
        ),
        (
            "ssh://git.example.com",
            "type = datacenter",
            "a site's URL is its web address",
        ),
        ("git.example.com", "type = datacenter", "not a URL"),
        (
            "https://bitbucket.org",
            "apiUrl = http://api.example.com",
            "plain http is allowed for a loopback address only",
        ),
        (
            "https://bitbucket.org",
            "apiUrl = https://me@api.example.com",
            "the URL may not hold a user",
        ),
        (
            "https://bitbucket.org",
            "sshHost = -oProxyCommand=x",
            "not a host[:port]",
        ),
        (
            "https://bitbucket.org",
            "sshHost = a b",
            "not a host[:port]",
        ),
        (
            "https://bitbucket.org",
            "sshHost = host:99999",
            "not a host[:port]",
        ),
    ] {
        let (sites, ignored) = read(&format!("[bitbucket \"{url}\"]\n\t{line}\n"));
        assert_eq!(sites, [cloud()], "{url} {line}");
        assert_eq!(ignored, [expected], "{url} {line}");
    }
}

#[test]
fn the_highest_scope_speaks_alone_and_a_repository_has_no_say() {
    let home = Home::new();
    let host = |name: &str| format!("[bitbucket \"https://bitbucket.org\"]\n\tsshHost = {name}\n");
    home.write("system", &host("system.example"));
    home.write(".gitconfig", &host("global.example"));
    let site = home.repository("site", "git@bitbucket.org:acme/site");
    home.git(
        &site,
        &[
            "config",
            "bitbucket.https://bitbucket.org.sshHost",
            "evil.example",
        ],
    );
    let config = GitConfig::open(&home.context_in(&site)).unwrap();
    let hosts: Vec<_> = config.sites()[0]
        .ssh_hosts
        .iter()
        .map(|at| at.host.clone())
        .collect();
    assert_eq!(hosts, ["global.example"]);
    assert!(config.names_ssh_hosts(&cloud()));
    home.write(".gitconfig", &host(""));
    let config = GitConfig::open(&home.context_in(&site)).unwrap();
    assert_eq!(config.sites()[0], cloud(), "an empty value clears");
    assert!(!config.names_ssh_hosts(&cloud()));
}
