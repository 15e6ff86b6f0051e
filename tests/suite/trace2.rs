//! git's own log with our events in it, compared with what git writes into the same file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{ALICE, Running, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// Every line as JSON.
#[track_caller]
fn events(text: &str) -> Vec<Value> {
    let parsed = text.lines().map(|line| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    parsed.collect()
}

fn word<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

/// The events of the one session whose command is `name`.
#[track_caller]
fn session(events: &[Value], name: &str) -> Vec<Value> {
    let named = |event: &&Value| word(event, "event") == "cmd_name" && word(event, "name") == name;
    let ids: BTreeSet<_> = events
        .iter()
        .filter(named)
        .map(|one| word(one, "sid"))
        .collect();
    assert_eq!(ids.len(), 1, "one session of {name}: {ids:?}");
    let of_it = |event: &&Value| ids.contains(word(event, "sid"));
    events.iter().filter(of_it).cloned().collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| word(event, "event")).collect()
}

#[track_caller]
fn data<'a>(events: &'a [Value], key: &str) -> &'a str {
    let found = events
        .iter()
        .find(|event| word(event, "event") == "data" && word(event, "key") == key);
    word(
        found.unwrap_or_else(|| panic!("no {key} in {events:#?}")),
        "value",
    )
}

#[test]
fn a_fetch_is_one_timeline_with_git_s_own() {
    let mut world = World::new();
    let log = world.path("tmp/events");
    world.set("GIT_TRACE2_EVENT", &log);
    world.git(&["clone", "-q", URL]).succeeds();
    let all = events(&std::fs::read_to_string(&log).unwrap());
    let git = session(&all, "clone");
    let ours = session(&all, "bitbucket-ssh");

    let (parent, own) = word(&ours[0], "sid").rsplit_once('/').unwrap();
    assert_eq!(parent, word(&git[0], "sid"));
    let shape = |id: &str| -> String {
        let kind = |c: char| {
            if c.is_ascii_digit() || ('a'..='f').contains(&c) {
                '0'
            } else {
                c
            }
        };
        id.chars().map(kind).collect()
    };
    assert_eq!(shape(own), shape(parent), "an id of git's kind: {own}");
    let machine = |id: &str| id.split('-').nth(1).unwrap().to_owned();
    assert_eq!(machine(own), machine(parent), "the same machine");

    let kinds = names(&ours);
    assert_eq!(kinds[..3], ["version", "start", "cmd_name"]);
    assert_eq!(kinds[kinds.len() - 2..], ["exit", "atexit"]);
    assert_eq!(ours[1]["argv"][0], "bitbucket-ssh");
    assert!(word(&ours[2], "hierarchy").ends_with("/bitbucket-ssh"));
    assert_eq!(ours.last().unwrap()["code"], 0);
    assert_eq!(data(&ours, "site"), "https://bitbucket.org");
    assert_eq!(data(&ours, "account"), ALICE);
    assert_eq!(data(&ours, "endpoint"), world.sandbox.ssh_host());
    assert!(data(&ours, "identity").starts_with("SHA256:"));
    assert!(data(&ours, "bytes_received").parse::<u64>().unwrap() > 100);
    assert!(data(&ours, "bytes_sent").parse::<u64>().unwrap() > 4);

    // The events have the same fields as git's own, of the same types.
    let fields = |events: &[Value]| {
        let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for event in events {
            let kind = |value: &Value| match value {
                Value::Number(number) if number.is_f64() => "float",
                Value::Number(_) => "number",
                Value::Array(_) => "list",
                _ => "text",
            };
            let known = event.as_object().unwrap().iter();
            let known = known.map(|(name, value)| format!("{name}: {}", kind(value)));
            fields
                .entry(word(event, "event").to_owned())
                .or_default()
                .extend(known);
        }
        fields
    };
    let (of_git, of_ours) = (fields(&git), fields(&ours));
    let mut compared = 0;
    for (event, theirs) in &of_git {
        let Some(ours) = of_ours.get(event) else {
            continue;
        };
        // The number of an open repository, which we are not.
        let missing: Vec<_> = theirs
            .difference(ours)
            .filter(|field| !field.starts_with("repo:"))
            .collect();
        assert!(missing.is_empty(), "{event} lacks {missing:?}");
        compared += 1;
    }
    assert!(compared >= 7, "{:?} {:?}", of_git.keys(), of_ours.keys());
}

