//! Which identities are accepted, and when a person is asked.

use super::support::{
    Call, Person, RealAgent, Server, endpoint, free_port, logged, new_key, program, ssh_keygen,
};
use crate::host_key::Verdict;
use crate::identity::{Holder, Identity, key_file};
use crate::settings::StrictHostKeyChecking;
use crate::transport::{Error, Outcome};

fn agent_identity(identity: &Identity) -> Identity {
    Identity {
        holder: Holder::Agent,
        ..identity.clone()
    }
}

#[test]
fn every_kind_of_key_gets_in_by_file_and_by_agent() {
    let server = Server::start();
    let agent = RealAgent::start();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let path = server.path(kind);
        let identity = new_key(&path, kind, "");
        server.authorize(&identity);
        agent.add(&path);
        for identity in [identity.clone(), agent_identity(&identity)] {
            let mut call = server.call("echo in");
            call.identities = vec![identity];
            call.variables = agent.variables();
            let ran = call.run(b"");
            assert_eq!(
                ran.text(),
                "in\n",
                "{kind}: {:?}\n{}",
                ran.outcome,
                server.log()
            );
        }
    }
}

#[test]
fn certificates_get_in_where_the_bare_key_would_not() {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca");
    new_key(&authority, "ed25519", "");
    let trusted = format!("TrustedUserCAKeys {}.pub", authority.display());
    let server = Server::start_with(&[&trusted]);
    let agent = RealAgent::start();
    for kind in ["ed25519", "rsa"] {
        let path = folder.path().join(kind);
        new_key(&path, kind, "");
        let public = format!("{}.pub", path.display());
        let user = super::support::user();
        ssh_keygen(&[
            "-q",
            "-s",
            authority.to_str().unwrap(),
            "-I",
            "test",
            "-n",
            &user,
            &public,
        ]);
        agent.add(&path);
        let beside = key_file::identity(&path).unwrap();
        assert_eq!(beside.certificates.len(), 1, "{kind}: found beside the key");
        let bare = Identity {
            certificates: Vec::new(),
            ..beside.clone()
        };
        for (identity, certificate_file, why) in [
            (beside.clone(), false, "beside the file"),
            (bare, true, "CertificateFile"),
            (agent_identity(&beside), false, "the agent signs"),
        ] {
            let mut call = server.call("echo in");
            call.identities = vec![identity];
            call.variables = agent.variables();
            if certificate_file {
                let file = format!("{}-cert.pub", path.display());
                call.config.identities.certificate_files = vec![file.into()];
            }
            let ran = call.run(b"");
            assert_eq!(
                ran.text(),
                "in\n",
                "{kind}, {why}: {:?}\n{}",
                ran.outcome,
                server.log()
            );
        }
    }
}

