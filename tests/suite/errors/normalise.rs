//! Replaces what is specific to a test's machine.

use crate::support::World;

/// Folders, ports, fingerprints, keys and labels of this machine become those of the document;
/// what git itself adds at the end is left out.
pub fn normalise(world: &World, output: &str) -> String {
    let home = world.path("home");
    let port = world.sandbox.ssh_port().to_string();
    let mut text = output.to_owned();
    for (ours, theirs) in [
        (format!("{}", home.display()), "/home/you".to_owned()),
        (world.path("").display().to_string(), "/".to_owned()),
        (format!("[127.0.0.1]:{port}"), "bitbucket.org".to_owned()),
        (
            format!("127.0.0.1 port {port}"),
            "bitbucket.org port 22".to_owned(),
        ),
        (
            world.sandbox.api_url(),
            "https://api.bitbucket.org/2.0".to_owned(),
        ),
    ] {
        text = text.replace(&ours, &theirs);
    }
    let api = world.sandbox.api_url();
    let api = api.trim_start_matches("http://").trim_end_matches("/2.0");
    text = text.replace(
        &api.replace("127.0.0.1", "bitbucket.org"),
        "api.bitbucket.org",
    );
    text = text.replace(api, "api.bitbucket.org");
    text = text.replace("127.0.0.1", "bitbucket.org");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("Cloning into "));
    let lines = lines.take_while(|line| *line != "fatal: Could not read from remote repository.");
    let lines: Vec<_> = lines.map(unique).collect();
    lines.join("\n")
}

/// Without what is different on every run.
fn unique(line: &str) -> String {
    let line = each_run(
        line,
        "bitbucket.org port ",
        |rest| {
            rest.find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len())
        },
        "22",
    );
    let line = each_run(&line, "SHA256:", |rest| base64(rest).min(43), "…");
    let line = each_run(&line, "ssh-ed25519 AAAA", base64, "…");
    each_run(
        &line,
        "\"bitbucket-ssh ",
        |rest| rest.find('"').unwrap_or(0),
        "you@machine 2026-11-25 kolibu",
    )
}

fn base64(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c))
        .unwrap_or(text.len())
}

/// Behind each `mark`, the `length` of what follows is replaced.
fn each_run(line: &str, mark: &str, length: impl Fn(&str) -> usize, by: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(mark) {
        let after = at + mark.len();
        text.push_str(&rest[..after]);
        rest = &rest[after..];
        text.push_str(by);
        rest = &rest[length(rest)..];
    }
    text + rest
}
