//! Whether the accounts are consistent (TS 5.2.2, E.1, E.2).

use alloc::collections::BTreeMap;

use lwm2m_core::{BindingMode, InstanceId, ObjectId, Path, ServerUri, ShortServerId};

use super::judge::Judge;
use crate::{
    access::accounts::{is_bootstrap_server, security_id, server_id},
    bootstrap::inconsistency::{Expected, Inconsistency},
    tree::TreeView,
    typed::{SecurityMode, Values},
};

/// The LwM2M Servers, each with its Security Object Instance.
pub(super) type Servers = BTreeMap<ShortServerId, InstanceId>;

/// Checks Security and Server Object. Returns the servers.
pub(super) fn check(
    tree: TreeView<'_>,
    supports: &dyn Fn(BindingMode) -> bool,
    judge: &mut Judge<'_>,
) -> Result<Servers, Inconsistency> {
    let mut servers = Servers::new();
    let mut has_bootstrap_server = false;
    for instance in tree.instances(ObjectId::SECURITY) {
        let security = Values::of(tree, ObjectId::SECURITY, instance);
        let of_bootstrap_server = is_bootstrap_server(tree, instance);
        judge(check_security(&security, of_bootstrap_server))?;
        if of_bootstrap_server {
            if has_bootstrap_server {
                let path = Path::Instance(ObjectId::SECURITY, instance);
                judge(Err(Inconsistency::at(path, Expected::OneBootstrapServer)))?;
            }
            has_bootstrap_server = true;
            continue;
        }
        let Some(id) = security_id(tree, instance) else {
            judge(Err(expected(&security, 10, Expected::ShortServerId)))?;
            continue;
        };
        if servers.insert(id, instance).is_some() {
            judge(Err(expected(&security, 10, Expected::AnotherId(id))))?;
        }
    }
    if servers.is_empty() {
        let path = Path::Object(ObjectId::SECURITY);
        judge(Err(Inconsistency::at(path, Expected::ServerAccount)))?;
    }
    check_servers(tree, &servers, supports, judge)?;
    Ok(servers)
}

/// Checks all but the Short Server ID.
fn check_security(security: &Values<'_>, of_bootstrap_server: bool) -> Result<(), Inconsistency> {
    let uri = found(security, 0, security.string(0))?;
    found(security, 1, security.boolean(1))?;
    let mode = security.number(2).and_then(SecurityMode::from_number);
    let mode = mode.ok_or(expected(security, 2, Expected::SecurityMode))?;
    if !(of_bootstrap_server && uri.is_empty()) {
        let fits = match ServerUri::parse(&uri) {
            Ok(ServerUri::Coap { .. }) => mode == SecurityMode::NoSec,
            Ok(ServerUri::Coaps { .. }) => mode != SecurityMode::NoSec,
            // What secures SMS is in Resource 6.
            Ok(_) => true,
            Err(error) => return Err(expected(security, 0, Expected::ServerUri(error))),
        };
        if !fits {
            return Err(expected(security, 0, Expected::SchemeOfMode));
        }
    }
    for key in mode.key_resources() {
        if security
            .opaque(key.get())
            .is_none_or(|octets| octets.is_empty())
        {
            return Err(expected(security, key.get(), Expected::Key));
        }
    }
    Ok(())
}

/// Each server has exactly one Server Object Instance, and the other way round.
fn check_servers(
    tree: TreeView<'_>,
    servers: &Servers,
    supports: &dyn Fn(BindingMode) -> bool,
    judge: &mut Judge<'_>,
) -> Result<(), Inconsistency> {
    let mut without = servers.clone();
    let mut check_one = |instance| {
        let server = Values::of(tree, ObjectId::SERVER, instance);
        let id = server_id(tree, instance).ok_or(expected(&server, 0, Expected::ShortServerId))?;
        let missing = expected(&server, 0, Expected::SecurityInstance(id));
        let security = Values::of(tree, ObjectId::SECURITY, *servers.get(&id).ok_or(missing)?);
        if without.remove(&id).is_none() {
            return Err(expected(&server, 0, Expected::AnotherId(id)));
        }
        check_server(&server, &security, supports)
    };
    for instance in tree.instances(ObjectId::SERVER) {
        judge(check_one(instance))?;
    }
    for (id, instance) in without {
        let security = Values::of(tree, ObjectId::SECURITY, instance);
        judge(Err(expected(&security, 10, Expected::ServerInstance(id))))?;
    }
    Ok(())
}

/// Checks all but the Short Server ID.
fn check_server(
    server: &Values<'_>,
    security: &Values<'_>,
    supports: &dyn Fn(BindingMode) -> bool,
) -> Result<(), Inconsistency> {
    let lifetime = found(server, 1, server.number::<i64>(1))?;
    if !(1..=i64::from(u32::MAX)).contains(&lifetime) {
        return Err(expected(server, 1, Expected::Lifetime));
    }
    found(server, 6, server.boolean(6))?;
    let binding = found(server, 7, server.string(7))?;
    let binding = binding
        .parse::<BindingMode>()
        .ok()
        .filter(|binding| supports(*binding));
    let binding = binding.ok_or(expected(server, 7, Expected::SupportedBinding))?;
    if binding.has_sms() && !has_sms_number(security) {
        return Err(expected(security, 9, Expected::SmsNumber));
    }
    if !binding.has_sms() && is_number(security) {
        return Err(expected(security, 0, Expected::UriOfBinding));
    }
    Ok(())
}

/// Whether a server can be reached by SMS: by Resource 9 of its Security Object Instance, or by its URI.
fn has_sms_number(security: &Values<'_>) -> bool {
    let number = security.string(9).unwrap_or_default();
    !number.is_empty() || is_number(security)
}

/// Whether the URI is one for SMS.
fn is_number(security: &Values<'_>) -> bool {
    let uri = security.string(0).unwrap_or_default();
    matches!(ServerUri::parse(&uri), Ok(ServerUri::Sms(_)))
}

/// The value of a mandatory Resource.
fn found<V>(values: &Values<'_>, resource: u16, value: Option<V>) -> Result<V, Inconsistency> {
    value.ok_or(expected(values, resource, Expected::Mandatory))
}

fn expected(values: &Values<'_>, resource: u16, expected: Expected) -> Inconsistency {
    Inconsistency::at(values.path(resource), expected)
}
