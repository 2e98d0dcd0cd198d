//! Whose turn it is to work.
//!
//! A call that finds all it needs, as one on memory does, runs to its end without a pause. Many of them would keep a
//! thread from its connections: what arrives meanwhile is neither refused nor answered but waits unread, beyond every
//! bound.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;
use tonic::server::NamedService;
use tower::Service;

/// For so long a thread works on calls before it looks at what has arrived. What it costs to look is little beside it.
const SLICE: Duration = Duration::from_millis(1);

thread_local! {
    /// How long this thread has worked on calls since one of them made it look.
    static WORKED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Calls go on in turns, in the order in which they asked. A turn that comes when its thread has worked on calls for a
/// while begins with a look at all that has arrived: so calls beyond those that there may be are refused, health is
/// answered and connections are kept alive before work goes on, however much of it there is.
#[derive(Clone, Debug)]
pub struct Turns<S> {
    inner: S,
    free: Arc<Semaphore>,
    slice: Duration,
}

impl<S> Turns<S> {
    /// For a runtime with so many threads.
    pub fn new(inner: S, threads: usize) -> Self {
        Self {
            inner,
            free: Arc::new(Semaphore::new(threads.max(1))),
            slice: SLICE,
        }
    }
}

impl<S: NamedService> NamedService for Turns<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, Q> Service<Q> for Turns<S>
where
    S: Service<Q, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = TurnsFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        TurnsFuture {
            call: self.inner.call(request),
            turns: PollSemaphore::new(Arc::clone(&self.free)),
            look: None,
            slice: self.slice,
        }
    }
}

pin_project! {
    /// A call that waits for its turn each time that it can go on.
    pub struct TurnsFuture<F> {
        #[pin]
        call: F,
        turns: PollSemaphore,
        look: Option<Look>,
        slice: Duration,
    }
}

/// What a call holds its turn for, before it goes on.
enum Look {
    /// Until the runtime has run all that can run, and looked at its sockets.
    AtSockets(OwnedSemaphorePermit),
    /// Until what was found there has run, which the call would overtake.
    AtConnections(OwnedSemaphorePermit),
}

/// Lets the runtime wake the call when nothing else can run.
fn give_way(context: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(context);
}

impl<F: Future> Future for TurnsFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let turn = match this.look.take() {
            Some(Look::AtSockets(turn)) => {
                *this.look = Some(Look::AtConnections(turn));
                give_way(context);
                return Poll::Pending;
            }
            Some(Look::AtConnections(turn)) => Some(turn),
            None => {
                // The semaphore is never closed.
                let turn = ready!(this.turns.poll_acquire(context));
                if WORKED.get() >= *this.slice {
                    // Another call of this thread need not look as well.
                    WORKED.set(Duration::ZERO);
                    *this.look = turn.map(Look::AtSockets);
                    give_way(context);
                    return Poll::Pending;
                }
                turn
            }
        };
        let begun = Instant::now();
        let done = this.call.poll(context);
        WORKED.set(WORKED.get() + begun.elapsed());
        drop(turn);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use http::{Request, Response};
    use tokio::runtime::Builder;
    use tonic::{Code, Status};
    use tower::{Layer as _, service_fn};

    use super::*;
    use crate::OverloadLayer;

    /// Calls that arrive together, each on a connection of its own: a task that begins it and spawns its work.
    const ARRIVE: usize = 10;
    const MAY_BE_IN_FLIGHT: usize = 2;

    #[test]
    fn calls_that_arrive_together_on_many_connections_are_refused_beyond_those_that_there_may_be() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build();
        let runtime = runtime.expect("starts");
        let worked = Arc::new(AtomicUsize::new(0));
        let turns = Turns {
            slice: Duration::ZERO,
            ..Turns::new(
                service_fn({
                    let worked = Arc::clone(&worked);
                    move |_: Request<tonic::body::Body>| {
                        worked.fetch_add(1, Ordering::Relaxed);
                        std::future::ready(Ok::<_, Infallible>(Response::new(())))
                    }
                }),
                1,
            )
        };
        let service = OverloadLayer::new(MAY_BE_IN_FLIGHT).layer(turns);
        let (answers, codes) = mpsc::channel();
        // On the one thread, so that none of them begins before all are there.
        runtime.spawn(async move {
            for _ in 0..ARRIVE {
                let (mut service, answers) = (service.clone(), answers.clone());
                tokio::spawn(async move {
                    let call = service.call(Request::new(tonic::body::Body::empty()));
                    tokio::spawn(async move {
                        let answer = call.await.expect("infallible");
                        let status = Status::from_header_map(answer.headers());
                        let _ = answers.send(status.map_or(Code::Ok, |status| status.code()));
                    });
                });
            }
        });
        let codes: Vec<Code> = codes.iter().collect();
        let refused = codes
            .iter()
            .filter(|code| **code == Code::ResourceExhausted);
        assert_eq!(refused.count(), ARRIVE - MAY_BE_IN_FLIGHT, "{codes:?}");
        assert_eq!(codes.len(), ARRIVE);
        assert_eq!(worked.load(Ordering::Relaxed), MAY_BE_IN_FLIGHT);
    }
}
