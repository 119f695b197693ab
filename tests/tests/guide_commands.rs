//! Every shell block of the guide and every command of README is executed, and prints what the document shows.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use etcdsnap_tests::cli;
use etcdsnap_tests::member_config::{MemberConfig, initial_cluster, member_configs};
use etcdsnap_tests::programs::{reference, tests_dir};
use etcdsnap_tests::server::{Servers, stdout_of};
use etcdsnap_tests::shell_blocks::{self, Step, console_steps, page_steps};
use libtest_mimic::{Arguments, Failed, Trial};

/// The version of etcd and its tools that the commands use.
const VERSION: &str = "3.7";

/// The mark in a page that needs a running etcd at `ETCDCTL_ENDPOINTS`.
const NEEDS_ETCD: &str = "<!-- test: etcd -->";

/// The snapshot that this etcd is restored from, and the one that is `backup.db` in README.
const SERVED_SNAPSHOT: &str = "samples/kubernetes/today.db.zst";
const README_BACKUP: &str = "samples/kubernetes/yesterday.db.zst";

/// The beginnings of commands in README that are not run: tasks that build for minutes, and a server that runs until it is stopped.
const NOT_RUN: &[&str] = &["cargo ", "etcdsnap open"];

fn main() -> ExitCode {
    let mut trials: Vec<Trial> = pages().into_iter().map(page_trial).collect();
    trials.push(Trial::test("readme", readme));
    trials.push(Trial::test("rust_example_is_the_one_that_compiles", rust_example));
    trials.push(Trial::test("every_page_is_in_the_summary", summary));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn root() -> PathBuf {
    tests_dir().parent().expect("the repository").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs/guide")).expect("the guide");
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    assert!(pages.len() > 15, "{pages:?}");
    pages
}

fn page_trial(page: PathBuf) -> Trial {
    let name = page.file_stem().expect("a name").to_string_lossy().into_owned();
    Trial::test(name, move || {
        let text = read(&page);
        run(&page_steps(&text)?, text.contains(NEEDS_ETCD), |_| {})
    })
}

/// Runs README's commands, with the folder of backups in the scratch directory.
fn readme() -> Result<(), Failed> {
    let mut steps = console_steps(&read(&root().join("README.md")))?;
    let all = steps.len();
    steps.retain(|step| !NOT_RUN.iter().any(|words| step.commands[0].starts_with(words)));
    if steps.len() < 4 || all - steps.len() > 6 {
        return Err(format!("{} of {all} commands of README are tried", steps.len()).into());
    }
    for command in steps.iter_mut().flat_map(|step| &mut step.commands) {
        *command = command.replace("/var/backups", "var/backups");
    }
    run(&steps, true, |scratch| {
        let backups = scratch.join("var/backups/etcd");
        fs::create_dir_all(&backups).expect("a folder");
        for copy in [scratch.join("backup.db"), backups.join("yesterday.db.zst")] {
            fs::copy(root().join(README_BACKUP), copy).expect("a copy");
        }
    })
}

/// Runs the steps of a document in their own scratch directory.
fn run(steps: &[Step], needs_etcd: bool, prepare: impl FnOnce(&Path)) -> Result<(), Failed> {
    let Some(etcd) = reference(VERSION, "etcd").filter(|_| !steps.is_empty()) else { return Ok(()) };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let beside = tempfile::tempdir().expect("a directory for servers and logs");
    symlink(root().join("samples"), scratch.path().join("samples")).expect("a link");
    prepare(scratch.path());
    let members = member_configs(beside.path(), &["default", "1", "2", "3"]);
    let running = needs_etcd.then(|| filled_etcd(&members[0], beside.path()));
    let mut variables = vec![
        ("PATH".to_owned(), search_path(&etcd)),
        ("HOME".to_owned(), cli::text(scratch.path()).to_owned()),
        ("TZ".to_owned(), "UTC".to_owned()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
    ];
    for member in &members[1..] {
        variables.push((format!("CLIENT{}", member.name), member.client.to_string()));
        variables.push((format!("PEER{}", member.name), member.peer.to_string()));
    }
    if running.is_some() {
        variables.push(("ETCDCTL_ENDPOINTS".to_owned(), members[0].client_url()));
    }
    shell_blocks::run(steps, scratch.path(), &beside.path().join("output"), &variables)?;
    Ok(())
}

/// Returns a search path with our program first, then the reference programs, then those of the system.
fn search_path(etcd: &Path) -> String {
    let own = [cli::program(), etcd].map(|program| program.parent().expect("a folder").to_owned());
    let system = std::env::var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().chain(std::env::split_paths(&system));
    std::env::join_paths(folders).expect("no colon in a folder's name").into_string().expect("UTF-8")
}

/// Starts a server with the data of a Kubernetes cluster.
fn filled_etcd(member: &MemberConfig, logs: &Path) -> Servers {
    let store = root().join(SERVED_SNAPSHOT);
    let cluster = initial_cluster(std::slice::from_ref(member));
    let url = member.peer_url();
    stdout_of(&cli::run(&[
        "restore",
        cli::text(&store),
        "--name",
        &member.name,
        "--data-dir",
        cli::text(&member.data),
        "--initial-cluster",
        &cluster,
        "--initial-advertise-peer-urls",
        &url,
    ]));
    Servers::start(VERSION, std::slice::from_ref(member), logs).expect("etcd is built")
}

/// Checks that the block in the page "From Rust" equals the example that clippy and the tests compile.
fn rust_example() -> Result<(), Failed> {
    let page = read(&root().join("docs/guide/rust.md"));
    let block = page.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = read(&root().join("agent/examples/newest_sound.rs"));
    if block == Some(example.as_str()) { Ok(()) } else { Err("docs/guide/rust.md shows another program".into()) }
}

fn summary() -> Result<(), Failed> {
    let summary = read(&root().join("docs/SUMMARY.md"));
    let names = pages().into_iter().map(|page| page.file_name().expect("a name").to_string_lossy().into_owned());
    let missing: Vec<String> = names.filter(|name| !summary.contains(&format!("(guide/{name})"))).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("docs/SUMMARY.md lacks {missing:?}").into()) }
}
