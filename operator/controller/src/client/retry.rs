//! What a request gets over by itself: a passing trouble of the API server, or of the way to it.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use tokio::time::{Sleep, sleep};
use tower::{
    BoxError,
    retry::{
        Policy,
        backoff::{
            Backoff, ExponentialBackoff, ExponentialBackoffMaker, InvalidBackoff, MakeBackoff,
        },
    },
    util::rng::HasherRng,
};

use super::throttle::retry_after;

/// Attempts beyond the first. A pass asks a dozen times: without any it would hardly ever end where
/// one request of four fails. With many it would hide an outage from the backoff of its resource.
const RETRIES: u32 = 2;
const FIRST: Duration = Duration::from_millis(100);
/// Longest wait between two attempts. Who asks for more is left alone by the
/// [throttle](super::Throttle).
const LONGEST: Duration = Duration::from_secs(1);

/// Which requests are sent again, and when: reads after whatever went wrong, writes only where the
/// API server says that it did nothing.
#[derive(Clone)]
pub(crate) struct Retry {
    backoff: ExponentialBackoff,
    left: u32,
}

impl Retry {
    pub(crate) fn new() -> Result<Self, InvalidBackoff> {
        let backoff = ExponentialBackoffMaker::new(FIRST, LONGEST, 1.0, HasherRng::new())?;
        Ok(Self {
            backoff: { backoff }.make_backoff(),
            left: RETRIES,
        })
    }
}

impl<R> Policy<Request<Body>, Response<R>, BoxError> for Retry {
    type Future = Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<R>, BoxError>,
    ) -> Option<Sleep> {
        let is_read = request.method() == Method::GET;
        let asked = match result {
            Ok(answer) => {
                let status = answer.status();
                let nothing_done = matches!(
                    status,
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
                );
                if !(nothing_done || is_read && status.is_server_error()) {
                    return None;
                }
                retry_after(status, answer.headers())
            }
            Err(_) if is_read => None,
            Err(_) => return None,
        };
        self.left = self.left.checked_sub(1)?;
        match asked {
            Some(wait) if wait > LONGEST => None,
            Some(wait) => Some(sleep(wait)),
            None => Some(self.backoff.next_backoff()),
        }
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut again = Request::new(request.body().try_clone()?);
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.version_mut() = request.version();
        *again.headers_mut() = request.headers().clone();
        *again.extensions_mut() = request.extensions().clone();
        Some(again)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use http::header::RETRY_AFTER;
    use tokio::time::Instant;
    use tower::{Layer, ServiceExt, retry::RetryLayer, service_fn};

    use super::*;

    /// How often a request is sent where each answer is this one; no code is no answer.
    async fn attempts(method: Method, code: Option<u16>, wait: &'static str) -> u32 {
        let count = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&count);
        let server = service_fn(move |request: Request<Body>| {
            assert_eq!(request.extensions().get::<&str>(), Some(&"verb"));
            counter.fetch_add(1, Ordering::Relaxed);
            std::future::ready(match code {
                None => Err(BoxError::from("lost")),
                Some(code) => {
                    let answer = Response::builder().status(code);
                    Ok(answer.header(RETRY_AFTER, wait).body(()).unwrap())
                }
            })
        });
        let mut request = Request::new(Body::from(b"body".to_vec()));
        *request.method_mut() = method;
        request.extensions_mut().insert("verb");
        let service = RetryLayer::new(Retry::new().unwrap()).layer(server);
        let _ = service.oneshot(request).await;
        count.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn reads_are_sent_again_a_few_times_whatever_went_wrong() {
        for code in [None, Some(429), Some(500), Some(503)] {
            assert_eq!(attempts(Method::GET, code, "0").await, 3, "{code:?}");
        }
    }

    #[tokio::test]
    async fn writes_are_sent_again_only_where_nothing_was_done() {
        for code in [429, 503] {
            assert_eq!(attempts(Method::PATCH, Some(code), "0").await, 3, "{code}");
        }
        for code in [None, Some(500), Some(409)] {
            assert_eq!(attempts(Method::PATCH, code, "0").await, 1, "{code:?}");
        }
    }

    #[tokio::test]
    async fn who_is_wrong_or_asked_to_wait_for_long_is_told_at_once() {
        for code in [200, 404, 409, 422] {
            assert_eq!(attempts(Method::GET, Some(code), "0").await, 1, "{code}");
        }
        assert_eq!(attempts(Method::GET, Some(429), "30").await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_to_be_asked_a_second_later_is() {
        let start = Instant::now();
        assert_eq!(attempts(Method::GET, Some(429), "1").await, 3);
        assert_eq!(start.elapsed().as_secs(), 2);
    }
}
