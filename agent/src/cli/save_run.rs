//! Functions that a single save and the service share.

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use etcdsnap::save::{Keep, Saved};
use tokio::runtime::Runtime;

use super::args::SaveArgs;
use super::failure::Failure;

/// Starts the runtime: one thread waits for the network; others hash, write and verify. One of the other threads is started now and kept: without any of them the runtime panics,
/// and with one everything works, only slower.
pub fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(Duration::MAX)
        .build()
        .map_err(|cause| Failure::new(format!("no runtime could be started: {cause}"), ""))?;
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let begun = panic::catch_unwind(AssertUnwindSafe(|| runtime.spawn_blocking(|| ())));
    panic::set_hook(hook);
    match begun {
        Ok(_) => Ok(runtime),
        Err(_) => Err(Failure::new(
            "no thread can be started, but a save needs one for the file besides the one for the network",
            "Raise the limit of threads (ulimit -u, TasksMax= of systemd, pids.max of a cgroup) or of memory.",
        )),
    }
}

/// Returns which old snapshots to keep.
pub fn keep(args: &SaveArgs) -> Keep {
    Keep { count: args.keep.map(|count| count.get()), within: args.keep_within }
}

/// Formats a saved snapshot as one line of JSON.
pub fn json(saved: &Saved) -> Result<String, Failure> {
    etcdsnap::to_json(saved).map_err(|error| Failure::new(error.to_string(), ""))
}
