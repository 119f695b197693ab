//! Tests every format through the public functions, with files that the format's own tools write, accept or refuse.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{Format, UnpackError, Unpacked};

const FORMATS: [Format; 3] = [Format::Gzip, Format::Zip, Format::Zstd];

/// Returns data that compresses to many blocks and is not uniform.
fn plain() -> Vec<u8> {
    (0..400_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn packed(format: Format, plain: &[u8]) -> Vec<u8> {
    match format {
        Format::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Format::Zstd => zstd::stream::encode_all(plain, 1).unwrap(),
        Format::Zip => archive(&[("snapshot.db", plain)], CompressionMethod::Deflated),
    }
}

fn archive(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Builds an archive with each size after the data, as macOS and `zip -` write it.
fn streamed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new_stream(Vec::new());
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Returns the unpacked bytes, or the number of bytes before the error and the error.
fn unpacked(format: Format, bytes: &[u8]) -> Result<Vec<u8>, (usize, UnpackError)> {
    let mut unpacked = Unpacked::new(format, Cursor::new(bytes)).map_err(|error| (0, error))?;
    let mut whole = Vec::new();
    let mut block = vec![0; 70_000];
    loop {
        let count = unpacked.fill(&mut block).map_err(|(count, error)| (whole.len() + count, error))?;
        whole.extend_from_slice(&block[..count]);
        if count < block.len() {
            return Ok(whole);
        }
    }
}

fn error(format: Format, bytes: &[u8]) -> String {
    unpacked(format, bytes).unwrap_err().1.to_string()
}

/// A few kilobytes of zstd hold a terabyte of data that looks like pages.
#[test]
fn the_output_is_limited() {
    for format in FORMATS {
        let packed = packed(format, &[7; 100_000]);
        let mut unpacked = Unpacked::new(format, Cursor::new(packed)).unwrap();
        assert!(unpacked.left > 4 << 30);
        unpacked.left = 99_999;
        let error = unpacked.fill(&mut vec![0; 200_000]).unwrap_err().1;
        assert!(matches!(error, UnpackError::Unsupported(_)), "{format}: {error}");
    }
}

#[test]
fn every_format_round_trips() {
    for format in FORMATS {
        assert!(unpacked(format, &packed(format, &plain())).unwrap() == plain(), "{format}");
        assert!(unpacked(format, &packed(format, b"")).unwrap().is_empty(), "{format}");
    }
}

#[test]
fn concatenated_members_and_frames_are_one_stream() {
    let twice = [plain(), plain()].concat();
    for format in [Format::Gzip, Format::Zstd] {
        let one = packed(format, &plain());
        let files = [[one.clone(), one.clone()].concat(), [one.clone(), packed(format, b""), one].concat()];
        for file in files {
            assert!(unpacked(format, &file).unwrap() == twice, "{format}");
        }
    }
}

#[test]
fn a_truncated_file_is_broken_at_its_end() {
    for format in FORMATS {
        let whole = packed(format, &plain());
        for keep in [whole.len() / 2, whole.len() - 1] {
            let (at, error) = unpacked(format, &whole[..keep]).unwrap_err();
            assert!(matches!(error, UnpackError::Broken(_)), "{format}: {error}");
            // A zip archive's directory is at its end, so without it nothing can be unpacked.
            assert!(format == Format::Zip || at > 0, "{format}: {error}");
            assert!(format == Format::Zip || error.to_string() == "it ends too early", "{format}: {error}");
        }
    }
}

#[test]
fn a_changed_byte_is_an_error() {
    for format in FORMATS {
        // A zstd frame has a checksum only on request, so the change may only show in the output.
        let mut bytes = packed(format, &plain());
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        match unpacked(format, &bytes) {
            Err((_, UnpackError::Broken(_))) => {}
            Ok(other) if format == Format::Zstd => assert!(other != plain()),
            other => panic!("{format}: {:?}", other.map(|bytes| bytes.len())),
        }
    }
}

/// The blocks of a frame hold 128 KiB each. A byte that was changed in one of them must not cost those before it.
#[test]
fn what_precedes_a_damaged_block_is_unpacked() {
    const BLOCK: usize = 128 << 10;
    let plain: String = (0..80_000_u64).map(|i| format!("key {} of {}\n", i * 7919 % 10_007, i * i % 997)).collect();
    let bytes = packed(Format::Zstd, plain.as_bytes());
    let mut errors = 0;
    for at in (bytes.len() / 3..bytes.len() - 100).step_by(bytes.len() / 40) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        if let Err((count, UnpackError::Broken(_))) = unpacked(Format::Zstd, &damaged) {
            errors += 1;
            // All blocks compress alike, so that the place tells the block.
            let blocks = (plain.len() * at / bytes.len() / BLOCK).saturating_sub(1);
            assert!(count >= blocks * BLOCK, "byte {at} of {}: {count} bytes of {blocks} blocks", bytes.len());
        }
    }
    assert!(errors > 5, "{errors}");
}

#[test]
fn only_zeros_may_follow_the_data() {
    for (format, name) in [(Format::Gzip, "gzip"), (Format::Zstd, "zstd")] {
        let whole = packed(format, b"snapshot");
        let padded = [whole.clone(), vec![0; 600_000]].concat();
        assert_eq!(unpacked(format, &padded).unwrap(), b"snapshot");
        let then_more = [padded, whole.clone()].concat();
        assert_eq!(unpacked(format, &then_more).unwrap(), b"snapshotsnapshot");
        let with_other_data = [whole, b"\0\0more".to_vec()].concat();
        assert!(error(format, &with_other_data).contains(&format!("other data follows the end of the {name} data")));
    }
}

#[test]
fn files_that_macos_adds_to_an_archive_are_ignored() {
    let members: [(&str, &[u8]); 5] = [
        ("backup/", b""),
        ("backup/.DS_Store", b"\0\0\0\x01Bud1"),
        ("backup/snapshot.db", &plain()),
        ("__MACOSX/backup/._snapshot.db", b"\0\x05\x16\x07"),
        ("__MACOSX/._backup", b"\0\x05\x16\x07"),
    ];
    for file in [archive(&members, CompressionMethod::Deflated), streamed(&members)] {
        assert!(unpacked(Format::Zip, &file).unwrap() == plain());
    }
    let extracts_itself = [b"#!/bin/sh\nexit\n".to_vec(), archive(&members, CompressionMethod::Deflated)].concat();
    assert!(unpacked(Format::Zip, &extracts_itself).unwrap() == plain());
}

#[test]
fn uncompressed_data_in_an_archive_has_a_byte_range() {
    let file = archive(&[("snapshot.db", &plain())], CompressionMethod::Stored);
    let unpacked_file = Unpacked::new(Format::Zip, Cursor::new(&file)).unwrap();
    let range = unpacked_file.stored().unwrap();
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    assert!(file[range.clone()] == plain());
    assert!(unpacked(Format::Zip, &file).unwrap() == plain());
    let mut changed = file.clone();
    changed[range.start + 5] ^= 1;
    assert!(error(Format::Zip, &changed).contains("checksum"));
    assert!(Unpacked::new(Format::Zip, Cursor::new(packed(Format::Zip, b"x"))).unwrap().stored().is_none());
}

#[test]
fn an_archive_without_exactly_one_file_is_refused() {
    let two = archive(&[("a.db", b"a"), ("b\u{1b}[2J.db", b"b")], CompressionMethod::Deflated);
    let (_, error) = unpacked(Format::Zip, &two).unwrap_err();
    assert!(
        matches!(&error, UnpackError::Unsupported(text) if text == "it holds several files (a.db, b\u{fffd}[2J.db)")
    );
    let many: Vec<_> = (0..9).map(|number| format!("{number}.db")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let (_, error) = unpacked(Format::Zip, &archive(&many, CompressionMethod::Deflated)).unwrap_err();
    assert!(error.to_string().ends_with("4.db, …)"), "{error}");
    let (_, error) = unpacked(Format::Zip, &archive(&[("x/", b"")], CompressionMethod::Stored)).unwrap_err();
    assert!(matches!(&error, UnpackError::Unsupported(text) if text == "it holds no file"));
}

/// The archive has one file, `snapshot.db`; the test patches the method or a flag in both of its headers.
#[test]
fn other_methods_and_passwords_are_unsupported_and_not_damage() {
    let good = packed(Format::Zip, b"snapshot");
    let central = good.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    for (method, name) in [(12, "bzip2"), (14, "lzma"), (93, "zstd"), (95, "xz"), (9, "deflate64"), (77, "method 77")] {
        let mut file = good.clone();
        (file[8], file[central + 10]) = (method, method);
        let (_, error) = unpacked(Format::Zip, &file).unwrap_err();
        let expected = format!("the file in it is packed with {name}");
        assert!(matches!(&error, UnpackError::Unsupported(text) if *text == expected), "{error}");
    }
    let mut encrypted = good;
    encrypted[6] |= 1;
    encrypted[central + 8] |= 1;
    let (_, error) = unpacked(Format::Zip, &encrypted).unwrap_err();
    assert!(matches!(&error, UnpackError::Unsupported(text) if text == "it is encrypted"), "{error}");
}

#[test]
fn a_failed_read_keeps_its_error() {
    struct Failing(Vec<u8>);
    impl std::io::Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Err(std::io::Error::other("a bad sector"));
            }
            let count = self.0.len().min(out.len());
            out[..count].copy_from_slice(&self.0.drain(..count).collect::<Vec<_>>());
            Ok(count)
        }
    }
    impl std::io::Seek for Failing {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Err(std::io::Error::other("a bad sector"))
        }
    }
    for format in FORMATS {
        let whole = packed(format, &plain());
        let reader = Failing(whole[..whole.len() / 2].to_vec());
        let outcome = Unpacked::new(format, reader)
            .and_then(|mut unpacked| unpacked.fill(&mut vec![0; 4 << 20]).map_err(|(_, error)| error));
        assert!(matches!(&outcome, Err(UnpackError::Input(error)) if error.to_string() == "a bad sector"), "{format}");
    }
}