/// Regions of one thread lie inside each other, as git's do.
#[test]
fn regions_are_nested_and_threads_their_own() {
    let mut world = World::new();
    let log = world.path("tmp/events");
    world.set("GIT_TRACE2_EVENT", &log);
    world.set("GIT_TRACE2_EVENT_NESTING", "9");
    world.git(&["clone", "-q", URL]).succeeds();
    let ours = session(
        &events(&std::fs::read_to_string(&log).unwrap()),
        "bitbucket-ssh",
    );
    let mut open: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for event in &ours {
        let stack = open.entry(word(event, "thread")).or_default();
        let nesting = event["nesting"].as_u64();
        match word(event, "event") {
            "region_enter" => {
                assert_eq!(nesting, Some(stack.len() as u64 + 1), "{event}");
                stack.push(word(event, "label"));
                seen.insert(stack.join("/"));
            }
            "region_leave" => {
                assert_eq!(stack.pop(), Some(word(event, "label")), "{event}");
                assert_eq!(nesting, Some(stack.len() as u64 + 1), "{event}");
            }
            "data" => assert_eq!(nesting, Some(stack.len() as u64 + 1), "{event}"),
            _ => {}
        }
    }
    assert!(open.values().all(Vec::is_empty), "left open: {open:?}");
    for expected in [
        "plan",
        "provision",
        "provision/generate",
        "provision/rest",
        "session",
        "session/connect",
        "lookup",
        "tcp",
        "banner",
        "session/kex",
        "session/auth",
        "session/channel",
    ] {
        assert!(seen.contains(expected), "{expected} is not in {seen:?}");
    }
    let starts = names(&ours)
        .iter()
        .filter(|name| **name == "thread_start")
        .count();
    let ends = names(&ours)
        .iter()
        .filter(|name| **name == "thread_exit")
        .count();
    assert!(
        starts >= 1 && starts == ends,
        "{starts} threads, {ends} ends"
    );
}

#[test]
fn columns_and_lines_stand_as_git_s() {
    let mut world = World::new();
    let (perf, normal) = (world.path("tmp/perf"), world.path("tmp/normal"));
    world.set("GIT_TRACE2_PERF", &perf);
    world.set("GIT_TRACE2", &normal);
    world.git(&["clone", "-q", URL]).succeeds();
    let perf = std::fs::read_to_string(perf).unwrap();
    let bars = |line: &str| -> Vec<usize> {
        line.match_indices(" | ")
            .map(|(at, _)| at)
            .take(8)
            .collect()
    };
    let (ours, git): (Vec<&str>, Vec<&str>) = perf
        .lines()
        .partition(|line| line.contains("src/") || line.contains("...") && line.contains("| d1 |"));
    let ours: Vec<_> = ours
        .into_iter()
        .filter(|line| line.contains("| d1 |"))
        .collect();
    assert!(ours.len() > 20 && git.len() > 20, "{perf}");
    for line in &ours {
        assert_eq!(bars(line), bars(git[0]), "\n{line}\n{}", git[0]);
    }
    let phases = [
        "label:lookup",
        "label:tcp",
        "label:kex",
        "label:auth",
        "label:channel",
    ];
    for phase in phases {
        assert!(
            ours.iter().any(|line| line.contains(phase)),
            "{phase}: {perf}"
        );
    }
    let normal = std::fs::read_to_string(normal).unwrap();
    for text in [
        "version bitbucket-ssh ",
        "cmd_name bitbucket-ssh (",
        "exit elapsed:",
    ] {
        let line = normal
            .lines()
            .find(|line| line.contains("src/") && line.contains(text));
        let line = line.unwrap_or_else(|| panic!("no {text}: {normal}"));
        assert!(line.find(text).unwrap() >= 50, "{line}");
    }

    world.set("GIT_TRACE2_PERF", &world.path("tmp/brief"));
    world.set("GIT_TRACE2_PERF_BRIEF", "true");
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    let brief = std::fs::read_to_string(world.path("tmp/brief")).unwrap();
    assert!(
        !brief.contains("src/") && brief.lines().any(|line| line.starts_with("d1 | main")),
        "{brief}"
    );
}

