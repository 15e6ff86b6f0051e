//! `git bitbucket repo`, `completions` and `man` against the sandbox and real git.

use sandbox::SCOPES_MINIMUM;

use crate::support::{ALICE, World, run};

#[test]
fn a_repository_is_cloned_by_its_name() {
    let world = World::new();
    world
        .git_bitbucket(&["repo", "clone", "acme/site"])
        .succeeds();
    assert!(world.path("work/site/README.md").exists());
    world
        .git_bitbucket(&[
            "repo",
            "clone",
            "acme/site",
            "other",
            "--",
            "--bare",
            "--quiet",
        ])
        .succeeds();
    assert!(
        world.path("work/other/HEAD").exists(),
        "git's options are passed on"
    );
    for (name, status) in [
        ("acme/nothing", 128),
        ("acme", 2),
        ("-x/y", 2),
        ("a/b/c", 2),
    ] {
        let mut git = world.command("git");
        git.args([
            "bitbucket",
            "repo",
            "clone",
            "--site",
            "https://bitbucket.org",
            name,
        ]);
        run(git).fails_with(status);
    }
}

#[test]
fn a_repository_is_created_and_pushed_to() {
    let mut world = World::new();
    world.git(&["init", "-q"]).succeeds();
    world
        .git(&["commit", "-q", "--allow-empty", "-m", "first"])
        .succeeds();
    world
        .git_bitbucket(&["repo", "create", "acme/new"])
        .fails_with(1)
        .says("admin:repository:bitbucket");
    let mut scopes = SCOPES_MINIMUM.to_vec();
    scopes.push("admin:repository:bitbucket");
    let token = world.sandbox.add_token(ALICE, &scopes);
    world.set("BITBUCKET_API_TOKEN", &token);
    world
        .git_bitbucket(&["repo", "create", "acme/new"])
        .fails_with(1)
        .says("alice@example.com has no permission to create repositories in workspace acme");
    world.sandbox.add_administrator(ALICE, "acme");
    let made = world
        .git_bitbucket(&["repo", "create", "acme/new"])
        .succeeds();
    assert!(
        made.stdout()
            .contains("created https://bitbucket.org/acme/new"),
        "{made}"
    );
    world.git(&["push", "-q", "origin", "HEAD"]).succeeds();
    assert!(
        world
            .sandbox
            .repository_path("acme/new")
            .join("HEAD")
            .exists()
    );
    world
        .git_bitbucket(&["repo", "create", "acme/further"])
        .fails_with(2)
        .says("remote origin already exists")
        .says("hint: git bitbucket repo create acme/further --remote bitbucket");
    world
        .git_bitbucket(&[
            "repo",
            "create",
            "acme/further",
            "--remote",
            "further",
            "--public",
        ])
        .succeeds();
    world.git(&["push", "-q", "further", "HEAD"]).succeeds();
    let again = ["repo", "create", "acme/new", "--remote", "again"];
    let refused = world
        .git_bitbucket(&again)
        .fails_with(1)
        .says("https://bitbucket.org/acme/new already exists")
        .says("hint: git remote add again ");
    assert!(
        !refused.stderr().contains("key"),
        "not about keys: {refused}"
    );
    world
        .git_bitbucket(&["repo", "create", "new"])
        .fails_with(2)
        .says("new is not WORKSPACE/SLUG")
        .says("hint: git bitbucket repo create ");
    world.unset("BITBUCKET_API_TOKEN");
    world
        .git_bitbucket(&["repo", "create", "acme/last", "--remote", "last"])
        .fails_with(4)
        .says("git bitbucket login");
}

#[test]
fn bash_takes_the_completion_also_for_git() {
    let world = World::new();
    let script = "eval \"$(git bitbucket completions bash)\"\n\
        COMP_WORDS=(git bitbucket doc) COMP_CWORD=2 __git_cmd_idx=1\n\
        _git_bitbucket; echo \"${COMPREPLY[@]}\"\n";
    let mut bash = world.command("bash");
    bash.args(["-c", script]);
    assert_eq!(run(bash).succeeds().stdout().trim(), "doctor");
}

#[test]
fn man_pages_are_written_to_the_named_directory() {
    let world = World::new();
    let page = world.git_bitbucket(&["man"]).succeeds().stdout();
    assert!(page.contains(".TH") && page.contains("doctor"), "{page}");
    world.git_bitbucket(&["man", "pages"]).succeeds();
    for name in [
        "git-bitbucket.1",
        "git-bitbucket-doctor.1",
        "git-bitbucket-repo.1",
    ] {
        assert!(world.path("work/pages").join(name).exists(), "{name}");
    }
}
