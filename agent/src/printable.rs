//! Makes text from files and file names safe for a terminal.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use etcdsnap_core::credentials::without_credentials;
use etcdsnap_core::key_syntax::printable;

/// Formats a path for messages; bytes that are not UTF-8 are replaced.
#[must_use]
pub fn printable_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    match &*text {
        "-" => "standard input".to_owned(),
        // The user gave a URL instead of a file.
        url if url.contains("://") => printable(&without_credentials(url)),
        path => printable(path),
    }
}

/// Formats a path as it is typed in a command line, quoted for a shell if necessary.
#[must_use]
pub fn typed_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.contains("://") {
        return printable_path(path);
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(byte);
    if !text.is_empty() && path.as_os_str().as_bytes().iter().all(is_plain) {
        return text.into_owned();
    }
    shell_word(path.as_os_str())
}

/// Quotes a word for a shell; uses escapes (`$'…'`, of POSIX 2024) if it is not UTF-8, or contains control characters.
#[must_use]
pub fn shell_word(word: &OsStr) -> String {
    match word.to_str() {
        Some(text) if printable(text) == text => format!("'{}'", text.replace('\'', "'\\''")),
        _ => format!("$'{}'", word.as_bytes().escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_paths_are_single_shell_words() {
        let typed = |path: &str| typed_path(Path::new(path));
        assert_eq!(typed("/var/backup/etcd-1.db"), "/var/backup/etcd-1.db");
        assert_eq!(typed("-"), "-");
        assert_eq!(typed("my file; rm.db"), "'my file; rm.db'");
        assert_eq!(typed("it's"), "'it'\\''s'");
        assert_eq!(typed("a\nb"), "$'a\\nb'");
        assert_eq!(typed(""), "''");
    }
}
