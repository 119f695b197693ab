//! Presses TAB in real shells, and checks the completed command line and the suggestions.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use etcdsnap_tests::build::puts::{self, Put};
use etcdsnap_tests::cli;
use etcdsnap_tests::terminal::Terminal;

const PUTS: &[Put] = &[
    (b"/registry/deployments/shop/web", Some(b"1"), 0),
    (b"/registry/deployments/shop/web-canary", Some(b"1"), 0),
    (b"/registry/deployments/blog/front", Some(b"1"), 0),
    (b"/registry/daemonsets/kube-system/proxy", Some(b"1"), 0),
    (b"/registry/clusterroles/system:node", Some(b"1"), 0),
    (b"/registry/clusterroles/system:node-proxier", Some(b"1"), 0),
    (b"/registry/clusterroles/view", Some(b"1"), 0),
    (b"app/it's $HOME", Some(b"1"), 0),
    (b"odd/\xff\x00/raw", Some(b"1"), 0),
    (b"star/*", Some(b"1"), 0),
    (b"gone/away", Some(b"1"), 0),
    (b"gone/away", None, 0),
];

/// A directory with snapshots, the program, and files with spaces in their names.
struct TestFolder {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl TestFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes = puts::snapshot(PUTS);
        for name in ["snap.db", "night of monday.db"] {
            fs::write(folder.path().join(name), &bytes).unwrap();
        }
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        fs::write(folder.path().join("packed.gz"), encoder.finish().unwrap()).unwrap();
        fs::write(folder.path().join("no-snapshot.db"), "<html>").unwrap();
        assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
        fs::create_dir(folder.path().join("keys")).unwrap();
        Self { folder, bytes }
    }

    /// Returns a shell that finds the program by its name.
    fn shell(&self, program: &str, args: &[&str]) -> Command {
        let beside = cli::program().parent().unwrap();
        let path = [beside.to_str().unwrap(), &std::env::var("PATH").unwrap()].join(":");
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.folder).env("PATH", path).env("HOME", self.folder.path());
        command.env("TERM", "dumb").env("LC_ALL", "C.UTF-8").env_remove("ETCDSNAP_COMPLETE");
        command
    }

    /// Starts an interactive shell with its completions and a known prompt.
    fn interactive(&self, program: &str, args: &[&str], setup: &str) -> Interactive {
        let mut terminal = Terminal::start(&self.shell(program, args));
        // In two parts, so that the echo of this line is not mistaken for the prompt.
        terminal.type_keys(&format!("{setup}; PS1='REA''DY> '\n"));
        terminal.output_until("READY> ");
        Interactive { terminal }
    }
}

/// A shell in a terminal.
struct Interactive {
    terminal: Terminal,
}

impl Interactive {
    /// Types a line and returns the words that the program would get.
    fn words(&mut self, line: &str) -> Vec<String> {
        // Goes to the beginning of the line and inserts another command, which prints its arguments.
        self.terminal.type_keys(&format!("{line}\u{1}printf '<%s>' MARK \n"));
        self.terminal.output_until("<MARK>");
        self.terminal
            .output_until("READY> ")
            .split('<')
            .skip(1)
            .map(|word| word.split('>').next().unwrap().to_owned())
            .collect()
    }

    /// Returns the suggestions when nothing can be added to a line.
    fn suggestions(&mut self, line: &str) -> Vec<String> {
        self.terminal.type_keys(&format!("{line}\t\t\u{15}printf '<%s>' MARK\n"));
        let shown = self.terminal.output_until("<MARK>");
        self.terminal.output_until("READY> ");
        let lists = shown.split(line).nth(1).unwrap_or_else(|| panic!("{shown}"));
        lists.split_whitespace().map(ToOwned::to_owned).collect()
    }
}

