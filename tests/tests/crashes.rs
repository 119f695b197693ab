//! Inputs that once made the program crash, hang or contradict itself: verifies each file of `tests/crashes/` in all ways, runs every query on it, and unpacks the compressed ones.

use etcdsnap_tests::{all_queries, core_verdict, programs, unpacking};

#[test]
fn every_former_crash_input_gives_an_answer() {
    let directory = programs::tests_dir().join("crashes");
    for entry in std::fs::read_dir(directory).expect("tests/crashes") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            println!("{}", path.display());
            let bytes = std::fs::read(&path).expect("a crash input");
            core_verdict::verify_any(&bytes);
            all_queries::query_any(&bytes);
        }
        if path.extension().is_some_and(|extension| extension == "packed") {
            unpacking::unpack_any(&std::fs::read(&path).expect("a crash input"));
        }
    }
}
