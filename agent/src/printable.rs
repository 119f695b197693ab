//! Text from files and file names, made safe for a terminal.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use etcdsnap_core::credentials::without_credentials;
use etcdsnap_core::key_syntax::printable;

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

/// A path as it is typed in a command line: in a shell's quotes where it needs them.
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

/// A word in a shell's quotes; with escapes (`$'…'`, of POSIX 2024) where it is no text, or would do something to the terminal.
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
    fn what_is_typed_is_one_word_of_a_shell() {
        let typed = |path: &str| typed_path(Path::new(path));
        assert_eq!(typed("/var/backup/etcd-1.db"), "/var/backup/etcd-1.db");
        assert_eq!(typed("-"), "-");
        assert_eq!(typed("my file; rm.db"), "'my file; rm.db'");
        assert_eq!(typed("it's"), "'it'\\''s'");
        assert_eq!(typed("a\nb"), "$'a\\nb'");
        assert_eq!(typed(""), "''");
    }
}
