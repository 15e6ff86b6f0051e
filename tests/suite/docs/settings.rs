//! `docs/settings.md`: the list is generated from the table that the program uses.

use std::fmt::Write as _;
use std::fs;

use bitbucket_ssh::settings::keys::{Form, InRepository, KEYS, Key};

use super::page;

const BEGIN: &str =
    "<!-- from src/settings/keys.rs; WRITE_DOCS=1 cargo test --test suite docs writes it -->\n";
const END: &str = "<!-- end of the list -->\n";

fn list() -> String {
    let mut text = String::new();
    for key in &KEYS {
        write!(
            text,
            "\n### `{}`\n\n{}\n\n| | |\n| --- | --- |\n| values | {} |\n| default | {} |\n| written as | {} |\n\
             | in a repository's own configuration | {} |\n",
            key.name,
            key.sentence,
            key.values,
            key.default,
            stands(key),
            own(key)
        )
        .unwrap();
    }
    text.push('\n');
    text
}

fn stands(key: &Key) -> String {
    let name = key.name;
    match key.form {
        Form::PlainOrUrl => format!("`bitbucket.{name}`, `bitbucket.<url>.{name}`"),
        Form::Plain => format!("`bitbucket.{name}`"),
        Form::Site => format!("`bitbucket.<url>.{name}`, with the URL of a site as it is"),
    }
}

fn own(key: &Key) -> &'static str {
    match key.in_repository {
        InRepository::Allowed => "allowed",
        InRepository::OnlyNever => "only `never`",
        InRepository::Ignored => "ignored",
    }
}

#[test]
fn the_list_is_the_program_s_table() {
    let file = page("settings.md");
    let text = fs::read_to_string(&file).unwrap();
    let from = text.find(BEGIN).expect("the list begins") + BEGIN.len();
    let to = text.find(END).expect("the list ends");
    if std::env::var_os("WRITE_DOCS").is_some() {
        let whole = format!("{}{}{}", &text[..from], list(), &text[to..]);
        return fs::write(&file, whole).unwrap();
    }
    assert_eq!(
        &text[from..to],
        list(),
        "docs/settings.md is stale; WRITE_DOCS=1 cargo test --test suite docs writes it"
    );
}

#[test]
fn every_setting_in_the_pages_exists() {
    for entry in fs::read_dir(page("")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !".<>:/*_-\"".contains(c));
        for word in words {
            let Some(rest) = word.trim_end_matches(['.', ':']).strip_prefix("bitbucket.") else {
                continue;
            };
            let name = rest.rsplit_once('.').map_or(rest, |(_, name)| name);
            let hooks = format!("hooks.{name}");
            let host = rest == "org"
                || rest.starts_with("org/")
                || rest.starts_with("org:")
                || rest.starts_with("org-")
                || rest.starts_with("invalid");
            let known = |name: &str| KEYS.iter().any(|key| key.name == name);
            assert!(
                host || ["*", "<url>"].contains(&name) || known(name) || known(&hooks),
                "{}: {word}",
                file.display()
            );
        }
    }
}
