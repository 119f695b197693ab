//! Resolves a path once: opens its innermost directory that exists, and returns the names below it that do not exist yet.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::fsx::directory::Directory;

/// A resolved path.
#[derive(Debug)]
pub(super) struct ResolvedPath {
    /// The innermost directory of the path that exists.
    pub base: Directory,
    /// Names below `base`, outermost first. Only the last can exist, and only with [`LastComponent::Kept`].
    pub missing: Vec<OsString>,
}

/// How to treat the last component of a path if it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastComponent {
    /// Follow or open it, like every other component.
    Followed,
    /// Keep it as a name.
    Kept,
}

/// Why a path cannot be resolved.
#[derive(Debug)]
pub(super) enum ResolveError {
    /// A part of the path cannot be used: the part, and the reason.
    Unfit(PathBuf, &'static str),
    /// The system returned an error: the part of the path, and the error.
    System(PathBuf, io::Error),
}

impl ResolvedPath {
    /// Resolves `path` as the system does where it exists, including links and `..`; the rest is resolved as text, so that `new/..` cancels out.
    pub fn resolve(path: &Path, last: LastComponent) -> Result<Self, ResolveError> {
        let here = Path::new(if path.is_absolute() { "/" } else { "." });
        let mut base = Directory::open(here).map_err(|cause| ResolveError::System(here.to_owned(), cause))?;
        let mut missing: Vec<OsString> = Vec::new();
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            let kept = last == LastComponent::Kept && components.peek().is_none();
            match component {
                Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
                Component::ParentDir if missing.pop().is_some() => {}
                Component::ParentDir => base = follow(&base, Path::new(".."))?.ok_or_else(|| gone(&base))?,
                Component::Normal(name) if kept || !missing.is_empty() => missing.push(name.to_owned()),
                Component::Normal(name) => match follow(&base, Path::new(name))? {
                    Some(directory) => base = directory,
                    None => missing.push(name.to_owned()),
                },
            }
        }
        Ok(Self { base, missing })
    }

    /// Returns the path, for messages.
    pub fn display_path(&self) -> PathBuf {
        match self.missing.as_slice() {
            [] => self.base.display_path().to_owned(),
            names => self.base.path_of(names.iter().collect::<PathBuf>()),
        }
    }
}

/// Opens the directory at `name`; `None` if it does not exist.
fn follow(base: &Directory, name: &Path) -> Result<Option<Directory>, ResolveError> {
    let shown = || base.path_of(name);
    match base.follow(name) {
        Ok(directory) => Ok(Some(directory)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => match base.stat(name) {
            Ok(None) => Ok(None),
            Ok(Some(_)) => Err(ResolveError::Unfit(shown(), "is a dangling link")),
            Err(cause) => Err(ResolveError::System(shown(), cause)),
        },
        Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => {
            Err(ResolveError::Unfit(shown(), "is not a directory"))
        }
        Err(cause) => Err(ResolveError::System(shown(), cause)),
    }
}

fn gone(base: &Directory) -> ResolveError {
    ResolveError::System(base.path_of(".."), io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::fsx::file_identity::FileIdentity;

    #[test]
    fn existing_parts_are_followed_and_missing_ones_are_resolved_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("real/deep")).unwrap();
        fs::write(at("file"), "").unwrap();
        symlink("real/deep", at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        let resolve = |path: &str| ResolvedPath::resolve(&at(path), LastComponent::Followed);
        for (path, base, missing) in [
            ("real", "real", &[][..]),
            ("real/new", "real", &["new"]),
            ("new/../new/a", ".", &["new", "a"]),
            ("new/../real/a", "real", &["a"]),
            ("new/a/../../real", "real", &[]),
            // The link's target, and up from there.
            ("link/..", "real", &[]),
            ("link/../new", "real", &["new"]),
            ("real/./deep//a/", "real/deep", &["a"]),
        ] {
            let found = resolve(path).unwrap();
            let expected = FileIdentity::at(&at(base)).unwrap().unwrap();
            assert_eq!(found.base.identity().unwrap(), expected, "{path}");
            assert_eq!(found.missing, missing, "{path}");
        }
        for (path, reason) in [
            ("dangling", "is a dangling link"),
            ("dangling/a", "is a dangling link"),
            ("file", "is not a directory"),
            ("file/a", "is not a directory"),
        ] {
            assert!(matches!(resolve(path), Err(ResolveError::Unfit(_, found)) if found == reason), "{path}");
        }
    }

    #[test]
    fn a_kept_last_name_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        for name in ["dangling", "real", "new"] {
            let found = ResolvedPath::resolve(&folder.path().join(name), LastComponent::Kept).unwrap();
            assert_eq!(found.missing, [name]);
            assert_eq!(found.display_path(), folder.path().join(name));
        }
    }
}
