//! How long a call and a list may take, how long their answers may be, and how often a call is repeated.
//! Pure.
//!
//! Header: RFC 9110, section 10.2.3 (`Retry-After`: seconds, or an HTTP date).

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::bitbucket::Caller;

/// The limits of one call.
#[derive(Debug, Clone)]
pub(in crate::bitbucket) struct Limits {
    /// For the name, and for the connection.
    pub connect: Duration,
    /// For one try, from the name to the last byte of the answer.
    pub call: Duration,
    /// The longest body, unpacked.
    pub body: u64,
    /// How often it is sent at most.
    pub tries: u32,
    /// The pause before the second try where the server requests none; doubled from then on.
    pub first_pause: Duration,
    /// What all pauses of one call may take together.
    pub pauses: Duration,
    /// What all pages of one list may take together.
    pub list: ListLimits,
}

/// The limits of one list, over all its pages.
#[derive(Debug, Clone, Copy)]
pub(in crate::bitbucket) struct ListLimits {
    /// A server that never ends is given up.
    pub pages: usize,
    /// Parsed, an answer takes ten times the memory.
    pub bytes: usize,
    /// No page is asked for later than this.
    pub time: Duration,
}

/// What one list has left of its [`ListLimits`].
#[derive(Debug)]
pub(in crate::bitbucket) struct Budget {
    left: ListLimits,
    started: Instant,
}

impl Budget {
    pub(super) fn new(limits: ListLimits) -> Self {
        Self {
            left: limits,
            started: Instant::now(),
        }
    }

    /// Takes a page of this many bytes. The error is what there is too much of.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.left.pages = self.left.pages.checked_sub(1).ok_or("too many pages")?;
        self.left.bytes = self
            .left
            .bytes
            .checked_sub(bytes)
            .ok_or("a list that is too long")?;
        if self.started.elapsed() > self.left.time {
            return Err("a list that takes too long");
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
            body: 8 * 1024 * 1024,
            tries: 3,
            first_pause: Duration::from_millis(700),
            pauses: Duration::from_secs(30),
            list: ListLimits {
                pages: 200,
                bytes: 16 * 1024 * 1024,
                time: Duration::from_secs(120),
            },
        }
    }
}

impl Limits {
    /// Less where git waits for the answer: a hundred keys are about 100 KB.
    pub(in crate::bitbucket) fn of(caller: Caller) -> Self {
        match caller {
            Caller::Command => Self::default(),
            Caller::Git => Self {
                body: 4 * 1024 * 1024,
                list: ListLimits {
                    pages: 20,
                    bytes: 4 * 1024 * 1024,
                    time: Duration::from_secs(30),
                },
                ..Self::default()
            },
        }
    }

    /// The pause after try number `tried` (from 1), when `waited` has passed already. `None`: give up.
    pub(super) fn pause(
        &self,
        tried: u32,
        waited: Duration,
        requested: Option<Duration>,
    ) -> Option<Duration> {
        if tried >= self.tries {
            return None;
        }
        let pause = requested.unwrap_or(self.first_pause * 2u32.pow(tried - 1));
        (waited.saturating_add(pause) <= self.pauses).then_some(pause)
    }
}

/// The wait that a `Retry-After` requests; zero for a date in the past. `None`: neither a number nor a
/// date.
pub(super) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new()
        .parse_timestamp(header)
        .ok()?;
    let seconds = date.as_second().saturating_sub(now.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Budget, Caller, Limits, ListLimits, retry_after};

    #[test]
    fn seconds_and_dates_are_understood() {
        let now = "1994-11-06T08:49:37Z".parse().unwrap();
        for (header, seconds, why) in [
            ("120", Some(120), "seconds"),
            (" 0 ", Some(0), "none"),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60), "a date ahead"),
            (
                "Sun, 06 Nov 1994 08:00:00 GMT",
                Some(0),
                "a date that is over",
            ),
            ("soon", None, "neither"),
            ("-5", None, "no wait is negative"),
            ("", None, "nothing"),
        ] {
            let wait = retry_after(header, now);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{why}");
        }
    }

    #[test]
    fn a_list_has_an_end() {
        let limits = |pages, bytes, time| ListLimits { pages, bytes, time };
        let hour = Duration::from_secs(3600);
        for (limits, outcome, why) in [
            (limits(2, 10, hour), Ok(()), "just enough"),
            (limits(1, 10, hour), Err("too many pages"), "pages"),
            (limits(2, 9, hour), Err("a list that is too long"), "bytes"),
            (
                limits(2, 10, Duration::ZERO),
                Err("a list that takes too long"),
                "time",
            ),
        ] {
            let mut budget = Budget::new(limits);
            let taken = budget.take(5).and_then(|()| budget.take(5));
            assert_eq!(taken, outcome, "{why}");
        }
        let (git, command) = (Limits::of(Caller::Git), Limits::of(Caller::Command));
        assert!(git.list.pages < command.list.pages);
        assert!(git.list.bytes < command.list.bytes);
        assert!(git.list.time < command.list.time);
    }

    #[test]
    fn patience_has_an_end() {
        let for_ever = Some(Duration::from_secs(u64::MAX));
        let waited = Duration::from_millis(1_500);
        assert_eq!(
            Limits::default().pause(2, waited, for_ever),
            None,
            "no overflow"
        );
        let limits = Limits::default();
        let seconds = Duration::from_secs;
        assert_eq!(
            limits.pause(1, seconds(0), Some(seconds(10))),
            Some(seconds(10))
        );
        assert_eq!(
            limits.pause(2, seconds(10), Some(seconds(25))),
            None,
            "too long together"
        );
        assert_eq!(
            limits.pause(3, seconds(0), Some(seconds(0))),
            None,
            "tried often enough"
        );
        assert!(
            limits.pause(2, seconds(0), None) > limits.pause(1, seconds(0), None),
            "growing"
        );
    }
}
