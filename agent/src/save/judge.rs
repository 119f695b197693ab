//! Proves a snapshot before its file gets its name.

use std::sync::Arc;

use etcdsnap_core::{Report, Verdict};

use super::error::SaveError;
use super::name::Place;
use super::page_check::PageCheck;
use super::written::Written;
use super::{Job, SaveVerify, Watched, stream};
use crate::fsx::part_file::PartFile;
use crate::hasher::Copied;

impl Job<'_> {
    /// Whether it matters what the snapshot holds: it is to be proven, or its revision says what is removed or how it is called.
    pub(super) fn is_structure_wanted(&self) -> bool {
        let is_revision_wanted = self.template.has(Place::Revision) || self.keep.is_asked_for();
        self.config.verify == SaveVerify::Full || is_revision_wanted
    }

    /// Waits until the file is on the disk, and judges it meanwhile as far as that was asked for. `check` saw its pages when they came, if there was a thread for that.
    pub(super) async fn judged_and_synced(
        &self,
        part: &Arc<PartFile>,
        copied: &Copied,
        check: Option<PageCheck>,
        endpoint: &str,
    ) -> Result<Option<Report>, SaveError> {
        let syncing = {
            let part = Arc::clone(part);
            tokio::task::spawn_blocking(move || part.sync())
        };
        let judging = self.is_structure_wanted().then(|| {
            let written = Written {
                // What its name leads to may be somebody else's by now.
                file: part.handle(),
                path: part.shown(),
                is_packed: self.config.compression.is_some(),
                is_proven: self.config.verify != SaveVerify::None,
                copied: copied.clone(),
                watched: Watched { progress: Arc::clone(&self.progress), stop: self.stop.clone() },
            };
            tokio::task::spawn_blocking(move || match check {
                Some(check) => check.judge(written),
                None => written.judge(None),
            })
        });
        let report = match judging {
            Some(judging) => Some(judging.await.map_err(stream::defect)??),
            None => None,
        };
        syncing.await.map_err(stream::defect)??;
        match report {
            Some(report) if self.config.verify == SaveVerify::Full && report.verdict == Verdict::Damaged => {
                Err(SaveError::Damaged { endpoint: endpoint.to_owned(), report: Box::new(report) })
            }
            report => Ok(report),
        }
    }
}
