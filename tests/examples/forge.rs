//! Writes a forged file to standard output: `cargo run -p etcdsnap-tests --example forge NAME SEED PAGE_SIZE LEN`; without a name it lists the names.

use std::io::Write;

use etcdsnap_tests::forged;
use etcdsnap_tests::seeded_random::SeededRandom;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, or: usize| args.get(at).map_or(or, |text| text.parse().expect("a number"));
    match forged::all().into_iter().find(|(name, _)| args.first().is_some_and(|wanted| wanted == name)) {
        Some((_, make)) => {
            let bytes = make(&mut SeededRandom::new(number(1, 0) as u64), number(2, 4096), number(3, 16 << 20)).bytes;
            std::io::stdout().write_all(&bytes).expect("a reader");
        }
        None => forged::all().iter().for_each(|(name, _)| println!("{name}")),
    }
}
