//! Nothing is allocated to read a message. One test, because the counter is global.

use core::hint::black_box;

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_kit::heap::allocations;
use lwm2m_statemachine::coap::{MessageBuf, MessageRef, MessageType, Token};

lwm2m_kit::count_allocations!();

#[test]
fn nothing_is_allocated_to_read_and_once_to_write() {
    // Check the counter itself.
    assert_eq!(allocations(|| drop(black_box(vec![1]))), 1);

    let token = Token::new(&[1, 2, 3, 4]).unwrap();
    let register = || {
        let mut message = MessageBuf::request_with_capacity(Method::Post, 100);
        message.uri_path("rd").unwrap();
        message.content_format(ContentFormat::LINK_FORMAT).unwrap();
        message.uri_query("ep=urn:dev:os:0023C7-000001").unwrap();
        message.uri_query("lt=86400").unwrap();
        message.payload(b"</1/0>,</3/0>");
        message.finish(MessageType::Confirmable, 1, token)
    };
    assert_eq!(allocations(|| drop(black_box(register()))), 1, "writing");

    let register = register();
    let read = allocations(|| {
        let message = MessageRef::parse(black_box(register.as_ref())).unwrap();
        assert_eq!((message.code(), message.token()), (Code::POST, token));
        assert_eq!(message.unrecognised(), None);
        assert_eq!(message.uri_path().count(), 1);
        assert_eq!(message.uri_query().count(), 2);
        assert_eq!(message.content_format(), Some(ContentFormat::LINK_FORMAT));
        assert_eq!(message.options().count(), 4);
        assert_eq!(message.payload().len(), 13);
    });
    assert_eq!(read, 0, "reading");

    // GET with a second Accept, a path that isn't UTF-8, and unknown options.
    let offending = b"\x40\x01\x00\x01\xb1\xff\x61\x32\x01\x2a\x10\xe0\xfc\xca";
    let told = allocations(|| {
        let message = MessageRef::parse(black_box(offending)).unwrap();
        assert_eq!(message.offending().count(), 4);
    });
    assert_eq!(told, 0, "telling what is wrong");

    for end in 0..register.as_ref().len() {
        let cut = register.as_ref().get(..end).unwrap();
        let refused = allocations(|| {
            let _ = black_box(MessageRef::parse(black_box(cut)));
        });
        assert_eq!(refused, 0, "reading what is cut off after {end} bytes");
    }
}
