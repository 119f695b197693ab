//! No value, however it is built, makes the decoder panic, hang or use much memory.

use std::fs;
use std::time::{Duration, Instant};

use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::kubernetes::object_visitor::MAX_VALUES;
use etcdsnap_core::kubernetes::type_table::Schema;
use etcdsnap_core::kubernetes::yaml::to_yaml;
use etcdsnap_tests::programs::kubernetes_modules;
use etcdsnap_tests::seeded_random::SeededRandom;

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let types =
        [&[0x0a, api_version.len() as u8], api_version.as_bytes(), &[0x12, kind.len() as u8], kind.as_bytes()].concat();
    let mut len = raw.len();
    let mut out = [b"k8s\0\x0a", &[types.len() as u8][..], &types, &[0x12]].concat();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    [&out, raw].concat()
}

/// Decodes a value into all formats, and asserts that the output is JSON.
fn read(value: &[u8]) {
    let options = Options { resource_version: Some("7"), ..Options::default() };
    let mut json = Vec::new();
    if object::api_json(value, options, &mut json).is_ok() {
        serde_json::from_slice::<serde::de::IgnoredAny>(&json).unwrap_or_else(|error| {
            panic!("no JSON ({error}) of {:?}: {}", value.escape_ascii().to_string(), String::from_utf8_lossy(&json))
        });
    }
    if let Ok((tree, _)) = object::tree(value, options) {
        assert!(to_yaml(&tree).ends_with('\n'));
    }
}

#[test]
fn random_messages_of_every_kind_are_decoded() {
    let mut rng = SeededRandom::new(3);
    for kind in Schema::builtin().kinds() {
        let version =
            if kind.group.is_empty() { kind.version.to_owned() } else { format!("{}/{}", kind.group, kind.version) };
        for _ in 0..20 {
            let mut raw = Vec::new();
            for _ in 0..rng.below(20) {
                let len = rng.below(40);
                raw.extend([(rng.between(1, 15) as u8) << 3 | *rng.pick(&[0, 1, 2, 2, 2, 2, 2, 5])]);
                raw.push(len as u8);
                raw.extend((0..len).map(|_| *rng.pick(&[0x0a, 0x12, 0x1a, 0x08, 0, 1, 2, 3, b'{', b'"', 0xff])));
            }
            read(&envelope(&version, kind.kind, &raw));
        }
    }
}

#[test]
fn mutants_of_real_objects_are_decoded() {
    let Some(cache) = kubernetes_modules() else { return };
    let mut rng = SeededRandom::new(5);
    let folder = cache.join("k8s.io/api@v0.34.13/testdata/HEAD");
    for name in
        ["core.v1.Pod", "apps.v1.Deployment", "core.v1.Secret", "resource.k8s.io.v1.ResourceClaim", "core.v1.Event"]
    {
        let value = fs::read(folder.join(format!("{name}.pb"))).expect("a fixture");
        for end in 0..value.len().min(3000) {
            read(&value[..end]);
        }
        for _ in 0..1500 {
            let mut value = value.clone();
            for _ in 0..rng.between(1, 5) {
                let at = rng.below(value.len());
                value[at] = rng.bits() as u8;
            }
            read(&value);
        }
    }
}

#[test]
fn decoding_bombs_are_bounded() {
    let started = Instant::now();
    // Four million empty containers, each of which would be printed with its null fields; and as many unknown fields.
    let containers = [0x12, 0, 0x1a, 0].repeat(4_000_000);
    let mut raw = vec![0x12];
    let mut len = containers.len();
    while len >= 0x80 {
        raw.push(len as u8 | 0x80);
        len >>= 7;
    }
    raw.push(len as u8);
    raw.extend(containers);
    for bomb in [
        envelope("v1", "Pod", &raw),
        envelope("v1", "Pod", &[0xf8, 0x7f, 1].repeat(8_000_000)),
        envelope("x/v1", "Y", &[0x08, 1].repeat(8_000_000)),
    ] {
        let mut json = Vec::new();
        let remarks = object::api_json(&bomb, Options::default(), &mut json).expect("an object");
        assert!(!remarks.is_empty());
        assert!(json.len() < 100 * MAX_VALUES as usize, "{}", json.len());
    }
    // Nested objects, as JSON and as messages.
    read(&[b"{\"a\":".repeat(100_000), b"1".to_vec(), b"}".repeat(100_000)].concat());
    let mut deep = vec![0x08, 1];
    while deep.len() < 20_000 {
        let mut outer = vec![0x0a];
        let mut len = deep.len();
        while len >= 0x80 {
            outer.push(len as u8 | 0x80);
            len >>= 7;
        }
        outer.push(len as u8);
        outer.append(&mut deep);
        deep = outer;
    }
    read(&envelope("v1", "Pod", &deep));
    read(&envelope("x/v1", "Y", &deep));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
