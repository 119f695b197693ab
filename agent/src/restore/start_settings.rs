//! etcd's settings for a restored member, as flags and as environment variables.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;

use super::Restored;

impl Restored {
    /// Returns the settings with which etcd starts from the restored directory: flag names without dashes, and values.
    #[must_use]
    pub fn start_settings(&self) -> Vec<(&'static str, OsString)> {
        let mut settings = vec![("name", OsString::from(&self.name)), ("data-dir", self.data_dir.clone().into())];
        if self.wal_dir != self.data_dir.join("member/wal") {
            settings.push(("wal-dir", self.wal_dir.clone().into()));
        }
        settings.extend([
            ("initial-cluster", self.initial_cluster.clone().into()),
            ("initial-cluster-token", self.initial_cluster_token.clone().into()),
            ("initial-cluster-state", "new".into()),
            ("initial-advertise-peer-urls", self.peer_urls.join(",").into()),
            ("listen-peer-urls", self.listen_peer_urls.join(",").into()),
        ]);
        if !self.advertise_client_urls.is_empty() {
            settings.extend([
                ("advertise-client-urls", self.advertise_client_urls.join(",").into()),
                ("listen-client-urls", self.listen_client_urls.join(",").into()),
            ]);
        }
        if let Some(quota) = self.quota_backend_bytes {
            settings.push(("quota-backend-bytes", quota.to_string().into()));
        }
        settings
    }
}

/// Formats the settings for `EnvironmentFile=` of systemd or for a shell. The data directory is made absolute.
pub(super) fn start_file(member: &Restored) -> Vec<u8> {
    let data_dir = std::path::absolute(&member.data_dir).unwrap_or_else(|_| member.data_dir.clone());
    let mut text = format!(
        "# Starts the restored member {} ({}) of cluster {}.\n\
         # Move the directory {} to the member's host and set ETCD_DATA_DIR to where it lies there. Then either\n\
         #   set -a; . ./{}; set +a; etcd\n\
         # or name this file as EnvironmentFile= in the unit of etcd. Add certificates as the old member had them, and check the client URLs,\n\
         # which follow from the peer URLs. etcd does not start when a setting is given here and as a flag: remove one of the two.\n",
        crate::printable(&member.name),
        member.member_id,
        member.cluster_id,
        crate::printable(&member.name),
        crate::printable(&format!("{}.env", member.name)),
    )
    .into_bytes();
    for (flag, value) in member.start_settings() {
        let value = if flag == "data-dir" { data_dir.as_os_str() } else { &value };
        let _ = write!(text, "ETCD_{}=", flag.to_ascii_uppercase().replace('-', "_"));
        text.extend(in_single_quotes(value));
        text.push(b'\n');
    }
    text
}

/// Quotes a value so that both systemd and a shell understand it: in single quotes, with this escape for a single quote.
fn in_single_quotes(value: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in value.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}
