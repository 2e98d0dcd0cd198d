//! Field masks, as libFuzzer thinks them up.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    user_fuzz::field_mask(input);
});