#[test]
fn every_kind_of_target_is_git_s() {
    let world = World::new();
    world.git(&["clone", "-q", URL]).succeeds();
    let program = env!("CARGO_BIN_EXE_bitbucket-ssh");
    let arguments = ["git@bitbucket.org", "git-upload-pack 'acme/site.git'"];
    let with = |world: &World, value: &str| {
        let mut command = world.command(program);
        command.args(arguments).env("GIT_TRACE2_EVENT", value);
        Running::start(command, b"0000".to_vec()).wait()
    };
    let whole = |text: &str| {
        let events = events(text);
        assert_eq!(names(&events).last(), Some(&"atexit"), "{text}");
        events.len()
    };
    // A folder: a file for each process, named by its session.
    let folder = world.path("tmp/events");
    std::fs::create_dir(&folder).unwrap();
    for count in 1..=2 {
        with(&world, folder.to_str().unwrap()).succeeds();
        let files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(files.len(), count);
        for file in files {
            let text = std::fs::read_to_string(file.path()).unwrap();
            let name = file.file_name();
            assert!(
                text.contains(&format!("\"sid\":{name:?}")),
                "{name:?}: {text}"
            );
            whole(&text);
        }
    }
    // stderr: only this program's lines are there.
    let output = with(&world, "2").succeeds();
    assert!(whole(&output.stderr()) > 10, "{output}");
    // A descriptor of a file that is appended to: git's and this program's events alternate.
    let mut shell = world.command("sh");
    shell.args([
        "-c",
        "GIT_TRACE2_EVENT=9 git -C site fetch -q 9>>descriptor",
    ]);
    run(shell).succeeds();
    let text = std::fs::read_to_string(world.path("work/descriptor")).unwrap();
    let all = events(&text);
    assert_eq!(
        names(&session(&all, "bitbucket-ssh")).last(),
        Some(&"atexit")
    );
    assert_eq!(names(&session(&all, "fetch"))[0], "version");
}

