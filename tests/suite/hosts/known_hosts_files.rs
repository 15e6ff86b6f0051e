//! The known_hosts file itself: none, broken, not writable, elsewhere; and what of it is shown at
//! which LogLevel.

use std::fs;
use std::os::unix::fs::symlink;

use super::Both;

const TO: &str = "-F none -o GlobalKnownHostsFile=none -o IdentitiesOnly=yes -p {port} {id} \
                  127.0.0.1 echo in";

/// A new folder `files`, with `known` in it.
fn files(both: &Both, known: &str) {
    let folder = both.path("files");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("folder")).unwrap();
    fs::write(folder.join("known"), known).unwrap();
    symlink("known", folder.join("link")).unwrap();
    symlink("absent", folder.join("dangling")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
}

/// What is in the folder: names, kinds and texts.
fn look(both: &Both) -> String {
    let mut output = Vec::new();
    let mut folders = vec![both.path("files")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let text = fs::read_to_string(&path).unwrap_or_default();
            output.push(format!("{} {kind:?}: {text}", path.display()));
            if kind.is_dir() {
                folders.push(path);
            }
        }
    }
    output.sort();
    output.join("\n")
}

#[test]
fn a_new_key_is_written_where_ssh_writes_it() {
    let both = Both::new("LogLevel ERROR");
    let before = || files(&both, "# known\n");
    let after = || look(&both);
    for (file, why) in [
        ("none", "none"),
        ("NONE", "a file of that name"),
        ("{work}/files/known", "a file"),
        ("{work}/files/new", "a new one"),
        ("{work}/files/link", "a link"),
        ("{work}/files/dangling", "a link to nowhere"),
        ("{work}/files/loop", "a link to itself"),
        ("{work}/files/absent/known", "an absent folder"),
        ("{work}/files/known/known", "below a file"),
        ("{work}/files/folder", "a folder"),
        ("/proc/known", "where nobody can write"),
    ] {
        for strict in ["no", "accept-new", "yes"] {
            let words =
                format!("-o UserKnownHostsFile={file} -o StrictHostKeyChecking={strict} {TO}");
            both.case(why, &words).before(&before).after(&after).same();
        }
        let _ = fs::remove_file(both.path("NONE"));
        // Where ssh looks for other names of the key, it tells of a file that cannot be read by the
        // name of a function of its own.
        if ["a link to itself", "below a file", "a folder"].contains(&why) {
            continue;
        }
        let words = format!("-o UserKnownHostsFile={file} {TO}");
        let case = both.case(why, &words).environment(&both.askpass(&["yes"]));
        case.before(&before).after(&after).same();
        let _ = fs::remove_file(both.path("NONE"));
    }
}

#[test]
fn the_log_level_decides_what_is_shown_as_with_ssh() {
    let both = Both::new("LogLevel ERROR");
    let other = both.world.make_key("other", "");
    let after = || look(&both);
    let changed = format!("[127.0.0.1]:{} {other}", both.sshd.port);
    let revoked = format!("@revoked {}", both.sshd.known_hosts());
    for known in ["", &changed, &revoked] {
        let before = || files(&both, known);
        for level in ["QUIET", "FATAL", "ERROR", "INFO"] {
            for strict in ["yes", "accept-new", "no"] {
                if known == revoked && strict == "no" {
                    continue;
                }
                for file in ["known", "absent/known"] {
                    let words = format!(
                        "-o LogLevel={level} -o StrictHostKeyChecking={strict} \
                         -o UserKnownHostsFile={{work}}/files/{file} {TO}"
                    );
                    both.case(level, &words)
                        .before(&before)
                        .after(&after)
                        .same();
                }
            }
        }
        let words = format!(
            "-q -o StrictHostKeyChecking=yes -o UserKnownHostsFile={{work}}/files/known {TO}"
        );
        both.case("-q", &words).before(&before).after(&after).same();
    }
}

#[test]
fn a_revoked_key_is_always_refused() {
    let both = Both::new("LogLevel ERROR");
    let own = both.sshd.known_hosts();
    for (known, why) in [
        (format!("@revoked {own}"), "alone"),
        (format!("{own}@revoked {own}"), "beside its line"),
        (
            format!("@revoked * {}", own.split_once(' ').unwrap().1),
            "anywhere",
        ),
    ] {
        let before = || files(&both, &known);
        let after = || look(&both);
        for strict in ["yes", "ask", "accept-new"] {
            let words = format!(
                "-o StrictHostKeyChecking={strict} -o UserKnownHostsFile={{work}}/files/known {TO}"
            );
            let case = both.case(why, &words).before(&before).after(&after);
            assert_eq!(case.same().status, Some(255), "{strict}, {why}");
        }
        // ssh continues here, with a warning; a revoked key is refused.
        let words =
            format!("-o StrictHostKeyChecking=no -o UserKnownHostsFile={{work}}/files/known {TO}");
        let seen = both.case(why, &words).before(&before).after(&after).ours();
        assert_eq!(seen.status, Some(255), "{why}: {}", seen.stderr);
        assert!(seen.stderr.contains("REVOKED HOST KEY"), "{why}");
        assert_eq!(seen.stdout, "", "{why}");
    }
}

#[test]
fn a_last_line_without_an_end_gets_one() {
    let both = Both::new("LogLevel ERROR");
    let words =
        format!("-o StrictHostKeyChecking=no -o UserKnownHostsFile={{work}}/files/known {TO}");
    // ssh(1) of OpenSSH 9.2 writes behind the comment, and does not know the key the next time.
    let before = || files(&both, "# known");
    let seen = both.case("no end", &words).before(&before).ours();
    assert_eq!(seen.status, Some(0), "{}", seen.stderr);
    let line = both.sshd.known_hosts();
    let key = line
        .split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ");
    let after = fs::read_to_string(both.path("files/known")).unwrap();
    assert_eq!(after, format!("# known\n{key}\n"));
    // Read, it is a line as every other.
    let before = || files(&both, line.trim_end());
    let after = || look(&both);
    both.case("read", &words)
        .before(&before)
        .after(&after)
        .same();
}
