//! The members of the new cluster with their ids, from the flags of the command line.
//!
//! Member id: the first 8 bytes, big-endian, of SHA-1(sorted peer URLs joined, then the cluster token). Cluster id: the
//! same of the sorted member ids, 8 bytes big-endian each. Source: etcd's `etcdserver/api/membership`
//! (`computeMemberID`, `genID`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::credentials::quotable;
use crate::int_readers::u64_be;
use crate::restore::membership_error::MembershipError;
use crate::restore::peer_url;

/// The new cluster that a restore creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its id.
    pub id: u64,
    /// Its members, in order of id.
    pub members: Vec<NewMember>,
}

/// A member of the new cluster. Its JSON goes into bucket `members` and into the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewMember {
    /// Its id.
    pub id: u64,
    /// Its peer URLs, sorted.
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    /// Its name, which may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl Cluster {
    /// Parses an `--initial-cluster` such as `a=http://10.0.0.1:2380,b=http://10.0.0.2:2380`. A name may occur several
    /// times, once per URL. Spaces around names and URLs, as after a comma, are ignored.
    ///
    /// # Errors
    /// It names no member, a URL is malformed, or a URL occurs twice.
    pub fn new(initial_cluster: &str, token: &str) -> Result<Self, MembershipError> {
        let mut urls_by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for pair in initial_cluster.split(',').filter(|pair| !pair.trim().is_empty()) {
            let Some((name, text)) = pair.split_once('=') else {
                return Err(MembershipError::NoUrl { member: quotable(pair.trim()).into_owned() });
            };
            let url = peer_url::parse("initial-cluster", text)?;
            if !seen.insert(url.clone()) {
                return Err(MembershipError::Duplicate { url });
            }
            urls_by_name.entry(name.trim()).or_default().push(url);
        }
        let mut members = BTreeMap::new();
        for (name, mut peer_urls) in urls_by_name {
            peer_urls.sort();
            let id = sha1_id(&[peer_urls.concat().as_bytes(), token.as_bytes()].concat());
            let member = NewMember { id, peer_urls, name: name.to_owned() };
            if id == 0 || members.insert(id, member).is_some() {
                return Err(MembershipError::Id { name: name.to_owned(), id });
            }
        }
        let members: Vec<NewMember> = members.into_values().collect();
        if members.is_empty() {
            return Err(MembershipError::Empty);
        }
        let ids: Vec<u8> = members.iter().flat_map(|member| member.id.to_be_bytes()).collect();
        Ok(Self { id: sha1_id(&ids), members })
    }

    /// Returns the member with this name.
    ///
    /// # Errors
    /// [`MembershipError::NoSuchName`].
    pub fn member(&self, name: &str) -> Result<&NewMember, MembershipError> {
        self.members.iter().find(|member| member.name == name.trim()).ok_or_else(|| {
            let known: Vec<_> = self.members.iter().map(|member| member.name.as_str()).collect();
            MembershipError::NoSuchName { name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// Checks that `urls`, from `--initial-advertise-peer-urls`, are the peer URLs of `member` in `--initial-cluster`.
    ///
    /// # Errors
    /// [`MembershipError::Differ`], or a URL is malformed.
    pub fn check_advertised<T: AsRef<str>>(&self, member: &NewMember, urls: &[T]) -> Result<(), MembershipError> {
        let parsed = urls.iter().map(|text| peer_url::parse("initial-advertise-peer-urls", text.as_ref()));
        let mut advertised = parsed.collect::<Result<Vec<_>, _>>()?;
        advertised.sort();
        if advertised == member.peer_urls {
            return Ok(());
        }
        let (name, listed) = (member.name.clone(), member.peer_urls.join(","));
        Err(MembershipError::Differ { name, advertised: advertised.join(","), listed })
    }

    /// The members' ids, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.id).collect()
    }

    /// Raft's last and commit index after the members were added: one entry each.
    #[must_use]
    pub fn commit(&self) -> u64 {
        self.members.len() as u64
    }

    /// Formats the flag `--initial-cluster` for this cluster.
    #[must_use]
    pub fn initial_cluster(&self) -> String {
        let mut pairs: Vec<String> = Vec::new();
        for member in &self.members {
            pairs.extend(member.peer_urls.iter().map(|url| format!("{}={url}", member.name)));
        }
        pairs.sort();
        pairs.join(",")
    }
}

impl NewMember {
    /// Formats the id as etcd prints it and uses it as a key: hexadecimal without leading zeros.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:x}", self.id)
    }

    /// Encodes the member as etcd's JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        // Cannot fail: a struct of strings and a number always serializes.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Computes an id: the first 8 bytes of the SHA-1 of `bytes`.
fn sha1_id(bytes: &[u8]) -> u64 {
    u64_be(&Sha1::digest(bytes), 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_as_in_etcdutl() {
        // Recorded: etcdutl 3.7.3 snapshot restore with this --initial-cluster and the default token.
        let cluster = Cluster::new("a=http://127.0.0.1:1001,b=http://127.0.0.1:1002", "etcd-cluster").unwrap();
        let ids: Vec<String> = cluster.members.iter().map(NewMember::hex).collect();
        assert_eq!(ids, ["1ae846329d709b71", "d7cd320dba482fdb"]);
        assert_eq!(cluster.id, 0x3120_0cb4_b47a_dffd);
        assert_eq!(cluster.initial_cluster(), "a=http://127.0.0.1:1001,b=http://127.0.0.1:1002");
        let spaced = Cluster::new(" a=http://127.0.0.1:1001, b = HTTP://127.0.0.1:1002 , ", "etcd-cluster").unwrap();
        assert_eq!(spaced, cluster);
        assert_eq!(spaced.member(" b").unwrap().name, "b");
    }

    #[test]
    fn errors_name_the_flag() {
        let error = |text| Cluster::new(text, "t").unwrap_err().to_string();
        assert_eq!(error(""), "--initial-cluster names no member");
        assert!(error("a=http://h:1,b=http://h:1").contains("http://h:1 twice"));
        assert!(error("a").starts_with("--initial-cluster: \"a\" has no URL"), "{}", error("a"));
        for bad in ["a=h:1", "a=ftp://h:1", "a=http://h", "a=http://h:x", "a=http://h:1/p", "a=http://h h:1"] {
            assert!(error(bad).starts_with("--initial-cluster: "), "{bad}");
        }
        for secret in ["a=http://root:secret@h:1", "a=http://root:secret", "a=http://root:secret,b@h:1"] {
            assert!(!error(secret).contains("secret"), "{}", error(secret));
        }
        let cluster = Cluster::new("a=http://h:1,a=http://[::1]:2", "t").unwrap();
        assert!(cluster.member("b").unwrap_err().to_string().starts_with("--name: \"b\" is not in"));
        let a = cluster.member("a").unwrap();
        assert_eq!(cluster.check_advertised(a, &["http://[::1]:2", "http://h:1"]), Ok(()));
        let text = cluster.check_advertised(a, &["http://h:1"]).unwrap_err().to_string();
        assert!(text.starts_with("--initial-advertise-peer-urls has http://h:1, but"), "{text}");
    }
}
