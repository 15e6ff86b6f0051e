//! AddKeysToAgent: a key that was opened and let in is given to the agent.

use std::time::Duration;

use ssh_key::PrivateKey;
use tokio::time::timeout;

use crate::identity::{Identity, agent, key_file};
use crate::text::{sanitise, ssh_seconds};
use crate::transport::native::SessionParams;

/// What the setting says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct AgentLifetime {
    ask: bool,
    /// The agent asks at each use.
    confirm: bool,
    /// Seconds.
    lifetime: Option<u32>,
}

/// Gives the key to the agent as AddKeysToAgent says. What fails there fails nothing else.
pub(super) async fn give(params: &SessionParams, identity: &Identity, key: &PrivateKey) {
    let (Some(lifetime), Some(socket)) = (
        lifetime(params.config.identities.add_keys_to_agent.as_deref()),
        &params.agent,
    ) else {
        return;
    };
    if agent::holds(socket, key.public_key()).await {
        return;
    }
    let file = identity.file.clone().unwrap_or_default();
    let comment = key_file::comment(&file, key);
    if lifetime.ask {
        let named = sanitise(&String::from_utf8_lossy(&comment));
        let text = format!("Add key {} ({named}) to agent?", file.display());
        if !matches!(params.asker.confirm(text).await, Ok(true)) {
            return;
        }
    }
    let entry = agent::NewKey {
        key,
        comment: &comment,
        lifetime: lifetime.lifetime,
        confirm: lifetime.confirm,
    };
    match timeout(Duration::from_secs(2), agent::add_to(socket, entry)).await {
        Ok(Ok(())) => tracing::info!("identity added to agent: {}", file.display()),
        Ok(Err(error)) => tracing::info!("could not add identity to agent: {error}"),
        Err(_) => tracing::info!("could not add identity to agent: it does not answer"),
    }
}

/// `false`, `true`, `ask`, `confirm`, a time, or `confirm` and a time. `None`: nothing is added.
fn lifetime(text: Option<&str>) -> Option<AgentLifetime> {
    let mut lifetime = AgentLifetime::default();
    let mut any = false;
    for word in text?.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "no" | "false" => return None,
            "yes" | "true" => {}
            "ask" => lifetime.ask = true,
            "confirm" => lifetime.confirm = true,
            time => lifetime.lifetime = Some(ssh_seconds(time).filter(|seconds| *seconds > 0)?),
        }
        any = true;
    }
    any.then_some(lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_read_as_ssh_writes_it() {
        let of = |ask, confirm, lifetime| {
            Some(AgentLifetime {
                ask,
                confirm,
                lifetime,
            })
        };
        for (text, expected) in [
            (None, None),
            (Some("false"), None),
            (Some("no"), None),
            (Some("true"), of(false, false, None)),
            (Some("ask"), of(true, false, None)),
            (Some("confirm"), of(false, true, None)),
            (Some("confirm 3600"), of(false, true, Some(3600))),
            (Some("1h30m"), of(false, false, Some(5400))),
            (Some("soon"), None),
        ] {
            assert_eq!(lifetime(text), expected, "{text:?}");
        }
    }
}