#[test]
fn a_passphrase_is_asked_for_only_after_the_server_accepted_the_key() {
    let server = Server::start();
    let rejected = new_key(&server.path("rejected"), "ed25519", "secret");
    let accepted = new_key(&server.path("accepted"), "ed25519", "secret");
    server.authorize(&accepted);
    let question = |name: &str| {
        format!(
            "Enter passphrase for key '{}': ",
            server.path(name).display()
        )
    };

    for (identities, answers, kept, asked, accepted_login, why) in [
        (
            vec![&rejected],
            &["secret"][..],
            None,
            0,
            false,
            "a rejected key asks for nothing",
        ),
        (
            vec![&rejected, &accepted],
            &["secret"],
            None,
            1,
            true,
            "the accepted one asks once",
        ),
        (
            vec![&accepted],
            &["wrong", "wrong again", "secret"],
            None,
            3,
            true,
            "three tries",
        ),
        (
            vec![&accepted],
            &["a", "b", "c", "secret"],
            None,
            3,
            false,
            "and no fourth",
        ),
        (
            vec![&accepted],
            &[""],
            None,
            1,
            false,
            "an empty answer gives up",
        ),
        (vec![&accepted], &[], None, 1, false, "no one to ask"),
        (
            vec![&accepted],
            &[],
            Some("secret"),
            0,
            true,
            "the keyring knows it",
        ),
        (
            vec![&accepted],
            &["secret"],
            Some("stale"),
            1,
            true,
            "the keyring is wrong",
        ),
    ] {
        let mut call = server.call("echo in");
        call.identities = identities.into_iter().cloned().collect();
        call.person = Person::who_says(answers);
        call.kept = kept;
        let ran = call.run(b"");
        assert_eq!(
            ran.text() == "in\n",
            accepted_login,
            "{why}: {:?}",
            ran.outcome
        );
        let questions = call.person.questions();
        assert_eq!(questions.len(), asked, "{why}");
        assert!(
            questions.iter().all(|text| *text == question("accepted")),
            "{why}"
        );
        if !accepted_login {
            let Ok(Outcome::AuthenticationFailed(refusal)) = ran.outcome else {
                panic!("{why}: {:?}", ran.outcome);
            };
            assert_eq!(
                refusal.unusable.is_empty(),
                asked == 0,
                "{why}: {refusal:?}"
            );
            assert!(!refusal.offered.is_empty(), "{why}");
        }
    }
}

#[test]
fn a_key_whose_file_must_be_opened_to_be_offered_asks_before() {
    let server = Server::start();
    let path = server.path("pem");
    ssh_keygen(&[
        "-q",
        "-t",
        "rsa",
        "-m",
        "PKCS8",
        "-N",
        "secret",
        "-f",
        path.to_str().unwrap(),
    ]);
    server.authorize(&Identity {
        public_key: key_file::public_beside(&path),
        ..key_file::identity(&path).unwrap()
    });
    std::fs::remove_file(server.path("pem.pub")).unwrap();
    let mut call = server.call("echo in");
    call.identities = vec![key_file::identity(&path).unwrap()];
    call.person = Person::who_says(&["secret"]);
    assert_eq!(call.run(b"").text(), "in\n");
    assert_eq!(call.person.questions().len(), 1);
}

#[test]
fn of_a_crowded_agent_only_the_wanted_key_is_offered() {
    let server = Server::start();
    let agent = RealAgent::start();
    for number in 0..20 {
        let path = server.path(&format!("foreign{number}"));
        new_key(&path, "ed25519", "");
        agent.add(&path);
    }
    agent.add(&server.path("id"));
    let mut call = server.call("echo in");
    call.identities = vec![agent_identity(&server.identity)];
    call.variables = agent.variables();
    let (ran, messages) = logged(|| call.run(b""));
    assert_eq!(ran.text(), "in\n", "{:?}", ran.outcome);
    let offers = messages
        .iter()
        .filter(|m| m.starts_with("Offering "))
        .count();
    assert_eq!(offers, 1, "{messages:#?}");
}

#[test]
fn an_encrypted_file_whose_key_the_agent_holds_does_not_ask_and_is_added_to_it() {
    let server = Server::start();
    let agent = RealAgent::start();
    let identity = new_key(&server.path("locked"), "ed25519", "secret");
    server.authorize(&identity);
    for (answers, asked, why) in [
        (&["secret"][..], 1, "first: AddKeysToAgent puts it there"),
        (&[], 0, "then the agent signs"),
    ] {
        let mut call = server.call("echo in");
        call.identities = vec![identity.clone()];
        call.variables = agent.variables();
        call.config.identities.add_keys_to_agent = Some("true".to_owned());
        call.person = Person::who_says(answers);
        let ran = call.run(b"");
        assert_eq!(ran.text(), "in\n", "{why}: {:?}", ran.outcome);
        assert_eq!(call.person.questions().len(), asked, "{why}");
    }
}

