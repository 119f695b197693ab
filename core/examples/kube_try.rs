//! Try.
use etcdsnap_core::kubernetes::{decode::Options, object, yaml};
fn main() {
    let value = std::fs::read(std::env::args().nth(1).unwrap()).unwrap();
    let mut out = Vec::new();
    let r = object::api_json(&value, Options { null_creation_timestamp: true, ..Options::default() }, &mut out);
    println!("{}\n{r:?}", String::from_utf8_lossy(&out));
    if std::env::args().nth(2).is_some() {
        println!("{}", yaml::to_yaml(&object::tree(&value, Options::default()).unwrap().0));
    }
}
