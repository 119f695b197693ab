//! The judgement of core over bytes, in each of the ways in which it can be reached.

use etcdsnap_core::pass::Pass;
use etcdsnap_core::{
    Consumed, Error, Opened, ReadError, Report, Scan, Sweep, SweepRoom, Unwatched, check_trailer, verify,
};

use crate::read::File;
use crate::seeded_random::Dice;

/// By random access, in one go.
///
/// # Panics
/// When core gives an error: bytes in memory can always be read.
#[must_use]
pub fn walk(bytes: &[u8]) -> Report {
    verify(bytes, &Unwatched).expect("bytes in memory can be read")
}

/// By random access, strip by strip and part by part, the last first, as threads might run them.
///
/// # Panics
/// When core gives an error.
#[must_use]
pub fn parts(bytes: &[u8]) -> Report {
    let scan = match Scan::open(bytes).expect("bytes in memory can be read") {
        Opened::Refused(report) => {
            // What is no database has no parts; the trailer is looked at all the same.
            assert!(report.status.is_none());
            return walk(bytes);
        }
        Opened::Scan(scan) => scan,
    };
    let trailer = check_trailer(bytes, &Unwatched).expect("bytes in memory can be read");
    let walking = backwards(scan.read_ahead().expect("there is memory"));
    let resolving = backwards(walking);
    backwards(resolving).report(trailer)
}

/// Runs a pass with two gatherers that take turns, the last piece first.
fn backwards<P: Pass>(pass: P) -> P::Outcome {
    let mut gathered = vec![pass.begin(), pass.begin()];
    for piece in (0..pass.pieces()).rev() {
        pass.take(piece, &mut gathered[piece % 2], &Unwatched).expect("bytes in memory can be read");
    }
    pass.finish(gathered, &Unwatched).expect("all pieces are there")
}

/// From front to back in pieces of random sizes up to `longest`; what is lacking then is read from the bytes.
///
/// # Panics
/// When core gives an error.
#[must_use]
pub fn sweep(bytes: &[u8], longest: usize, dice: &mut Dice) -> Report {
    swept(bytes, longest, dice).verify(bytes, &Unwatched).expect("bytes in memory can be read")
}

/// As a save into a file has it: pages are looked at once while they come, and the SHA-256 elsewhere; what is lacking then is read.
///
/// # Panics
/// When core gives an error.
#[must_use]
pub fn saved(bytes: &[u8], longest: usize, dice: &mut Dice) -> Report {
    let mut sweep = Sweep::of_pages(room(bytes, dice));
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(dice.between(1, longest).min(rest.len()));
        // More bytes than could change the report do no harm.
        sweep.push(piece);
        rest = after;
    }
    let trailer = check_trailer(bytes, &Unwatched).expect("bytes in memory can be read");
    let swept = sweep.finish().expect("there is memory").with_trailer(trailer);
    swept.verify(bytes, &Unwatched).expect("bytes in memory can be read")
}

/// The same without a second look; none when core says that it needs one.
///
/// # Panics
/// When core gives another error.
#[must_use]
pub fn stream(bytes: &[u8], longest: usize, dice: &mut Dice) -> Option<Report> {
    match swept(bytes, longest, dice).verify(&Consumed(bytes.len() as u64), &Unwatched) {
        Ok(report) => Some(report),
        Err(Error::Read { cause: ReadError::Consumed, .. }) => None,
        Err(error) => panic!("a stream ended with {error}"),
    }
}

fn swept(bytes: &[u8], longest: usize, dice: &mut Dice) -> etcdsnap_core::Swept {
    let mut sweep = Sweep::within(room(bytes, dice));
    loop {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(dice.between(1, longest).min(rest.len()));
            let more = sweep.push(piece);
            rest = if more { after } else { &[] };
        }
        match sweep.finish().expect("there is memory").second_pass() {
            Ok(again) => sweep = again,
            Err(swept) => return *swept,
        }
    }
}

/// Little room, with which the bytes go by several times, or as much as there ever is.
fn room(bytes: &[u8], dice: &mut Dice) -> SweepRoom {
    let some = |dice: &mut Dice| dice.below(bytes.len() / 2 + 1);
    if dice.below(2) == 0 { SweepRoom { raw: some(dice), digests: some(dice) } } else { SweepRoom::default() }
}

/// The judgement of all ways, which must be one; in words what differs, when it is not.
///
/// # Errors
/// Which way differs, and how.
pub fn agreed(bytes: &[u8], dice: &mut Dice) -> Result<Report, String> {
    let walked = walk(bytes);
    same(&walked, &parts(bytes), "parts")?;
    let pieces = [3 * 700, 70_001, bytes.len().max(1)];
    let longest = *dice.pick(&pieces);
    same(&walked, &sweep(bytes, longest, dice), &format!("a sweep in pieces of up to {longest}"))?;
    let longest = *dice.pick(&pieces);
    same(&walked, &saved(bytes, longest, dice), &format!("a save in pieces of up to {longest}"))?;
    let longest = *dice.pick(&pieces);
    if let Some(streamed) = stream(bytes, longest, dice) {
        same(&walked, &streamed, &format!("a stream in pieces of up to {longest}"))?;
    }
    Ok(walked)
}

fn same(walked: &Report, other: &Report, way: &str) -> Result<(), String> {
    if walked == other {
        return Ok(());
    }
    let (walked, other) = (format!("{walked:#?}"), format!("{other:#?}"));
    let mut differing = walked.lines().zip(other.lines()).enumerate().filter(|(_, (one, two))| one != two);
    let at = differing.next().map_or(0, |(line, _)| line);
    let near = |text: &str| text.lines().skip(at.saturating_sub(8)).take(16).collect::<Vec<_>>().join("\n");
    Err(format!("walk and {way} differ:\n--- walk\n{}\n--- {way}\n{}", near(&walked), near(&other)))
}

/// For a fuzzer: any bytes at all are judged without a panic, and in all ways alike.
///
/// # Panics
/// When the ways differ.
pub fn verify_any(bytes: &[u8]) {
    let seed = bytes.iter().fold(bytes.len() as u64, |seed, byte| seed.rotate_left(5) ^ u64::from(*byte));
    if let Err(difference) = agreed(bytes, &mut Dice::new(seed)) {
        panic!("{difference}");
    }
}

/// For a fuzzer: the same for what [`sealed`] makes of bytes.
///
/// # Panics
/// When the ways differ.
pub fn verify_sealed(bytes: &[u8]) {
    if let Some(file) = sealed(bytes) {
        verify_any(&file);
    }
}

/// The bytes with both metas' checksums and the SHA-256 made right, so that damage behind them is reached; none for too few.
#[must_use]
pub fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < 1024 {
        return None;
    }
    let whole = bytes.len() / 512 * 512;
    let mut file = File { bytes: bytes[..whole].to_vec(), page_size: 512 };
    let claimed = file.u32(crate::read::meta::PAGE_SIZE) as usize;
    if claimed.is_power_of_two() && (512..=65536).contains(&claimed) && claimed * 2 <= whole {
        file.page_size = claimed;
    }
    file.seal_meta(0);
    file.seal_meta(1);
    Some(crate::build::with_trailer(&file.bytes))
}

/// How many strips a scan of these bytes reads ahead; none when it is no database.
///
/// # Panics
/// When core gives an error.
#[must_use]
pub fn strips(bytes: &[u8]) -> usize {
    match Scan::open(bytes).expect("bytes in memory can be read") {
        Opened::Refused(_) => 0,
        Opened::Scan(scan) => scan.read_ahead().expect("there is memory").pieces(),
    }
}
