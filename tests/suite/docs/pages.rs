//! The blocks of the pages that are marked as tested, typed by a person in their order.

use std::fs;

use sandbox::{Permission, SCOPES_ALL, Sandbox, Visibility};

use super::page;
use crate::support::World;
use crate::terminal::Terminal;

const WORK: &str = "work@example.com";
const ME: &str = "me@example.org";

/// What a person types, block after block.
fn script(name: &str) -> String {
    let text = fs::read_to_string(page(name)).unwrap();
    let blocks = text.split("```sh tested\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let script: String = blocks.collect();
    assert!(!script.is_empty(), "{name} has a block");
    script
}

/// Types the script on a terminal; `answers` are what is asked, and what is typed then.
#[track_caller]
fn works(world: &World, script: &str, answers: &[(String, String)]) {
    let mut shell = Terminal::start(world, "sh", &["-ec", script]);
    for (question, answer) in answers {
        shell.sees(question);
        shell.types(answer);
    }
    let (shown, status) = shell.ends();
    assert_eq!(status, 0, "{script}\n{shown}");
}

/// A machine for two accounts; none is logged in.
fn machine() -> World {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    world.configure("bitbucket.passphrase", "none");
    for (email, name, repository) in [(WORK, "work", "acme/tools"), (ME, "me", "me/dotfiles")] {
        world.sandbox.add_account(email, name);
        world
            .sandbox
            .add_repository(repository, Visibility::Private);
        world
            .sandbox
            .grant(email, repository, Some(Permission::Write));
    }
    world
        .sandbox
        .grant(WORK, "acme/site", Some(Permission::Write));
    world
}

/// What `login` asks for.
fn token(world: &World, account: &str) -> (String, String) {
    (
        format!("API token for {account}: "),
        world.sandbox.add_token(account, SCOPES_ALL),
    )
}

/// The account of the last login.
fn last(world: &World) -> Option<String> {
    let connections = world.sandbox.connections();
    connections.last()?.login.clone()?.account
}

#[test]
fn two_accounts() {
    let world = machine();
    let answers = [token(&world, WORK), token(&world, ME)];
    works(&world, &script("two-accounts.md"), &answers);
    assert_eq!(last(&world).as_deref(), Some(WORK));
    for account in [WORK, ME] {
        assert_eq!(world.sandbox.keys(account).len(), 1, "{account}");
    }
    assert!(world.path("work/dotfiles/README.md").exists());
}

#[test]
fn from_aliases() {
    let world = machine();
    let line = world.make_key("work", "");
    world.sandbox.add_key(WORK, &line, "work");
    let text = fs::read_to_string(page("from-aliases.md")).unwrap();
    let config = text.split("```\n").nth(1).unwrap();
    assert!(config.starts_with("Host bitbucket.org-work"), "{config}");
    fs::write(world.path("home/.ssh/config"), config).unwrap();
    // On other machines it is one of the site's endpoints already.
    world.configure(
        "bitbucket.https://bitbucket.org.sshHost",
        "ssh.bitbucket.org",
    );
    world
        .git(&["clone", "-q", "bitbucket.org-work:acme/site.git", "site"])
        .succeeds();
    works(&world, &script("from-aliases.md"), &[]);
    assert_eq!(last(&world).as_deref(), Some(WORK));
    let url = world.git(&["-C", "site", "config", "remote.origin.url"]);
    assert_eq!(url.stdout(), "bitbucket.org-work:acme/site.git\n");
}

#[test]
fn ci() {
    let mut world = machine();
    let line = world.make_key("deploy", "");
    world.sandbox.add_deploy_key("acme/site", &line, "deploy");
    world.set("CI", "true");
    world.set("TOKEN", &world.sandbox.add_token(WORK, SCOPES_ALL));
    works(&world, &script("ci.md"), &[]);
    let key = world.sandbox.keys(WORK).remove(0);
    let lived = key.expires_on.unwrap().duration_since(key.created_on);
    assert!((23..=24).contains(&lived.as_hours()), "one day: {lived}");
}

#[test]
fn data_center() {
    let world = World::new();
    let center = Sandbox::start_data_center();
    center.add_account("you", "you");
    center.add_password("you", "password");
    center.add_repository("proj/tool", Visibility::Private);
    center.grant("you", "proj/tool", Some(Permission::Write));
    world.configure("bitbucket.passphrase", "none");
    let script = script("data-center.md")
        .replace("https://git.example.com", &center.web_url())
        .replace("git.example.com:7999", &center.ssh_host());
    let answer = ("you: ".to_owned(), "password".to_owned());
    works(&world, &script, &[answer]);
    assert_eq!(center.keys("you").len(), 1);
}

#[test]
fn how_it_decides() {
    let world = machine();
    works(&world, &script("how-it-decides.md"), &[]);
}

/// Links of a page lead to something that is there.
#[test]
fn every_link_leads_somewhere() {
    let root = page("..");
    let above = [
        "README",
        "SECURITY",
        "CONTRIBUTING",
        "ARCHITECTURE",
        "CHANGELOG",
    ];
    let above = above.iter().map(|name| root.join(format!("{name}.md")));
    let mut pages: Vec<_> = above.collect();
    let folder = fs::read_dir(page("")).unwrap();
    pages.extend(folder.map(|entry| entry.unwrap().path()));
    for file in pages {
        if file.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for rest in text.split("](").skip(1) {
            let link = rest.split([')', '#', ' ']).next().unwrap();
            if link.is_empty() || link.starts_with("http") {
                continue;
            }
            let target = file.parent().unwrap().join(link);
            assert!(target.exists(), "{}: {link}", file.display());
        }
    }
}
