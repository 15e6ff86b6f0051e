//! Which algorithms are offered: the defaults, ordered for speed and by the known host keys, or those
//! of the user's ssh_config. Pure.

use std::borrow::Cow;

use russh::{Preferred, cipher, compression, kex, mac};
use ssh_key::Algorithm;

use crate::settings::SshConfig;

/// As ssh(1) without Compression: compression is used only if the server insists on it.
const PLAIN: [compression::Name; 3] = [
    compression::NONE,
    compression::ZLIB_LEGACY,
    compression::ZLIB,
];
const COMPRESSED: [compression::Name; 3] = [
    compression::ZLIB_LEGACY,
    compression::ZLIB,
    compression::NONE,
];

/// Without AES instructions ChaCha20 is the faster one; with them it takes 2.5 times the CPU.
const WITH_AES: [cipher::Name; 5] = [
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_256_CTR,
];
const WITHOUT_AES: [cipher::Name; 5] = [
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::AES_128_CTR,
    cipher::AES_256_CTR,
];

/// What the user's lists may name besides the defaults. Nothing broken: no CBC, no SHA-1 exchange.
const MORE_CIPHERS: [cipher::Name; 1] = [cipher::AES_192_CTR];
const MORE_KEX: [kex::Name; 3] = [
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
];
const MORE_MACS: [mac::Name; 2] = [mac::HMAC_SHA1_ETM, mac::HMAC_SHA1];

/// Names that announce an extension instead of an exchange; a list without them would disable it.
const KEX_EXTENSIONS: [kex::Name; 2] = [
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// The algorithms to offer. `host_keys`: in the order in which the host's keys are known; `certificates`: whether
/// an authority is known for the host.
pub(super) fn preferred(
    config: &SshConfig,
    host_keys: &[Algorithm],
    certificates: bool,
) -> Preferred {
    let default = Preferred::DEFAULT;
    let (host_keys, certificates) = match &config.algorithms.host_key_algorithms {
        None if certificates => (host_keys.to_vec(), host_keys.to_vec()),
        None => (host_keys.to_vec(), Vec::new()),
        Some(names) => (
            named_host_keys(names, |name| (!name.ends_with(CERTIFIED)).then_some(name)),
            named_host_keys(names, |name| name.strip_suffix(CERTIFIED)),
        ),
    };
    Preferred {
        kex: match &config.algorithms.kex_algorithms {
            Some(names) => {
                let mut chosen = named_kex(names);
                chosen.extend(KEX_EXTENSIONS);
                chosen.into()
            }
            None => default.kex,
        },
        host_key_certificates: certificates.into(),
        key: host_keys.into(),
        cipher: match &config.algorithms.ciphers {
            Some(names) => named_ciphers(names).into(),
            None if aes_instructions() => Cow::Borrowed(&WITH_AES),
            None => Cow::Borrowed(&WITHOUT_AES),
        },
        mac: match &config.algorithms.macs {
            Some(names) => named_macs(names).into(),
            None => default.mac,
        },
        compression: Cow::Borrowed(if config.session.compression == Some(true) {
            &COMPRESSED
        } else {
            &PLAIN
        }),
    }
}

/// The directive whose list names only algorithms that are not supported here, so that the
/// system's ssh has to be used. `None`: every list that is set has something.
pub fn none_supported(config: &SshConfig) -> Option<&'static str> {
    let algorithms = &config.algorithms;
    let ciphers = algorithms.ciphers.as_deref();
    let kex = algorithms.kex_algorithms.as_deref();
    let macs = algorithms.macs.as_deref();
    let host_keys = algorithms.host_key_algorithms.as_deref();
    [
        (
            "Ciphers",
            ciphers.map(|names| named_ciphers(names).is_empty()),
        ),
        (
            "KexAlgorithms",
            kex.map(|names| named_kex(names).is_empty()),
        ),
        ("MACs", macs.map(|names| named_macs(names).is_empty())),
        (
            "HostKeyAlgorithms",
            host_keys.map(|names| names.iter().all(|name| host_key(name).is_none())),
        ),
    ]
    .into_iter()
    .find_map(|(directive, none)| (none == Some(true)).then_some(directive))
}

fn named_ciphers(names: &[String]) -> Vec<cipher::Name> {
    supported(names, WITH_AES.iter().chain(&MORE_CIPHERS))
}

fn named_macs(names: &[String]) -> Vec<mac::Name> {
    supported(names, Preferred::DEFAULT.mac.iter().chain(&MORE_MACS))
}

fn named_kex(names: &[String]) -> Vec<kex::Name> {
    let mut chosen = supported(names, Preferred::DEFAULT.kex.iter().chain(&MORE_KEX));
    // The size of a group that is asked for follows from the cipher (RFC 4419), which russh does not
    // know yet when it asks. Another exchange serves as well.
    chosen.retain(|name| {
        let name = name.as_ref();
        let no_exchange = name.starts_with("ext-info") || name.starts_with("kex-strict");
        !no_exchange && !name.starts_with("diffie-hellman-group-exchange")
    });
    chosen
}

