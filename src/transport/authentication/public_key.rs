//! `publickey` (RFC 4252 section 7): one identity offered, by its certificates and by its key.

use russh::MethodKind;
use russh::client::AuthResult;
use ssh_key::{Algorithm, Certificate, HashAlg, PublicKey};

use super::signing::{NotSigned, Signing};
use super::{AuthSession, names};
use crate::identity::{Holder, Identity, key_file};
use crate::settings::SshConfig;
use crate::transport::{Error, ForSsh, Refusal, system_ssh};

pub(super) enum Answer {
    Accepted,
    Next,
    /// The server accepts no (more) public keys.
    NoMore,
}

impl AuthSession<'_> {
    /// One identity: its certificates, then its key.
    pub(super) async fn offer(
        &mut self,
        identity: &Identity,
        refusal: &mut Refusal,
    ) -> Result<Answer, Error> {
        let params = self.params;
        let mut signing = Signing::new(params, identity);
        let key = match &identity.public_key {
            Some(key) => key.clone(),
            // The public key is only in the encrypted file: ssh(1) has to ask now as well.
            None => match signing.open().await {
                Ok(key) => key.public_key().clone(),
                Err(NotSigned::CallerGone) => return Err(Error::CallerGone),
                Err(error) => {
                    self.not_usable(identity, &error, false, refusal);
                    return Ok(Answer::Next);
                }
            },
        };
        let hash = match self.rsa_hash(&key).await {
            Ok(hash) => hash,
            // ssh(1) would sign with SHA-1 if PubkeyAcceptedAlgorithms allows it.
            Err(why) if params.as_ssh && accepts(&params.config, &key, None, false) => {
                return Err(Error::Negotiate {
                    host: self.connection.endpoint.address.host.clone(),
                    port: self.connection.endpoint.address.port,
                    why: why.to_owned(),
                });
            }
            Err(why) => {
                refusal.unusable.push(format!("{}: {why}", name(identity)));
                return Ok(Answer::Next);
            }
        };
        let mut certificates = identity.certificates.clone();
        certificates.extend(certificates_of(&params.config, &key));
        let credentials = certificates.into_iter().map(Some).chain([None]);
        let mut offered = false;
        for certificate in credentials {
            if !accepts(&params.config, &key, hash, certificate.is_some()) {
                tracing::info!(
                    "Skipping {}: not in PubkeyAcceptedAlgorithms",
                    name(identity)
                );
                continue;
            }
            if !offered {
                offered = true;
                let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
                refusal
                    .offered
                    .push((Some(fingerprint), identity.file.clone()));
            }
            let answer = self
                .present(&mut signing, &key, certificate, hash, refusal)
                .await?;
            if !matches!(answer, Answer::Next) {
                return Ok(answer);
            }
        }
        Ok(Answer::Next)
    }

    /// One key, or one certificate for it.
    async fn present(
        &mut self,
        signing: &mut Signing<'_>,
        key: &PublicKey,
        certificate: Option<Certificate>,
        hash: Option<HashAlg>,
        refusal: &mut Refusal,
    ) -> Result<Answer, Error> {
        let identity = signing.identity();
        tracing::info!(
            "Offering {}: {} {} {}",
            if certificate.is_some() {
                "certificate"
            } else {
                "public key"
            },
            name(identity),
            key.algorithm(),
            key.fingerprint(HashAlg::Sha256)
        );
        signing.begin(key, certificate.as_ref());
        let user = self.params.route.user.clone();
        let result = match certificate {
            Some(certificate) => {
                self.connection
                    .handle
                    .authenticate_certificate_with(user, certificate, hash, signing)
                    .await
            }
            None => {
                self.connection
                    .handle
                    .authenticate_publickey_with(user, key.clone(), hash, signing)
                    .await
            }
        };
        match result {
            Ok(AuthResult::Success) => {
                tracing::info!("Authenticated using \"publickey\": {}", name(identity));
                signing.add_to_agent().await;
                Ok(Answer::Accepted)
            }
            Ok(AuthResult::Failure {
                remaining_methods,
                partial_success,
            }) => {
                self.still_open(remaining_methods.is_empty()).await?;
                refusal.methods = names(&remaining_methods);
                tracing::info!(
                    "Authentications that can continue: {}",
                    refusal.methods.join(",")
                );
                if partial_success {
                    signing.add_to_agent().await;
                    refusal.unusable.push(format!(
                        "{}: accepted, but the server also requires {}",
                        name(identity),
                        refusal.methods.join(",")
                    ));
                }
                if remaining_methods.contains(&MethodKind::PublicKey) {
                    Ok(Answer::Next)
                } else {
                    Ok(Answer::NoMore)
                }
            }
            Err(NotSigned::CallerGone) => Err(Error::CallerGone),
            Err(NotSigned::Lost) => {
                self.still_open(true).await?;
                Ok(Answer::NoMore)
            }
            Err(error) => {
                self.still_open(false).await?;
                if self.not_usable(identity, &error, true, refusal) {
                    return Ok(Answer::NoMore);
                }
                Ok(Answer::Next)
            }
        }
    }

    /// Notes a key that cannot be used. `true`: it is left to the system's ssh.
    fn not_usable(
        &self,
        identity: &Identity,
        error: &NotSigned,
        accepted: bool,
        refusal: &mut Refusal,
    ) -> bool {
        refusal.unusable.push(error.hint());
        if !error.ssh_may_help() || system_ssh::find(&self.params.context).is_none() {
            report(error);
            return false;
        }
        tracing::info!("{error}");
        if refusal.for_ssh.is_none() || accepted {
            refusal.for_ssh = Some(Box::new(ForSsh {
                identity: identity.clone(),
                why: error.to_string(),
                accepted,
            }));
        }
        true
    }

    /// The hash for RSA signatures; `None` for other keys. The error: the server supports only SHA-1.
    async fn rsa_hash(&self, key: &PublicKey) -> Result<Option<HashAlg>, &'static str> {
        if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        if speaks_sha2(&self.connection.version) {
            // PubkeyAcceptedAlgorithms may want the shorter one.
            let wanted = [HashAlg::Sha512, HashAlg::Sha256]
                .into_iter()
                .find(|hash| accepts(&self.params.config, key, Some(*hash), false));
            return Ok(wanted.or(Some(HashAlg::Sha512)));
        }
        // Waits up to a second for a server that does not announce it.
        match self.connection.handle.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => Ok(Some(hash)),
            Ok(Some(None)) => Err("no mutual signature algorithm"),
            Ok(None) | Err(_) => Ok(Some(HashAlg::Sha512)),
        }
    }
}

