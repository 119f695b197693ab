//! Creates the files of the new members: directories, databases, logs and `.snap` files.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use etcdsnap_core::restore::membership::NewMember;
use etcdsnap_core::restore::{snap, wal};
use rustix::io::Errno;

use super::RestoreError;
use super::created_directories::failed;
use super::direct_writer::DatabaseTarget;
use super::new_database::Database;
use super::restore_job::RestoreJob;
use super::stage_directory::StageDirectory;

/// The stages in which the files of one member are made, and the paths in them.
pub(super) struct MemberStages<'s> {
    /// The stage and path of the member's directory, `member`.
    pub member: (&'s StageDirectory, PathBuf),
    /// The stage and path of the log's directory.
    pub log: (&'s StageDirectory, PathBuf),
}

impl<'s> MemberStages<'s> {
    /// Uses the default place of the log.
    pub fn whole(stage: &'s StageDirectory, member: PathBuf) -> Self {
        Self { log: (stage, member.join("wal")), member: (stage, member) }
    }

    fn snap(&self) -> PathBuf {
        self.member.1.join("snap")
    }

    fn database(&self) -> PathBuf {
        self.snap().join("db")
    }
}

impl RestoreJob<'_> {
    /// Creates the directories, the databases and all other files of the members.
    pub fn write(&self, members: &[(&NewMember, MemberStages<'_>)]) -> Result<Database, RestoreError> {
        for (_, place) in members {
            place.member.0.make_directory(&place.snap())?;
            place.log.0.make_directory(&place.log.1)?;
        }
        let targets = members.iter().map(|(_, place)| DatabaseTarget::create(place.member.0, &place.database()));
        let done = self.database(&targets.collect::<Result<Vec<_>, _>>()?)?;
        for (member, place) in members {
            self.files(member, place)?;
        }
        Ok(done)
    }

    /// Creates the `.snap` file and the log of a member.
    fn files(&self, member: &NewMember, place: &MemberStages<'_>) -> Result<(), RestoreError> {
        let (stage, path) = (place.member.0, place.snap().join(snap::file_name(self.cluster)));
        let write = |mut file: File| file.write_all(&snap::file(self.cluster)).and_then(|()| file.sync_all());
        stage.create(&path).and_then(write).map_err(|cause| failed(&stage.path_of(&path), cause))?;

        let (stage, path) = (place.log.0, place.log.1.join(wal::FILE));
        let records = wal::segment(self.cluster, member);
        let write = |mut file: File| {
            let whole = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&file, whole, 0, wal::SEGMENT) {
                Err(cause @ (Errno::NOSPC | Errno::FBIG | Errno::DQUOT)) => return Err(cause.into()),
                // Some file systems and sandboxes do not support it.
                Err(_) => file.set_len(wal::SEGMENT)?,
                Ok(()) => {}
            }
            file.write_all(&records).and_then(|()| file.sync_all())
        };
        stage.create(&path).and_then(write).map_err(|cause| failed(&stage.path_of(&path), cause))
    }
}
