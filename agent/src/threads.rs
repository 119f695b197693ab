//! Starts threads, and does the work on the current one if none can be started (`ulimit -u`, a cgroup's `pids.max`, no memory for another stack).

use std::panic::{self, AssertUnwindSafe};
use std::thread::{self, Builder, JoinHandle, Scope, ScopedJoinHandle};

/// Starts `work` on its own thread. `None` if no thread can be started: then `work` is dropped, and the caller does it itself.
pub(crate) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).ok()
}

/// Like [`start`], for work that borrows nothing and may outlive the caller.
pub(crate) fn start_detached<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
    Builder::new().spawn(work).ok()
}

/// Runs two functions in parallel if a thread can be started for `aside`, otherwise one after the other. A panic of `aside` becomes its result.
pub(crate) fn run_both<A: Send, B>(aside: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (thread::Result<A>, B) {
    thread::scope(|scope| {
        let thread = start(scope, &aside);
        let here = here();
        let aside = match thread {
            Some(thread) => thread.join(),
            None => panic::catch_unwind(AssertUnwindSafe(&aside)),
        };
        (aside, here)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_run_and_a_panic_is_a_result() {
        assert_eq!(run_both(|| 1, || 2).0.unwrap(), 1);
        assert_eq!(run_both(|| 1, || 2).1, 2);
        let (aside, here) = run_both(|| -> u8 { panic!("a defect") }, || 2);
        assert!(aside.is_err() && here == 2);
    }
}
