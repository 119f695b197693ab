//! Small files that unpack to huge output, and files much longer than a snapshot: each command ends soon, uses little memory, and leaves
//! the directory for temporary files nearly empty.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use etcdsnap_tests::build::with_trailer;
use etcdsnap_tests::case;
use etcdsnap_tests::cli;
use etcdsnap_tests::read::{File, database_of, meta};
use flate2::{Compress, Compression, FlushCompress, Status};
use tempfile::TempDir;

/// Time limit of a run. Alone it takes some hundredths of a second, but tests run in parallel on small machines.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// How many KiB one temporary file may have: a small snapshot, and the bytes that are read after it.
const DISK_KIB: u64 = 96 << 10;

/// How many KiB of memory suffice for any run here.
const MEMORY_KIB: u64 = 128 << 10;

const MIB: usize = 1 << 20;

fn snapshot() -> Vec<u8> {
    case::all().into_iter().find(|case| case.name == "3.7-history").expect("the case 3.7-history").bytes()
}

/// Compresses bytes as raw deflate data, followed by `times` 64 MiB of zeros; the stream never ends.
fn deflated(start: &[u8], times: usize) -> Vec<u8> {
    let block = |bytes: &[u8]| {
        let mut out = Vec::with_capacity(bytes.len() / 2 + MIB);
        let mut compress = Compress::new(Compression::fast(), false);
        let status = compress.compress_vec(bytes, &mut out, FlushCompress::Full).expect("deflate");
        assert!(matches!(status, Status::Ok) && compress.total_in() == bytes.len() as u64);
        out
    };
    [block(start), block(&vec![0; 64 * MIB]).repeat(times)].concat()
}

fn gzip(start: &[u8], times: usize) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &deflated(start, times)].concat()
}

/// Builds an archive of one member.
fn zip(start: &[u8], times: usize) -> Vec<u8> {
    let data = deflated(start, times);
    let len = u32::try_from(data.len()).expect("a small archive").to_le_bytes();
    let name = b"snapshot.db";
    let common = [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 2, 3, 4][..], &len, &[0xff; 4], &[11, 0, 0, 0]].concat();
    let local = [b"PK\x03\x04", &common[..], name, &data].concat();
    let central = [b"PK\x01\x02\x14\0", &common[..], &[0; 14], name].concat();
    let (size, at) = (u32::try_from(central.len()).unwrap(), u32::try_from(local.len()).unwrap());
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &size.to_le_bytes()[..], &at.to_le_bytes(), &[0, 0]].concat();
    [local, central, end].concat()
}

/// Builds a frame of the bytes, and a frame of so many GiB of zeros, which encodes 128 KiB in four bytes and never ends.
fn zstd(start: &[u8], times: usize) -> Vec<u8> {
    const BLOCK: u32 = 128 << 10;
    // Source: RFC 8878, section 3.1.1.2: the size from bit 3 on; type 1 repeats a byte.
    let [low, middle, high, _] = ((BLOCK << 3) | (1 << 1)).to_le_bytes();
    let zeros = [low, middle, high, 0].repeat(8192 * times);
    [&zstd::encode_all(start, 1).expect("zstd"), &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38][..], &zeros].concat()
}

/// The result of a run.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    printed: String,
    /// Its peak memory, as far as observed.
    memory_kib: u64,
    took: Duration,
}

/// Runs etcdsnap with a directory for temporary files in which no file may exceed [`DISK_KIB`].
fn run(args: &[&str], input: Stdio) -> Run {
    run_with_disk(args, input, DISK_KIB)
}

