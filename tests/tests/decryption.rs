//! Decryption of values at rest: values that Kubernetes' own packages encrypted can be decrypted, and no others.
//!
//! `tests/reference/bin/encryption/encryption vectors` wrote `tests/encryption/vectors.jsonl`.

use std::fs;
use std::io::{BufRead, Write};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use etcdsnap_core::kubernetes::encryption::configuration::Configuration;
use etcdsnap_core::kubernetes::encryption::keyring::{Keyring, NoPlugins, PluginError, Plugins, UndecryptedReason};
use etcdsnap_core::kubernetes::encryption::kms_v2::Sealed;
use etcdsnap_core::kubernetes::encryption::needed_key::{Encrypted, Provider};
use etcdsnap_tests::build::kubernetes::protobuf;
use etcdsnap_tests::cli;
use etcdsnap_tests::programs::reference;
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::test_vectors::{TestVector, configuration, folder_with_snapshot, snapshot, vectors};
use serde_json::{Value, json};

/// Builds a keyring of these keys.
fn keyring(keys: &[(&str, &str, &[u8])]) -> Keyring {
    Configuration::parse(&configuration(keys)).expect("a configuration").into()
}

/// The plugin of the reference program, without its socket.
struct ExclusiveOr(Vec<String>);

impl Plugins for ExclusiveOr {
    fn names(&self) -> &[String] {
        &self.0
    }

    fn open(&self, _plugin: &str, sealed: &Sealed<'_>) -> Result<zeroize::Zeroizing<Vec<u8>>, PluginError> {
        assert_eq!(
            (sealed.key_id, &sealed.annotations[..]),
            ("kek-2026", &[("plugin.etcdsnap.example", &b"v1"[..])][..])
        );
        Ok(sealed.source.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>().into())
    }
}

fn open(vector: &TestVector, key: &str, sealed: &[u8]) -> Result<Vec<u8>, UndecryptedReason> {
    let keyring = match vector.secret.as_slice() {
        [] => Keyring::default(),
        secret => keyring(&[(&vector.provider, &vector.name, secret)]),
    };
    let plugins = ExclusiveOr(vec!["vault".into()]);
    keyring.open(key.as_bytes(), sealed, &plugins).map(|plain| plain.into_owned()).map_err(|closed| closed.why)
}

#[test]
fn values_encrypted_by_kubernetes_are_decrypted() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 24);
    for vector in &vectors {
        assert_eq!(open(vector, &vector.key, &vector.sealed).as_ref(), Ok(&vector.plain), "{}", vector.key);
        let needs = Encrypted::of(&vector.sealed).expect("encrypted").needed_key();
        assert_eq!(needs.name, vector.name, "{}", vector.key);
        assert!(needs.provider.as_str().starts_with(vector.provider.split('-').next().expect("a word")));
    }
}

/// AES-GCM authenticates the etcd key as associated data; the other ciphers do not depend on the key.
#[test]
fn a_value_moved_to_another_key_decrypts_only_without_associated_data() {
    for vector in vectors() {
        let moved = open(&vector, "/registry/secrets/shop/other", &vector.sealed);
        let is_bound = vector.provider == "aesgcm" || vector.provider.starts_with("kms");
        assert_eq!(moved.is_err(), is_bound, "{}", vector.key);
    }
}

#[test]
fn a_wrong_key_is_reported_and_never_gives_garbage() {
    let mut rng = SeededRandom::new(7);
    for vector in vectors().iter().filter(|vector| !vector.secret.is_empty()) {
        for _ in 0..400 {
            let wrong = rng.bytes(vector.secret.len());
            let closed = keyring(&[(&vector.provider, &vector.name, &wrong)])
                .open(vector.key.as_bytes(), &vector.sealed, &NoPlugins)
                .expect_err(&vector.key);
            assert_eq!((closed.why, closed.needs.name.as_str()), (UndecryptedReason::WrongKey, vector.name.as_str()));
        }
        // After a rotation that kept the name, both keys exist.
        let other = vec![9; vector.secret.len()];
        let both: [(&str, &str, &[u8]); 2] =
            [(&vector.provider, &vector.name, &other), (&vector.provider, &vector.name, &vector.secret)];
        let keyring = keyring(&both);
        assert_eq!(keyring.open(vector.key.as_bytes(), &vector.sealed, &NoPlugins).as_deref(), Ok(&vector.plain[..]));
    }
}