#[test]
fn an_agent_that_lacks_the_key_is_passed_over() {
    let server = Server::start();
    let agent = RealAgent::start();
    let mut call = server.call("echo in");
    call.identities = vec![agent_identity(&server.identity), server.identity.clone()];
    call.variables = agent.variables();
    let ran = call.run(b"");
    assert_eq!(ran.text(), "in\n", "the next one: {:?}", ran.outcome);
}

#[test]
fn too_many_keys_are_a_lost_connection_and_no_refusal() {
    let server = Server::start_with(&["MaxAuthTries 2"]);
    let mut call = server.call("true");
    call.identities = (0..5)
        .map(|number| new_key(&server.path(&format!("k{number}")), "ed25519", ""))
        .collect();
    match call.run(b"").outcome {
        Err(Error::Closed {
            why, authenticated, ..
        }) => {
            assert!(!authenticated);
            assert!(why.contains("Too many authentication failures"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_identity_is_a_refusal() {
    let server = Server::start();
    let mut call = server.call("true");
    call.identities = Vec::new();
    assert!(matches!(
        call.run(b"").outcome,
        Ok(Outcome::AuthenticationFailed(_))
    ));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_host_key_decides_before_anything_else() {
    let server = Server::start();
    let known = server.path("known_hosts");
    let own = std::fs::read_to_string(server.path("host.pub")).unwrap();
    let own = own.trim();
    new_key(&server.path("other"), "ed25519", "");
    let other = std::fs::read_to_string(server.path("other.pub")).unwrap();
    let name = format!("[127.0.0.1]:{}", server.port);
    let fingerprint = key_file::identity(&server.path("host"))
        .unwrap()
        .fingerprint()
        .unwrap();
    let fingerprint: &'static str = fingerprint.leak();
    let strict = StrictHostKeyChecking::Yes;
    let ask = StrictHostKeyChecking::Ask;
    for (lines, checking, answers, accepted_login, asked, learned, why) in [
        (
            format!("{name} {own}\n"),
            strict,
            &[][..],
            true,
            0,
            false,
            "known",
        ),
        (
            String::new(),
            strict,
            &["yes"],
            false,
            0,
            false,
            "unknown, and strict",
        ),
        (
            String::new(),
            ask,
            &["yes"],
            true,
            1,
            true,
            "a yes learns it",
        ),
        (String::new(), ask, &["no"], false, 1, false, "a no ends it"),
        (
            String::new(),
            ask,
            &["perhaps", fingerprint],
            true,
            2,
            true,
            "the fingerprint",
        ),
        (String::new(), ask, &[], false, 1, false, "no one to ask"),
        (
            String::new(),
            StrictHostKeyChecking::AcceptNew,
            &[],
            true,
            0,
            true,
            "accept-new",
        ),
        (
            String::new(),
            StrictHostKeyChecking::Off,
            &[],
            true,
            0,
            true,
            "off",
        ),
        (
            format!("{name} {other}"),
            ask,
            &["yes"],
            false,
            0,
            false,
            "changed",
        ),
        (
            format!("{name} {other}"),
            StrictHostKeyChecking::AcceptNew,
            &[],
            false,
            0,
            false,
            "changed, accept-new",
        ),
        (
            format!("{name} {other}"),
            StrictHostKeyChecking::Off,
            &[],
            true,
            0,
            false,
            "changed, but nothing is checked",
        ),
        (
            format!("@revoked * {own}\n{name} {own}\n"),
            StrictHostKeyChecking::Off,
            &[],
            false,
            0,
            false,
            "revoked",
        ),
    ] {
        std::fs::write(&known, &lines).unwrap();
        let mut call = server.call("echo in");
        call.config.host_keys.strict_host_key_checking = Some(checking);
        call.person = Person::who_says(answers);
        let (ran, messages) = logged(|| call.run(b""));
        assert_eq!(
            ran.text() == "in\n",
            accepted_login,
            "{why}: {:?}",
            ran.outcome
        );
        assert_eq!(call.person.questions().len(), asked, "{why}");
        let now = std::fs::read_to_string(&known).unwrap();
        assert_eq!(now.len() > lines.len(), learned, "{why}: {now}");
        let warned = messages
            .iter()
            .any(|m| m.starts_with("Warning: Permanently added"));
        assert_eq!(warned, learned, "{why}");
        if !accepted_login {
            let Err(Error::HostKey { verdict, .. }) = ran.outcome else {
                panic!("{why}: {:?}", ran.outcome);
            };
            assert!(!matches!(*verdict, Verdict::Known(_)), "{why}");
            assert!(
                !messages.iter().any(|m| m.starts_with("Offering")),
                "{why}: no key is offered to a stranger"
            );
        }
    }
}

#[test]
fn a_server_that_pretends_to_be_bitbucket_is_refused_despite_every_setting() {
    let server = Server::start();
    let mut call = server.call("true");
    call.endpoints[0].published = true;
    std::fs::write(server.path("known_hosts"), "").unwrap();
    call.config.host_keys.strict_host_key_checking = Some(StrictHostKeyChecking::Off);
    match call.run(b"").outcome {
        Err(Error::HostKey { verdict, .. }) => assert_eq!(*verdict, Verdict::NotPublished),
        other => panic!("{other:?}"),
    }
}

#[test]
fn announced_keys_change_nothing_where_the_published_keys_speak() {
    let folder = tempfile::tempdir().unwrap();
    let second = folder.path().join("second");
    new_key(&second, "ecdsa", "");
    // The first key is the server's own: where one is named, the usual ones are not taken.
    let server = Server::start_with(&[&format!("HostKey {}", second.display())]);
    let known = server.path("known_hosts");
    let mut call = server.call("true");
    call.config.host_keys.update_host_keys = Some("true".to_owned());
    new_key(&server.path("old"), "ed25519", "");
    let old = std::fs::read_to_string(server.path("old.pub")).unwrap();
    let before = std::fs::read_to_string(&known).unwrap();
    let before = format!("{before}[127.0.0.1]:{} {old}", server.port);
    for published in [true, false] {
        std::fs::write(&known, &before).unwrap();
        call.endpoints[0].published = published;
        assert!(call.run(b"").outcome.is_ok(), "its line accepts it");
        let after = std::fs::read_to_string(&known).unwrap();
        assert_eq!(after == before, published, "{after}");
        assert_eq!(after.contains("ecdsa"), !published, "{after}");
    }
}

#[test]
fn a_server_that_is_no_openssh_is_served_too() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    let host = folder.path().join("host");
    let made = program("dropbearkey")
        .args(["-t", "ed25519", "-f"])
        .arg(&host)
        .output()
        .unwrap();
    assert!(made.status.success());
    // dropbear reads the authorized keys of the account it serves: here nothing is accepted, which
    // still shows its key exchange and its refusal.
    let port = free_port();
    let mut child = program("dropbear")
        .args(["-F", "-E", "-s", "-p"])
        .arg(format!("127.0.0.1:{port}"))
        .arg("-r")
        .arg(&host)
        .arg("-P")
        .arg(folder.path().join("pid"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let identity = new_key(&folder.path().join("id"), "rsa", "");
    let mut call = Call {
        endpoints: vec![endpoint(port)],
        identities: vec![identity],
        command: "true".to_owned(),
        ..Call::default()
    };
    call.config.host_keys.strict_host_key_checking = Some(StrictHostKeyChecking::AcceptNew);
    call.config.host_keys.user_known_hosts = Some(vec![folder.path().join("known")]);
    call.config.host_keys.global_known_hosts = Some(Vec::new());
    let start = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed().as_secs() < 20);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (ran, messages) = logged(|| call.run(b""));
    child.kill().unwrap();
    child.wait().unwrap();
    match ran.outcome {
        Ok(Outcome::AuthenticationFailed(refusal)) => assert_eq!(refusal.offered.len(), 1),
        other => panic!("{other:?} {messages:#?}"),
    }
}
