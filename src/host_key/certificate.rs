//! Whether a host certificate holds for a name (OpenSSH's sshkey_cert_check_host).

use ssh_key::Certificate;
use ssh_key::certificate::CertType;

/// `name` without brackets and port, as principals are written. The error is one clause.
pub(super) fn check(certificate: &Certificate, name: &str, now: u64) -> Result<(), String> {
    if certificate.cert_type() != CertType::Host {
        return Err("it is no host certificate".to_owned());
    }
    let ca = certificate
        .signature_key()
        .fingerprint(ssh_key::HashAlg::Sha256);
    certificate
        .validate_at(now, [&ca])
        .map_err(|_| "its signature or its time is not valid".to_owned())?;
    if let Some((option, _)) = certificate.critical_options().iter().next() {
        return Err(format!(
            "it has the critical option {}",
            crate::sanitise::sanitise(option)
        ));
    }
    let principals = certificate.valid_principals();
    let host = bare(name);
    // An empty list is refused since OpenSSH 10; before, it meant every host.
    if principals
        .iter()
        .any(|principal| principal.eq_ignore_ascii_case(host))
    {
        Ok(())
    } else {
        Err(format!("it does not name {host}"))
    }
}

fn bare(name: &str) -> &str {
    name.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(name, |(host, _)| host)
}
