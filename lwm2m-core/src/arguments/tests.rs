use alloc::{string::ToString, vec::Vec};

use proptest::prelude::*;

use super::*;

fn list(text: &str) -> Vec<(u8, Option<&str>)> {
    let arguments = Arguments::parse(text.as_bytes()).unwrap();
    arguments
        .iter()
        .map(|argument| (argument.digit, argument.value))
        .collect()
}

#[test]
fn the_examples_of_the_specification() {
    assert_eq!(list("5"), [(5, None)]);
    assert_eq!(list("2='10.3'"), [(2, Some("10.3"))]);
    assert_eq!(
        list("7,0='https://www.oma.org'"),
        [(7, None), (0, Some("https://www.oma.org"))]
    );
    assert_eq!(
        list("0,1,2,3,4"),
        [(0, None), (1, None), (2, None), (3, None), (4, None)]
    );
}

#[test]
fn debug_of_a_builder_shows_digits() {
    let mut builder = ArgumentsBuilder::new();
    builder.push(9, None).unwrap().push(0, None).unwrap();
    let shown = alloc::format!("{builder:?}");
    assert!(shown.contains("{0, 9}"), "{shown}");
}

#[test]
fn no_payload_is_no_arguments_and_a_value_may_be_empty() {
    assert_eq!(list(""), []);
    assert_eq!(Arguments::parse(b""), Ok(Arguments::NONE));
    assert_eq!(list("0=''"), [(0, Some(""))]);
    // A comma, an equals sign and a digit in a value are part of it.
    assert_eq!(list("0='a,1=b',1"), [(0, Some("a,1=b")), (1, None)]);
}

#[test]
fn a_value_has_exactly_the_characters_of_the_grammar() {
    for byte in 0..=255u8 {
        let payload = [b'0', b'=', b'\'', b'a', byte, b'\''];
        let allowed = (0x21..=0x7E).contains(&byte) && !b"\"'\\".contains(&byte);
        let result = Arguments::parse(&payload);
        assert_eq!(result.is_ok(), allowed, "{byte:#x}");
    }
}

#[test]
fn errors_tell_where_and_what_was_expected() {
    use ArgumentsExpected::{ClosingQuote, Digit, Next, OpeningQuote, ValueOrNext};

    for (text, offset, expected) in [
        (",", 0, Digit),
        ("a", 0, Digit),
        (" 5", 0, Digit),
        ("'x'", 0, Digit),
        ("5,", 2, Digit),
        ("5,,6", 2, Digit),
        ("7, 0", 2, Digit),
        ("0='a',", 6, Digit),
        ("10", 1, ValueOrNext),
        ("5 ", 1, ValueOrNext),
        ("5;6", 1, ValueOrNext),
        ("5=", 2, OpeningQuote),
        ("5=6", 2, OpeningQuote),
        ("5=\"6\"", 2, OpeningQuote),
        ("5='", 3, ClosingQuote),
        ("5='abc", 6, ClosingQuote),
        ("5='a b'", 4, ClosingQuote),
        ("5='a\\b'", 4, ClosingQuote),
        ("5='é'", 3, ClosingQuote),
        ("5='a'6", 5, Next),
        ("5='a''", 5, Next),
        ("5='a'\n", 5, Next),
    ] {
        assert_eq!(
            Arguments::parse(text.as_bytes()),
            Err(ArgumentsError::Syntax { offset, expected }),
            "{text}"
        );
    }
    assert_eq!(
        Arguments::parse(b"1,2='x',1='y'"),
        Err(ArgumentsError::Duplicate {
            offset: 8,
            digit: 1
        })
    );
    assert_eq!(
        Arguments::parse(b"5,x").unwrap_err().to_string(),
        "offset 2: expected a digit"
    );
}

#[test]
fn the_builder_refuses_what_could_not_be_read() {
    let mut builder = ArgumentsBuilder::new();
    builder.push(1, Some("a")).unwrap();
    assert_eq!(builder.push(10, None), Err(ArgumentError::Digit(10)));
    assert_eq!(builder.push(1, None), Err(ArgumentError::Duplicate(1)));
    assert_eq!(
        builder.push(2, Some("it's")),
        Err(ArgumentError::Value { offset: 2 })
    );
    builder.push(2, None).unwrap();
    assert_eq!(builder.finish(), "1='a',2");
    assert_eq!(ArgumentsBuilder::new().finish(), "");
}

#[test]
fn arguments_are_found_by_their_digit() {
    let arguments = Arguments::parse(b"3,1='x'").unwrap();
    assert_eq!(arguments.value(1), Some("x"));
    assert!(arguments.contains(3));
    assert_eq!(arguments.value(3), None);
    assert_eq!(arguments.get(0), None);
    assert!(!arguments.contains(255));
}

proptest! {
    #[test]
    fn what_is_built_reads_back_equal(
        values in prop::collection::hash_map(
            0u8..=9,
            prop::option::of("[!#-&(-\\[\\]-~]{0,12}"),
            0..=10,
        ),
    ) {
        let mut builder = ArgumentsBuilder::new();
        for (digit, value) in &values {
            builder.push(*digit, value.as_deref()).unwrap();
        }
        let arguments = Arguments::parse(builder.arguments().as_str().as_bytes()).unwrap();
        prop_assert_eq!(arguments.iter().count(), values.len());
        for (digit, value) in &values {
            let expected = Argument { digit: *digit, value: value.as_deref() };
            prop_assert_eq!(arguments.get(*digit), Some(expected));
        }
    }

    #[test]
    fn any_payload_is_read_or_refused(payload in "([0-9](='[ -~]{0,3}')?,?){0,4}") {
        if let Ok(arguments) = Arguments::parse(payload.as_bytes()) {
            let mut builder = ArgumentsBuilder::new();
            for argument in arguments {
                builder.push(argument.digit, argument.value).unwrap();
            }
            prop_assert_eq!(builder.finish(), payload);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(payload in prop::collection::vec(any::<u8>(), 0..16)) {
        if let Err(ArgumentsError::Syntax { offset, .. }) = Arguments::parse(&payload) {
            prop_assert!(offset <= payload.len());
        }
    }
}
