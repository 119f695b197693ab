//! Prints `status` for people.

use std::path::Path;

use etcdsnap::core::kubernetes::time_line::Moment;
use etcdsnap::core::kubernetes::time_text::about;
use etcdsnap::{BucketStatus, Report, Status, Trailer, Verdict, printable, printable_path};

use super::grouped_number::{counted, grouped, grouped_revision, si_bytes};
use super::reason;
use super::style::{BAD, BOLD, GOOD, LABEL, WARN};
use super::text_verify::encrypted;

/// The width of the labels, in columns.
const LABELS: usize = 12;
/// Findings shown for a file without numbers: the first ones are the causes of the others.
const REASONS: usize = 3;

/// Describes a file, one line per item; `as_of` is the approximate time of its latest revision.
pub fn text(path: &Path, report: &Report, as_of: Option<Moment>) -> String {
    let mut lines = LabelledLines(format!("{BOLD}{}{BOLD:#}\n", printable_path(path)));
    lines.add("structure", structure(report));
    lines.add("trailer", trailer(&report.trailer));
    if let Some(status) = &report.status {
        numbers(&mut lines, status, as_of);
    }
    if report.status.is_none() {
        for finding in report.findings.list().iter().take(REASONS) {
            lines.add("why", reason(finding));
        }
    }
    lines.0
}

fn numbers(lines: &mut LabelledLines, status: &Status, as_of: Option<Moment>) {
    if !status.complete {
        lines.add("note", "part of the database cannot be read; the numbers cover only the rest".into());
    }
    if status.complete {
        lines.add("hash", format!("{:x}", status.hash));
    }
    if status.keys_are_lost() {
        lines.add("keys", "unknown, like the revision: no entry of bucket key can be read".into());
    } else {
        lines.add("revision", grouped_revision(status.revision));
        lines.add("keys", keys(status));
    }
    if let Some(needs) = encrypted(&status.encrypted) {
        lines.add("values", needs);
    }
    if let Some(as_of) = as_of {
        lines.add("time", format!("state as of about {}", about(as_of)));
    }
    lines.add("compacted", compacted(status));
    lines.add("size", size(status));
    lines.add("written by", written_by(status));
    lines.add("raft", raft(status));
    lines.add("members", grouped(status.members));
    lines.add("leases", grouped(status.leases));
    let widest = status.buckets.iter().map(|bucket| printable(&bucket.name).chars().count()).max().unwrap_or(0);
    for (index, bucket) in status.buckets.iter().enumerate() {
        lines.add(if index == 0 { "buckets" } else { "" }, bucket_line(bucket, widest));
    }
}

fn keys(status: &Status) -> String {
    let puts = status.revisions.saturating_sub(status.tombstones);
    format!(
        "{} live; {} stored ({}, {})",
        grouped(status.total_key),
        counted(status.revisions, "revision", "revisions"),
        counted(puts, "put", "puts"),
        counted(status.tombstones, "deletion", "deletions")
    )
}

fn structure(report: &Report) -> String {
    let total: u64 = report.findings.counts().values().sum();
    let codes: Vec<_> = report.findings.counts().keys().map(|code| code.as_str()).collect();
    let findings = format!("{}: {}", counted(total, "finding", "findings"), codes.join(", "));
    match report.verdict {
        Verdict::Sound => format!("{GOOD}sound{GOOD:#}"),
        Verdict::Warnings => format!("{WARN}warnings{WARN:#} ({findings}; etcdsnap verify explains)"),
        Verdict::Damaged => format!("{BAD}damaged{BAD:#} ({findings}; etcdsnap verify explains)"),
    }
}

fn trailer(trailer: &Trailer) -> String {
    match (&trailer.expected, &trailer.actual) {
        (None, _) => "absent: nothing proves that these are the bytes that etcd wrote".into(),
        (Some(_), None) => "present, not checked here (etcdsnap verify checks it)".into(),
        (Some(expected), Some(actual)) if expected == actual => format!("{GOOD}matches{GOOD:#}: SHA-256 {}", actual.0),
        (Some(expected), Some(actual)) => {
            format!("{BAD}does not match{BAD:#}: SHA-256 in the file {}, of its bytes {}", expected.0, actual.0)
        }
    }
}

fn compacted(status: &Status) -> String {
    let finished = match status.compacted_revision {
        Some(revision) => format!("up to revision {}", grouped_revision(revision)),
        None => "never".into(),
    };
    match status.scheduled_compact_revision {
        Some(scheduled) if Some(scheduled) != status.compacted_revision => {
            format!("{finished}; compaction up to {} requested and not finished", grouped_revision(scheduled))
        }
        _ => finished,
    }
}

fn size(status: &Status) -> String {
    format!(
        "{} ({} bytes; {} of {} bytes, {} of them {}); the file has {} bytes",
        si_bytes(status.total_size),
        grouped(status.total_size),
        counted(status.pages, "page", "pages"),
        grouped(status.page_size.into()),
        grouped(status.free_pages),
        // Below a page that cannot be read, the free pages are unknown.
        if status.complete { "free" } else { "free or below unreadable pages" },
        grouped(status.file_size)
    )
}

fn written_by(status: &Status) -> String {
    let cluster = status.cluster_version.as_deref().map_or("unknown".into(), printable);
    if status.version.is_empty() {
        format!("etcd before 3.6, which stores no storage version (cluster version {cluster})")
    } else {
        format!("etcd of storage version {} (cluster version {cluster})", printable(&status.version))
    }
}

fn raft(status: &Status) -> String {
    let index = status.consistent_index.map_or("unknown".into(), grouped);
    match status.term {
        Some(term) => format!("index {index}, term {}", grouped(term)),
        None => format!("index {index}"),
    }
}

fn bucket_line(bucket: &BucketStatus, widest: usize) -> String {
    let entries = counted(bucket.entries, "entry", "entries");
    format!("{:<widest$}  {entries:>16}  {:>8}", printable(&bucket.name), si_bytes(bucket.bytes))
}

/// Lines with a label and a value.
struct LabelledLines(String);

impl LabelledLines {
    fn add(&mut self, label: &str, value: String) {
        self.0.push_str(&format!("  {LABEL}{label:<LABELS$}{LABEL:#}  {value}\n"));
    }
}
