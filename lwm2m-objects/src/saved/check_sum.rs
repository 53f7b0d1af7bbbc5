//! The check sum of saved data.

/// The FNV-1a hash of bytes.
pub(crate) struct CheckSum(u64);

impl CheckSum {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn length(&mut self, length: usize) {
        self.bytes(&(length as u64).to_be_bytes());
    }

    pub(crate) const fn value(&self) -> u64 {
        self.0
    }
}
