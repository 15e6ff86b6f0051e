//! The order of identities, row by row.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ssh_key::private::{Ed25519Keypair, KeypairData};

use super::plan;
use crate::identity::key_file::KeyFileError;
use crate::identity::plan_inputs::{
    CommandLine, Configured, KeysHere, KnownAccounts, LastServed, NamedFile, PlanInputs,
    ServedBefore, SshConfigKeys,
};
use crate::identity::{
    Account, AccountId, Holder, Identity, ManagedKey, Offer, PassphrasePlace, Plan, Rank, State,
};
use crate::repository::{Direction, Site, SiteKind, SshHost};
use crate::settings::{
    AuthorCheck, IdentitySettings, KeyType, Origin, PassphraseStore, Provision, Settings, Sourced,
    TransportKind,
};

const SITE: &str = "https://bitbucket.org";

fn site() -> Site {
    Site {
        kind: SiteKind::Cloud,
        url: SITE.to_owned(),
        api_url: "https://api.bitbucket.org/2.0".to_owned(),
        ssh_hosts: vec![SshHost {
            host: "ssh.bitbucket.org".to_owned(),
            port: 22,
        }],
    }
}

fn settings() -> Settings {
    fn default<T>(value: T) -> Sourced<T> {
        Sourced::new(value, Origin::Default)
    }
    Settings {
        repository: IdentitySettings::default(),
        by_url: IdentitySettings::default(),
        plain: IdentitySettings::default(),
        provision: default(Provision::Auto),
        key_type: default(KeyType::Ed25519),
        key_lifetime: None,
        passphrase: default(PassphraseStore::Auto),
        transport: default(TransportKind::Native),
        author_check: default(AuthorCheck::Warn),
        invalid: std::collections::BTreeMap::new(),
        ignored: Vec::new(),
    }
}

/// A key that is told from others by its seed.
fn key(seed: u8) -> Identity {
    let pair = Ed25519Keypair::from_seed(&[seed; 32]);
    let private = ssh_key::PrivateKey::new(KeypairData::from(pair), "").expect("a key");
    Identity {
        holder: Holder::Agent,
        public_key: Some(private.public_key().clone()),
        certificates: Vec::new(),
        file: None,
        managed: None,
    }
}

fn file(name: &str, seed: u8) -> Identity {
    Identity {
        holder: Holder::File(PathBuf::from(name)),
        file: Some(PathBuf::from(name)),
        ..key(seed)
    }
}

fn managed(account: &str, seed: u8, state: State) -> Identity {
    let name = format!("/home/u/.ssh/bitbucket_{account}_ed25519");
    let identity = file(&name, seed);
    let record = ManagedKey {
        account: account_name(account),
        file: PathBuf::from(name),
        public_key: String::new(),
        fingerprint: identity.fingerprint().expect("a public key"),
        key_id: None,
        label: String::new(),
        created: jiff::Timestamp::UNIX_EPOCH,
        expires: None,
        state,
        passphrase: PassphrasePlace::None,
        repository: None,
        read_only: false,
        replaces: Vec::new(),
    };
    Identity {
        managed: Some(record),
        ..identity
    }
}

fn account_name(name: &str) -> AccountId {
    AccountId {
        site: SITE.to_owned(),
        name: name.to_owned(),
    }
}

fn account(name: &str) -> Account {
    Account {
        account: account_name(name),
        logged_in: true,
        user_name: Some(name.split('@').next().expect("a first part").to_owned()),
        nickname: None,
        id: None,
        key_fingerprints: Vec::new(),
        store: None,
        emails: Vec::new(),
    }
}

fn set<T>(value: T) -> Sourced<T> {
    Sourced::new(value, Origin::Default)
}

fn account_set(name: &str) -> IdentitySettings {
    IdentitySettings {
        identity_files: Vec::new(),
        accounts: vec![set(name.to_owned())],
    }
}

