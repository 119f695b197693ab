//! The one file in a zip archive.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

/// Why an archive cannot be read as one file.
pub(super) enum Refusal {
    /// It holds none or several, or one that cannot be unpacked here.
    Unfit(String),
    /// It is broken.
    Broken(ZipError),
}

/// How many names of a crowded archive a message lists.
const NAMES_LISTED: usize = 5;

/// Opens the archive and finds its one file: directories, and what macOS adds for itself, do not count.
pub(super) fn only_file<R: Read + Seek>(packed: R) -> Result<(ZipArchive<R>, usize), Refusal> {
    let mut archive = ZipArchive::new(packed).map_err(Refusal::Broken)?;
    let mut files = Vec::new();
    for number in 0..archive.len() {
        let file = archive.by_index_raw(number).map_err(Refusal::Broken)?;
        let name = file.name().map_err(Refusal::Broken)?.into_owned();
        if file.is_dir() || name.starts_with("__MACOSX/") {
            continue;
        }
        if file.encrypted() {
            return Err(Refusal::Unfit("it is encrypted".into()));
        }
        files.push((number, name));
        if files.len() > NAMES_LISTED {
            break;
        }
    }
    match files.as_slice() {
        [] => Err(Refusal::Unfit("it holds no file".into())),
        [(number, _)] => Ok((archive, *number)),
        several => {
            let names: Vec<_> = several.iter().take(NAMES_LISTED).map(|(_, name)| crate::printable(name)).collect();
            let more = if several.len() > NAMES_LISTED { ", …" } else { "" };
            Err(Refusal::Unfit(format!("it holds several files ({}{more})", names.join(", "))))
        }
    }
}
