//! Checks whether the tree of the previous transaction is intact, in a file whose newest tree is damaged.
//!
//! bbolt writes its two meta pages alternately, and never overwrites pages of the older tree before the newer meta page
//! is on disk. So a copy of a member's database whose last transaction failed may hold the whole store as of one
//! transaction earlier.

use crate::bolt::meta::MetaChoice;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::progress::ScanProgress;
use crate::scan::scanner::{Opened, Scan};
use crate::scan::sweep_cache::SweepCache;
use crate::severity::Severity;
use crate::source::Source;

/// Returns a finding if the older tree is intact; `None` if it does not exist or is damaged, too. `newest` is the scan
/// of the newest tree, and `last` the main revision of its last entry.
pub(crate) fn finding<S: Source + ?Sized>(
    newest: &Scan<'_, S>,
    last: Option<Revision>,
    progress: &dyn ScanProgress,
) -> Result<Option<Finding>, Error> {
    if newest.meta != MetaChoice::Newest {
        return Ok(None);
    }
    let scan = match Scan::open_with(newest.source, MetaChoice::Older, &mut SweepCache::default(), progress) {
        Ok(Opened::Scan(scan)) => scan,
        Ok(Opened::Refused(_)) | Err(Error::NoOlderMeta(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (page, txid) = (scan.meta_page, scan.txid);
    let conclusion = scan.conclude_all(&mut SweepCache::default(), progress)?;
    if !conclusion.status.complete || !has_every_entry(&conclusion.findings) {
        return Ok(None);
    }
    let (keys, revision) = (conclusion.status.total_key, conclusion.status.revision);
    let newest = match last {
        Some(last) => format!("the last readable entry of the newest tree has revision {last}"),
        None => "the newest tree has no readable entry".into(),
    };
    let text = format!(
        "The tree of transaction {txid}, one before the last, is intact: its latest revision is {revision}, and it has {keys} live keys; {newest}."
    );
    Ok(Some(Finding::new(Code::OlderMetaSound, text).page(page)))
}

/// Whether all entries are intact. Damage of the freelist does not count, because the last transaction may have reused
/// its pages.
fn has_every_entry(findings: &Findings) -> bool {
    let mut damage = findings.list().iter().filter(|finding| finding.severity == Severity::Damage);
    damage.all(|finding| {
        matches!(
            finding.code,
            Code::FreelistInvalid
                | Code::FreelistOrder
                | Code::FreelistDuplicate
                | Code::FreelistRange
                | Code::PageUnreachable
                | Code::PageFreeInUse
        )
    })
}
