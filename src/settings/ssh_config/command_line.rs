//! The command line's `-o` options without ssh's help: values in the form in which `ssh -G`
//! prints them. Pure.

use super::directives::Directives;
use crate::ssh_command::{AddressFamily, Request};
use crate::text::ssh_seconds;

/// What the options say. An error is ssh's own text, as far as it can be told: an ssh that is
/// there is asked for better words.
pub fn directives(request: &Request) -> Result<Directives, String> {
    let mut directives = Directives::default();
    for (key, value) in &request.options {
        match normalised(key, value) {
            Some(values) => {
                for value in values {
                    directives.push(key, value);
                }
            }
            None => return Err(complaint(key, value)),
        }
    }
    if let Some(family) = request.family
        && directives.one("addressfamily").is_none()
    {
        directives.push(
            "addressfamily",
            match family {
                AddressFamily::Inet => "inet",
                AddressFamily::Inet6 => "inet6",
            },
        );
    }
    if let Some(port) = request.port {
        directives.push("port", port.to_string());
    }
    if let Some(user) = &request.user {
        directives.push("user", user.clone());
    }
    if let Some(name) = directives.one("hostname") {
        let name = name.replace("%h", &request.host).replace("%%", "%");
        directives.set("hostname", name.to_ascii_lowercase());
    }
    Ok(directives)
}

fn complaint(key: &str, value: &str) -> String {
    if KINDS.iter().any(|(known, _)| *known == key) {
        format!("command-line line 0: unsupported option \"{value}\".")
    } else {
        format!("command-line: line 0: Bad configuration option: {key}")
    }
}

#[derive(Clone, Copy)]
enum Kind {
    /// yes or no.
    Flag,
    /// A number from 0.
    Number,
    /// From 1 to 65535.
    Port,
    /// Seconds, `1m30s`, `none`.
    Time,
    /// A list of algorithms; `+`, `-` and `^` need ssh's own list.
    Algorithms,
    /// Words with blanks between them.
    Words,
    /// `NAME=value` words.
    Pairs,
    /// As it is.
    Text,
    /// `yes`, `no`, `ask`, `confirm`, with a time.
    AddKeys,
    /// `yes`, `no`, `off`, `ask`, `accept-new`.
    Strict,
    /// `yes`, `no`, `ask`.
    Ask,
    /// `yes`, `no`, `unbound`, `host-bound`.
    Pubkey,
    /// `1G 1h`.
    Rekey,
    /// `any`, `inet`, `inet6`.
    Family,
    /// A name of sshd_config(5)'s LogLevel.
    Level,
    /// Without effect here; taken as it is.
    Ignored,
}

/// Those that a session here may honour, and the frequent ones that it may not. Another one
/// leads to the installed ssh.
const KINDS: [(&str, Kind); 60] = [
    ("addkeystoagent", Kind::AddKeys),
    ("addressfamily", Kind::Family),
    ("batchmode", Kind::Flag),
    ("bindaddress", Kind::Text),
    ("canonicalizehostname", Kind::Text),
    ("certificatefile", Kind::Text),
    ("checkhostip", Kind::Ignored),
    ("ciphers", Kind::Algorithms),
    ("clearallforwardings", Kind::Ignored),
    ("compression", Kind::Flag),
    ("connectionattempts", Kind::Number),
    ("connecttimeout", Kind::Time),
    ("controlmaster", Kind::Ignored),
    ("controlpath", Kind::Ignored),
    ("controlpersist", Kind::Ignored),
    ("escapechar", Kind::Ignored),
    ("exitonforwardfailure", Kind::Ignored),
    ("forwardagent", Kind::Ignored),
    ("forwardx11", Kind::Ignored),
    ("globalknownhostsfile", Kind::Text),
    ("gssapiauthentication", Kind::Ignored),
    ("gssapidelegatecredentials", Kind::Ignored),
    ("hashknownhosts", Kind::Flag),
    ("hostkeyalgorithms", Kind::Algorithms),
    ("hostkeyalias", Kind::Text),
    ("hostname", Kind::Text),
    ("identitiesonly", Kind::Flag),
    ("identityagent", Kind::Text),
    ("ipqos", Kind::Ignored),
    ("kbdinteractiveauthentication", Kind::Flag),
    ("kexalgorithms", Kind::Algorithms),
    ("knownhostscommand", Kind::Text),
    ("loglevel", Kind::Level),
    ("macs", Kind::Algorithms),
    ("numberofpasswordprompts", Kind::Number),
    ("passwordauthentication", Kind::Flag),
    ("permitlocalcommand", Kind::Ignored),
    ("pkcs11provider", Kind::Text),
    ("port", Kind::Port),
    ("preferredauthentications", Kind::Text),
    ("proxycommand", Kind::Text),
    ("proxyjump", Kind::Text),
    ("proxyusefdpass", Kind::Flag),
    ("pubkeyacceptedalgorithms", Kind::Algorithms),
    ("pubkeyauthentication", Kind::Pubkey),
    ("rekeylimit", Kind::Rekey),
    ("requesttty", Kind::Ignored),
    ("revokedhostkeys", Kind::Text),
    ("securitykeyprovider", Kind::Text),
    ("sendenv", Kind::Words),
    ("serveralivecountmax", Kind::Number),
    ("serveraliveinterval", Kind::Time),
    ("setenv", Kind::Pairs),
    ("stdinnull", Kind::Ignored),
    ("stricthostkeychecking", Kind::Strict),
    ("tcpkeepalive", Kind::Ignored),
    ("updatehostkeys", Kind::Ask),
    ("user", Kind::Text),
    ("userknownhostsfile", Kind::Text),
    ("visualhostkey", Kind::Ignored),
];

