//! Text from files and file names, made safe for a terminal.

use std::path::Path;

use etcdsnap_core::words::printable;

/// A path for a person to read; bytes that are no UTF-8 are replaced.
#[must_use]
pub fn printable_path(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { printable(&path.to_string_lossy()) }
}
