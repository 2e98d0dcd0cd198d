//! The bytes of a call, as libFuzzer thinks them up.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    user_fuzz::framing(input);
});
