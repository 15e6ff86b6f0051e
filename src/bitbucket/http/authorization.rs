//! Who asks: the `Authorization` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::Secret;

/// The value of an `Authorization` header, if there is to be one.
#[derive(Debug)]
pub(in crate::bitbucket) struct Authorization(Option<Secret>);

impl Authorization {
    /// Nobody: no such header is sent.
    pub(in crate::bitbucket) fn none() -> Self {
        Self(None)
    }

    /// RFC 7617.
    pub(in crate::bitbucket) fn basic(account: &str, secret: &Secret) -> Self {
        let pair = Secret::new(format!("{account}:{}", secret.reveal()));
        Self(Some(Secret::new(format!(
            "Basic {}",
            STANDARD.encode(pair.reveal())
        ))))
    }

    /// RFC 6750.
    pub(in crate::bitbucket) fn bearer(secret: &Secret) -> Self {
        Self(Some(Secret::new(format!("Bearer {}", secret.reveal()))))
    }

    /// The header's value, for the one place that sends it.
    pub(super) fn reveal(&self) -> Option<&str> {
        self.0.as_ref().map(Secret::reveal)
    }
}
