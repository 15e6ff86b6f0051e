//! The command lines of the programs that call ssh.

use std::ffi::OsString;

use super::{Invocation, parse};

/// What programs that call ssh really send (reference: their sources).
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_callers_forms() {
    for (words, native, why) in [
        (
            &[
                "-o",
                "SendEnv=GIT_PROTOCOL",
                "-p",
                "7999",
                "git@h",
                "git-upload-pack '/t/r.git'",
            ][..],
            true,
            "git",
        ),
        (
            &[
                "-oControlMaster=yes",
                "-oControlPath=/run/lfs.sock",
                "-p",
                "7999",
                "git@h",
                "git-lfs-transfer t/r download",
            ],
            true,
            "git-lfs",
        ),
        (
            &[
                "-o",
                "SendEnv=GIT_PROTOCOL",
                "-p7999",
                "git@h",
                "git-upload-pack",
                "'t/r.git'",
            ],
            true,
            "gitoxide",
        ),
        (
            &[
                "-x",
                "-p",
                "7999",
                "-i",
                "key",
                "-o",
                "SetEnv GIT_PROTOCOL=version=2",
                "git@h",
                "git-upload-pack '/t/r'",
            ],
            true,
            "dulwich",
        ),
        (
            &[
                "-o",
                "ControlMaster no",
                "-o",
                "ControlPath /tmp/s",
                "h",
                "git-upload-pack 't/r'",
            ],
            true,
            "git-repo's git_ssh",
        ),
        (
            &["-o", "ControlPath /tmp/s", "-p", "7999", "h", "-O", "check"],
            false,
            "git-repo asks a master",
        ),
        (
            &[
                "-M",
                "-N",
                "-o",
                "SetEnv GIT_PROTOCOL=version=2",
                "-o",
                "ControlPath /tmp/s",
                "h",
            ],
            false,
            "git-repo starts a master",
        ),
        (
            &["-oBatchMode=yes", "git@h", "git-upload-pack 't/r'"],
            true,
            "yarn, SwiftPM",
        ),
        (
            &[
                "-o",
                "ControlMaster=no",
                "-o",
                "BatchMode=yes",
                "git@h",
                "x",
            ],
            true,
            "go",
        ),
        (
            &[
                "-x",
                "-oPermitLocalCommand=no",
                "-oClearAllForwardings=yes",
                "-oRemoteCommand=none",
                "-oRequestTTY=no",
                "-oControlMaster=no",
                "-oForwardAgent=no",
                "-l",
                "u",
                "--",
                "h",
                "scp -t x",
            ],
            true,
            "scp",
        ),
        (
            &["-oForwardX11 no", "-oPort 22", "-s", "--", "h", "sftp"],
            false,
            "sftp",
        ),
        (
            &[
                "-S",
                "/tmp/s",
                "-o",
                "ControlMaster=auto",
                "-o",
                "ControlPersist=yes",
                "-n",
                "h",
                "git-annex-shell x",
            ],
            true,
            "git-annex",
        ),
        (&["-l", "u", "h", "rsync", "--server", "-v"], true, "rsync"),
        (&["-T", "git@h"], true, "people"),
    ] {
        let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
        let parsed = parse(argv.clone()).unwrap();
        assert_eq!(
            matches!(parsed, Invocation::Native(_)),
            native,
            "{why}: {parsed:?}"
        );
        let (Invocation::Native(request) | Invocation::System { request, .. }) = parsed else {
            panic!("{why}")
        };
        assert_eq!(request.host, "h", "{why}");
        assert_eq!(request.argv, argv, "{why}: untouched");
    }
}

#[test]
fn the_account_stands_in_front_and_is_ours() {
    for (words, account, left, why) in [
        (&["--account", "work", "h"][..], Some("work"), 1, "separate"),
        (
            &["--account=a@b.c", "-v", "h"],
            Some("a@b.c"),
            2,
            "attached",
        ),
        (
            &["h", "--account", "x"],
            None,
            3,
            "not in front: options end at the command",
        ),
    ] {
        let argv = words.iter().map(OsString::from).collect();
        match parse(argv) {
            Ok(Invocation::Native(request)) => {
                assert_eq!(request.account.as_deref(), account, "{why}");
                assert_eq!(request.argv.len(), left, "{why}");
            }
            other => assert!(account.is_none() && other.is_err(), "{why}: {other:?}"),
        }
    }
    for words in [
        &["--account"][..],
        &["--account="],
        &["--account", "", "h"],
        &["--accounts", "h"],
    ] {
        assert!(
            parse(words.iter().map(OsString::from).collect()).is_err(),
            "{words:?}"
        );
    }
}
