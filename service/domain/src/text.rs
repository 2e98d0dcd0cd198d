//! How typed text is normalised before it is judged.

use unicode_normalization::UnicodeNormalization as _;

/// Without surrounding white space, in Unicode normalisation form C, so that what looks the same is the same (AIP-210).
pub(crate) fn normalise(typed: &str) -> String {
    typed.trim().nfc().collect()
}

/// The form in which texts that differ only in case are equal. Lower-casing can leave form C, hence the second pass.
pub(crate) fn fold_case(normalised: &str) -> String {
    normalised.to_lowercase().nfc().collect()
}
