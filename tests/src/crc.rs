//! CRC-32C by its definition, one byte at a time: the reference for core's fast implementation.

/// A running CRC-32C (Castagnoli, reflected polynomial 0x82F63B78).
#[derive(Debug, Clone, Copy)]
pub struct Crc32c(u32);

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

impl Default for Crc32c {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc32c {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = TABLE[((self.0 ^ u32::from(*byte)) & 0xFF) as usize] ^ (self.0 >> 8);
        }
    }

    /// Returns the checksum of all bytes added so far.
    #[must_use]
    pub fn finish(self) -> u32 {
        !self.0
    }
}

#[test]
fn the_check_value_of_crc32c_is_right() {
    let mut crc = Crc32c::default();
    crc.update(b"123456789");
    assert_eq!(crc.finish(), 0xE306_9283);
}
