//! Why a command failed, and its exit code.

use etcdsnap::Error;

use super::exit::Exit;
use super::signals;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, in a sentence.
    pub what: String,
    /// What to do; may be empty.
    pub advice: String,
    /// The exit code.
    pub exit: Exit,
}

impl Failure {
    /// Creates a failure with exit code 2.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into(), exit: Exit::Failed }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { what: error.to_string(), advice: error.advice(), exit: exit_of(&error) }
    }
}

/// Returns the exit code for this error.
pub fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Cancelled => signals::exit_after_signal(),
        error if error.is_damage() => Exit::Damage,
        _ => Exit::Failed,
    }
}
