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
    if reason.is_some_and(|reason| reason.chars().any(is_acted_upon)) {
        broken.add(
            "spec.pause.reason",
            "must be text in one line, without control characters".to_owned(),
        );
    }
}

/// Whether a terminal acts on it, or it turns the order of what is read.
fn is_acted_upon(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        )
}