#[test]
fn keys_are_distinguished_by_name() {
    let vector = vectors().into_iter().find(|vector| vector.name.starts_with("key-2026")).expect("a k3s name");
    let open = |keys: &[(&str, &str, &[u8])]| {
        let opened =
            keyring(keys).open(vector.key.as_bytes(), &vector.sealed, &NoPlugins).map(|plain| plain.into_owned());
        opened.map_err(|closed| (closed.needs.name, closed.why))
    };
    let short = (vector.provider.as_str(), "key-2026-03-09T09", vector.secret.as_slice());
    let long = (vector.provider.as_str(), vector.name.as_str(), vector.secret.as_slice());
    assert_eq!(open(&[short, long]).as_ref(), Ok(&vector.plain));
    assert!(matches!(open(&[short]), Err((_, UndecryptedReason::WrongKey | UndecryptedReason::Malformed(_)))));
    // The message names the missing key and the available ones, so that a key of that name at another provider is noticed.
    let (other, name) = (open(&[(vector.provider.as_str(), "other", &[1; 32])]), vector.name.clone());
    assert_eq!(other, Err((name.clone(), UndecryptedReason::NoKey("aescbc:v1 key other".into()))));
    let elsewhere = open(&[("secretbox", vector.name.as_str(), &[1; 32])]);
    assert_eq!(elsewhere, Err((name.clone(), UndecryptedReason::NoKey(format!("secretbox:v1 key {name}")))));
    let nothing = Keyring::default().open(vector.key.as_bytes(), &vector.sealed, &NoPlugins).expect_err("closed");
    assert_eq!(nothing.why, UndecryptedReason::NothingGiven);
}

/// Changes each byte of a value: there is no panic, and an authenticated value no longer decrypts.
#[test]
fn changed_values_do_not_decrypt() {
    let mut rng = SeededRandom::new(17);
    for vector in vectors() {
        let prefix =
            vector.sealed.windows(2).position(|pair| pair == [b':', *vector.name.as_bytes().first().expect("a name")]);
        let body = prefix.expect("a prefix") + vector.name.len() + 2;
        let is_proof = vector.provider != "aescbc";
        for len in 0..vector.sealed.len() {
            // Without its prefix a value is not encrypted, and is returned unchanged.
            let opened =
                decrypt_with_any_plugin(&vector, &vector.sealed[..len]).filter(|_| len >= "k8s:enc:".len() && is_proof);
            assert!(opened.is_none_or(|plain| plain == vector.plain), "{} cut to {len}", vector.key);
        }
        for _ in 0..600 {
            let mut mutant = vector.sealed.clone();
            let at = body + rng.below(mutant.len() - body);
            mutant[at] ^= 1 << rng.below(8);
            let opened = decrypt_with_any_plugin(&vector, &mutant);
            if is_proof {
                // Only what this plugin ignores may change: its key's name, and annotations.
                let is_harmless = opened.as_ref() == Some(&vector.plain) && vector.provider.starts_with("kms");
                assert!(opened.is_none() || is_harmless, "{} at {at}", vector.key);
            }
        }
    }
}

/// Decrypts with a plugin that accepts any input.
fn decrypt_with_any_plugin(vector: &TestVector, sealed: &[u8]) -> Option<Vec<u8>> {
    struct Anything(Vec<String>);
    impl Plugins for Anything {
        fn names(&self) -> &[String] {
            &self.0
        }
        fn open(&self, _plugin: &str, sealed: &Sealed<'_>) -> Result<zeroize::Zeroizing<Vec<u8>>, PluginError> {
            Ok(sealed.source.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>().into())
        }
    }
    let keyring = match vector.secret.as_slice() {
        [] => Keyring::default(),
        secret => keyring(&[(&vector.provider, &vector.name, secret)]),
    };
    let plugins = Anything(vec!["vault".into()]);
    keyring.open(vector.key.as_bytes(), sealed, &plugins).ok().map(|plain| plain.into_owned())
}

/// Compares with Kubernetes' own packages, over random values.
#[test]
fn random_values_are_decrypted() {
    let Some(program) = reference("encryption", "encryption") else { return };
    let mut rng = SeededRandom::new(23);
    let requests: Vec<Value> = (0..200)
        .map(|number| {
            let provider = ["aescbc", "aesgcm", "secretbox", "kms-seed", "kms-key"][rng.below(5)];
            let length = if provider == "secretbox" { 32 } else { [16, 24, 32][rng.below(3)] };
            let secret = if provider.starts_with("kms") { Vec::new() } else { rng.bytes(length) };
            let len = rng.below(200);
            let plain = protobuf("example.com/v1", "Odd", &rng.bytes(len));
            let name = ["key1", "a:b", "2026-01-01T00:00:00Z", "vault"][if secret.is_empty() { 3 } else { rng.below(3) }];
            let encode = |bytes: &[u8]| STANDARD.encode(bytes);
            json!({"provider": provider, "name": name, "secret": encode(&secret), "key": format!("/registry/x/{number}"), "plain": encode(&plain)})
        })
        .collect();
    let mut child =
        Command::new(program).arg("seal").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut input = child.stdin.take().expect("a pipe");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads");
    let sealed: Vec<String> =
        output.stdout.lines().map(|line| serde_json::from_str(&line.expect("text")).expect("base64")).collect();
    assert_eq!(sealed.len(), requests.len());
    for (request, sealed) in requests.into_iter().zip(sealed) {
        let vector: TestVector = serde_json::from_value(request).expect("a request");
        let sealed = STANDARD.decode(sealed).expect("base64");
        assert_eq!(
            open(&vector, &vector.key, &sealed).as_ref(),
            Ok(&vector.plain),
            "{} {}",
            vector.provider,
            vector.name
        );
    }
}

