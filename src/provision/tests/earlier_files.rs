//! Files that were written before states and types got their present names.

use std::fs;

use jiff::ToSpan as _;

use super::machine::{Machine, account, site};
use super::site::Fault;
use crate::bitbucket::credential;
use crate::identity::history::History;
use crate::identity::plan_inputs::LastServed;
use crate::identity::{AccountId, PassphrasePlace, State};
use crate::provision::{Records, SshPlace, machine_tag};
use crate::repository::{Direction, Repository, SshHost};
use crate::secret::TokenPlace;

const RECORDS: &str = include_str!("earlier/records.json");

/// A machine with the files in their places, locks that a killed process left among them.
fn machine() -> Machine {
    let machine = Machine::new();
    let records = machine.ssh().join("bitbucket-ssh");
    let state = machine.directory.join("home/.local/state/bitbucket-ssh");
    for (directory, name, content) in [
        (&records, "records.json", RECORDS),
        (&records, "tokens.json", include_str!("earlier/tokens.json")),
        (&records, "machine", "kolibuda"),
        (&records, "records.lock", "4711"),
        (&records, "bitbucket.org.lock", "4711"),
        (&records, "tokens.lock", ""),
        (&state, "learned.json", include_str!("earlier/learned.json")),
        (&state, "learned.lock", ""),
    ] {
        fs::create_dir_all(directory).expect("a directory");
        fs::write(directory.join(name), content).expect("a file");
    }
    machine
}

#[test]
fn records_mean_what_they_meant_and_are_written_as_before() {
    let machine = machine();
    let context = machine.context();
    let records = Records::open(&context).expect("records");

    let accounts: Vec<_> = records
        .accounts()
        .iter()
        .map(|known| (known.account.name.as_str(), known.logged_in, known.store))
        .collect();
    assert_eq!(
        accounts,
        [
            ("you@example.com", true, Some(TokenPlace::Keyring)),
            ("ada", false, None)
        ]
    );
    let keys: Vec<_> = records
        .identities()
        .iter()
        .map(|key| (key.fingerprint.as_str(), key.state, key.passphrase))
        .collect();
    assert_eq!(
        keys,
        [
            ("SHA256:verified", State::Verified, PassphrasePlace::Keyring),
            ("SHA256:removing", State::Removing, PassphrasePlace::None),
            ("SHA256:pending", State::Pending, PassphrasePlace::Person),
            ("SHA256:access", State::Registered, PassphrasePlace::None),
            (
                "SHA256:unverified",
                State::Unconfirmed,
                PassphrasePlace::None
            ),
        ]
    );
    let rotation = records.unfinished_rotation("https://bitbucket.org");
    let rotation = rotation.expect("a rotation that is not finished");
    assert_eq!(rotation.replaces, ["SHA256:removing"]);
    let access = &records.identities()[3];
    assert_eq!(
        (access.repository.as_deref(), access.read_only),
        (Some("https://bitbucket.org/acme/site"), true)
    );
    assert_eq!(
        records.ssh_places(),
        [SshPlace {
            site: "https://git.example.com".to_owned(),
            host: Some("git.example.com".to_owned()),
            port: 7999,
            fingerprint: Some("SHA256:host".to_owned()),
        }]
    );
    assert_eq!(machine_tag(&context).expect("a word"), "kolibuda");

    // A change writes everything else as it was: an earlier version can still read it.
    let ada = AccountId {
        site: "https://git.example.com".to_owned(),
        name: "ada".to_owned(),
    };
    Records::update(&context, |records| {
        let mut known = records.account(&ada).expect("recorded").clone();
        known.logged_in = true;
        records.set_account(known);
    })
    .expect("an update");
    let written = fs::read_to_string(machine.records_file()).expect("records");
    let expected = RECORDS.replace("\"logged_in\": false", "\"logged_in\": true");
    assert_eq!(written, expected);
}

#[test]
fn history_and_tokens_are_read_and_locks_of_the_dead_block_nothing() {
    let machine = machine();
    let context = machine.context();
    let history = History::open(&context);
    let repository = Repository {
        site: site().url,
        workspace: "Acme".to_owned(),
        slug: "site".to_owned(),
    };
    assert_eq!(
        history.repository(&repository, Direction::Fetch),
        Some(LastServed::Account("you@example.com".to_owned()))
    );
    assert_eq!(
        history.workspace(&repository, Direction::Push),
        Some(LastServed::Key("SHA256:k".to_owned()))
    );
    let seen: jiff::Timestamp = "2026-11-26T08:30:00Z".parse().expect("a time");
    assert_eq!(
        history.endpoint(&site().url, seen + 1.hour()),
        Some(SshHost {
            host: "altssh.bitbucket.org".to_owned(),
            port: 443,
        })
    );
    let token = credential::find(&context, &site(), &account().name);
    let token = token.expect("readable").expect("a token");
    assert_eq!(token.secret.reveal(), "ATATT-earlier");
    assert_eq!(
        (token.account.as_str(), token.place),
        ("You@example.com", TokenPlace::File)
    );
    machine.ensure(Fault::None).expect("a key");
}
