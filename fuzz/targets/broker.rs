#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gorgon_local_broker::foreign::session(bytes));