fn files_set(names: &[&str]) -> IdentitySettings {
    IdentitySettings {
        identity_files: names.iter().map(|name| set(PathBuf::from(name))).collect(),
        accounts: Vec::new(),
    }
}

/// The plan made from inputs that `arrange` has filled.
fn planned(arrange: impl FnOnce(&mut Scene)) -> Plan {
    let mut scene = Scene::default();
    arrange(&mut scene);
    let inputs = PlanInputs {
        site: &site(),
        direction: scene.direction.unwrap_or(Direction::Fetch),
        user: scene.user.unwrap_or("git"),
        command_line: CommandLine {
            files: scene.command_line_files,
            account: scene.command_line_account.map(|name| set(name.to_owned())),
        },
        configured: Configured {
            settings: &scene.settings,
            files: scene.named_files,
        },
        ssh_config: SshConfigKeys {
            files: scene.ssh_config_files,
            missing: scene.missing,
            lines: Vec::new(),
            names_files: scene.names_files,
            identities_only: scene.identities_only,
            alias: scene.alias,
        },
        history: ServedBefore {
            repository: scene.served_repository,
            workspace: scene.served_workspace,
        },
        accounts: KnownAccounts {
            recorded: &scene.accounts,
            environment: scene.environment_account.map(str::to_owned),
            elsewhere: Vec::new(),
        },
        keys: KeysHere {
            managed: scene.managed,
            lost: Vec::new(),
            agent: scene.agent,
            default_files: scene.default_files,
            other_files: Vec::new(),
            unusable: scene.unusable,
        },
    };
    plan(&inputs)
}

struct Scene {
    direction: Option<Direction>,
    user: Option<&'static str>,
    command_line_files: Option<Vec<Identity>>,
    command_line_account: Option<&'static str>,
    settings: Settings,
    named_files: BTreeMap<PathBuf, NamedFile>,
    ssh_config_files: Vec<Identity>,
    missing: Vec<PathBuf>,
    names_files: bool,
    identities_only: bool,
    alias: bool,
    served_repository: Option<LastServed>,
    served_workspace: Option<LastServed>,
    environment_account: Option<&'static str>,
    accounts: Vec<Account>,
    managed: Vec<Identity>,
    agent: Vec<Identity>,
    default_files: Vec<Identity>,
    unusable: Vec<(Rank, KeyFileError)>,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            direction: None,
            user: None,
            command_line_files: None,
            command_line_account: None,
            settings: settings(),
            named_files: BTreeMap::new(),
            ssh_config_files: Vec::new(),
            missing: Vec::new(),
            names_files: false,
            identities_only: false,
            alias: false,
            served_repository: None,
            served_workspace: None,
            environment_account: None,
            accounts: Vec::new(),
            managed: Vec::new(),
            agent: Vec::new(),
            default_files: Vec::new(),
            unusable: Vec::new(),
        }
    }
}

impl Scene {
    /// Two accounts logged in, the first with a managed identity.
    fn two_accounts(&mut self) {
        self.accounts = vec![account("a@x"), account("b@x")];
        self.managed = vec![managed("a@x", 1, State::Verified)];
    }

    fn name_file(&mut self, name: &str, file: NamedFile) {
        self.named_files.insert(PathBuf::from(name), file);
    }
}

/// `a@x`, `new b@x`, `3 keys`: one word for each candidate.
fn told(plan: &Plan) -> Vec<String> {
    plan.candidates
        .iter()
        .map(|candidate| match (&candidate.account, &candidate.offer) {
            (Some(account), Offer::NewKey) => format!("new {account}"),
            (Some(account), Offer::Identities(_)) => account.to_string(),
            (None, Offer::Identities(keys)) => match keys.as_slice() {
                [one] => one
                    .file
                    .as_ref()
                    .map_or("key".to_owned(), |f| f.display().to_string()),
                many => format!("{} keys", many.len()),
            },
            (None, Offer::NewKey) => unreachable!("a new key is some account's"),
        })
        .collect()
}

