//! Whether a host certificate is valid for a name (OpenSSH's sshkey_cert_check_host).

use ssh_key::certificate::CertType;
use ssh_key::{Algorithm, Certificate, HashAlg};

use crate::text::matches_pattern;

/// `name` as it is looked up; principals have no brackets and port. Whether the authority is known is
/// for the caller to check. The error is OpenSSH's clause.
pub(super) fn check(certificate: &Certificate, name: &str, now: u64) -> Result<(), String> {
    let clause = if certificate.cert_type() != CertType::Host {
        "not a host certificate"
    } else if now < certificate.valid_after() {
        "not yet valid"
    } else if now >= certificate.valid_before() {
        "expired"
    } else if !names(certificate, name) {
        "name is not a listed principal"
    } else if !certificate.critical_options().is_empty() {
        "it contains unsupported critical options"
    } else if certificate.signature().algorithm() == (Algorithm::Rsa { hash: None }) {
        // SHA-1 is not among the defaults of CASignatureAlgorithms.
        "it is signed with a disallowed algorithm"
    } else if !is_signed(certificate, now) {
        "its signature is wrong"
    } else {
        return Ok(());
    };
    Err(clause.to_owned())
}

/// Principals of host certificates may be patterns, and are compared with case. None at all means
/// every host of the authority, as in ssh(1) before version 10.3.
fn names(certificate: &Certificate, name: &str) -> bool {
    let host = name
        .strip_prefix('[')
        .and_then(|rest| rest.rsplit_once("]:"))
        .map_or(name, |(host, _)| host)
        .to_ascii_lowercase();
    let principals = certificate.valid_principals();
    principals.is_empty()
        || principals
            .iter()
            .any(|principal| matches_pattern(principal, &host))
}

fn is_signed(certificate: &Certificate, now: u64) -> bool {
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    certificate.validate_at(now, [&authority]).is_ok()
}