/// Those of `names` that are `available`, in the order of `names`.
fn supported<'a, N: AsRef<str> + Copy + 'a>(
    names: &[String],
    available: impl Iterator<Item = &'a N>,
) -> Vec<N> {
    let available: Vec<N> = available.copied().collect();
    let find = |name: &String| {
        available
            .iter()
            .find(|available| available.as_ref() == name.as_str())
    };
    names.iter().filter_map(find).copied().collect()
}

/// The algorithms of a list, each once; `plain` skips those of the other kind.
fn named_host_keys(names: &[String], plain: impl Fn(&str) -> Option<&str>) -> Vec<Algorithm> {
    let mut chosen: Vec<Algorithm> = Vec::new();
    for algorithm in names.iter().filter_map(|name| host_key(plain(name)?)) {
        if !chosen.contains(&algorithm) {
            chosen.push(algorithm);
        }
    }
    chosen
}

/// What the name of a certificate's algorithm ends in.
const CERTIFIED: &str = "-cert-v01@openssh.com";

/// A host key algorithm by its name; that of a certificate by what it certifies.
fn host_key(name: &str) -> Option<Algorithm> {
    let plain = name.strip_suffix(CERTIFIED).unwrap_or(name);
    match Algorithm::new(plain).ok()? {
        algorithm @ (Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. }) => {
            Some(algorithm)
        }
        _ => None,
    }
}

fn aes_instructions() -> bool {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    {
        std::arch::is_x86_feature_detected!("aes")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::AlgorithmConfig;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_list_of_the_user_s_is_kept_as_far_as_it_can_be_carried() {
        let config = SshConfig {
            algorithms: AlgorithmConfig {
                ciphers: Some(list(&["3des-cbc", "aes256-ctr", "aes128-gcm@openssh.com"])),
                kex_algorithms: Some(list(&[
                    "sntrup761x25519-sha512@openssh.com",
                    "ecdh-sha2-nistp256",
                ])),
                macs: Some(list(&["umac-64@openssh.com", "hmac-sha2-256"])),
                host_key_algorithms: Some(list(&[
                    "ssh-dss",
                    "rsa-sha2-512-cert-v01@openssh.com",
                    "rsa-sha2-512",
                    "ssh-ed25519",
                ])),
                ..AlgorithmConfig::default()
            },
            ..SshConfig::default()
        };
        let offer = preferred(&config, &[Algorithm::Ed25519], false);
        assert_eq!(*offer.cipher, [cipher::AES_256_CTR, cipher::AES_128_GCM]);
        assert_eq!(
            *offer.kex,
            [
                kex::ECDH_SHA2_NISTP256,
                kex::EXTENSION_SUPPORT_AS_CLIENT,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT
            ]
        );
        assert_eq!(*offer.mac, [mac::HMAC_SHA256]);
        let names: Vec<_> = offer
            .key
            .iter()
            .map(|key| key.as_str().to_owned())
            .collect();
        assert_eq!(names, ["rsa-sha2-512", "ssh-ed25519"]);
        let [certified] = &offer.host_key_certificates[..] else {
            panic!("{:?}", offer.host_key_certificates)
        };
        assert_eq!(certified.as_str(), "rsa-sha2-512", "an authority or not");
        assert_eq!(none_supported(&config), None);
    }

    #[test]
    fn a_list_with_nothing_supported_is_named() {
        for (config, expected) in [
            (SshConfig::default(), None),
            (
                SshConfig {
                    algorithms: AlgorithmConfig {
                        ciphers: Some(list(&["3des-cbc"])),
                        ..AlgorithmConfig::default()
                    },
                    ..SshConfig::default()
                },
                Some("Ciphers"),
            ),
            (
                SshConfig {
                    algorithms: AlgorithmConfig {
                        kex_algorithms: Some(list(&["sntrup761x25519-sha512"])),
                        ..AlgorithmConfig::default()
                    },
                    ..SshConfig::default()
                },
                Some("KexAlgorithms"),
            ),
            (
                SshConfig {
                    algorithms: AlgorithmConfig {
                        kex_algorithms: Some(list(&["ext-info-c"])),
                        ..AlgorithmConfig::default()
                    },
                    ..SshConfig::default()
                },
                Some("KexAlgorithms"),
            ),
            (
                SshConfig {
                    algorithms: AlgorithmConfig {
                        kex_algorithms: Some(list(&["diffie-hellman-group-exchange-sha256"])),
                        ..AlgorithmConfig::default()
                    },
                    ..SshConfig::default()
                },
                Some("KexAlgorithms"),
            ),
            (
                SshConfig {
                    algorithms: AlgorithmConfig {
                        macs: Some(list(&["umac-64@openssh.com"])),
                        ..AlgorithmConfig::default()
                    },
                    ..SshConfig::default()
                },
                Some("MACs"),
            ),
            (
                SshConfig {
                    algorithms: AlgorithmConfig {
                        host_key_algorithms: Some(list(&["ssh-dss"])),
                        ..AlgorithmConfig::default()
                    },
                    ..SshConfig::default()
                },
                Some("HostKeyAlgorithms"),
            ),
        ] {
            assert_eq!(none_supported(&config), expected);
        }
    }
}
