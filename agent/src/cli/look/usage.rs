//! `etcdsnap usage FILE [PREFIX]`

use etcdsnap::core::store::{KeyRange, Query, Usage};
use etcdsnap::{Status, UsageReport};
use serde_json::{Map, Value, json};

use super::usage_group::{self, Group};
use super::{bytes, open, range, revision, table, told};
use crate::cli::args::UsageArgs;
use crate::cli::args_look::{LookForm, UsageBy};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::render::number::{grouped, si_bytes};

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &UsageArgs) -> Result<Exit, Failure> {
    if args.depth.is_some() && args.by != UsageBy::Prefix {
        return Err(Failure::new(
            "--depth counts the parts of a name, and --by asks for something else",
            "Leave one of them out.",
        ));
    }
    let prefix = bytes::typed(&args.prefix)?;
    let range = range(&args.prefix, &args.interval)?;
    // What a compaction of the whole database would leave cannot be told from a part of its keys, nor when some are lost.
    let mut whole = range == KeyRange::all();
    let (snapshot, bar) = open(&args.look.file, args.look.work)?;
    let store = snapshot.store()?;
    let revision = revision(&store, args.rev)?;
    let query = Query { range, revision, hash_values: false };
    let grouping = |key: &[u8], name: &mut Vec<u8>| usage_group::write(args, &prefix, key, name);
    let (report, lost) = snapshot.usage(&store, &query, &grouping, args.top, &bar)?;
    let status = if args.buckets { snapshot.status(&bar)?.status } else { None };
    drop(bar);
    whole &= lost.places == 0;
    let groups = report.groups.iter().map(|(name, sums)| (Group::named(name, args.by), *sums)).collect();
    let found = Found {
        size: store.database_bytes(),
        revision,
        is_latest: revision == store.current(),
        status,
        by: usage_group::title(args.by),
        groups,
        report,
    };
    let form = args.look.write_out;
    output::print(&if form == LookForm::Json { found.json(whole) } else { found.text(form, args.top, whole) })?;
    Ok(told(&args.look.file, &lost))
}

/// All there is to say.
struct Found {
    /// Bytes of the database.
    size: u64,
    revision: i64,
    is_latest: bool,
    /// Where buckets and pages are asked for.
    status: Option<Status>,
    /// By what the groups are made.
    by: &'static str,
    groups: Vec<(Group, Usage)>,
    report: UsageReport,
}

impl Found {
    /// Bytes that a compaction and a defragmentation would leave.
    fn left(&self) -> u64 {
        self.report.defragmented_bytes.min(self.size)
    }

    fn text(&self, form: LookForm, top: usize, whole: bool) -> String {
        let Usage { keys, deleted, revisions, live_bytes, history_bytes, .. } = self.report.total;
        let mut text = format!(
            "{} of entries: {} live ({} keys), {} history ({} revisions in all, {} deleted keys)\n",
            si_bytes(self.report.total.bytes()),
            si_bytes(live_bytes),
            grouped(keys),
            si_bytes(history_bytes),
            grouped(revisions),
            grouped(deleted),
        );
        if whole && self.is_latest {
            let room = self.size.saturating_sub(self.report.total.bytes());
            let left = self.left();
            // What stays free even then.
            let kept = left.saturating_sub(live_bytes);
            let back = if room / 2 > kept { ": a defragmentation gives most of that back" } else { "" };
            text.push_str(&format!(
                "{} of database: a compaction at revision {} and a defragmentation would leave about {}\n\
                 {} of it is free pages, free room in pages, and what other buckets take{back}\n",
                si_bytes(self.size),
                self.revision,
                si_bytes(left),
                si_bytes(room),
            ));
        }
        if let Some(status) = &self.status {
            text.push_str(&format!("\n{}", buckets(form, status)));
        }
        let rows = self.groups.iter().take(top).map(|(group, usage)| {
            vec![
                group.text.clone(),
                grouped(usage.keys),
                si_bytes(usage.live_bytes),
                grouped(usage.revisions),
                si_bytes(usage.history_bytes),
            ]
        });
        let mut columns = GROUPS;
        columns[0].0 = self.by;
        text.push_str(&format!("\n{}", table::rows(form, &columns, rows.collect())));
        if self.groups.len() > top {
            text.push_str(&format!("and {} more (--top)\n", grouped((self.groups.len() - top) as u64)));
        }
        let rows =
            self.report.largest.iter().map(|heavy| vec![bytes::key(&heavy.key), si_bytes(u64::from(heavy.number))]);
        text.push_str(&format!(
            "\n{}",
            table::rows(form, &[("largest values", false), ("bytes", true)], rows.collect())
        ));
        let rows =
            self.report.busiest.iter().map(|heavy| {
                vec![bytes::key(&heavy.key), grouped(u64::from(heavy.number)), si_bytes(heavy.history_bytes)]
            });
        let columns = [("most rewritten keys", false), ("revisions", true), ("history", true)];
        text.push_str(&format!("\n{}", table::rows(form, &columns, rows.collect())));
        text
    }

