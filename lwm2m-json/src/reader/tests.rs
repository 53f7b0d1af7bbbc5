use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn check(document: &[u8]) -> Result<()> {
    let mut reader = Reader::new(document)?;
    reader.skip()?;
    reader.end()
}

fn problem(document: &str) -> (usize, Problem) {
    let error = check(document.as_bytes()).unwrap_err();
    (error.offset, error.problem)
}

fn number(raw: &str) -> Number<'_> {
    let mut reader = Reader::new(raw.as_bytes()).unwrap();
    let number = reader.number("a number").unwrap();
    reader.end().unwrap();
    number
}

#[test]
fn errors_are_where_they_are() {
    let expected = Problem::Expected;
    for (document, offset, error) in [
        ("", 0, expected("a value")),
        ("\u{FEFF}1", 0, expected("a value")),
        ("[1,]", 3, expected("a value")),
        ("[1 2]", 3, expected("',' or ']'")),
        ("{\"a\":1,}", 7, expected("a member's name")),
        ("{\"a\" 1}", 5, expected("':'")),
        ("{\"a\":1 \"b\":2}", 7, expected("',' or '}'")),
        ("{a:1}", 1, expected("a member's name")),
        ("nul", 0, expected("'null'")),
        ("[tru]", 1, expected("'true' or 'false'")),
        ("-", 1, expected("a value")),
        ("+1", 0, expected("a value")),
        (".5", 0, expected("a value")),
        ("1.", 2, expected("a digit")),
        ("1e+", 3, expected("a digit")),
        ("01", 1, Problem::Trailing),
        ("1 1", 2, Problem::Trailing),
        ("\"abc", 4, Problem::Unterminated),
        ("\"abcdefghi\u{1}\"", 10, Problem::ControlCharacter),
        ("\"a\\x\"", 2, Problem::Escape),
        ("\"\\u12G4\"", 1, Problem::Escape),
        ("\"\\ud834\"", 1, Problem::Escape),
        ("\"\\ud834\\u0041\"", 1, Problem::Escape),
        ("\"\\udd1e\"", 1, Problem::Escape),
        ("\"\\", 1, Problem::Escape),
    ] {
        assert_eq!(problem(document), (offset, error), "{document:?}");
    }
    let error = check(b"\"ab\xC3\"").unwrap_err();
    assert_eq!((error.offset, error.problem), (3, Problem::Utf8));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(check(nested(16).as_bytes()), Ok(()));
    assert_eq!(problem(&nested(17)), (16, Problem::TooDeep { limit: 16 }));
    assert_eq!(problem(&"{\"\":".repeat(1_000_000)).0, 16 * 4);
}

#[test]
fn strings_are_lent_and_unescaped() {
    for (document, escaped, says) in [
        (r#""""#, false, ""),
        (r#""Zürich 𝄞 ""#, false, "Zürich 𝄞 "),
        (r#""\"\\\/\b\f\n\r\t""#, true, "\"\\/\u{8}\u{C}\n\r\t"),
        (r#""\u00fc\u20AC\ud834\udd1e\u0000""#, true, "ü€𝄞\0"),
    ] {
        let mut reader = Reader::new(document.as_bytes()).unwrap();
        let text = reader.string("a string").unwrap();
        assert_eq!(text.escaped, escaped);
        assert_eq!(text.chars().collect::<String>(), says);
        assert_eq!(text.raw.as_ptr(), document[1..].as_ptr());
    }
}

#[test]
fn integers_are_exact() {
    for (raw, integer) in [
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-0", Some(0)),
        ("15.0", Some(15)),
        ("1.367491215E9", Some(1_367_491_215)),
        ("-1.5e1", Some(-15)),
        ("1500e-2", Some(15)),
        ("0.00e-999999999999999999999", Some(0)),
        ("9007199254740992.0", Some(1 << 53)),
        ("-9007199254740992.0", Some(-(1 << 53))),
        // As floats, these would equal the number before.
        ("9007199254740993.0", None),
        ("1.00000000000000000001", None),
        ("0.5", None),
        ("15e-1", None),
        ("1e16", None),
        ("1e999999999999999999999", None),
        ("1e-999999999999999999999", None),
    ] {
        assert_eq!(number(raw).integer(), integer, "{raw}");
    }
    let zeros = "0".repeat(1000);
    assert_eq!(number(&format!("7.{zeros}")).integer(), Some(7));
    assert_eq!(number(&format!("7{zeros}e-1000")).integer(), Some(7));
    assert_eq!(number(&format!("7{zeros}.5")).integer(), None);
}

#[test]
fn floats_are_finite() {
    assert_eq!(number("1e308").float(), Some(1e308));
    assert_eq!(number("1e309").float(), None);
    assert_eq!(number("1e-400").float(), Some(0.0));
}

/// Texts that are JSON, nearly JSON, and something else.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => "[\\[\\]{},:]",
        2 => "\"[a-z]{0,9}\"",
        2 => "\"(\\\\u[0-9a-dA-D]{4}|\\\\[bfnrtux/\"\\\\]|[^\"\\\\]){0,4}\"",
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        1 => "[-+.0-9eE]{1,5}",
        1 => "true|false|null|[ \t\r\n]{1,3}",
    ];
    let soup = prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop_oneof![
        soup.prop_map(String::into_bytes),
        value.prop_map(|value| value.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..16),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// It accepts what `serde_json` accepts, and nothing else.
    #[test]
    fn the_grammar_is_that_of_serde_json(document in documents()) {
        match serde_json::from_slice::<Value>(&document) {
            Ok(_) => prop_assert_eq!(check(&document), Ok(())),
            // A number that no float can hold. Its grammar is valid.
            Err(error) if error.to_string().contains("out of range") => {}
            Err(error) => prop_assert!(check(&document).is_err(), "{}", error),
        }
    }

    #[test]
    fn strings_say_what_serde_json_says(text in any::<String>(), pad in 0usize..9) {
        let text = format!("{}{text}", "x".repeat(pad));
        let document = serde_json::to_string(&text).unwrap();
        let mut reader = Reader::new(document.as_bytes()).unwrap();
        let read: String = reader.string("a string").unwrap().chars().collect();
        prop_assert_eq!(read, text);
        prop_assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn numbers_say_what_serde_json_says(raw in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?") {
        let theirs: serde_json::Number = serde_json::from_str(&raw).unwrap();
        prop_assert_eq!(number(&raw).token_integer(), theirs.as_i64().filter(|_| !raw.contains(['.', 'e', 'E'])).or((raw == "-0").then_some(0)));
        prop_assert_eq!(number(&raw).float(), theirs.as_f64());
    }
}

/// A byte is plain or not wherever it is in a string.
#[test]
fn special_bytes_are_found_wherever_they_are() {
    for len in 0..40 {
        for at in 0..len {
            for byte in 0..=u8::MAX {
                let mut text = vec![0xFF; len];
                text[at] = byte;
                let special = matches!(byte, b'"' | b'\\' | 0..=0x1F);
                let before = if special { at } else { len };
                assert_eq!(plain_len(&text), before, "{byte} at {at} of {len}");
                assert_eq!(is_plain(&text), !special, "{byte} at {at} of {len}");
            }
        }
    }
}
