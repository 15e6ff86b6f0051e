//! One API over HTTP: bounded in time and size, verified, and only ever to its own origin.
//!
//! The only module that imports the HTTP client and TLS. It reads no environment of the process and
//! knows nothing of Bitbucket. It logs method, path, status and time, never headers, bodies or queries.

mod address;
mod limits;
mod proxy;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use ureq::http::{HeaderMap, HeaderValue, Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, RequestExt as _};

use super::Error;
use crate::clock::Clock;
use crate::context::Context;
use crate::diagnostics::{self, trace2};
use crate::secret::Secret;
use crate::settings::HttpSettings;
use crate::text::{Shown, sanitise};

pub(super) use address::{Address, segment};
pub(super) use limits::{Budget, Limits};

const MOST_REDIRECTS: usize = 5;
const USER_AGENT: &str = concat!("bitbucket-ssh/", env!("CARGO_PKG_VERSION"));

/// One API with one token.
pub(super) struct Client {
    agent: Agent,
    base: Address,
    authorization: Authorization,
    /// Host and port, for messages.
    proxy: Option<String>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

/// A call without an answer.
struct Lost {
    error: Error,
    /// The connection had been made and was lost.
    after_connect: bool,
}

impl Client {
    /// Connects to nothing yet. Errors as [`super::connect`].
    pub(super) fn new(
        context: &Context,
        api_url: &str,
        authorization: Authorization,
        settings: &HttpSettings,
        limits: Limits,
    ) -> Result<Self, Error> {
        let unusable = |why: String| Error::Unreachable {
            host: sanitise(api_url),
            why,
        };
        let base =
            Address::parse(api_url).ok_or_else(|| unusable("not a URL of an API".to_owned()))?;
        if !base.is_secure() && !base.is_loopback() {
            return Err(unusable("an API token is sent over https only".to_owned()));
        }
        let proxy = proxy::choose(&base, settings.proxy.as_deref(), &context.environment)
            .map_err(|_| unusable("the URL of the proxy is invalid".to_owned()))?;
        let proxy_host = proxy
            .as_ref()
            .map(|proxy| format!("{}:{}", proxy.host(), proxy.port()));
        let roots = roots(context, settings).map_err(|(file, why)| {
            unusable(format!(
                "certificates in {}: {why}",
                Shown::path(&file, None)
            ))
        })?;
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .tls_config(tls)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_global(Some(limits.call))
            .user_agent(USER_AGENT)
            .build()
            .new_agent();
        Ok(Self {
            agent,
            base,
            authorization,
            proxy: proxy_host,
            clock: Arc::clone(&context.clock),
            limits,
        })
    }

    /// The API's host for messages, with its port where that is not the scheme's.
    pub(super) fn host(&self) -> String {
        self.base.host_port()
    }

    /// For a list that begins now.
    pub(super) fn budget(&self) -> Budget {
        Budget::new(self.limits.list)
    }

    /// The present moment, by the context's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// GET of a path below the API's base. Redirects within the origin are followed.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Error> {
        self.get_address(self.base.below(path))
    }

    /// GET of a link that an answer gave: within the origin, or [`Error::ElsewhereRefused`].
    pub(super) fn follow(&self, answer: &Answer, link: &str) -> Result<Answer, Error> {
        self.get_address(self.within(&answer.address, link)?)
    }

