//! Whether a client may use an endpoint name (TS 7.1.5, 7.1.10).

use super::origin::Origin;
use crate::machine::{Identity, IdentityTable};

/// Whether the holder of this proven identity may use this endpoint name.
pub type IdentityCheck = fn(&Identity<'_>, &str) -> bool;

/// Whether clients without a proven identity are served (NoSec, TS 7.1.10): their Register, which is
/// answered 4.03 if not, or their Bootstrap-Request, which is answered 4.00.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum NoSec {
    /// They are, under any endpoint name that no client with a proven identity has at the moment.
    #[default]
    Accept,
    /// They are, under the endpoint names for which this returns `true`.
    Only(fn(&str) -> bool),
    /// They are not.
    Refuse,
}

/// The equality match of TS 7.1.5: the PSK identity is the endpoint name, or the certificate has it
/// among its names. A raw public key carries no name, so it needs an entry in the
/// [`IdentityTable`]. NoSec proves nothing.
pub fn identity_is_name(identity: &Identity<'_>, endpoint_name: &str) -> bool {
    match identity {
        Identity::Psk(identity) => *identity == endpoint_name.as_bytes(),
        Identity::Certificate(names) => names.contains(&endpoint_name),
        Identity::None | Identity::RawPublicKey(_) => false,
    }
}

/// What the application has decided about endpoint names.
#[derive(Clone, Debug)]
pub(crate) struct NamePolicy {
    pub(crate) identity_check: IdentityCheck,
    /// Names that identities may use besides.
    pub(crate) identities: IdentityTable,
    pub(crate) no_sec: NoSec,
}

/// Why a client may not use an endpoint name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameDenied {
    /// Its proven identity is another one.
    Identity,
    /// It has proven none.
    NoSec,
}

impl NamePolicy {
    /// Whether a client may use this name at all.
    pub(crate) fn check<P>(&self, origin: &Origin<'_, P>, name: &str) -> Result<(), NameDenied> {
        match origin.is_secure() {
            true if self.allows(&origin.identity, name) => Ok(()),
            true => Err(NameDenied::Identity),
            false if self.serves_unproven(name) => Ok(()),
            false => Err(NameDenied::NoSec),
        }
    }

    /// Whether a client without a proven identity may use this name.
    pub(crate) fn serves_unproven(&self, name: &str) -> bool {
        match self.no_sec {
            NoSec::Accept => true,
            NoSec::Only(may) => may(name),
            NoSec::Refuse => false,
        }
    }

    /// Whether the holder of this proven identity may use this name.
    pub(crate) fn allows(&self, identity: &Identity<'_>, name: &str) -> bool {
        (self.identity_check)(identity, name) || self.identities.allows(identity, name)
    }
}
