//! What fails, and how often; the servers ask.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::hold::{Gates, Hold, Moment};

/// What happens to one REST request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestFault {
    /// Answered after this long; other faults of the same request still happen.
    Slow(Duration),
    /// The connection ends before anything was done.
    DropBefore,
    /// The request is executed, then the connection closes without an answer.
    DropAfter,
    /// The request is executed and answered with 500.
    ErrorAfter,
    /// 429, nothing is done.
    TooManyRequests {
        /// Seconds of the `Retry-After` header; `None`: no header.
        retry_after: Option<u64>,
    },
    /// 401, as for a wrong token.
    Unauthorized,
    /// 403, as for a kind of credential that is not allowed.
    Forbidden,
    /// 307 to this address.
    Redirect(String),
    /// Executed; in the answer the paging link `next` is this address.
    NextLink(String),
    /// This answer (`application/json`) in place of the real one; nothing is done.
    Answer {
        /// Status code.
        status: u16,
        /// The body, literally.
        body: String,
    },
    /// 200 with a body that never ends.
    Endless,
}

/// What happens to one SSH connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SshFault {
    /// The version line comes this much later.
    Slow(Duration),
    /// TCP reset in place of a version line.
    ResetBeforeBanner,
    /// Accepted, and never a byte.
    Silent,
    /// The connection ends at the first offered key.
    DisconnectAtAuthentication,
    /// An offered key is refused, whatever is registered; the connection continues.
    RefuseKey,
    /// Host keys that were never shown before.
    OtherHostKey,
    /// The connection ends after this many bytes of a command's standard output.
    CutAfter(u64),
    /// The command is refused with this text on standard error, whatever the rights are.
    Refuse {
        /// One line, without its line feed.
        text: String,
        /// Exit status.
        status: u32,
    },
    /// The command's channel is closed at once, without text and without a status.
    CloseChannel,
}

/// The faults that are waiting. Changed at run time; each is used up by what it happened to.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: Mutex<Waiting>,
    gates: Gates,
}

#[derive(Debug, Default)]
struct Waiting {
    rest: Vec<(RestRule, usize)>,
    ssh: Vec<(SshFault, usize)>,
    propagation: Duration,
}

#[derive(Debug)]
struct RestRule {
    method: String,
    path_part: String,
    fault: RestFault,
}

impl Faults {
    /// For the next `times` requests of this method (empty: any) whose path holds `path_part`.
    pub fn rest(&self, method: &str, path_part: &str, fault: RestFault, times: usize) {
        let rule = RestRule {
            method: method.to_owned(),
            path_part: path_part.to_owned(),
            fault,
        };
        self.waiting().rest.push((rule, times));
    }

    /// For the next `times` connections (or commands, where the fault is one of a command).
    pub fn ssh(&self, fault: SshFault, times: usize) {
        self.waiting().ssh.push((fault, times));
    }

    /// Holds one REST request at a moment. `number` counts every request of the site from 0, so the
    /// next one is `requests().len()`.
    pub fn hold(&self, number: usize, moment: Moment) -> Hold {
        self.gates.set(number, moment)
    }

    /// Keys registered by REST from now on work over SSH only after this long.
    pub fn propagation_delay(&self, delay: Duration) {
        self.waiting().propagation = delay;
    }

    /// Removes all faults; what is held stays held.
    pub fn clear(&self) {
        *self.waiting() = Waiting::default();
    }

    /// `false`: the request was held and is lost.
    pub(crate) async fn pass(&self, number: usize, moment: Moment) -> bool {
        self.gates.pass(number, moment).await
    }

    pub(crate) fn propagation(&self) -> Duration {
        self.waiting().propagation
    }

    /// Every fault for this request, each counted down by one.
    pub(crate) fn take_rest(&self, method: &str, path: &str) -> Vec<RestFault> {
        let mut taken = Vec::new();
        for (rule, times) in &mut self.waiting().rest {
            let hit =
                (rule.method.is_empty() || rule.method == method) && path.contains(&rule.path_part);
            if hit && *times > 0 {
                *times -= 1;
                taken.push(rule.fault.clone());
            }
        }
        taken
    }

    /// The first waiting fault that `wanted` picks, counted down by one.
    pub(crate) fn take_ssh(&self, wanted: impl Fn(&SshFault) -> bool) -> Option<SshFault> {
        let mut waiting = self.waiting();
        let (fault, times) = waiting
            .ssh
            .iter_mut()
            .find(|(fault, times)| *times > 0 && wanted(fault))?;
        *times -= 1;
        Some(fault.clone())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
