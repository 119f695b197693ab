//! A quick summary of a file, and the report about a file that is not a database.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use serde::Serialize;

use crate::bolt::meta::Metas;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::Geometry;
use crate::error::Error;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::limits::EXCERPT;
use crate::progress::Unwatched;
use crate::report::Report;
use crate::scan::file_kind::{FileKind, sniff};
use crate::scan::longest_length::Extent;
use crate::scan::schema_buckets::{ListedBucket, RootFold};
use crate::scan::subtree::Subtree;
use crate::scan::sweep_cache::SweepCache;
use crate::scan::trailer_hash::{head, is_present};
use crate::scan::walk::Walk;
use crate::source::Source;
use crate::trailer::Trailer;

/// Summary of a file, from a few small reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peek {
    /// Format of the file.
    pub kind: FileKind,
    /// Length of the file in bytes.
    pub file_size: u64,
    /// Page size in bytes, of a bolt database.
    pub page_size: Option<u32>,
    /// Logical size of the database in bytes.
    pub total_size: Option<u64>,
    /// Transaction id of the live meta.
    pub txid: Option<u64>,
    /// Names of the top-level buckets, in key order.
    pub buckets: Vec<String>,
    /// Whether the length indicates a trailer.
    pub trailer: bool,
}

/// Reads the meta pages and the root page. Damaged facts are left out.
///
/// # Errors
/// A read fails.
pub fn peek<S: Source + ?Sized>(source: &S) -> Result<Peek, Error> {
    let head = head(source)?;
    let mut facts = Peek {
        kind: sniff(&head),
        file_size: source.len(),
        page_size: None,
        total_size: None,
        txid: None,
        buckets: Vec::new(),
        trailer: is_present(source.len()) && source.len() <= Extent::of(&head).most(),
    };
    let Some(metas) = Metas::find(&head) else { return Ok(facts) };
    let (_, live) = metas.live();
    facts.page_size = Some(live.page_size);
    facts.total_size = live.logical_size();
    facts.txid = Some(live.txid);
    let in_file = source.len().checked_div(u64::from(live.page_size)).unwrap_or(0);
    let geometry = Geometry {
        page_size: live.page_size,
        high_water: live.high_water,
        present: PageId::new(in_file).min(live.high_water),
    };
    let used = PageSet::new(geometry.present.get())?;
    let (mut memory, mut other) = (SweepCache::default(), Findings::default());
    let mut root = RootFold { listed: Vec::new(), other: &mut other };
    let mut walk = Walk::new(source, geometry, &used, &mut memory, &Unwatched);
    walk.visit(&Subtree::root(live.root, (PageId::ZERO, Offset::START)), &mut root)?;
    let name =
        |entry: &ListedBucket| String::from_utf8_lossy(entry.name.get(..EXCERPT).unwrap_or(&entry.name)).into_owned();
    facts.buckets = root.listed.iter().map(name).collect();
    Ok(facts)
}

/// Creates the report about a file without a valid meta page: its format, by its first bytes. `len` is its length, as
/// far as it is known.
#[must_use]
pub fn refuse(head: &[u8], len: u64) -> Report {
    let mut findings = Findings::default();
    let kind = sniff(head);
    let finding = match kind {
        FileKind::BrokenBolt => Finding::new(Code::NoValidMeta, "neither meta page 0 nor meta page 1 is valid")
            .page(PageId::ZERO)
            .offset(Offset::new(16)),
        kind => Finding::new(Code::NotASnapshot, kind.describe()),
    };
    findings.push(finding);
    let trailer = Trailer { present: kind == FileKind::BrokenBolt && is_present(len), ..Trailer::default() };
    Report { verdict: findings.verdict(), findings, trailer, status: None, lost: None, decrypted: None }
}
