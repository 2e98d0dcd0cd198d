//! How typed text is normalised before it is judged. Most of it is as it should be already, and is not copied then.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Without surrounding white space, in Unicode normalisation form C, so that what looks the same is the same (AIP-210).
pub(crate) fn normalise(typed: &str) -> Cow<'_, str> {
    let text = typed.trim();
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

/// The form in which texts that differ only in case are equal. Lower-casing can leave form C, hence the second pass.
pub(crate) fn fold_case(normalised: &str) -> Cow<'_, str> {
    let is_folded = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if normalised.bytes().all(is_folded) {
        return Cow::Borrowed(normalised);
    }
    Cow::Owned(normalised.to_lowercase().nfc().collect())
}
