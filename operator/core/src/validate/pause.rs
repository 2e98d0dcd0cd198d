use operator_api::PauseSpec;

use super::Broken;

/// Characters of a reason, as its schema states them.
const MAX_REASON: usize = 256;

pub(super) fn check(pause: Option<&PauseSpec>, broken: &mut Broken) {
    let reason = pause.and_then(|pause| pause.reason.as_deref());
    if reason.is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        broken.add(
            "spec.pause.reason",
            format!("must have at most {MAX_REASON} characters"),
        );
    }
}
