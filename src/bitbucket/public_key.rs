//! OpenSSH's one-line public key, as sites send it: without its comment, and its fingerprint.
//! Pure. Every key type counts, also those nothing here can sign with.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// Type and body, and `SHA256:…` computed from the body. `None`: not a key line.
pub(super) fn read(line: &str) -> Option<(String, String)> {
    let mut words = line.split_ascii_whitespace();
    let (kind, body) = (words.next()?, words.next()?);
    let blob = STANDARD
        .decode(body)
        .or_else(|_| STANDARD_NO_PAD.decode(body))
        .ok()?;
    let length = usize::try_from(u32::from_be_bytes(*blob.first_chunk()?)).ok()?;
    if blob.get(4..4 + length)? != kind.as_bytes() {
        return None;
    }
    let fingerprint = STANDARD_NO_PAD.encode(digest(&SHA256, &blob));
    Some((format!("{kind} {body}"), format!("SHA256:{fingerprint}")))
}

#[cfg(test)]
mod tests {
    use super::read;

    /// The example of the specification, with the fingerprint it shows.
    const LINE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqP3Cr632C2dNhhgKVcon4ldUSAeKiku2yP9O9/bDtY";

    #[test]
    fn the_fingerprint_comes_from_the_key() {
        let fingerprint = "SHA256:w9tZSiFoZ8oXwS4ZSWrJopGxwvnPIewA6Mo4owAHPrI";
        for line in [LINE.to_owned(), format!(" {LINE}  user@myhost\n")] {
            assert_eq!(read(&line), Some((LINE.to_owned(), fingerprint.to_owned())));
        }
    }

    #[test]
    fn what_is_no_key_has_none() {
        for (line, why) in [
            ("", "nothing"),
            ("ssh-ed25519", "no body"),
            ("ssh-ed25519 !!!", "no base64"),
            (
                "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIKqP3Cr632C2dNhhgKVcon4ldUSAeKiku2yP9O9/bDtY",
                "another type inside",
            ),
            ("ssh-rsa AAAA", "cut"),
        ] {
            assert_eq!(read(line), None, "{why}");
        }
    }
}