#[test]
fn without_a_statement_accounts_go_before_loose_keys() {
    let found = planned(|scene| {
        scene.two_accounts();
        scene.agent = vec![key(9), key(10)];
    });
    assert_eq!(told(&found), ["a@x", "new b@x", "2 keys"]);
    assert_eq!(found.decided_by, None);
}

#[test]
fn a_machine_without_accounts_has_only_loose_keys() {
    let found = planned(|scene| {
        scene.ssh_config_files = vec![file("/k/config", 1)];
        scene.agent = vec![key(2), key(1)];
        scene.default_files = vec![file("/k/id_ed25519", 3)];
    });
    assert_eq!(
        told(&found),
        ["3 keys"],
        "the agent's copy of a file is not offered twice"
    );
    assert_eq!(found.candidates[0].reason.rank, Rank::Fallback);
}

#[test]
fn the_first_rank_that_speaks_closes_the_list() {
    let by_url = || account_set("b@x");
    for (arrange, expected, closed, why) in [
        (
            (|scene: &mut Scene| scene.settings.repository = account_set("b@x")) as fn(&mut Scene),
            vec!["new b@x"],
            Rank::RepositoryConfig,
            "the repository's own configuration",
        ),
        (
            |scene| scene.settings.by_url = account_set("b@x"),
            vec!["new b@x"],
            Rank::ByUrl,
            "a URL's account",
        ),
        (
            |scene| scene.settings.plain = account_set("B@X"),
            vec!["new b@x"],
            Rank::Plain,
            "names are compared without regard to case",
        ),
        (
            |scene| {
                scene.command_line_account = Some("a@x");
                scene.settings.repository = account_set("b@x");
            },
            vec!["a@x"],
            Rank::CommandLine,
            "this call's account stands before everything",
        ),
        (
            |scene| {
                scene.command_line_files = Some(vec![file("/k/given", 5)]);
                scene.command_line_account = Some("a@x");
            },
            vec!["/k/given"],
            Rank::CommandLine,
            "-i stands before --account",
        ),
        (
            |scene| scene.command_line_files = Some(Vec::new()),
            vec![],
            Rank::CommandLine,
            "a missing -i file is not replaced by another identity",
        ),
        (
            |scene| {
                scene.identities_only = true;
                scene.ssh_config_files = vec![file("/k/config", 5)];
                scene.settings.plain = account_set("b@x");
            },
            vec!["/k/config"],
            Rank::SshConfigOnly,
            "IdentitiesOnly stands before plain settings",
        ),
    ] {
        let found = planned(|scene| {
            scene.two_accounts();
            scene.agent = vec![key(9)];
            arrange(scene);
        });
        assert_eq!(told(&found), expected, "{why}");
        assert_eq!(found.decided_by, Some(closed), "{why}");
    }
    let found = planned(|scene| {
        scene.two_accounts();
        scene.settings.repository = account_set("a@x");
        scene.settings.by_url = by_url();
    });
    assert_eq!(told(&found), ["a@x"], "rank 2 stands before rank 3");
}

#[test]
fn files_stand_before_accounts_and_a_missing_one_is_an_error() {
    let found = planned(|scene| {
        scene.two_accounts();
        scene.settings.by_url = IdentitySettings {
            accounts: account_set("a@x").accounts,
            ..files_set(&["/k/one", "/k/two"])
        };
        scene.name_file("/k/one", NamedFile::Usable(Box::new(file("/k/one", 5))));
        scene.name_file("/k/two", NamedFile::Usable(Box::new(file("/k/two", 6))));
    });
    assert_eq!(told(&found), ["2 keys", "a@x"]);

    let found = planned(|scene| {
        scene.two_accounts();
        scene.settings.plain = files_set(&["/k/gone"]);
        scene.name_file("/k/gone", NamedFile::Missing);
    });
    assert!(found.candidates.is_empty());
    assert_eq!(found.decided_by, Some(Rank::Plain));
    assert_eq!(found.missing[0].value, PathBuf::from("/k/gone"));
}

