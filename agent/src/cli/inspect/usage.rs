//! `etcdsnap usage FILE [PREFIX]`

use etcdsnap::core::Revision;
use etcdsnap::core::store::{KeyRange, Usage};
use etcdsnap::{Status, UsageReport};
use serde_json::{Map, Value, json};

use super::chosen_revision::chosen;
use super::usage_group::{self, Group};
use super::usage_kinds::Kinds;
use super::{absent_key, key_text, open, range, report_losses, text_table};
use crate::cli::args::UsageArgs;
use crate::cli::args_inspect::{InspectForm, UsageBy};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Lines};
use crate::cli::render::grouped_number::{counted, grouped, grouped_revision, si_bytes};

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &UsageArgs) -> Result<Exit, Failure> {
    if args.depth.is_some() && args.by != UsageBy::Prefix {
        return Err(Failure::new(
            "--depth counts the parts of a key, but --by groups by something else",
            "Leave one of them out.",
        ));
    }
    let is_part = !args.prefix.is_empty() || args.interval.from.is_some() || args.interval.to.is_some();
    if args.by == UsageBy::Kind && is_part {
        return Err(Failure::new(
            "--by kind covers all objects, but the command chooses a part of the keys",
            "Leave out PREFIX, --from and --to, or use --by resource.",
        ));
    }
    let prefix = key_text::typed(&args.prefix)?;
    let range = range(&prefix, &args.interval)?;
    // The size after a compaction of the whole database cannot be computed from a part of its keys, nor if some are lost.
    let mut whole = range == KeyRange::all();
    let (snapshot, bar) = open(&args.inspect.file, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    let revision = chosen(&snapshot, &store, &args.revision)?;
    let query = store.query(range, revision);
    let grouping = |key: &[u8], name: &mut Vec<u8>| usage_group::write(args, &prefix, key, name);
    let (report, lost) = snapshot.usage(&store, &query, &grouping, args.top, &bar)?;
    let kinds = if args.by == UsageBy::Kind {
        let cluster = snapshot.cluster(&store, revision, Some(args.etcd_prefix.as_bytes()), &bar)?;
        Kinds::of(snapshot.kinds(&store, &cluster, |_| true, &bar)?)
    } else {
        Kinds::default()
    };
    let status = if args.buckets { snapshot.status(&bar)?.status } else { None };
    drop(bar);
    whole &= lost.places == 0;
    let found = UsageAnswer {
        size: store.database_bytes(),
        revision,
        is_latest: revision == store.current(),
        status,
        by: args.by,
        kinds,
        report,
    };
    if found.report.total.revisions == 0 && lost.places == 0 {
        absent_key::report_none(&prefix, &args.interval, None, revision);
    }
    match args.inspect.write_out {
        InspectForm::Json => found.print_json(whole)?,
        form => found.print_text(form, args.top, whole)?,
    }
    Ok(report_losses(&args.inspect.file, &lost))
}

/// Everything that the command prints.
struct UsageAnswer {
    /// Bytes of the database.
    size: u64,
    revision: Revision,
    is_latest: bool,
    /// Present if buckets and pages are to be printed.
    status: Option<Status>,
    /// What the groups are.
    by: UsageBy,
    /// The kinds of each resource, if grouped by kind.
    kinds: Kinds,
    report: UsageReport,
}

impl UsageAnswer {
    /// Returns the bytes that a compaction and a defragmentation would leave.
    fn left(&self) -> u64 {
        self.report.defragmented_bytes.min(self.size)
    }

    fn print_text(&self, form: InspectForm, top: usize, whole: bool) -> Result<(), Failure> {
        let Usage { keys, deleted, revisions, live_bytes, history_bytes, .. } = self.report.total;
        let mut text = format!(
            "{} of entries: {} live ({}), {} history ({} in all, {})\n",
            si_bytes(self.report.total.bytes()),
            si_bytes(live_bytes),
            counted(keys, "key", "keys"),
            si_bytes(history_bytes),
            counted(revisions, "revision", "revisions"),
            counted(deleted, "deleted key", "deleted keys"),
        );
        if whole && self.is_latest {
            let overhead = self.size.saturating_sub(self.report.total.bytes());
            let left = self.left();
            // Free space that remains even after a compaction.
            let kept = left.saturating_sub(live_bytes);
            let back = if overhead / 2 > kept { ": a defragmentation would free most of that" } else { "" };
            text.push_str(&format!(
                "{} of database: a compaction at revision {} and a defragmentation would leave about {}\n\
                 {} of it is free pages, free space in pages, and other buckets{back}\n",
                si_bytes(self.size),
                grouped_revision(self.revision),
                si_bytes(left),
                si_bytes(overhead),
            ));
        }
        if let Some(status) = &self.status {
            text.push_str(&format!("\n{}", buckets(form, status)));
        }
        output::print(&format!("{text}\n"))?;
        let mut columns = GROUPS.to_vec();
        if let Some(first) = columns.first_mut() {
            first.0 = usage_group::title(self.by);
        }
        if self.by == UsageBy::Kind {
            columns.push(("managed", true));
        }
        print_rows(form, &columns, self.report.groups.iter().take(top), |(name, usage)| {
            let mut row = vec![
                self.kinds.name(name).unwrap_or_else(|| Group::named(name, self.by).text),
                grouped(usage.keys),
                si_bytes(usage.live_bytes),
                grouped(usage.revisions),
                si_bytes(usage.history_bytes),
            ];
            if self.by == UsageBy::Kind {
                row.push(self.kinds.share(name));
            }
            row
        })?;
        let more = self.report.groups.len().saturating_sub(top);
        let more = if more > 0 { format!("and {} more (--top)\n", grouped(more as u64)) } else { String::new() };
        output::print(&format!("{more}\n"))?;
        print_rows(form, &[("largest values", false), ("bytes", true)], self.report.largest.iter(), |heavy| {
            vec![key_text::key(&heavy.key), si_bytes(u64::from(heavy.number))]
        })?;
        output::print("\n")?;
        let columns = [("most rewritten keys", false), ("revisions", true), ("history", true)];
        print_rows(form, &columns, self.report.busiest.iter(), |heavy| {
            vec![key_text::key(&heavy.key), grouped(u64::from(heavy.number)), si_bytes(heavy.history_bytes)]
        })
    }

    /// Prints one JSON object per line: the totals, the groups, the lists.
    fn print_json(&self, whole: bool) -> Result<(), Failure> {
        let object = |kind: &str, key: Option<&[u8]>, rest: Value| {
            let mut object = Map::new();
            object.insert("kind".into(), kind.into());
            if let Some(key) = key {
                key_text::put(&mut object, "key", key);
            }
            if let Value::Object(rest) = rest {
                object.extend(rest);
            }
            object
        };
        let usage = |usage: &Usage| {
            json!({
                "keys": usage.keys, "deletedKeys": usage.deleted, "revisions": usage.revisions,
                "tombstones": usage.tombstones, "liveBytes": usage.live_bytes, "historyBytes": usage.history_bytes,
            })
        };
        let mut lines = Lines::new();
        let mut write = |object| key_text::write_line(&mut lines, &object);
        write(object("total", None, usage(&self.report.total)))?;
        let mut database = json!({"bytes": self.size, "revision": self.revision});
        if whole && self.is_latest {
            database["defragmentedBytes"] = self.left().into();
        }
        write(object("database", None, database))?;
        for bucket in self.status.iter().flat_map(|status| &status.buckets) {
            let rest = json!({
                "name": bucket.name, "entries": bucket.entries, "bytes": bucket.bytes, "pages": bucket.pages,
            });
            write(object("bucket", None, rest))?;
        }
        if let Some(status) = &self.status {
            let rest = json!({"pageSize": status.page_size, "pages": status.pages, "freePages": status.free_pages});
            write(object("pages", None, rest))?;
        }
        let title = usage_group::title(self.by);
        for (name, sums) in &self.report.groups {
            let mut object = Group::named(name, self.by).object(title, usage(sums));
            self.kinds.put(name, &mut object);
            write(object)?;
        }
        for heavy in &self.report.largest {
            write(object("largest", Some(&heavy.key), json!({"valueBytes": heavy.number})))?;
        }
        for heavy in &self.report.busiest {
            let rest = json!({"revisions": heavy.number, "historyBytes": heavy.history_bytes});
            write(object("rewritten", Some(&heavy.key), rest))?;
        }
        lines.finish()
    }
}

/// Prints a row for each item.
fn print_rows<T>(
    form: InspectForm,
    columns: &[text_table::Column],
    items: impl Iterator<Item = T> + Clone,
    row: impl Fn(T) -> Vec<String>,
) -> Result<(), Failure> {
    text_table::print(form, columns, |take| {
        for item in items.clone() {
            if !take(&row(item))? {
                break;
            }
        }
        Ok(())
    })
}

/// Lists each bucket with its pages and how full they are, and the free pages.
fn buckets(form: InspectForm, status: &Status) -> String {
    let page_size = u64::from(status.page_size);
    let bytes = |pages: u64| si_bytes(pages.saturating_mul(page_size));
    let rows = status.buckets.iter().map(|bucket| {
        // A small bucket is stored inside its parent's page.
        let whole = u128::from(bucket.pages) * u128::from(page_size);
        let fill = (u128::from(bucket.bytes) * 100).checked_div(whole);
        vec![
            etcdsnap::printable(&bucket.name),
            grouped(bucket.entries),
            si_bytes(bucket.bytes),
            grouped(bucket.pages),
            if bucket.pages == 0 { String::new() } else { bytes(bucket.pages) },
            fill.map_or_else(String::new, |percent| format!("{percent} %")),
        ]
    });
    let free = vec![
        if status.complete { "(free)" } else { "(free or unreadable)" }.into(),
        String::new(),
        String::new(),
        grouped(status.free_pages),
        bytes(status.free_pages),
        String::new(),
    ];
    text_table::rows(form, &BUCKETS, &rows.chain([free]).collect::<Vec<_>>())
}

const BUCKETS: [text_table::Column; 6] =
    [("bucket", false), ("entries", true), ("bytes", true), ("pages", true), ("take", true), ("full", true)];
const GROUPS: [text_table::Column; 5] =
    [("prefix", false), ("keys", true), ("live", true), ("revisions", true), ("history", true)];
