//! Puts the page into the program when it was built before; an empty file stands for "not built".

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let web = Path::new("../web");
    let page = web.join("dist/index.html");
    println!("cargo::rerun-if-changed=build.rs");
    // A path that does not exist would make cargo run this, and so compile the agent, every time.
    if page.exists() {
        println!("cargo::rerun-if-changed={}", page.display());
    } else if web.exists() {
        println!("cargo::rerun-if-changed={}", web.display());
    }
    let out: PathBuf = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR").into();
    let bytes = fs::read(&page).unwrap_or_default();
    fs::write(out.join("page.html"), bytes).expect("OUT_DIR can be written");
}
