//! The keys of ssh_config: old names, those that a native session can stand beside, those that
//! accumulate. From the keyword table in OpenSSH's `readconf.c` (10.x), and its packagers'.

use super::setting::Setting;

/// Names that OpenSSH keeps for old files.
pub(super) fn todays_name(key: &str) -> &str {
    match key {
        "challengeresponseauthentication" | "skeyauthentication" | "tisauthentication" => {
            "kbdinteractiveauthentication"
        }
        "dsaauthentication" => "pubkeyauthentication",
        "identityfile2" => "identityfile",
        "keepalive" => "tcpkeepalive",
        "hostbasedkeytypes" => "hostbasedacceptedalgorithms",
        "pubkeyacceptedkeytypes" => "pubkeyacceptedalgorithms",
        "smartcarddevice" => "pkcs11provider",
        key => key,
    }
}

/// What a `-o` of the command line asks of the session beyond a value to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A value that counts, or that has no effect here.
    Setting,
    /// The same as an option letter that only the system's ssh carries, or a key that we do not
    /// know: ssh itself says what it is.
    System,
}

/// The modes of ssh(1) that have a key, and the keys known to OpenSSH 10.x and its packagers.
pub(super) fn mode(setting: &Setting) -> Mode {
    let value = setting.value.to_ascii_lowercase();
    let system = match setting.key.as_str() {
        "localforward" | "remoteforward" | "dynamicforward" => true,
        "sessiontype" => value != "default",
        "forkafterauthentication" | "tunnel" => !matches!(value.as_str(), "no" | "false"),
        "requesttty" => !matches!(value.as_str(), "no" | "false" | "auto"),
        "remotecommand" => value != "none",
        key => !IN_SESSION.contains(&key),
    };
    if system { Mode::System } else { Mode::Setting }
}

/// Keys that may stand beside a native session, honoured or ignored.
const IN_SESSION: &[&str] = &[
    "addkeystoagent",
    "addressfamily",
    "batchmode",
    "bindaddress",
    "canonicaldomains",
    "canonicalizefallbacklocal",
    "canonicalizehostname",
    "canonicalizemaxdots",
    "canonicalizepermittedcnames",
    "casignaturealgorithms",
    "certificatefile",
    "channeltimeout",
    "checkhostip",
    "ciphers",
    "clearallforwardings",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "globalknownhostsfile",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "gssapikeyexchange",
    "gssapirenewalforcesrekey",
    "gssapiservername",
    "gssapitrustdns",
    "hashknownhosts",
    "hostbasedacceptedalgorithms",
    "hostbasedauthentication",
    "hostkeyalgorithms",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "ignoreunknown",
    "ipqos",
    "kbdinteractiveauthentication",
    "kbdinteractivedevices",
    "kexalgorithms",
    "knownhostscommand",
    "localcommand",
    "loglevel",
    "logverbose",
    "macs",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "passwordauthentication",
    "permitlocalcommand",
    "permitremoteopen",
    "pkcs11provider",
    "port",
    "preferredauthentications",
    "proxycommand",
    "proxyjump",
    "proxyusefdpass",
    "pubkeyacceptedalgorithms",
    "pubkeyauthentication",
    "rekeylimit",
    "requiredrsasize",
    "revokedhostkeys",
    "securitykeyprovider",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "setenv",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "stricthostkeychecking",
    "syslogfacility",
    "tag",
    "tcpkeepalive",
    "tunneldevice",
    "updatehostkeys",
    "usekeychain",
    "user",
    "userknownhostsfile",
    "verifyhostkeydns",
    "versionaddendum",
    "visualhostkey",
    "warnweakcrypto",
    "xauthlocation",
];

/// Keys of which every value counts; of the others the first one does.
pub(super) fn accumulates(key: &str) -> bool {
    matches!(key, "certificatefile" | "sendenv")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh_command::setting::parse;

    #[test]
    fn modes_and_strangers_go_to_the_systems_ssh() {
        for (line, expected) in [
            ("BatchMode=yes", Mode::Setting),
            ("ControlMaster=yes", Mode::Setting),
            ("RequestTTY=no", Mode::Setting),
            ("RemoteCommand=none", Mode::Setting),
            ("SessionType=none", Mode::System),
            ("RequestTTY=force", Mode::System),
            ("LocalForward=1 h:2", Mode::System),
            ("NoSuchKey=1", Mode::System),
            ("Include=x", Mode::System),
        ] {
            let setting = parse(line).unwrap().unwrap();
            assert_eq!(mode(&setting), expected, "{line}");
        }
    }
}
