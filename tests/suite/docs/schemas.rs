//! `docs/schemas`: what `--json` prints is what the schema says.

use std::fs;

use serde_json::Value;

use super::page;
use crate::choice::{BOB, SITE, two_accounts, with_keys};
use crate::support::{ALICE, Output, World};

/// What is wrong with this output.
fn faults(schema: &str, output: &Output) -> Vec<String> {
    let text = fs::read_to_string(page("schemas").join(schema)).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let faults = validator.iter_errors(&value);
    faults
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

#[track_caller]
fn holds(schema: &str, output: &Output) {
    assert_eq!(faults(schema, output), Vec::<String>::new(), "{output}");
}

/// Two accounts with keys, a clone, a setting that does not count, and one that names a file.
fn busy() -> World {
    let world = two_accounts();
    with_keys(&world);
    world.git(&["clone", "-q", SITE, "site"]).succeeds();
    world
        .git(&["-C", "site", "config", "bitbucket.keyType", "rsa"])
        .succeeds();
    world.configure("bitbucket.acount", BOB);
    world
}

#[test]
fn status_is_as_its_schema_says() {
    let world = busy();
    let status = |arguments: &[&str]| {
        let before = ["-C", "site", "bitbucket", "status", "--json"];
        world.git(&[&before[..], arguments].concat()).succeeds()
    };
    let plain = status(&[]);
    holds("status.json", &plain);
    let value: Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert!(
        value["ignored"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
    );
    world.configure(
        "bitbucket.https://bitbucket.org/acme.identityFile",
        "~/.ssh/none",
    );
    holds("status.json", &status(&[]));
    world.make_key("loose", "");
    world.configure(
        "bitbucket.https://bitbucket.org/loose.identityFile",
        "~/.ssh/loose",
    );
    holds(
        "status.json",
        &status(&["git@bitbucket.org:loose/site.git"]),
    );
    holds(
        "status.json",
        &status(&["git@bitbucket.org:other/site.git"]),
    );
    world.configure("bitbucket.https://dc.example.com.type", "datacenter");
    holds(
        "status.json",
        &status(&["ssh://git@dc.example.com:7999/PROJ/tool.git"]),
    );
}

#[test]
fn doctor_is_as_its_schema_says() {
    let world = busy();
    let output = world.git(&["-C", "site", "bitbucket", "doctor", "--json"]);
    holds("doctor.json", &output);
    let output = world.git(&["bitbucket", "doctor", "--json", "--offline", SITE]);
    holds("doctor.json", &output);
}

#[test]
fn key_list_is_as_its_schema_says() {
    let world = busy();
    let line = world.make_key("elsewhere", "");
    world.sandbox.add_key(ALICE, &line, "by hand");
    let bob = world.sandbox.keys(BOB).remove(0);
    world.sandbox.remove_keys(BOB, Some(&bob.fingerprint));
    let output = world.git_bitbucket(&["key", "list", "--json"]).succeeds();
    holds("key-list.json", &output);
    for state in ["proved", "elsewhere", "missing"] {
        assert!(output.stdout().contains(state), "{state}: {output}");
    }
}

/// The near miss: a field too many and one too few are found.
#[test]
fn a_schema_finds_what_it_does_not_say() {
    let world = busy();
    let mut output = world.git_bitbucket(&["key", "list", "--json"]).succeeds();
    let mut value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let key = value[0].as_object_mut().unwrap();
    key.remove("label");
    key.insert("colour".to_owned(), "red".into());
    output.stdout = serde_json::to_vec(&value).unwrap();
    assert_eq!(faults("key-list.json", &output).len(), 2, "{output}");
}

/// Every `--json` of `--help` has its schema, and the other way round.
#[test]
fn every_json_has_its_schema() {
    let world = World::new();
    let folder = world.path("tmp/man");
    world
        .git_bitbucket(&["man", folder.to_str().unwrap()])
        .succeeds();
    let mut printing = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if text.contains("\\-\\-json") && name != "git-bitbucket" {
            printing.push(name.replace("git-bitbucket-", "") + ".json");
        }
    }
    let schemas = fs::read_dir(page("schemas")).unwrap();
    let mut schemas: Vec<_> = schemas
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    printing.sort();
    schemas.sort();
    assert_eq!(printing, schemas);
}
