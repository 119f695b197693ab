//! Writes the container image for both processors, as an archive in OCI's image layout. It needs no daemon.
//!
//! ```text
//! oci-layout            the version of the layout
//! index.json            → the index of the image, under its tag
//! blobs/sha256/<hash>   the index → a manifest for each processor → its configuration and its one layer
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::package_tree::{PackageTree, gzip};
use super::processor::Processor;
use super::release::Release;
use super::release_archive::CommonFiles;
use crate::sha256::hex;

/// The user and group of the program: those of other images without a distribution ("nonroot").
const USER: u64 = 65532;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes the image for these programs, and returns its path.
///
/// # Errors
/// When a program cannot be read, or the archive cannot be written.
pub fn write(release: &Release, programs: &[(Processor, PathBuf)], common: &CommonFiles) -> Result<PathBuf> {
    let mut layout = Layout::default();
    let mut manifests = Vec::new();
    for (processor, program) in programs {
        manifests.push(image(&mut layout, release, *processor, program, common)?);
    }
    let labels = labels(release);
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": labels });
    let mut tagged = layout.json(INDEX, &index)?;
    tagged["annotations"] = json!({ "org.opencontainers.image.ref.name": release.version });
    let outer = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [tagged] });
    layout.files.file("index.json", serde_json::to_vec(&outer)?);
    layout.files.file("oci-layout", serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?);
    release.write(&format!("etcdsnap-{}-image.tar", release.version), &layout.files.tar(release.epoch)?)
}

/// Adds the image for one processor, and returns the descriptor of its manifest.
fn image(
    layout: &mut Layout,
    release: &Release,
    processor: Processor,
    program: &Path,
    common: &CommonFiles,
) -> Result<Value> {
    let program = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let unpacked = root(program, common).tar(release.epoch)?;
    let layer = layout.blob(LAYER, &gzip(&unpacked)?);
    let labels = labels(release);
    let config = json!({
        "created": release.time,
        "architecture": processor.debian(),
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["/usr/bin/etcdsnap"],
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(&Sha256::digest(&unpacked)))] },
        "history": [{ "created": release.time, "created_by": "cargo xtask dist" }],
    });
    let config = layout.json(CONFIG, &config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
        "annotations": labels,
    });
    let mut descriptor = layout.json(MANIFEST, &manifest)?;
    descriptor["platform"] = json!({ "architecture": processor.debian(), "os": "linux" });
    Ok(descriptor)
}

/// Returns the files of the image: the program, the certificates of public authorities, and names for users.
fn root(program: Vec<u8>, common: &CommonFiles) -> PackageTree {
    let mut root = PackageTree::default();
    root.program("usr/bin/etcdsnap", program);
    root.file("usr/share/doc/etcdsnap/THIRD-PARTY-LICENSES.txt", common.licences.as_str());
    root.file("usr/share/doc/etcdsnap/sbom.cdx.json", common.libraries.as_str());
    root.file("etc/ssl/certs/ca-certificates.crt", certificates());
    root.file("etc/passwd", format!("root:x:0:0:root:/:/\nnonroot:x:{USER}:{USER}:nonroot:/:/\n"));
    root.file("etc/group", format!("root:x:0:\nnonroot:x:{USER}:\n"));
    root.folder("tmp", 0o1777);
    root
}

/// Returns the certificates that Mozilla trusts, as text.
fn certificates() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let encoded = STANDARD.encode(certificate);
        text += "-----BEGIN CERTIFICATE-----\n";
        for line in encoded.as_bytes().chunks(64) {
            text += &String::from_utf8_lossy(line);
            text += "\n";
        }
        text += "-----END CERTIFICATE-----\n";
    }
    text
}

fn labels(release: &Release) -> Value {
    json!({
        "org.opencontainers.image.title": "etcdsnap",
        "org.opencontainers.image.description": "Saves, verifies, explores and restores snapshots of etcd",
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": release.commit,
        "org.opencontainers.image.created": release.time,
        "org.opencontainers.image.licenses": "Apache-2.0",
    })
}

/// The files of an image layout.
#[derive(Default)]
struct Layout {
    files: PackageTree,
}

impl Layout {
    /// Adds a blob under its hash, and returns its descriptor.
    fn blob(&mut self, media_type: &str, contents: &[u8]) -> Value {
        let hash = hex(&Sha256::digest(contents));
        self.files.file(&format!("blobs/sha256/{hash}"), contents);
        json!({ "mediaType": media_type, "digest": format!("sha256:{hash}"), "size": contents.len() })
    }

    fn json(&mut self, media_type: &str, document: &Value) -> Result<Value> {
        let contents = serde_json::to_vec(document)?;
        Ok(self.blob(media_type, &contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_lies_under_its_hash() {
        let mut layout = Layout::default();
        let descriptor = layout.blob(LAYER, b"abc");
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(descriptor, json!({ "mediaType": LAYER, "digest": format!("sha256:{hash}"), "size": 3 }));
        let files: Vec<_> = layout.files.files().collect();
        assert_eq!(files, [(format!("blobs/sha256/{hash}").as_str(), &b"abc"[..])]);
    }

    #[test]
    fn the_certificates_are_texts() {
        let text = certificates();
        assert!(text.matches("BEGIN CERTIFICATE").count() > 100);
        assert!(text.lines().all(|line| line.len() <= 64));
    }
}
