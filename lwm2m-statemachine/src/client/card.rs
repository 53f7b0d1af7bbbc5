//! The smartcard of the device (TS 5.2.3.2).

use alloc::vec::Vec;

use lwm2m_core::{BindingMode, InstanceId, Instant, ObjectId, Path, ResourceId, Value};
use lwm2m_objects::ObjectTree;

use super::{bootstrap::Bootstrap, calls::Client, parts::Parts, registrations::Registrations};
use crate::smartcard::{BootstrapUnderWay, CardContents, Refreshed, refresh};

/// Supported Binding and Modes of the Device Object (TS E.4).
const SUPPORTED_BINDINGS: Path =
    Path::Resource(ObjectId::DEVICE, InstanceId::ZERO, ResourceId::new(16));

/// The smartcard.
impl Client {
    /// Tells what bootstrap file the smartcard has now ([`Walk`](crate::smartcard::Walk) reads it). `None` means that
    /// the file is gone, or the card: what came from it is deleted. If that isn't known, because the card couldn't be
    /// read, call [`smartcard_unread`](Self::smartcard_unread). Call one of them for each
    /// [`SmartcardAsked`](super::ClientEvent::SmartcardAsked), and this one whenever the card may have changed.
    ///
    /// The Objects [follow](refresh) the card. Where an account is changed or gone, its connection ends,
    /// and a new one is made with what the card has now. If the card is what it was, the Connect, the
    /// Register or the Update follows for which the Client has asked.
    ///
    /// Returns what has happened. If the file is [refused](Refreshed::refused), what came from the card
    /// before and isn't there any more is deleted.
    ///
    /// # Errors
    ///
    /// [`BootstrapUnderWay`] if the card has changed and a bootstrap is under way. Nothing has happened;
    /// tell it again when that has ended.
    pub fn smartcard(
        &mut self,
        now: Instant,
        file: Option<&[u8]>,
    ) -> Result<Refreshed, BootstrapUnderWay> {
        self.parts.smartcard(now, file)
    }

    /// Tells that the smartcard couldn't be read: the walk to the file has ended in an
    /// [error](crate::smartcard::WalkError), the card doesn't answer, or a PIN is waited for. What came from the card
    /// stays. Its servers are sent nothing until the card has been read, and their registrations may come to their end.
    /// At the start, the Client goes on with what the factory has given it (TS 5.2.4, step 2).
    ///
    /// The Client asks again ([`SmartcardAsked`](super::ClientEvent::SmartcardAsked)), after a wait that is longer with
    /// each failure in a row, as that for [registrations](super::ClientConfig::retry). Returns when. Nothing need be
    /// waited for to call [`smartcard`](Self::smartcard).
    pub fn smartcard_unread(&mut self, now: Instant) -> Instant {
        self.parts.smartcard_unread(now)
    }

    /// What the Objects have from the smartcard. Save it with their values, if you don't save a
    /// [snapshot](Self::snapshot), which has it, too.
    pub const fn card_contents(&self) -> &CardContents {
        self.parts.registrations.card().contents()
    }

    /// Says which Object Instances come from the smartcard, after a restart with saved values. Call it
    /// before [`smartcard`](Self::smartcard).
    pub fn restore_card_contents(&mut self, contents: CardContents) {
        self.parts.registrations.card_mut().set_contents(contents);
    }
}

impl Parts {
    fn smartcard(
        &mut self,
        now: Instant,
        file: Option<&[u8]>,
    ) -> Result<Refreshed, BootstrapUnderWay> {
        let supported = supported_bindings(&self.tree);
        let supports = |binding: BindingMode| {
            let supported = supported.as_deref();
            supported.is_none_or(|supported| binding.is_supported_by(supported))
        };
        let before = self.registrations.card().contents();
        let refreshed = refresh(&mut self.tree, before, file, supports)?;
        let card = self.registrations.card_mut();
        card.looked(&mut self.timers, refreshed.contents.clone());
        // No server reads the Security Object, but accounts come and go with it.
        let changes = &refreshed.changes;
        let named = [&changes.added, &changes.changed, &changes.removed];
        let paths: Vec<Path> = named.into_iter().flatten().copied().collect();
        if !paths.is_empty() {
            self.follow(now, refreshed.paths.iter().copied().chain(paths));
            self.follow_objects(now);
            // No request has led to a De-register, so it needn't follow an answer.
            self.end_old_answers(now);
        }
        self.bootstrap(now, Bootstrap::smartcard_tried);
        self.register(now, Registrations::card_seen);
        Ok(refreshed)
    }

    fn smartcard_unread(&mut self, now: Instant) -> Instant {
        let next = self.registrations.card_unread(&mut self.timers, now);
        self.bootstrap(now, Bootstrap::smartcard_tried);
        next
    }
}

/// The bindings that the Device Object says are supported, if it says so.
fn supported_bindings(tree: &ObjectTree) -> Option<alloc::string::String> {
    match tree.get(SUPPORTED_BINDINGS)? {
        Value::String(supported) => Some(supported),
        _ => None,
    }
}
