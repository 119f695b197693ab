//! Whether the tree of the transaction before the last one can still be read, in a file whose newest tree is damaged.
//!
//! bolt writes its two meta pages in turn and never writes over a page that the older one of them leads to while the newer is not on the disk. So a copy of a member's
//! database whose last transaction went wrong may hold the whole store as it was one transaction earlier.

use crate::bolt::meta::MetaChoice;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::progress::Watch;
use crate::scan::scanner::{Opened, Scan};
use crate::scan::sweep_cache::Memory;
use crate::severity::Severity;
use crate::source::Source;

/// Says so of a scan by the newest meta page, whose last entry is of main revision `last`; none when the older tree is not there, or damaged, too.
pub(crate) fn finding<S: Source + ?Sized>(
    newest: &Scan<'_, S>,
    last: Option<Revision>,
    watch: &dyn Watch,
) -> Result<Option<Finding>, Error> {
    if newest.meta != MetaChoice::Newest {
        return Ok(None);
    }
    let scan = match Scan::open_with(newest.source, MetaChoice::Older, &mut Memory::default(), watch) {
        Ok(Opened::Scan(scan)) => scan,
        Ok(Opened::Refused(_)) | Err(Error::NoOlderMeta(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (page, txid) = (scan.meta_page, scan.txid);
    let conclusion = scan.conclude_all(&mut Memory::default(), watch)?;
    if !conclusion.status.complete || !holds_every_entry(&conclusion.findings) {
        return Ok(None);
    }
    let (keys, revision) = (conclusion.status.total_key, conclusion.status.revision);
    let newest = match last {
        Some(last) => format!("the latest entry that can be read in the newest tree is of revision {last}"),
        None => "no entry can be read in the newest tree".into(),
    };
    let text = format!(
        "The tree of transaction {txid}, the one before the last, can be read whole: its latest revision is {revision}, and {keys} keys live in it; {newest}."
    );
    Ok(Some(Finding::new(Code::OlderMetaSound, text).page(page)))
}

/// Whether no damage takes an entry away: what is wrong with the freelist takes none, and the last transaction may have taken its page.
fn holds_every_entry(findings: &Findings) -> bool {
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
