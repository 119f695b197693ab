//! Files beside a snapshot that are small when they are what they should be: certificates, passwords, the page.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of the longest file of certificates or keys that is read; the roots of a whole system take 250 KiB.
pub const MAX_PEM_FILE: u64 = 16 << 20;

/// Bytes of the longest file with a password that is read.
pub const MAX_PASSWORD_FILE: u64 = 64 << 10;

/// Bytes of the longest page that is served; the page itself has some 1 MiB.
pub const MAX_PAGE_FILE: u64 = 64 << 20;

/// Reads a file of at most `most` bytes. It may be a FIFO, as of `<(command)`; one that never ends, such as `/dev/zero`, is an error as soon as it is too long.
///
/// # Errors
/// What the system says, or that the file is too long.
pub fn read_small_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let what =
            format!("it is longer than {} bytes, so it is not such a file", crate::grouped_number::grouped(most));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read_small_file(&path, 4).unwrap(), b"1234");
        for (path, most) in [(path.as_path(), 3), (Path::new("/dev/zero"), 1 << 16)] {
            assert_eq!(read_small_file(path, most).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
    }
}
