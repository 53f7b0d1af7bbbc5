//! What tells the account of a snapshot from another one in its place.

use core::hash::Hash as _;

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
        let mut digest = SipHasher24::new_with_keys(0, 0);
        (security.bootstrap_server, security.short_server_id).hash(&mut digest);
        (&security.server_uri, security.mode.number()).hash(&mut digest);
        match security.material() {
            KeyMaterial::PreSharedKey { identity, .. } => identity.hash(&mut digest),
            KeyMaterial::RawPublicKey {
                public_key,
                server_public_key,
                ..
            } => (public_key, server_public_key).hash(&mut digest),
            KeyMaterial::Certificate(keys) | KeyMaterial::CertificateWithEst(keys) => {
                (keys.certificate, keys.server_certificate).hash(&mut digest);
            }
            KeyMaterial::NoSec => {}
        }
        let sms = &security.sms;
        (sms.mode, &sms.server_number).hash(&mut digest);
        Some(Self(digest.finish128().as_u64()))
    }
}
