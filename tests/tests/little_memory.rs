//! With little memory every command ends with its answer, or with a message and exit code 2, and no incomplete file has a name.

use std::path::Path;

use etcdsnap_tests::limited_resources::{self, PublicFolder};

/// Address space in MiB: from hardly enough for the program itself to plenty.
const ADDRESS_SPACES: [usize; 4] = [48, 56, 80, 200];

/// The outputs of the commands.
const OUTPUTS: [&str; 4] = ["export.parquet", "export.ndjson", "restored.etcd", "all"];

#[test]
fn every_command_succeeds_or_fails_cleanly() {
    let folder = PublicFolder::new();
    let file = folder.file("snapshot.db", &limited_resources::large_snapshot(50_000, 16));
    let packed = zstd::encode_all(std::fs::File::open(&file).unwrap(), 1).unwrap();
    let packed = folder.file("snapshot.db.zst", &packed);
    let before = folder.names();
    let (mut failures, mut refusals) = (Vec::new(), 0);
    for file in [&file, &packed] {
        for command in limited_resources::commands(file, Path::new(".")) {
            let usual = folder.run(&["env".into()], &command);
            remove_new(&folder, &before);
            for mebibytes in ADDRESS_SPACES {
                let output = folder.run(&limited_resources::memory(mebibytes), &command);
                let printed = String::from_utf8_lossy(&output.stderr).into_owned();
                let left = remove_new(&folder, &before);
                let fine = output.status.code() == usual.status.code() && output.stdout == usual.stdout;
                // If memory ran out for a small allocation, a part file may stay; the next run removes it.
                let nothing_made = !left.iter().any(|name| OUTPUTS.contains(&name.as_str()));
                let refused = output.status.code() == Some(2) && printed.contains("memory") && nothing_made;
                refusals += usize::from(refused);
                if !fine && !refused {
                    failures
                        .push(format!("{command:?} with {mebibytes} MiB: {:?}, {left:?}, {printed}", output.status));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(refusals > 10, "only {refusals} runs had too little memory");
}

/// A C decoder allocates the window of a zstd file; a file whose window did not fit into memory was once called damaged.
#[test]
fn a_window_too_large_for_memory_is_not_damage() {
    let folder = PublicFolder::new();
    let plain = limited_resources::large_snapshot(50_000, 16);
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, &plain).unwrap();
    let packed = folder.file("snapshot.db.zst", &encoder.finish().unwrap());
    let mut refusals = 0;
    for command in limited_resources::commands(&packed, Path::new(".")) {
        let output = folder.run(&limited_resources::memory(110), &command);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        let reads_the_file = command.iter().any(|word| Path::new(word) == packed);
        assert_eq!(output.status.code(), Some(if reads_the_file { 2 } else { 0 }), "{command:?}: {printed}");
        assert!(!printed.contains("broken") && !printed.contains("damaged"), "{command:?}: {printed}");
        refusals += usize::from(printed.contains("window of the compressed file (134217728 bytes)"));
    }
    assert!(refusals > 3, "only {refusals} commands spoke of the window");
}

/// Removes the files that were not there before, and returns their names.
fn remove_new(folder: &PublicFolder, before: &[String]) -> Vec<String> {
    let new: Vec<String> = folder.names().into_iter().filter(|name| !before.contains(name)).collect();
    for name in &new {
        let path = folder.path(name);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }
    new
}