    /// An object a line: the whole, the groups, the lists.
    fn json(&self, whole: bool) -> String {
        let object = |kind: &str, key: Option<&[u8]>, rest: Value| {
            let mut object = Map::new();
            object.insert("kind".into(), kind.into());
            if let Some(key) = key {
                bytes::put(&mut object, "key", key);
            }
            if let Value::Object(rest) = rest {
                object.extend(rest);
            }
            bytes::line(object)
        };
        let usage = |usage: &Usage| {
            json!({
                "keys": usage.keys, "deletedKeys": usage.deleted, "revisions": usage.revisions,
                "tombstones": usage.tombstones, "liveBytes": usage.live_bytes, "historyBytes": usage.history_bytes,
            })
        };
        let mut text = object("total", None, usage(&self.report.total));
        let mut database = json!({"bytes": self.size, "revision": self.revision});
        if whole && self.is_latest {
            database["defragmentedBytes"] = self.left().into();
        }
        text.push_str(&object("database", None, database));
        for bucket in self.status.iter().flat_map(|status| &status.buckets) {
            let rest = json!({
                "name": bucket.name, "entries": bucket.entries, "bytes": bucket.bytes, "pages": bucket.pages,
            });
            text.push_str(&object("bucket", None, rest));
        }
        if let Some(status) = &self.status {
            let rest = json!({"pageSize": status.page_size, "pages": status.pages, "freePages": status.free_pages});
            text.push_str(&object("pages", None, rest));
        }
        for (group, sums) in &self.groups {
            text.push_str(&group.line(self.by, usage(sums)));
        }
        for heavy in &self.report.largest {
            text.push_str(&object("largest", Some(&heavy.key), json!({"valueBytes": heavy.number})));
        }
        for heavy in &self.report.busiest {
            let rest = json!({"revisions": heavy.number, "historyBytes": heavy.history_bytes});
            text.push_str(&object("rewritten", Some(&heavy.key), rest));
        }
        text
    }
}

/// Each bucket with its pages and how full they are, and the free pages.
fn buckets(form: LookForm, status: &Status) -> String {
    let page_size = u64::from(status.page_size);
    let bytes = |pages: u64| si_bytes(pages.saturating_mul(page_size));
    let rows = status.buckets.iter().map(|bucket| {
        // A small bucket lies inside its parent's page.
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
        "(free)".into(),
        String::new(),
        String::new(),
        grouped(status.free_pages),
        bytes(status.free_pages),
        String::new(),
    ];
    table::rows(form, &BUCKETS, rows.chain([free]).collect())
}

const BUCKETS: [table::Column; 6] =
    [("bucket", false), ("entries", true), ("bytes", true), ("pages", true), ("take", true), ("full", true)];
const GROUPS: [table::Column; 5] =
    [("prefix", false), ("keys", true), ("live", true), ("revisions", true), ("history", true)];
