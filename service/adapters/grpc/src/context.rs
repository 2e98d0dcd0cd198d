//! What comes along with a call beside its message.

use std::time::{Duration, Instant};

use tonic::Request;
use user_application::{RequestContext, TraceContext};
use uuid::Uuid;

/// For a call that came past no [`crate::DeadlineLayer`].
const FALLBACK: Duration = Duration::from_secs(5);

/// When the answer is due; put into the extensions of a request by [`crate::DeadlineLayer`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due(pub(crate) Instant);

/// What came along with a call.
pub(crate) struct Arrived {
    due: Instant,
    trace: Option<TraceContext>,
}

impl Arrived {
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        let header = |name| request.metadata().get(name)?.to_str().ok();
        let due = request.extensions().get::<Due>();
        Self {
            due: due.map_or_else(|| Instant::now() + FALLBACK, |due| due.0),
            trace: header("traceparent")
                .and_then(|parent| TraceContext::parse(parent, header("tracestate"))),
        }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.due
    }

    pub(crate) fn context(self, request_id: Option<Uuid>, validate_only: bool) -> RequestContext {
        RequestContext {
            deadline: self.due,
            request_id,
            trace: self.trace,
            validate_only,
        }
    }
}
