use super::*;
use crate::host_key::Line;
use crate::identity::{Holder, Identity, Rank, Reason, Skipped};
use crate::repository::SiteKind;
use crate::settings::{
    AuthorCheck, IdentitySettings, Ignored, Origin, PassphraseStore, Scope, Sourced,
};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagMUl9kwxh2SrmZO8kgfYMfAFuRBO/BiMYWvwpqcRi";
const FINGERPRINT: &str = "SHA256:GFDnlKVgWfecDGYj8fC7z6hxVH2rZSUP6JjBSHle1nE";

fn unsaid<T>(value: T) -> Sourced<T> {
    Sourced::new(value, Origin::Default)
}

fn name(name: &str) -> AccountId {
    AccountId {
        site: "https://bitbucket.org".to_owned(),
        name: name.to_owned(),
    }
}

fn config(key: &str) -> Origin {
    Origin::GitConfig {
        scope: Scope::Global,
        file: Some(PathBuf::from("/home/a/.gitconfig")),
        line: None,
        key: key.to_owned(),
    }
}

fn report(candidates: Vec<Candidate>) -> StatusReport {
    let host = |host: &str, port| SshHost {
        host: host.to_owned(),
        port,
    };
    let endpoints = vec![
        host("ssh.bitbucket.org", 22),
        host("altssh.bitbucket.org", 443),
    ];
    StatusReport {
        site: Site {
            kind: SiteKind::Cloud,
            url: "https://bitbucket.org".to_owned(),
            api_url: "https://api.bitbucket.org/2.0".to_owned(),
            ssh_hosts: endpoints.clone(),
        },
        repository: Some(Repository {
            site: "https://bitbucket.org".to_owned(),
            workspace: "acme".to_owned(),
            slug: "site".to_owned(),
        }),
        user: "git".to_owned(),
        host_keys: vec![
            KnownHostKey {
                endpoint: endpoints[0].clone(),
                algorithm: Some("ssh-ed25519".to_owned()),
                fingerprint: "SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM".to_owned(),
                from: KnownFrom::Published,
            },
            KnownHostKey {
                endpoint: endpoints[1].clone(),
                algorithm: Some("ssh-rsa".to_owned()),
                fingerprint: "SHA256:x".to_owned(),
                from: KnownFrom::Line(Line {
                    file: PathBuf::from("/home/a/.ssh/known_hosts"),
                    number: 7,
                }),
            },
        ],
        endpoints,
        settings: Settings {
            repository: IdentitySettings::default(),
            by_url: IdentitySettings::default(),
            plain: IdentitySettings::default(),
            provision: unsaid(Provision::Auto),
            key_type: unsaid(KeyType::Ed25519),
            key_lifetime: None,
            passphrase: unsaid(PassphraseStore::Auto),
            transport: unsaid(TransportKind::Native),
            author_check: unsaid(AuthorCheck::Warn),
            invalid: std::collections::BTreeMap::new(),
            ignored: vec![Ignored {
                origin: config("bitbucket.keyTyp"),
                value: "ed25519\u{1b}[2J".to_owned(),
                why: "no such setting".to_owned(),
            }],
        },
        plan: Plan {
            candidates,
            skipped: vec![Skipped {
                file: None,
                key_forbidden: false,
                what: "carol@example.com".to_owned(),
                why: "no token here".to_owned(),
            }],
            missing: Vec::new(),
            unresolved: None,
            decided_by: None,
        },
        accounts: vec![Account {
            account: name("alice@example.com"),
            logged_in: true,
            user_name: Some("alice".to_owned()),
            nickname: None,
            id: None,
            key_fingerprints: Vec::new(),
            store: None,
            emails: Vec::new(),
        }],
        other_program: None,
        no_token: false,
        unseen: None,
        home: Some(PathBuf::from("/home/a")),
    }
}

fn candidate(account: Option<&str>, offer: Offer, reason: Reason) -> Candidate {
    Candidate {
        account: account.map(name),
        offer,
        reason,
    }
}

