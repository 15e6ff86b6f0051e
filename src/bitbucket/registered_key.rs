//! Keys as the sites list them: fields of JSON, times in every spelling of theirs, public keys of
//! every type, also of those that nothing here can sign with. Pure.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

/// The site's id of a key; never empty, so that `DELETE …/keys` without an id (which removes
/// every key of the user on Data Center) cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId(String);

impl KeyId {
    /// `None` for an empty or blank id.
    pub fn new(id: &str) -> Option<Self> {
        let id = id.trim();
        (!id.is_empty()).then(|| Self(id.to_owned()))
    }

    /// As the site writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key as the site lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredKey {
    /// Its id.
    pub id: KeyId,
    /// OpenSSH's one-line form, without comment.
    pub public_key: String,
    /// `SHA256:…`, computed from the key itself.
    pub fingerprint: String,
    /// As the site has it.
    pub label: String,
    /// `None`: the site does not say.
    pub created: Option<Timestamp>,
    /// `None`: never, or the site does not say.
    pub last_used: Option<Timestamp>,
    /// `None`: it does not expire.
    pub expires: Option<Timestamp>,
}

/// A JSON object's fields.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Value);

impl<'a> Fields<'a> {
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    /// ISO 8601, a date alone, or milliseconds as number or text. `None`: not there, or no time.
    pub(super) fn time(self, name: &str) -> Option<Timestamp> {
        match self.0.get(name)? {
            Value::Number(number) => Timestamp::from_millisecond(number.as_i64()?).ok(),
            Value::String(text) => parse_time(text.trim()),
            _ => None,
        }
    }

    /// A key with its `label` and without times. `None`: `line` is no public key.
    pub(super) fn key(self, id: KeyId, line: &str) -> Option<RegisteredKey> {
        let (public_key, fingerprint) = parse_public_key(line)?;
        Some(RegisteredKey {
            id,
            public_key,
            fingerprint,
            label: self.text("label").unwrap_or_default().to_owned(),
            created: None,
            last_used: None,
            expires: None,
        })
    }
}

/// The keys of a list; what `read` does not understand is skipped.
pub(super) fn list(
    values: &[Value],
    read: fn(&Value) -> Option<RegisteredKey>,
) -> Vec<RegisteredKey> {
    let keys: Vec<RegisteredKey> = values.iter().filter_map(read).collect();
    let skipped = values.len() - keys.len();
    if skipped > 0 {
        tracing::info!("skipped {skipped} of the site's keys, which have an unknown form");
    }
    keys
}

/// `YYYY-MM-DDTHH:mm:ss.sssZ`, what Cloud's `expires_on` takes.
pub(super) fn iso(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(milliseconds) = text.parse() {
        return Timestamp::from_millisecond(milliseconds).ok();
    }
    text.parse().ok().or_else(|| {
        let date: Date = text.parse().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// Type and body of OpenSSH's one-line form, and `SHA256:…` computed from the body. `None`: not a key
/// line.
fn parse_public_key(line: &str) -> Option<(String, String)> {
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
    use serde_json::json;

    use super::*;

    /// The example of the specification, with the fingerprint it shows.
    const LINE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqP3Cr632C2dNhhgKVcon4ldUSAeKiku2yP9O9/bDtY";

    #[test]
    fn the_fingerprint_comes_from_the_key() {
        let fingerprint = "SHA256:w9tZSiFoZ8oXwS4ZSWrJopGxwvnPIewA6Mo4owAHPrI";
        for line in [LINE.to_owned(), format!(" {LINE}  user@myhost\n")] {
            assert_eq!(
                parse_public_key(&line),
                Some((LINE.to_owned(), fingerprint.to_owned()))
            );
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
            assert_eq!(parse_public_key(line), None, "{why}");
        }
    }

    #[test]
    fn every_spelling_of_the_sites_is_read() {
        let day = Some("2018-03-14T00:00:00Z");
        for (value, expected, why) in [
            (json!("2018-03-14T00:00:00.000000+00:00"), day, "Cloud"),
            (json!("2018-03-14T02:00:00+02:00"), day, "another offset"),
            (json!("2018-03-14"), day, "a date alone"),
            (json!(1_520_985_600_000_i64), day, "milliseconds"),
            (
                json!("1520985600000"),
                day,
                "Data Center's lastAuthenticated",
            ),
            (Value::Null, None, "nothing"),
            (json!("never"), None, "no time"),
        ] {
            let object = json!({"at": value});
            assert_eq!(
                Fields(&object).time("at"),
                expected.map(|text| text.parse().unwrap()),
                "{why}"
            );
        }
    }

    #[test]
    fn expiry_is_written_with_milliseconds() {
        let time = "2026-11-24T12:30:00Z".parse().unwrap();
        assert_eq!(iso(time), "2026-11-24T12:30:00.000Z");
    }
}
