//! `etcdsnap codes [CODE…]`

use etcdsnap::{Code, Severity};
use serde_json::{Value, json};

use super::args::{CodesArgs, VerifyForm};
use super::exit::Exit;
use super::failure::Failure;
use super::output;
use super::render::style::{BAD, BOLD, WARN};
use super::render::wrap;

/// Runs the command.
///
/// # Errors
/// When a code does not exist, or stdout cannot be written.
pub fn run(args: &CodesArgs) -> Result<Exit, Failure> {
    let codes = wanted(&args.codes)?;
    let text = match args.write_out {
        VerifyForm::Text => codes.iter().map(|code| explained(*code)).collect::<Vec<_>>().join("\n"),
        VerifyForm::Json => {
            let objects: Vec<Value> = codes.iter().map(|code| object(*code)).collect();
            format!("{}\n", etcdsnap::to_json(&objects).unwrap_or_default())
        }
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn wanted(names: &[String]) -> Result<Vec<Code>, Failure> {
    if names.is_empty() {
        return Ok(Code::ALL.to_vec());
    }
    names
        .iter()
        .map(|name| {
            let found = Code::ALL.iter().copied().find(|code| code.as_str() == name);
            found.ok_or_else(|| {
                let advice = "`etcdsnap codes` lists them all.";
                Failure::new(format!("there is no code {}", etcdsnap::printable(name)), advice)
            })
        })
        .collect()
}

fn explained(code: Code) -> String {
    let weight = match code.severity() {
        Severity::Damage => format!("{BAD}damage{BAD:#}"),
        Severity::Warning => format!("{WARN}warning{WARN:#}"),
    };
    format!(
        "{BOLD}{code}{BOLD:#}  {weight}\n{}{}",
        wrap("  means  ", "         ", code.meaning()),
        wrap("  do     ", "         ", code.action())
    )
}

fn object(code: Code) -> Value {
    json!({ "code": code, "severity": code.severity(), "meaning": code.meaning(), "action": code.action() })
}