#[test]
fn a_read_only_access_key_is_no_statement_for_a_push() {
    for (direction, expected, why) in [
        (
            Direction::Fetch,
            vec!["/home/u/.ssh/bitbucket_a@x_ed25519"],
            "it reads, as no account",
        ),
        (
            Direction::Push,
            vec!["new b@x"],
            "it cannot push, so the next rank speaks",
        ),
    ] {
        let found = planned(|scene| {
            scene.direction = Some(direction);
            scene.two_accounts();
            let mut access = managed("a@x", 7, State::Verified);
            let record = access.managed.as_mut().expect("managed");
            record.read_only = true;
            record.repository = Some(format!("{SITE}/acme/site"));
            scene.settings.by_url = files_set(&["/k/access"]);
            scene.name_file("/k/access", NamedFile::Usable(Box::new(access)));
            scene.settings.plain = account_set("b@x");
        });
        assert_eq!(told(&found), expected, "{why}");
    }
}

#[test]
fn an_account_stands_for_what_it_has() {
    let listed = file("/k/id_ed25519", 3);
    let print = listed.fingerprint().expect("a public key");
    let found = planned(|scene| {
        scene.accounts = vec![account("a@x")];
        scene.accounts[0].key_fingerprints = vec![print];
        scene.default_files = vec![listed];
    });
    assert_eq!(
        told(&found),
        ["a@x"],
        "a key of its list serves; nothing is made"
    );

    let found = planned(|scene| {
        scene.two_accounts();
        scene.managed = vec![managed("a@x", 1, State::Pending)];
    });
    assert_eq!(
        told(&found),
        ["new a@x", "new b@x"],
        "what was begun is finished first"
    );

    let found = planned(|scene| {
        scene.two_accounts();
        scene.settings.provision = set(Provision::Never);
        scene.agent = vec![key(9)];
    });
    assert_eq!(
        told(&found),
        ["a@x", "key"],
        "nothing is made where that is not allowed"
    );
    assert_eq!(found.skipped[0].what, "b@x");

    let found = planned(|scene| {
        scene.settings.provision = set(Provision::Never);
        scene.settings.plain = account_set("b@x");
        scene.agent = vec![key(9)];
    });
    assert!(
        found.candidates.is_empty(),
        "a named account is never replaced by another"
    );
}

#[test]
fn what_was_learned_reorders_but_never_overrules() {
    let found = planned(|scene| {
        scene.accounts = vec![account("a@x"), account("b@x")];
        scene.managed = vec![
            managed("a@x", 1, State::Verified),
            managed("b@x", 2, State::Verified),
        ];
        scene.served_repository = Some(LastServed::Account("b@x".to_owned()));
    });
    assert_eq!(told(&found), ["b@x", "a@x"]);

    let found = planned(|scene| {
        scene.two_accounts();
        scene.settings.plain = account_set("a@x");
        scene.served_repository = Some(LastServed::Account("b@x".to_owned()));
    });
    assert_eq!(told(&found), ["a@x"], "settings win over memory");

    let found = planned(|scene| {
        scene.two_accounts();
        scene.served_repository = Some(LastServed::Account("gone@x".to_owned()));
    });
    assert_eq!(
        told(&found),
        ["a@x", "new b@x"],
        "an account that went is not made anew"
    );

    let served = key(12).fingerprint().expect("a public key");
    let found = planned(|scene| {
        scene.agent = (1..=12).map(key).collect();
        scene.served_repository = Some(LastServed::Key(served));
    });
    assert_eq!(told(&found), ["5 keys", "5 keys", "2 keys"]);
    let Offer::Identities(first) = &found.candidates[0].offer else {
        panic!("keys")
    };
    assert_eq!(
        first[0].fingerprint(),
        key(12).fingerprint(),
        "what worked goes first"
    );
}

