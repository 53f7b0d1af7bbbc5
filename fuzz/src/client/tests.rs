//! What would break an invariant is found.

use lwm2m_core::{Code, Instant};
use lwm2m_objects::Change;
use lwm2m_statemachine::coap::{MessageBuf, MessageType, Token};

use super::{
    kind::Kind,
    numbers,
    objects::{self, thing},
    observations::Observations,
    operations::{Channel, Operations, Origin},
    values::Values,
};
use crate::program::Program;

const FROM: (usize, Channel) = (0, Channel::Server(0, 0));
const NOW: Instant = Instant::from_secs(1);
const WHOLE: Origin = Origin {
    completes: None,
    writes: Some(1),
};

/// A message with this id and payload.
fn message(code: Code, id: u16, observe: Option<u32>, payload: &[u8]) -> Vec<u8> {
    let mut message = MessageBuf::new(code);
    if let Some(observe) = observe {
        message.observe(observe).unwrap();
    }
    message.payload(payload);
    let kind = match code {
        Code::PUT => MessageType::Confirmable,
        _ => MessageType::Acknowledgement,
    };
    message.finish(kind, id, Token::EMPTY).as_ref().to_vec()
}

/// A Write of operation 5 with this message id has arrived.
fn write(operations: &mut Operations, id: u16) {
    let write = message(Code::PUT, id, None, &numbers::operation(5).to_be_bytes());
    operations.arrives(NOW, FROM, &write, &WHOLE);
}

fn runs(operations: &mut Operations, values: usize) {
    operations.takes_effect(&[(5, values)].into());
}

#[test]
fn a_repeated_message_runs_once_and_another_message_runs_again() {
    let mut operations = Operations::default();
    write(&mut operations, 1);
    write(&mut operations, 1);
    runs(&mut operations, 1);
    write(&mut operations, 2);
    runs(&mut operations, 1);
}

#[test]
#[should_panic = "operation 5 runs again"]
fn an_operation_that_runs_twice_is_found() {
    let mut operations = Operations::default();
    write(&mut operations, 1);
    runs(&mut operations, 1);
    write(&mut operations, 1);
    runs(&mut operations, 1);
}

#[test]
#[should_panic = "operation 5 is not whole"]
fn an_operation_that_writes_too_little_is_found() {
    let mut operations = Operations::default();
    let two = numbers::operation(5).to_be_bytes().repeat(2);
    let origin = Origin {
        writes: Some(2),
        ..WHOLE
    };
    operations.arrives(NOW, FROM, &message(Code::PUT, 1, None, &two), &origin);
    runs(&mut operations, 1);
}

#[test]
#[should_panic = "operation 5 is said to be done"]
fn a_write_that_is_accepted_and_not_made_is_found() {
    let mut operations = Operations::default();
    write(&mut operations, 1);
    operations.judge(0, FROM.1, &message(Code::CHANGED, 1, None, b""));
}

#[test]
#[should_panic = "operation 5 is refused"]
fn a_write_that_is_refused_and_made_is_found() {
    let mut operations = Operations::default();
    write(&mut operations, 1);
    runs(&mut operations, 1);
    operations.judge(0, FROM.1, &message(Code::FORBIDDEN, 1, None, b""));
}

#[test]
#[should_panic = "without the right"]
fn a_value_that_the_wrong_server_sees_is_found() {
    let mut operations = Operations::default();
    write(&mut operations, 1);
    let digits = numbers::operation(5).to_string();
    operations.judge(
        1,
        FROM.1,
        &message(Code::CONTENT, 9, None, digits.as_bytes()),
    );
}

#[test]
#[should_panic = "counter 6 after Some(7)"]
fn a_value_that_comes_after_a_newer_one_is_found() {
    let mut observations = Observations::default();
    for (id, counter) in [(1, 7), (1, 7), (2, 6)] {
        let counter = numbers::counter(counter).to_be_bytes();
        observations.judge(0, &message(Code::CONTENT, id, Some(id.into()), &counter));
    }
}

#[test]
#[should_panic = "a value is lost"]
fn a_value_that_is_lost_is_found() {
    let kind = Kind::read(&mut Program::new(&[]));
    let mut tree = objects::tree(kind, NOW);
    let values = Values::of(&tree);
    values.check(&tree);
    tree.change([Change::Delete { path: thing(1) }]).unwrap();
    values.check(&tree);
}
