//! The mutator that the targets over snapshots share.

/// Mutates the input in the first `size` bytes of `data`; returns its new length.
pub fn mutate(data: &mut [u8], size: usize, longest: usize, seed: u32) -> usize {
    let mut input = data[..size].to_vec();
    let mut plain = |bytes: &mut Vec<u8>, room: usize| {
        let len = bytes.len().min(room);
        bytes.resize(room, 0);
        let len = libfuzzer_sys::fuzzer_mutate(bytes, len, room);
        bytes.truncate(len);
    };
    etcdsnap_tests::mutants::fuzzed::step(&mut input, longest, u64::from(seed), &mut plain);
    input.truncate(longest);
    data[..input.len()].copy_from_slice(&input);
    input.len()
}

/// Defines a target over snapshots.
#[macro_export]
macro_rules! snapshots {
    ($judge:path) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $judge(bytes));
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, longest: usize, seed: u32| {
            etcdsnap_fuzz::mutate(data, size, longest, seed)
        });
    };
}
