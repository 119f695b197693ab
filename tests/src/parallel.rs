//! Runs a function over a list on several threads.

use std::sync::Mutex;

/// How many threads run: tests with servers wait more than they compute.
const THREADS: usize = 4;

/// Runs `run` over each item on several threads, and returns the results in the order of the items.
///
/// # Panics
/// Panics if `run` panics for one of them.
pub fn parallel_map<T: Send, R: Send>(work: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(work.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some((index, item)) = queue.lock().expect("a queue").next() else { return };
                    let result = run(item);
                    done.lock().expect("a list").push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("a list");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
