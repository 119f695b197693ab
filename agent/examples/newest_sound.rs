//! Prints the newest sound snapshot of a folder: `cargo run --example newest_sound -- FOLDER`.

use std::error::Error;

use etcdsnap::{Verdict, VerifyOptions, verify};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("Name a folder with snapshots.")?;
    let mut sound = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // An error says that the file could not be judged, damage is a verdict.
        let report = match verify(&path, VerifyOptions::default()) {
            Ok(report) => report,
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                continue;
            }
        };
        match (report.verdict, report.status) {
            (Verdict::Sound, Some(status)) => sound.push((status.revision, path)),
            (verdict, _) => eprintln!("{}: {}", path.display(), verdict.as_str()),
        }
    }
    sound.sort();
    let (revision, path) = sound.pop().ok_or("No sound snapshot.")?;
    println!("{} at revision {revision}", path.display());
    Ok(())
}
