//! The options of the command line, read in process: values in the form in which `ssh -G` prints
//! them. Pure.

use super::ssh_g::Directives;
use crate::ssh_command::options::{self, Value};
use crate::ssh_command::{AddressFamily, Request};
use crate::text::ssh_seconds;

/// What the options set. The error has the text that ssh would print, as far as it is known here;
/// where ssh is installed, it is asked instead.
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
    if options::find(key).is_some() {
        format!("command-line line 0: unsupported option \"{value}\".")
    } else {
        format!("command-line: line 0: Bad configuration option: {key}")
    }
}

const LEVELS: [&str; 9] = [
    "quiet", "fatal", "error", "info", "verbose", "debug", "debug1", "debug2", "debug3",
];

/// The values as `ssh -G` prints them. `None`: not an option, not a value of it, or one that only ssh can
/// expand.
fn normalised(key: &str, value: &str) -> Option<Vec<String>> {
    let lower = value.to_ascii_lowercase();
    let word = |allowed: &[(&str, &str)]| {
        let found = allowed.iter().find(|(word, _)| *word == lower);
        found.map(|(_, printed)| vec![(*printed).to_owned()])
    };
    match options::find(key)?.value {
        Value::Flag => word(&[
            ("yes", "yes"),
            ("true", "yes"),
            ("no", "no"),
            ("false", "no"),
        ]),
        Value::Number => value
            .parse::<u32>()
            .ok()
            .map(|number| vec![number.to_string()]),
        Value::Port => value
            .parse::<u16>()
            .ok()
            .filter(|port| *port > 0)
            .map(|port| vec![port.to_string()]),
        Value::Time if lower == "none" => Some(vec![lower]),
        Value::Time => Some(vec![ssh_seconds(&lower)?.to_string()]),
        Value::Algorithms => {
            let plain = !value.starts_with(['+', '-', '^']) && !value.contains(['*', '?', '!']);
            plain.then(|| vec![value.to_owned()])
        }
        Value::Words => Some(value.split_whitespace().map(str::to_owned).collect()),
        Value::Pairs => pairs(value),
        Value::Text => (!value.is_empty()).then(|| vec![value.to_owned()]),
        Value::AddKeys => add_keys(&lower),
        Value::Strict => word(&[
            ("yes", "true"),
            ("true", "true"),
            ("no", "false"),
            ("false", "false"),
            ("off", "false"),
            ("ask", "ask"),
            ("accept-new", "accept-new"),
        ]),
        // ssh turns `ask` off without a terminal, so for every command of git's.
        Value::Ask => word(&[
            ("yes", "true"),
            ("true", "true"),
            ("no", "false"),
            ("false", "false"),
            ("ask", "false"),
        ]),
        Value::Pubkey => word(&[
            ("yes", "true"),
            ("true", "true"),
            ("no", "false"),
            ("false", "false"),
            ("unbound", "unbound"),
            ("host-bound", "host-bound"),
        ]),
        Value::Rekey => rekey(&lower),
        Value::Level => {
            let known = LEVELS.contains(&lower.as_str());
            known.then(|| vec![value.to_ascii_uppercase()])
        }
        Value::Family => word(&[("any", "any"), ("inet", "inet"), ("inet6", "inet6")]),
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
