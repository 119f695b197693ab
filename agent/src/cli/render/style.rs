//! Colours; stdout and stderr drop them where they do not belong.

use anstyle::{AnsiColor, Style};

/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What deserves a look.
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// What is damaged or failed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What stands out.
pub const BOLD: Style = Style::new().bold();
/// Labels.
pub const LABEL: Style = Style::new().dimmed();
