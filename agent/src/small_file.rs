//! Reads files that should be small: certificates, passwords, the page.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Maximum bytes of a file of certificates or keys; the roots of a whole system take 250 KiB.
pub const MAX_PEM_FILE: u64 = 16 << 20;

/// Maximum bytes of a file with a password.
pub const MAX_PASSWORD_FILE: u64 = 64 << 10;

/// Maximum bytes of a page file; the page itself has about 1 MiB.
pub const MAX_PAGE_FILE: u64 = 64 << 20;

/// Reads a file of at most `most` bytes. It may be a FIFO, as of `<(command)`. An endless file such as `/dev/zero` is an error as soon as more bytes were read.
///
/// # Errors
/// An error of the system, or that the file is too long.
pub fn read_small_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let what =
            format!("it is longer than {} bytes, too many for such a file", crate::grouped_number::grouped(most));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read_small_file(&path, 4).unwrap(), b"1234");
        for (path, most) in [(path.as_path(), 3), (Path::new("/dev/zero"), 1 << 16)] {
            assert_eq!(read_small_file(path, most).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
    }
}
