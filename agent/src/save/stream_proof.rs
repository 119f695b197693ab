//! Syncs and verifies a received file before it gets its name.

use std::sync::Arc;

use etcdsnap_core::{Report, Verdict};

use super::name_template::Placeholder;
use super::page_check::PageCheck;
use super::save_error::SaveError;
use super::written_proof::Written;
use super::{SaveJob, SaveVerify, StoppableProgress, received_stream};
use crate::fsx::part_file::PartFile;
use crate::sha256_stream::StreamDigest;

impl SaveJob<'_> {
    /// Whether the contents of the snapshot must be read: to verify it, or because its revision is needed for retention or its name.
    pub(super) fn is_structure_wanted(&self) -> bool {
        let is_revision_wanted = self.template.has(Placeholder::Revision) || self.keep.removes_any();
        self.must_be_sound() || is_revision_wanted
    }

    /// Whether damage makes the save fail. A snapshot to be rewritten must be sound, so its findings are reported.
    fn must_be_sound(&self) -> bool {
        self.config.verify == SaveVerify::Full || self.config.compact
    }

    /// Syncs the file and meanwhile verifies it as configured. `check` saw the pages when they arrived, if its thread could be started.
    pub(super) async fn verify_and_sync(
        &self,
        part: &Arc<PartFile>,
        copied: &StreamDigest,
        check: Option<PageCheck>,
        endpoint: &str,
    ) -> Result<Option<Report>, SaveError> {
        let syncing = {
            let part = Arc::clone(part);
            tokio::task::spawn_blocking(move || part.sync())
        };
        let judging = self.is_structure_wanted().then(|| {
            let written = Written {
                // Use the file by its handle: its name may belong to another user's file by now.
                file: part.handle(),
                path: part.display_path(),
                // If the file is to be rewritten, it is compressed then.
                is_packed: self.config.compression.is_some() && !self.config.compact,
                must_match_sha256: self.config.verify != SaveVerify::None,
                copied: copied.clone(),
                stoppable: StoppableProgress { progress: Arc::clone(&self.progress), stop: self.stop.clone() },
            };
            tokio::task::spawn_blocking(move || match check {
                Some(check) => check.verify(written),
                None => written.verify(None),
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
