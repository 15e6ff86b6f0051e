//! What an API answered.

use serde_json::Value;

use super::address::Address;
use crate::bitbucket::Error;
use crate::text::sanitise;

/// What the API answered, whatever its status.
#[derive(Debug)]
pub(in crate::bitbucket) struct Answer {
    /// The status; never 429.
    pub status: u16,
    pub(super) body: Vec<u8>,
    /// Names in lower case; only those whose value is text.
    pub(super) headers: Vec<(String, String)>,
    /// The API's host, for messages.
    pub(super) host: String,
    /// Where it came from.
    pub(super) address: Address,
    /// The status' name as the standard has it.
    pub(super) reason: &'static str,
}

impl Answer {
    /// The body. [`Error::Unexpected`] where it is not JSON.
    pub(in crate::bitbucket) fn json(&self) -> Result<Value, Error> {
        serde_json::from_slice(&self.body).map_err(|_| self.unexpected("no JSON"))
    }

    /// The body as text, where it is UTF-8.
    pub(in crate::bitbucket) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// The header's text; `name` in lower case.
    pub(in crate::bitbucket) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Where a redirect points to. `None`: it is none.
    pub(super) fn redirect(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308).then(|| self.header("location"))?
    }

    /// Status and its name, where the body says nothing.
    pub(in crate::bitbucket) fn reason(&self) -> String {
        format!("{} {}", self.status, self.reason)
    }

    /// An answer of Bitbucket's shape but for `why`.
    pub(in crate::bitbucket) fn unexpected(&self, why: &str) -> Error {
        Error::Unexpected {
            host: self.host.clone(),
            why: format!(
                "{why} (status {}, {})",
                self.status,
                sanitise(self.address.path())
            ),
        }
    }
}
