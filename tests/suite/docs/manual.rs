//! The man pages, where git and man look for them.

use crate::support::{World, run};

#[test]
fn git_help_bitbucket_works_after_setup() {
    let mut world = World::new();
    world.git_bitbucket(&["setup"]).succeeds();
    let data = world.path("home/.local/share/man");
    for page in [
        "git-bitbucket.1",
        "git-bitbucket-key-new.1",
        "bitbucket-ssh.1",
    ] {
        assert!(data.join("man1").join(page).is_file(), "{page}");
    }
    // As setup advises if man does not look there automatically.
    world.set("MANPATH", &format!("{}:", data.display()));
    world.set("MANPAGER", "cat");
    for (page, stderr) in [
        (&["help", "bitbucket"][..], "SUBCOMMANDS"),
        (&["bitbucket", "--help"], "SUBCOMMANDS"),
    ] {
        let output = world.git(page).succeeds();
        assert!(
            plain(&output.stdout()).contains(stderr),
            "{page:?}: {output}"
        );
    }
    for (page, stderr) in [
        ("bitbucket-ssh", "bitbucket.identityFile"),
        ("bitbucket-ssh", "BITBUCKET_API_TOKEN"),
        ("git-bitbucket-doctor", "--offline"),
        ("git-bitbucket-key-new", "--file"),
    ] {
        let mut man = world.command("man");
        man.arg(page);
        let output = run(man).succeeds();
        assert!(plain(&output.stdout()).contains(stderr), "{page}: {output}");
    }
    world.git_bitbucket(&["unsetup"]).succeeds();
    assert!(!data.join("man1/git-bitbucket.1").exists());
}

/// Without what a terminal would show bold.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c == '\x08' {
            plain.pop();
        } else {
            plain.push(c);
        }
    }
    plain
}
