//! What every machine of this crate stands on: the sans-IO contract, proven identities, deadlines, and
//! randomness from one seed. It knows nothing of CoAP or LwM2M.

#[cfg(any(feature = "server", feature = "bootstrap-server"))]
mod handles;
mod identities;
mod past;
mod random;
mod timer;
mod transport;

#[cfg(any(feature = "server", feature = "bootstrap-server"))]
pub(crate) use self::handles::HandleState;
pub use self::{
    identities::IdentityTable,
    timer::TimerQueue,
    transport::{Channel, Datagram, Identity, Machine, Peer, Transmit},
};
pub(crate) use self::{
    past::Past,
    random::{KeyedState, Random},
};
