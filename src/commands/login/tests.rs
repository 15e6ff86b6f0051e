use super::*;
use crate::bitbucket::{self, KeyId, RegisteredKey, User};
use crate::commands::accounts::Accounts;
use crate::commands::accounts::tests::{CENTER, CLOUD, site};

fn alice() -> User {
    User {
        id: "{u}".to_owned(),
        user_name: Some("alice".to_owned()),
        nickname: None,
        display_name: "Alice \u{1b}[2J".to_owned(),
    }
}

fn key() -> RegisteredKey {
    RegisteredKey {
        id: KeyId::new("{k}").unwrap(),
        public_key: "ssh-ed25519 AAAA".to_owned(),
        fingerprint: "SHA256:f".to_owned(),
        label: String::new(),
        created: None,
        last_used: None,
        expires: None,
    }
}

fn scopes(required: &[&str], granted: &[&str]) -> bitbucket::Error {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    bitbucket::Error::ScopeMissing {
        required: owned(required),
        granted: owned(granted),
    }
}

#[test]
fn missing_scopes_are_named_as_far_as_the_site_tells() {
    let (user, read, write) = (
        "read:user:bitbucket",
        "read:ssh-key:bitbucket",
        "write:ssh-key:bitbucket",
    );
    for (required, granted, missing, why) in [
        (
            &[read][..],
            &[][..],
            &[read][..],
            "what was granted is not told",
        ),
        (
            &[read],
            &[user],
            &[read, write],
            "what was granted tells all",
        ),
        (
            &[read, "account"],
            &[user, write],
            &[read, "account"],
            "also what is no minimum",
        ),
    ] {
        let Refusal::Scopes(found) = refusal(scopes(required, granted)) else {
            panic!("{why}");
        };
        assert_eq!(found, missing, "{why}");
    }
    let refused = bitbucket::Error::TokenRefused {
        message: "no".to_owned(),
    };
    assert!(matches!(refusal(refused.clone()), Refusal::Site(error) if error == refused));
}

#[test]
fn the_record_holds_what_was_read() {
    let attempt = Attempt {
        site: site(CLOUD),
        account: "alice@example.com".to_owned(),
        secret: Secret::new("t".to_owned()),
    };
    let seen = Seen {
        user: alice(),
        keys: vec![key()],
        scopes: None,
    };
    let mut earlier = account(&attempt, &seen, TokenPlace::File, None);
    assert_eq!(earlier.emails, ["alice@example.com"]);
    earlier.emails = vec!["a@home.example".to_owned()];
    let record = account(&attempt, &seen, TokenPlace::Keyring, Some(&earlier));
    assert_eq!(record.emails, ["alice@example.com", "a@home.example"]);
    assert_eq!(record.key_fingerprints, ["SHA256:f"]);
    assert_eq!(record.user_name.as_deref(), Some("alice"));
    assert!(record.logged_in && record.store == Some(TokenPlace::Keyring));

    let center = Attempt {
        site: site(CENTER),
        ..attempt
    };
    let record = account(&center, &seen, TokenPlace::File, None);
    assert!(record.emails.is_empty(), "a name is no address there");
}

#[test]
fn the_place_is_wished_or_the_safest() {
    for (wished, keyring, expected) in [
        (None, true, TokenPlace::Keyring),
        (None, false, TokenPlace::File),
        (
            Some(TokenPlace::GitCredential),
            true,
            TokenPlace::GitCredential,
        ),
    ] {
        assert_eq!(place(wished, keyring), expected);
    }
}

#[test]
fn the_web_host_stands_without_port_and_brackets() {
    for (url, expected, why) in [
        (
            "https://git.example.com/bitbucket",
            "git.example.com",
            "context",
        ),
        ("https://git.example.com:8443", "git.example.com", "port"),
        ("https://[fd00::1]:8443/x", "fd00::1", "IPv6"),
    ] {
        assert_eq!(web_host(&site(url)), expected, "{why}");
    }
}

#[cfg(unix)]
mod asking {
    use super::*;
    use crate::commands::testing::{Answers, Machine};

    fn known(urls: &[&str]) -> Accounts {
        Accounts {
            sites: urls.iter().map(|url| site(url)).collect(),
            accounts: Vec::new(),
        }
    }

    fn with_token(account: Option<&str>) -> Login {
        Login {
            account: account.map(str::to_owned),
            with_token: true,
            ..Login::default()
        }
    }