    /// POST of a JSON body; sent again only where the site asked to wait.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.change("POST", path, &body.to_string())
    }

    /// DELETE; sent again only where the site asked to wait.
    pub(super) fn delete(&self, path: &str) -> Result<Answer, Error> {
        self.change("DELETE", path, "")
    }

    fn get_address(&self, mut address: Address) -> Result<Answer, Error> {
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.send("GET", &address, "")?;
            match answer.redirect() {
                Some(location) => address = self.within(&address, location)?,
                None => return Ok(answer),
            }
        }
        Err(Error::Unexpected {
            host: self.host(),
            why: "too many redirects".to_owned(),
        })
    }

    fn change(&self, method: &str, path: &str, body: &str) -> Result<Answer, Error> {
        let address = self.base.below(path);
        let answer = self.send(method, &address, body)?;
        if let Some(location) = answer.redirect() {
            self.within(&address, location)?;
            return Err(answer.unexpected(&format!("it redirects a {method}")));
        }
        Ok(answer)
    }

    /// The target of a link, if the token may be sent there.
    fn within(&self, from: &Address, link: &str) -> Result<Address, Error> {
        let target = from.join(link);
        match target {
            Some(target) if target.same_origin(&self.base) => Ok(target),
            other => Err(Error::ElsewhereRefused {
                host: self.host(),
                target: sanitise(&other.map_or_else(|| link.to_owned(), |other| other.origin())),
            }),
        }
    }

    /// One call, with the tries that [`Limits`] allows.
    fn send(&self, method: &str, address: &Address, body: &str) -> Result<Answer, Error> {
        let mut waited = Duration::ZERO;
        let _waiting = diagnostics::waiting("rest", || format!("waiting for {}", self.host()));
        for tried in 1.. {
            let answer = match self.try_once(method, address, body) {
                Ok(answer) => answer,
                // Reading may be repeated once; what changes something may not.
                Err(lost) if lost.after_connect && method == "GET" && tried == 1 => continue,
                Err(lost) => return Err(lost.error),
            };
            let limited = answer.status == 429;
            if !limited && (method != "GET" || answer.status < 500) {
                return Ok(answer);
            }
            let requested = answer
                .header("retry-after")
                .and_then(|header| limits::retry_after(header, self.now()));
            let Some(pause) = self.limits.pause(tried, waited, requested) else {
                let retry_after = requested.map(|wait| wait.as_secs());
                return if limited {
                    Err(Error::RateLimited { retry_after })
                } else {
                    Ok(answer)
                };
            };
            tracing::debug!(
                "{} answers {}; again in {} ms",
                self.host(),
                answer.status,
                pause.as_millis()
            );
            std::thread::sleep(pause);
            waited += pause;
        }
        unreachable!("the tries end")
    }

    fn try_once(&self, method: &str, address: &Address, body: &str) -> Result<Answer, Lost> {
        let start = Instant::now();
        let outcome = self
            .call(method, address, body)
            .and_then(|mut response| Ok((response.status(), self.read(&mut response)?, response)));
        let path = sanitise(address.path());
        let milliseconds = start.elapsed().as_millis();
        match outcome {
            Ok((status, body, response)) => {
                trace2::data("rest", || format!("{method} {path}: {}", status.as_u16()));
                tracing::debug!("{method} {path}: {}, {milliseconds} ms", status.as_u16());
                Ok(Answer {
                    status: status.as_u16(),
                    body,
                    headers: texts(response.headers()),
                    host: self.host(),
                    address: address.clone(),
                    reason: status.canonical_reason().unwrap_or("(no reason)"),
                })
            }
            Err(error) => {
                let after_connect = is_loss(&error);
                let mut why = reason(&error);
                if let Some(proxy) = &self.proxy {
                    why = format!("{why} (through the proxy {proxy})");
                }
                trace2::data("rest", || format!("{method} {path}: {why}"));
                tracing::debug!("{method} {path}: {why}, {milliseconds} ms");
                let host = self.host();
                Err(Lost {
                    error: Error::Unreachable { host, why },
                    after_connect,
                })
            }
        }
    }

    fn read(&self, response: &mut Response<Body>) -> Result<Vec<u8>, ureq::Error> {
        let body = response.body_mut().with_config();
        body.limit(self.limits.body).read_to_vec()
    }

    fn call(
        &self,
        method: &str,
        address: &Address,
        body: &str,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(address.url())
            .header("accept", "application/json");
        if let Some(text) = self.authorization.reveal() {
            let mut authorization =
                HeaderValue::from_str(text).map_err(|error| ureq::Error::Http(error.into()))?;
            authorization.set_sensitive(true);
            request = request.header("authorization", authorization);
        }
        match method {
            "GET" => request.body(())?.with_agent(&self.agent).run(),
            "POST" => request
                .header("content-type", "application/json")
                .body(body.to_owned())?
                .with_agent(&self.agent)
                .run(),
            // Some front ends answer 411 to a DELETE without a length.
            _ => request
                .header("content-length", "0")
                .body(())?
                .with_agent(&self.agent)
                .run(),
        }
    }
}

