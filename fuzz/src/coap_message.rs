use lwm2m_statemachine::coap::{MessageBuf, MessageRef, OptionError, OptionFault};

/// A datagram as a CoAP message: what is read can be written, to the same bytes if its options are
/// legal.
pub fn coap_message(data: &[u8]) {
    let Ok(message) = MessageRef::parse(data) else {
        return;
    };
    look_at_everything(&message);

    let mut kept = Vec::new();
    let mut copy = MessageBuf::response(message.code());
    for (number, value) in message.options() {
        match copy.option(number, value) {
            Ok(_) => kept.push((number, value)),
            // Illegal options are read, so that they can be refused, but never written.
            Err(OptionError::Length { .. } | OptionError::Repeated(_)) => {}
            Err(error) => panic!("{number:?} {value:02x?}: {error}"),
        }
    }
    copy.payload(message.payload());
    let copy = copy.finish(message.kind(), message.message_id(), message.token());
    if kept.len() == message.options().count() {
        assert_eq!(copy.as_ref(), data);
    }
    let again = MessageRef::parse(copy.as_ref()).expect("what is written is read");
    assert_eq!(again.options().collect::<Vec<_>>(), kept);
    assert_eq!(head(&again), head(&message));
}

fn head<'a>(message: &MessageRef<'a>) -> impl PartialEq + core::fmt::Debug + use<'a> {
    (
        message.kind(),
        message.code(),
        message.message_id(),
        message.token(),
        message.payload(),
    )
}

/// Every typed accessor, and bounds that its type can't express.
fn look_at_everything(message: &MessageRef<'_>) {
    for strings in [
        message.uri_path(),
        message.uri_query(),
        message.location_path(),
        message.location_query(),
    ] {
        assert!(strings.count() <= message.options().count());
    }
    for block in [message.block1(), message.block2()].into_iter().flatten() {
        assert!((16..=1024).contains(&block.size()) && block.number() < 1 << 20);
        assert_eq!(block.offset(), block.number() as usize * block.size());
    }
    assert!(message.observe().is_none_or(|observe| observe < 1 << 24));
    assert!(message.uri_host().is_none_or(|host| !host.is_empty()));
    assert!(
        message
            .etag()
            .is_none_or(|tag| (1..=8).contains(&tag.len()))
    );
    let _ = (message.uri_port(), message.max_age());
    let _ = (message.content_format(), message.accept());
    let _ = (message.size1(), message.size2());
    // An excluded value makes no option unrecognised.
    let first = message
        .offending()
        .find(|option| option.number.is_critical() && option.fault != OptionFault::Value);
    assert_eq!(message.unrecognised(), first.map(|option| option.number));
    if let Some(option) = message.unrecognised() {
        assert!(option.is_critical());
        assert!(message.options().any(|(number, _)| number == option));
    }
}