/// CertificateFile's certificates for a key.
fn certificates_of(config: &SshConfig, key: &PublicKey) -> Vec<Certificate> {
    config
        .identities
        .certificate_files
        .iter()
        .filter_map(|file| key_file::certificate(file))
        .filter(|certificate| certificate.public_key() == key.key_data())
        .collect()
}

/// Whether PubkeyAcceptedAlgorithms allows a key to be offered. Where it is not set, DSA is not
/// allowed, nor RSA with SHA-1 (`hash` is `None`).
fn accepts(config: &SshConfig, key: &PublicKey, hash: Option<HashAlg>, certified: bool) -> bool {
    let algorithm = match key.algorithm() {
        Algorithm::Rsa { .. } => Algorithm::Rsa { hash },
        other => other,
    };
    let Some(accepted) = &config.algorithms.pubkey_accepted_algorithms else {
        return !matches!(algorithm, Algorithm::Dsa | Algorithm::Rsa { hash: None });
    };
    let name = if certified {
        algorithm.to_certificate_type()
    } else {
        algorithm.as_str().to_owned()
    };
    accepted.contains(&name)
}

/// Says in ssh(1)'s words why there is no signature; it says nothing about a missing passphrase.
fn report(error: &NotSigned) {
    match error {
        NotSigned::NotOpened(why, None) => tracing::info!("{why}"),
        NotSigned::NotOpened(_, Some(error)) => {
            for line in error.complaint().lines() {
                tracing::warn!("{line}");
            }
        }
        error => tracing::warn!("sign_and_send_pubkey: signing failed for {error}"),
    }
}

/// OpenSSH has supported RSA with SHA-2 since 7.2 (RFC 8332), so its EXT_INFO is not waited for.
fn speaks_sha2(version: &str) -> bool {
    let Some(number) = version.strip_prefix("SSH-2.0-OpenSSH_") else {
        return false;
    };
    let mut parts = number.split(|c: char| !c.is_ascii_digit());
    let mut part = || parts.next().and_then(|text| text.parse::<u32>().ok());
    let (major, minor) = (part().unwrap_or(0), part().unwrap_or(0));
    (major, minor) >= (7, 2)
}

/// What an identity is called in a message: its file, else the agent's comment.
fn name(identity: &Identity) -> String {
    let from = match identity.holder {
        Holder::Agent => " agent",
        Holder::File(_) => "",
    };
    match (&identity.file, &identity.public_key) {
        (Some(file), _) => format!("{}{from}", file.display()),
        (None, Some(key)) => {
            let comment = key.comment().to_string();
            format!("{}{from}", crate::text::sanitise(&comment))
        }
        (None, None) => "a key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::speaks_sha2;

    #[test]
    fn openssh_since_7_2_is_known_to_take_sha2() {
        for (version, expected) in [
            ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", true),
            ("SSH-2.0-OpenSSH_7.2", true),
            ("SSH-2.0-OpenSSH_10.0", true),
            ("SSH-2.0-OpenSSH_7.1p2", false),
            ("SSH-2.0-OpenSSH_", false),
            ("SSH-2.0-conker_20260806-85ca5cadcf", false),
        ] {
            assert_eq!(speaks_sha2(version), expected, "{version}");
        }
    }
}
