//! The cipher suites of TS 7.1.7 to 7.1.9, and which library has them.
//!
//! | suite | number | demanded of servers by | `dimpl` | OpenSSL |
//! | --- | --- | --- | --- | --- |
//! | `TLS_PSK_WITH_AES_128_CCM_8` | C0A8 | TS 7.1.7 | yes | yes |
//! | `TLS_PSK_WITH_AES_128_CBC_SHA256` | 00AE | TS 7.1.7 | no | yes |
//! | `TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8`, certificates | C0AE | TS 7.1.9 | no | yes |
//! | `TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256`, certificates | C023 | TS 7.1.9 | no | yes |
//! | the two above, raw public keys | C0AE, C023 | TS 7.1.8 | no | no: RFC 7250 came with OpenSSL 3.2 |
//! | `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256`, certificates | C02B | nobody; TS 7.1.3 allows it | yes | yes |
//!
//! Since OpenSSL 3.2, the suites with CCM_8 need its security level 0, which is set then.
//!
//! Certificates of the one library meet those of the other with the last suite only.

use core::fmt;

/// A cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// `TLS_PSK_WITH_AES_128_CCM_8` (RFC 6655).
    PskAes128Ccm8,
    /// `TLS_PSK_WITH_AES_128_CBC_SHA256` (RFC 5487).
    PskAes128CbcSha256,
    /// `TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8` (RFC 7251).
    EcdheEcdsaAes128Ccm8,
    /// `TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256` (RFC 5289).
    EcdheEcdsaAes128CbcSha256,
    /// `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256` (RFC 5289).
    EcdheEcdsaAes128GcmSha256,
}

impl Suite {
    /// Every suite, those that TS 7.1.7 to 7.1.9 name first.
    pub const ALL: [Self; 5] = [
        Self::PskAes128Ccm8,
        Self::PskAes128CbcSha256,
        Self::EcdheEcdsaAes128Ccm8,
        Self::EcdheEcdsaAes128CbcSha256,
        Self::EcdheEcdsaAes128GcmSha256,
    ];

    /// Its number in the registry of IANA.
    pub const fn number(self) -> u16 {
        match self {
            Self::PskAes128Ccm8 => 0xC0A8,
            Self::PskAes128CbcSha256 => 0x00AE,
            Self::EcdheEcdsaAes128Ccm8 => 0xC0AE,
            Self::EcdheEcdsaAes128CbcSha256 => 0xC023,
            Self::EcdheEcdsaAes128GcmSha256 => 0xC02B,
        }
    }

    /// Its name in the registry of IANA.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PskAes128Ccm8 => "TLS_PSK_WITH_AES_128_CCM_8",
            Self::PskAes128CbcSha256 => "TLS_PSK_WITH_AES_128_CBC_SHA256",
            Self::EcdheEcdsaAes128Ccm8 => "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
            Self::EcdheEcdsaAes128CbcSha256 => "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
            Self::EcdheEcdsaAes128GcmSha256 => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        }
    }

    /// Whether its keys are pre-shared. The others sign with the key of a certificate, or with a raw
    /// one.
    pub const fn is_psk(self) -> bool {
        matches!(self, Self::PskAes128Ccm8 | Self::PskAes128CbcSha256)
    }
}

/// The name of IANA.
impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
