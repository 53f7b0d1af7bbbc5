//! Certificates of servers that have expired: the Bootstrap-Server may have others (TS 7.1.9).

use core::time::Duration;
use std::collections::BTreeMap;

use lwm2m_core::Instant;
use lwm2m_objects::{Typed as _, typed};
use lwm2m_statemachine::{
    AccountId, ConnectionId,
    client::{AccountRole, BootstrapState},
};

use super::SecureClient;
use crate::secure::session::DtlsStack;

/// How long after the first bootstrap the second may follow.
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// The longest time between two bootstraps.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

impl<D: DtlsStack> SecureClient<D> {
    /// The account of a LwM2M Server that a connection is of. For that of a Bootstrap-Server there is nobody to ask.
    pub(super) fn server_of(&self, connection: ConnectionId) -> Option<AccountId> {
        let mut accounts = self.client.accounts();
        let account = accounts.find(|account| account.connection == Some(connection))?;
        matches!(account.role, AccountRole::Server(_)).then_some(account.id)
    }

    /// The certificate of a server has expired: begins a bootstrap. If that brings no other certificate, no further
    /// one follows; the Bootstrap Sequence goes on as after any failure (TS 5.2.4).
    pub(super) fn renew(&mut self, now: Instant, account: AccountId) {
        if has_one_ahead(self.client.bootstrapping().state(now)) {
            return;
        }
        let tree = self.client.tree().settled();
        let Some(security) = typed::Security::load(tree, account.instance()) else {
            return;
        };
        let certificate = security.server_public_key;
        if self.renewals.allow(now, account, &certificate)
            && self.client.bootstrapping().begin(now).is_ok()
        {
            // No more than there are accounts.
            self.renewals
                .keep(|id| self.client.accounts().any(|account| account.id == id));
            self.renewals.begun(now, account, certificate);
        }
    }
}

/// Whether the Bootstrap Sequence has a bootstrap under way, or comes to one at a moment of its own. A Client Hold Off
/// Time isn't cut short (TS E.1, Resource 11).
const fn has_one_ahead(state: BootstrapState) -> bool {
    matches!(
        state,
        BootstrapState::HoldingOff { .. }
            | BootstrapState::Waiting { .. }
            | BootstrapState::Beginning { .. }
            | BootstrapState::UnderWay { .. }
    )
}

/// The bootstraps that were begun for certificates that had expired. There is time between them, also if each brings
/// another certificate that has expired.
#[derive(Debug)]
pub(super) struct Renewals {
    /// The certificates, by their accounts.
    certificates: BTreeMap<AccountId, Vec<u8>>,
    /// When the last one was begun, and for how long none follows.
    last: Option<(Instant, Duration)>,
}

impl Renewals {
    pub(super) const fn new() -> Self {
        Self {
            certificates: BTreeMap::new(),
            last: None,
        }
    }

    /// Whether a bootstrap may begin for this certificate.
    fn allow(&self, now: Instant, account: AccountId, certificate: &[u8]) -> bool {
        let is_over = |(at, wait)| now.saturating_duration_since(at) >= wait;
        let is_new = self.certificates.get(&account).map(Vec::as_slice) != Some(certificate);
        is_new && self.last.is_none_or(is_over)
    }

    fn begun(&mut self, now: Instant, account: AccountId, certificate: Vec<u8>) {
        let wait = self.last.map_or(FIRST_WAIT, |(_, wait)| {
            wait.saturating_mul(2).min(LONGEST_WAIT)
        });
        self.last = Some((now, wait));
        self.certificates.insert(account, certificate);
    }

    /// Forgets accounts that are gone.
    fn keep(&mut self, is_there: impl Fn(AccountId) -> bool) {
        self.certificates.retain(|account, _| is_there(*account));
    }

    /// A server has registered the device. If a bootstrap was begun for its certificate, that has helped. Other servers
    /// register again after each bootstrap, whether it helps or not.
    pub(super) fn registered(&mut self, account: AccountId) {
        if self.certificates.remove(&account).is_some() {
            self.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::InstanceId;

    use super::*;

    const SERVER: AccountId = AccountId::new(InstanceId::ZERO);
    const OLD: [&[u8]; 2] = [b"one", b"another"];

    /// Seconds after which a bootstrap may follow one at `now`, for the certificates in turn.
    fn wait(renewals: &mut Renewals, now: u64, round: usize) -> u64 {
        renewals.begun(Instant::from_secs(now), SERVER, OLD[round % 2].to_vec());
        let is_allowed = |after: &u64| {
            let then = Instant::from_secs(now + after);
            renewals.allow(then, SERVER, OLD[(round + 1) % 2])
        };
        (0..=86_400).find(is_allowed).expect("a day at most")
    }

    #[test]
    fn bootstraps_for_two_expired_certificates_in_turn_follow_ever_more_slowly_up_to_a_day() {
        let mut renewals = Renewals::new();
        assert!(renewals.allow(Instant::ZERO, SERVER, OLD[0]));
        let mut now = 0;
        let mut waits = Vec::new();
        for round in 0..13 {
            waits.push(wait(&mut renewals, now, round));
            now += waits[round];
        }
        assert_eq!(waits[..4], [60, 120, 240, 480]);
        assert_eq!(waits[10..], [61_440, 86_400, 86_400]);
    }

    #[test]
    fn a_bootstrap_for_the_same_certificate_does_not_follow_after_any_time() {
        let mut renewals = Renewals::new();
        renewals.begun(Instant::ZERO, SERVER, OLD[0].to_vec());
        assert!(!renewals.allow(Instant::from_secs(10 * 86_400), SERVER, OLD[0]));
    }

    #[test]
    fn the_registration_of_the_server_ends_the_wait_and_that_of_another_does_not() {
        let mut renewals = Renewals::new();
        renewals.begun(Instant::ZERO, SERVER, OLD[0].to_vec());
        renewals.registered(AccountId::new(InstanceId::new(1).unwrap()));
        assert!(!renewals.allow(Instant::ZERO, SERVER, OLD[1]));
        renewals.registered(SERVER);
        assert!(renewals.allow(Instant::ZERO, SERVER, OLD[1]));
        assert_eq!(wait(&mut renewals, 0, 0), 60);
    }

    #[test]
    fn a_hold_off_and_a_wait_of_the_bootstrap_sequence_are_not_cut_short() {
        let until = Instant::from_secs(1);
        assert!(has_one_ahead(BootstrapState::HoldingOff { until }));
        assert!(has_one_ahead(BootstrapState::Waiting { until }));
        assert!(!has_one_ahead(BootstrapState::Registering));
    }
}
