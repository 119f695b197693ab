//! Restores every member of the new cluster at once, reading the snapshot only once.
//!
//! ```text
//! DIR/<name>/member/…      the data directory of a member
//! DIR/<name>.env           etcd's settings as environment variables, for starting it
//! ```

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use etcdsnap_core::restore::membership::{Cluster, NewMember};
use etcdsnap_core::restore::wal;

use super::created_directories::failed;
use super::new_database::Database;
use super::new_member_files::MemberStages;
use super::restore_job::RestoreJob;
use super::restore_space::SpaceNeeds;
use super::stage_directory::CONTENT_NAME;
use super::staged_result::{ReplaceNeed, StageRequest};
use super::start_settings::start_file;
use super::{RestoreConfig, RestoreError, Restored, Run, owner};
use crate::free_space::{self, Location};
use crate::input::Input;
use crate::progress::Progress;

/// Makes a data directory for each member of `initial_cluster` in `directory`, which must be absent or empty, and beside each a file that says how to start it.
///
/// `directory` appears complete or not at all. The config's name, directories and peer URLs are not used: they follow from the cluster.
///
/// # Errors
/// [`RestoreError`]; then no files are left, except with [`RestoreError::InPlace`].
pub fn restore_all_members(
    config: &RestoreConfig,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Restored>, RestoreError> {
    let mut restored = write(config, directory, progress).map_err(|error| match error {
        RestoreError::DataDir { path, reason } => RestoreError::AllMembers { path, reason },
        other => other,
    })?;
    restored.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(restored)
}

fn write(config: &RestoreConfig, directory: &Path, progress: &dyn Progress) -> Result<Vec<Restored>, RestoreError> {
    let cluster = config.cluster()?;
    let bump = config.bump()?;
    config.check_lease_seconds()?;
    let owner = config.owner.as_deref().map(owner::parse).transpose()?;
    let directory: PathBuf = directory.components().collect();
    check_names(&cluster)?;
    let input = Input::open(&config.snapshot_path, progress)?;
    input.expect_snapshot()?;
    let snapshot = (config.snapshot_path.as_path(), input.identity());
    let wanted = StageRequest { data_dir: &directory, wal_dir: None, need: ReplaceNeed::Whole, owner, snapshot };
    let job = RestoreJob { config, cluster: &cluster, bump, input: &input, progress };
    job.check_bump()?;
    let described = |database: &Database| {
        let member = |member: &NewMember| {
            let data_dir = directory.join(&member.name);
            let start_file = Some(directory.join(format!("{}.env", member.name)));
            let wal_dir = data_dir.join("member/wal");
            Restored { start_file, ..Restored::new(config, &cluster, member, &data_dir, &wal_dir, database) }
        };
        cluster.members.iter().map(member).collect::<Vec<_>>()
    };
    if config.run == Run::Dry {
        wanted.check()?;
        let database = job.dry_run()?;
        let each = database.size.saturating_add(wal::SEGMENT);
        free_space::check([(Location::Path(&directory), each.saturating_mul(cluster.commit()))])?;
        return Ok(described(&database));
    }
    let each = job.estimated_size().saturating_add(wal::SEGMENT);
    let room = SpaceNeeds::before_writing(&[(&directory, each.saturating_mul(cluster.commit()))]);
    let write = || {
        let stage = wanted.begin()?;
        let root = Path::new(CONTENT_NAME);
        let mut members = Vec::new();
        for member in &cluster.members {
            members.push((member, MemberStages::whole(stage.data(), root.join(&member.name).join("member"))));
        }
        let database = job.write(&members)?;
        let restored = described(&database);
        for member in &restored {
            let path = root.join(format!("{}.env", member.name));
            let written = stage.data().create(&path).and_then(|mut file| {
                file.write_all(&start_file(member))?;
                file.sync_all()
            });
            written.map_err(|cause| failed(&stage.data().path_of(&path), cause))?;
        }
        if progress.cancelled() {
            return Err(crate::Error::Cancelled.into());
        }
        drop(members);
        stage.publish()?;
        Ok(restored)
    };
    write().map_err(|error| room.explain(error))
}

/// Checks that each member's name can be a file name.
fn check_names(cluster: &Cluster) -> Result<(), RestoreError> {
    let mut taken = BTreeSet::new();
    for member in &cluster.members {
        let name = &member.name;
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if !plain || !taken.insert(name.clone()) || !taken.insert(format!("{name}.env")) {
            return Err(RestoreError::AllMembersName(name.clone()));
        }
    }
    Ok(())
}
