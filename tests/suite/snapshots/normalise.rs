//! Replaces what differs between machines and days: paths, ports, dates, fingerprints, versions.

use crate::support::{ALICE, World, run};

/// A text without what is this machine's or this moment's. Equal fingerprints get equal numbers.
pub(super) fn normalise(world: &World, text: &str) -> String {
    let mut text = text.to_owned();
    for key in world.sandbox.keys(ALICE) {
        // bitbucket-ssh USER@HOST DATE TAG
        let words: Vec<&str> = key.label.split(' ').collect();
        if let ["bitbucket-ssh", who, _, tag] = words[..] {
            text = text.replace(who, "you@machine").replace(tag, "TAG");
        }
    }
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    let programs = programs.parent().unwrap().display().to_string();
    let machine = world.path("").display().to_string();
    let port = world.sandbox.ssh_port();
    text = text
        .replace(&format!("[127.0.0.1]:{port}"), "[127.0.0.1]:PORT")
        .replace(&format!("Port {port}\n"), "Port PORT\n")
        .replace(&programs, "/programs")
        .replace(machine.trim_end_matches('/'), "/machine")
        .replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let git = world.git(&["version"]).stdout();
    let mut ssh = world.command("ssh");
    ssh.arg("-V");
    let ssh = run(ssh).stderr();
    for (output, name) in [
        (git.trim().trim_start_matches("git version "), "VERSION"),
        (ssh.split(',').next().unwrap_or_default(), "OpenSSH_VERSION"),
    ] {
        if !output.is_empty() {
            text = text.replace(output, name);
        }
    }
    let lines = text.lines().map(|line| settled(&numbers(line)));
    let lines = lines.map(|line| this_machine_s(&line));
    let mut text = lines.fold(String::new(), |text, line| text + &line + "\n");
    let mut known = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("SHA256:") {
        let start = from + found + "SHA256:".len();
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/".contains(c);
        let length = text[start..]
            .find(|c| !is_base64(c))
            .unwrap_or(text.len() - start);
        from = start;
        if length != 43 {
            continue;
        }
        let print = text[start..start + length].to_owned();
        let number = known.iter().position(|one| *one == print);
        let number = number.unwrap_or_else(|| {
            known.push(print);
            known.len() - 1
        });
        text.replace_range(start..start + length, &format!("({})", number + 1));
    }
    text
}

/// How long it took, and what this machine's ssh_config holds that is not followed.
fn this_machine_s(line: &str) -> String {
    let took = line
        .strip_suffix(" ms)")
        .and_then(|rest| rest.rsplit_once(" ("));
    if let Some((group, _)) = took {
        return format!("{group} (TIME)");
    }
    if let Some((head, _)) = line.split_once("\"milliseconds\": ")
        && !line.contains("null")
    {
        return format!("{head}\"milliseconds\": TIME,");
    }
    if let Some((head, _)) = line.split_once("not supported by the native transport:") {
        return format!("{head}not supported by the native transport: …");
    }
    line.to_owned()
}

/// Dates, times, ports, long numbers of a line.
fn numbers(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let word: &str = &rest[..rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"-:.".contains(c))
            .unwrap_or(rest.len())];
        let shape: String = word
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        let named = if shape.starts_with("0000-00-00T") {
            Some((word.len(), "TIME"))
        } else if shape.starts_with("0000-00-00") {
            Some((10, "DATE"))
        } else if shape.starts_with("127.0.0.1:0") || shape.starts_with("000.0.0.0:0") {
            Some((word.trim_end_matches(['.', ':']).len(), "127.0.0.1:PORT"))
        } else {
            None
        };
        let (length, name) = match named {
            Some((length, name)) => (length, name),
            None if !word.is_empty() => (word.len(), word),
            None => (c.len_utf8(), &rest[..c.len_utf8()]),
        };
        plain.push_str(name);
        rest = &rest[length..];
    }
    let port = plain.find("127.0.0.1 port ").map(|at| at + 15);
    if let Some(at) = port {
        let digits = plain[at..].bytes().take_while(u8::is_ascii_digit).count();
        plain.replace_range(at..at + digits, "PORT");
    }
    plain
}

/// The same distance between columns on each machine: the width of a column depends on its contents.
fn settled(line: &str) -> String {
    let begin = line.len() - line.trim_start().len();
    let mut plain = line[..begin].to_owned();
    let mut blanks = 0;
    for c in line[begin..].chars() {
        blanks = if c == ' ' { blanks + 1 } else { 0 };
        if blanks <= 2 {
            plain.push(c);
        }
    }
    plain
}
