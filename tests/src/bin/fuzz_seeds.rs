//! Writes the seed inputs of a fuzz target into a folder: `fuzz_seeds snapshots|packed|encrypted FOLDER`.

use std::path::Path;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [kind, folder] = &arguments[..] else { panic!("usage: fuzz_seeds snapshots|packed|encrypted FOLDER") };
    // Some damage cannot be made in a small file, which is expected.
    std::panic::set_hook(Box::new(|_| ()));
    let seeds = match kind.as_str() {
        "packed" => etcdsnap_tests::mutants::fuzzed::packed(),
        "encrypted" => etcdsnap_tests::mutants::decrypting::seeds(),
        _ => etcdsnap_tests::mutants::fuzzed::seeds(),
    };
    std::fs::create_dir_all(folder).expect("a folder");
    for (name, file) in &seeds {
        std::fs::write(Path::new(folder).join(name), file).expect("a file");
    }
    println!("{} seeds of {} bytes", seeds.len(), seeds.iter().map(|(_, file)| file.len()).sum::<usize>());
}
