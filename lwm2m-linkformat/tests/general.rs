//! The format itself (RFC 6690).

extern crate alloc;

use alloc::borrow::Cow::{Borrowed, Owned};

use lwm2m_linkformat::{
    Attribute, AttributeValue, LinkFormatError, LinkWriteError, LinkWriter, Links, Reason,
};

/// The target of each link, and its attributes with their unquoted values.
type Read = Vec<(String, Vec<(String, Option<String>)>)>;

fn read(document: &str) -> Result<Read, LinkFormatError> {
    Links::new(document)
        .map(|link| {
            let link = link?;
            let attributes = link.attributes().map(|Attribute { name, value }| {
                (name.to_owned(), value.map(|value| value.to_string()))
            });
            Ok((link.target.to_owned(), attributes.collect()))
        })
        .collect()
}

/// The only attribute of the only link.
fn value(document: &str) -> AttributeValue<'_> {
    let link = Links::new(document).next().unwrap().unwrap();
    link.attributes().next().unwrap().value.unwrap()
}

#[test]
fn examples_of_rfc_6690() {
    let document = concat!(
        r#"</sensors>;ct=40;title="Sensor Index","#,
        r#"</sensors/temp>;rt="temperature-c";if="sensor","#,
        r#"</sensors/light>;rt="light-lux core.sen-light";if="sensor","#,
        r#"<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby","#,
        r#"</t>;anchor="/sensors/temp";rel="alternate""#,
    );
    let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    assert_eq!(
        read(document).unwrap(),
        [
            (
                "/sensors".to_owned(),
                vec![some("ct", "40"), some("title", "Sensor Index")]
            ),
            (
                "/sensors/temp".to_owned(),
                vec![some("rt", "temperature-c"), some("if", "sensor")]
            ),
            (
                "/sensors/light".to_owned(),
                vec![some("rt", "light-lux core.sen-light"), some("if", "sensor")]
            ),
            (
                "http://www.example.com/sensors/t123".to_owned(),
                vec![some("anchor", "/sensors/temp"), some("rel", "describedby")]
            ),
            (
                "/t".to_owned(),
                vec![some("anchor", "/sensors/temp"), some("rel", "alternate")]
            ),
        ]
    );
    let mut written = Vec::new();
    let mut links = LinkWriter::new(&mut written);
    for link in Links::new(document) {
        let link = link.unwrap();
        let mut writer = links.link(link.target).unwrap();
        for attribute in link.attributes() {
            let value = attribute.value.unwrap();
            writer = if value.is_quoted() {
                writer.quoted(attribute.name, &value.unquoted()).unwrap()
            } else {
                writer.token(attribute.name, value.raw()).unwrap()
            };
        }
    }
    assert_eq!(String::from_utf8(written).unwrap(), document);
}