#[test]
fn of_several_files_the_one_that_was_learned_goes_first() {
    let files = ["/k/one", "/k/two", "/k/three"];
    let order = |served: Option<LastServed>| -> Vec<PathBuf> {
        let found = planned(|scene| {
            scene.settings.plain = files_set(&files);
            for (seed, name) in (5..).zip(files) {
                scene.name_file(name, NamedFile::Usable(Box::new(file(name, seed))));
            }
            scene.served_repository = served;
        });
        assert_eq!(told(&found), ["3 keys"], "on one connection");
        let Offer::Identities(keys) = &found.candidates[0].offer else {
            panic!("keys")
        };
        keys.iter().filter_map(|key| key.file.clone()).collect()
    };
    let served = |seed| {
        Some(LastServed::Key(
            key(seed).fingerprint().expect("a public key"),
        ))
    };
    let (one, two, three) = (files[0].into(), files[1].into(), files[2].into());
    let in_file_order: Vec<PathBuf> = vec![one, two, three];
    assert_eq!(order(None), in_file_order);
    assert_eq!(order(served(99)), in_file_order, "another key was learned");
    let [one, two, three] = <[PathBuf; 3]>::try_from(in_file_order).expect("three");
    assert_eq!(order(served(6)), [two, one, three]);
}

#[test]
fn identities_only_holds_also_where_its_file_cannot_be_used() {
    let unusable = || KeyFileError::Unprotected {
        path: PathBuf::from("/k/work"),
        mode: 0o644,
    };
    for (rank, identities_only, expected, closed, why) in [
        (
            Rank::SshConfigOnly,
            true,
            vec![],
            Some(Rank::SshConfigOnly),
            "this one and no other",
        ),
        (
            Rank::SshConfigOnly,
            false,
            vec!["a@x", "new b@x"],
            None,
            "one of many",
        ),
        (
            Rank::Fallback,
            true,
            vec!["a@x", "new b@x"],
            None,
            "a default file is nobody's word",
        ),
    ] {
        let found = planned(|scene| {
            scene.two_accounts();
            scene.identities_only = identities_only;
            scene.unusable = vec![(rank, unusable())];
        });
        assert_eq!(told(&found), expected, "{why}");
        assert_eq!(found.decided_by, closed, "{why}");
    }
}

#[test]
fn identities_only_restricts_the_agent_and_an_identity_file_the_default_files() {
    for (identities_only, names_files, expected, why) in [
        (false, false, vec!["2 keys"], "agent and default file"),
        (true, false, vec!["/k/id_ed25519"], "the default file stays"),
        (false, true, vec!["key"], "the agent alone"),
        (true, true, vec![], "neither"),
    ] {
        let found = planned(|scene| {
            scene.agent = vec![key(1)];
            scene.default_files = vec![file("/k/id_ed25519", 2)];
            scene.identities_only = identities_only;
            scene.names_files = names_files;
        });
        assert_eq!(told(&found), expected, "{why}");
    }
}

#[test]
fn a_missing_file_of_ssh_config_closes_the_list() {
    for (alias, identities_only, files, expected, closed, missing, why) in [
        (
            true,
            false,
            vec![],
            vec![],
            Some(Rank::SshConfigOnly),
            1,
            "an alias",
        ),
        (
            false,
            true,
            vec![],
            vec![],
            Some(Rank::SshConfigOnly),
            1,
            "IdentitiesOnly",
        ),
        (
            true,
            false,
            vec![file("/k/second", 5)],
            vec!["/k/second"],
            Some(Rank::SshConfigOnly),
            0,
            "one of two, as with ssh",
        ),
        (
            false,
            false,
            vec![],
            vec!["a@x", "new b@x"],
            None,
            0,
            "one of many",
        ),
    ] {
        let found = planned(|scene| {
            scene.two_accounts();
            scene.alias = alias;
            scene.identities_only = identities_only;
            scene.ssh_config_files = files;
            scene.missing = vec![PathBuf::from("/k/none")];
        });
        assert_eq!(told(&found), expected, "{why}");
        assert_eq!(found.decided_by, closed, "{why}");
        assert_eq!(found.missing.len(), missing, "{why}");
    }
}

