//! The progress bar: on stderr, only on a terminal, and only for work that takes a while.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::render::grouped_number::si_bytes;
use etcdsnap::core::ScanProgress;
use etcdsnap::{Progress, Stage, printable_path};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long work must take before its bar is shown.
const SHOW_AFTER: Duration = Duration::from_millis(500);

/// Interval of progress lines for a snapshot where there is no terminal for a bar.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The bar of work whose total is known. On a narrow terminal the name is shortened, so that the bar fits on one line.
const BAR_WITH_TOTAL: &str =
    "{wide_msg}  [{bar:16}] {percent:>3} %  {decimal_bytes}  {decimal_bytes_per_sec}  {eta} left";
const BAR_WITHOUT_TOTAL: &str = "{wide_msg}  {decimal_bytes}  {decimal_bytes_per_sec}";

/// Whether a bar is on the terminal now.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// The bar for one file.
pub struct Bar {
    bar: ProgressBar,
    started: Instant,
    name: String,
    /// When the last line was printed; `None` if a bar is shown instead of lines.
    last_line: Mutex<Option<Instant>>,
}

impl Bar {
    /// Creates a bar that is not shown yet.
    pub fn new(path: &Path) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar, started: Instant::now(), name: printable_path(path), last_line: Mutex::new(None) }
    }

    fn show_after_delay(&self) {
        if self.started.elapsed() > SHOW_AFTER && !IS_SHOWN.swap(true, Ordering::Relaxed) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn print_line_at_interval(&self) {
        let Ok(mut last) = self.last_line.try_lock() else { return };
        if last.is_some_and(|last| last.elapsed() >= LINE_INTERVAL) {
            *last = Some(Instant::now());
            let (done, rate) = (si_bytes(self.bar.position()), si_bytes(self.bar.per_sec().round() as u64));
            let total = self.bar.length().map(|total| format!(" of {}", si_bytes(total))).unwrap_or_default();
            tracing::info!("{} {done}{total}, {rate}/s", self.bar.message());
        }
    }
}

impl ScanProgress for Bar {
    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.show_after_delay();
        self.print_line_at_interval();
    }
}

impl Progress for Bar {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        let doing = match stage {
            Stage::Unpack => "unpacking",
            Stage::Copy => "copying",
            Stage::Receive => "receiving",
            _ => "reading",
        };
        let template = if total.is_some() { BAR_WITH_TOTAL } else { BAR_WITHOUT_TOTAL };
        self.bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_message(format!("{doing} {}", self.name));
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.bar.reset();
        let lines = stage == Stage::Receive && !io::stderr().is_terminal();
        *self.last_line.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = lines.then(Instant::now);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        IS_SHOWN.store(false, Ordering::Relaxed);
    }
}

/// Leaves the bar at its last state and starts a new line for the shell.
pub fn leave_bar_visible() {
    if IS_SHOWN.load(Ordering::Relaxed) {
        let _ = io::stderr().write_all(b"\n");
    }
}
