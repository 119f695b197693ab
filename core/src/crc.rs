//! CRC-32C (Castagnoli), the checksum behind etcd's hashes, and the arithmetic that joins two CRCs.

use std::sync::LazyLock;

/// The polynomial 0x1EDC6F41 with its bits reversed, for a register that shifts right.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// Number of entries of each table: the first has the shifts for all lengths below it, the second those for its
/// multiples.
const TABLE_LEN: u64 = 4096;

/// Computes the CRC-32C of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Computes the CRC of two concatenated byte strings from their two CRCs, without the bytes.
///
/// `crc(A‖B) = crc(A)·x^(8·|B|) ⊕ crc(B)` over GF(2) modulo the polynomial. The powers for lengths up to 16 MiB are
/// tabulated (32 KiB), so that joining the CRCs of neighbouring pages takes one multiplication instead of thirty.
#[derive(Debug, Clone, Copy)]
pub struct CrcCombiner {
    /// `x^(8n)` for n below [`TABLE_LEN`].
    low_powers: &'static [u32],
    /// `x^(8·TABLE_LEN·n)` for n below [`TABLE_LEN`].
    high_powers: &'static [u32],
}

/// Both tables, computed once per process, because that takes longer than hashing a small file.
static TABLES: LazyLock<[Vec<u32>; 2]> = LazyLock::new(|| {
    let byte = shift_by_one_byte(ONE);
    let low_powers = powers(byte);
    let step = low_powers.last().map_or(ONE, |last| multiply(*last, byte));
    [low_powers, powers(step)]
});

impl Default for CrcCombiner {
    fn default() -> Self {
        let [low_powers, high_powers] = &*TABLES;
        Self { low_powers, high_powers }
    }
}

/// The constant polynomial 1 in this bit order.
const ONE: u32 = 1 << 31;

fn powers(base: u32) -> Vec<u32> {
    std::iter::successors(Some(ONE), |power| Some(multiply(*power, base))).take(TABLE_LEN as usize).collect()
}

fn shift_by_one_byte(mut value: u32) -> u32 {
    for _ in 0..8 {
        value = times_x(value);
    }
    value
}

/// Computes `value·x` modulo the polynomial.
fn times_x(value: u32) -> u32 {
    (value >> 1) ^ if value & 1 == 1 { POLYNOMIAL } else { 0 }
}

/// Computes `a·b` modulo the polynomial.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        // Uses a mask instead of a branch, because the bits of a CRC are unpredictable.
        product ^= b & 0u32.wrapping_sub((a >> bit) & 1);
        b = times_x(b);
    }
    product
}

impl CrcCombiner {
    /// Computes the CRC of `A‖B` from the CRCs of A and B and the length of B in bytes.
    #[must_use]
    pub fn join(&self, a: u32, b: u32, b_len: u64) -> u32 {
        let mut shifted = a;
        let mut bytes_left = b_len;
        let table_range = TABLE_LEN.saturating_mul(TABLE_LEN);
        while bytes_left >= table_range {
            // Applies the largest tabulated shift, STEP·(STEP−1); the next round takes the remainder.
            shifted = self.shift(shifted, table_range.saturating_sub(TABLE_LEN));
            bytes_left = bytes_left.saturating_sub(table_range.saturating_sub(TABLE_LEN));
        }
        self.shift(shifted, bytes_left) ^ b
    }

    /// Computes `value·x^(8·len)` for `len` below STEP².
    fn shift(&self, value: u32, len: u64) -> u32 {
        let low = usize::try_from(len % TABLE_LEN).ok().and_then(|n| self.low_powers.get(n));
        let high = usize::try_from(len / TABLE_LEN).ok().and_then(|n| self.high_powers.get(n));
        let mut shifted = value;
        if let Some(power) = low.filter(|power| **power != ONE) {
            shifted = multiply(*power, shifted);
        }
        if let Some(power) = high.filter(|power| **power != ONE) {
            shifted = multiply(*power, shifted);
        }
        shifted
    }
}

/// The CRC of a byte string together with its length, so that consecutive byte strings can be joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartialCrc {
    /// CRC-32C of the bytes.
    pub crc: u32,
    /// Length in bytes.
    pub len: u64,
}

impl PartialCrc {
    /// Computes CRC and length of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { crc: crc32c(bytes), len: bytes.len() as u64 }
    }

    /// Joins this byte string with the one that follows it.
    #[must_use]
    pub fn then(self, next: PartialCrc, combiner: &CrcCombiner) -> Self {
        if self.len == 0 {
            return next;
        }
        Self { crc: combiner.join(self.crc, next.crc, next.len), len: self.len.saturating_add(next.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_value_is_computed() {
        // "123456789" → 0xE3069283: the check value of CRC-32C (RFC 3720, appendix B.4 uses the same polynomial).
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn joined_crcs_equal_the_crc_of_the_whole() {
        let combiner = CrcCombiner::default();
        let bytes: Vec<u8> = (0..40_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let whole = crc32c(&bytes);
        for cut in [0, 1, 7, 4095, 4096, 4097, 1 << 20, 20_000_000, bytes.len() - 4096, bytes.len()] {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(
                PartialCrc::of(a).then(PartialCrc::of(b), &combiner),
                PartialCrc { crc: whole, len: bytes.len() as u64 },
                "cut at {cut}"
            );
        }
    }
}