const LEVELS: [&str; 9] = [
    "quiet", "fatal", "error", "info", "verbose", "debug", "debug1", "debug2", "debug3",
];

/// `None`: not known, not understood, or ssh's to expand.
fn normalised(key: &str, value: &str) -> Option<Vec<String>> {
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == key)?;
    let lower = value.to_ascii_lowercase();
    let word = |allowed: &[(&str, &str)]| {
        let found = allowed.iter().find(|(word, _)| *word == lower);
        found.map(|(_, printed)| vec![(*printed).to_owned()])
    };
    match kind {
        Kind::Flag => word(&[
            ("yes", "yes"),
            ("true", "yes"),
            ("no", "no"),
            ("false", "no"),
        ]),
        Kind::Number => value
            .parse::<u32>()
            .ok()
            .map(|number| vec![number.to_string()]),
        Kind::Port => value
            .parse::<u16>()
            .ok()
            .filter(|port| *port > 0)
            .map(|port| vec![port.to_string()]),
        Kind::Time if lower == "none" => Some(vec![lower]),
        Kind::Time => Some(vec![ssh_seconds(&lower)?.to_string()]),
        Kind::Algorithms => {
            let plain = !value.starts_with(['+', '-', '^']) && !value.contains(['*', '?', '!']);
            plain.then(|| vec![value.to_owned()])
        }
        Kind::Words => Some(value.split_whitespace().map(str::to_owned).collect()),
        Kind::Pairs => pairs(value),
        Kind::Text => (!value.is_empty()).then(|| vec![value.to_owned()]),
        Kind::Ignored => Some(vec![value.to_owned()]),
        Kind::AddKeys => add_keys(&lower),
        Kind::Strict => word(&[
            ("yes", "true"),
            ("true", "true"),
            ("no", "false"),
            ("false", "false"),
            ("off", "false"),
            ("ask", "ask"),
            ("accept-new", "accept-new"),
        ]),
        // ssh takes `ask` back where no terminal is asked for, as with every command of git's.
        Kind::Ask => word(&[
            ("yes", "true"),
            ("true", "true"),
            ("no", "false"),
            ("false", "false"),
            ("ask", "false"),
        ]),
        Kind::Pubkey => word(&[
            ("yes", "true"),
            ("true", "true"),
            ("no", "false"),
            ("false", "false"),
            ("unbound", "unbound"),
            ("host-bound", "host-bound"),
        ]),
        Kind::Rekey => rekey(&lower),
        Kind::Level => {
            let known = LEVELS.contains(&lower.as_str());
            known.then(|| vec![value.to_ascii_uppercase()])
        }
        Kind::Family => word(&[("any", "any"), ("inet", "inet"), ("inet6", "inet6")]),
    }
}

/// `NAME=value` words whose quotes are gone already: ssh takes no word without `=`, so one that has
/// none stood in quotes with the word before it.
fn pairs(value: &str) -> Option<Vec<String>> {
    let mut pairs: Vec<String> = Vec::new();
    for word in value.split(' ') {
        if word.contains('=') {
            pairs.push(word.to_owned());
        } else {
            let last = pairs.last_mut()?;
            last.push(' ');
            last.push_str(word);
        }
    }
    Some(pairs)
}

fn add_keys(value: &str) -> Option<Vec<String>> {
    let printed = match value.split_once(' ') {
        None => match value {
            "yes" | "true" => "true".to_owned(),
            "no" | "false" => "false".to_owned(),
            "ask" | "confirm" => value.to_owned(),
            time => ssh_seconds(time)?.to_string(),
        },
        Some(("confirm", time)) => format!("confirm {}", ssh_seconds(time.trim())?),
        Some(_) => return None,
    };
    Some(vec![printed])
}

/// `default`, bytes with `K`, `M`, `G`, and a time or `none`.
fn rekey(value: &str) -> Option<Vec<String>> {
    let (bytes, time) = value.split_once(' ').unwrap_or((value, "none"));
    let bytes = match bytes {
        "default" | "none" => 0,
        bytes => {
            let (digits, unit) = match bytes.strip_suffix(['k', 'm', 'g']) {
                Some(digits) => (digits, &bytes[digits.len()..]),
                None => (bytes, ""),
            };
            let shift = match unit {
                "k" => 10,
                "m" => 20,
                "g" => 30,
                _ => 0,
            };
            let bytes = digits.parse::<u64>().ok()?.checked_mul(1 << shift)?;
            // ssh refuses less (readconf.c, oRekeyLimit).
            (bytes >= 16).then_some(bytes)?
        }
    };
    let time = match time.trim() {
        "none" => 0,
        time => ssh_seconds(time)?,
    };
    Some(vec![format!("{bytes} {time}")])
}
