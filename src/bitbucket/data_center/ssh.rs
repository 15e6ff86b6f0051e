//! `GET /rest/ssh/latest/settings`: SSH host, port and host key, told over TLS.

use serde_json::Value;

use super::DataCenter;
use crate::bitbucket::{Error, SshSettings};

/// `{"enabled","port","baseUrl":"ssh://host[:port]","fingerprint":{"algorithm","value"}}`.
pub(super) fn settings(site: &DataCenter) -> Result<SshSettings, Error> {
    let answer = site.get("/rest/ssh/latest/settings")?;
    let object = answer.json()?;
    let Some(enabled) = object.get("enabled").and_then(Value::as_bool) else {
        return Err(answer.unexpected("SSH settings without enabled"));
    };
    let (host, url_port) = object
        .get("baseUrl")
        .and_then(Value::as_str)
        .map_or((None, None), host_and_port);
    let port = object.get("port").and_then(Value::as_u64);
    let port = port
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0);
    Ok(SshSettings {
        enabled,
        host,
        port: url_port.or(port).unwrap_or(7999),
        fingerprint: object.get("fingerprint").and_then(fingerprint),
    })
}

/// The base URL's port counts before the listening one: a forwarding front end stands there.
fn host_and_port(base_url: &str) -> (Option<String>, Option<u16>) {
    let authority = base_url.strip_prefix("ssh://").unwrap_or(base_url);
    let authority = authority.split('/').next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase();
    let fits = !host.is_empty()
        && !host.starts_with('-')
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    (fits.then_some(host), port)
}

/// As OpenSSH writes it. `None`: of another algorithm (MD5 in old versions).
fn fingerprint(value: &Value) -> Option<String> {
    let text = value.get("value")?.as_str()?.trim_end_matches('=');
    let text = text.strip_prefix("SHA256:").unwrap_or(text);
    // 32 bytes in base64 without padding; MD5 is written in hexadecimal with colons.
    let fits = text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
    fits.then(|| format!("SHA256:{text}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{fingerprint, host_and_port};

    #[test]
    fn the_base_url_names_host_and_port() {
        for (url, host, port, why) in [
            (
                "ssh://git.example.com",
                Some("git.example.com"),
                None,
                "host alone",
            ),
            (
                "ssh://Git.example.com:2222/",
                Some("git.example.com"),
                Some(2222),
                "with port",
            ),
            (
                "ssh://git@[fd00::1]:7999",
                Some("fd00::1"),
                Some(7999),
                "IPv6, user",
            ),
            ("ssh://-oProxyCommand=x", None, None, "never an option"),
            ("", None, None, "nothing"),
        ] {
            assert_eq!(host_and_port(url), (host.map(str::to_owned), port), "{why}");
        }
    }

    #[test]
    fn only_sha256_is_a_fingerprint_here() {
        let value = "Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8oq9MI";
        let expected = Some(format!("SHA256:{value}"));
        assert_eq!(
            fingerprint(&json!({"algorithm": "SHA-256", "value": value})),
            expected
        );
        assert_eq!(
            fingerprint(&json!({"value": format!("SHA256:{value}=")})),
            expected
        );
        assert_eq!(
            fingerprint(&json!({"algorithm": "MD5", "value": "aa:bb"})),
            None
        );
    }
}
