//! Reads a gzip file: one or more members.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::broken;

/// First byte of a member.
const MAGIC: u8 = 0x1f;

/// Reads all members of a gzip file as one stream. Skips zeros after the last member, which tapes and block copies
/// leave.
pub(crate) struct GzipMembers<R> {
    current: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    /// Starts at the first member.
    pub(crate) fn new(packed: R) -> Self {
        Self { current: Some(GzDecoder::new(packed)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.current {
            let count = decoder.read(out)?;
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            let rest = self.current.take().map(GzDecoder::into_inner);
            self.current = match rest {
                Some(mut rest) => another_member(&mut rest)?.then(|| GzDecoder::new(rest)),
                None => None,
            };
        }
        Ok(0)
    }
}

/// Skips zeros; returns whether another member follows, with the reader at its start.
fn another_member(rest: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = rest.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        match buffer.get(zeros) {
            None => rest.consume(zeros),
            Some(&MAGIC) => {
                rest.consume(zeros);
                return Ok(true);
            }
            Some(_) => return Err(broken("other data follows the end of the gzip data")),
        }
    }
}
