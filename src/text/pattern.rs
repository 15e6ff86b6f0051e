//! OpenSSH's wildcards.

/// `match_pattern` (OpenSSH, match.c): `*` is any text, also none; `?` is any one byte. Nothing else
/// is special, brackets are not.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and where its text ends at the earliest.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((behind, from)) => {
                    star = Some((behind, from + 1));
                    p = behind;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn patterns_match_as_in_openssh() {
        for (pattern, text, expected, why) in [
            ("", "", true, "nothing"),
            ("*", "", true, "a star may be nothing"),
            ("*.conf", "a.conf", true, "an end"),
            ("*.conf", "a.con", false, "another end"),
            ("a?c", "abc", true, "one character"),
            ("a?c", "ac", false, "one that is missing"),
            ("[ab]", "a", false, "no classes"),
            ("[h]:22", "[h]:22", true, "brackets are themselves"),
            ("*a*b*c", "xaybzc", true, "several stars"),
            ("*a*b*c", "xaybz", false, "several stars, near miss"),
            ("A", "a", false, "case counts"),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{why}");
        }
        let hostile = "a*".repeat(200);
        assert!(
            !matches_pattern(&(hostile + "b"), &"a".repeat(4000)),
            "in no time"
        );
    }
}
