//! A session that proves a key and does nothing else: log in, ask for no command, hang up.

use std::time::{Duration, Instant};

use crate::connection::collect::identity_of;
use crate::connection::connections::PROPAGATION;
use crate::connection::failure::Failure;
use crate::connection::managed_keys::ManagedKeys;
use crate::context::Context;
use crate::diagnostics;
use crate::identity::ManagedKey;
use crate::prompt::Prompt;
use crate::repository::Service;
use crate::settings::SshConfig;
use crate::transport::native::run_between;
use crate::transport::{Endpoint, Error, Outcome, Session, Streams};

/// Logs in with the key alone, again until the servers know it, and records that it was let in.
pub fn verify(
    context: &Context,
    keys: &ManagedKeys<'_>,
    config: &SshConfig,
    endpoints: &[Endpoint],
    record: &ManagedKey,
    prompt: &dyn Prompt,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut waiting = None;
    while try_login(context, keys, config, endpoints, record, prompt)?.is_none() {
        if begun.elapsed() >= PROPAGATION {
            return Err(Failure::NewKeyNotAccepted(Box::new(record.clone())));
        }
        waiting.get_or_insert_with(|| {
            diagnostics::waiting("propagation", || {
                "waiting until the SSH servers know the new key".to_owned()
            })
        });
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Logs in with the key alone, once. Where it is let in, that and the endpoint are recorded.
/// `None`: it is refused.
pub fn try_login(
    context: &Context,
    keys: &ManagedKeys<'_>,
    config: &SshConfig,
    endpoints: &[Endpoint],
    record: &ManagedKey,
    prompt: &dyn Prompt,
) -> Result<Option<Endpoint>, Failure> {
    let passphrase = |file: &std::path::Path| keys.passphrase(file);
    let session = Session {
        endpoints: endpoints.to_vec(),
        user: "git".to_owned(),
        typed_host: endpoints
            .first()
            .map_or_else(String::new, |endpoint| endpoint.address.host.clone()),
        config,
        identities: vec![identity_of(record)],
        command: None,
        service: Service::Other,
        environment: Vec::new(),
        no_stdin: true,
        prompt,
        passphrase: &passphrase,
        site_fingerprints: keys.site_fingerprints(),
        as_ssh: false,
        context,
    };
    match run_between(session, nowhere(context)?)? {
        Outcome::Completed {
            identity, endpoint, ..
        }
        | Outcome::RepositoryDenied {
            identity, endpoint, ..
        } => {
            keys.let_in(&identity, &endpoint);
            Ok(Some(endpoint))
        }
        Outcome::ServedWithoutKey { .. } => Ok(endpoints.first().cloned()),
        Outcome::AuthenticationFailed(_) => Ok(None),
    }
}

/// What the server says about shells is of no interest.
fn nowhere(context: &Context) -> Result<Streams, Error> {
    let folder = context.temporary_directory();
    let file = || tempfile::tempfile_in(&folder).map_err(|error| Error::Local(error.to_string()));
    Ok(Streams::of(None, file()?, file()?))
}
