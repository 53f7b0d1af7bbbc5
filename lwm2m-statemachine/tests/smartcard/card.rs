//! The card of the tests, and how it is walked.

use lwm2m_statemachine::smartcard::{CardFile, Step, Walk, WalkConfig, WalkError};

pub(crate) use lwm2m_kit::card::{
    AID, APPLICATION_FCP_WITH_PINS, Card, DODF, FILE, FLAGS_AT, OBJECT_IDENTIFIER, ODF, Protocol,
    byte, transparent,
};

pub(crate) fn config() -> WalkConfig {
    WalkConfig::new(OBJECT_IDENTIFIER.parse().unwrap())
}

pub(crate) type Outcome = Result<Option<Vec<u8>>, WalkError>;

/// Walks a card to the end, without a PIN.
pub(crate) fn walk(card: &mut Card) -> Outcome {
    walk_with(card, config())
}

pub(crate) fn walk_with(card: &mut Card, config: WalkConfig) -> Outcome {
    let mut walk = Walk::new(config);
    loop {
        match walk.step() {
            Step::Send { command, .. } => {
                let response = card.exchange(command);
                walk.answer(&response);
            }
            Step::Done(Err(error)) => return Err(error),
            Step::Done(Ok(_)) => return Ok(walk.into_file()),
            other => panic!("{other:?}"),
        }
    }
}

/// The file that is wrong, by its error.
pub(crate) fn file_of(outcome: &Outcome) -> Option<CardFile> {
    match outcome.as_ref().err()? {
        WalkError::NoStatus { file, .. }
        | WalkError::TooLong { file, .. }
        | WalkError::Status { file, .. }
        | WalkError::Malformed { file, .. }
        | WalkError::TooLarge { file, .. }
        | WalkError::Truncated { file, .. }
        | WalkError::TooManyRecords { file, .. }
        | WalkError::Pin(file) => Some(*file),
        _ => None,
    }
}