#[test]
fn a_target_that_cannot_be_written_harms_nothing() {
    let mut world = World::new();
    world.git(&["clone", "-q", URL]).succeeds();
    let missing = world.path("tmp/missing/file");
    let git = |world: &World, name: &str, value: &std::path::Path| {
        let mut git = world.command("git");
        git.args(["-C", "site", "fetch", "-q"]).env(name, value);
        run(git).succeeds().stderr()
    };
    for name in ["GIT_TRACE2", "GIT_TRACE2_PERF", "GIT_TRACE2_EVENT"] {
        assert_eq!(git(&world, name, &missing), "", "as git, without a word");
        let full = std::path::Path::new("/dev/full");
        assert_eq!(git(&world, name, full), "", "as git, without a word");
        // Each of git's processes logs it, and this program in the same format.
        let output = git(&world, name, std::path::Path::new("relative"));
        let line = format!("warning: trace2: unknown value for '{name}': 'relative'\n");
        let rest = output.replace(&line, "");
        assert_eq!(rest, "", "only git's words: {output}");
        let mut ours = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
        ours.args(["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
        ours.env(name, "relative");
        let ours = Running::start(ours, b"0000".to_vec()).wait().succeeds();
        assert_eq!(ours.stderr(), line, "said once");
    }
    world.set("GIT_TRACE2_DST_DEBUG", "1");
    let mut ours = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    ours.args(["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
    ours.env("GIT_TRACE2_EVENT", &missing)
        .env("GIT_TRACE2", "/dev/full");
    let output = Running::start(ours, b"0000".to_vec())
        .wait()
        .succeeds()
        .stderr();
    let mut lines: Vec<_> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            format!(
                "warning: trace2: could not open '{}' for 'GIT_TRACE2_EVENT' tracing: No such file or directory",
                missing.display()
            )
            .as_str(),
            "warning: unable to write trace to 'GIT_TRACE2': No space left on device",
        ]
    );
}

#[test]
fn without_variables_the_configuration_counts() {
    let world = World::new();
    world.git(&["clone", "-q", URL]).succeeds();
    let (log, other) = (world.path("tmp/events"), world.path("tmp/other"));
    // The repository's own has no say, for git and for us.
    world
        .git(&[
            "-C",
            "site",
            "config",
            "trace2.eventTarget",
            other.to_str().unwrap(),
        ])
        .succeeds();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert!(!other.exists());
    world.configure("trace2.eventTarget", log.to_str().unwrap());
    world.configure("trace2.eventBrief", "yes");
    world.configure("trace2.configParams", "bitbucket.*,core.sshcommand");
    world.configure("trace2.envVars", "LC_ALL,BITBUCKET_API_TOKEN");
    std::fs::remove_file(&log).unwrap_or_default();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert!(!other.exists());
    let ours = session(
        &events(&std::fs::read_to_string(&log).unwrap()),
        "bitbucket-ssh",
    );
    assert!(ours.iter().all(|event| event["file"].is_null()), "brief");
    let params: Vec<_> = ours
        .iter()
        .filter(|event| word(event, "event") == "def_param")
        .map(|event| {
            (
                word(event, "scope"),
                word(event, "param"),
                word(event, "value"),
            )
        })
        .collect();
    assert!(
        params.contains(&("global", "core.sshCommand", "bitbucket-ssh")),
        "{params:?}"
    );
    assert!(params.contains(&("unknown", "LC_ALL", "C")), "{params:?}");
    assert!(
        params.contains(&("unknown", "BITBUCKET_API_TOKEN", "<REDACTED>")),
        "{params:?}"
    );
    let mut silent = world.command("git");
    silent
        .args(["-C", "site", "fetch", "-q"])
        .env("GIT_TRACE2_EVENT", "0");
    let before = std::fs::metadata(&log).unwrap().len();
    run(silent).succeeds();
    assert_eq!(
        std::fs::metadata(&log).unwrap().len(),
        before,
        "the variable says no"
    );
}

#[test]
fn failures_hand_overs_and_git_bitbucket_are_logged_too() {
    let mut world = World::new();
    let log = world.path("tmp/events");
    world.set("GIT_TRACE2_EVENT", &log);
    let take = || {
        let text = std::fs::read_to_string(&log).unwrap();
        std::fs::remove_file(&log).unwrap();
        events(&text)
    };
    world
        .git(&["ls-remote", "git@bitbucket.org:acme/none.git"])
        .fails_with(128);
    let ours = session(&take(), "bitbucket-ssh");
    let error = ours
        .iter()
        .find(|event| word(event, "event") == "error")
        .unwrap();
    assert!(word(error, "fmt").starts_with("PlanExhausted"), "{error}");
    assert!(!word(error, "msg").is_empty(), "{error}");
    assert_eq!(ours.last().unwrap()["code"], 1, "the server's own");

    world.bitbucket_ssh(&["-G", "bitbucket.org"]);
    let output = take();
    let exec = output
        .iter()
        .find(|event| word(event, "event") == "exec")
        .unwrap();
    assert!(word(exec, "exe").ends_with("/ssh"), "{exec}");
    assert_eq!(exec["argv"], serde_json::json!(["-G", "bitbucket.org"]));

    // A value that git does not know and that must not be logged.
    world.bitbucket_ssh(&[
        "-o",
        "SetEnv=PASS=s3cret",
        "-o",
        "Nonsense",
        "bitbucket.org",
        "x",
    ]);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(
        text.contains("SetEnv=PASS=<REDACTED>") && !text.contains("s3cret"),
        "{text}"
    );
    take();

    world.git_bitbucket(&["key", "list"]).succeeds();
    let ours = session(&take(), "bitbucket");
    let mode = ours
        .iter()
        .find(|event| word(event, "event") == "cmd_mode")
        .unwrap();
    assert_eq!(word(mode, "name"), "key list");
    assert!(data(&ours, "rest").starts_with("GET /"));
    world
        .git_bitbucket(&["use", "nobody@example.com", "--local"])
        .fails_with(1);
    let ours = session(&take(), "bitbucket");
    assert!(names(&ours).contains(&"error"), "{ours:?}");
    assert_eq!(ours.last().unwrap()["code"], 1);

    // git, started by bitbucket-ssh, started by git: each is a child of the one before.
    world
        .git_bitbucket(&["repo", "clone", "acme/site"])
        .succeeds();
    let output = take();
    let depth = |events: &[Value]| word(&events[0], "sid").matches('/').count();
    assert_eq!(depth(&session(&output, "bitbucket")), 1);
    assert_eq!(depth(&session(&output, "clone")), 2);
    assert_eq!(depth(&session(&output, "bitbucket-ssh")), 3);
}

#[test]
fn a_probe_logs_nothing() {
    let mut world = World::new();
    world.git(&["clone", "-q", URL]).succeeds();
    let folder = world.path("tmp/events");
    std::fs::create_dir(&folder).unwrap();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    world.set("GIT_TRACE2_EVENT", &folder);
    let mut probe = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    probe
        .args(["-G", "bitbucket.org"])
        .stdout(std::process::Stdio::null());
    assert!(probe.status().unwrap().success());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

/// What git itself does not log is not in the log either.
#[test]
fn no_token_is_in_any_of_the_three() {
    let mut world = World::new();
    let files = ["GIT_TRACE2", "GIT_TRACE2_PERF", "GIT_TRACE2_EVENT"];
    for name in files {
        world.set(name, &world.path("tmp").join(name));
    }
    world.set("GIT_TRACE2_EVENT_NESTING", "20");
    world.set("GIT_TRACE2_ENV_VARS", "BITBUCKET_API_TOKEN,BITBUCKET_EMAIL");
    let mut echo = world.command("sh");
    echo.args(["-c", "printf %s \"$BITBUCKET_API_TOKEN\""]);
    let token = run(echo).succeeds().stdout();
    assert!(token.len() > 8);
    let program = env!("CARGO_BIN_EXE_bitbucket-ssh");
    let proxy = format!("-oProxyCommand=false {token}");
    let mut ours = world.command(program);
    ours.args([
        proxy.as_str(),
        "git@bitbucket.org",
        "git-upload-pack 'acme/site.git'",
    ]);
    run(ours).fails_with(255);
    let mut ours = world.command(program);
    ours.args(["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
    Running::start(ours, b"0000".to_vec()).wait().succeeds();
    let mut login = world.command(env!("CARGO_BIN_EXE_git-bitbucket"));
    login.args(["login", ALICE, "--with-token"]);
    Running::start(login, token.clone().into_bytes())
        .wait()
        .succeeds();
    for name in files {
        let text = std::fs::read_to_string(world.path("tmp").join(name)).unwrap();
        assert!(text.contains("bitbucket-ssh"), "{name}: {text}");
        assert!(!text.contains(&token), "{name}: {text}");
    }
}
