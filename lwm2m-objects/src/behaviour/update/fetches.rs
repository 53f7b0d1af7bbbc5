//! The packages that the Client fetches for an Object.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
};

use lwm2m_core::{InstanceId, Path};

use super::pull::scheme;
use crate::tree::FetchOrder;

/// The packages that the Client fetches, and what it has not been told of them yet. There is one
/// at most for each Object Instance.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    /// Whether the application fetches all packages itself.
    by_application: bool,
    running: BTreeSet<InstanceId>,
    orders: BTreeMap<InstanceId, Order>,
}

#[derive(Debug)]
enum Order {
    Begin(String),
    Stop,
}

impl Fetches {
    /// Leaves all packages to the application.
    pub(crate) const fn leave_to_application(&mut self) {
        self.by_application = true;
    }

    /// Whether the Client fetches the package of this URI.
    pub(crate) fn takes(&self, uri: &str) -> bool {
        let by = |scheme: &str| {
            scheme.eq_ignore_ascii_case("coap") || scheme.eq_ignore_ascii_case("coaps")
        };
        !self.by_application && scheme(uri).is_some_and(by)
    }

    /// A package is to be fetched, in place of an earlier one.
    pub(crate) fn begin(&mut self, instance: InstanceId, uri: &str) {
        self.running.insert(instance);
        self.orders.insert(instance, Order::Begin(uri.into()));
    }

    /// The package isn't needed any more.
    pub(crate) fn stop(&mut self, instance: InstanceId) {
        if self.running.remove(&instance) {
            self.orders.insert(instance, Order::Stop);
        }
    }

    /// No package is needed any more.
    pub(crate) fn stop_all(&mut self) {
        for instance in core::mem::take(&mut self.running) {
            self.orders.insert(instance, Order::Stop);
        }
    }

    /// The Client has nothing more to do with the package.
    pub(crate) fn end(&mut self, instance: InstanceId) {
        self.running.remove(&instance);
    }

    /// Whether the Client fetches a package for this Object Instance.
    pub(crate) fn is_running(&self, instance: InstanceId) -> bool {
        self.running.contains(&instance)
    }

    /// The next order to the Client; `path` is that of Package URI.
    pub(crate) fn poll(&mut self, path: impl Fn(InstanceId) -> Path) -> Option<FetchOrder> {
        let (instance, order) = self.orders.pop_first()?;
        let path = path(instance);
        Some(match order {
            Order::Begin(uri) => FetchOrder::Begin { path, uri },
            Order::Stop => FetchOrder::Stop { path },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: InstanceId = InstanceId::ZERO;

    fn poll(fetches: &mut Fetches) -> Option<FetchOrder> {
        fetches.poll(|instance| Path::Resource(9.into(), instance, 3.into()))
    }

    #[test]
    fn the_client_takes_coap_and_coaps_only() {
        let mut fetches = Fetches::default();
        for (uri, taken) in [
            ("coap://h/p", true),
            ("COAPS://h/p", true),
            ("coap+tcp://h/p", false),
            ("http://h/p", false),
            ("coap:", false),
        ] {
            assert_eq!(fetches.takes(uri), taken, "{uri}");
        }
        fetches.leave_to_application();
        assert!(!fetches.takes("coap://h/p"));
    }

    #[test]
    fn the_last_order_for_an_object_instance_counts() {
        let path = Path::Resource(9.into(), ONE, 3.into());
        let mut fetches = Fetches::default();
        fetches.stop(ONE);
        assert_eq!(poll(&mut fetches), None);
        fetches.begin(ONE, "coap://a/");
        fetches.stop(ONE);
        fetches.begin(ONE, "coap://b/");
        let uri = "coap://b/".into();
        assert_eq!(poll(&mut fetches), Some(FetchOrder::Begin { path, uri }));
        assert_eq!(poll(&mut fetches), None);
        fetches.stop(ONE);
        fetches.stop(ONE);
        assert_eq!(poll(&mut fetches), Some(FetchOrder::Stop { path }));
        assert_eq!(poll(&mut fetches), None);
    }

    #[test]
    fn a_fetch_that_has_ended_needs_no_stop() {
        let mut fetches = Fetches::default();
        fetches.begin(ONE, "coap://a/");
        poll(&mut fetches);
        fetches.end(ONE);
        fetches.stop_all();
        assert_eq!(poll(&mut fetches), None);
    }
}
