//! `docs/from-etcdctl.md`: every command of the reference tools has a line, and every command of ours in it exists.

use std::fs;

use etcdsnap_tests::cli;
use etcdsnap_tests::programs::tests_dir;
use etcdsnap_tests::server::program;

fn page() -> String {
    fs::read_to_string(tests_dir().join("../docs/from-etcdctl.md")).unwrap()
}

/// Returns the texts between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_command_of_the_reference_tools_has_a_line() {
    let page = page();
    let left: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    let left = left.join("\n");
    for (tool, versions) in [
        ("etcdctl", &["3.4", "3.5", "3.6", "3.7"][..]),
        ("etcdutl", &["3.5", "3.6", "3.7"]),
        ("bbolt", &["3.4", "3.7"]),
    ] {
        for version in versions {
            let Some(mut command) = program(version, tool) else { continue };
            let output = command.env("ETCDCTL_API", "3").arg("--help").output().unwrap();
            let help = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            let names: Vec<&str> = help.lines().filter_map(name).collect();
            assert!(names.len() >= 6, "{tool} {version}: {names:?}");
            for name in names.into_iter().filter(|name| !["help", "completion"].contains(name)) {
                // A cell may list several commands of a tool: `etcdctl put`, `del`.
                let listed = left.lines().any(|cell| {
                    let mut of_tool = quoted(cell).filter(|words| words.starts_with(tool)).peekable();
                    of_tool.peek().is_some()
                        && quoted(cell)
                            .any(|words| words.trim_start_matches(tool).trim().split(' ').next() == Some(name))
                });
                assert!(listed, "{tool} {version}: {name} is not in docs/from-etcdctl.md");
            }
        }
    }
}

/// Returns the command's name in a line of a help text: two spaces or a tab, the name, two spaces or a tab, words.
fn name(line: &str) -> Option<&str> {
    let body = line.strip_prefix("    ").or(line.strip_prefix("  ")).or(line.strip_prefix('\t'))?;
    let (name, words) = body.split_once("  ").or(body.split_once('\t'))?;
    let name = name.split(' ').next()?;
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    (plain && !name.starts_with('-') && !words.trim().is_empty()).then_some(name)
}

#[test]
fn every_command_of_ours_exists() {
    let page = page();
    let mut named: Vec<&str> = quoted(&page).filter_map(|words| words.strip_prefix("etcdsnap ")).collect();
    named.sort_unstable();
    named.dedup();
    assert!(named.len() > 30, "{named:?}");
    for words in named {
        let mut words = words.split(' ');
        let command = words.next().unwrap();
        let help = cli::run(&[command, "--help"]);
        if command != "help" {
            assert!(help.status.success(), "etcdsnap {command}");
        }
        let help = String::from_utf8(help.stdout).unwrap();
        for flag in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "etcdsnap {command} {flag}");
        }
    }
}
