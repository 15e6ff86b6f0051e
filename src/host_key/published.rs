//! The host keys that Bitbucket Cloud publishes, built in, and those it withdrew in 2023.

use std::sync::LazyLock;

use ssh_key::{HashAlg, PublicKey};

/// known_hosts lines; source: <https://bitbucket.org/site/ssh>.
const LINES: &str = include_str!("published.known_hosts");

/// Withdrawn: the private RSA key was found in a third party's hands in 2023, and DSA ended with
/// it. Fingerprints of
/// <https://support.atlassian.com/bitbucket-cloud/docs/configure-ssh-and-two-step-verification/>
/// and <https://bitbucket.org/blog/ssh-host-key-changes>.
const WITHDRAWN: [&str; 2] = [
    "SHA256:zzXQOXSRBEiUtuE8AikJYKwbHaxvSc0ojez9YXaGp1A",
    "SHA256:RezPkAnH1sowiJM0NQXH90IohWdzHc3fAisEp7L3O3o",
];

static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    LINES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(_, key)| PublicKey::from_openssh(key).expect("the lines are checked by a test"))
        .collect()
});

/// The published keys: Ed25519, ECDSA and RSA.
pub fn keys() -> &'static [PublicKey] {
    &KEYS
}

/// The known_hosts lines themselves, for another program's file.
pub fn lines() -> &'static str {
    LINES
}

/// Whether this key is published.
pub fn is_published(key: &PublicKey) -> bool {
    keys()
        .iter()
        .any(|published| published.key_data() == key.key_data())
}

/// Whether Bitbucket withdrew this key in 2023.
pub fn is_withdrawn(key: &PublicKey) -> bool {
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    WITHDRAWN.contains(&fingerprint.as_str())
}

#[cfg(test)]
mod tests {
    use ssh_key::HashAlg;

    use super::{LINES, keys};

    #[test]
    fn the_built_in_keys_have_the_published_fingerprints() {
        let fingerprints: Vec<_> = keys()
            .iter()
            .map(|key| key.fingerprint(HashAlg::Sha256).to_string())
            .collect();
        assert_eq!(
            fingerprints,
            [
                "SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
                "SHA256:FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
                "SHA256:46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E",
            ]
        );
        assert_eq!(
            LINES.lines().filter(|line| !line.starts_with('#')).count(),
            3
        );
    }
}
