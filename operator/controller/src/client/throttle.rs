//! The API server's word that it wants to be asked later.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};
use tokio::time::Instant;
use tower::util::MapResponseLayer;

/// What is believed at most: whoever says more need not be the API server.
const LONGEST: Duration = Duration::from_secs(60);

/// Until when the API server asked to be left alone: by `Retry-After` (RFC 9110) in seconds, with
/// 429 or 503. API Priority and Fairness says so where too much waits already.
#[derive(Clone, Default)]
pub(crate) struct Throttle(Arc<Mutex<Option<Instant>>>);

impl Throttle {
    /// How long it is to be left alone yet.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.remaining_at(Instant::now())
    }

    fn remaining_at(&self, now: Instant) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let remaining = until?.saturating_duration_since(now);
        (!remaining.is_zero()).then_some(remaining)
    }

    /// A layer of a client that listens to what it is answered.
    pub(crate) fn listening<R>(
        &self,
    ) -> MapResponseLayer<impl Fn(Response<R>) -> Response<R> + Clone + Send + use<R>> {
        let throttle = self.clone();
        MapResponseLayer::new(move |answer: Response<R>| {
            if let Some(wait) = retry_after(answer.status(), answer.headers()) {
                throttle.heard(Instant::now(), wait);
            }
            answer
        })
    }

    fn heard(&self, now: Instant, wait: Duration) {
        let asked = now + wait.min(LONGEST);
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(asked));
    }
}

/// How long the API server asks to be left alone.
pub(super) fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
    .then(|| headers.get(RETRY_AFTER))?
    .and_then(|value| value.to_str().ok()?.trim().parse().ok())
    .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Request;
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;

    /// How long is waited after an answer.
    async fn after(code: u16, wait: &'static str) -> Option<Duration> {
        let throttle = Throttle::default();
        let server = service_fn(move |_: Request<()>| async move {
            let answer = Response::builder().status(code).header(RETRY_AFTER, wait);
            Ok::<_, Infallible>(answer.body(()).unwrap())
        });
        let _ = throttle
            .listening()
            .layer(server)
            .oneshot(Request::new(()))
            .await;
        throttle.remaining()
    }

    #[tokio::test]
    async fn who_asks_to_be_asked_later_is_for_a_bounded_time() {
        for (code, asked, seconds) in [(429, "2", 2), (503, " 7 ", 7), (429, "86400", 60)] {
            let wait = after(code, asked).await.unwrap();
            let bound = Duration::from_secs(seconds);
            assert!(wait <= bound && wait > bound / 2, "{asked}: {wait:?}");
        }
        for (code, asked) in [
            (429, "0"),
            (429, "soon"),
            (429, "-1"),
            (200, "5"),
            (500, "5"),
        ] {
            assert_eq!(after(code, asked).await, None, "{code} {asked}");
        }
    }

    #[test]
    fn the_longest_wait_counts_and_ends() {
        let seconds = Duration::from_secs;
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.heard(now, seconds(5));
        throttle.heard(now, seconds(1));
        assert_eq!(throttle.remaining_at(now + seconds(4)), Some(seconds(1)));
        assert_eq!(throttle.remaining_at(now + seconds(5)), None);
    }
}
