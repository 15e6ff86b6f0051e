//! ssh_config for the site's hosts: whether ssh reads it, aliases, and hosts it forgets.

use super::finding::Finding;
use super::patient::{Patient, word};
use crate::commands::ssh_blocks::{Block, blocks};
use crate::settings::{SshConfig, ssh_config};
use crate::ssh_command::{self, Invocation};
use crate::transport::system;

/// Errors in ssh's own words, options that are passed over, aliases, other host names.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let check = "ssh-config";
    let sites = patient.sites();
    let mut hosts: Vec<&str> = Vec::new();
    for place in sites.iter().flat_map(|site| &site.ssh_hosts) {
        if !hosts.contains(&place.host.as_str()) {
            hosts.push(&place.host);
        }
    }
    let mut findings = Vec::new();
    let mut read = Vec::new();
    for host in hosts {
        match load(patient, host) {
            Ok(config) => read.push((host, config)),
            Err(why) => {
                let fault = Finding::fail(check, why).about(host);
                findings.push(fault.next(format!("ssh -G {}", word(host))));
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            check,
            format!("is read for {} hosts", read.len()),
        ));
    }
    findings.extend(passed_over(&read));
    let file = patient
        .context
        .ssh_directory()
        .map(|folder| folder.join("config"));
    let text = file
        .as_deref()
        .and_then(|file| std::fs::read_to_string(file).ok());
    let found = blocks(&text.unwrap_or_default());
    findings.extend(aliases(&found, &read));
    findings.extend(forgotten(patient, &read));
    findings
}

fn load(patient: &Patient<'_>, host: &str) -> Result<SshConfig, String> {
    let request = match ssh_command::parse(vec![format!("git@{host}").into()]) {
        Ok(Invocation::Native(request)) => request,
        Ok(_) => return Err("no host that can be connected to".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let ssh = system::find(patient.context);
    ssh_config::load(&request, patient.context, ssh.as_deref())
        .map_err(|error| error.to_string().trim().replace('\n', "; "))
}

/// Directives with which the system's ssh carries every connection, and those that the native
/// transport does not follow: the machine's own file has some, so these are told and no more.
fn passed_over(read: &[(&str, SshConfig)]) -> Vec<Finding> {
    let check = "ssh-config-options";
    let mut findings = Vec::new();
    let mut ignored: Vec<&str> = Vec::new();
    for (host, config) in read {
        if let Some(directive) = &config.needs_system_ssh {
            let text = format!("{directive}: the system's ssh carries every connection");
            let finding = Finding::warn(check, text).about(*host);
            findings.push(finding.next(format!("ssh -G {}", word(host))));
        }
        for directive in &config.ignored {
            if !ignored.contains(&directive.as_str()) {
                ignored.push(directive);
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            check,
            if ignored.is_empty() {
                "every option for these hosts is followed".to_owned()
            } else {
                format!(
                    "not followed by the native transport: {}",
                    ignored.join(", ")
                )
            },
        ));
    }
    findings
}

/// Names that lead to a site's host by another name.
fn aliases(found: &[Block], read: &[(&str, SshConfig)]) -> Vec<Finding> {
    let check = "ssh-config-aliases";
    let is_host = |name: &str| read.iter().any(|(host, _)| host.eq_ignore_ascii_case(name));
    let mut findings = Vec::new();
    for block in found {
        let Some(leads_to) = block.value("hostname").filter(|host| is_host(host)) else {
            continue;
        };
        for name in block.names().filter(|name| !is_host(name)) {
            findings.push(
                Finding::warn(
                    check,
                    format!("leads to {leads_to}; an account can be chosen without an alias"),
                )
                .about(name)
                .next("git bitbucket migrate"),
            );
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no host name stands for a Bitbucket"));
    }
    findings
}

/// Cloud has three names: what is said for one is not said for the others.
fn forgotten(patient: &Patient<'_>, read: &[(&str, SshConfig)]) -> Vec<Finding> {
    let check = "ssh-config-hosts";
    let said = |config: &SshConfig| {
        let proxy = config
            .proxy_command
            .clone()
            .or_else(|| config.proxy_jump.clone());
        (config.identity_files.clone(), proxy, config.user.clone())
    };
    let site = patient.site();
    let mut of_site = read
        .iter()
        .filter(|(host, _)| site.ssh_hosts.iter().any(|place| place.host == *host));
    let Some((first, config)) = of_site.next() else {
        return Vec::new();
    };
    let differing: Vec<_> = of_site
        .filter(|(_, other)| said(other) != said(config))
        .map(|(host, _)| *host)
        .collect();
    if differing.is_empty() {
        return vec![Finding::ok(
            check,
            "the site's host names are treated alike",
        )];
    }
    let others = differing.join(", ");
    vec![
        Finding::warn(
            check,
            format!("says something else for {first} than for {others}"),
        )
        .next("git bitbucket ssh-config --write"),
    ]
}
