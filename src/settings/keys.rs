//! Every setting of the section `bitbucket`: one table that reading, misspelling, completion and
//! documentation share. Pure.

use crate::text::nearest;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As documented, without the section: `keyType`.
    pub name: &'static str,
    /// Its values, as shown in documentation.
    pub values: &'static str,
    /// What holds where nothing is said.
    pub default: &'static str,
    /// One sentence.
    pub sentence: &'static str,
    /// Where it may stand.
    pub form: Form,
    /// What of it a repository's own configuration may say.
    pub in_repository: InRepository,
}

/// With which keys a setting may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `bitbucket.key` and `bitbucket.<url>.key`.
    PlainOrUrl,
    /// `bitbucket.key` alone.
    Plain,
    /// `bitbucket.<url>.key` alone, of the literal URL of a site.
    Site,
}

/// What a repository's own configuration may say.
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
        values: "account, several times: tried in order",
        default: "accounts logged in",
        sentence: "The account to use.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Allowed,
    },
    Key {
        name: "identityFile",
        values: "path, absolute or ~/…",
        default: "none",
        sentence: "A private key file, or the .pub of a key that an agent holds.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Allowed,
    },
    Key {
        name: "provision",
        values: "auto, ask, never",
        default: "auto on Cloud, ask elsewhere; never where CI is set",
        sentence: "Whether a missing identity is made.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::OnlyNever,
    },
    Key {
        name: "keyType",
        values: "ed25519, ecdsa, rsa, rsa-BITS",
        default: "ed25519",
        sentence: "The type of keys that are made; rsa means 4096 bits.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "keyLifetime",
        values: "90d, 12w, 1y",
        default: "none",
        sentence: "The expiry given to the site; such keys are renewed by themselves.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "passphrase",
        values: "auto, keyring, ask, none",
        default: "auto",
        sentence: "Where the passphrase of a key that is made comes from.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "transport",
        values: "native, openssh",
        default: "native",
        sentence: "Who carries the bytes to a Bitbucket host; with openssh nobody goes on as another account, and who was served is not learned.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Allowed,
    },
    Key {
        name: "otherHosts",
        values: "system, native",
        default: "system; native where no ssh is installed",
        sentence: "Who carries the bytes to hosts that are no Bitbucket.",
        form: Form::Plain,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "hooks.author",
        values: "warn, refuse, off",
        default: "warn",
        sentence: "What the pre-push hook does about commits of other addresses than the account's.",
        form: Form::PlainOrUrl,
        in_repository: InRepository::Allowed,
    },
    Key {
        name: "type",
        values: "cloud, datacenter",
        default: "cloud for https://bitbucket.org",
        sentence: "Makes the URL a site.",
        form: Form::Site,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "apiUrl",
        values: "URL",
        default: "https://api.bitbucket.org/2.0; the site's URL on Data Center",
        sentence: "The REST base; plain http only for a loopback address.",
        form: Form::Site,
        in_repository: InRepository::Ignored,
    },
    Key {
        name: "sshHost",
        values: "host[:port], several times: tried in order",
        default: "ssh.bitbucket.org, bitbucket.org, altssh.bitbucket.org:443; HOST:7999 on Data Center",
        sentence: "Where the site speaks SSH.",
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
