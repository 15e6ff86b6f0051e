//! password and keyboard-interactive: asked for, counted and told as ssh(1) does.

use super::Both;

#[test]
fn passwords_are_asked_for_alike() {
    let both = Both::new("LogLevel ERROR\nMatch all\nPasswordAuthentication yes");
    both.world.make_key("other", "");
    let words = "{to} -i {home}/.ssh/other 127.0.0.1 echo in";
    let three = ["a", "b", "c", "d"];
    for (option, answers, asked) in [
        ("LogLevel=INFO", &three[..], 3),
        ("NumberOfPasswordPrompts=1", &three, 1),
        ("BatchMode=yes", &three, 0),
        ("PasswordAuthentication=no", &three, 0),
        ("PreferredAuthentications=publickey", &three, 0),
        ("PreferredAuthentications=password", &three, 3),
        ("PubkeyAuthentication=no", &[], 3),
    ] {
        let words = format!("-o {option} {words}");
        let case = both.case(option, &words);
        let seen = case.environment(&both.askpass(answers)).same();
        assert_eq!(seen.status, Some(255), "{option}");
        let questions = seen
            .asked
            .lines()
            .filter(|line| line.contains("'s password: "));
        assert_eq!(questions.count(), asked, "{option}: {}", seen.asked);
        assert!(
            seen.stderr
                .contains("Permission denied (publickey,password).")
        );
    }
    both.case("nobody is there", words).same();
    both.case(
        "no key at all",
        "{to} -o IdentityFile=none 127.0.0.1 echo in",
    )
    .environment(&both.askpass(&three))
    .same();
}