fn run_with_disk(args: &[&str], input: Stdio, disk_kib: u64) -> Run {
    let directory = TempDir::new().expect("a directory");
    let mut shell = Command::new("sh");
    // The unit of the limit is 512 bytes.
    shell.args(["-c", &format!("ulimit -f {}; exec \"$0\" \"$@\"", disk_kib * 2)]).arg(cli::program()).args(args);
    shell.env("TMPDIR", directory.path()).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let child = shell.spawn().expect("etcdsnap runs");
    let status = format!("/proc/{}/status", child.id());
    let (output, memory_kib) = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| child.wait_with_output().expect("an end"));
        let mut most = 0;
        while !waiting.is_finished() {
            let seen = std::fs::read_to_string(&status).unwrap_or_default();
            let line = seen.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            most = most.max(kib.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(2));
        }
        (waiting.join().expect("an output"), most)
    });
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    Run { code: output.status.code(), printed, memory_kib, took: started.elapsed() }
}

fn ends_soon(run: &Run, code: i32, words: &str, what: &str) {
    assert_eq!(run.code, Some(code), "{what}: {run:?}");
    assert!(run.printed.contains(words), "{what}: {run:?}");
    assert!(run.took < TIME_LIMIT, "{what} took {:?}", run.took);
    assert!(run.memory_kib < MEMORY_KIB, "{what} took {} KiB", run.memory_kib);
}

/// Returns commands that read a file in every way; for formats other than zstd only those that unpack in a different way.
fn commands(file: &str) -> Vec<Vec<&str>> {
    let restore = vec!["restore", file, "--dry-run", "--data-dir", "/nonexistent/data"];
    let any = if file.ends_with(".zst") {
        &["verify", "keys", "members", "hashkv", "usage"][..]
    } else {
        &["verify", "keys"]
    };
    any.iter().map(|command| vec![*command, file]).chain([restore]).collect()
}

