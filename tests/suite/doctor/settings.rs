//! Settings that are ignored or misspelt.

use super::{append, is_fixed, served};
use crate::support::ALICE;

#[test]
fn settings_that_do_not_count_are_taken_away() {
    for (line, verdict, text, why) in [
        (
            "[bitbucket]\n\tkeyType = des\n",
            "FAIL",
            "des",
            "no such value",
        ),
        (
            "[bitbucket \"https://bitbucket.org/*\"]\n\ttype = cloud\n",
            "WARN",
            "cloud",
            "a pattern is no site",
        ),
    ] {
        let world = served();
        append(&world, "home/.gitconfig", line);
        let next = is_fixed(&world, &["--offline"], ("settings", verdict, text));
        assert!(
            next.starts_with("git config --file ~/.gitconfig --unset-all "),
            "{why}: {next}"
        );
    }
}

#[test]
fn a_misspelt_setting_is_renamed() {
    let world = served();
    let line = format!("[bitbucket]\n\tacount = {ALICE}\n");
    append(&world, "home/.gitconfig", &line);
    let next = is_fixed(&world, &["--offline"], ("settings", "WARN", ALICE));
    assert_eq!(
        next,
        format!(
            "git config --file ~/.gitconfig bitbucket.account {ALICE}; \
             git config --file ~/.gitconfig --unset-all bitbucket.acount"
        )
    );
}

#[test]
fn what_a_repository_may_not_say_is_taken_away() {
    let world = served();
    world
        .git(&["-C", "site", "config", "bitbucket.provision", "auto"])
        .succeeds();
    is_fixed(&world, &["--offline"], ("settings", "WARN", "auto"));
}
