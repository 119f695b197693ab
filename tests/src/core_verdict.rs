//! Verifies bytes with core in each way that core offers, and checks that all ways agree.

use etcdsnap_core::pass::Pass;
use etcdsnap_core::{
    Consumed, Error, IgnoreProgress, Opened, ReadError, Report, Scan, Sweep, SweepLimits, check_trailer, verify,
};

use crate::read::File;
use crate::seeded_random::SeededRandom;

/// Verifies by random access, in one go.
///
/// # Panics
/// Panics if core returns an error: bytes in memory can always be read.
#[must_use]
pub fn verify_by_random_access(bytes: &[u8]) -> Report {
    verify(bytes, &IgnoreProgress).expect("bytes in memory can be read")
}

/// Verifies by random access in strips and parts, last first, as threads might run them.
///
/// # Panics
/// Panics if core returns an error.
#[must_use]
pub fn verify_in_parts(bytes: &[u8]) -> Report {
    let scan = match Scan::open(bytes).expect("bytes in memory can be read") {
        Opened::Refused(report) => {
            // A file that is not a database has no parts; the trailer is checked nevertheless.
            assert!(report.status.is_none());
            return verify_by_random_access(bytes);
        }
        Opened::Scan(scan) => scan,
    };
    let trailer = check_trailer(bytes, &IgnoreProgress).expect("bytes in memory can be read");
    let walking = run_in_reverse(scan.read_ahead().expect("there is memory"));
    let resolving = run_in_reverse(walking);
    run_in_reverse(resolving).report(trailer)
}

/// Runs a pass with two gatherers in turn, last piece first.
fn run_in_reverse<P: Pass>(pass: P) -> P::Outcome {
    let mut gathered = vec![pass.begin(), pass.begin()];
    for piece in (0..pass.pieces()).rev() {
        pass.take(piece, &mut gathered[piece % 2], &IgnoreProgress).expect("bytes in memory can be read");
    }
    pass.finish(gathered, &IgnoreProgress).expect("all pieces are there")
}

/// Verifies a stream in pieces of random sizes up to `longest`, then reads what is missing from the bytes.
///
/// # Panics
/// Panics if core returns an error.
#[must_use]
pub fn verify_stream_then_file(bytes: &[u8], longest: usize, rng: &mut SeededRandom) -> Report {
    sweep_pieces(bytes, longest, rng).verify(bytes, &IgnoreProgress).expect("bytes in memory can be read")
}

/// Verifies as a save to a file does: checks pages as they arrive, hashes separately, then reads what is missing.
///
/// # Panics
/// Panics if core returns an error.
#[must_use]
pub fn verify_like_save(bytes: &[u8], longest: usize, rng: &mut SeededRandom) -> Report {
    let mut sweep = Sweep::without_hash(random_room(bytes, rng));
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rng.between(1, longest).min(rest.len()));
        // Bytes beyond those that can affect the report are harmless.
        sweep.push(piece);
        rest = after;
    }
    let trailer = check_trailer(bytes, &IgnoreProgress).expect("bytes in memory can be read");
    let sweep_pieces = sweep.finish().expect("there is memory").with_trailer(trailer);
    sweep_pieces.verify(bytes, &IgnoreProgress).expect("bytes in memory can be read")
}

/// Verifies a stream without reading anything again; `None` if core needs a second read.
///
/// # Panics
/// Panics if core returns any other error.
#[must_use]
pub fn verify_stream_only(bytes: &[u8], longest: usize, rng: &mut SeededRandom) -> Option<Report> {
    match sweep_pieces(bytes, longest, rng).verify(&Consumed(bytes.len() as u64), &IgnoreProgress) {
        Ok(report) => Some(report),
        Err(Error::Read { cause: ReadError::Consumed, .. }) => None,
        Err(error) => panic!("a stream ended with {error}"),
    }
}

fn sweep_pieces(bytes: &[u8], longest: usize, rng: &mut SeededRandom) -> etcdsnap_core::FinishedSweep {
    let mut sweep = Sweep::with_limits(random_room(bytes, rng));
    loop {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rng.between(1, longest).min(rest.len()));
            let more = sweep.push(piece);
            rest = if more { after } else { &[] };
        }
        match sweep.finish().expect("there is memory").second_pass() {
            Ok(again) => sweep = again,
            Err(sweep_pieces) => return *sweep_pieces,
        }
    }
}