/// A line with TABs, and the words that must result after the program's name.
type Case = (&'static str, &'static [&'static str]);

/// Cases with the same result in bash and zsh.
const CASES: &[Case] = &[
    ("etcdsnap hist\t", &["history"]),
    ("etcdsnap snapshot sta\t", &["snapshot", "status"]),
    ("etcdsnap export snap.db --form\tpar\t", &["export", "snap.db", "--format", "parquet"]),
    ("etcdsnap status sn\t", &["status", "snap.db"]),
    ("etcdsnap status nig\t", &["status", "night of monday.db"]),
    ("etcdsnap keys snap.db /reg\t", &["keys", "snap.db", "/registry/"]),
    ("etcdsnap keys snap.db /reg\tdep\tsh\t", &["keys", "snap.db", "/registry/deployments/shop/"]),
    ("etcdsnap get snap.db /registry/deployments/b\t\t", &["get", "snap.db", "/registry/deployments/blog/front"]),
    ("etcdsnap get snap.db /registry/deployments/shop/\t", &["get", "snap.db", "/registry/deployments/shop/web"]),
    ("etcdsnap get snap.db /registry/clusterroles/sys\t", &["get", "snap.db", "/registry/clusterroles/system:node"]),
    (
        "etcdsnap get snap.db /registry/clusterroles/system:node-\t",
        &["get", "snap.db", "/registry/clusterroles/system:node-proxier"],
    ),
    ("etcdsnap get snap.db ap\t\t", &["get", "snap.db", "app/it's $HOME"]),
    ("etcdsnap get snap.db 'app/it\t", &["get", "snap.db", "app/it's $HOME"]),
    ("etcdsnap get snap.db sta\t\t", &["get", "snap.db", "star/*"]),
    ("etcdsnap history snap.db gone/\t", &["history", "snap.db", "gone/away"]),
    ("etcdsnap keys snap.db --deleted go\t\t", &["keys", "snap.db", "--deleted", "gone/away"]),
    ("etcdsnap keys snap.db gone/\t", &["keys", "snap.db", "gone/"]),
    ("etcdsnap get --rev 12 snap.db gone/\t", &["get", "--rev", "12", "snap.db", "gone/away"]),
    ("etcdsnap usage packed.gz /registry/da\t\t", &["usage", "packed.gz", "/registry/daemonsets/kube-system/"]),
    ("etcdsnap export ~/snap.db --prefix /reg\t", &["export", "TEST_HOME/snap.db", "--prefix", "/registry/"]),
    // The cursor moves back before TAB.
    (
        "etcdsnap export --prefix=/registry/da snap.db\u{2}\u{2}\u{2}\u{2}\u{2}\u{2}\u{2}\u{2}\t",
        &["export", "--prefix=/registry/daemonsets/", "snap.db"],
    ),
    ("etcdsnap diff snap.db snap.db --prefix st\t", &["diff", "snap.db", "snap.db", "--prefix", "star/"]),
    ("etcdsnap keys snap.db --from od\t", &["keys", "snap.db", "--from", "odd/"]),
    ("etcdsnap -w json keys 'night of monday.db' sta\t", &["-w", "json", "keys", "night of monday.db", "star/"]),
    ("etcdsnap keys no-snapshot.db /reg\t", &["keys", "no-snapshot.db", "/reg"]),
    ("etcdsnap keys absent.db /reg\t", &["keys", "absent.db", "/reg"]),
    ("etcdsnap keys pipe /reg\t", &["keys", "pipe", "/reg"]),
    ("etcdsnap keys - /reg\t", &["keys", "-", "/reg"]),
];

/// A key with bytes that are not text. Bash closes the quote after a folder, zsh leaves it open.
const ODD_IN_BASH: Case = ("etcdsnap get snap.db '\"odd/\\xff\t", &["get", "snap.db", "\"odd/\\xff\\x00/"]);
const ODD_IN_ZSH: Case = ("etcdsnap get snap.db '\"odd/\\xff\tr\t", &["get", "snap.db", "\"odd/\\xff\\x00/raw\""]);

fn check(test_folder: &TestFolder, shell: &mut Interactive, more: Case) {
    let home = test_folder.folder.path().to_str().unwrap();
    for (line, want) in CASES.iter().chain([&more]) {
        let want: Vec<String> = want.iter().map(|word| word.replace("TEST_HOME", home)).collect();
        let words = shell.words(line);
        assert_eq!(words.first().map(String::as_str), Some("etcdsnap"), "{line:?}");
        assert_eq!(&words[1..], want, "{line:?}");
    }
    assert_eq!(fs::read(test_folder.folder.path().join("snap.db")).unwrap(), test_folder.bytes);
}

#[test]
fn bash_completes() {
    let test_folder = TestFolder::new();
    let mut shell =
        test_folder.interactive("bash", &["--norc", "--noprofile", "-i"], "source <(etcdsnap completions bash)");
    check(&test_folder, &mut shell, ODD_IN_BASH);
    // Readline lists names by their last parts.
    let mut expect = |line: &str, want: &[&str]| {
        let suggestions = shell.suggestions(line);
        assert!(want.iter().all(|want| suggestions.iter().any(|word| word == want)), "{line}: {suggestions:?}");
        suggestions
    };
    expect("etcdsnap keys snap.db /registry/d", &["daemonsets/", "deployments/"]);
    expect("etcdsnap history snap.db ", &["registry/", "gone/", "star/"]);
    expect("etcdsnap keys snap.db --", &["--long", "--deleted"]);
    expect("etcdsnap -", &["-V", "-h"]);
    expect("etcdsnap members snap.db --", &["--write-out", "--threads"]);
    expect("etcdsnap m", &["members", "meta", "man"]);
    let live = expect("etcdsnap get snap.db ", &["registry/", "star/"]);
    assert!(!live.iter().any(|word| word.starts_with("gone") || word.starts_with('-')), "{live:?}");
}

/// `cargo xtask test` installs zsh and fish, or reports what is missing.
fn is_installed(shell: &str) -> bool {
    let there = Command::new(shell).arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(there || std::env::var_os("ETCDSNAP_REQUIRE_REFERENCE").is_none(), "there is no {shell}: install it");
    if !there {
        eprintln!("there is no {shell}: it was not tested");
    }
    there
}

#[test]
fn zsh_completes() {
    if !is_installed("zsh") {
        return;
    }
    let test_folder = TestFolder::new();
    let setup =
        "bindkey -e; unsetopt beep; autoload -Uz compinit && compinit -u -D; source <(etcdsnap completions zsh)";
    let mut shell = test_folder.interactive("zsh", &["-f", "-i"], setup);
    check(&test_folder, &mut shell, ODD_IN_ZSH);
}

#[test]
fn fish_completes() {
    if !is_installed("fish") {
        return;
    }
    let test_folder = TestFolder::new();
    let offered = |line: &str| {
        // The completion script, then the suggestions for TAB.
        let script = format!("etcdsnap completions fish | source; complete -C {}", quoted(line));
        let output = test_folder.shell("fish", &["--no-config", "-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered("etcdsnap hist"), ["history"]);
    assert_eq!(offered("etcdsnap status nig"), ["night of monday.db"]);
    assert_eq!(offered("etcdsnap keys 'night of monday.db' /reg"), ["/registry/"]);
    assert_eq!(
        offered("etcdsnap keys night\\ of\\ monday.db /registry/d"),
        ["/registry/daemonsets/", "/registry/deployments/"]
    );
    assert_eq!(
        offered("etcdsnap get snap.db /registry/clusterroles/system:"),
        ["/registry/clusterroles/system:node", "/registry/clusterroles/system:node-proxier"]
    );
    assert_eq!(offered("etcdsnap get snap.db '\"odd/"), ["\"odd/\\xff\\x00/"]);
    assert_eq!(offered("etcdsnap export ~/snap.db --prefix st"), ["star/"]);
    assert_eq!(offered("etcdsnap export snap.db --prefix=st"), ["--prefix=star/"]);
    assert_eq!(offered("etcdsnap history snap.db gone/"), ["gone/away"]);
    assert_eq!(offered("etcdsnap keys absent.db /reg"), [""; 0]);
    assert_eq!(offered("etcdsnap keys pipe /reg"), [""; 0]);
    let flags = offered("etcdsnap keys snap.db --d");
    assert!(flags.contains(&"--deleted".to_owned()), "{flags:?}");
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
