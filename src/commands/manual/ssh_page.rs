//! `bitbucket-ssh.1`: the program that git calls, with the settings (from their table), variables
//! and files of both programs.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::settings::keys::{Form, InRepository, KEYS, Key};
use crate::ssh_command::options::{Carrier, OPTIONS as OPTIONS_OF_SSH};

/// File name and text.
pub(super) fn page(source: &str) -> (String, Vec<u8>) {
    let mut roff = Roff::default();
    roff.control("TH", ["bitbucket-ssh", "1", "", source, ""]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(
        "bitbucket-ssh - git's SSH program for Bitbucket: the right key for every repository",
    )]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([
        bold("bitbucket-ssh"),
        roman(" ["),
        bold("--account"),
        roman(" "),
        italic("ACCOUNT"),
        roman("] ["),
        italic("ssh options"),
        roman("] ["),
        italic("user"),
        roman("@]"),
        italic("host"),
        roman(" ["),
        italic("command"),
        roman(" ...]"),
    ]);
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in DESCRIPTION {
        roff.control("PP", []);
        roff.text([roman(*paragraph)]);
    }
    section(&mut roff, "OPTIONS", OPTIONS);
    roff.control("SH", ["SETTINGS"]);
    roff.text([roman(SETTINGS)]);
    for key in &KEYS {
        entry(&mut roff, &forms(key), &description(key));
    }
    roff.control("SH", ["SSH CONFIGURATION"]);
    roff.text([roman(SSH_CONFIGURATION)]);
    for (name, carries) in CARRIERS {
        let options = OPTIONS_OF_SSH
            .iter()
            .filter(|option| carries(option.carrier));
        let names: Vec<_> = options.map(|option| option.name).collect();
        entry(&mut roff, &[roman(*name)], &names.join(", "));
    }
    section(&mut roff, "ENVIRONMENT", ENVIRONMENT);
    section(&mut roff, "FILES", FILES);
    section(&mut roff, "EXIT STATUS", EXIT_STATUS);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("git-bitbucket"),
        roman("(1), "),
        bold("git-config"),
        roman("(1), "),
        bold("ssh"),
        roman("(1), "),
        bold("ssh_config"),
        roman("(5)"),
    ]);
    ("bitbucket-ssh.1".to_owned(), roff.render().into_bytes())
}

fn section(roff: &mut Roff, name: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [name]);
    for (name, text) in entries {
        entry(roff, &[bold(*name)], text);
    }
}

fn entry(roff: &mut Roff, name: &[Inline], text: &str) {
    roff.control("TP", []);
    roff.text(name.to_vec());
    roff.text([roman(text)]);
}

/// The forms of its key.
fn forms(key: &Key) -> Vec<Inline> {
    let plain = bold(format!("bitbucket.{}", key.name));
    let by_url = [
        bold("bitbucket."),
        italic("<url>"),
        bold(format!(".{}", key.name)),
    ];
    match key.form {
        Form::Plain => vec![plain],
        Form::Site => by_url.to_vec(),
        Form::PlainOrUrl => [plain, roman(", ")].into_iter().chain(by_url).collect(),
    }
}

fn description(key: &Key) -> String {
    let own = match key.in_repository {
        InRepository::Allowed => " May also be set in a repository's own configuration.",
        InRepository::OnlyNever => " A repository's own configuration may set it to never.",
        InRepository::Ignored => "",
    };
    format!(
        "{} Values: {}. Default: {}.{own}",
        key.sentence, key.values, key.default
    )
}

const DESCRIPTION: &[&str] = &[
    "git calls bitbucket-ssh instead of ssh (core.sshCommand, set by `git bitbucket setup'). For a Bitbucket host it \
     selects the identity of the repository and runs the SSH session itself; if there is no identity, it creates a key \
     pair, registers it, and continues with the same git command. For other hosts it runs the system's ssh.",
    "Its command line is that of ssh(1). Only the bytes of the channel are written to standard output.",
];

const OPTIONS: &[(&str, &str)] = &[
    (
        "--account ACCOUNT",
        "Use only this account for this call. `git -c bitbucket.account=...' has no effect on an SSH command.",
    ),
    (
        "-i FILE",
        "As with ssh: use this key, whatever the configuration says.",
    ),
    (
        "-v, -vv, -vvv, -E FILE",
        "Show each decision with a timeline in milliseconds; what was tried; the protocol. No level shows secrets.",
    ),
    (
        "-G",
        "With the null device as standard output (git's probe): exit at once. Otherwise as with ssh.",
    ),
    (
        "-V",
        "Print the version on standard error, in the form that other programs parse.",
    ),
];

const SETTINGS: &str = "Settings are read from git config. <url> is matched against the repository's web address as git matches \
     http.<url>.*; the most specific match counts.";

const SSH_CONFIGURATION: &str = "~/.ssh/config, the system's file and -o are read as ssh reads them, for the host as typed. Options \
     that are not listed here are ignored for a Bitbucket host; -vv names them.";

/// Text, and which options it describes.
type CarrierText = (&'static str, fn(Carrier) -> bool);

const CARRIERS: &[CarrierText] = &[
    ("Supported", |carrier| matches!(carrier, Carrier::Native)),
    (
        "Where set, the system's ssh connects to Bitbucket hosts",
        |carrier| matches!(carrier, Carrier::System(_)),
    ),
    (
        "On the command line, the system's ssh connects; in a file, ignored",
        |carrier| matches!(carrier, Carrier::Mode(_)),
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "BITBUCKET_EMAIL (or BITBUCKET_USERNAME), BITBUCKET_API_TOKEN",
        "An account and its token, on Bitbucket Cloud or on BITBUCKET_SITE, without a login. The token is removed from the \
         environment of every child and never sent to an SSH server.",
    ),
    ("BITBUCKET_ACCOUNT", "As --account, which takes precedence."),
    (
        "BITBUCKET_SSH_TRACE",
        "1, or a file: as -vvv, without changing the command line.",
    ),
    (
        "CI",
        "If set, no key is created, unless bitbucket.provision is auto; such a key expires after one day.",
    ),
    (
        "GIT_TERMINAL_PROMPT",
        "0: no question about accounts, tokens and new keys. Passphrases and unknown host keys are asked about as by ssh(1).",
    ),
    (
        "SSH_ASKPASS, SSH_ASKPASS_REQUIRE, SSH_AUTH_SOCK, NO_COLOR, XDG_STATE_HOME",
        "Standard meaning; see ssh(1) and git(1).",
    ),
];

const FILES: &[(&str, &str)] = &[
    (
        "~/.ssh/bitbucket_ACCOUNT_TYPE, .pub",
        "Key pairs created by bitbucket-ssh.",
    ),
    (
        "~/.ssh/bitbucket-ssh/",
        "Accounts, records of those keys, locks; tokens.json if there is no keyring.",
    ),
    (
        "$XDG_STATE_HOME/bitbucket-ssh/",
        "History that may be deleted: which identity and endpoint worked last.",
    ),
    (
        "~/.ssh/config, ~/.ssh/known_hosts",
        "Read as by ssh, for the host as given.",
    ),
];

const EXIT_STATUS: &[(&str, &str)] = &[
    (
        "255",
        "bitbucket-ssh itself failed; standard error has the reason and the next step.",
    ),
    ("any other", "The exit status of the remote command."),
];