/// Returns either little buffer space, so that the bytes need several passes, or the maximum that core uses.
fn random_room(bytes: &[u8], rng: &mut SeededRandom) -> SweepLimits {
    let some = |rng: &mut SeededRandom| rng.below(bytes.len() / 2 + 1);
    if rng.below(2) == 0 { SweepLimits { raw: some(rng), digests: some(rng) } } else { SweepLimits::default() }
}

/// Verifies in all ways and returns the common report.
///
/// # Errors
/// Describes which way differs, and how.
pub fn verify_all_ways(bytes: &[u8], rng: &mut SeededRandom) -> Result<Report, String> {
    let walked = verify_by_random_access(bytes);
    assert_same_report(&walked, &verify_in_parts(bytes), "parts")?;
    let pieces = [3 * 700, 70_001, bytes.len().max(1)];
    let longest = *rng.pick(&pieces);
    assert_same_report(
        &walked,
        &verify_stream_then_file(bytes, longest, rng),
        &format!("a sweep in pieces of up to {longest}"),
    )?;
    let longest = *rng.pick(&pieces);
    assert_same_report(
        &walked,
        &verify_like_save(bytes, longest, rng),
        &format!("a save in pieces of up to {longest}"),
    )?;
    let longest = *rng.pick(&pieces);
    if let Some(streamed) = verify_stream_only(bytes, longest, rng) {
        assert_same_report(&walked, &streamed, &format!("a stream in pieces of up to {longest}"))?;
    }
    Ok(walked)
}

fn assert_same_report(walked: &Report, other: &Report, way: &str) -> Result<(), String> {
    if walked == other {
        return Ok(());
    }
    let (walked, other) = (format!("{walked:#?}"), format!("{other:#?}"));
    let mut differing = walked.lines().zip(other.lines()).enumerate().filter(|(_, (one, two))| one != two);
    let at = differing.next().map_or(0, |(line, _)| line);
    let near = |text: &str| text.lines().skip(at.saturating_sub(8)).take(16).collect::<Vec<_>>().join("\n");
    Err(format!("walk and {way} differ:\n--- walk\n{}\n--- {way}\n{}", near(&walked), near(&other)))
}

/// Verifies any bytes without a panic, and checks that all ways agree. Entry point of a fuzzer.
///
/// # Panics
/// Panics if they do not.
pub fn verify_any(bytes: &[u8]) {
    let seed = bytes.iter().fold(bytes.len() as u64, |seed, byte| seed.rotate_left(5) ^ u64::from(*byte));
    if let Err(difference) = verify_all_ways(bytes, &mut SeededRandom::new(seed)) {
        panic!("{difference}");
    }
}

/// Verifies the bytes after [`with_valid_checksums`] has repaired their checksums. Entry point of a fuzzer.
///
/// # Panics
/// Panics if the ways do not agree.
pub fn verify_checksummed(bytes: &[u8]) {
    if let Some(file) = with_valid_checksums(bytes) {
        verify_any(&file);
    }
}

/// Repairs the checksums of both meta pages and the SHA-256, so that a reader reaches the damage in the pages; `None` for too few bytes.
#[must_use]
pub fn with_valid_checksums(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < 1024 {
        return None;
    }
    let whole = bytes.len() / 512 * 512;
    let mut file = File { bytes: bytes[..whole].to_vec(), page_size: 512 };
    let claimed = file.u32(crate::read::meta::PAGE_SIZE) as usize;
    if claimed.is_power_of_two() && (512..=65536).contains(&claimed) && claimed * 2 <= whole {
        file.page_size = claimed;
    }
    file.update_meta_checksum(0);
    file.update_meta_checksum(1);
    Some(crate::build::with_trailer(&file.bytes))
}

/// Returns how many strips a scan of these bytes reads ahead; `None` if they are not a database.
///
/// # Panics
/// Panics if core returns an error.
#[must_use]
pub fn read_ahead_strips(bytes: &[u8]) -> usize {
    match Scan::open(bytes).expect("bytes in memory can be read") {
        Opened::Refused(_) => 0,
        Opened::Scan(scan) => scan.read_ahead().expect("there is memory").pieces(),
    }
}