fn write(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// Builds files that unpack to 64 GiB or a TiB, mostly zeros.
fn bombs(directory: &TempDir, start: &[u8]) -> [PathBuf; 3] {
    [
        write(directory, "bomb.gz", &gzip(start, 256)),
        write(directory, "bomb.zip", &zip(start, 256)),
        write(directory, "bomb.zst", &zstd(start, 1024)),
    ]
}

#[test]
fn endless_zeros_are_recognised_by_their_start() {
    let directory = TempDir::new().expect("a directory");
    for bomb in bombs(&directory, &[]) {
        let name = bomb.to_string_lossy();
        for command in commands(&name) {
            ends_soon(&run(&command, Stdio::null()), 1, "only zeros", &command.join(" "));
        }
    }
}

#[test]
fn a_snapshot_before_endless_zeros_is_too_long() {
    let directory = TempDir::new().expect("a directory");
    for bomb in bombs(&directory, &snapshot()) {
        let name = bomb.to_string_lossy();
        for command in commands(&name) {
            ends_soon(&run(&command, Stdio::null()), 1, "more than 64 MiB after", &command.join(" "));
        }
    }
}

/// Tests a file whose meta pages claim a TiB, and whose other bytes are zeros.
#[test]
fn a_database_that_claims_more_pages_than_the_file_has_ends_soon() {
    let directory = TempDir::new().expect("a directory");
    let mut file = File::new(database_of(&snapshot()).to_vec());
    file.set_metas(meta::PAGES, 1 << 28);
    let bomb = write(&directory, "promise.zst", &zstd(&file.bytes, 1024));
    let name = bomb.to_string_lossy();
    ends_soon(&run(&["verify", &name], Stdio::null()), 1, "contain no page of its database", "verify");
    // The program does not even start to copy a TiB.
    ends_soon(&run(&["keys", &name], Stdio::null()), 2, "Cannot make a temporary copy", "keys");
}

#[test]
fn an_uncompressed_file_is_read_no_further_than_a_snapshot() {
    let directory = TempDir::new().expect("a directory");
    let path = write(&directory, "long.db", &snapshot());
    let name = path.to_string_lossy();
    for len in [1 << 40, (1 << 40) + 32] {
        std::fs::OpenOptions::new().write(true).open(&path).expect("the file").set_len(len).expect("a hole");
        let verified = run(&["verify", &name], Stdio::null());
        ends_soon(&verified, 1, "if cut to that length, its SHA-256 matches", "verify");
        ends_soon(&run(&["status", &name], Stdio::null()), 1, "file-lengthened", "status");
        ends_soon(&run(&["keys", &name], Stdio::null()), 0, "", "keys");
        for more in [&["--dry-run"][..], &["--skip-hash-check"]] {
            let target = directory.path().join("data");
            let data = target.to_string_lossy();
            let command = [&["restore", &name, "--data-dir", &data], more].concat();
            ends_soon(&run(&command, Stdio::null()), 1, "more than 64 MiB after", "restore");
            assert!(!target.exists());
        }
    }
}

/// Returns an input of these bytes followed by zeros until the reader stops.
fn endless(start: &Path) -> Stdio {
    let mut zeros = Command::new("cat");
    let child = zeros.arg(start).arg("/dev/zero").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    child.expect("cat runs").stdout.expect("a pipe").into()
}

#[test]
fn an_endless_pipe_is_copied_no_further_than_a_snapshot() {
    let directory = TempDir::new().expect("a directory");
    let nothing = write(&directory, "nothing", b"");
    let good = write(&directory, "good", &snapshot());
    let packed = write(&directory, "packed", &zstd::encode_all(&snapshot()[..], 1).expect("zstd"));
    for command in
        [&["verify", "-"][..], &["keys", "-"], &["restore", "-", "--dry-run", "--data-dir", "/nonexistent/data"]]
    {
        ends_soon(&run(command, endless(&nothing)), 1, "only zeros", "zeros by a pipe");
    }
    ends_soon(&run(&["verify", "-"], endless(&good)), 1, "more than 64 MiB after", "a snapshot by a pipe");
    // Zeros after packed data have no meaning, but there may not be more of them than a snapshot has bytes.
    let packed = run_with_disk(&["verify", "-"], endless(&packed), 2 * DISK_KIB);
    ends_soon(&packed, 0, "sound", "a packed snapshot by a pipe");
}

/// Builds a sound snapshot whose pages are nearly all old versions of one leaf, outside the tree.
fn stale(pages: u64) -> Vec<u8> {
    let snapshot = snapshot();
    let mut file = File::new(database_of(&snapshot).to_vec());
    let leaves: Vec<u64> = file.entries("key").iter().map(|leaf| leaf.page).collect();
    let entries = |page: &u64| leaves.iter().filter(|leaf| *leaf == page).count();
    // The leaf with the most entries, which would take the most memory.
    let leaf = leaves.iter().copied().max_by_key(|page| entries(page)).expect("a leaf");
    let at = usize::try_from(leaf).unwrap() * file.page_size;
    let template = file.bytes[at..at + file.page_size].to_vec();
    let before = (file.bytes.len() / file.page_size) as u64;
    for number in before..pages {
        let page = file.bytes.len();
        file.bytes.extend_from_slice(&template);
        file.bytes[page..page + 8].copy_from_slice(&number.to_le_bytes());
    }
    file.set_metas(meta::PAGES, pages);
    with_trailer(&file.bytes)
}

#[test]
fn old_pages_take_no_memory_in_a_packed_file() {
    let directory = TempDir::new().expect("a directory");
    let bytes = stale(98_304);
    let plain = write(&directory, "stale.db", &bytes);
    let measured = |path: &Path| {
        let name = path.to_string_lossy();
        let run = run(&["verify", &name], Stdio::null());
        assert_eq!(run.code, Some(0), "{run:?}");
        run.memory_kib
    };
    let bound = measured(&plain) + (64 << 10);
    let packed = write(&directory, "stale.db.zst", &zstd::encode_all(&bytes[..], 1).expect("zstd"));
    let kib = measured(&packed);
    assert!(kib <= bound, "it took {kib} KiB, more than {bound}");
}
