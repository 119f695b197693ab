//! The reference for the speed of `verify`: only SHA-256 over the bytes that a snapshot's trailer covers.

use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// Length of the hash at the end of a snapshot.
const TRAILER: u64 = 32;
const BLOCK: usize = 1 << 20;

/// Prints the hash of everything except the trailer, and whether the trailer matches.
pub fn run(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let length = file.metadata()?.len();
    ensure!(length > TRAILER, "{} is too short for a snapshot", path.display());
    let end = length - TRAILER;
    let mut block = etcdsnap_core::AlignedBuf::new(BLOCK);
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < end {
        let part = block.len().min(usize::try_from(end - at).unwrap_or(BLOCK));
        file.read_exact_at(&mut block[..part], at)?;
        hash.update(&block[..part]);
        at += part as u64;
    }
    let mut trailer = [0; TRAILER as usize];
    file.read_exact_at(&mut trailer, end)?;
    let hash = hash.finalize();
    println!("{} {}", hex(&hash), if hash[..] == trailer { "matches" } else { "differs" });
    Ok(())
}

/// Formats bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