#[test]
fn a_crowded_agent_is_bounded() {
    let found = planned(|scene| scene.agent = (1..=20).map(key).collect());
    assert_eq!(told(&found), ["5 keys", "5 keys", "2 keys"]);
    assert_eq!(found.skipped.len(), 8);
}

#[test]
fn the_url_s_user_name_addresses_its_account() {
    let found = planned(|scene| {
        scene.user = Some("b");
        scene.accounts = vec![account("a@x"), account("b@x")];
        scene.managed = vec![
            managed("a@x", 1, State::Verified),
            managed("b@x", 2, State::Verified),
        ];
    });
    assert_eq!(told(&found), ["b@x", "a@x"]);
}

#[test]
fn a_plain_account_speaks_only_where_it_is_known() {
    let elsewhere = Account {
        account: AccountId {
            site: "https://git.example.com".to_owned(),
            name: "work".to_owned(),
        },
        ..account("work@x")
    };
    for (name, expected, why) in [
        ("work", vec!["a@x", "new b@x"], "known on another site only"),
        ("A", vec!["a@x"], "a user name in any case"),
        ("bee", vec!["new b@x"], "a nickname"),
        (
            "nobody@x",
            vec!["new nobody@x"],
            "an address speaks for Cloud",
        ),
    ] {
        let found = planned(|scene| {
            scene.two_accounts();
            scene.accounts[1].nickname = Some("bee".to_owned());
            scene.accounts.push(elsewhere.clone());
            scene.settings.plain = account_set(name);
        });
        assert_eq!(told(&found), expected, "{why}");
    }
}

#[test]
fn a_name_of_no_account_or_of_several_is_an_error() {
    for (name, meant, why) in [
        ("nobody", vec![], "known nowhere, no address"),
        ("twin", vec!["a@x", "b@x"], "a nickname of two accounts"),
    ] {
        for plain in [true, false] {
            let found = planned(|scene| {
                scene.two_accounts();
                for account in &mut scene.accounts {
                    account.nickname = Some("twin".to_owned());
                }
                if plain {
                    scene.settings.plain = account_set(name);
                } else {
                    scene.settings.repository = account_set(name);
                }
            });
            assert!(found.candidates.is_empty(), "{why}");
            let unresolved = found.unresolved.expect(why);
            let names = |accounts: &[AccountId]| -> Vec<String> {
                accounts.iter().map(ToString::to_string).collect()
            };
            assert_eq!(names(&unresolved.meant), meant, "{why}");
            assert_eq!(names(&unresolved.known), ["a@x", "b@x"], "{why}");
        }
    }
    let found = planned(|scene| {
        scene.two_accounts();
        let origin = Origin::GitConfig {
            scope: crate::settings::Scope::Global,
            file: None,
            line: None,
            key: "bitbucket.https://bitbucket.org/acme.account".to_owned(),
        };
        let account = Sourced::new("nobody".to_owned(), origin);
        scene.settings.by_url.accounts.push(account);
    });
    assert_eq!(told(&found), ["new nobody"], "set for a URL: of this site");
}

#[test]
fn a_managed_file_in_ssh_config_is_a_statement_only_for_an_alias() {
    for (alias, expected, why) in [
        (false, vec!["new b@x"], "written by `ssh-config --write`"),
        (true, vec!["a@x"], "an alias says who goes"),
    ] {
        let found = planned(|scene| {
            scene.two_accounts();
            scene.identities_only = true;
            scene.alias = alias;
            scene.ssh_config_files = vec![managed("a@x", 1, State::Verified)];
            scene.settings.plain = account_set("b@x");
        });
        assert_eq!(told(&found), expected, "{why}");
    }
}
