//! Accounts of servers, and whether a client will find them consistent (TS 5.2.6).

use lwm2m_core::{InstanceId, ServerUri, ShortServerId};
use lwm2m_objects::typed::{self, KeyMaterial, SecurityMode};

use super::error::PlanError;

/// A LwM2M Server Account: a Security and a Server Object Instance with one Short Server ID (TS
/// 5.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an account consists of these two in every version"
)]
pub struct Account {
    /// How the client reaches the server, with its keys.
    pub security: typed::Security,
    /// What the client does for the server.
    pub server: typed::Server,
}

/// The client's account of the Bootstrap-Server: the Security Object Instance that this machine is
/// reached by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootstrapAccount {
    /// It stays as it is, at this Instance, which no plan writes.
    /// [`Discovered::bootstrap_account`](super::super::Discovered::bootstrap_account) finds it.
    Keep(InstanceId),
    /// It is replaced, in place (TS 5.2.3.3). The client uses the new one from its next bootstrap on.
    Replace(InstanceId, typed::Security),
}

impl Account {
    /// The Short Server ID, which both halves have, if a client will find the account consistent.
    pub(super) fn id(&self) -> Result<ShortServerId, PlanError> {
        let Self { security, server } = self;
        let id = server.short_server_id;
        if security.short_server_id != Some(id) || security.bootstrap_server {
            return Err(PlanError::Account(id));
        }
        let uri = check(security)?;
        let has_number = matches!(uri, ServerUri::Sms(_)) || security.sms.server_number.is_some();
        if server.binding.has_sms() && !has_number {
            return Err(PlanError::NoNumber(id));
        }
        Ok(id)
    }
}

/// Whether this is the account of a Bootstrap-Server that a client will find consistent.
pub(super) fn check_own(security: &typed::Security) -> Result<(), PlanError> {
    if !security.bootstrap_server {
        return Err(PlanError::BootstrapAccount);
    }
    check(security).map(|_| ())
}

/// The URI, if it and the keys fit the security mode.
fn check(security: &typed::Security) -> Result<ServerUri<'_>, PlanError> {
    let uri = ServerUri::parse(&security.server_uri)?;
    let mode = security.mode;
    let fits = match uri {
        ServerUri::Coap { .. } => mode == SecurityMode::NoSec,
        ServerUri::Coaps { .. } => mode != SecurityMode::NoSec,
        // SMS have a security mode of their own.
        _ => true,
    };
    if !fits {
        return Err(PlanError::Scheme(mode));
    }
    check_keys(security)?;
    Ok(uri)
}

/// Whether all keys are there that the security mode needs.
pub(super) fn check_keys(security: &typed::Security) -> Result<(), PlanError> {
    let values: &[&[u8]] = match security.material() {
        KeyMaterial::PreSharedKey { identity, key } => &[identity, key],
        KeyMaterial::RawPublicKey {
            public_key,
            private_key,
            server_public_key,
        } => &[public_key, server_public_key, private_key],
        KeyMaterial::Certificate(keys) => {
            &[keys.certificate, keys.server_certificate, keys.private_key]
        }
        KeyMaterial::NoSec => &[],
        KeyMaterial::CertificateWithEst(keys) => &[keys.server_certificate],
    };
    let resources = security.mode.key_resources().iter().zip(values);
    let mut missing =
        resources.filter_map(|(resource, value)| value.is_empty().then_some(*resource));
    missing
        .next()
        .map_or(Ok(()), |resource| Err(PlanError::MissingKey(resource)))
}
