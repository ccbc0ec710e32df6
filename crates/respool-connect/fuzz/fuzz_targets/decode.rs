//! Replies, and what is none: whatever `Frames` follows to its end, `decode` makes the same value of
//! as the redis crate, or both refuse it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| respool_connect::assert_agreement(bytes));