    #[test]
    fn standard_input_gives_the_token() {
        let machine = Machine::new();
        for (input, options, email, expected, why) in [
            (
                "tok\n",
                with_token(Some("a@b.example")),
                None,
                Ok(("a@b.example", "tok")),
                "a line",
            ),
            (
                " tok \r\nmore",
                with_token(Some("a")),
                None,
                Ok(("a", "tok")),
                "blanks and the rest go",
            ),
            (
                "tok",
                with_token(None),
                Some("me@x.example"),
                Ok(("me@x.example", "tok")),
                "git's address",
            ),
            ("tok", with_token(None), None, Err(2), "whose?"),
            ("\n", with_token(Some("a")), None, Err(1), "nothing there"),
            (
                "tok",
                Login::default(),
                Some("a"),
                Err(1),
                "nobody can be asked",
            ),
        ] {
            let said = machine.call(input, |call| ask(call, &options, &known(&[CLOUD]), email));
            let found = said
                .result
                .as_ref()
                .map(|attempt| (attempt.account.as_str(), attempt.secret.reveal()))
                .map_err(|error| error.explanation().status);
            assert_eq!(found, expected, "{why}");
            assert!(!format!("{said:?}").contains("tok"), "no secret is shown");
        }
        let options = with_token(Some("a@b.example"));
        let said = machine.call("t", |call| {
            ask(call, &options, &known(&[CLOUD, CENTER]), None)
        });
        assert_eq!(
            said.result.unwrap_err().explanation().status,
            2,
            "no site is guessed"
        );
    }

    #[test]
    fn a_person_is_told_how_and_asked() {
        let machine = Machine::new();
        let answers = Answers::new(&["", "secret-token"]);
        let said = machine.ask(&answers, |call| {
            ask(
                call,
                &Login::default(),
                &known(&[CLOUD]),
                Some("me@x.example"),
            )
        });
        let attempt = said.result.unwrap();
        assert_eq!(attempt.account, "me@x.example");
        assert_eq!(attempt.secret.reveal(), "secret-token");
        for words in [
            "https://id.atlassian.com/manage-profile/security/api-tokens",
            "read:user:bitbucket read:ssh-key:bitbucket write:ssh-key:bitbucket",
        ] {
            assert!(said.errors.contains(words), "{words}");
        }
        assert_eq!(
            answers.questions(),
            [
                "Account on https://bitbucket.org (Atlassian e-mail address) [me@x.example]: ",
                "API token for me@x.example: ",
            ]
        );

        let answers = Answers::new(&[""]);
        let options = Login {
            account: Some("a".to_owned()),
            ..Login::default()
        };
        let said = machine.ask(&answers, |call| ask(call, &options, &known(&[CLOUD]), None));
        assert_eq!(
            said.result.unwrap_err().explanation().status,
            1,
            "an empty answer"
        );
    }

    #[test]
    fn everything_is_said() {
        let machine = Machine::new().with(&[("BITBUCKET_API_TOKEN", "x")]);
        let attempt = Attempt {
            site: site(CLOUD),
            account: "a@b.example".to_owned(),
            secret: Secret::new("hidden".to_owned()),
        };
        let seen = Seen {
            user: alice(),
            keys: vec![key()],
            scopes: None,
        };
        let said = machine.call("", |call| {
            report(call, &attempt, &seen, TokenPlace::File, false)
        });
        assert_eq!(
            said.output,
            "logged in to https://bitbucket.org as a@b.example (Alice \\033[2J)\ntoken: ~/.ssh/bitbucket-ssh/tokens.json\naccount: ~/.ssh/bitbucket-ssh\nkeys on the account: 1\n"
        );
        for words in [
            "no keyring",
            "BITBUCKET_API_TOKEN is set",
            "hint: git bitbucket setup",
        ] {
            assert!(said.errors.contains(words), "{words}: {said:?}");
        }
    }
}

#[test]
fn what_the_token_can_do_is_reported_as_far_as_the_site_tells() {
    let seen = |granted: Option<&[&str]>| Seen {
        user: alice(),
        keys: vec![],
        scopes: granted.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
    };
    let read = ["read:user:bitbucket", "read:ssh-key:bitbucket"];
    assert_eq!(seen(None).abilities(), None);
    assert_eq!(
        seen(None).missing_scopes(),
        [""; 0],
        "the site does not tell"
    );
    let reader = seen(Some(&read));
    assert_eq!(reader.missing_scopes(), ["write:ssh-key:bitbucket"]);
    let (can, cannot) = reader.abilities().unwrap();
    assert_eq!(can, "log in, list keys");
    let cannot = cannot.unwrap();
    assert!(
        cannot.starts_with("add keys (write:ssh-key:bitbucket), "),
        "{cannot}"
    );
}
