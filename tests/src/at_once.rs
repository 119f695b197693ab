//! Work on several threads at once.

use std::sync::Mutex;

/// Servers that run at the same time: they wait more than they work.
const AT_ONCE: usize = 4;

/// Does work on several threads; the results in the order of the work.
///
/// # Panics
/// When one of them does.
pub fn each<T: Send, R: Send>(work: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(work.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
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
