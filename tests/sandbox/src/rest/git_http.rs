//! Git's smart HTTP: `/{ws}/{slug}.git/…`, on Data Center `/bitbucket/scm/{project}/{slug}.git/…`,
//! carried by `git http-backend`.
//!
//! Which user name goes with which secret follows what the sites accept: on Cloud an API token under
//! the fixed name or the user name, never under the e-mail address; on Data Center the user's name
//! with a password or HTTP access token, or a token as Bearer.
//! <https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens>

use std::process::Stdio;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::answer::Answer;
use super::request::Request;
use super::{authority, data_center};
use crate::model::{Model, Permission};
use crate::sandbox::Shared;

/// The user name that goes with every API token of Cloud.
const TOKEN_USER: &str = "x-bitbucket-api-token-auth";

/// What one request means.
pub(super) struct GitRequest<'a> {
    workspace: &'a str,
    slug: &'a str,
    /// Below the repository, as `git http-backend` takes it.
    rest: String,
    pushes: bool,
}

/// Who sent the request, and what the credential may do over HTTPS.
pub(super) struct Sender {
    /// E-mail address on Cloud, user name on Data Center.
    pub(super) email: String,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

impl<'a> GitRequest<'a> {
    /// `None`: it is no request of git's own.
    pub(super) fn of(shared: &Shared, request: &'a Request) -> Option<Self> {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let path = match segments.as_slice() {
            [data_center::CONTEXT, "scm", path @ ..] if shared.data_center => path,
            path if !shared.data_center => path,
            _ => return None,
        };
        let [workspace, slug, rest @ ..] = path else {
            return None;
        };
        let pushes = match rest {
            ["info", "refs"] => request.parameter("service") == Some("git-receive-pack"),
            ["git-upload-pack"] => false,
            ["git-receive-pack"] => true,
            _ => return None,
        };
        Some(Self {
            workspace,
            slug: slug.strip_suffix(".git").unwrap_or(slug),
            rest: rest.join("/"),
            pushes,
        })
    }
}

/// The answer to a request of git's.
pub(super) async fn answer(shared: &Shared, request: &Request, body: Incoming) -> Answer {
    let Some(git) = GitRequest::of(shared, request) else {
        return Answer::not_found("Resource");
    };
    match allowed(shared, request, &git) {
        Err(refusal) => refusal,
        Ok(path) => match backend(request, &git, &path, body).await {
            Ok(answer) => answer,
            Err(error) => Answer::error(500, &error.to_string()),
        },
    }
}

/// The repository's folder, or the refusal.
fn allowed(
    shared: &Shared,
    request: &Request,
    git: &GitRequest<'_>,
) -> Result<std::path::PathBuf, Answer> {
    let model = shared.model();
    let sender = sender(&model, request, shared.data_center);
    let repository = model.repository(git.workspace, git.slug);
    let Some(sender) = sender else {
        let public = repository.is_some_and(|one| one.permission("").is_some());
        return match repository {
            Some(repository) if public && !git.pushes && request.authorization.is_none() => {
                Ok(repository.path.clone())
            }
            _ => Err(unauthorized(shared.data_center)),
        };
    };
    let (scope, needed) = if git.pushes {
        (sender.writes, Permission::Write)
    } else {
        (sender.reads, Permission::Read)
    };
    let permission = repository.and_then(|one| one.permission(&sender.email));
    let (Some(repository), Some(permission)) = (repository, permission) else {
        return Err(text(
            model.refusals.https_status,
            "You may not have access to this repository or it no longer exists in this workspace. \
             If you think this repository exists and you have access, make sure you are \
             authenticated.",
        ));
    };
    if !scope {
        return Err(text(
            403,
            "Your credentials lack one or more required privilege scopes.",
        ));
    }
    if permission < needed {
        return Err(text(403, "You may not push to this repository."));
    }
    Ok(repository.path.clone())
}

/// `None`: no credential, or one that the site does not take for git.
pub(super) fn sender(model: &Model, request: &Request, data_center: bool) -> Option<Sender> {
    if data_center {
        let member = match authority::basic(request) {
            Some((name, secret)) => {
                let member = model.member(&name)?;
                let mut secrets = member.tokens.iter();
                secrets
                    .any(|token| token.secret == secret)
                    .then_some(member)?
            }
            None => authority::bearer(model, request)?.0,
        };
        return Some(Sender {
            email: member.account.email.clone(),
            reads: true,
            writes: true,
        });
    }
    let (name, secret) = authority::basic(request)?;
    let now = Timestamp::now();
    model.members.iter().find_map(|member| {
        let named = name == TOKEN_USER || name == member.account.username;
        let mut tokens = member.tokens.iter();
        let token = tokens.find(|token| token.secret == secret && token.works(now))?;
        let has = |scope: &str| token.scopes.iter().any(|granted| granted == scope);
        named.then(|| Sender {
            email: member.account.email.clone(),
            reads: has("read:repository:bitbucket"),
            writes: has("write:repository:bitbucket"),
        })
    })
}

/// 401 with the realm by which the site is recognised.
pub(super) fn unauthorized(data_center: bool) -> Answer {
    let realm = if data_center {
        "Basic realm=\"Atlassian Bitbucket\""
    } else {
        "Basic realm=\"Bitbucket.org HTTP\""
    };
    text(
        401,
        "You may not have access to this repository or it no longer exists in this workspace.",
    )
    .with_header("www-authenticate", realm)
}

fn text(status: u16, words: &str) -> Answer {
    Answer::bytes(status, words.to_owned()).with_type("text/plain; charset=utf-8")
}

/// Runs `git http-backend` (git-http-backend(1)) for one request.
async fn backend(
    request: &Request,
    git: &GitRequest<'_>,
    path: &std::path::Path,
    body: Incoming,
) -> std::io::Result<Answer> {
    let body = body
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes();
    let home = path.parent().unwrap_or(path);
    let mut command = Command::from(crate::ssh::git::command(home));
    command
        .args([
            "-c",
            "safe.directory=*",
            "-c",
            "http.receivepack=true",
            "http-backend",
        ])
        .env("GIT_PROJECT_ROOT", path)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{}", git.rest))
        .env("REQUEST_METHOD", &request.method)
        .env("QUERY_STRING", &request.raw_query)
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_USER", "sandbox")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    for (variable, value) in [
        ("CONTENT_TYPE", &request.content_type),
        ("HTTP_CONTENT_ENCODING", &request.content_encoding),
        ("GIT_PROTOCOL", &request.git_protocol),
    ] {
        if let Some(value) = value {
            command.env(variable, value);
        }
    }
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().expect("it was piped");
    let feed = async move {
        let fed = input.write_all(&body).await;
        drop(input);
        fed
    };
    let (_, output) = tokio::join!(feed, child.wait_with_output());
    Ok(cgi(&output?.stdout))
}

/// The answer that a CGI program printed (RFC 3875, section 6).
fn cgi(printed: &[u8]) -> Answer {
    let end = printed.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = match end {
        Some(end) => (&printed[..end], &printed[end + 4..]),
        None => (printed, &[][..]),
    };
    let head = String::from_utf8_lossy(head);
    let field = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let status = field("status").and_then(|value| value.get(..3)?.parse().ok());
    Answer::bytes(status.unwrap_or(200), body.to_vec())
        .with_type(field("content-type").unwrap_or("application/octet-stream"))
        .with_header("cache-control", "no-cache")
}
