//! What comes along with a request, whatever it asks for.

use std::time::Instant;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// By what a repeated request is recognised (AIP-155).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The identifier that the caller gave it.
    pub id: Uuid,
    /// What it asked for, as a hash: one identifier is for one request.
    pub fingerprint: [u8; 32],
}

/// The trace that a request belongs to, as its caller wrote it (W3C Trace Context).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    ids: SpanIds,
    state: Option<String>,
}

/// A span in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanIds {
    /// The trace.
    pub trace: u128,
    /// The span, in its trace.
    pub span: u64,
    /// Whether the trace is recorded.
    pub is_sampled: bool,
}

/// What comes along with a request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// When the answer is due.
    pub deadline: Instant,
    /// The identifier that the caller gave the request.
    pub request_id: Option<Uuid>,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
    /// Whether nothing is to be stored, and only what would come of it answered (AIP-163).
    pub validate_only: bool,
}

impl RequestContext {
    /// The key of a request that asks for `what` with these `parts`; none without an identifier.
    pub(crate) fn key(&self, what: &str, parts: &[&str]) -> Option<RequestKey> {
        let id = self.request_id?;
        let mut hash = Sha256::new();
        for part in std::iter::once(&what).chain(parts) {
            // The length first, so that no two lists of parts look alike.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Some(RequestKey {
            id,
            fingerprint: hash.finalize().into(),
        })
    }
}

impl TraceContext {
    /// Longest `tracestate` that is passed on, in bytes: what the specification asks everybody to carry at least.
    pub const MAX_STATE_BYTES: usize = 512;

    /// The context with this `traceparent` and `tracestate`; none if the first is not of version 00's form. A state that
    /// is too long or not printable is left out, as the specification allows.
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let is_valid = parent.starts_with("00-")
            && parent
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        let parts: Vec<&str> = parent.split('-').collect();
        let [_, trace, span, flags] = parts[..] else {
            return None;
        };
        if !is_valid || (trace.len(), span.len(), flags.len()) != (32, 16, 2) {
            return None;
        }
        let ids = SpanIds {
            trace: u128::from_str_radix(trace, 16).ok()?,
            span: u64::from_str_radix(span, 16).ok()?,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & SAMPLED != 0,
        };
        if ids.trace == 0 || ids.span == 0 {
            return None;
        }
        let state = state.filter(|state| {
            !state.is_empty()
                && state.len() <= Self::MAX_STATE_BYTES
                && state.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        });
        Some(Self {
            parent: parent.to_owned(),
            ids,
            state: state.map(ToOwned::to_owned),
        })
    }

    /// What the header `traceparent` says.
    pub const fn ids(&self) -> SpanIds {
        self.ids
    }

    /// The value of the header `traceparent`.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of the header `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_of_the_specification_is_a_trace_context() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = TraceContext::parse(parent, Some("vendor=1")).expect("valid");
        assert_eq!(
            (context.parent(), context.state()),
            (parent, Some("vendor=1"))
        );
        let ids = SpanIds {
            trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            span: 0xb7ad_6b71_6920_3331,
            is_sampled: true,
        };
        assert_eq!(context.ids(), ids);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-02",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(TraceContext::parse(bad, None), None, "{bad:?}");
        }
        let long = "x".repeat(TraceContext::MAX_STATE_BYTES + 1);
        for state in ["", "a\r\nb", &long] {
            let context = TraceContext::parse(parent, Some(state)).expect("valid");
            assert_eq!(context.state(), None, "{state:?}");
        }
    }

    #[test]
    fn different_requests_have_different_fingerprints() {
        let context = RequestContext {
            deadline: Instant::now(),
            request_id: Some(Uuid::nil()),
            trace: None,
            validate_only: false,
        };
        let fingerprint =
            |what, parts: &[&str]| context.key(what, parts).map(|key| key.fingerprint);
        assert_eq!(
            fingerprint("create", &["a", "b"]),
            fingerprint("create", &["a", "b"])
        );
        assert_ne!(
            fingerprint("create", &["a", "b"]),
            fingerprint("create", &["ab", ""])
        );
        assert_ne!(
            fingerprint("create", &["a", "b"]),
            fingerprint("update", &["a", "b"])
        );
    }
}
