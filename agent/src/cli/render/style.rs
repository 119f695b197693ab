//! Colours; stdout and stderr drop them where they are not supported.

use anstyle::{AnsiColor, Style};

/// For good results.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// For warnings.
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// For damage and failures.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// For emphasis.
pub const BOLD: Style = Style::new().bold();
/// For labels.
pub const LABEL: Style = Style::new().dimmed();
