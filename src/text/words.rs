//! Numbers and times in words, and times as ssh_config writes them.

use std::time::Duration;

/// `1 key`, `2 keys`, `3 addresses`.
pub fn counted(number: usize, noun: &str) -> String {
    let ending = match noun.chars().next_back() {
        _ if number == 1 => "",
        Some('s' | 'x') => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

/// `today`, `yesterday`, `12 days ago`.
pub fn days_ago(days: i64) -> String {
    match days {
        ..=0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

/// About how long it is, in one unit: `40 seconds`, `3 hours`, `about 3 years`.
pub fn span(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const YEAR: u64 = 365 * DAY;
    let seconds = duration.as_secs();
    let (unit, noun) = match seconds {
        0..120 => (1, "second"),
        120..7200 => (MINUTE, "minute"),
        7200..172_800 => (HOUR, "hour"),
        172_800..63_072_000 => (DAY, "day"),
        _ => (YEAR, "year"),
    };
    let number = usize::try_from((seconds + unit / 2) / unit).unwrap_or(usize::MAX);
    let about = if unit == YEAR { "about " } else { "" };
    format!("{about}{}", counted(number, noun))
}

/// sshd_config(5), TIME FORMATS: a number of seconds, or parts with a unit each (`1h30m`). `None`:
/// not a time, or too long a one for ssh.
pub fn ssh_seconds(text: &str) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let mut total: u32 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number: u32 = rest[..digits].parse().ok()?;
        let unit = match rest[digits..].chars().next() {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = rest.get(digits + 1..).unwrap_or_default();
    }
    i32::try_from(total).is_ok().then_some(total)
}

/// The word that was probably meant, without regard to case: at most two letters are wrong, missing,
/// added or exchanged, and fewer than half of them.
pub fn nearest<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    let distance = |word: &str| strsim::osa_distance(&written, &word.to_ascii_lowercase());
    let closest = words.min_by_key(|word| distance(word))?;
    let distance = distance(closest);
    (distance <= 2 && distance * 2 < closest.len()).then_some(closest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_agrees_with_its_number() {
        for (number, noun, expected) in [
            (1, "key", "1 key"),
            (2, "key", "2 keys"),
            (0, "key", "0 keys"),
            (1, "address", "1 address"),
            (2, "address", "2 addresses"),
        ] {
            assert_eq!(counted(number, noun), expected);
        }
    }

    #[test]
    fn a_time_is_told_in_one_unit() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (180, "3 minutes"),
            (7200, "2 hours"),
            (12 * 86_400, "12 days"),
            (3 * 365 * 86_400, "about 3 years"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn times_are_read_as_ssh_reads_them() {
        for (text, expected) in [
            ("90", Some(90)),
            ("1h30m", Some(5400)),
            ("1m10", Some(70)),
            ("2w", Some(1_209_600)),
            ("0", Some(0)),
            ("", None),
            ("h", None),
            ("1x", None),
            ("-1", None),
            ("2147483648", None),
            ("99999999w", None),
        ] {
            assert_eq!(ssh_seconds(text), expected, "{text:?}");
        }
    }
}