fn key(file: &str) -> Identity {
    Identity {
        holder: Holder::File(PathBuf::from(file)),
        public_key: Some(KEY.parse().unwrap()),
        certificates: Vec::new(),
        file: Some(PathBuf::from(file)),
        managed: None,
    }
}

fn two() -> Vec<Candidate> {
    vec![
        candidate(
            Some("alice@example.com"),
            Offer::Identities(vec![key("/home/a/.ssh/id_ed25519")]),
            Reason {
                rank: Rank::Plain,
                origin: config("bitbucket.account"),
                text: "bitbucket.account".to_owned(),
            },
        ),
        candidate(
            Some("bob@example.com"),
            Offer::NewKey,
            Reason {
                rank: Rank::Accounts,
                origin: Origin::Default,
                text: "logged in".to_owned(),
            },
        ),
    ]
}

#[test]
fn text_is_aligned_and_harmless() {
    let text = render(&report(two()), false);
    assert_eq!(
        text,
        format!(
            "\
acme/site → alice@example.com, chosen in ~/.gitconfig, global

repository  acme/site on https://bitbucket.org
account     alice@example.com (logged in)
endpoints   ssh.bitbucket.org:22, altssh.bitbucket.org:443
transport   native
provision   auto

plan
   1. alice@example.com  ~/.ssh/id_ed25519  ssh-ed25519  {FINGERPRINT}
      bitbucket.account (~/.gitconfig, global)
   2. bob@example.com  a new ed25519 key
      logged in

skipped
  carol@example.com: no token here

ignored
  bitbucket.keyTyp = ed25519\\033[2J (~/.gitconfig, global): no such setting

host keys
  ssh.bitbucket.org:22      ssh-ed25519  SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM  published by Bitbucket
  altssh.bitbucket.org:443  ssh-rsa      SHA256:x                                            ~/.ssh/known_hosts:7

next fetch
  connects to ssh.bitbucket.org:22 as git and offers ~/.ssh/id_ed25519
"
        )
    );
    assert!(render(&report(two()), true).contains("\u{1b}[1mplan\u{1b}[0m"));
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let value: serde_json::Value = serde_json::from_str(&json(&report(two()))).unwrap();
    let first = &value["plan"][0];
    assert_eq!(first["account"], "alice@example.com");
    assert_eq!(first["file"], "/home/a/.ssh/id_ed25519");
    assert_eq!(first["fingerprint"], FINGERPRINT);
    assert_eq!(first["reason"], "bitbucket.account");
    assert_eq!(first["rank"], 5);
    assert_eq!(first["origin"]["kind"], "git-config");
    assert_eq!(first["origin"]["key"], "bitbucket.account");
    let second = &value["plan"][1];
    assert_eq!(second["new"], true);
    assert!(second["file"].is_null() && second["fingerprint"].is_null());
    assert_eq!(value["ignored"][0]["origin"]["key"], "bitbucket.keyTyp");
    assert_eq!(value["passed_over"][0]["what"], "carol@example.com");
    assert_eq!(value["host_keys"][0]["source"], "published");
    assert_eq!(value["host_keys"][1]["line"], 7);
    assert_eq!(
        value["repository"]["url"],
        "https://bitbucket.org/acme/site"
    );
    assert!(value["next"].as_str().unwrap().contains("connects to"));
}

#[test]
fn what_the_next_fetch_does() {
    let new = |provision| {
        let mut report = report(two().split_off(1));
        report.settings.provision = unsaid(provision);
        report
    };
    let mut lost = report(Vec::new());
    lost.plan.missing = vec![Sourced::new(
        PathBuf::from("/k"),
        config("bitbucket.identityFile"),
    )];
    let mut system = report(two());
    system.settings.transport = unsaid(TransportKind::OpenSsh);
    for (report, expected) in [
        (
            report(Vec::new()),
            "fails, because there is no identity to offer; to log in: git bitbucket login",
        ),
        (
            new(Provision::Auto),
            "creates a new ed25519 key for bob@example.com, registers it on https://bitbucket.org, then connects to ssh.bitbucket.org:22 as git",
        ),
        (
            new(Provision::Ask),
            "asks whether to create a new ed25519 key for bob@example.com, registers it on https://bitbucket.org, then connects to ssh.bitbucket.org:22 as git",
        ),
        (
            lost,
            "fails, because /k does not exist; to create it: git bitbucket key new --file /k",
        ),
        (
            system,
            "connects to ssh.bitbucket.org:22 as git by the system's ssh and offers ~/.ssh/id_ed25519",
        ),
    ] {
        assert_eq!(report.next(), expected);
    }
}

#[test]
fn another_program_and_a_missing_token_are_said_first() {
    let mut other = report(two());
    other.other_program = Some(OtherProgram {
        command: "ssh -i ~/.ssh/id_work".to_owned(),
        place: Some("GIT_SSH_COMMAND".to_owned()),
        remedy: "unset GIT_SSH_COMMAND",
    });
    assert_eq!(
        other.headline(),
        "acme/site: git runs ssh -i ~/.ssh/id_work (GIT_SSH_COMMAND), not bitbucket-ssh"
    );
    assert!(other.next().starts_with("git runs ssh"), "{}", other.next());
    let mut without = report(two().split_off(1));
    without.no_token = true;
    assert_eq!(
        without.headline(),
        "acme/site → bob@example.com, logged in (no key and no API token here)"
    );
    assert_eq!(
        without.next(),
        "needs an API token of bob@example.com, and there is none here; to log in: git bitbucket login bob@example.com"
    );
    assert!(
        report(Vec::new())
            .headline()
            .starts_with("acme/site: the next fetch fails, because")
    );
}

#[cfg(unix)]
#[test]
fn a_setting_is_shown_with_its_line() {
    let file = PathBuf::from("/srv/gitconfig");
    let mut report = report(two());
    report.plan.candidates[0].reason.origin = Origin::GitConfig {
        scope: Scope::Global,
        file: Some(file.clone()),
        line: std::num::NonZeroU32::new(3),
        key: "bitbucket.account".to_owned(),
    };
    let text = render(&report, false);
    assert!(text.contains(&format!("{}:3)", file.display())), "{text}");
    let value: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
    assert_eq!(value["plan"][0]["origin"]["line"], 3);
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let context = |variables: &[(&str, &str)]| Context {
        environment: crate::context::Environment::new(
            variables
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        ),
        directory: PathBuf::new(),
        program: PathBuf::new(),
        clock: std::sync::Arc::new(crate::clock::SystemClock),
    };
    for (variables, terminal, wanted) in [
        (&[][..], true, true),
        (&[], false, false),
        (&[("NO_COLOR", "1")], true, false),
        (&[("NO_COLOR", "")], true, true),
        (&[("TERM", "dumb")], true, false),
    ] {
        assert_eq!(wants_colour(&context(variables), terminal), wanted);
    }
}

#[cfg(unix)]
#[test]
fn git_says_which_url_is_meant() {
    let machine =
        crate::commands::testing::Machine::new().with(&[("GIT_CEILING_DIRECTORIES", "/")]);
    let found = |target| git::url(&machine.context, target).map_err(|_| ());
    assert_eq!(found(None), Err(()), "no repository");
    machine.git(&[
        "config",
        "--global",
        "url.git@bitbucket.org:.insteadOf",
        "bb:",
    ]);
    assert_eq!(
        found(Some("bb:acme/site")).as_deref(),
        Ok("git@bitbucket.org:acme/site"),
        "insteadOf counts everywhere"
    );
    machine.git(&["init", "--quiet", "--initial-branch=main"]);
    machine.git(&["remote", "add", "origin", "bb:acme/site"]);
    machine.git(&["remote", "add", "fork", "bb:ann/site"]);
    for (target, expected, why) in [
        (None, "git@bitbucket.org:acme/site", "origin"),
        (Some("fork"), "git@bitbucket.org:ann/site", "by name"),
        (Some("--upload-pack=x"), "--upload-pack=x", "no option"),
    ] {
        assert_eq!(found(target).as_deref(), Ok(expected), "{why}");
    }
    machine.git(&["config", "branch.main.remote", "fork"]);
    assert_eq!(
        found(None).as_deref(),
        Ok("git@bitbucket.org:ann/site"),
        "the branch's remote"
    );
}
