//! Proves a snapshot before its file gets its name.

use std::sync::Arc;

use etcdsnap_core::{Report, Verdict};

use super::name_template::Place;
use super::page_check::PageCheck;
use super::save_error::SaveError;
use super::written_proof::Written;
use super::{Job, SaveVerify, Watched, received_stream};
use crate::fsx::part_file::PartFile;
use crate::sha256_stream::Copied;

impl Job<'_> {
    /// Whether it matters what the snapshot holds: it is to be proven, or its revision says what is removed or how it is called.
    pub(super) fn is_structure_wanted(&self) -> bool {
        let is_revision_wanted = self.template.has(Place::Revision) || self.keep.is_asked_for();
        self.must_be_sound() || is_revision_wanted
    }

    /// Whether a damaged snapshot fails the save. What is written anew must be proven first, and its findings are told.
    fn must_be_sound(&self) -> bool {
        self.config.verify == SaveVerify::Full || self.config.compact
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
                // What is written anew is compressed then.
                is_packed: self.config.compression.is_some() && !self.config.compact,
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
            Some(judging) => Some(judging.await.map_err(received_stream::defect)??),
            None => None,
        };
        syncing.await.map_err(received_stream::defect)??;
        match report {
            Some(report) if self.must_be_sound() && report.verdict == Verdict::Damaged => {
                Err(SaveError::Damaged { endpoint: endpoint.to_owned(), report: Box::new(report) })
            }
            report => Ok(report),
        }
    }
}