#[test]
fn separators_inside_of_quotes_separate_nothing() {
    assert_eq!(
        read(r#"</a>;title="x,</b>;y=\"1\\\"",</c>"#).unwrap(),
        [
            (
                "/a".to_owned(),
                vec![("title".to_owned(), Some(r#"x,</b>;y="1\""#.to_owned()))]
            ),
            ("/c".to_owned(), vec![]),
        ]
    );
}

#[test]
fn commas_and_semicolons_may_stand_in_a_target() {
    let links = read("</a,b;c=d>;obs").unwrap();
    assert_eq!(
        links,
        [("/a,b;c=d".to_owned(), vec![("obs".to_owned(), None)])]
    );
}

#[test]
fn blanks_may_stand_around_separators() {
    let plain = read("</a>;x=1;y,</b>").unwrap();
    for document in [
        "</a>;x=1;y, </b>",
        "</a>; x=1; y,</b>",
        " </a> ; x=1 ;\ty \r\n,\r\n</b> \n",
    ] {
        assert_eq!(read(document).unwrap(), plain, "{document:?}");
    }
    assert_eq!(read("").unwrap(), []);
    assert_eq!(read(" \r\n").unwrap(), []);
}

#[test]
fn a_value_is_borrowed_unless_it_has_escapes() {
    assert!(matches!(value("<>;a=1.2").unquoted(), Borrowed("1.2")));
    assert!(matches!(value(r#"<>;a="1 2""#).unquoted(), Borrowed("1 2")));
    assert!(matches!(value(r#"<>;a="1\"2""#).unquoted(), Owned(text) if text == "1\"2"));
    assert_eq!(value(r#"<>;a="\1\\""#).as_str(), None);
    assert_eq!(value(r#"<>;a="\1\\""#).raw(), r"\1\\");
    assert_eq!(value(r#"<>;a="\1\\""#), r"1\");
    assert!(value(r#"<>;a="""#).chars().eq("".chars()));
    assert!(value(r#"<>;a="é\é""#).chars().eq("éé".chars()));
}

#[test]
fn the_first_attribute_of_a_name_counts() {
    let link = Links::new("</>;a;ct=1;ct=2").next().unwrap().unwrap();
    assert_eq!(link.value("ct").unwrap(), "1");
    let a = Attribute {
        name: "a",
        value: None,
    };
    assert_eq!(link.attribute("a"), Some(a));
    assert_eq!(link.value("a"), None);
    assert_eq!(link.attribute("c"), None);
}

#[test]
fn what_is_malformed_says_where_and_what_was_expected() {
    for (document, offset, reason) in [
        (">", 0, Reason::Link),
        ("a", 0, Reason::Link),
        ("3/0/2", 0, Reason::Link),
        (r#"lwm2m="1.0",</0/0>"#, 0, Reason::Link),
        ("<", 1, Reason::TargetEnd),
        ("</1/0", 5, Reason::TargetEnd),
        ("</1/0,</2/0>", 6, Reason::TargetEnd),
        ("</1 /0>", 3, Reason::TargetEnd),
        ("</1\n>", 3, Reason::TargetEnd),
        ("</1\0>", 3, Reason::TargetEnd),
        ("</1>>", 4, Reason::Separator),
        ("</1></2>", 4, Reason::Separator),
        ("</1> </2>", 5, Reason::Separator),
        ("</1>x", 4, Reason::Separator),
        ("</1>;a b", 7, Reason::Separator),
        ("</1>;a=1\"2\"", 8, Reason::Separator),
        ("</1>;a=\"2\"3", 10, Reason::Separator),
        ("</1>;a=\"2\"\"3\"", 10, Reason::Separator),
        ("</1>;a=b\\", 8, Reason::Separator),
        ("</1>;a=é", 7, Reason::Value),
        ("</1>,", 5, Reason::Link),
        ("</1>, ", 6, Reason::Link),
        ("</1>,,</2>", 5, Reason::Link),
        (",</1>", 0, Reason::Link),
        ("</1>;", 5, Reason::AttributeName),
        ("</1>;;a", 5, Reason::AttributeName),
        ("</1>; ,</2>", 6, Reason::AttributeName),
        ("</1>;=1", 5, Reason::AttributeName),
        ("</1>;\"a\"", 5, Reason::AttributeName),
        ("</1>;a=", 7, Reason::Value),
        ("</1>;a=,</2>", 7, Reason::Value),
        ("</1>;a= 1", 7, Reason::Value),
        ("</1>;a =1", 7, Reason::Separator),
        ("</1>;a=\"", 8, Reason::QuoteEnd),
        ("</1>;a=\"x,</2>", 14, Reason::QuoteEnd),
        ("</1>;a=\"x\\\"", 11, Reason::QuoteEnd),
        ("</1>;a=\"x\\", 9, Reason::QuoteEnd),
    ] {
        let error = LinkFormatError { offset, reason };
        assert_eq!(read(document), Err(error), "{document:?}");
    }
}

#[test]
fn what_is_not_utf_8_says_where() {
    let mut links = Links::new(b"</1>,</\xFF>");
    let error = LinkFormatError {
        offset: 7,
        reason: Reason::Utf8,
    };
    assert_eq!(links.next().unwrap().unwrap_err(), error);
    assert!(links.next().is_none());
}

#[test]
fn an_error_is_the_last_item_and_prints_itself() {
    let mut links = Links::new("</1>,</2,</3>");
    assert_eq!(links.next().unwrap().unwrap().target, "/1");
    let error = links.next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 9: expected '>' at the end of the target"
    );
    assert!(links.next().is_none());
}

#[test]
fn a_writer_refuses_what_would_not_read_back() {
    let mut out = b"kept".to_vec();
    let mut links = LinkWriter::new(&mut out);
    for (target, index) in [("/a b", 2), ("/a>", 2), ("<", 0), ("/\"", 1), ("/\n", 1)] {
        let error = LinkWriteError::Target { index };
        assert_eq!(links.link(target).unwrap_err(), error, "{target:?}");
    }
    for (name, index) in [("", 0), ("a=", 1), ("a;b", 1), ("é", 0)] {
        let error = LinkWriteError::Name { index };
        assert_eq!(links.link("/").unwrap().flag(name).unwrap_err(), error);
        assert_eq!(
            links.link("/").unwrap().quoted(name, "").unwrap_err(),
            error
        );
        assert_eq!(
            links.link("/").unwrap().token(name, "1").unwrap_err(),
            error
        );
    }
    for (token, index) in [
        ("", 0),
        ("a b", 1),
        ("a,", 1),
        ("a;", 1),
        ("\"", 0),
        ("\\", 0),
    ] {
        let error = LinkWriteError::Token { index };
        assert_eq!(
            links.link("/").unwrap().token("a", token).unwrap_err(),
            error
        );
    }
    assert!(out.starts_with(b"kept</>,</>,"));
    assert!(out.ends_with(b",</>"));
}

/// RFC 6690, section 2: a target is a URI reference, and so is an anchor.
#[test]
fn what_is_no_uri_reference_is_not_written() {
    let mut out = Vec::new();
    let mut links = LinkWriter::new(&mut out);
    for (text, index) in [
        ("%", 0),
        ("/%2", 1),
        ("/a%2x", 2),
        ("/caf\u{e9}", 4),
        ("/a|b", 2),
        ("/{a}", 1),
        ("/[a]", 1),
        ("a_b:c", 3),
        ("//[::1", 2),
        ("coap://host:x", 12),
        ("/a#b#c", 4),
    ] {
        let error = LinkWriteError::Target { index };
        assert_eq!(links.link(text).unwrap_err(), error, "{text:?}");
        let link = links.link("").unwrap();
        let error = LinkWriteError::Anchor { index };
        assert_eq!(link.quoted("anchor", text).unwrap_err(), error, "{text:?}");
    }
    let error = LinkWriteError::Anchor { index: 0 };
    let link = links.link("").unwrap();
    assert_eq!(link.token("anchor", "%").unwrap_err(), error);
    let mut right = Vec::new();
    let mut links = LinkWriter::new(&mut right);
    for text in [
        "",
        "/caf%C3%A9",
        "//[::1]:5683/a?b#c",
        "coap://host/a;b=c,d",
    ] {
        let link = links.link(text).unwrap();
        link.quoted("anchor", text).unwrap();
    }
    assert_eq!(
        String::from_utf8(right).unwrap(),
        concat!(
            r#"<>;anchor="",</caf%C3%A9>;anchor="/caf%C3%A9","#,
            r#"<//[::1]:5683/a?b#c>;anchor="//[::1]:5683/a?b#c","#,
            r#"<coap://host/a;b=c,d>;anchor="coap://host/a;b=c,d""#
        )
    );
}

/// RFC 2616, section 2.2: `TEXT` is any octet except control characters, but with tabs.
#[test]
fn control_characters_stand_in_no_quoted_string() {
    for control in (0..=0x7Fu8).map(char::from).filter(char::is_ascii_control) {
        let mut out = Vec::new();
        let mut links = LinkWriter::new(&mut out);
        let link = links.link("/a").unwrap();
        let written = link.quoted("x", &format!("a{control}b"));
        let [plain, escaped] =
            ["", "\\"].map(|escape| read(&format!("</a>;x=\"a{escape}{control}b\"")));
        if control == '\t' {
            assert!(written.is_ok());
            assert_eq!(plain, escaped);
            assert_eq!(plain.unwrap()[0].1[0].1.as_deref(), Some("a\tb"));
            assert_eq!(out, b"</a>;x=\"a\tb\"");
        } else {
            assert_eq!(written.unwrap_err(), LinkWriteError::Quoted { index: 1 });
            let reason = Reason::ControlCharacter;
            let error = |offset| Err(LinkFormatError { offset, reason });
            assert_eq!(plain, error(9), "{control:?}");
            assert_eq!(escaped, error(10), "{control:?}");
            assert_eq!(out, b"</a>");
        }
    }
    let reason = Reason::ControlCharacter;
    let late = LinkFormatError { offset: 11, reason };
    assert_eq!(read("</a>;x=\"\\\"a\n,</b>"), Err(late));
    // Everything outside of ASCII is text, control characters of Unicode as well.
    assert!(read("</a>;x=\"\u{85}\\\u{85}\"").is_ok());
}

#[test]
fn content_formats_may_lack_their_quotes() {
    for (document, formats, others) in [
        ("</>;ct=60 110 112", "60 110 112", 0),
        ("</>;rt=x;ct=60  110;obs", "60  110", 2),
        ("</>;ct=60 70000 ;obs", "60 70000", 1),
        ("</>;ct=60 ", "60", 0),
        ("</>;ct=60 ,</1>", "60", 0),
        ("</>;ct=\"60 110\"", "60 110", 0),
    ] {
        let link = Links::new(document).next().unwrap().unwrap();
        assert_eq!(link.value("ct").unwrap(), formats, "{document}");
        let others_found = link.attributes().count() - 1;
        assert_eq!(others_found, others, "{document}");
        assert_eq!(
            link.value("ct").unwrap().is_quoted(),
            document.contains('"')
        );
        assert!(Links::new(document).all(|link| link.is_ok()));
    }
    for (document, offset, reason) in [
        ("</>;ct=60 x", 10, Reason::Separator),
        ("</>;ct=60 110x", 10, Reason::Separator),
        ("</>;ct=60\t110", 10, Reason::Separator),
        ("</>;ct=60 \"110\"", 10, Reason::Separator),
        ("</>;ct=60 110 </1>", 14, Reason::Separator),
        ("</>;ct=x 110", 9, Reason::Separator),
        ("</>;ct=\"60\" 110", 12, Reason::Separator),
        ("</>;ct= 60", 7, Reason::Value),
        // Other attributes have no lists without quotes.
        ("</>;sz=60 110", 10, Reason::Separator),
    ] {
        let error = LinkFormatError { offset, reason };
        assert_eq!(read(document), Err(error), "{document}");
    }
}

#[test]
fn a_link_tells_at_which_byte_it_begins() {
    // The ä of the first title takes two bytes.
    let links = Links::new("</a>;title=\"ä\",</b>,</c/1>;ct=40");
    let offsets: Vec<_> = links.map(|link| link.unwrap().offset()).collect();
    assert_eq!(offsets, [0, 16, 21]);
}
