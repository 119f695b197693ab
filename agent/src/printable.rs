//! Text from files and file names, made safe for a terminal.

use std::path::Path;

use etcdsnap_core::credentials::without_credentials;
use etcdsnap_core::words::printable;

/// A path for a person to read; bytes that are no UTF-8 are replaced.
#[must_use]
pub fn printable_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    match &*text {
        "-" => "standard input".to_owned(),
        // Somebody gave a URL where a file was wanted.
        url if url.contains("://") => printable(&without_credentials(url)),
        path => printable(path),
    }
}
