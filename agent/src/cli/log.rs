//! The log on stderr while the program works.

use std::{fmt, io};

use etcdsnap::{Escapes, TerminalWriter};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FmtSpan, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::args_save::LogForm;

/// Logs plain messages, for a command that a person runs; if `quiet`, only warnings and errors.
pub fn bare(quiet: bool) {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(|| stderr(Escapes::Text))
        .with_ansi(false)
        .with_max_level(if quiet { Level::WARN } else { Level::INFO })
        .event_format(Bare)
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Formats log messages like all other messages of the program.
struct Bare;

impl<S, N> FormatEvent<S, N> for Bare
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        out.write_str("etcdsnap: ")?;
        context.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// Logs lines with time and fields, for a service.
pub fn service(form: LogForm) {
    let escapes = match form {
        LogForm::Text => Escapes::Text,
        LogForm::Json => Escapes::Json,
    };
    let builder = tracing_subscriber::fmt()
        .with_writer(move || stderr(escapes))
        .with_ansi(false)
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .with_max_level(Level::INFO);
    let _ = match form {
        LogForm::Text => tracing::subscriber::set_global_default(builder.finish()),
        LogForm::Json => tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish()),
    };
}

/// Opens stderr for the log. Control characters are escaped, because names and texts from servers are logged.
fn stderr(escapes: Escapes) -> TerminalWriter<io::Stderr> {
    TerminalWriter::new(io::stderr(), escapes)
}
