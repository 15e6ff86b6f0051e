//! The REST server: `/2.0/…` of Bitbucket Cloud, or `/bitbucket/rest/…` of Data Center, and a Git
//! LFS server beside it.

mod answer;
mod authority;
mod data_center;
mod deploy_keys;
mod git_http;
mod lfs;
mod paging;
mod repositories;
mod request;
mod routes;
mod ssh_keys;
mod user;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::call_log;
use crate::faults::RestFault;
use crate::hold::Moment;
use crate::sandbox::Shared;
use answer::Answer;
pub(crate) use data_center::CONTEXT;
use request::Request;

pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A request that was received is executed even if its client has disconnected.
            let service = service_fn(|request| {
                let apart = tokio::spawn(respond(request, Arc::clone(&shared)));
                async { apart.await.unwrap_or(Err(Dropped)) }
            });
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

type Sent = Response<Either<Full<Bytes>, Endless>>;

async fn respond(http: HttpRequest<Incoming>, shared: Arc<Shared>) -> Result<Sent, Dropped> {
    let (parts, body) = http.into_parts();
    let mut request = Request::new(&parts);
    let number = note(&shared, &request);
    let faults = shared.faults.take_rest(&request.method, &request.path);
    for fault in &faults {
        if let RestFault::Slow(delay) = fault {
            tokio::time::sleep(*delay).await;
        }
    }
    if faults.contains(&RestFault::DropBefore) {
        return Err(Dropped);
    }
    let answer = match faults.iter().find_map(instead) {
        Some(Instead::Answer(answer)) => answer,
        Some(Instead::Endless) => return Ok(endless()),
        None if lfs::is_object(&request) => lfs::transfer(&shared, &request, body).await,
        None if git_http::GitRequest::of(&shared, &request).is_some() => {
            git_http::answer(&shared, &request, body).await
        }
        None => {
            request.body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
            pass(&shared, number, Moment::BeforeStoring).await?;
            routes::answer(&shared, &request)
        }
    };
    pass(&shared, number, Moment::AfterStoring).await?;
    let answer = faults.iter().fold(answer, |answer, fault| match fault {
        RestFault::ErrorAfter => Answer::error(500, "Something went wrong"),
        RestFault::NextLink(address) => answer.with_next(address),
        _ => answer,
    });
    let answer = if shared.data_center {
        answer.with_error_array()
    } else {
        answer
    };
    if faults.contains(&RestFault::DropAfter) {
        return Err(Dropped);
    }
    shared.call_log().requests[number].status = Some(answer.status);
    Ok(answer.into_response().map(Either::Left))
}

async fn pass(shared: &Shared, number: usize, moment: Moment) -> Result<(), Dropped> {
    let lost = !shared.faults.pass(number, moment).await;
    if lost { Err(Dropped) } else { Ok(()) }
}

enum Instead {
    Answer(Answer),
    Endless,
}

/// The answer that a fault gives in place of the real one.
fn instead(fault: &RestFault) -> Option<Instead> {
    let answer = match fault {
        RestFault::Endless => return Some(Instead::Endless),
        RestFault::TooManyRequests { retry_after } => {
            let answer = Answer::error(429, "Rate limit for this resource has been exceeded");
            match retry_after {
                Some(seconds) => answer.with_header("retry-after", &seconds.to_string()),
                None => answer,
            }
        }
        RestFault::Unauthorized => authority::invalid_token(),
        RestFault::Forbidden => authority::not_by_this_mechanism(),
        RestFault::Redirect(address) => Answer::empty(307).with_header("location", address),
        RestFault::Answer { status, body } => Answer::raw(*status, body),
        _ => return None,
    };
    Some(Instead::Answer(answer))
}

fn note(shared: &Shared, request: &Request) -> usize {
    let account = authority::account_named(&shared.model(), request);
    let mut log = shared.call_log();
    log.requests.push(call_log::Request {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.raw_query.clone(),
        authorized: request.authorization.is_some(),
        account,
        status: None,
    });
    log.requests.len() - 1
}

fn endless() -> Sent {
    let mut response = Response::new(Either::Right(Endless));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

/// A JSON string that never closes.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static FILL: [u8; 16384] = [b'"'; 16384];
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&FILL)))))
    }
}
