//! Every setting of the section `bitbucket`, in one table for reading, spelling hints, completion and
//! documentation. Pure.

use crate::text::nearest;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As documented, without the section: `keyType`.
    pub name: &'static str,
    /// Its values, as shown in documentation.
    pub values: &'static str,
    /// What applies if it is not set.
    pub default: &'static str,
    /// One sentence.
    pub sentence: &'static str,
    /// How it may be written.
    pub form: Form,
    /// Which values a repository's own configuration may set.
    pub in_repository: InRepository,
}

/// How a setting may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `bitbucket.key` and `bitbucket.<url>.key`.
    PlainOrUrl,
    /// `bitbucket.key` alone.
    Plain,
    /// `bitbucket.<url>.key` alone, of the literal URL of a site.
    Site,
}

/// Which values a repository's own configuration may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InRepository {
    /// Everything.
    Allowed,
    /// Only `never`.
    OnlyNever,
    /// Nothing.
    Ignored,
}

/// In the order of the manual.
pub const KEYS: [Key; 12] = [
    Key {
        name: "account",
        values: "an account; several are tried in order",
        default: "the accounts that are logged in",
        sentence: "The account to use.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Allowed,
    },
    Key {
        name: "identityFile",
        values: "a path, absolute or ~/…",
        default: "none",
        sentence: "A private key file, or the .pub of a key that an agent holds.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Allowed,
    },
    Key {
        name: "provision",
        values: "auto, ask, never",
        default: "auto on Cloud, ask on Data Center; never if CI is set",
        sentence: "Whether a missing key is created.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::OnlyNever,
    },
    Key {
        name: "keyType",
        values: "ed25519, ecdsa, rsa, rsa-BITS",
        default: "ed25519",
        sentence: "The type of new keys; rsa means 4096 bits.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "keyLifetime",
        values: "90d, 12w, 1y",
        default: "none",
        sentence: "The lifetime of new keys on the site; such keys are renewed automatically.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "passphrase",
        values: "auto, keyring, ask, none",
        default: "auto",
        sentence: "Where the passphrase of a new key comes from: a random one kept in the keyring, one you type, or none.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "transport",
        values: "native, openssh",
        default: "native",
        sentence: "The SSH client for Bitbucket hosts: this program or the system's ssh. With openssh, a refused repository is not tried with another account, and the account that worked is not remembered.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Allowed,
    },
    Key {
        name: "otherHosts",
        values: "system, native",
        default: "system; native if no ssh is installed",
        sentence: "The SSH client for all other hosts: the system's ssh or this program.",
        form: Form::Plain,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "hooks.author",
        values: "warn, refuse, off",
        default: "warn",
        sentence: "What the pre-push hook does if the author of a commit is not an address of the account.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Allowed,
    },
    Key {
        name: "type",
        values: "cloud, datacenter",
        default: "cloud for https://bitbucket.org",
        sentence: "The kind of site; this setting declares the URL a site.",
        form: Form::Site,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "apiUrl",
        values: "URL",
        default: "https://api.bitbucket.org/2.0; the site's URL on Data Center",
        sentence: "The base URL of the REST API; plain http only for a loopback address.",
        form: Form::Site,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "sshHost",
        values: "host[:port]; several are tried in order",
        default: "ssh.bitbucket.org, bitbucket.org, altssh.bitbucket.org:443; HOST:7999 on Data Center",
        sentence: "The site's SSH servers.",
        form: Form::Site,
        in_repository: InRepository::Ignored,
    },
];

/// The setting of that name, without regard to case.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// The setting that was probably meant.
pub fn meant(name: &str) -> Option<&'static Key> {
    find(nearest(name, KEYS.iter().map(|key| key.name))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_leads_to_the_one_that_was_meant() {
        for (written, meant_name, why) in [
            ("acount", Some("account"), "a letter is missing"),
            ("identitiyFile", Some("identityFile"), "one too many"),
            (
                "kyeType",
                Some("keyType"),
                "exchanged, case does not matter",
            ),
            ("provison", Some("provision"), "a letter is missing"),
            ("sshHosts", Some("sshHost"), "the plural"),
            ("hook.author", Some("hooks.author"), "the dotted one"),
            ("tpye", Some("type"), "short names too"),
            ("colour", None, "nothing like it"),
            ("tags", None, "half of it would be another word"),
        ] {
            assert_eq!(meant(written).map(|key| key.name), meant_name, "{why}");
        }
        assert_eq!(find("ACCOUNT").map(|key| key.name), Some("account"));
    }
}
