//! Guided by coverage: see the target of the same name in the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| afield_fuzz::proxy_protocol(data));
