//! What tells the account of a snapshot from another one in its place.

use core::hash::Hasher as _;

use lwm2m_core::ShortServerId;
use lwm2m_objects::{
    TreeView, Typed as _,
    typed::{KeyMaterial, Security},
};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::event::AccountId;

/// A digest of what an account is: its server, the URI, the modes, and the identities of both sides. It has to be the
/// same after a restart, so its key is fixed; what is secret isn't in it.
///
/// Another key for the same identity leads to a new session, in which the Client registers anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub(super) struct Mark((u64, u64));

impl Mark {
    /// The mark of an account; `None` if it can't be used.
    pub(super) fn of<'t>(tree: impl Into<TreeView<'t>>, account: AccountId) -> Option<Self> {
        let security = Security::load(tree, account.instance())?;
        let mut digest = Digest::new();
        digest.bytes(&[security.bootstrap_server.into()]);
        digest.number(security.short_server_id.map(ShortServerId::get));
        digest.bytes(security.server_uri.as_bytes());
        digest.bytes(&[security.mode.number()]);
        match security.material() {
            KeyMaterial::PreSharedKey { identity, .. } => digest.bytes(identity),
            KeyMaterial::RawPublicKey {
                public_key,
                server_public_key,
                ..
            } => {
                digest.bytes(public_key);
                digest.bytes(server_public_key);
            }
            KeyMaterial::Certificate(keys) | KeyMaterial::CertificateWithEst(keys) => {
                digest.bytes(keys.certificate);
                digest.bytes(keys.server_certificate);
            }
            KeyMaterial::NoSec => {}
        }
        let sms = &security.sms;
        digest.number(sms.mode.map(|mode| mode.number().into()));
        digest.optional(sms.server_number.as_deref().map(str::as_bytes));
        Some(Self(digest.finish()))
    }
}

/// `SipHash-2-4` with 128 bits, of bytes that are the same wherever and with whatever this is built.
struct Digest(SipHasher24);

impl Digest {
    fn new() -> Self {
        Self(SipHasher24::new_with_keys(0, 0))
    }

    /// Their number, as 64 bits in network byte order, is before them.
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.write(&(bytes.len() as u64).to_be_bytes());
        self.0.write(bytes);
    }

    /// After a 1 if there are any, else after a 0.
    fn optional(&mut self, bytes: Option<&[u8]>) {
        self.bytes(&[bytes.is_some().into()]);
        self.bytes(bytes.unwrap_or_default());
    }

    fn number(&mut self, number: Option<u16>) {
        let bytes = number.map(u16::to_be_bytes);
        self.optional(bytes.as_ref().map(<[u8; 2]>::as_slice));
    }

    fn finish(&self) -> (u64, u64) {
        self.0.finish128().as_u64()
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::InstanceId;
    use lwm2m_objects::{
        ObjectTree, Store,
        typed::{SmsSecurity, SmsSecurityMode},
    };

    use super::*;

    fn mark(security: Security) -> (u64, u64) {
        let mut tree = ObjectTree::new();
        tree.add(Store::of([(InstanceId::ZERO, security)]));
        Mark::of(&tree, AccountId::new(InstanceId::ZERO)).unwrap().0
    }

    /// With other numbers, no snapshot of before would match.
    #[test]
    fn a_mark_is_the_same_whatever_it_is_built_with() {
        let id = ShortServerId::new(101).unwrap();
        let key = [7; 16];
        let secured = Security::pre_shared_key("coaps://server1.example.com", id, "me", key);
        let open = Security::no_sec("coap://server1.example.com", id).with_sms(SmsSecurity {
            mode: Some(SmsSecurityMode::NoSec),
            server_number: Some("491700000001".into()),
            ..SmsSecurity::default()
        });
        let expected = (0xeac8_bfde_dbc4_81df, 0xd741_4795_b103_b702);
        assert_eq!(mark(secured), expected);
        let expected = (0x3c20_a976_ce5b_ae8a, 0xf058_2b9b_6572_f8fd);
        assert_eq!(mark(open), expected);
    }
}