/// AES-CBC has no authentication: a value that is changed in the middle still begins like an object.
#[test]
fn a_changed_value_of_aescbc_is_found() {
    let folder = folder_with_snapshot();
    let vectors = vectors();
    let of = |part: &str| vectors.iter().find(|v| v.provider == "aescbc" && v.key.contains(part)).expect("a vector");
    let body = |vector: &TestVector| format!("k8s:enc:aescbc:v1:{}:", vector.name).len();
    // The second block of JSON: the first decrypts unchanged.
    let widget = of("/widgets/");
    for at in body(widget) + 32..body(widget) + 48 {
        let mut sealed = widget.sealed.clone();
        sealed[at] ^= 1;
        assert_eq!(open(widget, &widget.key, &sealed), Err(UndecryptedReason::NoObject), "{at}");
    }
    // The lengths in the protobuf envelope, by changing the IV.
    let secret = of("/secrets/");
    for at in [5, 7] {
        let mut sealed = secret.sealed.clone();
        sealed[body(secret) + at] ^= 0x40;
        assert_eq!(open(secret, &secret.key, &sealed), Err(UndecryptedReason::NoObject), "{at}");
    }
    let mut changed = [secret.clone(), widget.clone()];
    let at = body(widget) + 36;
    changed[1].sealed[at] ^= 1;
    fs::write(folder.path().join("b.db"), snapshot(&changed)).expect("a file");
    let with = |words: &[&str]| cli::run_in(folder.path(), &[words, &["--encryption-config", "all.yaml"]].concat());
    let (code, out, _) = with(&["verify", "b.db"]);
    assert!(
        code == 1 && out.contains("value-undecryptable") && out.contains("the decrypted bytes are not an object"),
        "{out}"
    );
    let (code, out, _) = with(&["kube", "check", "b.db"]);
    assert!(
        code == 1 && out.contains("object-undecodable (1)") && out.contains("cannot be decrypted (aescbc:v1"),
        "{out}"
    );
    let (code, _, printed) = with(&["kube", "encryption", "b.db"]);
    assert!(code == 1 && printed.contains("the decrypted bytes are not an object"), "{printed}");
    // An object whose start is intact and whose end is not: a Pod whose metadata is longer than the object.
    let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x04\x0a\x7f\x0a\x00\x1a\x00\x22\x00";
    let key: &[u8] = &[7; 32];
    let sealed = encrypt_cbc(key, pod);
    let value = [b"k8s:enc:aescbc:v1:own:".as_slice(), &sealed].concat();
    let broken = TestVector { key: "/registry/pods/shop/a".into(), sealed: value, ..secret.clone() };
    fs::write(folder.path().join("c.db"), snapshot(&[broken])).expect("a file");
    fs::write(folder.path().join("own.yaml"), configuration(&[("aescbc", "own", key)]).replace("secrets", "pods"))
        .expect("a file");
    let own = |words: &[&str]| cli::run_in(folder.path(), &[words, &["--encryption-config", "own.yaml"]].concat());
    let (code, out, _) = own(&["verify", "c.db"]);
    let words: Vec<&str> = out.split_whitespace().collect();
    assert!(code == 1 && words.join(" ").contains("decrypts to something that is not a complete object"), "{out}");
    let (code, _, printed) = own(&["kube", "encryption", "c.db"]);
    assert!(code == 1 && printed.contains("1 value decrypts to something that is not a complete object"), "{printed}");
    let (code, out, _) = own(&["kube", "check", "c.db"]);
    assert!(code == 1 && out.contains("object-undecodable"), "{out}");
}

/// Encrypts with AES-CBC and PKCS#7 under a fixed IV, using only the block cipher.
fn encrypt_cbc(key: &[u8], plain: &[u8]) -> Vec<u8> {
    use aes::cipher::{BlockCipherEncrypt, KeyInit};
    let cipher = aes::Aes256::new_from_slice(key).expect("a key");
    let padding = 16 - plain.len() % 16;
    let padded = [plain, &vec![padding as u8; padding]].concat();
    let mut out = vec![3_u8; 16];
    for block in padded.chunks(16) {
        let before = out[out.len() - 16..].to_vec();
        let mixed: Vec<u8> = block.iter().zip(before).map(|(a, b)| a ^ b).collect();
        let mut block = aes::Block::try_from(mixed.as_slice()).expect("16 bytes");
        cipher.encrypt_block(&mut block);
        out.extend_from_slice(&block);
    }
    out
}

#[test]
fn kms_v1_is_reported_as_unsupported() {
    let keyring = Keyring::default();
    let closed = keyring.open(b"k", b"k8s:enc:kms:v1:old:\0\x02ab", &NoPlugins).expect_err("closed");
    assert_eq!(
        (closed.why, closed.needs.provider, closed.needs.name.as_str()),
        (UndecryptedReason::KmsV1, Provider::KmsV1, "old")
    );
    let unknown = keyring.open(b"k", b"k8s:enc:rot13:v7:x:abc", &NoPlugins).expect_err("closed");
    assert_eq!(unknown.why, UndecryptedReason::UnknownProvider);
}
