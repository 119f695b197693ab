//! Builds the page: core as wasm, its bindings, and everything in one HTML file.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use lzma_rust2::{LzmaOptions, LzmaWriter};
use wasm_bindgen_cli_support::Bindgen;

use crate::{repo, rust_target, stable_paths};

/// The target for which the inspector is compiled.
const TARGET: &str = "wasm32-unknown-unknown";

/// The inspector's file as wasm-bindgen names it, and its compressed file.
const WASM: &str = "etcdsnap_inspector_bg.wasm";
const COMPRESSED_WASM: &str = "etcdsnap_inspector_bg.wasm.lzma";

/// The compressor's window in bytes: the whole wasm.
const WINDOW: u32 = 4 << 20;

/// Upper limit of the page's size, so that it opens at once and fits into an email.
const MAX_PAGE: u64 = 1_200_000;

/// The wasm features that the compiler may use: every browser that runs the page's script has them.
const WASM_FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Options of `cargo xtask page`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Also build the benchmark's page, whose worker only computes SHA-256 (web/dist/bench)
    #[arg(long)]
    bench: bool,
    /// Also check the types of the page and of its tests
    #[arg(long)]
    check: bool,
}

/// Builds the page.
pub fn run(arguments: &Arguments) -> Result<()> {
    let page = build(arguments.bench)?;
    if arguments.check {
        repo::run(npm().args(["run", "--silent", "check"]))?;
    }
    println!("{}", page.display());
    Ok(())
}

/// Builds the page and returns its path.
pub fn build(bench: bool) -> Result<PathBuf> {
    let web = repo::root().join("web");
    install(&web)?;
    let generated = web.join("src/generated");
    bindings(&compile()?, &generated)?;
    optimise(&web, &generated)?;
    pack(&generated)?;
    repo::run(npm().args(["run", "--silent", "build"]))?;
    if bench {
        repo::run(npm().args(["run", "--silent", "build", "--", "--mode", "bench"]))?;
    }
    let page = web.join("dist/index.html");
    let size = fs::metadata(&page).with_context(|| format!("no page at {}", page.display()))?.len();
    ensure!(size < MAX_PAGE, "the page has {size} bytes, more than {MAX_PAGE}");
    let [wasm, packed] =
        [WASM, COMPRESSED_WASM].map(|name| fs::metadata(generated.join(name)).map_or(0, |facts| facts.len()));
    eprintln!("page: {size} bytes, of which packed wasm before base64: {packed} ({wasm} unpacked)");
    Ok(page)
}

/// Installs the page's packages, unless those of this lock file are installed.
fn install(web: &Path) -> Result<()> {
    let lock = fs::read_to_string(web.join("package-lock.json")).context("web/package-lock.json")?;
    let mark = web.join("node_modules/.installed-lock.json");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    // No package needs its install scripts, and none may download a browser.
    repo::run(npm().args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
        .context("the page needs Node.js 20.19 or later with npm")?;
    fs::write(&mark, lock).with_context(|| format!("cannot write {}", mark.display()))
}

/// Compiles the inspector and returns the path of its wasm.
fn compile() -> Result<PathBuf> {
    rust_target::ensure(TARGET).context("the page is compiled to wasm")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(repo::root())
        .args(["rustc", "--profile", "wasm", "--target", TARGET, "--package", "etcdsnap-inspector"])
        // Only this crate type: with an rlib, cargo cannot optimise across crates, and the wasm is three times as large.
        .args(["--lib", "--crate-type", "cdylib", "--locked", "--message-format", "json-render-diagnostics"])
        // Without paths of this machine in panic messages, every machine builds the same page.
        .args(["--config", &format!("target.{TARGET}.rustflags={:?}", stable_paths::rust_flags(&repo::root())?)])
        .stderr(Stdio::inherit());
    let messages = repo::capture(&mut build)?;
    let wasm = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "etcdsnap_inspector")
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| name.extension().is_some_and(|extension| extension == "wasm"));
    wasm.context("cargo built no wasm")
}

/// Writes the JavaScript and TypeScript bindings of the wasm.
fn bindings(wasm: &Path, generated: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(wasm)
        .web(true)?
        // The wasm is embedded in the page, so there is no address to load it from.
        .omit_default_module_path(true)
        .remove_producers_section(true)
        .typescript(true);
    bindgen.generate(generated).context("wasm-bindgen")
}

/// Optimises the wasm in place.
fn optimise(web: &Path, generated: &Path) -> Result<()> {
    let wasm = generated.join(WASM);
    let mut optimise = Command::new("node");
    optimise
        .arg(web.join("node_modules/binaryen/bin/wasm-opt"))
        .args(["-O3", "--strip-debug", "--strip-producers"])
        .args(WASM_FEATURES)
        .arg(&wasm)
        .arg("-o")
        .arg(&wasm);
    repo::run(&mut optimise)
}

/// Packs the wasm with LZMA, which `web/src/lzma.ts` unpacks.
fn pack(generated: &Path) -> Result<()> {
    let wasm = fs::read(generated.join(WASM))?;
    let options = LzmaOptions { dict_size: WINDOW, nice_len: LzmaOptions::NICE_LEN_MAX, ..LzmaOptions::with_preset(9) };
    let mut writer = LzmaWriter::new_use_header(Vec::new(), &options, Some(wasm.len() as u64)).context("lzma")?;
    writer.write_all(&wasm)?;
    fs::write(generated.join(COMPRESSED_WASM), writer.finish().context("lzma")?)
        .context("the packed wasm cannot be written")
}

fn npm() -> Command {
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(repo::root().join("web"));
    npm
}