/// The value of an `Authorization` header. `None`: no such header.
#[derive(Debug)]
pub(super) struct Authorization(Option<Secret>);

impl Authorization {
    /// No such header is sent.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// RFC 7617.
    pub(super) fn basic(account: &str, secret: &Secret) -> Self {
        let pair = Secret::new(format!("{account}:{}", secret.reveal()));
        Self(Some(Secret::new(format!(
            "Basic {}",
            STANDARD.encode(pair.reveal())
        ))))
    }

    /// RFC 6750.
    pub(super) fn bearer(secret: &Secret) -> Self {
        Self(Some(Secret::new(format!("Bearer {}", secret.reveal()))))
    }

    /// The header's value, for the one place that sends it.
    fn reveal(&self) -> Option<&str> {
        self.0.as_ref().map(Secret::reveal)
    }
}

/// What the API answered, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status; never 429.
    pub(super) status: u16,
    body: Vec<u8>,
    /// Names in lower case; only those whose value is text.
    headers: Vec<(String, String)>,
    /// The API's host, for messages.
    host: String,
    /// The URL that gave it.
    address: Address,
    /// The status' name as the standard has it.
    reason: &'static str,
}

impl Answer {
    /// The body of a page of a list. [`Error::Unexpected`] where it is not JSON, or the list is beyond
    /// its limits.
    pub(super) fn page(&self, budget: &mut Budget) -> Result<Value, Error> {
        budget
            .take(self.body.len())
            .map_err(|why| self.unexpected(why))?;
        self.json()
    }

    /// The body. [`Error::Unexpected`] where it is not JSON.
    pub(super) fn json(&self) -> Result<Value, Error> {
        serde_json::from_slice(&self.body).map_err(|_| self.unexpected("not JSON"))
    }

    /// The body as text, where it is UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// The header's text; `name` in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Where a redirect points to. `None`: it is none.
    fn redirect(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308).then(|| self.header("location"))?
    }

    /// Status and its name, for a body without a message.
    pub(super) fn reason(&self) -> String {
        format!("{} {}", self.status, self.reason)
    }

    /// An answer that is not what Bitbucket would send, because of `why`.
    pub(super) fn unexpected(&self, why: &str) -> Error {
        Error::Unexpected {
            host: self.host.clone(),
            why: format!(
                "{why} (status {}, {})",
                self.status,
                sanitise(self.address.path())
            ),
        }
    }

    /// What a status that is no success means to every site, with the site's message.
    pub(super) fn refusal(&self, message: String) -> Error {
        let status = self.status;
        match status {
            403 => Error::Forbidden { message },
            404 => Error::NotFound { message },
            400..500 => Error::Refused { status, message },
            500.. => Error::Server { status, message },
            _ => self.unexpected("an unexpected status"),
        }
    }
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
        .collect()
}

/// Whether the connection had been made and was lost before the end of the answer.
fn is_loss(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error, ureq::Error::Io(error) if matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    ))
}

/// What the failing layer reports.
fn reason(error: &ureq::Error) -> String {
    sanitise(&match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "the name does not resolve".to_owned(),
        ureq::Error::Timeout(which) => format!("timed out ({which})"),
        ureq::Error::BodyExceedsLimit(limit) => format!("the answer is longer than {limit} bytes"),
        ureq::Error::Rustls(error) => error.to_string(),
        other => other.to_string(),
    })
}

/// `http.sslCAInfo`, else `SSL_CERT_FILE`, else the system's.
fn roots(context: &Context, settings: &HttpSettings) -> Result<RootCerts, (PathBuf, String)> {
    let variable = context
        .environment
        .raw("SSL_CERT_FILE")
        .filter(|file| !file.is_empty());
    let file = settings.ssl_ca_info.as_deref().or(variable.map(Path::new));
    let Some(file) = file else {
        return Ok(RootCerts::PlatformVerifier);
    };
    let failed = |why: String| (file.to_owned(), why);
    let pem = crate::storage::read_file(file).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(failed("the file has none".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
